// The misbehaving server of the loader's tests does misbehave as it is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../browser/server.mjs';

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);

/** @param {(server: Awaited<ReturnType<typeof startServer>>) => Promise<void>} body */
async function withServer(body) {
  const server = await startServer();
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

test('ranges are answered exactly, ignored or refused as told', () => withServer(async (server) => {
  const url = server.file('/a', bytes);
  const part = await fetch(url, { headers: { Range: 'bytes=1000-1999' } });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), 'bytes 1000-1999/100000');
  assert.deepEqual(new Uint8Array(await part.arrayBuffer()), bytes.subarray(1000, 2000));
  const tail = await fetch(url, { headers: { Range: 'bytes=-10' } });
  assert.deepEqual(new Uint8Array(await tail.arrayBuffer()), bytes.subarray(99_990));
  assert.equal((await fetch(url, { headers: { Range: 'bytes=100000-' } })).status, 416);
  const whole = await fetch(server.file('/b', bytes, { range: false }), { headers: { Range: 'bytes=1000-' } });
  assert.equal(whole.status, 200);
  assert.equal((await whole.arrayBuffer()).byteLength, bytes.length);
}));

test('a changed file has another ETag; it can be left out', () => withServer(async (server) => {
  const first = (await fetch(server.file('/a', bytes))).headers.get('etag');
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.notEqual((await fetch(server.file('/a', bytes))).headers.get('etag'), first);
  const none = await fetch(server.file('/b', bytes, { etag: null, lastModified: false, length: false }));
  assert.deepEqual([none.headers.get('etag'), none.headers.get('last-modified'), none.headers.get('content-length')], [null, null, null]);
}));

test('a connection is cut after so many bytes, so many times', () => withServer(async (server) => {
  const url = server.file('/a', bytes, { dropAfter: 5000, dropTimes: 1 });
  await assert.rejects(fetch(url).then((response) => response.arrayBuffer()));
  assert.equal(server.requests[0].bytes, 5000);
  assert.equal((await (await fetch(url)).arrayBuffer()).byteLength, bytes.length);
}));

test('throttling takes its time, redirects and errors are given', () => withServer(async (server) => {
  const start = Date.now();
  await (await fetch(server.file('/slow', bytes, { throttle: 400_000 }))).arrayBuffer();
  assert.ok(Date.now() - start >= 200, `took ${Date.now() - start} ms`);
  server.file('/b', new Uint8Array(), { redirect: '/slow' });
  assert.equal((await fetch(`${server.url}/b`)).url, `${server.url}/slow`);
  for (const status of [401, 403, 404, 500]) {
    assert.equal((await fetch(server.file('/c', bytes, { status }))).status, status);
  }
}));

test('an outage refuses connections until it is over', () => withServer(async (server) => {
  const url = server.file('/a', bytes);
  await server.pause();
  await assert.rejects(fetch(url));
  await server.resume();
  assert.equal((await fetch(url)).status, 200);
}));
