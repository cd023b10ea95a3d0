// The set-up where it can be tested without downloading: reading apt's sources, versions, locks, the server.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { serveFolder } from '../../tools/serve.mjs';
import { mirrors } from '../../tools/setup-toolchain.mjs';
import { atLeast, withLock } from '../../tools/setup-util.mjs';
import { checkLayers } from '../checks/layers.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-setup-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** @param {Record<string, string>} files */
function write(files) {
  const base = fs.mkdtempSync(path.join(folder, 'f-'));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(base, name)), { recursive: true });
    fs.writeFileSync(path.join(base, name), text);
  }
  return base;
}

test('the mirror is read from one-line sources, without third-party and security archives', () => {
  const etc = write({
    'sources.list': [
      '# deb http://commented.test/debian bookworm main',
      'deb-src http://source.test/debian bookworm main',
      'deb http://mirror.test/debian-security bookworm-security main',
      'deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.test/debian bookworm main contrib',
      'deb http://mirror.test/debian bookworm-updates main',
      'deb http://other.test/tool stable main',
    ].join('\n'),
  });
  assert.deepEqual(mirrors(etc), [{ base: 'http://mirror.test/debian', signedBy: '/keys/debian.gpg' }]);
});

test('the mirror is read from deb822 sources; disabled stanzas do not count', () => {
  const etc = write({
    'sources.list.d/debian.sources':
      'Types: deb\n# a comment\nURIs: http://one.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n' +
      'Signed-By: /usr/share/keyrings/debian.gpg\n\n' +
      'Types: deb\nURIs: http://two.test/debian/\nSuites: bookworm\nComponents: main\nEnabled: no\n\n' +
      'Types: deb\nURIs: http://three.test/debian/\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN\n .\n',
    'sources.list.d/off.list.disabled': 'deb http://off.test/debian bookworm main\n',
  });
  assert.deepEqual(mirrors(etc), [
    { base: 'http://one.test/debian', signedBy: '/usr/share/keyrings/debian.gpg' },
    { base: 'http://three.test/debian/', signedBy: '' },
  ]);
});

test('a system without apt sources has no mirror', () => assert.deepEqual(mirrors(path.join(folder, 'none')), []));

test('versions are compared by number, not by letter', () => {
  assert.equal(atLeast('3.1.69', '3.1.69'), true);
  assert.equal(atLeast('3.1.9', '3.1.69'), false);
  assert.equal(atLeast('4.0.0', '3.1.69'), true);
  assert.equal(atLeast('3.1', '3.1.69'), false);
});

test('a lock is held by one at a time and given back after a failure', async () => {
  const lock = path.join(folder, 'one.lock');
  let inside = 0;
  const body = async () => {
    assert.equal(++inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    inside--;
  };
  await assert.rejects(withLock(lock, async () => { throw new Error('told'); }), /told/);
  await Promise.all([withLock(lock, body), withLock(lock, body)]);
  assert.equal(fs.existsSync(lock), false);
});

test('a lock whose process is gone is taken over', async () => {
  const lock = path.join(folder, 'stale.lock');
  const child = spawn(process.execPath, ['-e', '0']);
  await new Promise((resolve) => child.on('exit', resolve));
  fs.writeFileSync(lock, String(child.pid));
  assert.equal(await withLock(lock, async () => 'mine'), 'mine');
});

test('the server isolates pages, answers ranges and unchanged files, and passes over a taken port', async () => {
  const base = write({ 'index.html': '<p>page', 'model.gguf': '0123456789' });
  const first = await serveFolder(base, { port: 18080 });
  const second = await serveFolder(base, { port: 18080, isolated: false });
  try {
    assert.notEqual(first.url, second.url);
    const page = await fetch(first.url);
    assert.equal(await page.text(), '<p>page');
    assert.equal(page.headers.get('cross-origin-opener-policy'), 'same-origin');
    assert.equal(page.headers.get('cross-origin-embedder-policy'), 'require-corp');
    assert.equal((await fetch(second.url)).headers.get('cross-origin-opener-policy'), null);
    const part = await fetch(`${first.url}model.gguf`, { headers: { Range: 'bytes=2-4' } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get('content-range'), 'bytes 2-4/10');
    assert.equal(await part.text(), '234');
    const etag = part.headers.get('etag') ?? '';
    const again = await fetch(`${first.url}model.gguf`, { headers: { 'If-None-Match': etag } });
    assert.equal(again.status, 304);
    assert.equal((await fetch(`${first.url}missing`)).status, 404);
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
});

test('an include that points up, sideways or outside is found', () => {
  const root = write({
    'core/api/sotto.h': '#include "base/heap.h"\n#include <stdint.h>\n',
    'core/base/heap.h': '#include <time.h>\n',
    'core/base/up.c': '#include "model/plan.h"\n',
    'core/model/plan.h': '#include "base/heap.h"\n',
    'core/kern/side.c': '#include "text/vocab.h"\n#include <math.h>\n',
    'core/text/vocab.h': '#include <stddef.h>\n',
    'core/text/gone.c': '#include "text/missing.h"\n',
    'wasm/exports.c': '#include "api/sotto.h"\n#include "model/plan.h"\n',
    'tools/sotto.c': '#include <stdio.h>\n#include "api/sotto.h"\n',
  });
  const { problems } = checkLayers(root);
  const files = problems.map((text) => text.split(':').slice(0, 2).join(':')).sort();
  assert.deepEqual(files, [
    'core/base/up.c:1', 'core/kern/side.c:1', 'core/kern/side.c:2', 'core/text/gone.c:1', 'wasm/exports.c:2',
  ]);
});
