// Every feature of the chat page, in Chromium, on a tiny model: the catalogue, own files, downloads, refusals, the
// conversation's tools, settings, history, and what makes it installable. The real model is in demo.test.mjs.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { hasBrowser, openBrowser, waitFor } from './drivers/index.mjs';
import { startServer } from './server.mjs';
import { tinyGguf } from '../node/tiny.mjs';
import { assembleSite } from '../../tools/site.mjs';

const bytes = tinyGguf({ layers: 4, width: 256, context: 4096 });

describe('the chat page', { skip: hasBrowser('chromium') ? false : 'not installed' }, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-page-'));
  /** @type {Awaited<ReturnType<typeof startServer>>} */
  let server;
  /** @type {import('./drivers/index.mjs').Browser} */
  let browser;
  before(async () => {
    assembleSite(folder);
    server = await startServer({ folders: { '/': folder } });
    browser = await openBrowser('chromium');
    await browser.open(server.url);
    await waitFor(browser, () => document.querySelector('#welcome-models').checkVisibility(), { what: 'the page to start' });
  });
  after(async () => {
    await browser.close();
    await server.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => browser.evaluate(() => document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close())));

  const page = (fn, ...args) => browser.evaluate(fn, ...args);
  const click = (selector) => page((s) => document.querySelector(s).click(), selector);
  const until = (fn, what, ...args) => waitFor(browser, fn, { what, args, timeoutMs: 60_000 });
  const text = (selector) => page((s) => document.querySelector(s)?.textContent ?? '', selector);
  const isReady = () => document.querySelector('#model-dot').dataset.state === 'ready';
  const isIdle = () => !document.querySelector('#send').hidden;

  /** Loads by the address field, as a visitor does. @param {string} address */
  async function load(address) {
    await click('#open-models');
    await page((a) => {
      document.querySelector('#address').value = a;
      document.querySelector('#from-address').requestSubmit();
    }, address);
  }
  /** The notice that comes after an attempt. @param {string} address */
  async function refusal(address) {
    await page(() => document.querySelector('#notice-close').click());
    await load(address);
    await until(() => !document.querySelector('#notice').hidden, `the refusal of ${address}`);
    return { told: await text('#notice-text'), action: await text('#notice-action') };
  }
  /** Says something and waits for the whole answer. @param {string} words */
  async function say(words) {
    const n = await page(() => document.querySelectorAll('.message').length);
    await page((t) => {
      const prompt = document.querySelector('#prompt');
      prompt.value = t;
      prompt.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    }, words);
    await until((k) => document.querySelectorAll('.message').length === k + 2 && !document.querySelector('#send').hidden, 'the answer', n);
  }
  const answers = () => page(() => [...document.querySelectorAll('.message[data-role=assistant] .content')].map((node) => node.textContent));

  test('without a model it asks for one, and a message stays in the box', async () => {
    assert.equal(await page(() => document.querySelector('#welcome-models').checkVisibility()), true);
    await page(() => {
      document.querySelector('#prompt').value = 'Hello';
      document.querySelector('#composer').requestSubmit();
    });
    assert.match(await text('#notice-text'), /Choose a model first/);
    assert.equal(await page(() => document.querySelector('#prompt').value), 'Hello');
    await click('#notice-action');
    assert.equal(await page(() => document.querySelector('#models').open), true);
  });

  test('the catalogue tells address, bytes, licence, memory, speed and whether it fits, and recommends one', async () => {
    await page(() => document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true })));
    await until(() => document.querySelectorAll('#catalogue .card').length > 0, 'the catalogue');
    const cards = await page(() => [...document.querySelectorAll('#catalogue .card')].map((card) => card.innerText));
    assert.ok(cards.length >= 10, `${cards.length} models`);
    for (const card of cards) {
      assert.match(card, /hf:[\w.-]+\/[\w.-]+\/[\w./-]+\.gguf/);
      assert.match(card, /\d+ [MG]B download/);
      assert.match(card, /[\d.]+ [MG]B memory/);
      assert.match(card, /licence/);
      assert.match(card, /about [\d.]+ tok\/s/);
      assert.match(card, /fits|does not fit: |recommended here/);
    }
    for (const family of ['Qwen 3 0.6B', 'Llama 3.2 1B', 'Gemma 3 270M', 'Gemma 3 1B', 'Phi-3.5 mini', 'R1', 'SmolLM2']) {
      assert.ok(cards.some((card) => card.includes(family)), family);
    }
    const recommended = cards.filter((card) => card.includes('recommended here'));
    assert.equal(recommended.length, 1);
    assert.equal(cards[0], recommended[0], 'it comes first');
    assert.match(await text('#device'), /GB\/s/);
    assert.equal(await page(() => document.activeElement.id), 'models-title', 'the reader begins at the heading');

    const small = await page(async () => {
      const { catalogue, recommend, verdict } = await import('./catalogue.js');
      const device = { memory: 0.7 * 2 ** 30, streamGBs: 10, threads: 2 };
      const rows = catalogue.map((entry) => ({ entry, ...verdict(entry, device, { contextLength: 4096, kvType: 'f16' }) }));
      const huge = verdict({ ...catalogue[0], bytes: 5e9 }, { ...device, memory: 0 }, { contextLength: 4096, kvType: 'f16' });
      return { rows: rows.map((row) => [row.entry.id, row.fits, row.why]), best: recommend(rows).bytes, huge: huge.why };
    });
    assert.match(small.huge, /4 GiB/);
    assert.ok(small.rows.some(([, fits]) => fits) && small.rows.some(([, fits, why]) => !fits && /memory/.test(why)));
    assert.ok(small.best < 0.75 * 2 ** 30);
  });

  test('a refusal is a sentence that says what to do', async () => {
    server.file('/gated.gguf', bytes, { status: 401 });
    server.file('/forbidden.gguf', bytes, { status: 403 });
    server.file('/broken.gguf', bytes, { status: 500 });
    server.file('/page.gguf', new TextEncoder().encode('<!doctype html><p>Not a model'));
    const other = await startServer();
    other.file('/closed.gguf', bytes);
    try {
      const gated = await refusal(`${server.url}/gated.gguf`);
      assert.match(gated.told, /asks for a token/);
      await click('#notice-action');
      assert.equal(await page(() => document.activeElement.id), 'token');
      assert.match((await refusal(`${server.url}/forbidden.gguf`)).told, /accept its licence/);
      const missing = await refusal(`${server.url}/none.gguf`);
      assert.match(missing.told, /There is no such file/);
      assert.equal(missing.action, 'Choose another');
      assert.match((await refusal(`${server.url}/broken.gguf`)).told, /HTTP 500/);
      assert.match((await refusal(`${server.url}/page.gguf`)).told, /not a GGUF file/);
      const closed = await refusal(`${other.url}/closed.gguf`);
      assert.match(closed.told, /CORS/);
      assert.equal(closed.action, 'Try again');
      assert.match((await refusal('hf:nonsense')).told, /hf:owner/);
    } finally {
      await other.close();
    }
  });

  test('the token goes to the hub alone and is kept', async () => {
    const got = await page(async () => {
      const field = document.querySelector('#token');
      field.value = ' hf_secret ';
      field.dispatchEvent(new Event('change'));
      const { tokenFor } = await import('./engine.js');
      const sources = ['hf:a/b/c.gguf', 'https://huggingface.co/a/b/resolve/main/c.gguf', 'https://example.org/c.gguf', new File([], 'x.gguf')];
      return sources.map((source) => tokenFor(source).token ?? null);
    });
    assert.deepEqual(got, ['hf_secret', 'hf_secret', null, null]);
    server.file('/watched.gguf', bytes.slice(0, 100));
    server.requests.length = 0;
    await refusal(`${server.url}/watched.gguf`);
    assert.ok(server.requests.every((request) => request.headers.authorization === undefined));
    await page(() => localStorage.removeItem('sotto-token'));
  });

  test('a download tells its speed, is paused, goes on where it was, and is deleted', async () => {
    const address = `${server.url}/slow.gguf`;
    server.file('/slow.gguf', bytes, { throttle: 4e6, etag: '"1"' });
    await page(() => (navigator.storage.persist = async () => (globalThis.persisted = true)));
    await load(address);
    await until(() => /[\d.]+ MB of [\d.]+ MB · [\d.]+ [kM]B\/s · \d+ s left/.test(document.querySelector('#loading-figures').textContent), 'figures');
    assert.equal(await page(() => globalThis.persisted), true, 'the browser is asked to keep it');
    await until(() => document.querySelector('#loading-bar').value > 0.4, 'some of it');
    await click('#loading-pause');
    await until(() => /paused, what arrived is kept/.test(document.querySelector('#loading-figures').textContent), 'the pause');
    assert.equal(await text('#loading-pause'), 'Resume');
    await click('#open-models');
    await until(() => /so far/.test(document.querySelector('#stored').textContent), 'the list of what is stored');
    assert.match(await text('#quota'), /in use of .* this browser allows/);
    await page(() => document.querySelector('#models').close());
    server.file('/slow.gguf', bytes, { etag: '"1"' });
    server.requests.length = 0;
    await click('#loading-pause');
    await until(isReady, 'the model');
    const asked = server.requests.filter((request) => request.path === '/slow.gguf').reduce((sum, request) => sum + request.bytes, 0);
    assert.ok(asked < bytes.length * 0.8, `${asked} of ${bytes.length} bytes asked again`);
    await click('#open-models');
    const stored = () => [...document.querySelectorAll('#stored .card')].some((card) => card.textContent.includes('slow.gguf'));
    await until(stored, 'the stored model');
    await page(() => document.querySelector('#stored button[aria-label="Delete slow.gguf"]').click());
    await until(`!(${stored})()`, 'the deletion');
  });

  test('a dropped file is loaded, another kind of file is not', async () => {
    server.file('/dropped.gguf', bytes);
    const drop = (name, url) =>
      page(async (n, u) => {
        const data = new DataTransfer();
        data.items.add(new File([u ? await (await fetch(u)).blob() : 'hello'], n));
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
      }, name, url);
    await drop('notes.txt');
    assert.match(await text('#notice-text'), /not a \.gguf file/);
    await drop('mine.gguf', '/dropped.gguf');
    await until(() => document.querySelector('#model-name').textContent === 'mine' && document.querySelector('#model-dot').dataset.state === 'ready', 'the dropped model');
    assert.equal(await page(() => document.querySelector('#notice').hidden), true);
  });

  test('settings are kept and used: system prompt, sampling, longest answer', async () => {
    await click('#open-settings');
    await page(() => {
      const set = { system: 'Be brief.', temperature: '0', topK: '40', topP: '0.9', minP: '0.05', repeatPenalty: '1.1', maxTokens: '20', seed: '7' };
      for (const [id, value] of Object.entries(set)) document.getElementById(id).value = value;
      document.querySelector('#settings .primary').click();
    });
    await until(async () => (await (await import('./store.js')).setting('settings', {})).seed === '7', 'the settings on disk');
    await page(async () => {
      const { engine } = await import('./engine.js');
      const { createChat } = engine.model;
      engine.model.createChat = function (options) {
        globalThis.seen = { system: options.system };
        const chat = createChat.call(this, options);
        const { send } = chat;
        chat.send = function (words, more) {
          Object.assign(globalThis.seen, more);
          return send.call(this, words, more);
        };
        return chat;
      };
    });
    await say('the man in the inn');
    const seen = await page(() => ({ ...globalThis.seen, signal: undefined, onProgress: undefined }));
    assert.deepEqual(seen, { system: 'Be brief.', temperature: 0, topK: 40, topP: 0.9, minP: 0.05, repeatPenalty: 1.1, maxTokens: 20, seed: 7 });
    assert.match(await text('.message:last-child .figures'), /prefill [\d.]+ tok\/s · decode [\d.]+ tok\/s · first token \d+ ms/);
    assert.match(await text('#context-text'), /^\d+ \/ 4,096$/);
    assert.equal(await page(() => document.querySelector('#context-meter').value > 0), true);
  });

  test('copy, regenerate and edit', async () => {
    const [first] = await answers();
    const copied = await page(async () => {
      Object.defineProperty(navigator, 'clipboard', { configurable: true, value: { writeText: async (t) => void (globalThis.copied = t) } });
      document.querySelector('.message[data-role=user] [data-do=copy]').click();
      return globalThis.copied;
    });
    assert.equal(copied, 'the man in the inn');
    await click('.message[data-role=assistant] [data-do=regenerate]');
    await until(() => document.querySelector('.message.streaming') === null && !document.querySelector('#send').hidden && document.querySelectorAll('.message').length === 2, 'the new answer');
    assert.deepEqual(await answers(), [first], 'greedy, so the same');
    await say('and then');
    assert.equal((await answers()).length, 2);
    await click('.message[data-role=user] [data-do=edit]');
    await page(() => {
      document.querySelector('.editor textarea').value = 'a man in a tent';
      document.querySelector('.editor').requestSubmit();
    });
    await until(() => document.querySelectorAll('.message').length === 2 && !document.querySelector('#send').hidden, 'the answer to the edit');
    assert.equal(await text('.message[data-role=user] .content'), 'a man in a tent');
  });

  test('an answer is stopped by Escape, and by another conversation without losing what was said', async () => {
    await page(async () => (await import('./settings.js')).changeSettings({ maxTokens: '3000', repeatPenalty: '' }));
    const begin = async () => {
      await page(() => {
        document.querySelector('#prompt').value = 'go on';
        document.querySelector('#composer').requestSubmit();
      });
      await until(() => document.querySelector('.message.streaming .content')?.textContent.length > 5, 'some of the answer');
    };
    await begin();
    await page(() => document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true })));
    await until(isIdle, 'the stop');
    assert.match(await text('.message:last-child .figures'), /stopped/);
    await begin();
    await click('#new-chat');
    await until(() => document.querySelectorAll('.message').length === 0, 'an empty conversation');
    await until(() => document.querySelectorAll('.conversation').length === 1, 'the one before in the list');
    await click('.conversation .open');
    await until(() => document.querySelectorAll('.message').length === 6, 'the conversation');
    assert.ok((await answers())[2].length > 5, 'what was said of the third answer is kept');
    await page(async () => (await import('./settings.js')).changeSettings({ maxTokens: '20' }));
  });

  test('conversations survive a reload and are deleted one by one', async () => {
    await click('#new-chat');
    await until(() => document.querySelectorAll('.message').length === 0, 'an empty conversation');
    await say('another talk');
    await browser.reload();
    await until(() => document.querySelectorAll('.conversation').length === 2 && document.querySelectorAll('.message').length === 2, 'both conversations');
    assert.equal(await page(async () => (await import('./settings.js')).settings.system), 'Be brief.');
    await page(() => [...document.querySelectorAll('.conversation')].find((node) => node.textContent.includes('another')).querySelector('.remove').click());
    await until(() => document.querySelectorAll('.conversation').length === 1 && document.querySelectorAll('.message').length === 0, 'the deletion');
  });

  test('a full context drops the oldest turns, and says so', async () => {
    await page(async () => (await import('./settings.js')).changeSettings({ contextLength: '256', system: '' }));
    server.file('/short.gguf', bytes);
    await load(`${server.url}/short.gguf`);
    await until(isReady, 'the model');
    await click('#new-chat');
    for (let i = 0; i < 8 && !(await page(() => document.querySelector('.message[data-dropped=true]'))); i++) await say(`the man in the inn, again ${'a'.repeat(40)}`);
    const dropped = await page(() => document.querySelectorAll('.message[data-dropped=true]').length);
    assert.ok(dropped >= 2, `${dropped} messages are marked`);
    assert.match(await page(() => getComputedStyle(document.querySelector('.message[data-dropped=true] .who'), '::after').content), /no longer in the context/);
  });

  test('an answer is shown as Markdown, and nothing of it can act', async () => {
    const html = await page(async () => {
      const { renderMarkdown } = await import('./markdown.js');
      const node = document.createElement('div');
      renderMarkdown(node, '# T\n\n**b** `c`\n\n```js\nlet x;\n```\n\n|a|b|\n|-|-|\n|1|2|\n\n- one\n\n[l](https://example.org) [j](javascript:alert(1))\n\n<script>alert(1)</script><img src=x onerror=alert(1)><iframe src=x></iframe><b onclick=alert(1) style="position:fixed">B</b><form><input></form>');
      return node.innerHTML;
    });
    for (const wanted of ['<h1>', '<strong>b</strong>', '<code>c</code>', '<pre tabindex="0">', '<td>1</td>', '<li>one</li>', 'rel="noopener noreferrer"', '<b>B</b>']) {
      assert.ok(html.includes(wanted), `${wanted} in ${html}`);
    }
    assert.doesNotMatch(html, /<script|<img|<iframe|<form|<input|onclick|onerror|style=|javascript:/);
  });

  test('it can be installed, and every address of its page is its own', async () => {
    const { manifest, sizes } = await page(async () => {
      const link = document.querySelector('link[rel=manifest]').href;
      const m = await (await fetch(link)).json();
      const measured = await Promise.all(m.icons.filter((icon) => icon.type === 'image/png').map(async (icon) => {
        const { width, height } = await createImageBitmap(await (await fetch(new URL(icon.src, link))).blob());
        return [icon.sizes, `${width}x${height}`];
      }));
      return { manifest: m, sizes: measured };
    });
    assert.equal(manifest.display, 'standalone');
    assert.ok(manifest.name && manifest.short_name && manifest.start_url && manifest.theme_color);
    assert.deepEqual(sizes, [['192x192', '192x192'], ['512x512', '512x512']]);
    const others = await page(() => performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => new URL(name).origin !== location.origin));
    assert.deepEqual(others, []);
  });

  test('on a host that cannot send the headers, the service worker isolates the page', async () => {
    const plain = await startServer({ folders: { '/': folder }, isolated: false });
    const one = await browser.tab();
    try {
      await one.open(plain.url);
      await waitFor(one, () => globalThis.crossOriginIsolated === true && document.querySelector('#conversations') !== null, { what: 'isolation' }).catch(async (error) => {
        // the reload of the page may fall into a question
        if (!/context|navigat/i.test(error.message)) throw error;
        await waitFor(one, () => globalThis.crossOriginIsolated === true, { what: 'isolation' });
      });
    } finally {
      await plain.close();
    }
  });
});
