// Saved sequences and conversations, context shifts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadModel, SottoError } from '../../js/index.js';
import { tinyGguf } from './tiny.mjs';

const wasmUrl = process.env.SOTTO_WASM;
const bytes = tinyGguf();
const greedy = { temperature: 0, maxTokens: 16 };
/** @type {import('../../js/model.js').Model} */
let model;

before(async () => {
  model = await loadModel(bytes, { wasmUrl, threads: 2, contextLength: 256, sequences: 2 });
});
after(() => model.close());

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return { parts, text: parts.map((p) => p.text).join(''), ids: parts.flatMap((p) => p.tokens), last: parts.at(-1) };
}
async function rows(seq, list, logits) {
  const out = [];
  for await (const row of seq.evaluate(list, { logits })) out.push(row);
  return out;
}
const rejects = (promise, code) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof SottoError, error.stack);
    assert.equal(error.code, code, error.stack);
    assert.ok(error.message.length > 20);
    return true;
  });

test('a restored sequence goes on with the same logits, in this model and in another of other threads and context', async () => {
  const ids = Uint32Array.from({ length: 150 }, (_, i) => 3 + ((i * 7) % 250));
  const a = model.createSequence();
  await rows(a, ids.subarray(0, 100), 'none');
  const saved = await a.save();
  assert.ok(saved instanceof Uint8Array && saved.buffer.byteLength === saved.length);
  const want = await rows(a, ids.subarray(100), 'all');
  await a.restore(saved);
  assert.equal(await a.length(), 100);
  assert.deepEqual(await rows(a, ids.subarray(100), 'all'), want);
  await a.close();
  const other = await loadModel(bytes, { wasmUrl, threads: 1, contextLength: 512, variant: 'simd' });
  const b = other.createSequence();
  await b.restore(saved.slice().buffer);
  assert.deepEqual(await rows(b, ids.subarray(100), 'all'), want);
  await other.close();
});

test('what is cut, damaged or of another model is refused with a sentence', async () => {
  const a = model.createSequence();
  await rows(a, [5, 6, 7], 'none');
  const saved = await a.save();
  const b = model.createSequence();
  await rejects(b.restore(saved.subarray(0, saved.length - 3)), 'SOTTO_TRUNCATED');
  await rejects(b.restore(new Uint8Array(0)), 'SOTTO_TRUNCATED');
  await rejects(b.restore(new Uint8Array(100)), 'SOTTO_FORMAT');
  const damaged = saved.slice();
  damaged[saved.length - 20] ^= 1;
  await rejects(b.restore(damaged), 'SOTTO_FORMAT');
  await rejects(b.restore('text'), 'SOTTO_EINVAL');
  assert.equal(await b.length(), 0);
  await b.restore(saved);
  assert.equal(await b.length(), 3);
  const f32 = await loadModel(bytes, { wasmUrl, threads: 1, kvType: 'f32' });
  await rejects(f32.createSequence().restore(saved), 'SOTTO_UNSUPPORTED');
  await f32.close();
  const other = await loadModel(tinyGguf({ seed: 9 }), { wasmUrl, threads: 1 });
  await rejects(other.createSequence().restore(saved), 'SOTTO_UNSUPPORTED');
  await other.close();
  await rejects(a.restore(saved, { signal: AbortSignal.abort() }), 'SOTTO_ABORTED');
  for (const seq of [a, b]) await seq.close();
  await rejects(a.save(), 'SOTTO_CLOSED');
});

test('a saved conversation goes on in another model object without evaluating anything again', async () => {
  const chat = model.createChat({ system: 'be kind' });
  await collect(chat.send('hello', greedy));
  const saved = await chat.save();
  const want = await collect(chat.send('and now', greedy));
  const other = await loadModel(bytes, { wasmUrl, threads: 1, contextLength: 256 });
  const again = other.createChat();
  await again.restore(saved);
  assert.deepEqual(again.messages, chat.messages.slice(0, 3));
  const got = await collect(again.send('and now', greedy));
  assert.equal(got.text, want.text);
  assert.deepEqual(got.last.usage, want.last.usage);
  assert.ok(got.last.usage.cachedTokens > 20, JSON.stringify(got.last.usage));
  await rejects(again.restore(saved.subarray(0, 60)), 'SOTTO_TRUNCATED');
  for (const at of [0, 9, 13, 40]) {
    const damaged = saved.slice();
    damaged[at] ^= 16;
    await assert.rejects(again.restore(damaged), (error) => /SOTTO_(FORMAT|TRUNCATED)/.test(error.code));
  }
  await other.close();
  await chat.close();
});

test('a full context shifts on request: the answer goes on and says what was dropped', async () => {
  const prompt = await model.tokenize('the man in the inn');
  /* Ends before a second shift: a quick machine would tell of both in one part. */
  const options = { temperature: 0, ignoreEog: true, maxTokens: 360 };
  const plain = await collect(model.complete(prompt, options));
  assert.equal(plain.last.finishReason, 'length');
  assert.equal(plain.ids.length, 256 - prompt.length + 1, 'without the option the context is the end');
  assert.ok(plain.parts.every((p) => !('shifted' in p)));
  const shifted = await collect(model.complete(prompt, { ...options, contextShift: { keep: 3 } }));
  assert.equal(shifted.ids.length, 360);
  assert.deepEqual(shifted.ids.slice(0, plain.ids.length), plain.ids);
  const dropped = shifted.parts.filter((p) => p.shifted);
  assert.ok(dropped.length >= 1);
  /* What follows the first shift is what a fresh evaluation of the kept and the remaining tokens gives. */
  const all = [...prompt, ...plain.ids];
  const rest = Math.floor((256 - 3) / 2);
  assert.equal(dropped[0].shifted, 256 - 3 - (rest - 1));
  const fresh = await collect(model.complete([...all.slice(0, 3), ...all.slice(-rest)], { ...options, maxTokens: 40 }));
  assert.deepEqual(shifted.ids.slice(plain.ids.length, plain.ids.length + 40), fresh.ids);
  /* A prompt that is longer than the context is cut in its middle. */
  const long = await collect(model.complete(new Uint32Array(600).fill(270), { ...greedy, contextShift: true }));
  assert.equal(long.parts[0].shifted, 600 - 4 - 126);
  await rejects(collect(model.complete('x', { contextShift: { keep: 255 } })), 'SOTTO_EINVAL');
  await rejects(collect(model.complete('x', { contextShift: { drop: 2 } })), 'SOTTO_UNSUPPORTED');
});

test('a chat may answer beyond its context, and goes on afterwards', async () => {
  const chat = model.createChat({ system: 'be kind' });
  const long = { temperature: 0, ignoreEog: true, maxTokens: 400, contextShift: true };
  const { ids, parts, last } = await collect(chat.send('hello', long));
  assert.equal(ids.length, 400);
  assert.equal(last.finishReason, 'length');
  assert.ok(parts.some((p) => p.shifted > 0));
  const { parts: next } = await collect(chat.send('and now', greedy));
  assert.ok(next[0].dropped > 0, 'the long answer no longer fits');
  await chat.close();
});
