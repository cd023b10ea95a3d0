// The house rule of core: includes point down only, and nothing of the C library beyond a few headers is used.
//   node tests/checks/layers.mjs

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Layers from the bottom up; those in one row never include each other. */
const layers = [['base'], ['data'], ['kern', 'text'], ['model'], ['gen', 'train'], ['api']];
const rank = new Map(layers.flatMap((row, i) => row.map((name) => [name, i])));

const system = new Set([
  'assert.h', 'float.h', 'limits.h', 'stdalign.h', 'stdarg.h', 'stdbool.h', 'stddef.h', 'stdint.h', 'string.h',
  'wasm_simd128.h',
]);
// The one place where platforms differ.
const platform = new Set([
  'errno.h', 'linux/futex.h', 'pthread.h', 'sched.h', 'sys/syscall.h', 'sys/time.h', 'time.h', 'unistd.h',
]);

/** @param {string} folder @returns {string[]} */
function sources(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? sources(file) : /\.[ch]$/.test(entry.name) ? [file] : [];
  });
}

/**
 * Checks every source below `root`/core, and that what lies outside of core includes its public header alone.
 * @param {string} root @returns {{ passed: number, problems: string[] }}
 */
export function checkLayers(root) {
  const core = path.join(root, 'core');
  const problems = [];
  let passed = 0;
  for (const file of sources(core)) {
    const layer = path.relative(core, file).split(path.sep)[0];
    const before = problems.length;
    for (const { line, name, quoted } of includes(file)) {
      const where = `${path.relative(root, file)}:${line}`;
      if (!quoted) {
        const known = system.has(name) || (layer === 'base' && platform.has(name));
        if (!known) problems.push(`${where}: <${name}> is not for ${layer}/`);
        continue;
      }
      const own = path.join(path.dirname(file), name);
      const target = fs.existsSync(path.join(core, name)) ? path.join(core, name) : own;
      if (!fs.existsSync(target)) {
        problems.push(`${where}: "${name}" does not exist`);
        continue;
      }
      const below = path.relative(core, target).split(path.sep)[0];
      if (below === layer) continue;
      const from = rank.get(layer);
      const to = rank.get(below);
      if (from === undefined || to === undefined) problems.push(`${where}: "${name}" is in no layer`);
      else if (to >= from) problems.push(`${where}: ${layer}/ may not include ${below}/ ("${name}")`);
    }
    if (problems.length === before) passed++;
  }
  const offered = new Set(['api/sotto.h', ...includes(path.join(core, 'api/sotto.h')).map(({ name }) => name)]);
  // The command and the export layer are outside; other files of tools/ help the tests and may look inside.
  const command = sources(path.join(root, 'tools')).filter((file) => path.basename(file).startsWith('sotto'));
  for (const file of [...sources(path.join(root, 'wasm')), ...command]) {
    const inner = includes(file).filter(({ name, quoted }) => quoted && fs.existsSync(path.join(core, name)));
    const wrong = inner.filter(({ name }) => !offered.has(name));
    for (const { line, name } of wrong) {
      problems.push(`${path.relative(root, file)}:${line}: the outside may include api/sotto.h alone, not "${name}"`);
    }
    if (wrong.length === 0) passed++;
  }
  return { passed, problems };
}

/** @param {string} file */
function includes(file) {
  const found = [];
  const lines = fs.readFileSync(file, 'utf8').split('\n');
  for (const [i, text] of lines.entries()) {
    const match = text.match(/^\s*#\s*include\s+(["<])([^">]+)[">]/);
    if (match) found.push({ line: i + 1, name: match[2], quoted: match[1] === '"' });
  }
  return found;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { passed, problems } = checkLayers(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..'));
  for (const problem of problems) console.log(problem);
  console.log(`${passed} passed, ${problems.length} failed`);
  process.exitCode = problems.length ? 1 : 0;
}
