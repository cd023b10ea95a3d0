// Runs the greedy probe through the sotto command, native or under a WASI host; see tests/hosts.mjs.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * @param {string} host @param {string} variant @param {string[]} command words that start sotto
 * @param {string} model @param {import('./probe.mjs').Options} options
 * @returns {Promise<import('./probe.mjs').Row>}
 */
export async function probeCommand(host, variant, command, model, { prompt, steps, threads }) {
  const own = ['logits', '-m', model, '-p', prompt, '-n', String(steps), '-t', String(threads), '-c', '512', '--json'];
  const { stdout } = await promisify(execFile)(command[0], [...command.slice(1), ...own], { timeout: 300_000 });
  const { tokens, logitsSha256, threads: used } = JSON.parse(stdout);
  return { host, variant, threads: used, tokens, logitsSha256 };
}
