// npm test: sets up what is missing, builds, and runs every test there is. Closes with "N passed, N failed".
//   node tests/run.mjs [STAGE …]     stages named on the command line alone are run (setup and builds always are)
//
// A stage that cannot run says why; a failing one does not keep the others from running.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { checkFused, checkImports, checkSymbols } from './checks/objects.mjs';
import { checkLayers } from './checks/layers.mjs';
import { checkNames } from './checks/names.mjs';
import { caseFolders, reference } from './models.mjs';
import { buildPreset } from '../tools/build.mjs';
import { checkSources } from '../tools/check.mjs';
import { ensureBrowsers, ensureModel, ensureModules, ensureToolchain } from '../tools/setup.mjs';
import { cacheFolder, root } from '../tools/setup-util.mjs';
import { ensureWasmtime } from '../tools/setup-wasmtime.mjs';

/** @typedef {{ passed?: number, failed?: number, skipped?: string }} Result */

const wanted = process.argv.slice(2);
const total = { passed: 0, failed: 0 };
/** @type {string[]} */
const summary = [];
const started = Date.now();
const seconds = (/** @type {number} */ from) => `${((Date.now() - from) / 1000).toFixed(1)} s`;

/** The repository's own cases first, the large collection beside the clone last. */
const cases = caseFolders;

/**
 * Runs one stage under its heading. An exception is one failure.
 * @param {string} name @param {() => Promise<Result>} body @param {{ always?: boolean }} [options]
 */
async function stage(name, body, { always = false } = {}) {
  if (wanted.length && !always && !wanted.some((word) => name.startsWith(word))) return;
  console.log(`\n== ${name}`);
  const from = Date.now();
  /** @type {Result} */
  let result;
  try {
    result = await body();
  } catch (error) {
    console.log(error instanceof Error ? (error.name === 'Error' ? error.stack : error.message) : String(error));
    result = { failed: 1 };
  }
  total.passed += result.passed ?? 0;
  total.failed += result.failed ?? 0;
  const counts = `${result.passed ?? 0} ok, ${result.failed ?? 0} not`;
  const verdict = result.skipped ? `skipped: ${result.skipped}` : result.failed ? `FAILED (${counts})` : counts;
  console.log(`-- ${name}: ${verdict} [${seconds(from)}]`);
  summary.push(`${result.failed ? 'FAILED ' : '       '}${name}: ${verdict} [${seconds(from)}]`);
}

/**
 * Runs a program, keeps its output, and ends it after a time.
 * @param {string[]} words @param {{ env?: Record<string, string>, minutes?: number, echo?: boolean }} [options]
 * @returns {Promise<{ ok: boolean, output: string, why: string }>}
 */
function execute(words, { env = {}, minutes = 5, echo = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(words[0], words.slice(1), {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: minutes * 60_000,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const take = (/** @type {string} */ text) => {
      output += text;
      if (echo) process.stdout.write(text);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => resolve({ ok: false, output, why: error.message }));
    child.on('close', (code, signal) => {
      const why = signal ? `ended by ${signal} (limit ${minutes} min)` : `exit code ${code}`;
      resolve({ ok: code === 0, output, why });
    });
  });
}

/** The counts of the last line "N passed, N failed" of an output. @param {string} output */
function counts(output) {
  const all = [...output.matchAll(/^(?:[\w-]+: )?(\d+) passed, (\d+) failed/gm)];
  const last = all.at(-1);
  return last ? { passed: Number(last[1]), failed: Number(last[2]) } : null;
}

/**
 * Runs test programs, two at a time, and prints what failed. With `cases` each gets the folder of the large
 * collection, and is run on the repository's own cases too where it found something missing in the first.
 * @param {string[][]} commands each [label, program, arguments …]
 * @param {{ env?: Record<string, string>, cases?: boolean }} [options]
 * @returns {Promise<Result>}
 */
async function programs(commands, { env, cases: withCases = false } = {}) {
  const folders = withCases ? [...cases].reverse() : [];
  const queue = commands.map((words) => ({ words, folder: 0 }));
  const sum = { passed: 0, failed: 0 };
  const worker = async () => {
    for (let next; (next = queue.shift()); ) {
      const [label, ...words] = next.words;
      const folder = folders[next.folder];
      const from = Date.now();
      const more = label.startsWith('test_model_real') ? [path.join(cacheFolder(), 'models')] : [];
      const { ok, output, why } = await execute(folder ? [...words, folder, ...more] : words, { env, minutes: 10 });
      const found = counts(output);
      const failed = found?.failed || (ok && found ? 0 : 1);
      sum.passed += found?.passed ?? 0;
      sum.failed += failed;
      const skips = [...output.matchAll(/^\s*skipped: (.*)$/gm)].map((match) => match[1]);
      const again = skips.length > 0 && next.folder + 1 < folders.length;
      if (again) queue.push({ words: next.words, folder: next.folder + 1 });
      const told = again ? 'run again on the own cases' : `skipped: ${[...new Set(skips)].join('; ')}`;
      const note = skips.length ? ` (${told})` : '';
      console.log(`${failed ? 'FAILED' : '    ok'} ${label} ${found?.passed ?? 0} [${seconds(from)}]${note}`);
      if (failed) console.log(`${output.trimEnd().split('\n').slice(-60).join('\n')}\n(${label}: ${why})`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, os.availableParallelism()) }, worker));
  return sum;
}

/** Files below a folder that match, sorted. @param {string} folder @param {RegExp} pattern @returns {string[]} */
function find(folder, pattern) {
  if (!fs.existsSync(folder)) return [];
  const names = fs.readdirSync(folder, { recursive: true }).map(String);
  return names.filter((name) => pattern.test(name) && !name.includes('node_modules')).sort().map((name) => path.join(folder, name));
}

/**
 * C tests of a build that match, under a runner.
 * @param {string} preset @param {RegExp} pattern @param {string[]} [runner] @returns {Promise<Result>}
 */
async function cTests(preset, pattern, runner = []) {
  const built = find(path.join(root, 'build', preset, 'tests'), pattern);
  // A program left over from a source that was removed is not a test any more.
  const files = built.filter((file) => {
    // The conformance run has the real models; a native run of them is for `node tests/run.mjs real`.
    if (path.basename(file).startsWith('test_model_real') !== wanted.includes('real')) return false;
    const [, layer, module] = path.basename(file).match(/^test_([a-z]+)_(\w+?)(?:_relaxed)?(?:\.wasm)?$/) ?? [];
    return fs.existsSync(path.join(root, 'tests', layer, `test_${module}.c`));
  });
  if (files.length === 0) return { skipped: 'no C tests yet' };
  const commands = files.map((file) => [path.basename(file), ...runner, file]);
  const env = { ASAN_OPTIONS: 'detect_leaks=1:allocator_may_return_null=1', UBSAN_OPTIONS: 'print_stacktrace=1' };
  return programs(commands, { env, cases: true });
}

/**
 * Runs node:test files and prints what failed.
 * @param {string[]} files @param {{ node?: string, concurrency?: number, minutes?: number, env?: Record<string, string> }} [options]
 * @returns {Promise<Result>}
 */
async function nodeTests(files, { node = process.execPath, concurrency = 1, minutes = 15, env = {} } = {}) {
  const options = ['--test', '--test-reporter=spec', `--test-concurrency=${concurrency}`];
  const { ok, output, why } = await execute([node, ...options, ...files], { env, minutes, echo: true });
  const number = (/** @type {string} */ word) => Number(output.match(new RegExp(`^\\S+ ${word} (\\d+)$`, 'm'))?.[1] ?? 0);
  const failed = number('fail') + number('cancelled');
  if (!ok && failed === 0) {
    console.log(`node --test: ${why}`);
    return { passed: number('pass'), failed: 1 };
  }
  if (number('pass') + failed === 0) return { skipped: 'every test was skipped' };
  return { passed: number('pass'), failed };
}

/** @param {{ passed: number, problems: string[] }[]} checks @returns {Result} */
function report(checks) {
  for (const problem of checks.flatMap(({ problems }) => problems)) console.log(problem);
  return {
    passed: checks.reduce((sum, { passed }) => sum + passed, 0),
    failed: checks.reduce((sum, { problems }) => sum + problems.length, 0),
  };
}

/** @type {import('../tools/setup-toolchain.mjs').Toolchain | undefined} */
let toolchain;
/** Needs the toolchain or says that a stage cannot run. */
const tools = () => {
  if (!toolchain) throw new Error('needs the toolchain, whose set-up failed');
  return toolchain;
};
const dist = path.join(root, 'wasm/dist');

await stage(
  'setup',
  async () => {
    await ensureModules();
    toolchain = await ensureToolchain();
    process.env.SOTTO_TEST_MODEL = await ensureModel();
    // The second real model is needed only where there are results to compare it with.
    if (reference('greedy.json', 'gemma3-270m-q4_k_m')) await ensureModel('gemma3-270m');
    if (wanted.length === 0 || wanted.some((word) => 'browsers'.startsWith(word))) await ensureBrowsers();
    return {};
  },
  { always: true },
);

for (const preset of /** @type {const} */ (['native', 'asan', 'wasi', 'wasm'])) {
  await stage(`build ${preset}`, async () => (await buildPreset(preset, tools()), {}), { always: true });
}

await stage('layers', async () => report([checkLayers(root), checkNames(root)]));

await stage('objects', async () => {
  const library = path.join(root, 'build/native/libsotto-core.a');
  const checks = [checkSymbols(tools().llvm, library), checkFused(tools(), library)];
  const { variants } = JSON.parse(fs.readFileSync(path.join(root, 'wasm/variants.json'), 'utf8'));
  for (const { name, kind } of variants) {
    const file = path.join(dist, `${name}.wasm`);
    checks.push(checkFused(tools(), file));
    if (kind === 'module') checks.push(checkImports(fs.readFileSync(file), path.basename(file)));
  }
  return report(checks);
});

await stage('c native', () => cTests('native', /^test_\w+$/));
if (wanted.includes('real')) await stage('real', () => cTests('native', /^test_model_real$/));
await stage('c sanitized', () => cTests('asan', /^test_\w+$/));
const nodeWasi = [process.execPath, '--no-warnings', path.join(root, 'tests/wasi-run.mjs')];
await stage('c wasi', () => cTests('wasi', /^test_\w+(?<!_relaxed)\.wasm$/, nodeWasi));
await stage('c relaxed', async () => {
  // Wasmtime computes relaxed dot products right; Node 20, which may be running this, does not.
  const wasmtime = await ensureWasmtime();
  return wasmtime ? cTests('wasi', /^test_\w+_relaxed\.wasm$/, wasmtime) : { skipped: 'no wasmtime here' };
});

await stage('fuzz corpora', async () => {
  const targets = find(path.join(root, 'tests/fuzz'), /^fuzz_\w+\.c$/).map((file) => path.basename(file, '.c'));
  if (targets.length === 0) return { skipped: 'no fuzz targets yet' };
  return programs(
    targets.map((name) => {
      const corpus = path.join(root, 'tests/fuzz/corpus', name.replace(/^fuzz_/, ''));
      const replay = path.join(root, 'build/asan/fuzz', `replay_${name}`);
      return [name, replay, ...(fs.existsSync(corpus) ? [corpus] : [])];
    }),
  );
});

await stage('node', async () => {
  const folders = /^(?!browser\/|bench\/|hosts\/).*\.test\.mjs$/;
  const files = find(path.join(root, 'tests'), folders);
  return files.length ? nodeTests(files) : { skipped: 'no Node tests yet' };
});

for (const folder of cases) {
  await stage(`conformance ${path.relative(root, folder)}`, async () => {
    const runner = path.join(root, 'tests/conformance/run.mjs');
    if (!fs.existsSync(runner)) return { skipped: 'no conformance runner yet' };
    const { ok, output, why } = await execute([process.execPath, runner, folder], { minutes: 20, echo: true });
    const found = counts(output);
    if (!found) throw new Error(`the conformance run ended without its closing line: ${why}`);
    return { passed: found.passed, failed: found.failed || (ok ? 0 : 1) };
  });
}

await stage('browsers', async () => {
  const files = find(path.join(root, 'tests/browser'), /\.test\.mjs$/);
  return files.length ? nodeTests(files, { minutes: 20 }) : { skipped: 'no browser tests yet' };
});

await stage('types', async () => {
  const problems = await checkSources();
  for (const problem of problems) console.log(problem);
  return { passed: 1, failed: problems.length };
});

console.log(`\n${summary.join('\n')}\n\nin ${seconds(started)}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed ? 1 : 0;
