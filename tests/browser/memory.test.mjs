// Memory of a page that loads a model over a fast line, seen from outside: no more than was promised and what the
// browser takes for its threads and for compiled code, and given back.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../tools/setup-util.mjs';
import { realModel } from '../models.mjs';
import { tinyGguf } from '../node/tiny.mjs';
import { treeBytes } from '../processes.mjs';
import { hasBrowser, openBrowser } from './drivers/index.mjs';
import { startServer } from './server.mjs';

const MIB = 2 ** 20;
/** Threads and their compiled code. */
const BROWSERS_OWN = 24 * MIB;

/* In the page: loads, speaks, closes; what was promised. */
async function use(source) {
  const { loadModel } = await import('/js/index.js');
  const model = await loadModel(source, { threads: 2, contextLength: 1024, cache: false });
  for await (const part of model.complete('the man in', { temperature: 0, maxTokens: 4 })) void part;
  const { memory } = model.info;
  await model.close();
  return memory.weights + memory.cache;
}

test('a fast download leaves nothing behind on its way', { skip: hasBrowser('chromium') ? false : 'not installed', timeout: 180_000 }, async (context) => {
  const file = await realModel();
  const server = await startServer({ folders: { '/': root, '/weights/': path.dirname(file) } });
  const browser = await openBrowser('chromium');
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  try {
    await browser.open(`${server.url}/tests/browser/blank.html`);
    server.file('/tiny.gguf', tinyGguf({ layers: 4, width: 256 }));
    await browser.evaluate(use, `${server.url}/tiny.gguf`);
    for (const kind of ['address', 'file']) {
      const address = `${server.url}/weights/${path.basename(file)}`;
      const source = `globalThis.file ?? ${JSON.stringify(address)}`;
      if (kind === 'file') await browser.evaluate(async (from) => void (globalThis.file = await (await fetch(from)).blob()), address);
      await new Promise((resolve) => setTimeout(resolve, 3000));
      server.requests.length = 0;
      const before = treeBytes(browser.pid);
      if (before === null) return context.skip('this system does not tell what processes take');
      let most = 0;
      timer = setInterval(() => (most = Math.max(most, (treeBytes(browser.pid) ?? 0) - before)), 20);
      const promised = (await browser.evaluate(`(${use})(${source})`)) + 32 * MIB;
      clearInterval(timer);
      context.diagnostic(`${kind}: ${Math.round(most / MIB)} MiB at the peak, ${Math.round(promised / MIB)} promised`);
      assert.ok(most <= promised + BROWSERS_OWN, `${most} bytes at the peak, ${promised} promised`);
      const asked = server.requests.filter((r) => r.path.startsWith('/weights/')).length;
      assert.ok(asked <= 12, `${asked} requests`);
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const left = (treeBytes(browser.pid) ?? 0) - before;
      assert.ok(left <= 48 * MIB, `${left} bytes left behind`);
    }
  } finally {
    clearInterval(timer);
    await browser.close();
    await server.close();
  }
});
