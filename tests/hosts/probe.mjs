// Runs the greedy probe on a host and gives its row; see tests/hosts.mjs.

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { openBrowser } from '../browser/drivers/index.mjs';
import { startServer } from '../browser/server.mjs';
import { root } from '../../tools/setup-util.mjs';

/**
 * @typedef {{ prompt: string, steps: number, threads: number, variant?: 'simd' | 'relaxed' }} Options
 * @typedef {{ host: string, variant: string, threads: number, tokens: number[], logitsSha256: string }} Row
 */

/**
 * Node, Deno or Bun.
 * @param {string} host @param {string[]} command program and its own options
 * @param {string} model @param {Options} options @returns {Promise<Row>}
 */
export async function probeScript(host, command, model, options) {
  const script = path.join(root, 'tests/hosts/script.mjs');
  const words = [...command.slice(1), script, JSON.stringify({ model, ...options })];
  const { stdout } = await promisify(execFile)(command[0], words, { timeout: 300_000, maxBuffer: 1 << 26 });
  return { host, ...JSON.parse(stdout.trim().split('\n').at(-1) ?? '') };
}

/**
 * A browser, which gets the model from a server of its own.
 * @param {'chromium' | 'firefox' | 'webkit'} host @param {string} model @param {Options[]} list
 * @param {{ isolated?: boolean }} [page] @returns {Promise<Row[]>}
 */
export async function probeBrowser(host, model, list, { isolated = true } = {}) {
  const folders = { '/': root, '/model/': path.dirname(model) };
  const server = await startServer({ folders, isolated });
  const browser = await openBrowser(host, { sharedMemory: isolated });
  try {
    await browser.open(`${server.url}/tests/browser/blank.html`);
    const rows = [];
    for (const options of list) {
      const row = await browser.evaluate(
        async (/** @type {string} */ source, /** @type {Options} */ given) => {
          const here = (/** @type {string} */ at) => new URL(at, location.href).href;
          const sotto = await import(here('/js/index.js'));
          const { greedy } = await import(here('/tests/hosts/greedy.mjs'));
          return greedy(sotto, new URL(source, location.href), given);
        },
        `/model/${encodeURIComponent(path.basename(model))}`,
        options,
      );
      rows.push({ host, ...row });
    }
    return rows;
  } catch (error) {
    const told = browser.console.slice(-10).join('\n');
    throw new Error(`${host}: ${error instanceof Error ? error.message : error}\n${told}`);
  } finally {
    await browser.close();
    await server.close();
  }
}
