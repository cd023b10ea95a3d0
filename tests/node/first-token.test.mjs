// How soon a model answers, with limits that a busy machine keeps; the bench of the same name gives the figures.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstToken } from '../bench/first-token.mjs';
import { realModel } from '../models.mjs';

test('a prompt runs through the layers that have arrived; a stored model is there at once', { timeout: 120_000 }, async () => {
  const options = { mbit: 100, prompt: 200, threads: 2, rounds: 3, only: ['cold', 'warm'] };
  const row = await firstToken('node', await realModel(), options);
  const told = JSON.stringify(row);
  assert.ok(row['range-requests'] <= 20, told);
  assert.ok(row['range-late'] < 4000, told);
  assert.ok(row['warm-least'] < 2500, told);
});
