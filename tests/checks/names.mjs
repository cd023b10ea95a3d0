// The house rule of architectures: a record of its own says what differs, and nothing else asks which one it is.
//   node tests/checks/names.mjs

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const median = 60;
const longest = 90;

/** @param {string} folder @returns {string[]} */
function sources(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? sources(file) : /\.[ch]$/.test(entry.name) ? [file] : [];
  });
}

/** A source without its comments, lines kept. @param {string} text */
const bare = (text) => text.replace(/\/\*[^]*?\*\/|\/\/.*/g, (comment) => comment.replace(/[^\n]/g, ' '));

/**
 * Checks the records below `root`/core/model/arch and that no other source of core names one. Vocabularies (text/) have
 * names of their own, some of which are those of architectures.
 * @param {string} root @returns {{ passed: number, problems: string[] }}
 */
export function checkNames(root) {
  const core = path.join(root, 'core');
  const folder = path.join(core, 'model/arch');
  const problems = [];
  let passed = 0;
  /** @type {Set<string>} */
  const names = new Set();
  const lengths = [];
  const listed = fs.readFileSync(path.join(core, 'model/arch_list.c'), 'utf8');
  const golden = path.join(root, 'tests/golden/plan');
  const texts = fs.readdirSync(golden, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.txt'));
  const plans = texts.map((file) => fs.readFileSync(path.join(golden, file), 'utf8').split(':')[0]);
  for (const file of sources(folder)) {
    const text = fs.readFileSync(file, 'utf8');
    const where = path.relative(root, file);
    const lines = text.trimEnd().split('\n').length;
    const before = problems.length;
    const records = [...text.matchAll(/const struct arch arch_(\w+) =\s*\{[^}]*?\.name = "([^"]+)"/g)];
    if (records.length === 0) continue; // what several records share
    lengths.push(lines / records.length);
    if (lines > longest * records.length) problems.push(`${where}: ${lines} lines; a record has at most ${longest}`);
    for (const [, symbol, name] of records) {
      names.add(name);
      if (!new RegExp(`X\\(${symbol}\\)`).test(listed)) problems.push(`${where}: ${symbol} is not in arch_list.c`);
      if (!plans.includes(name)) problems.push(`${where}: no golden plan in tests/golden/plan is one of ${name}`);
    }
    if (problems.length === before) passed++;
  }
  lengths.sort((a, b) => a - b);
  const middle = lengths[lengths.length >> 1];
  if (names.size < 20) problems.push(`only ${names.size} architectures were found`);
  else if (middle > median) problems.push(`half of the records have more than ${middle} lines; ${median} are the aim`);
  else passed++;

  for (const file of sources(core)) {
    const layer = path.relative(core, file).split(path.sep)[0];
    if (file.startsWith(folder + path.sep) || layer === 'text') continue;
    const before = problems.length;
    for (const [i, line] of bare(fs.readFileSync(file, 'utf8')).split('\n').entries()) {
      const where = `${path.relative(root, file)}:${i + 1}`;
      for (const [, word] of line.matchAll(/"((?:[^"\\]|\\.)*)"/g))
        if (names.has(word)) problems.push(`${where}: names the architecture "${word}"`);
      if (/&arch_\w/.test(line) && !/&arch_##/.test(line)) problems.push(`${where}: asks for a record`);
      const compares = /(?:cmp|same\w*|equal\w*)\s*\([^;]*arch->name|arch->name\s*(?:[!=]=|\[)|arch\s*[!=]=\s*[^N=]/;
      if (compares.test(line)) problems.push(`${where}: compares an architecture`);
    }
    if (problems.length === before) passed++;
  }
  return { passed, problems };
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { passed, problems } = checkNames(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..'));
  for (const problem of problems) console.log(problem);
  console.log(`${passed} passed, ${problems.length} failed`);
  process.exitCode = problems.length ? 1 : 0;
}
