// Downloading and storing in browsers: the cache (OPFS, or the Cache API where there is none), resuming, other
// origins, two loads at once, and the end of a worker.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { browserNames, hasBrowser, openBrowser } from './drivers/index.mjs';
import { startServer } from './server.mjs';
import { root } from '../../tools/setup-util.mjs';
import { tinyGguf } from '../node/tiny.mjs';

const bytes = tinyGguf({ layers: 4, width: 256 });
/** @type {Awaited<ReturnType<typeof startServer>>} */
let server;
/** @type {Awaited<ReturnType<typeof startServer>>} another origin */
let other;
/** @type {Awaited<ReturnType<typeof startServer>>} a page that is not isolated */
let plain;

before(async () => {
  server = await startServer({ folders: { '/': root } });
  plain = await startServer({ folders: { '/': root }, isolated: false });
  other = await startServer();
});
after(() => Promise.all([server, plain, other].map((s) => s.close())));

/** Requests for a file since the last look: how many, and how many bytes they were for. */
function asked(from, path) {
  const list = from.requests.splice(0).filter((r) => r.path === path && r.method === 'GET');
  return { n: list.length, bytes: list.reduce((sum, r) => sum + r.bytes, 0) };
}

/* In the page: loads, speaks, closes. */
async function hear(source, options = {}) {
  const { loadModel } = await import('/js/index.js');
  const seen = [];
  const stop = new AbortController();
  const { abortAt, ...rest } = options;
  const onProgress = (p) => {
    seen.push(p);
    if (p.loaded >= abortAt) stop.abort();
  };
  try {
    const model = await loadModel(source, { threads: 2, ...rest, onProgress, signal: stop.signal });
    let text = '';
    for await (const part of model.complete('the man in', { temperature: 0, maxTokens: 12 })) text += part.text;
    const { info } = model;
    await model.close();
    const phases = [...new Set(seen.map((p) => p.phase))];
    return {
      text,
      stored: info.cache.stored,
      reason: info.cache.reason,
      cached: seen.at(-1).cached,
      phases,
      threads: info.threads,
    };
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, 700));
    return { code: error.code, message: error.message, loaded: seen.at(-1)?.loaded };
  }
}

for (const name of browserNames) {
  describe(name, { skip: !hasBrowser(name) && 'not installed' }, () => {
    /** @type {import('./drivers/index.mjs').Browser} */
    let browser;
    let text = '';
    before(async () => {
      browser = await openBrowser(name);
      await browser.open(`${server.url}/tests/browser/blank.html`);
    });
    after(() => browser.close());

    test('a model is stored, comes back without a request, is listed and deleted', async () => {
      server.file('/stored.gguf', bytes);
      const first = await browser.evaluate(hear, `${server.url}/stored.gguf`);
      text = first.text;
      assert.ok(text, JSON.stringify(first));
      assert.equal(first.stored, true, first.reason);
      assert.equal(asked(server, '/stored.gguf').bytes, bytes.length, 'no byte twice');
      /* WebKit is driven in a private session, which forgets with the page. */
      if (name !== 'webkit') await browser.reload();
      const second = await browser.evaluate(hear, `${server.url}/stored.gguf`);
      assert.equal(second.text, text);
      assert.equal(second.cached, bytes.length);
      assert.equal(asked(server, '/stored.gguf').n, 0);
      const [entry, gone, left] = await browser.evaluate(async (url) => {
        const { cachedModels, deleteCachedModel } = await import('/js/index.js');
        const [found] = await cachedModels();
        return [found, await deleteCachedModel(url), await cachedModels()];
      }, `${server.url}/stored.gguf`);
      assert.equal(entry.complete, true);
      assert.equal(entry.bytes, bytes.length);
      assert.equal(gone, true);
      assert.deepEqual(left, []);
    });

    test('an aborted download is resumed', async () => {
      server.file('/resumed.gguf', bytes, { throttle: 8e6, etag: '"1"' });
      const stopped = await browser.evaluate(hear, `${server.url}/resumed.gguf`, { abortAt: 6e6 });
      assert.equal(stopped.code, 'SOTTO_ABORTED', stopped.message);
      server.file('/resumed.gguf', bytes, { etag: '"1"' });
      server.requests.length = 0;
      const resumed = await browser.evaluate(hear, `${server.url}/resumed.gguf`);
      assert.equal(resumed.text, text, JSON.stringify(resumed));
      /* Without OPFS whole segments are kept, and this file is smaller than one. */
      if (name !== 'webkit') assert.ok(asked(server, '/resumed.gguf').bytes <= bytes.length - 5e6);
    });

    test('two loads at once share one download', async () => {
      server.file('/both.gguf', bytes, { throttle: 2e7 });
      server.requests.length = 0;
      const url = `${server.url}/both.gguf`;
      const script = `(async () => { const hear = ${hear}; return Promise.all([hear(${JSON.stringify(url)}), hear(${JSON.stringify(url)})]); })()`;
      const both = await browser.evaluate(async (code) => (0, eval)(code), script);
      assert.deepEqual(
        both.map((r) => r.text),
        [text, text],
        JSON.stringify(both),
      );
      assert.equal(asked(server, '/both.gguf').bytes, bytes.length);
    });

    test('two tabs that load the same model share one download', { skip: name !== 'chromium' && 'its driver has one tab' }, async () => {
      server.file('/tabs.gguf', bytes, { throttle: 2e7 });
      server.requests.length = 0;
      const tab = await browser.tab();
      await tab.open(`${server.url}/tests/browser/blank.html`);
      const heard = await Promise.all([browser, tab].map((one) => one.evaluate(hear, `${server.url}/tabs.gguf`)));
      assert.ok(heard[0].text, JSON.stringify(heard));
      assert.equal(heard[1].text, heard[0].text);
      assert.ok(heard.some((r) => r.phases.includes('wait')), 'one of them waited for the other');
      assert.equal(asked(server, '/tabs.gguf').bytes, bytes.length);
    });

    test('another origin: allowed with hidden headers, and not allowed', async () => {
      other.file('/open.gguf', bytes, { cors: true });
      other.file('/closed.gguf', bytes, {});
      const open = await browser.evaluate(hear, `${other.url}/open.gguf`);
      assert.equal(open.text, text, JSON.stringify(open));
      assert.equal(asked(other, '/open.gguf').bytes, bytes.length);
      const closed = await browser.evaluate(hear, `${other.url}/closed.gguf`, { retries: 0 });
      assert.equal(closed.code, 'SOTTO_NETWORK', JSON.stringify(closed));
      assert.match(closed.message, /CORS/);
    });

    test('a file, a stream and a buffer', async () => {
      server.file('/x.gguf', bytes);
      for (const kind of ['blob', 'stream', 'buffer']) {
        const made = `(async () => { const response = await fetch('/x.gguf');
          const source = ${kind === 'blob' ? 'new File([await response.blob()], "x.gguf")' : kind === 'stream' ? 'response.body' : 'await response.arrayBuffer()'};
          return (${hear})(source); })()`;
        const heard = await browser.evaluate(async (code) => (0, eval)(code), made);
        assert.equal(heard.text, text, `${kind}: ${JSON.stringify(heard)}`);
      }
    });

    test('a page that is not isolated loads, stores and speaks the same on one thread', async () => {
      plain.file('/stored.gguf', bytes);
      const one = await openBrowser(name, { sharedMemory: false });
      try {
        await one.open(`${plain.url}/tests/browser/blank.html`);
        const first = await one.evaluate(hear, `${plain.url}/stored.gguf`);
        assert.equal(first.text, text, JSON.stringify(first));
        assert.equal(first.threads, 1);
        assert.equal(first.stored, true, first.reason);
        const second = await one.evaluate(hear, `${plain.url}/stored.gguf`);
        assert.equal(second.cached, bytes.length);
        assert.equal(second.text, text);
      } finally {
        await one.close();
      }
    });
  });
}
