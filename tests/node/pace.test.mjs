// The number of threads follows the machine: a simulated one, whose cost of a token by threads is known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../workers/pace.js';

/** Runs tokens through pace; returns how many were computed at each number of threads. */
function run(pace, tokens, cost) {
  const used = new Map();
  for (let i = 0; i < tokens; i++) {
    const { threads } = pace;
    used.set(threads, (used.get(threads) ?? 0) + 1);
    pace.step(1, cost(threads));
  }
  return used;
}
const free = (threads) => 10 / Math.min(threads, 4) + threads * 0.1;
const busy = (threads) => (threads === 1 ? 10 : 10 + threads);

test('from one thread it finds the best number', () => {
  const pace = new Pace(1, 8);
  run(pace, 500, free);
  assert.equal(pace.count, 4);
});

test('it stays where it is best and tries others rarely', () => {
  const pace = new Pace(2, 2);
  const used = run(pace, 2000, (threads) => 10 / threads);
  assert.equal(pace.count, 2);
  assert.ok((used.get(1) ?? 0) < 40, `${used.get(1)} tokens on one thread`);
});

test('it goes down soon when the other core is taken, and up again when it is free', () => {
  const pace = new Pace(2, 2);
  run(pace, 2000, (threads) => 10 / threads);
  run(pace, 60, busy);
  assert.equal(pace.count, 1, 'within 60 tokens');
  run(pace, 1000, (threads) => 10 / threads);
  assert.equal(pace.count, 2);
});

test('a few tokens that are fast by luck do not bring the second thread back', () => {
  const pace = new Pace(1, 2);
  run(pace, 2000, (threads) => (threads === 1 ? 10 : 9));
  assert.equal(pace.count, 1);
});

test('one thread is one thread', () => {
  assert.deepEqual([...run(new Pace(1, 1), 200, free)], [[1, 200]]);
});
