// What npm pack gives is enough: README's first snippet runs in a page built by Vite, in a bare page with an import
// map, and in Node, each from a fresh installation of the package.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { hasBrowser, openBrowser } from './drivers/index.mjs';
import { startServer } from './server.mjs';
import { realModel } from '../models.mjs';
import { buildPackage } from '../../tools/build.mjs';
import { scripts } from '../../tools/package.mjs';
import { root } from '../../tools/setup-util.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-package-'));
const run = promisify(execFile);
const inFolder = { cwd: folder, maxBuffer: 1 << 26, timeout: 300_000 };
/** @type {string} */
let model;

/** README's first JavaScript block that imports the package, with the model's address replaced. */
function snippet() {
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```(?:js|javascript)\n([\s\S]*?)```/g)].map((match) => match[1]);
  const block = blocks.find((text) => text.includes("from 'sotto'"));
  assert.ok(block, "README has a JavaScript block with `from 'sotto'`");
  const here = `'/model/${path.basename(model)}'`;
  const replaced = block.replace(/(['"])(hf:|https?:)[^'"]+\1/, here);
  assert.notEqual(replaced, block, "README's snippet loads a model by hf: or by address");
  return replaced;
}

before(async () => {
  model = await realModel();
  // npm test has built the modules; what else npm pack would do is writing dist/ and the types.
  await buildPackage();
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { ...inFolder, cwd: root });
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  const names = files.map((/** @type {{ path: string }} */ file) => file.path);
  for (const wanted of ['dist/js/index.js', 'dist/workers/engine.js', 'types/index.d.ts', 'dist/wasm/dist/sotto-simd.wasm', 'dist/wasm/dist/sotto-relaxed.wasm', 'LICENSE', 'README.md']) {
    assert.ok(names.includes(wanted), `${wanted} is in the package`);
  }
  assert.deepEqual(names.filter((/** @type {string} */ name) => /^(tests|core|tools|web-demo|build|js|workers)\//.test(name)), []);
  for (const name of ['package.json', 'index.html', 'importmap.html']) {
    fs.copyFileSync(path.join(root, 'tests/package', name), path.join(folder, name));
  }
  fs.writeFileSync(path.join(folder, 'main.js'), snippet());
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `./${filename}`], inFolder);
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Opens a page whose only script is the snippet and returns what it shows or prints. @param {string} base @param {string} page */
async function show(base, page) {
  const server = await startServer({ folders: { '/': base, '/model/': path.dirname(model) } });
  const browser = await openBrowser('chromium');
  try {
    await browser.open(`${server.url}/${page}`);
    const text = async () => {
      const shown = await browser.evaluate('document.body.innerText');
      return `${shown}\n${browser.console.map((line) => line.replace(/^log: /, '')).join('\n')}`;
    };
    const end = Date.now() + 90_000;
    while ((await text()).trim().length < 20 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 250));
    const shown = await text();
    assert.deepEqual(browser.console.filter((line) => /^(error|uncaught)/.test(line)), []);
    return shown;
  } finally {
    await browser.close();
    await server.close();
  }
}

const skip = !hasBrowser('chromium') && 'Chromium is not installed';

test("README's snippet runs in a page built by Vite without configuration", { skip }, async () => {
  await run('npx', ['--no-install', 'vite', 'build'], inFolder);
  assert.match(await show(path.join(folder, 'dist'), 'index.html'), /[a-z]{3,}.*[a-z]{3,}/is);
});

test("README's snippet runs in a bare page with an import map", { skip }, async () => {
  assert.match(await show(folder, 'importmap.html'), /[a-z]{3,}.*[a-z]{3,}/is);
});

test('the installed package runs in Node', async () => {
  const script = `
    import { loadModel } from 'sotto';
    const model = await loadModel(${JSON.stringify(model)}, { cache: false });
    let text = '';
    for await (const part of model.complete('The capital of France is', { maxTokens: 4, temperature: 0 })) text += part.text;
    console.log(text);
    await model.close();`;
  fs.writeFileSync(path.join(folder, 'node.mjs'), script);
  const { stdout } = await run(process.execPath, ['node.mjs'], inFolder);
  assert.match(stdout, /Paris/);
});

test("the package's types hold for a strict TypeScript user", async () => {
  fs.writeFileSync(path.join(folder, 'user.ts'), [
    "import { loadModel, inspectModel, SottoError } from 'sotto';",
    "const model = await loadModel(new URL('https://example.org/model.gguf'), { threads: 2, kvType: 'f16' });",
    "for await (const part of model.complete('Hello', { maxTokens: 8 })) { const text: string = part.text; console.log(text); }",
    'const ids: Uint32Array = await model.tokenize("Hello", { addSpecial: true });',
    "const name: string = (await inspectModel('hf:a/b/c.gguf')).architecture;",
    '// @ts-expect-error: a name that does not exist',
    "await loadModel('x', { thread: 2 });",
    'export { ids, name, SottoError };',
  ].join('\n'));
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler'];
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, ...options, 'user.ts'], inFolder).catch((error) => assert.fail(error.stdout));
});

test('the package has no dependency, and one visitor fetches at most 250 kB', () => {
  const installed = path.join(folder, 'node_modules/sotto');
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(installed, 'package.json'), 'utf8'));
  assert.equal(dependencies, undefined);
  let bytes = 0;
  const files = scripts().map(([name]) => name);
  assert.ok(files.length > 15);
  for (const file of [...files, 'wasm/dist/sotto-relaxed.wasm'].map((name) => path.join('dist', name))) {
    bytes += gzipSync(fs.readFileSync(path.join(installed, file)), { level: 9 }).length;
  }
  console.log(`download size: ${bytes} bytes gzip`);
  assert.ok(bytes <= 250_000, `${bytes} bytes`);
});

test('what is shipped has no comments but those that bundlers read, and the types have all of them', () => {
  const installed = path.join(folder, 'node_modules/sotto');
  const all = scripts().map(([name]) => fs.readFileSync(path.join(installed, 'dist', name), 'utf8')).join('\n');
  assert.doesNotMatch(all, /\/\*\*/);
  assert.deepEqual(all.match(/\/\*.*?\*\//g), ['/* @vite-ignore */', '/* webpackIgnore: true */']);
  assert.match(all, /new URL\('\.\.\/workers\/engine\.js',\s*import\.meta\.url\)/);
  const types = fs.readFileSync(path.join(installed, 'types/index.d.ts'), 'utf8');
  assert.match(types, /Loads a model: downloads it/);
  assert.match(types, /aborts the load at any point/);
});
