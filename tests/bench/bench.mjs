/**
 * `npm run bench`: Sotto beside its peers, in one run, interleaved, medians.
 *
 *   --only TEXT       rows whose "model quantization host test" contains TEXT (may be given several times)
 *   --peers LIST      of sotto-chromium, sotto-node, wllama, llama.cpp (default all)
 *   --rounds N        measurements of each figure (default 5)
 *   --threads LIST    default 1,2
 *   --depth N         tokens of context before the decoded ones (default 16)
 *   --model FILE      one GGUF instead of the usual ones
 *   --variant NAME    of Sotto's builds, simd or relaxed (default: the best that runs)
 *   --busy            adds rows with one core taken by a spinning process
 *   --json FILE, --svg FILE
 *
 * SOTTO_BENCH_LLAMA_CPU=haswell (as in the names of its libraries) keeps llama.cpp to its code for that processor, where
 * the machine has more than WebAssembly can use (AVX-512, VNNI); SOTTO_BENCH_NODE is the Node of sotto-node.
 *
 * Every engine has a process or a browser of its own; in each round every engine takes its turn, so that a noisy
 * machine hits all alike. Peak memory is the peak resident size of the process that grew most, less what it had before
 * the load (in a browser with the file already fetched as a Blob: the same for both engines).
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { drawBench } from './draw.mjs';
import { chromiumHost, llamaHost, processHost } from './hosts.mjs';
import { benchModels } from './models.mjs';
import { cpuSeconds, residentBytes } from '../processes.mjs';
import { downloadBytes } from '../../tools/package.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');

export const peers = {
  'sotto-chromium': { engine: 'sotto', host: 'chromium', start: (model) => chromiumHost('sotto', model) },
  'sotto-node': { engine: 'sotto', host: 'node', start: () => processHost('sotto-worker.mjs', process.env.SOTTO_BENCH_NODE) },
  wllama: { engine: 'wllama', host: 'chromium', start: (model) => chromiumHost('wllama', model) },
  'llama.cpp': { engine: 'llama.cpp', host: 'native', start: () => llamaHost() },
};

const units = { pp256: 'tok/s', tg64: 'tok/s', load: 'ms', 'peak-memory': 'bytes', 'cpu-per-token': 's', 'size-gzip': 'bytes' };

/** @param {string[]} args */
function parse(args) {
  const o = { only: [], peers: Object.keys(peers), rounds: 5, threads: [1, 2], depth: 16, model: '', variant: '', busy: false, json: '', svg: '' };
  for (let i = 0; i < args.length; i++) {
    const value = () => args[++i] ?? fail(`${args[i - 1]} needs a value`);
    if (args[i] === '--only') o.only.push(value());
    else if (args[i] === '--peers') o.peers = value().split(',');
    else if (args[i] === '--rounds') o.rounds = Number(value());
    else if (args[i] === '--threads') o.threads = value().split(',').map(Number);
    else if (args[i] === '--depth') o.depth = Number(value());
    else if (args[i] === '--model') o.model = value();
    else if (args[i] === '--variant') o.variant = value();
    else if (args[i] === '--busy') o.busy = true;
    else if (args[i] === '--json') o.json = value();
    else if (args[i] === '--svg') o.svg = value();
    else fail(`unknown argument ${args[i]}; see the head of tests/bench/bench.mjs`);
  }
  for (const name of o.peers) if (!peers[name]) fail(`unknown peer ${name}; there are ${Object.keys(peers).join(', ')}`);
  return o;
}

function fail(text) {
  console.error(text);
  process.exit(2);
}

/** @param {number[]} values */
function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

/** gzip -9 bytes of what a visitor fetches. */
function sizes() {
  const gzip = (files) => files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0);
  const rows = [];
  const add = (engine, median) => rows.push({ engine, host: 'chromium', model: '', quantization: '', threads: 0, test: 'size-gzip', median, min: median, max: median, unit: 'bytes' });
  add('sotto', downloadBytes());
  try {
    const esm = join(here, 'node_modules/@wllama/wllama/esm');
    add('wllama', gzip([join(esm, 'wasm/wllama.wasm'), join(esm, 'index.min.js')]));
  } catch { /* not installed: --peers without it */ }
  return rows;
}

/** All figures of one model at one thread count. */
async function measure(model, threads, o, rows, busy) {
  const wanted = (peer, test) => {
    const { engine, host } = peers[peer];
    const text = `${model.name} ${model.quantization} ${engine} ${host} ${test}`;
    return o.only.length === 0 || o.only.some((part) => text.includes(part));
  };
  const names = o.peers.filter((peer) => ['pp256', 'tg64', 'load', 'peak-memory', 'cpu-per-token'].some((test) => wanted(peer, test)));
  const live = [];
  const figures = new Map();
  const note = (peer, test, value) => {
    const key = `${peer}\t${test}`;
    figures.set(key, [...(figures.get(key) ?? []), value]);
  };
  const context = Math.max(1024, 2 ** Math.ceil(Math.log2(o.depth + 300)));
  try {
    const start = async (peer, started) => {
      const host = await peers[peer].start(model.path);
      started.push({ peer, host });
      const before = residentBytes(host.pids(), 'VmRSS');
      const { ms } = await host.call('open', { model: model.path, threads, context, variant: o.variant });
      note(peer, 'load', ms);
      await host.call('prefill', 64); // warm
      await host.call('decode', { n: 8, depth: o.depth });
      const peak = [...residentBytes(host.pids(), 'VmHWM')].map(([pid, bytes]) => bytes - (before.get(pid) ?? 0));
      note(peer, 'peak-memory', Math.max(...peak));
    };
    for (const peer of names) await start(peer, live);
    for (let round = 0; round < o.rounds; round++) {
      for (const { peer, host } of live) {
        // The host that is measured gave the first figures of loading; each further one needs a fresh host.
        if (round > 0 && (wanted(peer, 'load') || wanted(peer, 'peak-memory'))) {
          const fresh = [];
          try {
            await start(peer, fresh);
          } finally {
            for (const one of fresh) await one.host.close();
          }
        }
        process.stderr.write(`\r${model.name} ${model.quantization}, ${threads} threads${busy ? ', busy' : ''}: round ${round + 1}/${o.rounds} ${peer.padEnd(16)}`);
        if (wanted(peer, 'pp256')) {
          const { ms, n } = await host.call('prefill', 256);
          note(peer, 'pp256', (n / ms) * 1000);
        }
        if (wanted(peer, 'tg64') || wanted(peer, 'cpu-per-token')) {
          const cpu = cpuSeconds(host.pids());
          const answer = await host.call('decode', { n: 64, depth: o.depth });
          note(peer, 'tg64', (answer.n / answer.ms) * 1000);
          note(peer, 'cpu-per-token', (cpuSeconds(host.pids()) - cpu) / (answer.n + 1 + o.depth * 0.25));
        }
      }
    }
    process.stderr.write('\r' + ' '.repeat(79) + '\r');
  } finally {
    for (const { host } of live) await host.close();
  }
  for (const [key, values] of figures) {
    const [peer, test] = key.split('\t');
    if (!wanted(peer, test)) continue;
    const { engine, host } = peers[peer];
    const row = { engine, host, model: model.name, quantization: model.quantization, threads, test, ...summary(values), unit: units[test], ...(o.depth !== 16 ? { depth: o.depth } : {}), ...(o.variant && engine === 'sotto' ? { variant: o.variant } : {}), ...(busy ? { busy: true } : {}) };
    rows.push(row);
  }
  table(rows.filter((row) => row.model === model.name && row.quantization === model.quantization && row.threads === threads && !!row.busy === busy));
}

/** @param {any[]} rows */
function table(rows) {
  if (!rows.length) return;
  const { model, quantization, threads, busy } = rows[0];
  console.log(`\n${model} ${quantization}, ${threads} thread${threads === 1 ? '' : 's'}${busy ? ', the other core busy' : ''}`);
  const tests = [...new Set(rows.map((row) => row.test))];
  const columns = [...new Set(rows.map((row) => `${row.engine} ${row.host}`))];
  const shown = (row) => {
    if (!row) return '-';
    if (row.unit === 'bytes') return `${(row.median / 2 ** 20).toFixed(0)} MiB`;
    if (row.unit === 's') return `${(row.median * 1000).toFixed(1)} ms`;
    return row.median >= 100 ? row.median.toFixed(0) : row.median.toFixed(1);
  };
  console.log(['', ...columns].map((c) => c.padEnd(18)).join(''));
  for (const test of tests) {
    const cells = columns.map((column) => shown(rows.find((row) => row.test === test && `${row.engine} ${row.host}` === column)));
    console.log([`${test} ${units[test]}`.slice(0, 18), ...cells].map((c) => c.padEnd(18)).join(''));
  }
}

async function main() {
  const o = parse(process.argv.slice(2));
  const rows = sizes();
  for (const row of rows) console.log(`${row.engine}: ${(row.median / 1000).toFixed(1)} kB gzip`);
  for (const model of await benchModels(o.model, (m) => o.only.length === 0 || o.only.some((part) => `${m.name} ${m.quantization}`.includes(part) || !/smollm|gemma|q\d/i.test(part)))) {
    for (const threads of o.threads) {
      await measure(model, threads, o, rows, false);
      if (o.busy) {
        const spinner = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
        try {
          await measure(model, threads, o, rows, true);
        } finally {
          spinner.kill('SIGKILL');
        }
      }
    }
  }
  for (const [file, text] of [[o.json, () => JSON.stringify(rows, null, 1) + '\n'], [o.svg, () => drawBench(rows)]]) {
    if (!file) continue;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text());
    console.log(`wrote ${file}`);
  }
}

await main();
