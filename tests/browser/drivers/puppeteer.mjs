// Chromium over the DevTools protocol and Firefox over WebDriver BiDi, both by puppeteer-core.

import * as puppeteer from 'puppeteer-core';

const chromiumArguments = [
  '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-first-run', '--no-default-browser-check',
];

// Nothing may be asked of the outside by the browser itself.
const firefoxPreferences = {
  'app.normandy.enabled': false,
  'app.update.auto': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.max_script_run_time': 0,
  'extensions.getAddons.cache.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': '',
  'toolkit.telemetry.enabled': false,
};

/**
 * @param {'chromium' | 'firefox'} name @param {string} executablePath
 * @returns {Promise<import('./index.mjs').Browser>}
 */
export async function openPuppeteer(name, executablePath) {
  const browser = await puppeteer.launch({
    browser: name === 'firefox' ? 'firefox' : 'chrome',
    executablePath,
    headless: true,
    protocolTimeout: 900_000,
    ...(name === 'firefox' ? { extraPrefsFirefox: firefoxPreferences } : { args: chromiumArguments }),
  });
  return wrap(name, browser, await browser.newPage());
}

/**
 * @param {'chromium' | 'firefox'} name @param {puppeteer.Browser} browser @param {puppeteer.Page} page
 * @returns {import('./index.mjs').Browser}
 */
function wrap(name, browser, page) {
  page.setDefaultTimeout(900_000);
  /** @type {string[]} */
  const messages = [];
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => messages.push(`uncaught: ${error instanceof Error ? error.message : error}`));
  return {
    name,
    console: messages,
    async open(url) {
      await page.goto(url, { waitUntil: 'load' });
    },
    async reload() {
      await page.reload({ waitUntil: 'load' });
    },
    evaluate: (fn, ...args) => page.evaluate(/** @type {any} */ (fn), ...args),
    setViewport: (width, height) => page.setViewport({ width, height }),
    async screenshot(file) {
      await page.screenshot({ path: /** @type {`${string}.png`} */ (file) });
    },
    tab: async () => wrap(name, browser, await browser.newPage()),
    pid: browser.process()?.pid,
    close: () => browser.close(),
  };
}
