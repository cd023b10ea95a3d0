// The order in which a file is asked for: the plan's, in windows of a few requests.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inWindows } from '../../workers/feed.js';

const KIB = 1024;
const range = (from, to, part = 0) => ({ part, from: from * KIB, to: to * KIB, input: undefined });
const shown = (stretches) => stretches.map(({ part, from, to }) => [part, from / KIB, to / KIB]);

test('tensors of a window are asked for together, whatever their order in the file', () => {
  const block = [range(300, 400), range(0, 100), range(200, 300), range(100, 200)];
  assert.deepEqual(shown(inWindows(block)), [[0, 0, 400]]);
});

test('windows follow each other in the order of the plan', () => {
  const far = [range(9000, 11048), range(0, 2048), range(4000, 6048)];
  assert.deepEqual(shown(inWindows(far)), [
    [0, 9000, 11048],
    [0, 0, 2048],
    [0, 4000, 6048],
  ]);
});

test('a window ends where it is one stretch of the file', () => {
  /* Blocks of three megabytes, their tensors in another order than the plan's, the blocks from last to first. */
  const block = (at) => [range(at + 3000, at + 3004), range(at + 1000, at + 3000), range(at, at + 1000)];
  assert.deepEqual(shown(inWindows([8000, 4000, 0].flatMap(block))), [
    [0, 8000, 11004],
    [0, 4000, 7004],
    [0, 0, 3004],
  ]);
});

test('tensors of all blocks in turn are still asked for in the order of the plan', () => {
  const kinds = (i) => [0, 100000, 200000].map((at) => range(at + i * 1024, at + i * 1024 + 1024));
  const order = shown(inWindows(Array.from({ length: 60 }, (_, i) => kinds(i)).flat()));
  const place = (i) => order.findIndex(([, from, to]) => from <= i * 1024 && i * 1024 < to);
  for (const i of [0, 10, 50]) assert.ok(Math.abs(place(i) - 3 * i) <= 3, `${i} comes at ${place(i)}`);
});

test('a gap that is not worth a request is read over, a wide one is not', () => {
  assert.deepEqual(shown(inWindows([range(0, 10), range(60, 80), range(200, 210)])), [
    [0, 0, 80],
    [0, 200, 210],
  ]);
});

test('files of a split model are never joined', () => {
  assert.deepEqual(shown(inWindows([range(0, 10, 0), range(10, 20, 1)])), [
    [0, 0, 10],
    [1, 10, 20],
  ]);
});

test('every byte of the plan is asked for once', () => {
  let at = 0;
  const ranges = Array.from({ length: 300 }, (_, i) => range(at, (at += 1 + ((i * 7919) % 900))));
  const mixed = [...ranges].sort((a, b) => ((a.from * 31) % 977) - ((b.from * 31) % 977));
  const sum = inWindows(mixed).reduce((n, s) => n + s.to - s.from, 0);
  const covered = new Set(inWindows(mixed).flatMap((s) => ranges.filter((r) => r.from >= s.from && r.to <= s.to)));
  assert.equal(covered.size, ranges.length);
  assert.ok(sum >= at * KIB);
});
