// Firefox over Marionette, its own remote protocol: packets "length:[kind, id, …]" on a socket.
//
// Not over WebDriver BiDi: while a BiDi session lasts, Firefox 153 listens to all workers, and about one in a hundred
// workers that a worker starts then never runs.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { webDriverBrowser } from './webdriver.mjs';

// Nothing may be asked of the outside by the browser itself.
const preferences = {
  'app.normandy.enabled': false,
  'app.update.auto': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.max_script_run_time': 0,
  'extensions.getAddons.cache.enabled': false,
  'marionette.port': 0,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': '',
  'toolkit.telemetry.enabled': false,
};

/** @param {string} program @returns {Promise<import('./index.mjs').Browser>} */
export async function openFirefox(program) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-firefox-'));
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
  fs.writeFileSync(path.join(profile, 'user.js'), lines.join('\n'));
  const words = ['--headless', '--no-remote', '--marionette', '--profile', profile, 'about:blank'];
  const child = spawn(program, words, { stdio: 'ignore', detached: true });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const kill = () => {
    try {
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it is gone already
    }
  };
  process.once('exit', kill);
  const end = async () => {
    kill();
    await ended;
    process.off('exit', kill);
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    const send = await connect(profile);
    await send('WebDriver:NewSession', {});
    await send('WebDriver:SetTimeouts', { script: 900_000, pageLoad: 120_000 });
    return webDriverBrowser('firefox', {
      navigate: (url) => send('WebDriver:Navigate', { url }),
      // not WebDriver:Refresh, which passes the caches and the service worker by
      refresh: async () => send('WebDriver:Navigate', { url: (await send('WebDriver:GetCurrentURL', {})).value }),
      // Marionette's own scope has other modules and classes than the page: the page itself evaluates the script,
      // which its content security policy must allow.
      execute: async (script, args) => {
        const inPage = `(function (json, tell) {
          const run = function () {${script}\n};
          run(...JSON.parse(json), (answer) => tell(JSON.stringify(answer)));
        })`;
        const { value } = await send('WebDriver:ExecuteAsyncScript', {
          script: 'window.eval(arguments[0])(arguments[1], arguments[2])',
          args: [inPage, JSON.stringify(args)],
        });
        return JSON.parse(value);
      },
      resize: (size) => send('WebDriver:SetWindowRect', size),
      photograph: async () => (await send('WebDriver:TakeScreenshot', { full: false })).value,
      end,
    });
  } catch (error) {
    await end();
    throw error;
  }
}

/**
 * Connects to the port that Firefox wrote into its profile; returns what sends a command and gives its answer.
 * @param {string} profile @returns {Promise<(name: string, parameters: object) => Promise<any>>}
 */
async function connect(profile) {
  const file = path.join(profile, 'MarionetteActivePort');
  const limit = Date.now() + 60_000;
  while (!fs.existsSync(file) || !fs.readFileSync(file, 'utf8')) {
    if (Date.now() > limit) throw new Error('Firefox did not open its remote port within 60 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const socket = net.connect(Number(fs.readFileSync(file, 'utf8')), '127.0.0.1');
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  const pending = new Map();
  let received = Buffer.alloc(0);
  let number = 0;
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    for (let colon; (colon = received.indexOf(':')) > 0; ) {
      const size = Number(received.subarray(0, colon));
      if (received.length < colon + 1 + size) return;
      const packet = JSON.parse(received.subarray(colon + 1, colon + 1 + size).toString());
      received = received.subarray(colon + 1 + size);
      if (!Array.isArray(packet)) continue; // the greeting
      const [, id, error, value] = packet;
      const waiting = pending.get(id);
      pending.delete(id);
      if (error) waiting?.reject(new Error(`Firefox: ${error.error}: ${error.message}`));
      else waiting?.resolve(value);
    }
  });
  const lost = (/** @type {Error} */ error) => {
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  socket.on('error', lost);
  socket.on('close', () => lost(new Error('Firefox closed its remote port')));
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return (name, parameters) =>
    new Promise((resolve, reject) => {
      const text = JSON.stringify([0, ++number, name, parameters]);
      pending.set(number, { resolve, reject });
      socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
}
