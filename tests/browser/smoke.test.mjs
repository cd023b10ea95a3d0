// Every browser loads the same source files, unbundled, and gives the tokens and the very logits that Node gives.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { browserNames, hasBrowser } from './drivers/index.mjs';
import { probeBrowser, probeScript } from '../hosts/probe.mjs';
import { realModel, reference, tinyModel } from '../models.mjs';

const prompt = 'The capital of France is';
/** @type {import('../hosts/probe.mjs').Row} */
let node;
/** @type {string} */
let model;

before(async () => {
  model = await realModel();
  node = await probeScript('node', [process.execPath], model, { prompt, steps: 16, threads: 1, variant: 'simd' });
});

test('Node follows the reference until its first near-tie', (context) => {
  const known = reference('greedy.json')?.cases[0];
  if (!known) return context.skip('no reference cases here');
  assert.equal(known.prompt, prompt);
  // Below this distance to the runner-up the rounding of activations to 8 bits may decide otherwise.
  const tie = known.margin.findIndex((/** @type {number} */ margin) => margin < 0.6);
  assert.ok(tie > 3);
  assert.deepEqual(node.tokens.slice(0, tie), known.greedy.slice(0, tie));
});

for (const name of browserNames) {
  const skip = !hasBrowser(name) && 'not installed';
  test(`${name}: an isolated page computes on two threads what Node computes on one`, { skip }, async () => {
    const options = { prompt, steps: 16, threads: 2 };
    // WebKit has no relaxed SIMD: the plain build is what it chooses by itself.
    const variants = name === 'webkit' ? [{}] : [{}, { variant: /** @type {const} */ ('simd') }];
    const rows = await probeBrowser(name, model, variants.map((variant) => ({ ...options, ...variant })));
    assert.equal(rows[0].variant, name === 'webkit' ? 'simd' : 'relaxed');
    for (const row of rows) {
      assert.equal(row.threads, 2);
      assert.deepEqual(row.tokens, node.tokens);
      assert.equal(row.logitsSha256, node.logitsSha256, `${row.variant} build`);
    }
  });

  test(`${name}: a page that is not isolated computes the same on one thread`, { skip }, async () => {
    const [row] = await probeBrowser(name, model, [{ prompt, steps: 8, threads: 2 }], { isolated: false });
    assert.equal(row.threads, 1);
    assert.deepEqual(row.tokens, node.tokens.slice(0, 8));
  });

  test(`${name}: a tiny model of random weights runs too`, { skip: skip || (!tinyModel() && 'no cases here') }, async () => {
    const file = /** @type {string} */ (tinyModel());
    const options = { prompt: 'a', steps: 4, threads: 1, variant: /** @type {const} */ ('simd') };
    const [row] = await probeBrowser(name, file, [options]);
    const expected = await probeScript('node', [process.execPath], file, options);
    assert.deepEqual({ ...row, host: '' }, { ...expected, host: '' });
  });
}
