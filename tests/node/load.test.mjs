// Loading: sources, ranges, interruptions, the cache, changes, refusals, aborts and deaths.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { cachedModels, deleteCachedModel, inspectModel, loadModel } from '../../js/index.js';
import { serve } from './server.mjs';
import { tinyGguf } from './tiny.mjs';

const wasmUrl = process.env.SOTTO_WASM;
const bytes = tinyGguf({ layers: 4, width: 256 });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-load-'));
const file = path.join(folder, 'tiny.gguf');
fs.writeFileSync(file, bytes);
const PROMPT = 'the man in the';
/** @type {Awaited<ReturnType<typeof serve>>} */
let server;
/** @type {Record<string, import('./server.mjs').Served>} */
const files = {};
let caches = 0;
/** What every load of the same bytes must say. */
let expected = '';

const options = (more = {}) => ({ wasmUrl, threads: 2, cacheFolder: path.join(folder, `cache${caches}`), ...more });
const freshCache = () => void caches++;

async function say(model) {
  let text = '';
  for await (const part of model.complete(PROMPT, { temperature: 0, maxTokens: 12 })) text += part.text;
  return text;
}

/** Loads, speaks, closes. */
async function heard(source, more) {
  const model = await loadModel(source, options(more));
  try {
    return { text: await say(model), info: model.info };
  } finally {
    await model.close();
  }
}

/** What the cache holds of its one file after an abort, once that no longer changes. */
async function kept() {
  const { cacheFolder } = options();
  let before;
  for (let i = 0; ; i++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const [entry] = await cachedModels({ cacheFolder });
    if ((entry && entry.bytes === before?.bytes) || i === 40) return entry;
    before = entry;
  }
}

before(async () => {
  server = await serve(files);
  expected = (await heard(file)).text;
  assert.ok(expected.length > 0);
});
after(async () => {
  await server.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

const rejects = (promise, code) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.code, code, error.stack);
    assert.ok(error.message.length > 10, 'a sentence');
    return true;
  });

test('every kind of source gives the same answer', async () => {
  assert.equal((await heard(bytes.slice().buffer)).text, expected);
  assert.equal((await heard(bytes)).text, expected);
  assert.equal((await heard(new Blob([bytes]))).text, expected);
  assert.equal((await heard(new Blob([bytes]).stream())).text, expected);
  assert.equal((await heard(pathToFileURL(file))).text, expected);
  assert.equal((await heard(path.relative(process.cwd(), file))).text, expected);
});

test('ranges are asked for in the order of the work, and each byte once', async () => {
  freshCache();
  files['/a.gguf'] = { bytes, etag: '"1"' };
  server.take();
  const seen = [];
  const { text, info } = await heard(`${server.base}/a.gguf`, { onProgress: (p) => seen.push(p) });
  assert.equal(text, expected);
  const asked = server.take();
  const total = asked.reduce((sum, r) => sum + r.to - r.from, 0);
  assert.equal(total, bytes.length, 'no byte twice');
  assert.ok(asked.length >= 4, `${asked.length} requests`);
  const starts = asked.slice(1).map((r) => r.from);
  assert.ok(
    starts.some((from, i) => i > 0 && from < starts[i - 1]),
    `not in the order of the file: ${starts}`,
  );
  const last = seen.at(-1);
  assert.equal(last.phase, 'ready');
  assert.equal(last.loaded, bytes.length);
  assert.equal(last.total, bytes.length);
  assert.equal(last.cached, 0);
  assert.ok(
    seen.every((p, i) => i === 0 || p.loaded >= seen[i - 1].loaded),
    'progress never goes back',
  );
  assert.equal(info.cache.stored, true);
});

test('a second load comes from the cache alone, which can be listed and deleted', async () => {
  server.take();
  const url = `${server.base}/a.gguf`;
  const seen = [];
  assert.equal((await heard(url, { onProgress: (p) => seen.push(p) })).text, expected);
  assert.equal(server.take().length, 0, 'no request');
  assert.equal(seen.at(-1).cached, bytes.length);
  const { cacheFolder } = options();
  const [entry] = await cachedModels({ cacheFolder });
  assert.equal(entry.url, url);
  assert.equal(entry.name, 'a.gguf');
  assert.equal(entry.size, bytes.length);
  assert.equal(entry.bytes, bytes.length);
  assert.equal(entry.complete, true);
  assert.equal(await deleteCachedModel(url, { cacheFolder }), true);
  assert.equal(await deleteCachedModel(url, { cacheFolder }), false);
  assert.deepEqual(await cachedModels({ cacheFolder }), []);
  assert.deepEqual(fs.readdirSync(cacheFolder), []);
});

test('the stored file is the file', async () => {
  freshCache();
  await heard(`${server.base}/a.gguf`);
  const { cacheFolder } = options();
  const name = fs.readdirSync(cacheFolder).find((n) => n.endsWith('.gguf'));
  assert.ok(fs.readFileSync(path.join(cacheFolder, String(name))).equals(bytes));
});

test('cache: false stores nothing, cache: "reload" asks again', async () => {
  server.take();
  await heard(`${server.base}/a.gguf`, { cache: 'reload' });
  assert.ok(server.take().length > 0);
  freshCache();
  const { info } = await heard(`${server.base}/a.gguf`, { cache: false });
  assert.equal(info.cache.stored, false);
  assert.equal(fs.existsSync(options().cacheFolder), false);
});

test('a server without ranges is read once, in the order of the file', async () => {
  freshCache();
  files['/plain.gguf'] = { bytes, ranges: false };
  server.take();
  assert.equal((await heard(`${server.base}/plain.gguf`)).text, expected);
  assert.equal(server.take().length, 1);
  assert.equal((await heard(`${server.base}/plain.gguf`)).text, expected);
  assert.equal(server.take().length, 0);
});

test('a connection that breaks is taken up again where it broke', async () => {
  freshCache();
  let breaks = 3;
  files['/breaks.gguf'] = { bytes, etag: '"1"', dropAfter: () => (breaks-- > 0 ? 300_000 : undefined) };
  server.take();
  assert.equal((await heard(`${server.base}/breaks.gguf`)).text, expected);
  const total = server.take().reduce((sum, r) => sum + Math.min(r.to - r.from, 1e9), 0);
  assert.ok(total < bytes.length * 2, `${total} bytes asked for`);
  breaks = 2;
  files['/breaks-plain.gguf'] = { bytes, ranges: false, dropAfter: () => (breaks-- > 0 ? 3_000_000 : undefined) };
  assert.equal((await heard(`${server.base}/breaks-plain.gguf`)).text, expected, 'without ranges: from the beginning');
});

test('a server that keeps breaking is given up', async () => {
  freshCache();
  files['/dead.gguf'] = { bytes, dropAfter: () => 0 };
  await rejects(loadModel(`${server.base}/dead.gguf`, options({ retries: 1 })), 'SOTTO_NETWORK');
});

test('what an aborted download got is not asked for again', async () => {
  freshCache();
  files['/slow.gguf'] = { bytes, modified: 'Sat, 21 Nov 2026 10:00:00 GMT', pause: 5 };
  const url = `${server.base}/slow.gguf`;
  const stop = new AbortController();
  const load = loadModel(url, options({ signal: stop.signal, onProgress: (p) => p.loaded > 5e6 && stop.abort() }));
  await assert.rejects(load, (error) => error.code === 'SOTTO_ABORTED' && error.name === 'AbortError');
  const entry = await kept();
  assert.ok(entry.bytes > 4e6 && !entry.complete, `${entry.bytes} bytes kept`);
  files['/slow.gguf'].pause = 0;
  server.take();
  const seen = [];
  assert.equal((await heard(url, { onProgress: (p) => seen.push(p) })).text, expected);
  const asked = server.take().reduce((sum, r) => sum + r.to - r.from, 0);
  assert.equal(asked, bytes.length - entry.bytes);
  assert.equal(seen.at(-1).cached, entry.bytes);
});

for (const [what, first, second] of [
  ['ETag', { etag: '"1"' }, { etag: '"2"' }],
  ['date', { modified: 'Sat, 21 Nov 2026 10:00:00 GMT' }, { modified: 'Sat, 21 Nov 2026 11:00:00 GMT' }],
]) {
  test(`a file that changed since an interruption is noticed by its ${what}`, async () => {
    freshCache();
    const url = `${server.base}/changes.gguf`;
    files['/changes.gguf'] = { bytes, pause: 5, ...first };
    const stop = new AbortController();
    const load = loadModel(url, options({ signal: stop.signal, onProgress: (p) => p.loaded > 4e6 && stop.abort() }));
    await assert.rejects(load);
    await kept();
    const other = tinyGguf({ layers: 4, width: 256, seed: 7 });
    files['/changes.gguf'] = { bytes: other, ...second };
    const { text } = await heard(url);
    assert.equal(text, (await heard(other)).text, 'the new file, wholly');
    assert.equal((await heard(url)).text, text, 'and from the cache');
  });
}

test('a file that changes while it is downloaded is begun again', async () => {
  freshCache();
  const other = tinyGguf({ layers: 4, width: 256, seed: 8 });
  files['/during.gguf'] = {
    bytes,
    etag: '"1"',
    dropAfter: ({ number }) => {
      if (number < 3) return undefined;
      Object.assign(files['/during.gguf'], { bytes: other, etag: '"2"', dropAfter: undefined });
      return 100_000;
    },
  };
  server.take();
  assert.equal((await heard(`${server.base}/during.gguf`)).text, (await heard(other)).text);
});

test('refusals have their codes', async () => {
  freshCache();
  files['/gated.gguf'] = { bytes, token: 'secret' };
  files['/forbidden.gguf'] = { bytes, status: 403 };
  files['/teapot.gguf'] = { bytes, status: 418 };
  await rejects(loadModel(`${server.base}/gated.gguf`, options()), 'SOTTO_UNAUTHORIZED');
  await rejects(loadModel(`${server.base}/forbidden.gguf`, options()), 'SOTTO_FORBIDDEN');
  await rejects(loadModel(`${server.base}/nowhere.gguf`, options()), 'SOTTO_NOT_FOUND');
  await rejects(loadModel(`${server.base}/teapot.gguf`, options()), 'SOTTO_HTTP');
  await rejects(loadModel('http://127.0.0.1:1/x.gguf', options({ retries: 0 })), 'SOTTO_NETWORK');
  await rejects(loadModel(path.join(folder, 'missing.gguf'), options()), 'SOTTO_NOT_FOUND');
  assert.equal((await heard(`${server.base}/gated.gguf`, { token: 'secret' })).text, expected);
});

test('hf: sources go to the hub, with revision and token', async () => {
  freshCache();
  files['/owner/repo/resolve/v1/sub/tiny.gguf'] = { bytes, token: 'secret' };
  const hub = { hubUrl: server.base, token: 'secret' };
  assert.equal((await heard('hf:owner/repo@v1/sub/tiny.gguf', hub)).text, expected);
  await rejects(loadModel('hf:owner/tiny.gguf', options(hub)), 'SOTTO_EINVAL');
});

test('files that are no models, or only a part of one, are refused', async () => {
  await rejects(loadModel(new TextEncoder().encode('<!doctype html><p>Not found'), options()), 'SOTTO_FORMAT');
  await rejects(loadModel(bytes.slice(0, 1000), options()), 'SOTTO_TRUNCATED');
  await rejects(loadModel(bytes.slice(0, bytes.length - 1000), options()), 'SOTTO_TRUNCATED');
  await rejects(loadModel(new Blob([bytes.slice(0, 5e6)]), options()), 'SOTTO_TRUNCATED');
  await rejects(loadModel(new Uint8Array(0), options()), 'SOTTO_TRUNCATED');
});

test('unknown options are refused, not ignored', async () => {
  for (const bad of [
    { gpu: true },
    { kvType: 'q4_0' },
    { arithmetic: 'half' },
    { waitFor: 'never' },
    { cache: 'maybe' },
  ]) {
    await rejects(loadModel(file, options(bad)), 'SOTTO_UNSUPPORTED');
  }
  await rejects(loadModel(file, options({ contextLength: -1 })), 'SOTTO_EINVAL');
  await rejects(loadModel(42, options()), 'SOTTO_EINVAL');
});

test('inspectModel reads the header only', async () => {
  freshCache();
  files['/inspected.gguf'] = { bytes, etag: '"1"' };
  server.take();
  const info = await inspectModel(`${server.base}/inspected.gguf`, { wasmUrl, cacheFolder: options().cacheFolder });
  assert.equal(info.architecture, 'llama');
  assert.equal(server.take().length, 1);
});

test('two loads of one address share one download', async () => {
  freshCache();
  files['/both.gguf'] = { bytes, etag: '"1"', pause: 2 };
  const url = `${server.base}/both.gguf`;
  server.take();
  const seen = [];
  const [a, b] = await Promise.all([heard(url), heard(url, { onProgress: (p) => seen.push(p.phase) })]);
  assert.equal(a.text, expected);
  assert.equal(b.text, expected);
  const asked = server.take().reduce((sum, r) => sum + r.to - r.from, 0);
  assert.equal(asked, bytes.length);
});

test('waitFor: "header" resolves early, and calls made then wait for their layers', async () => {
  freshCache();
  files['/early.gguf'] = { bytes, pause: 4 };
  const begin = performance.now();
  const model = await loadModel(`${server.base}/early.gguf`, options({ waitFor: 'header' }));
  const header = performance.now() - begin;
  let ready = 0;
  model.ready.then(() => (ready = performance.now() - begin));
  assert.equal(await say(model), expected);
  await model.ready;
  assert.ok(header < ready, `header after ${header} ms, ready after ${ready} ms`);
  await model.close();
});

test('waitFor: "header" and a download that fails later: ready and the calls reject', async () => {
  freshCache();
  files['/half.gguf'] = { bytes, dropAfter: ({ from }) => (from > 0 ? 0 : undefined) };
  const model = await loadModel(`${server.base}/half.gguf`, options({ waitFor: 'header', retries: 1 }));
  await Promise.all([rejects(model.ready, 'SOTTO_NETWORK'), rejects(say(model), 'SOTTO_NETWORK')]);
  await model.close();
});

test('an abort at any moment rejects at once and leaves nothing running', async () => {
  freshCache();
  files['/abort.gguf'] = { bytes, pause: 1 };
  for (const ms of [0, 20, 60, 100, 150, 200, 300]) {
    const begin = performance.now();
    const load = loadModel(`${server.base}/abort.gguf`, options({ cache: false, signal: AbortSignal.timeout(ms) }));
    try {
      await (await load).close();
    } catch (error) {
      assert.equal(error.code, 'SOTTO_ABORTED', error.stack);
      assert.ok(performance.now() - begin < ms + 2000, `rejected after ${performance.now() - begin} ms`);
    }
  }
  await rejects(loadModel(file, options({ signal: AbortSignal.abort() })), 'SOTTO_ABORTED');
});

test('a model beyond the memory limit is refused before its tensors are downloaded', async () => {
  const bytes = fs.readFileSync(file);
  const server = await serve({ '/m.gguf': { bytes } });
  const limit = { ...options({ cache: false }), memoryLimit: 2 ** 20 };
  await rejects(loadModel(`${server.base}/m.gguf`, limit), 'SOTTO_MEMORY');
  const { threads, ...shared } = limit;
  assert.ok(threads === undefined || threads > 0);
  assert.equal((await inspectModel(`${server.base}/m.gguf`, shared)).fits, false);
  assert.equal((await inspectModel(`${server.base}/m.gguf`, { ...shared, memoryLimit: 2 ** 31 })).fits, true);
  await server.close();
});

test('a worker that dies rejects what is pending with SOTTO_WORKER_LOST, one that never runs is done without', async () => {
  const workers = path.join(folder, 'workers');
  const js = path.join(folder, 'js');
  fs.cpSync(new URL('../../workers', import.meta.url), workers, { recursive: true });
  fs.cpSync(new URL('../../js', import.meta.url), js, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  const compute = path.join(workers, 'compute.js');
  const source = fs.readFileSync(compute, 'utf8');
  const wasm = wasmUrl ?? new URL('../../wasm/dist/', import.meta.url);
  const mine = (more = {}) => options({ workerUrl: pathToFileURL(workers), wasmUrl: wasm, ...more });

  /* A loader that never runs is done without. */
  const loader = path.join(workers, 'loader.js');
  const loading = fs.readFileSync(loader, 'utf8');
  fs.writeFileSync(loader, 'setInterval(() => {}, 1000);');
  const origin = await serve({ '/m.gguf': { bytes } });
  const begun = performance.now();
  assert.equal((await heard(`${origin.base}/m.gguf`, mine({ cache: false }))).text, expected);
  assert.ok(performance.now() - begun > 4000, 'the loader was waited for');
  await origin.close();
  fs.writeFileSync(loader, loading);

  fs.writeFileSync(compute, "throw new Error('gone before it began');");
  await rejects(loadModel(file, mine()), 'SOTTO_WORKER_LOST');

  /* Joins as one that never answers: the pool must notice by itself or by the thread's end. */
  fs.writeFileSync(
    compute,
    source.replace(
      /new Instance\(.*$/m,
      'setTimeout(() => process.exit(1), 300); new Instance(message.module, message.memory, message.stack);',
    ),
  );
  await rejects(loadModel(file, mine()), 'SOTTO_WORKER_LOST');

  /* Joins and works, then dies inside the engine, as a thread does whose process runs out of memory. */
  const dies =
    "{ memory: message.memory, now: () => { if (Date.now() > born + 1500) throw new Error('died'); return performance.now(); } }";
  fs.writeFileSync(
    compute,
    source.replace(
      /new Instance\(.*$/m,
      `const born = Date.now(); const { exports: x } = new WebAssembly.Instance(message.module, { env: ${dies} });
       x.__stack_pointer.value = message.stack; x.worker_run(message.thread);`,
    ),
  );
  const model = await loadModel(file, mine());
  const begin = Date.now();
  await rejects(
    (async () => {
      while (Date.now() < begin + 40_000) await say(model);
    })(),
    'SOTTO_WORKER_LOST',
  );
  /* The dying thread tells the pool: nobody waits for the time-out of a barrier. */
  assert.ok(Date.now() - begin < 6000, `noticed after ${Date.now() - begin} ms`);
  await rejects(model.tokenize('x'), 'SOTTO_WORKER_LOST');
  await model.close();

  /* Only what comes from outside has a loader's thread. */
  fs.writeFileSync(compute, source);
  fs.writeFileSync(path.join(workers, 'loader.js'), 'setTimeout(() => process.exit(3), 100);');
  const server = await serve({ '/m.gguf': { bytes: fs.readFileSync(file) } });
  await rejects(loadModel(`${server.base}/m.gguf`, mine({ cache: false })), 'SOTTO_WORKER_LOST');
  await server.close();
});

test('closing gives the memory back', { timeout: 120_000 }, async () => {
  const cycle = async () => {
    const model = await loadModel(file, options({ contextLength: 2048 }));
    await say(model);
    await model.close();
    return model.info.memory.wasm;
  };
  const wasm = await cycle();
  for (let i = 0; i < 3; i++) await cycle();
  const settle = async () => {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return process.memoryUsage().rss;
  };
  const start = await settle();
  for (let i = 0; i < 8; i++) await cycle();
  const grown = (await settle()) - start;
  assert.ok(grown < 4 * wasm, `8 models of ${wasm} bytes left ${grown} bytes behind`);
});

test('a closed model says so', async () => {
  const model = await loadModel(file, options());
  await model.close();
  await model.close();
  await rejects(model.tokenize('x'), 'SOTTO_CLOSED');
  await rejects(say(model), 'SOTTO_CLOSED');
});
