// One small interface over three browsers:
//
//   const browser = await openBrowser('firefox');
//   await browser.open(url);
//   const sum = await browser.evaluate((a, b) => a + b, 1, 2);   // runs in the page; waits for promises
//   await browser.setViewport(390, 844);  await browser.screenshot('page.png');  await browser.close();
//
// Every browser starts with a fresh profile and without a window; what a page prints is in browser.console.

import { browserPaths } from '../../../tools/setup.mjs';
import { openChromium } from './chromium.mjs';
import { openFirefox } from './firefox.mjs';
import { openWebKit } from './webkit.mjs';

/**
 * @typedef {object} Browser
 * @property {string} name
 * @property {string[]} console  messages of the page, errors included (of Chromium; other drivers do not tell)
 * @property {(url: string) => Promise<void>} open       returns when the page has loaded
 * @property {() => Promise<void>} reload
 * @property {(fn: string | ((...args: any[]) => any), ...args: any[]) => Promise<any>} evaluate
 * @property {(width: number, height: number) => Promise<void>} setViewport
 * @property {(rate: number, gibibytes: number) => Promise<void>} [cramp]  slows the page's CPU and tells it of so
 *   much memory from the next page on (Chromium)
 * @property {(file: string) => Promise<void>} screenshot
 * @property {() => Promise<Browser>} [tab]  another page of the same profile (Chromium); closing it closes all
 * @property {number} [pid]                  of the browser's first process (Chromium)
 * @property {() => Promise<void>} close
 */

export const browserNames = /** @type {const} */ (['chromium', 'firefox', 'webkit']);

/** Whether a browser can be started here. @param {typeof browserNames[number]} name */
export function hasBrowser(name) {
  return browserPaths[name]() !== null;
}

/**
 * @param {typeof browserNames[number]} name
 * @param {{ sharedMemory?: boolean }} [options] for WebKit: false hides shared memory, as non-isolated pages see it
 * @returns {Promise<Browser>}
 */
export async function openBrowser(name, options) {
  const program = browserPaths[name]();
  if (!program) throw new Error(`${name} is not installed here: node tools/setup.mjs browsers`);
  if (name === 'webkit') return openWebKit(program, options);
  return name === 'firefox' ? openFirefox(program) : openChromium(program);
}

/**
 * Asks a page again and again until the answer is truthy; returns it.
 * @param {Browser} browser @param {string | ((...args: any[]) => any)} fn
 * @param {{ timeoutMs?: number, args?: any[], what?: string }} [options]
 */
export async function waitFor(browser, fn, { timeoutMs = 30_000, args = [], what = String(fn) } = {}) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await browser.evaluate(fn, ...args);
    if (answer) return answer;
    if (Date.now() > end) {
      throw new Error(`${browser.name}: waited ${timeoutMs / 1000} s for ${what}\n${browser.console.slice(-20).join('\n')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
