// Chromium over the DevTools protocol, by puppeteer-core.

import * as puppeteer from 'puppeteer-core';

/** @param {string} executablePath @returns {Promise<import('./index.mjs').Browser>} */
export async function openChromium(executablePath) {
  const browser = await puppeteer.launch({
    executablePath,
    headless: true,
    protocolTimeout: 900_000,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--no-first-run', '--no-default-browser-check',
    ],
  });
  return wrap(browser, await browser.newPage());
}

/** @param {puppeteer.Browser} browser @param {puppeteer.Page} page @returns {import('./index.mjs').Browser} */
function wrap(browser, page) {
  page.setDefaultTimeout(900_000);
  /** @type {string[]} */
  const messages = [];
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => messages.push(`uncaught: ${error instanceof Error ? error.message : error}`));
  return {
    name: 'chromium',
    console: messages,
    async open(url) {
      await page.goto(url, { waitUntil: 'load' });
    },
    async reload() {
      await page.reload({ waitUntil: 'load' });
    },
    evaluate: (fn, ...args) => page.evaluate(/** @type {any} */ (fn), ...args),
    setViewport: (width, height) => page.setViewport({ width, height }),
    async cramp(rate, gibibytes) {
      await page.emulateCPUThrottling(rate);
      await page.evaluateOnNewDocument((value) => Object.defineProperty(navigator, 'deviceMemory', { get: () => value }), gibibytes);
    },
    async screenshot(file) {
      await page.screenshot({ path: /** @type {`${string}.png`} */ (file) });
    },
    tab: async () => wrap(browser, await browser.newPage()),
    pid: browser.process()?.pid,
    close: () => browser.close(),
  };
}
