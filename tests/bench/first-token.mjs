/**
 * Time to the first token: `node tests/bench/first-token.mjs` (after `npm run build`).
 *
 *   --host LIST      of node, chromium (default both)
 *   --model FILE     default: the small model of npm start
 *   --mbit N         of the local server's link, shared by all connections (default 100)
 *   --prompt N       tokens of the prompt (default 200)
 *   --threads N      default 2
 *   --rounds N       of the warm figures (default 5; the cold one is taken once)
 *   --json
 *
 * cold: from loadModel to the first token of a prompt that is asked as soon as the header is read, beside the time
 * that the file alone takes over the same link (`late` is the difference), with and without Range. warm: from
 * loadModel to ready, the file being in the cache. command: a 20-token command behind a prefix of 200 tokens that
 * is evaluated already, to its first token, with 1 and with 2 threads.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBrowser } from '../browser/drivers/index.mjs';
import { realModel } from '../models.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const PIECE = 16384;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/**
 * Serves the repository at full speed and a model over a link of so many bytes a second, which all connections share.
 * @param {string} model @param {{ bytesPerSecond: number, ranges?: boolean }} options
 */
export async function serveThrottled(model, { bytesPerSecond, ranges = true }) {
  const bytes = fs.readFileSync(model);
  let free = 0; // when the link has sent what it was given
  const requests = [];
  const link = { bytesPerSecond, ranges };
  const server = http.createServer(async (request, response) => {
    const name = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
    if (name !== '/model.gguf') {
      const file = path.join(root, path.normalize(`/${name}`));
      if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return void response.writeHead(404, isolation).end();
      const type = TYPES[/** @type {'.js'} */ (path.extname(file))] ?? 'application/octet-stream';
      return void response.writeHead(200, { ...isolation, 'Content-Type': type }).end(fs.readFileSync(file));
    }
    const asked = link.ranges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null;
    const from = asked ? Number(asked[1]) : 0;
    const to = asked?.[2] ? Math.min(Number(asked[2]) + 1, bytes.length) : bytes.length;
    requests.push({ from, to });
    /** @type {Record<string, string | number>} */
    const headers = { ...isolation, ETag: '"model"', 'Content-Length': to - from };
    if (asked) headers['Content-Range'] = `bytes ${from}-${to - 1}/${bytes.length}`;
    response.writeHead(asked ? 206 : 200, headers);
    for (let at = from; at < to && !response.destroyed; at += PIECE) {
      const end = Math.min(at + PIECE, to);
      free = Math.max(free, performance.now() - 20) + ((end - at) * 1000) / link.bytesPerSecond;
      const wait = free - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      if (!response.write(bytes.subarray(at, end))) {
        await new Promise((resolve) => {
          const go = () => (response.off('drain', go), response.off('close', go), resolve(undefined));
          response.on('drain', go).on('close', go);
        });
      }
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    link,
    requests,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
  };
}

/** @param {number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Each measurement in a process of its own. @param {string} url @param {object} o */
function inNode(url, o) {
  const script = `
    const { measure } = await import(${JSON.stringify(new URL('measure-first.mjs', import.meta.url).href)});
    const sotto = await import(${JSON.stringify(new URL('../../js/index.js', import.meta.url).href)});
    console.log(JSON.stringify(await measure(sotto, ${JSON.stringify(url)}, ${JSON.stringify(o)})));
    process.exit(0);`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.env.SOTTO_BENCH_NODE ?? process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (piece) => (text += piece));
    child.on('close', (code) => (code ? reject(new Error(`Node ended with ${code}`)) : resolve(JSON.parse(text))));
  });
}

/**
 * All figures of one host.
 * @param {'node' | 'chromium'} host @param {string} model
 * @param {{ mbit: number, prompt: number, threads: number, rounds: number, only?: string[] }} o
 */
export async function firstToken(host, model, { mbit, prompt, threads, rounds, only }) {
  const fast = 1e10;
  const server = await serveThrottled(model, { bytesPerSecond: fast });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-first-'));
  const browser = host === 'chromium' ? await openBrowser('chromium') : undefined;
  const url = `${server.url}/model.gguf`;
  const run = async (what, fresh = false, count = threads) => {
    const o = { what, threads: count, prompt, folder };
    if (!browser) {
      if (fresh) fs.rmSync(folder, { recursive: true, force: true });
      return inNode(url, o);
    }
    await browser.open(`${server.url}/tests/browser/blank.html`);
    return browser.evaluate(
      async (address, options, again) => {
        const here = (at) => new URL(at, location.href).href;
        const sotto = await import(here('/js/index.js'));
        if (again) for (const { url } of await sotto.cachedModels()) await sotto.deleteCachedModel(url);
        const { measure } = await import(here('/tests/bench/measure-first.mjs'));
        return measure(sotto, address, options);
      },
      url,
      o,
      fresh,
    );
  };
  /** @type {Record<string, number>} */
  const row = {};
  const wants = (what) => !only || only.includes(what);
  try {
    if (wants('cold')) {
      server.link.bytesPerSecond = (mbit * 1e6) / 8;
      row.alone = (await run('alone')).ms;
      for (const ranges of wants('plain') ? [true, false] : [true]) {
        server.link.ranges = ranges;
        server.requests.length = 0;
        const { ms, header, loaded } = await run('cold', true);
        const name = ranges ? 'range' : 'plain';
        Object.assign(row, { [`${name}-header`]: header, [`${name}-loaded`]: loaded, [`${name}-first`]: ms });
        row[`${name}-late`] = ms - row.alone;
        row[`${name}-requests`] = server.requests.length;
      }
      server.link.bytesPerSecond = fast;
      server.link.ranges = true;
    }
    if (wants('warm') || wants('command')) await run('warm', !wants('cold'));
    if (wants('warm')) {
      const times = [];
      for (let i = 0; i < rounds; i++) times.push((await run('warm')).ms);
      row.warm = median(times);
      row['warm-least'] = Math.min(...times);
    }
    if (wants('command')) {
      for (const n of [1, 2]) {
        const { ms, least } = await run('command', false, n);
        Object.assign(row, { [`command-${n}`]: ms, [`command-${n}-least`]: least });
      }
    }
  } finally {
    await browser?.close();
    await server.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return row;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const o = { host: 'node,chromium', model: '', mbit: 100, prompt: 200, threads: 2, rounds: 5, only: '', json: false };
  for (let i = 2; i < process.argv.length; i++) {
    const name = process.argv[i].replace(/^--/, '');
    if (name === 'json') o.json = true;
    else if (typeof o[name] === 'number') o[name] = Number(process.argv[++i]);
    else if (name in o) o[name] = process.argv[++i];
    else throw new Error(`unknown argument ${process.argv[i]}; see the head of tests/bench/first-token.mjs`);
  }
  const model = o.model || (await realModel());
  for (const host of o.host.split(',')) {
    const row = await firstToken(/** @type {'node'} */ (host), model, { ...o, only: o.only ? o.only.split(',') : undefined });
    if (o.json) console.log(JSON.stringify({ host, ...row }));
    else for (const [name, value] of Object.entries(row)) console.log(`${host.padEnd(9)} ${name.padEnd(16)} ${value.toFixed(name.endsWith('requests') ? 0 : 1)}${name.endsWith('requests') ? '' : ' ms'}`);
  }
  process.exit(0);
}
