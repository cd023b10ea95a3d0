// npm run conformance -- DIR [DIR …] [OPTION …]: runs every case folder below DIR through the engine.
//
//   --native           the native engine instead of the WebAssembly one
//   --variant NAME     simd or relaxed; the best that works here where not given
//   --only KIND,…      arch, quantmodel, quant, tokenizer, template, real; or a part of a case's name after KIND/
//   --models DIR,…     where to look for the models of real/ (beside the cache folder)
//   --verbose          a line for passed cases too
//
// The formats are those of the README beside the cases. A case passes, fails or is not supported; closes with
// 'N passed, N failed', exit code 1 where something failed.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder, root } from '../../tools/setup-util.mjs';
import {
  archCases,
  NotSupported,
  quantCases,
  quantmodelCases,
  realCases,
  sha256,
  templateCases,
  tokenizerCases,
} from './cases.mjs';
import { openNative } from './engine-native.mjs';
import { openWasm } from './engine-wasm.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    native: { type: 'boolean' },
    variant: { type: 'string' },
    only: { type: 'string' },
    models: { type: 'string' },
    verbose: { type: 'boolean' },
  },
});

/** Model files by hash, looked for where models are kept. @returns {(hash: string, name: string) => string | null} */
function finder() {
  const folders = [...(values.models?.split(',') ?? []), path.join(cacheFolder(), 'models')];
  /** @type {Map<string, string>} */
  const known = new Map();
  for (const folder of folders) {
    if (!fs.existsSync(folder)) continue;
    for (const name of fs.readdirSync(folder)) if (name.endsWith('.gguf')) known.set(path.join(folder, name), '');
  }
  return (hash) => {
    for (const [file, had] of known) {
      const own = had || sha256(file);
      known.set(file, own);
      if (own === hash) return file;
    }
    return null;
  };
}

/** The folders with cases: those given, else those below them. @param {string} folder @param {number} [depth] @returns {string[]} */
function caseRoots(folder, depth = 3) {
  const kinds = ['arch', 'quantmodel', 'quant', 'tokenizer', 'template', 'real'];
  if (kinds.some((kind) => fs.existsSync(path.join(folder, kind)))) return [folder];
  if (kinds.includes(path.basename(folder))) return [path.dirname(folder)];
  if (depth === 0) return [];
  const inner = fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return inner.flatMap((entry) => caseRoots(path.join(folder, entry.name), depth - 1));
}

/** Compiles the helper that speaks for the native engine. */
function buildNative() {
  const folder = path.join(root, 'build/conformance');
  const program = path.join(folder, 'native');
  const core = path.join(root, 'core');
  const sources = fs
    .readdirSync(core, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.c'))
    .map((file) => path.join(core, file));
  sources.push(path.join(root, 'tests/conformance/native.c'));
  const newest = Math.max(
    ...fs
      .readdirSync(core, { recursive: true, encoding: 'utf8' })
      .map((file) => fs.statSync(path.join(core, file)).mtimeMs),
    fs.statSync(sources.at(-1) ?? '').mtimeMs,
  );
  if (fs.existsSync(program) && fs.statSync(program).mtimeMs > newest) return program;
  fs.mkdirSync(folder, { recursive: true });
  console.log('compiling the native engine …');
  const flags = ['-std=gnu11', '-O2', '-ffp-contract=off', '-fno-math-errno', '-I', core, '-pthread'];
  execFileSync(process.env.CC ?? 'cc', [...flags, '-o', program, ...sources], { stdio: 'inherit' });
  return program;
}

const wanted = values.only?.split(',');
/** @param {{ kind: string, name: string }} item */
const chosen = ({ kind, name }) =>
  !wanted ||
  wanted.some((word) =>
    word.includes('/')
      ? word.split('/')[0] === kind && name.includes(word.slice(word.indexOf('/') + 1))
      : word === kind,
  );

if (positionals.length === 0) {
  console.error('Which folder? npm run conformance -- DIR [--native] [--only KIND,…]');
  process.exit(2);
}
const missing = positionals.find((folder) => !fs.existsSync(folder));
if (missing) {
  console.error(`There is no folder ${missing}.`);
  process.exit(2);
}
const find = finder();
const cases = [...new Set(positionals.flatMap((folder) => caseRoots(path.resolve(folder))))]
  .flatMap((folder) =>
    [archCases, quantmodelCases, quantCases, tokenizerCases, templateCases]
      .flatMap((list) => list(folder))
      .concat(realCases(folder, find)),
  )
  .filter(chosen);
const engine = values.native
  ? await openNative(buildNative())
  : await openWasm({ variant: /** @type {any} */ (values.variant) });
console.log(`${cases.length} cases, ${engine.name} engine`);

const count = { passed: 0, failed: 0, unsupported: 0 };
/** @type {Map<string, typeof count>} */
const byKind = new Map();
for (const item of cases) {
  const own = byKind.get(item.kind) ?? { passed: 0, failed: 0, unsupported: 0 };
  byKind.set(item.kind, own);
  const title = `${item.kind}/${item.name}`;
  const from = performance.now();
  try {
    await item.run(engine);
    own.passed++;
    if (values.verbose) console.log(`passed         ${title} (${((performance.now() - from) / 1000).toFixed(1)} s)`);
  } catch (/** @type {any} */ error) {
    if (error instanceof NotSupported) own.unsupported++;
    else own.failed++;
    console.log(
      `${error instanceof NotSupported ? 'not supported ' : 'FAILED        '} ${title}: ${error.message ?? error}`,
    );
  }
}
await engine.close();

console.log('');
for (const [kind, own] of byKind) {
  console.log(`${kind.padEnd(11)} ${own.passed} passed, ${own.failed} failed, ${own.unsupported} not supported`);
  for (const key of /** @type {const} */ (['passed', 'failed', 'unsupported'])) count[key] += own[key];
}
if (count.unsupported) console.log(`${count.unsupported} not supported`);
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed || count.passed === 0 ? 1 : 0;
