// Embeddings and reranking through the API, over a small encoder and a small generator.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { inspectModel, loadModel } from '../../js/index.js';
import { tinyEncoder, tinyGguf } from './tiny.mjs';

const wasmUrl = new URL('../../wasm/dist/', import.meta.url).href;
const options = { wasmUrl, threads: 2, cache: false };
const texts = ['the cat', 'a dog, barking at the cat', 'x', 'the quick brown fox jumps.'];
const encoder = await loadModel(tinyEncoder(), options);
const reranker = await loadModel(tinyEncoder({ rank: true }), options);
const generator = await loadModel(tinyGguf({ context: 512 }), options);

after(async () => {
  for (const model of [encoder, reranker, generator]) await model.close();
});

const rejects = (promise, code) => assert.rejects(promise, (error) => error.code === code, code);
const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

test('an encoder gives one vector of length 1 a text', async () => {
  const vectors = await encoder.embed(texts);
  assert.equal(vectors.length, texts.length);
  for (const v of vectors) {
    assert.ok(v instanceof Float32Array && v.length === encoder.info.vector && v.every(Number.isFinite));
    assert.ok(Math.abs(dot(v, v) - 1) < 1e-5, String(dot(v, v)));
  }
  assert.ok(dot(vectors[0], vectors[1]) < 0.9999, 'other texts have other vectors');
  assert.deepEqual(await encoder.embed('the cat'), [vectors[0]], 'a text alone, as an array');
  assert.deepEqual(await encoder.embed([]), []);
});

test('a text has the same bits alone, beside others and on one thread', async () => {
  const one = await loadModel(tinyEncoder(), { ...options, threads: 1 });
  const many = Array.from({ length: 70 }, (_, i) => texts[i % texts.length]);
  const vectors = await encoder.embed(many);
  for (const [i, text] of texts.entries()) {
    assert.deepEqual((await one.embed(text))[0], vectors[i]);
    assert.deepEqual(vectors[i + 64], vectors[i]);
  }
  await one.close();
});

test('mean, cls, last and none agree with the states of the tokens', async () => {
  for (const model of [encoder, generator]) {
    const width = model.info.embedding;
    const [states] = await model.embed(texts[1], { pooling: 'none' });
    const n = (await model.tokenize(texts[1])).length;
    assert.equal(states.length, n * width);
    const plain = async (pooling) => (await model.embed(texts[1], { pooling, normalize: false }))[0];
    assert.deepEqual(await plain('cls'), states.slice(0, width));
    assert.deepEqual(await plain('last'), states.slice(-width));
    const mean = await plain('mean');
    assert.deepEqual(await plain(undefined), mean, 'the default of both');
    for (let i = 0; i < width; i++) {
      let sum = 0;
      for (let t = 0; t < n; t++) sum += states[t * width + i];
      assert.ok(Math.abs(sum / n - mean[i]) < 1e-5);
    }
  }
});

test('a generator embeds between its conversations', async () => {
  const chat = generator.createChat();
  for await (const _ of chat.send('hello', { temperature: 0, maxTokens: 4 }));
  const vectors = await generator.embed([...texts, 'the '.repeat(300)]);
  assert.equal(vectors.length, 5);
  assert.deepEqual((await generator.embed(texts[2]))[0], vectors[2]);
  for await (const _ of chat.send('again', { temperature: 0, maxTokens: 4 }));
  await chat.close();
});

test('a reranker gives a score a document', async () => {
  const scores = await reranker.rerank('the cat?', texts);
  assert.equal(scores.length, texts.length);
  assert.ok(scores.every(Number.isFinite) && new Set(scores).size === texts.length);
  assert.deepEqual(await reranker.rerank('the cat?', [texts[1]]), [scores[1]]);
  await rejects(reranker.embed('x'), 'SOTTO_UNSUPPORTED');
  assert.equal((await reranker.embed('x', { pooling: 'cls' }))[0].length, 32);
  await rejects(encoder.rerank('a', ['b']), 'SOTTO_UNSUPPORTED');
});

test('a generator that reranks puts the pair into its own template', async () => {
  const model = await loadModel(tinyGguf({ context: 512, rerank: '<s>is {document} what {query} wants' }), options);
  const scores = await model.rerank('a cat', ['the dog', 'the cat']);
  for (const [i, text] of ['the dog', 'the cat'].entries()) {
    const [row] = await model.embed(`is ${text} what a cat wants`, { pooling: 'rank' });
    assert.equal(row.length, 2);
    assert.equal(row[0], scores[i]);
  }
  assert.notEqual(scores[0], scores[1]);
  await model.close();
});

test('a text longer than the context is refused with figures, or cut where that is asked for', async () => {
  const long = 'the cat '.repeat(60);
  await assert.rejects(encoder.embed(['x', long]), (error) => {
    assert.equal(error.code, 'SOTTO_CONTEXT_FULL');
    assert.match(error.message, /Text 1 has 122 tokens, the context holds 64/);
    return true;
  });
  const [cut] = await encoder.embed(long, { truncate: true });
  assert.deepEqual(cut, (await encoder.embed('the cat '.repeat(31)))[0]);
  assert.equal((await reranker.rerank('the cat', [long], { truncate: true })).length, 1);
  await rejects(reranker.rerank('the cat', [long]), 'SOTTO_CONTEXT_FULL');
});

test('what a model cannot do is said', async () => {
  const { info } = encoder;
  assert.deepEqual([info.encoder, info.pooling, info.vector, info.scores], [true, 'mean', 32, 0]);
  assert.equal(info.batch, info.contextLength);
  assert.throws(() => encoder.createChat(), { code: 'SOTTO_UNSUPPORTED' });
  assert.throws(() => encoder.createSequence(), { code: 'SOTTO_UNSUPPORTED' });
  await rejects(encoder.complete('x').next(), 'SOTTO_UNSUPPORTED');
  await rejects(encoder.embed('x', { pooling: 'max' }), 'SOTTO_EINVAL');
  await rejects(encoder.embed('x', { dimensions: 8 }), 'SOTTO_UNSUPPORTED');
  await rejects(encoder.embed([1]), 'SOTTO_EINVAL');
  await rejects(encoder.embed(texts, { signal: AbortSignal.abort() }), 'SOTTO_ABORTED');
  await rejects(loadModel(tinyEncoder(), { ...options, contextLength: 128 }), 'SOTTO_LIMIT');
  const seen = await inspectModel(tinyEncoder({ rank: true }), { wasmUrl });
  assert.deepEqual([seen.pooling, seen.scores, generator.info.encoder], ['rank', 1, false]);
});
