// A file server whose answers a test decides, on a free port of this machine.

import http from 'node:http';

/**
 * @typedef {object} Served
 * @property {Uint8Array} bytes
 * @property {boolean} [ranges] default true
 * @property {string} [etag]
 * @property {string} [modified]
 * @property {number} [status] instead of the file
 * @property {string} [token] asked for
 * @property {(request: {from: number, to: number, number: number}) => number | undefined} [dropAfter] bytes of this
 *   answer after which the connection breaks
 * @property {number} [pause] milliseconds between pieces of 64 KiB
 */

/** @param {Record<string, Served>} files by path */
export async function serve(files) {
  /** @type {{path: string, range: string | undefined, from: number, to: number, authorization: string | undefined}[]} */
  const requests = [];
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const server = http.createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    const file = files[path];
    const range = request.headers.range;
    const entry = { path, range, from: 0, to: file?.bytes.length ?? 0, authorization: request.headers.authorization };
    requests.push(entry);
    if (!file) return void response.writeHead(404).end();
    if (file.token && request.headers.authorization !== `Bearer ${file.token}`)
      return void response.writeHead(401).end();
    if (file.status) return void response.writeHead(file.status).end();
    /** @type {Record<string, string | number>} */
    const headers = { 'content-type': 'application/octet-stream' };
    if (file.etag) headers.etag = file.etag;
    if (file.modified) headers['last-modified'] = file.modified;
    const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
    let status = 200;
    const total = file.bytes.length;
    if (asked && file.ranges !== false) {
      entry.from = Number(asked[1]);
      if (entry.from >= total) return void response.writeHead(416, { 'content-range': `bytes */${total}` }).end();
      if (asked[2]) entry.to = Math.min(Number(asked[2]) + 1, total);
      headers['content-range'] = `bytes ${entry.from}-${entry.to - 1}/${total}`;
      status = 206;
    }
    headers['content-length'] = entry.to - entry.from;
    response.writeHead(status, headers);
    const drop = file.dropAfter?.({ from: entry.from, to: entry.to, number: requests.length }) ?? Infinity;
    const { bytes } = file;
    for (let at = entry.from; at < entry.to;) {
      const end = Math.min(at + 65536, entry.to, entry.from + drop);
      if (end > at && !response.write(bytes.subarray(at, end))) {
        await new Promise((resolve) => {
          const go = () => (response.off('drain', go), response.off('close', go), resolve(undefined));
          response.on('drain', go).on('close', go);
        });
      }
      at = end;
      if (at - entry.from >= drop) {
        /* Lets what was written leave before the connection breaks. */
        await new Promise((resolve) => setTimeout(resolve, 50));
        return void response.destroy();
      }
      if (file.pause) await new Promise((resolve) => setTimeout(resolve, file.pause));
      if (response.destroyed) return;
    }
    response.end();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    base: `http://127.0.0.1:${port}`,
    requests,
    /** Bytes asked for since the last look. */
    take: () => requests.splice(0),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
