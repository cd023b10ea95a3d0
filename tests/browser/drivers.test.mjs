// The drivers themselves and what Sotto relies on in each browser.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { browserNames, hasBrowser, openBrowser } from './drivers/index.mjs';
import { startServer } from './server.mjs';

const page = new TextEncoder().encode('<!doctype html><meta charset="utf-8"><title>Probe</title><p>probe');

for (const name of browserNames) {
  test(`${name}: a page is opened, asked, resized and photographed`, { skip: !hasBrowser(name) && 'not installed' }, async () => {
    const server = await startServer();
    const browser = await openBrowser(name);
    try {
      await browser.open(server.file('/probe.html', page));
      assert.equal(await browser.evaluate((a, b) => a + b, 1, 2), 3);
      assert.equal(await browser.evaluate('document.title'), 'Probe');
      assert.equal(await browser.evaluate(async () => (await fetch('/probe.html')).status), 200);
      await assert.rejects(browser.evaluate(() => Promise.reject(new Error('told'))), /told/);
      assert.equal(await browser.evaluate(() => crossOriginIsolated), true);
      assert.equal(await browser.evaluate(() => {
        const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
        return memory.buffer instanceof SharedArrayBuffer;
      }), true);
      await browser.setViewport(700, 500);
      assert.deepEqual(await browser.evaluate(() => [innerWidth, innerHeight]), [700, 500]);
      const picture = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-')), 'probe.png');
      await browser.screenshot(picture);
      assert.equal(fs.readFileSync(picture).toString('latin1', 1, 4), 'PNG');
      fs.rmSync(path.dirname(picture), { recursive: true });
      await browser.reload();
      assert.equal(await browser.evaluate('document.title'), 'Probe');
    } finally {
      await browser.close();
      await server.close();
    }
  });
}
