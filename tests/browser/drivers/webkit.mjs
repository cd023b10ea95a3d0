// WebKitGTK over plain WebDriver HTTP: WebKitWebDriver starts MiniBrowser on a virtual screen.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { which } from '../../../tools/setup-util.mjs';
import { webDriverBrowser } from './webdriver.mjs';

/**
 * @param {string} driver path of WebKitWebDriver
 * @param {{ sharedMemory?: boolean }} [options] sharedMemory: as Safari offers it to isolated pages. WebKitGTK
 *   under automation isolates pages but hides shared memory unless its engine is told otherwise.
 * @returns {Promise<import('./index.mjs').Browser>}
 */
export async function openWebKit(driver, { sharedMemory = true } = {}) {
  const port = await freePort();
  const screen = which('xvfb-run') ? ['xvfb-run', '-a', '-s', '-screen 0 1600x1200x24'] : [];
  const words = [...screen, driver, `--port=${port}`, '--host=127.0.0.1'];
  // A group of its own, so that closing ends the screen and the browser too.
  const env = { ...process.env, JSC_useSharedArrayBuffer: sharedMemory ? '1' : '0' };
  const child = spawn(words[0], words.slice(1), { stdio: 'ignore', detached: true, env });
  let ended = false;
  child.on('exit', () => (ended = true));
  const kill = () => {
    try {
      if (child.pid) process.kill(-child.pid, 'SIGTERM');
    } catch {
      // it is gone already
    }
  };
  process.once('exit', kill);

  /** @param {string} method @param {string} path @param {object} [body] */
  const call = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      body: body && JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    });
    const { value } = /** @type {{ value: any }} */ (await response.json());
    if (!response.ok) throw new Error(`WebKit: ${value?.error}: ${value?.message}`);
    return value;
  };

  try {
    const end = Date.now() + 20_000;
    for (;;) {
      if (ended) throw new Error('WebKitWebDriver ended at its start');
      if (await call('GET', '/status').then((status) => status.ready, () => false)) break;
      if (Date.now() > end) throw new Error('WebKitWebDriver did not answer within 20 s');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const session = await call('POST', '/session', {
      capabilities: {
        alwaysMatch: { 'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] } },
      },
    });
    const base = `/session/${session.sessionId}`;
    await call('POST', `${base}/timeouts`, { script: 900_000, pageLoad: 120_000 });
    return webDriverBrowser('webkit', {
      navigate: (url) => call('POST', `${base}/url`, { url }),
      refresh: () => call('POST', `${base}/refresh`, {}),
      execute: (script, args) => call('POST', `${base}/execute/async`, { script, args }),
      resize: (size) => call('POST', `${base}/window/rect`, size),
      photograph: () => call('GET', `${base}/screenshot`),
      async end() {
        await call('DELETE', base).catch(() => {});
        process.off('exit', kill);
        kill();
      },
    });
  } catch (error) {
    kill();
    throw error;
  }
}

function miniBrowser() {
  const folders = ['/usr/lib', '/usr/libexec', ...fs.readdirSync('/usr/lib').map((name) => `/usr/lib/${name}`)];
  for (const folder of folders) {
    for (const api of ['webkit2gtk-4.1', 'webkitgtk-6.0', 'webkit2gtk-4.0']) {
      const file = `${folder}/${api}/MiniBrowser`;
      if (fs.existsSync(file)) return file;
    }
  }
  throw new Error('MiniBrowser of WebKitGTK is not installed here');
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {net.AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}
