/**
 * Where an engine runs: a Node process or a Chromium of its own. Each host gives `call(name, argument)`, the
 * processes it consists of, and `close()`. Memory and CPU time are read from outside, from /proc.
 */
import { spawn } from 'node:child_process';
import { cpSync, createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { tree } from '../processes.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..', '..');

/** @param {string} script of engines/, or a path @param {string} [node] */
export function processHost(script, node = process.execPath) {
  const child = spawn(node, [resolve(here, 'engines', script)], { stdio: ['pipe', 'pipe', 'inherit'], cwd: here });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pids: () => [child.pid],
    async call(name, argument) {
      child.stdin.write(JSON.stringify({ [name]: argument ?? null }) + '\n');
      const { value, done } = await lines.next();
      if (done) throw new Error(`${script} ended`);
      const answer = JSON.parse(value);
      if (answer.error) throw new Error(`${script}: ${answer.error}`);
      return answer;
    },
    async close() {
      await this.call('close').catch(() => {});
      child.kill();
    },
  };
}

/** @type {string | undefined} */
let oneVariant;

/** A copy of llama.cpp's package that has its code for one kind of processor only. @param {string} cpu */
function withOneVariant(cpu) {
  if (oneVariant) return oneVariant;
  const folder = mkdtempSync(join(tmpdir(), 'sotto-llamacpp-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const bins = 'node_modules/@node-llama-cpp/linux-x64/bins/linux-x64';
  if (!existsSync(join(here, bins, `libggml-cpu-${cpu}.so`))) throw new Error(`llama.cpp has no code for ${cpu}`);
  const filter = (/** @type {string} */ file) => !file.includes('libggml-cpu-') || file.endsWith(`-${cpu}.so`);
  const [from, to] = [join(here, 'node_modules'), join(folder, 'node_modules')];
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    if (name.endsWith('node-llama-cpp')) cpSync(join(from, name), join(to, name), { recursive: true, filter });
    else symlinkSync(join(from, name), join(to, name));
  }
  cpSync(join(here, 'engines/llamacpp-worker.mjs'), join(folder, 'llamacpp-worker.mjs'));
  return (oneVariant = join(folder, 'llamacpp-worker.mjs'));
}

/** llama.cpp, natively: its best code for this machine, or that for the processor SOTTO_BENCH_LLAMA_CPU names. */
export function llamaHost() {
  const cpu = process.env.SOTTO_BENCH_LLAMA_CPU;
  return processHost(cpu ? withOneVariant(cpu) : 'llamacpp-worker.mjs');
}

const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html', '.wasm': 'application/wasm', '.json': 'application/json' };

/** A server of the page, the engines and the model file, with the headers of cross-origin isolation. @param {string} model */
function serve(model) {
  const roots = { bench: here, sotto: root, wllama: join(here, 'node_modules/@wllama/wllama/esm') };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
    const [, area, ...rest] = path.split('/');
    const file = area === 'model' ? model : roots[area] && join(roots[area], ...rest);
    let size;
    try {
      size = statSync(file).size;
    } catch {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Content-Length': size,
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
      'Cross-Origin-Resource-Policy': 'same-origin',
    });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** @param {'sotto'|'wllama'} engine @param {string} model */
export async function chromiumHost(engine, model) {
  const { default: puppeteer } = await import('puppeteer-core');
  const server = await serve(model);
  const profile = mkdtempSync(join(tmpdir(), 'sotto-bench-'));
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    userDataDir: profile,
    protocolTimeout: 1_800_000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
      '--disable-background-timer-throttling', '--disable-renderer-backgrounding'],
  });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(`${engine}: ${error.message}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/bench/page.html`);
  await page.waitForFunction('document.title === "ready"');
  const { isolated } = await page.evaluate((name) => window.bench.start(name), engine);
  if (!isolated) throw new Error('the page is not cross-origin isolated');
  return {
    pids: () => tree(browser.process().pid),
    async call(name, argument) {
      if (name === 'open') argument = { ...argument, model: '/model/file.gguf' };
      return (await page.evaluate((n, a) => window.bench.call(n, a), name, argument ?? null)) ?? {};
    },
    async close() {
      await page.evaluate(() => window.bench.call('close')).catch(() => {});
      await browser.close();
      server.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
