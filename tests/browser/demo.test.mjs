// The chat page as a visitor meets it, in three browsers: the real model is loaded, two turns are chatted, an answer
// is stopped, and after a reload without a network the same conversation is there and the model answers again.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { assembleSite } from '../../tools/site.mjs';
import { ensureModel } from '../../tools/setup.mjs';
import { browserNames, hasBrowser, openBrowser, waitFor } from './drivers/index.mjs';
import { startServer } from './server.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-site-'));
test.after(() => fs.rmSync(folder, { recursive: true, force: true }));
const model = await ensureModel();
assembleSite(folder, [{ name: 'SmolLM2 135M Instruct', path: model }]);

/** The page as it is; for Firefox, whose driver needs it, with leave to evaluate. @param {string} name */
function siteFor(name) {
  if (name !== 'firefox') return folder;
  const loose = path.join(folder, 'loose');
  assembleSite(loose, [{ name: 'SmolLM2 135M Instruct', path: model }]);
  const page = path.join(loose, 'index.html');
  const text = fs.readFileSync(page, 'utf8');
  fs.writeFileSync(page, text.replace("'wasm-unsafe-eval'", "'unsafe-eval'"));
  assert.notEqual(fs.readFileSync(page, 'utf8'), text);
  return loose;
}

const ready = () => document.querySelector('#model-dot').dataset.state === 'ready';
const idle = () => !document.querySelector('#send').hidden;
const answers = () =>
  [...document.querySelectorAll('.message[data-role=assistant] .content')].map((node) => node.textContent.trim());

/** Greedy sampling, so that every browser must say the same. */
const greedy = async () => {
  const { changeSettings } = await import('./settings.js');
  await changeSettings({ temperature: '0', maxTokens: '24' });
};

/** @param {string} text */
const say = (text) => {
  const prompt = document.querySelector('#prompt');
  prompt.value = text;
  prompt.dispatchEvent(new Event('input', { bubbles: true }));
  document.querySelector('#composer').requestSubmit();
};

/** What the first browser answered; the others must agree. @type {string[] | undefined} */
let expected;

for (const name of browserNames) {
  test(`${name}: chats two turns, stops, and answers offline after a reload`, { skip: hasBrowser(name) ? false : 'not installed', timeout: 600_000 }, async () => {
    const server = await startServer({ folders: { '/': siteFor(name) } });
    const browser = await openBrowser(name);
    try {
      await browser.open(server.url);
      await waitFor(browser, ready, { timeoutMs: 180_000, what: 'the model' });
      await browser.evaluate(greedy);

      for (const [i, text] of ['Explain what a hash table is, as to a friend.', 'Say it in one sentence.'].entries()) {
        await browser.evaluate(say, text);
        await waitFor(browser, (n) => document.querySelectorAll('.message[data-role=assistant]').length > n && !document.querySelector('#send').hidden, { args: [i], timeoutMs: 120_000, what: `answer ${i + 1}` });
      }
      const said = await browser.evaluate(answers);
      assert.equal(said.length, 2);
      assert.match(said[0], /data structure/);
      assert.ok(said[1].length > 0);
      expected ??= said;
      assert.deepEqual(said, expected, `${name} answers as the others do`);
      assert.match(await browser.evaluate(() => document.querySelector('.message:last-child .figures').textContent), /decode [\d.]+ tok\/s/);

      await browser.evaluate(async () => (await import('./settings.js')).changeSettings({ maxTokens: '' }));
      await browser.evaluate(say, 'Count from one to one thousand, one number a line.');
      await waitFor(browser, () => document.querySelector('.message.streaming .content')?.textContent.length > 5, { timeoutMs: 120_000, what: 'the third answer to begin' });
      await browser.evaluate(() => document.querySelector('#stop').click());
      await waitFor(browser, idle, { timeoutMs: 20_000, what: 'the stop' });

      await waitFor(browser, async () => (await (await caches.keys()).find((key) => key.startsWith('sotto-page-'))) && navigator.serviceWorker.controller !== null, { what: 'the service worker' });
      await server.close();
      await browser.reload();
      // An automated WebKit is a private session: it forgets stored models on a reload, the page and its talk it keeps.
      const keepsModels = name !== 'webkit';
      if (keepsModels) await waitFor(browser, ready, { timeoutMs: 60_000, what: 'the model, offline' });
      await waitFor(browser, () => document.querySelectorAll('.message').length >= 6, { what: 'the conversation, offline' });
      const kept = await browser.evaluate(answers);
      assert.equal(kept.length, 3);
      assert.deepEqual(kept.slice(0, 2), said);
      if (!keepsModels) return;
      await browser.evaluate(greedy);
      await browser.evaluate(say, 'Thank you.');
      await waitFor(browser, () => document.querySelectorAll('.message[data-role=assistant]').length > 3 && !document.querySelector('#send').hidden, { timeoutMs: 120_000, what: 'an answer offline' });
      const last = await browser.evaluate(answers);
      assert.ok(last[3].length > 0);
      assert.equal(await browser.evaluate(() => document.querySelector('#notice').hidden), true);
    } finally {
      await browser.close();
      await server.close().catch(() => {});
    }
  });
}

test('the page fits a phone and a desk', { skip: hasBrowser('chromium') ? false : 'not installed', timeout: 120_000 }, async () => {
  const server = await startServer({ folders: { '/': folder } });
  const browser = await openBrowser('chromium');
  try {
    for (const [width, height] of [[390, 844], [1440, 900]]) {
      await browser.setViewport(width, height);
      await browser.open(server.url);
      const size = await browser.evaluate(() => ({ page: document.documentElement.scrollWidth, window: innerWidth, bar: document.querySelector('.composer').getBoundingClientRect().bottom, height: innerHeight }));
      assert.ok(size.page <= size.window, `no sideways scrolling at ${width}`);
      assert.ok(size.bar <= size.height, `the message box is in view at ${width}`);
    }
    const unnamed = await browser.evaluate(() =>
      [...document.querySelectorAll('button, input, select, textarea')]
        .filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label') || node.closest('label') || (node.id && document.querySelector(`label[for="${node.id}"]`)) || node.labels?.length))
        .map((node) => node.outerHTML));
    assert.deepEqual(unnamed, [], 'every control has a name');
  } finally {
    await browser.close();
    await server.close();
  }
});
