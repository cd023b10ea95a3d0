// Addresses beyond 2 GiB: a model that lies there whole gives the bits of one that lies low, through every export.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODES } from '../../js/codes.js';
import { STACK_BYTES } from '../../js/protocol.js';
import { compile, Instance, newMemory } from '../../workers/instance.js';
import { Runner } from '../../workers/runner.js';
import { tinyGguf } from './tiny.mjs';

const wasm = process.env.SOTTO_WASM
  ? { simd: `${process.env.SOTTO_WASM}/sotto-simd.wasm`, relaxed: `${process.env.SOTTO_WASM}/sotto-relaxed.wasm` }
  : {};
const bytes = tinyGguf();

/** @param {WebAssembly.Module} module @param {number} below bytes that are taken first @param {number} total */
function open(module, below, total) {
  const instance = new Instance(module, newMemory(total));
  const { x } = instance;
  const low = below ? instance.alloc(below) : 0;
  if (below) assert.ok(instance.alloc(64) > 2 ** 31, 'the memory goes on above 2 GiB');
  const header = x.header_new() >>> 0;
  assert.ok(instance.pushHeader(header, 0, bytes) > 0);
  const options = { contextLength: 128, sequences: 2, kvType: 0, arithmetic: 0, batch: 16 };
  const model = x.model_open(header, instance.putOptions(options, 1)) >>> 0;
  assert.ok(model > low, String(instance.error(x.open_fail())));
  const scratch = instance.alloc(64);
  for (let at = 0; at < bytes.length;) {
    const to = x.feed_target(model, 0, at, scratch) >>> 0;
    const n = Math.min(instance.f64(scratch, 1)[0], bytes.length - at);
    instance.u8(to, n).set(bytes.subarray(at, at + n));
    assert.equal(x.feed_commit(model, 0, at, n), CODES.OK);
    at += n;
  }
  const info = { contextLength: 128 };
  const runner = new Runner(instance, model, { variant: '', threads: 1, sequences: 2, info });
  runner.fed(true);
  return { instance, runner, model };
}

/** What the calls of a page give. @param {Runner} runner */
async function use(runner) {
  const { signal } = new AbortController();
  /** @type {any[]} */
  const out = [];
  const part = (/** @type {any} */ value) => out.push(value);
  const call = (/** @type {string} */ method, /** @type {any[]} */ ...args) => runner.call(method, args, signal, part);
  await runner.chooseThreads(1, 1);
  const ids = await call('tokenizePrompt', 'the man in the inn', true);
  out.push(ids, await call('detokenize', ids, false, true));
  out.push(await call('template', undefined, JSON.stringify({ messages: [{ role: 'user', content: 'hi' }] })));
  await call('evaluate', 1, ids, 2);
  const fork = await call('seqFork', 1);
  await call('seqTruncate', 1, 3);
  await call('evaluate', 1, ids.subarray(3), 1);
  await call('seqSave', fork);
  const saved = out.at(-1);
  await call('seqRestore', 1, saved);
  await call('evaluate', 1, ids, 1);
  const params = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 200, 1, 4];
  const before = out.length;
  const last = await call('generate', 0, ids, params, ['never to be found'], true);
  /* Which tokens come together depends on the time. */
  const pieces = [...out.splice(before).filter((piece) => piece.ids), last];
  out.push(
    pieces.map((piece) => piece.text).join(''),
    pieces.flatMap((piece) => piece.ids),
  );
  const shifted = pieces.reduce((sum, piece) => sum + (piece.shifted ?? 0), 0);
  out.push(shifted, last.stats[0], last.stats[8]);
  await call('seqClose', 1);
  return out;
}

test('a model above 2 GiB gives the bits of one below', async () => {
  const { module } = await compile('simd', wasm);
  const low = open(module, 0, 64 << 20);
  const want = await use(low.runner);
  for (const total of [2.2 * 2 ** 30, 2 ** 32]) {
    const high = open(module, total - (48 << 20), total);
    assert.deepEqual(await use(high.runner), want);
    assert.ok(high.model > total - (50 << 20));
    high.instance.x.model_close(high.model);
  }
});

test('a second thread may have its stack above 2 GiB', async () => {
  const { module } = await compile('simd', wasm);
  const { instance, model } = open(module, 2.2 * 2 ** 30, 2.3 * 2 ** 30);
  const stack = instance.x.stack_new(STACK_BYTES) >>> 0;
  assert.ok(stack > 2 ** 31);
  const second = new Instance(module, instance.memory, stack);
  const scratch = instance.alloc(64);
  assert.ok(second.x.feed_target(model, 0, 100, scratch) >>> 0 > 2 ** 31);
  assert.equal(second.x.__stack_pointer.value >>> 0, stack);
});
