// Two models open at once in one page: both work, they share the cores, and closing one gives its memory back.

import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { hasBrowser, openBrowser } from './drivers/index.mjs';
import { startServer } from './server.mjs';
import { realModel } from '../models.mjs';
import { treeBytes } from '../processes.mjs';
import { root } from '../../tools/setup-util.mjs';

test('two models share one page, and closing gives memory back', { skip: hasBrowser('chromium') ? false : 'not installed', timeout: 300_000 }, async (context) => {
  const model = await realModel();
  const server = await startServer({ folders: { '/': root, '/model/': path.dirname(model) } });
  const browser = await openBrowser('chromium');
  try {
    await browser.open(`${server.url}/tests/browser/blank.html`);
    const both = await browser.evaluate(async (url) => {
      const { loadModel } = await import('/js/index.js');
      const options = { threads: 2, contextLength: 512, cache: false };
      const [a, b] = await Promise.all([loadModel(url, options), loadModel(url, options)]);
      Object.assign(globalThis, { a, b });
      const say = async (model) => {
        let text = '';
        for await (const part of model.complete('The capital of France is', { temperature: 0, maxTokens: 24 })) text += part.text;
        return text;
      };
      Object.assign(globalThis, { say });
      const alone = await say(a);
      const together = await Promise.all([say(a), say(b)]);
      return { alone, together, wasm: a.info.memory.wasm };
    }, `/model/${path.basename(model)}`);
    assert.match(both.alone, /Paris/);
    assert.deepEqual(both.together, [both.alone, both.alone]);

    const before = treeBytes(browser.pid);
    assert.match(await browser.evaluate(async () => (await globalThis.a.close(), globalThis.say(globalThis.b))), /Paris/);
    if (before === null) return;
    const given = () => before - (treeBytes(browser.pid) ?? 0);
    for (const end = Date.now() + 20_000; given() < both.wasm * 0.8 && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 250));
    context.diagnostic(`${given()} bytes given back of ${both.wasm}`);
    assert.ok(given() >= both.wasm * 0.8, `${given()} bytes given back of ${both.wasm}`);
  } finally {
    await browser.close();
    await server.close();
  }
});
