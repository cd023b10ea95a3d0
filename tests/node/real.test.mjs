// The default model in Node: sensible answers, turns that cost what is new, memory as promised.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { loadModel } from '../../js/index.js';
import { realModel } from '../models.mjs';

const wasmUrl = process.env.SOTTO_WASM;
const MIB = 2 ** 20;
/** @type {string} */
let file;
/** @type {import('../../js/model.js').Model} */
let model;

before(async () => {
  file = await realModel();
  model = await loadModel(file, { wasmUrl, threads: 2 });
});
after(() => model?.close());

async function collect(stream) {
  let text = '';
  let last;
  for await (const part of stream) {
    text += part.text;
    last = part;
  }
  return { text, last };
}

test('it answers two turns', async () => {
  const chat = model.createChat({ system: 'You are a helpful assistant.' });
  const options = { temperature: 0, maxTokens: 40 };
  assert.match((await collect(chat.send('What is the capital of France?', options))).text, /Paris/);
  assert.match((await collect(chat.send('And of Italy?', options))).text, /Rome/);
  await chat.close();
});

test('the second turn costs the same after 200 and after 1,500 tokens of history', { timeout: 300_000 }, async () => {
  const history = async (words) => {
    const chat = model.createChat();
    const text = Array.from({ length: words }, (_, i) => `word${i % 7}`).join(' ');
    const first = await collect(chat.send(`Read this: ${text}`, { temperature: 0, maxTokens: 8 }));
    const second = await collect(chat.send('Thank you. What was it about?', { temperature: 0, maxTokens: 8 }));
    /* Others may take the processor for a while: the best of three turns is what it costs. */
    let ms = second.last.timings.firstTokenMs;
    for (const question of ['Which word came first?', 'And which one last?']) {
      ms = Math.min(ms, (await collect(chat.send(question, { temperature: 0, maxTokens: 8 }))).last.timings.firstTokenMs);
    }
    await chat.close();
    return { before: first.last.usage.promptTokens, ...second.last.usage, ms };
  };
  const short = await history(70);
  const long = await history(740);
  assert.ok(short.before > 150 && short.before < 350, `${short.before} tokens`);
  assert.ok(long.before > 1400, `${long.before} tokens`);
  assert.equal(long.promptTokens - long.cachedTokens, short.promptTokens - short.cachedTokens, 'as many new tokens');
  assert.ok(long.promptTokens - long.cachedTokens < 40);
  /* Attention looks back over all of the history, so some growth is right; evaluating it again would be 20 times. */
  assert.ok(long.ms < short.ms * 4 + 100, `${short.ms} ms, then ${long.ms} ms`);
});

test('memory is what was promised, from inside and from outside', { timeout: 120_000 }, async () => {
  const { memory } = model.info;
  const promised = memory.weights + memory.cache + 32 * MIB;
  assert.ok(memory.wasm <= promised, `${memory.wasm} of ${promised} bytes`);
  const script = `import { loadModel } from ${JSON.stringify(new URL('../../js/index.js', import.meta.url).href)};
    const small = await loadModel(${JSON.stringify(file)}, { wasmUrl: ${JSON.stringify(wasmUrl)}, threads: 2, contextLength: 64 });
    await small.close();
    const start = process.memoryUsage().rss;
    let peak = 0;
    const watch = () => (peak = Math.max(peak, process.memoryUsage().rss));
    const timer = setInterval(watch, 10);
    const model = await loadModel(${JSON.stringify(file)}, { wasmUrl: ${JSON.stringify(wasmUrl)}, threads: 2, contextLength: 1024, onProgress: watch });
    const ids = new Uint32Array(900).fill(300);
    for await (const part of model.complete(ids, { temperature: 0, maxTokens: 4 })) watch();
    const { memory } = model.info;
    await model.close();
    clearInterval(timer);
    await new Promise((resolve) => setTimeout(resolve, 500));
    console.log(JSON.stringify({ start, peak, left: process.memoryUsage().rss, memory }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const seen = JSON.parse(stdout);
  const most = seen.memory.weights + seen.memory.cache + 32 * MIB;
  assert.ok(seen.peak - seen.start <= most, `${seen.peak - seen.start} of ${most} bytes at the peak`);
  assert.ok(seen.left - seen.start <= 16 * MIB, `${seen.left - seen.start} bytes left behind`);
});

test('a prompt is multiplied by the output matrix at its last position alone', async () => {
  const outputs = async (want) => {
    const sequence = model.createSequence();
    await model.startProfile();
    let rows = 0;
    for await (const row of sequence.evaluate(new Uint32Array(50).fill(300), { logits: want })) rows += row.length > 0;
    const { tokens, ops } = await model.profile();
    await sequence.close();
    const { ms, gmacs } = ops.find(({ op }) => op === 'output');
    return { tokens, rows, products: Math.round((ms * gmacs * 1e6) / (49152 * 576)) };
  };
  assert.deepEqual(await outputs('last'), { tokens: 50, rows: 1, products: 1 });
  assert.deepEqual(await outputs('all'), { tokens: 50, rows: 50, products: 50 });
});

test('an idle model takes no processor time', async () => {
  await collect(model.complete('Hello', { temperature: 0, maxTokens: 8 }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const begin = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { user, system } = process.cpuUsage(begin);
  assert.ok(user + system < 20_000, `${(user + system) / 1000} ms of processor time in a second`);
});
