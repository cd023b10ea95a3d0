// The JavaScript interface on a tiny model: text, generation, sequences, chats, several models, ends of life.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CODES } from '../../js/codes.js';
import { loadModel, SottoError } from '../../js/index.js';
import { tinyGguf } from './tiny.mjs';

const wasmUrl = process.env.SOTTO_WASM;
const root = fileURLToPath(new URL('../..', import.meta.url));
const bytes = tinyGguf();
const greedy = { temperature: 0, maxTokens: 16 };
/** @type {import('../../js/model.js').Model} */
let model;

before(async () => {
  model = await loadModel(bytes, { wasmUrl, threads: 2, contextLength: 512, sequences: 2 });
});
after(() => model.close());

/** All parts, the text of the answer, and the last part. */
async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return { parts, text: parts.map((p) => p.text).join(''), ids: parts.flatMap((p) => p.tokens), last: parts.at(-1) };
}
const rejects = (promise, code) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof SottoError, error.stack);
    assert.equal(error.code, code, error.stack);
    return true;
  });

test('the codes are those of core', () => {
  const header = fs.readFileSync(path.join(root, 'core/base/status.h'), 'utf8');
  const core = Object.fromEntries([...header.matchAll(/^\s*X\((\w+), (\d+)\)/gm)].map((m) => [m[1], Number(m[2])]));
  assert.deepEqual(Object.fromEntries(Object.entries(CODES).filter(([, code]) => code >= 0)), core);
});

test('info tells what the model is and takes', () => {
  const { info } = model;
  assert.equal(info.architecture, 'llama');
  assert.equal(info.name, 'Tiny');
  assert.equal(info.contextLength, 512);
  assert.equal(info.threads, 2);
  assert.ok(['simd', 'relaxed'].includes(info.variant));
  assert.ok(info.memory.wasm >= info.memory.weights);
  assert.ok(info.memory.wasm < info.memory.weights + info.memory.cache + 32 * 2 ** 20, JSON.stringify(info.memory));
});

test('text becomes ids and text again', async () => {
  for (const text of ['the man in the inn', 'Grüße, 世界 🙂', '', 'a\n\nb']) {
    const ids = await model.tokenize(text, { addSpecial: false });
    assert.ok(ids instanceof Uint32Array);
    assert.equal((await model.detokenize(ids)).replace(/^ /, ''), text);
  }
  const [first] = await model.tokenize('x');
  assert.equal(first, 1, 'BOS');
  assert.equal((await model.tokenize('</s>', { addSpecial: false })).at(-1), 2);
  assert.notEqual((await model.tokenize('</s>', { addSpecial: false, parseSpecial: false })).at(-1), 2);
});

test('the chat template is applied, and its errors name the place', async () => {
  const messages = [{ role: 'user', content: 'hi' }];
  assert.equal(await model.applyChatTemplate(messages), '<|user|>\nhi</s>\n');
  assert.equal(
    await model.applyChatTemplate(messages, { addGenerationPrompt: true }),
    '<|user|>\nhi</s>\n<|assistant|>\n',
  );
  assert.equal(await model.applyChatTemplate(messages, { template: '{{ x }}{{ messages|length }}', x: 7 }), '71');
  await assert.rejects(model.applyChatTemplate(messages, { template: 'a\n{{ raise_exception("no") }}' }), (error) => {
    assert.equal(error.code, 'SOTTO_TEMPLATE');
    assert.equal(error.line, 2);
    return true;
  });
});

test('a completion streams parts, the last one with figures', async () => {
  const { parts, text, ids, last } = await collect(model.complete('the man', greedy));
  assert.ok(text.length > 0);
  assert.ok(parts.every((p) => typeof p.text === 'string' && Array.isArray(p.tokens) && p.channel === 'answer'));
  assert.ok(parts.slice(0, -1).every((p) => p.finishReason === undefined));
  assert.equal(last.usage.completionTokens, last.finishReason === 'length' ? 16 : last.usage.completionTokens);
  assert.ok(['length', 'stop'].includes(last.finishReason));
  assert.ok(ids.length > 0 && last.timings.firstTokenMs > 0);
});

test('equal seeds give equal answers, and so do threads and a warm cache', async () => {
  const options = { temperature: 1, seed: 42, maxTokens: 24 };
  const first = await collect(model.complete('in the', options));
  const second = await collect(model.complete('in the', options));
  assert.equal(first.text, second.text);
  assert.ok(second.last.usage.cachedTokens > 0, 'the prompt was not evaluated again');
  const other = await collect(model.complete('in the', { ...options, seed: 43 }));
  assert.notEqual(other.text, first.text);
  const single = await loadModel(bytes, { wasmUrl, threads: 1, contextLength: 512 });
  assert.equal((await collect(single.complete('in the', options))).text, first.text);
  await single.close();
});

test('maxTokens, stop texts and a full context end an answer', async () => {
  const whole = await collect(model.complete('the', { temperature: 0, maxTokens: 40, ignoreEog: true }));
  assert.equal(whole.last.finishReason, 'length');
  assert.equal(whole.last.usage.completionTokens, 40);
  const stop = whole.text.trim().slice(2, 5);
  const stopped = await collect(model.complete('the', { temperature: 0, maxTokens: 40, ignoreEog: true, stop }));
  assert.equal(stopped.last.finishReason, 'stop');
  assert.equal(stopped.text, whole.text.slice(0, whole.text.indexOf(stop)));
  const full = await collect(model.complete('the', { temperature: 0, ignoreEog: true }));
  assert.equal(full.last.finishReason, 'length');
  assert.ok(full.last.usage.completionTokens > 480, `${full.last.usage.completionTokens} tokens`);
});

/** A model of some milliseconds a token, so that an answer of 400 has many parts on any machine. */
const slowModel = () =>
  loadModel(tinyGguf({ layers: 8, width: 512 }), { wasmUrl, threads: 1, contextLength: 1024 });

test('leaving the loop stops, and the next call works', async () => {
  const slow = await slowModel();
  let n = 0;
  for await (const part of slow.complete('the', { temperature: 0, ignoreEog: true, maxTokens: 400 })) {
    n += part.tokens.length;
    break;
  }
  assert.ok(n < 400, `${n} tokens in the first part`);
  assert.ok((await collect(slow.complete('the', { ...greedy, maxTokens: 2 }))).text);
  await slow.close();
});

test('a signal ends prefill and decode with AbortError', async () => {
  const slow = await slowModel();
  const stop = new AbortController();
  let n = 0;
  await assert.rejects(
    async () => {
      const options = { temperature: 0, ignoreEog: true, maxTokens: 400, signal: stop.signal };
      for await (const _ of slow.complete('the', options)) if (++n === 1) stop.abort();
    },
    (error) => error.name === 'AbortError' && error.code === 'SOTTO_ABORTED',
  );
  await rejects(collect(slow.complete('the', { signal: AbortSignal.abort() })), 'SOTTO_ABORTED');
  const ids = new Uint32Array(1000).fill(270);
  await rejects(collect(slow.complete(ids, { signal: AbortSignal.timeout(1) })), 'SOTTO_ABORTED');
  assert.ok((await collect(slow.complete('the', { ...greedy, maxTokens: 2 }))).text);
  await slow.close();
});

test('wrong and unknown options are refused', async () => {
  await rejects(collect(model.complete('x', { temperature: -1 })), 'SOTTO_EINVAL');
  await rejects(collect(model.complete('x', { maxTokens: 1.5 })), 'SOTTO_EINVAL');
  await rejects(collect(model.complete('x', { stop: [''] })), 'SOTTO_EINVAL');
  await rejects(collect(model.complete('x', { grammar: 'root ::= "a"' })), 'SOTTO_UNSUPPORTED');
  await rejects(collect(model.complete('x', { jsonSchema: {} })), 'SOTTO_UNSUPPORTED');
  await rejects(collect(model.complete([], {})), 'SOTTO_EINVAL');
  await rejects(collect(model.complete([1, 2 ** 31])), 'SOTTO_EINVAL');
  await rejects(model.rerank('x', ['x']), 'SOTTO_UNSUPPORTED');
  await rejects(collect(model.complete(new Uint32Array(600).fill(270))), 'SOTTO_CONTEXT_FULL');
});

test('a sequence gives the same logits in one batch, token by token, forked and truncated', async () => {
  const ids = await model.tokenize('the man in the inn and then');
  const n = model.info.vocabulary;
  const rows = async (seq, list, logits) => {
    const out = [];
    for await (const row of seq.evaluate(list, { logits })) out.push(row);
    return out;
  };
  const a = model.createSequence();
  const all = await rows(a, ids, 'all');
  assert.equal(all.length, ids.length);
  assert.ok(all.every((row) => row instanceof Float32Array && row.length === n && row.every(Number.isFinite)));
  const b = model.createSequence();
  for (const [i, id] of ids.entries()) assert.deepEqual(await rows(b, [id]), [all[i]], `position ${i}`);
  assert.equal(await b.length(), ids.length);
  await b.truncate(3);
  const c = await b.fork();
  assert.deepEqual(await rows(b, ids.subarray(3)), [all.at(-1)], 'after truncation');
  assert.deepEqual(await rows(c, ids.subarray(3), 'none'), []);
  await c.truncate(3);
  assert.deepEqual(await rows(c, ids.subarray(3, 5), 'last'), [all[4]], 'a fork is not touched by the other');
  for (const seq of [a, b, c]) await seq.close();
  await rejects(rows(a, [1]), 'SOTTO_CLOSED');
});

test('calls at the same time take turns', async () => {
  const one = await collect(model.complete('a', greedy));
  const results = await Promise.all([
    collect(model.complete('a', greedy)),
    collect(model.complete('the', greedy)),
    collect(model.complete('a', greedy)),
    model.tokenize('x'),
  ]);
  assert.equal(results[0].text, one.text);
  assert.equal(results[2].text, one.text);
});

test('a chat evaluates only what is new', async () => {
  const chat = model.createChat({ system: 'be kind' });
  const first = await collect(chat.send('hello', greedy));
  const second = await collect(chat.send('and now', greedy));
  const held = first.last.usage.promptTokens + first.last.usage.completionTokens;
  assert.ok(second.last.usage.cachedTokens >= held - 3, JSON.stringify([first.last.usage, second.last.usage]));
  assert.deepEqual(
    chat.messages.map((m) => m.role),
    ['system', 'user', 'assistant', 'user', 'assistant'],
  );
  assert.equal(chat.messages[2].content, first.text);
  const again = await collect(chat.regenerate(greedy));
  assert.equal(again.text, second.text, 'greedy: the same answer');
  assert.ok(again.last.usage.cachedTokens >= again.last.usage.promptTokens - 1, 'nothing of the prompt anew');
  const edited = await collect(chat.edit(1, 'help', greedy));
  assert.ok(edited.last.usage.cachedTokens > 5, 'the system prompt is kept');
  assert.equal(chat.messages.length, 3);
  const fresh = model.createChat({ system: 'be kind' });
  assert.equal(
    (await collect(fresh.send('help', greedy))).text,
    edited.text,
    'an edited chat equals one that began so',
  );
  await chat.close();
  await fresh.close();
  await rejects(collect(chat.send('x')), 'SOTTO_CLOSED');
});

test('a chat that is left keeps what was said, and goes on', async () => {
  const chat = model.createChat();
  for await (const _ of chat.send('tell', { temperature: 0, ignoreEog: true })) break;
  assert.equal(chat.messages.at(-1).role, 'assistant');
  assert.ok((await collect(chat.send('more', greedy))).last);
  const running = chat.send('x', { ...greedy, maxTokens: 100, ignoreEog: true });
  await running.next();
  await rejects(chat.send('y').next(), 'SOTTO_EINVAL');
  await running.return();
  await chat.close();
});

test('a chat whose context is full drops its oldest turns and says so', async () => {
  const chat = model.createChat({ system: 'be brief' });
  let dropped = 0;
  for (let i = 0; i < 12; i++) {
    const { parts } = await collect(chat.send(`turn ${i} ${'the '.repeat(20)}`, { temperature: 0, maxTokens: 20 }));
    if (parts[0].dropped) dropped = parts[0].dropped;
  }
  assert.ok(dropped > 0 && chat.dropped >= dropped);
  assert.equal(chat.messages.length, 25, 'the page still has all of it');
  assert.equal(chat.messages[0].role, 'system');
  await rejects(collect(chat.send('the '.repeat(600), greedy)), 'SOTTO_CONTEXT_FULL');
  await chat.close();
});

test('more conversations than there is cache for: the idle ones are evaluated again', async () => {
  const chats = Array.from({ length: 5 }, () => model.createChat());
  const long = 'the man '.repeat(60);
  const first = [];
  for (const [i, chat] of chats.entries()) first.push((await collect(chat.send(`${i} ${long}`, greedy))).text);
  for (const [i, chat] of chats.entries()) assert.equal((await collect(chat.regenerate(greedy))).text, first[i]);
  for (const chat of chats) await chat.close();
});

test('two models at once, and the end of one leaves the other alone', async () => {
  const other = await loadModel(tinyGguf({ seed: 5 }), { wasmUrl, threads: 2 });
  const alone = (await collect(model.complete('the', greedy))).text;
  const [a, b] = await Promise.all([collect(model.complete('the', greedy)), collect(other.complete('the', greedy))]);
  assert.equal(a.text, alone);
  assert.notEqual(b.text, alone);
  await other.close();
  assert.equal((await collect(model.complete('the', greedy))).text, alone);
});

test('closing ends what is running with SOTTO_CLOSED', async () => {
  const other = await loadModel(bytes, { wasmUrl, threads: 1 });
  const running = collect(other.complete('the', { temperature: 0, ignoreEog: true }));
  const expectation = rejects(running, 'SOTTO_CLOSED');
  await new Promise((resolve) => setTimeout(resolve, 30));
  await other.close();
  await expectation;
});

test('a script ends after close, and also where it forgot to close', async () => {
  const file = path.join(os.tmpdir(), `sotto-api-${process.pid}.gguf`);
  fs.writeFileSync(file, bytes);
  const run = (end) => {
    const script = `import { loadModel } from ${JSON.stringify(new URL('../../js/index.js', import.meta.url).href)};
      const model = await loadModel(${JSON.stringify(file)}, { wasmUrl: ${JSON.stringify(wasmUrl)}, threads: 2 });
      for await (const part of model.complete('the', { temperature: 0, maxTokens: 4 })) process.stdout.write(part.text);
      ${end}`;
    return promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 });
  };
  assert.ok((await run('await model.close();')).stdout);
  assert.ok((await run('')).stdout);
  fs.rmSync(file);
});
