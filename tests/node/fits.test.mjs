// What fits: published shapes are inspected and refused by their headers alone, with the figure and what would fit.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { inspectModel, loadModel } from '../../js/index.js';
import { writeRandomModel } from '../../tools/random-model.mjs';

const wasmUrl = process.env.SOTTO_WASM;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-fits-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** A file of the shape without its weights: a hole of that size. @param {string} shape @param {string} mix */
function hollow(shape, mix) {
  const file = path.join(folder, `${shape}.gguf`);
  writeRandomModel(shape, mix, file, { empty: true });
  return file;
}

test('a context that no 32-bit memory holds is refused before anything is read, with the largest that fits', async () => {
  const file = hollow('phi-3-mini-128k', 'Q4_K_M');
  const options = { wasmUrl, contextLength: 131072, kvType: /** @type {const} */ ('q8_0') };
  const info = await inspectModel(file, options);
  assert.equal(info.fits, false);
  assert.equal(info.contextLength, 131072);
  /* 32 layers of 32 heads, keys and values of 96 bytes and three half-float scales. */
  assert.ok(info.memory.cache >= 131072 * 32 * 32 * 2 * (96 + 6) && info.memory.total > 2.8e10, `${info.memory.cache}`);
  const { largestContext } = info.memory;
  assert.ok(largestContext > 4096 && largestContext < 16384, `${largestContext}`);
  let read = 0;
  await assert.rejects(
    loadModel(file, { ...options, onProgress: ({ loaded }) => void (read = Math.max(read, loaded)) }),
    (error) => {
      assert.equal(error.code, 'SOTTO_MEMORY');
      assert.match(error.message, new RegExp(`${Math.ceil(info.memory.total / 2 ** 20)} MiB.*${largestContext}`));
      return true;
    },
  );
  assert.ok(read < 4 << 20, `${read} bytes were read`);
  /* The figure is one that can be used, and the next one is not. */
  const fits = async (/** @type {number} */ n) => (await inspectModel(file, { ...options, contextLength: n })).fits;
  assert.equal(await fits(largestContext), true);
  assert.equal(await fits(largestContext + 512), false);
});

test('weights that no 32-bit memory holds leave no context', async () => {
  const file = hollow('mixtral-8x7b', 'Q2_K');
  const info = await inspectModel(file, { wasmUrl });
  assert.equal(info.fits, false);
  assert.equal(info.memory.largestContext, 0);
  assert.ok(info.parameters > 46e9 && info.parameters < 47e9);
  await assert.rejects(loadModel(file, { wasmUrl, threads: 1 }), /No context is small enough/);
});

test('Llama 3.2 1B fits with all of its 128K tokens in 8 bits', async () => {
  const info = await inspectModel(hollow('llama-3.2-1b', 'Q4_K_M'), { wasmUrl, contextLength: 131072, kvType: 'q8_0' });
  assert.equal(info.fits, true);
  assert.equal(info.memory.largestContext, 131072);
  assert.ok(info.memory.cache > 2e9);
});

test('a measured machine gives an estimate: of the right size, and growing with the square of the context', async () => {
  const file = path.join(folder, 'llama-3.2-1b.gguf');
  const machine = { stream_gbs: 10, dot_gmacs: 40 };
  const at = (/** @type {number} */ contextLength) => inspectModel(file, { wasmUrl, machine, contextLength });
  const short = await at(1024);
  /* 1.24 billion parameters, of which the output matrix is not evaluated for a prompt. */
  const { cost } = short;
  assert.equal(cost.macs + cost.output, short.parameters - 2048 * (2 * 16 + 1) - 32);
  assert.equal(cost.output, 128256 * 2048);
  assert.deepEqual(cost.attention, [[0, 16 * 32 * 128]]);
  assert.ok(cost.bytes < short.fileBytes[0] && cost.bytes > 0.98 * short.fileBytes[0] - 8e6);
  const { estimate } = short;
  assert.ok(
    estimate && estimate.decodeTokensPerSecond > 9 && estimate.decodeTokensPerSecond < 15,
    JSON.stringify(estimate),
  );
  assert.ok(Math.abs(estimate.prefillTokensPerSecond / 36 - 1) < 0.3, JSON.stringify(estimate));
  const long = (await at(65536)).estimate;
  assert.ok(long && long.prefillSeconds > 64 * 2 * estimate.prefillSeconds, JSON.stringify(long));
  assert.equal((await inspectModel(file, { wasmUrl })).estimate, undefined);
});
