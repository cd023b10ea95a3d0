// A static server for development: isolation headers, ETag and Range.
//   node tools/serve.mjs [FOLDER] [--port N] [--host ADDRESS] [--not-isolated]

import http from 'node:http';
import path from 'node:path';
import { isMain, ensureModules } from './setup.mjs';
import { root, runMain } from './setup-util.mjs';

export const isolationHeaders = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

/**
 * Serves a folder. A port that is taken is passed over for the next free one.
 * @param {string} folder
 * @param {{ port?: number, host?: string, isolated?: boolean }} [options]
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serveFolder(folder, { port = 8080, host = '127.0.0.1', isolated = true } = {}) {
  const { default: sirv } = await import('sirv');
  const serve = sirv(folder, {
    dev: true,
    etag: true,
    setHeaders(response, pathname) {
      if (isolated) for (const [name, value] of Object.entries(isolationHeaders)) response.setHeader(name, value);
      if (/\.gguf$/.test(pathname)) response.setHeader('Content-Type', 'application/octet-stream');
      response.setHeader('Cache-Control', 'no-cache');
    },
  });
  const server = http.createServer((request, response) =>
    serve(request, response, () => {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('Not found\n');
    }),
  );
  const actual = await listen(server, host, port);
  const name = host === '127.0.0.1' || host === '0.0.0.0' ? 'localhost' : host;
  return {
    url: `http://${name}:${actual}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** @param {http.Server} server @param {string} host @param {number} port @returns {Promise<number>} */
function listen(server, host, port) {
  return new Promise((resolve, reject) => {
    let tries = 0;
    server.on('error', (error) => {
      const taken = /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE';
      if (!taken || port === 0 || ++tries > 100) return reject(error);
      server.listen(port + tries, host);
    });
    server.on('listening', () => resolve(/** @type {import('node:net').AddressInfo} */ (server.address()).port));
    server.listen(port, host);
  });
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    await ensureModules();
    const words = process.argv.slice(2);
    const option = (/** @type {string} */ name) => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
    const folder = words.find((word, i) => !word.startsWith('--') && !words[i - 1]?.match(/^--(port|host)$/));
    const { url } = await serveFolder(path.resolve(folder ?? path.join(root, 'build/site')), {
      port: Number(option('--port') ?? 8080),
      host: option('--host'),
      isolated: !words.includes('--not-isolated'),
    });
    console.log(url);
  });
}
