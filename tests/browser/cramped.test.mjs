// A cramped device: 1 GiB of memory, one thread, the plain SIMD128 build, a page on a quarter of a CPU. What does not
// fit is refused before it is downloaded; what fits chats, shows how long a long prompt will take, and leaves the page
// responsive.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { assembleSite } from '../../tools/site.mjs';
import { hasBrowser, openBrowser, waitFor } from './drivers/index.mjs';
import { startServer } from './server.mjs';
import { realModel } from '../models.mjs';
import { treeBytes } from '../processes.mjs';

const GIB = 2 ** 30;

test('a cramped device refuses what does not fit and chats with what does', { skip: hasBrowser('chromium') ? false : 'not installed', timeout: 300_000 }, async (context) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-cramped-'));
  assembleSite(folder);
  const wasm = path.join(folder, 'sotto/wasm/dist');
  fs.copyFileSync(path.join(wasm, 'sotto-simd.wasm'), path.join(wasm, 'sotto-relaxed.wasm'));
  const model = await realModel();
  const server = await startServer({ folders: { '/': folder, '/weights/': path.dirname(model) } });
  const browser = await openBrowser('chromium');
  const address = `${server.url}/weights/${path.basename(model)}`;
  const load = (/** @type {string} */ contextLength) => browser.evaluate(async (a, n) => {
    await (await import('./settings.js')).changeSettings({ contextLength: n, threads: '1', temperature: '0', maxTokens: '12' });
    document.querySelector('#notice-close').click();
    document.querySelector('#open-models').click();
    document.querySelector('#address').value = a;
    document.querySelector('#from-address').requestSubmit();
  }, address, contextLength);
  try {
    await browser.cramp?.(4, 1);
    await browser.open(server.url);
    await waitFor(browser, () => document.querySelector('#welcome-models').checkVisibility(), { what: 'the page to start' });
    const before = treeBytes(browser.pid);

    // With 32,768 tokens of context the model needs 0.8 GiB; the device can spare 0.7.
    await load('32768');
    await waitFor(browser, () => !document.querySelector('#notice').hidden, { what: 'the refusal', timeoutMs: 60_000 });
    assert.match(await browser.evaluate(() => document.querySelector('#notice-text').textContent), /needs \d+ MiB of memory; its limit is 71[67] MiB/);
    const fetched = server.requests.filter((r) => r.path.startsWith('/weights/')).reduce((sum, r) => sum + r.bytes, 0);
    assert.ok(fetched < 8 * 2 ** 20, `${fetched} bytes were downloaded before the refusal`);

    await load('2048');
    await waitFor(browser, () => document.querySelector('#model-dot').dataset.state === 'ready', { what: 'the model', timeoutMs: 120_000 });
    await browser.evaluate(() => {
      const seen = { texts: /** @type {string[]} */ ([]), gaps: /** @type {number[]} */ ([]), running: true };
      Object.assign(globalThis, { seen });
      new MutationObserver(() => seen.texts.push(document.querySelector('#stats').textContent)).observe(document.querySelector('#stats'), { childList: true, characterData: true, subtree: true });
      let last = performance.now();
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        const now = performance.now();
        seen.gaps.push(now - last);
        last = now;
        if (seen.running) setTimeout(() => channel.port2.postMessage(0), 4);
      };
      channel.port2.postMessage(0);
      const prompt = document.querySelector('#prompt');
      prompt.value = 'The lazy dog sleeps while the quick brown fox jumps. '.repeat(100);
      document.querySelector('#composer').requestSubmit();
    });
    await waitFor(browser, () => document.querySelectorAll('.message[data-role=assistant]').length === 1 && !document.querySelector('#send').hidden, { what: 'the answer', timeoutMs: 180_000 });
    const { texts, gaps } = await browser.evaluate(() => ((globalThis.seen.running = false), globalThis.seen));
    assert.ok(texts.some((text) => /reading the conversation: \d+ of 1[0-9]{3} tokens · \d+ s left/.test(text)), JSON.stringify(texts.slice(0, 8)));
    gaps.sort((/** @type {number} */ a, /** @type {number} */ b) => a - b);
    const late = gaps[Math.floor(gaps.length * 0.95)];
    context.diagnostic(`${gaps.length} turns of the page's loop while it reads and answers; 95 % came within ${late.toFixed(0)} ms, the last within ${gaps.at(-1)?.toFixed(0)} ms`);
    assert.ok(late < 100, `the page's loop takes ${late} ms`);
    assert.match(await browser.evaluate(() => document.querySelector('.message[data-role=assistant] .content').textContent), /\w{2}/);
    const grown = before === null ? 0 : (treeBytes(browser.pid) ?? 0) - before;
    context.diagnostic(`grown by ${Math.round(grown / 2 ** 20)} MiB`);
    assert.ok(grown < GIB, `grown by ${grown} bytes`);
  } finally {
    await browser.close();
    await server.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
