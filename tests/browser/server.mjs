// A web server that misbehaves on request, for tests of the loader in Node and in browsers.
//
//   const server = await startServer({ folders: { '/': root } });
//   server.file('/model.gguf', bytes, { range: false, throttle: 1e6, dropAfter: 5000, etag: null });
//   server.requests                       // what was asked for: { method, path, range, status, bytes }
//   await server.close();                 // aborts what is running; server.pause() and resume() act as an outage

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const types = {
  '.css': 'text/css', '.gguf': 'application/octet-stream', '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript', '.json': 'application/json', '.mjs': 'text/javascript', '.png': 'image/png',
  '.svg': 'image/svg+xml', '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};

/**
 * @typedef {object} Behaviour
 * @property {boolean} [range]        answers Range requests with 206 (default true)
 * @property {string | null} [etag]   default: from size and time of the last change; null: none
 * @property {boolean} [lastModified] sends Last-Modified (default true)
 * @property {boolean} [length]       sends Content-Length (default true; else chunked)
 * @property {number} [throttle]      bytes a second
 * @property {number} [dropAfter]     cuts the connection after so many bytes of a response
 * @property {number} [dropTimes]     does so for the first so many responses only (default: all)
 * @property {number} [delayMs]       waits before it answers
 * @property {string} [redirect]      answers 302 to there
 * @property {number} [status]        answers with that status and a short text
 * @property {boolean} [cors]         allows other origins to read (default false)
 * @property {string[]} [expose]      headers that other origins may read
 * @property {Record<string, string>} [headers]
 *
 * @typedef {{ method: string, path: string, range: string | undefined, status: number, bytes: number,
 *   headers: http.IncomingHttpHeaders }} Logged
 */

/**
 * @param {{ folders?: Record<string, string>, isolated?: boolean, port?: number, host?: string }} [options]
 */
export async function startServer({ folders = {}, isolated = true, port = 0, host = '127.0.0.1' } = {}) {
  /** @type {Map<string, { bytes: Uint8Array, behaviour: Behaviour, changed: Date, dropped: number }>} */
  const files = new Map();
  /** @type {Map<string, Behaviour>} */
  const behaviours = new Map();
  /** @type {Logged[]} */
  const requests = [];

  /** @param {string} urlPath */
  const locate = (urlPath) => {
    const known = files.get(urlPath);
    if (known) return { size: known.bytes.length, changed: known.changed, bytes: known.bytes, file: '' };
    const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length);
    for (const prefix of prefixes.filter((text) => urlPath.startsWith(text))) {
      const base = path.resolve(folders[prefix]);
      let file = path.resolve(base, `./${urlPath.slice(prefix.length)}`);
      if (file !== base && !file.startsWith(base + path.sep)) continue;
      if (fs.statSync(file, { throwIfNoEntry: false })?.isDirectory()) file = path.join(file, 'index.html');
      const stat = fs.statSync(file, { throwIfNoEntry: false });
      if (stat?.isFile()) return { size: stat.size, changed: stat.mtime, bytes: null, file };
    }
    return null;
  };

  const server = http.createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  /** @param {http.IncomingMessage} request @param {http.ServerResponse} response */
  async function answer(request, response) {
    const urlPath = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    const entry = files.get(urlPath);
    const behaviour = { ...behaviours.get(urlPath), ...entry?.behaviour };
    /** @type {Logged} */
    const log = {
      method: request.method ?? '', path: urlPath, range: request.headers.range, status: 0, bytes: 0,
      headers: request.headers,
    };
    requests.push(log);
    const head = (/** @type {number} */ status, /** @type {Record<string, string | number>} */ headers) => {
      log.status = status;
      if (isolated) {
        response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
        response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
      }
      response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
      response.setHeader('Cache-Control', 'no-cache');
      if (behaviour.cors) {
        response.setHeader('Access-Control-Allow-Origin', '*');
        response.setHeader('Access-Control-Allow-Headers', '*, Authorization');
        if (behaviour.expose) response.setHeader('Access-Control-Expose-Headers', behaviour.expose.join(', '));
      }
      for (const [name, value] of Object.entries(behaviour.headers ?? {})) response.setHeader(name, value);
      response.writeHead(status, headers);
    };
    if (behaviour.delayMs) await new Promise((resolve) => setTimeout(resolve, behaviour.delayMs));
    if (request.method === 'OPTIONS') return void (head(204, {}), response.end());
    if (behaviour.redirect) return void (head(302, { Location: behaviour.redirect }), response.end());
    if (behaviour.status) {
      return void (head(behaviour.status, { 'Content-Type': 'text/plain' }), response.end(`status ${behaviour.status}\n`));
    }
    const found = locate(urlPath);
    if (!found) return void (head(404, { 'Content-Type': 'text/plain' }), response.end('not found\n'));

    const changed = new Date(Math.floor(found.changed.getTime() / 1000) * 1000);
    const etag = behaviour.etag === undefined ? `"${found.size}-${found.changed.getTime()}"` : behaviour.etag;
    /** @type {Record<string, string | number>} */
    const headers = { 'Content-Type': types[/** @type {'.js'} */ (path.extname(urlPath || '.html'))] ?? types['.html'] };
    if (path.extname(urlPath) === '' && !urlPath.endsWith('/')) headers['Content-Type'] = 'application/octet-stream';
    if (etag) headers.ETag = etag;
    if (behaviour.lastModified !== false) headers['Last-Modified'] = changed.toUTCString();
    if (etag && request.headers['if-none-match'] === etag) return void (head(304, headers), response.end());

    let [from, to, status] = [0, found.size, 200];
    const range = behaviour.range === false ? null : request.headers.range?.match(/^bytes=(\d*)-(\d*)$/);
    if (behaviour.range !== false) headers['Accept-Ranges'] = 'bytes';
    if (range && (range[1] || range[2])) {
      from = range[1] ? Number(range[1]) : Math.max(0, found.size - Number(range[2]));
      to = range[1] && range[2] ? Math.min(found.size, Number(range[2]) + 1) : found.size;
      if (from >= to) {
        return void (head(416, { 'Content-Range': `bytes */${found.size}` }), response.end());
      }
      status = 206;
      headers['Content-Range'] = `bytes ${from}-${to - 1}/${found.size}`;
    }
    if (behaviour.length !== false) headers['Content-Length'] = to - from;
    head(status, headers);
    if (request.method === 'HEAD') return void response.end();
    const drops = behaviour.dropAfter !== undefined && (entry?.dropped ?? 0) < (behaviour.dropTimes ?? Infinity);
    const stop = drops ? Math.min(to, from + /** @type {number} */ (behaviour.dropAfter)) : to;
    await send(response, found, from, stop, behaviour.throttle, log);
    if (stop < to) {
      if (entry) entry.dropped++;
      response.destroy();
    } else response.end();
  }

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(undefined));
  });
  const actual = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve(undefined)));
  };
  return {
    url: `http://${host}:${actual}`,
    port: actual,
    requests,
    /** Serves bytes at a path. Calling it again changes the file. @param {string} at @param {Uint8Array} bytes @param {Behaviour} [behaviour] */
    file(at, bytes, behaviour = {}) {
      files.set(at, { bytes, behaviour, changed: new Date(), dropped: 0 });
      return `http://${host}:${actual}${at}`;
    },
    /** How a path of a folder is served. @param {string} at @param {Behaviour} behaviour */
    behave(at, behaviour) {
      behaviours.set(at, behaviour);
      return `http://${host}:${actual}${at}`;
    },
    /** An outage: no connection is accepted until resume(). */
    pause: close,
    resume: () => new Promise((resolve) => server.listen(actual, host, () => resolve(undefined))),
    close,
  };
}

/**
 * Writes a piece of a file, no faster than the throttle.
 * @param {http.ServerResponse} response @param {{ bytes: Uint8Array | null, file: string }} source
 * @param {number} from @param {number} to @param {number | undefined} throttle @param {Logged} log
 */
async function send(response, { bytes, file }, from, to, throttle, log) {
  const piece = throttle ? Math.max(1, Math.min(65536, Math.round(throttle / 20))) : 1 << 20;
  const start = Date.now();
  const handle = bytes ? null : await fs.promises.open(file);
  try {
    for (let at = from; at < to && !response.destroyed; ) {
      const n = Math.min(piece, to - at);
      const part = bytes ? bytes.subarray(at, at + n) : (await handle?.read(Buffer.alloc(n), 0, n, at))?.buffer;
      if (!part) return;
      if (!response.write(part)) {
        await new Promise((resolve) => {
          const done = () => {
            response.off('drain', done);
            response.off('close', done);
            resolve(undefined);
          };
          response.on('drain', done);
          response.on('close', done);
        });
      }
      at += n;
      log.bytes += n;
      if (throttle) {
        const due = start + ((at - from) / throttle) * 1000;
        if (due > Date.now()) await new Promise((resolve) => setTimeout(resolve, due - Date.now()));
      }
    }
  } finally {
    await handle?.close();
  }
}
