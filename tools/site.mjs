/**
 * Assembles the chat page as static files: `node tools/site.mjs [--out DIR] [--model FILE …]`.
 * What is written can be copied to any static host: the page, the engine under sotto/, its three small libraries
 * under vendor/, and the list of files the service worker keeps for offline use. Models are linked, not copied.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { writePackage } from './package.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

const vendor = {
  'marked.js': 'marked/lib/marked.esm.js',
  'dompurify.js': 'dompurify/dist/purify.es.mjs',
  'idb.js': 'idb/build/index.js',
};

/** @param {string} folder @returns {string[]} */
function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)]);
}

/**
 * @param {string} out folder to write
 * @param {{name: string, path: string}[]} [models] GGUF files to offer from this server
 */
export function assembleSite(out, models = []) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, 'vendor'), { recursive: true });
  cpSync(join(root, 'web-demo'), out, { recursive: true });
  writePackage(join(out, 'sotto'));
  for (const command of ['sotto.wasm', 'sotto-wasi-relaxed.wasm']) rmSync(join(out, 'sotto/wasm/dist', command), { force: true });
  for (const [name, path] of Object.entries(vendor)) {
    // source maps are not shipped, so their pointers would only give 404s
    const text = readFileSync(join(root, 'node_modules', path), 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
    writeFileSync(join(out, 'vendor', name), text);
  }
  const files = walk(out).map((path) => relative(out, path)).filter((path) => !['sw.js', 'assets.js'].includes(path) && !path.endsWith('.d.ts')).sort();
  const version = createHash('sha256');
  for (const path of files) version.update(path).update(readFileSync(join(out, path)));
  version.update(readFileSync(join(out, 'sw.js')));
  const paths = ['./', ...files.filter((path) => path !== 'index.html').map((path) => `./${path}`)];
  writeFileSync(join(out, 'assets.js'),
    `self.SOTTO_VERSION = '${version.digest('hex').slice(0, 16)}';\nself.SOTTO_ASSETS = ${JSON.stringify(paths, null, 1)};\n`);
  mkdirSync(join(out, 'models'), { recursive: true });
  const index = models.filter(({ path }) => existsSync(path)).map(({ name, path }) => {
    symlinkSync(resolve(path), join(out, 'models', basename(path)));
    return { name, file: basename(path), bytes: statSync(path).size };
  });
  writeFileSync(join(out, 'models', 'index.json'), JSON.stringify(index, null, 1) + '\n');
  return out;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  let out = join(root, 'build', 'site');
  const models = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--out') out = resolve(args[++i]);
    else if (args[i] === '--model') models.push({ name: basename(args[++i], '.gguf'), path: args[i] });
    else throw new Error(`unknown argument ${args[i]}`);
  }
  console.log(assembleSite(out, models));
}
