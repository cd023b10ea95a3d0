// The sotto command, natively: every subcommand on a tiny model, and how it refuses.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = ['build/native/sotto', 'build/asan/sotto']
  .map((file) => path.join(root, file))
  .filter((file) => fs.existsSync(file));
programs.sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
const skip = programs.length ? false : 'the command is not built';
const model = path.join(root, 'tests/cases/arch/llama-gqa-tied-ropefreqs/model.gguf');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-command-'));
test.after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** @param {string[]} words @param {string} [input] */
function sotto(words, input = '') {
  const { status, stdout, stderr } = spawnSync(programs[0], words, { encoding: 'utf8', input, timeout: 60_000 });
  return { status, stdout, stderr };
}

/** @param {...string} words */
function ok(...words) {
  const { status, stdout, stderr } = sotto([words[0], '-m', model, ...words.slice(1)]);
  assert.equal(status, 0, stderr);
  return stdout;
}

test('greedy tokens are the same for one and two threads, drawn or by their logits', { skip }, () => {
  const drawn = JSON.parse(
    ok('run', '--tokens', '5,6,7', '-n', '6', '--temp', '0', '--ignore-eog', '--json', '-t', '2'),
  );
  const rows = JSON.parse(ok('logits', '--tokens', '5,6,7', '-n', '6', '-t', '1'));
  assert.deepEqual(drawn.tokens, rows.tokens);
  assert.equal(drawn.usage.promptTokens, 3);
  assert.equal(drawn.finishReason, 'length');
});

test('equal seeds draw equal tokens', { skip }, () => {
  const draw = () => JSON.parse(ok('run', '--tokens', '5,6', '-n', '8', '--temp', '2', '--seed', '7', '--json')).tokens;
  assert.deepEqual(draw(), draw());
});

test('logits are written as floats and hashed as written', { skip }, () => {
  const out = path.join(folder, 'rows.f32');
  const told = JSON.parse(ok('logits', '--tokens', '1,2,3,4', '--all', '--out', out));
  const bytes = fs.readFileSync(out);
  assert.equal(told.rows, 4);
  assert.equal(bytes.length, 4 * 4 * told.vocabulary);
  assert.equal(told.logitsSha256, createHash('sha256').update(bytes).digest('hex'));
});

test('a dump has a line and the numbers of every op, the last of which are the logits', { skip }, () => {
  const dump = path.join(folder, 'dump');
  const out = path.join(folder, 'dumped.f32');
  fs.mkdirSync(dump);
  ok('logits', '--tokens', '1,2,3,4,5,6,7', '--all', '--out', out, '--dump', dump, '-t', '2');
  const lines = fs.readFileSync(path.join(dump, 'index.txt'), 'utf8').trim().split('\n');
  const files = fs
    .readdirSync(dump)
    .filter((name) => name.endsWith('.f32'))
    .sort();
  assert.equal(files.length, lines.length);
  assert.match(lines[0], /^ *0 +0 embed +7 x 48 sum /);
  assert.match(files.at(-1) ?? '', /-output\.f32$/);
  assert.deepEqual(fs.readFileSync(path.join(dump, files.at(-1) ?? '')), fs.readFileSync(out));
  const file = path.join(folder, 'dump.txt');
  ok('logits', '--tokens', '1,2,3,4,5,6,7', '--all', '--dump', file);
  assert.equal(fs.readFileSync(file, 'utf8').trim().split('\n').length, lines.length);
});

test('text becomes tokens and text again', { skip }, () => {
  const ids = JSON.parse(ok('tokenize', '-p', 'hello', '--no-special'));
  assert.equal(ok('tokenize', '--detokenize', '--tokens', ids.join(',')), 'hello\n');
  const file = path.join(folder, 'lines.txt');
  fs.writeFileSync(file, 'hello\nworld\n');
  assert.equal(ok('tokenize', '-f', file, '--lines').trim().split('\n').length, 2);
});

test('texts become vectors, and documents scores', { skip }, () => {
  const file = path.join(folder, 'documents.txt');
  fs.writeFileSync(file, 'the fed\nand more, and more.\n');
  const rows = (/** @type {string[]} */ ...words) => {
    const { status, stdout, stderr } = sotto(words);
    assert.equal(status, 0, stderr);
    return stdout.trim().split('\n').map((line) => JSON.parse(line)); // prettier-ignore
  };
  const encoder = path.join(root, 'tests/cases/arch/jina-bert-v2/model.gguf');
  const vectors = rows('embed', '-m', encoder, '-f', file, '--lines', '--json', '-t', '2');
  assert.equal(vectors.length, 2);
  for (const { embedding } of vectors) {
    assert.equal(embedding.length, 24);
    assert.ok(
      Math.abs(embedding.reduce((/** @type {number} */ s, /** @type {number} */ v) => s + v * v, 0) - 1) < 1e-5,
    );
  }
  assert.deepEqual(rows('embed', '-m', encoder, '-p', 'the fed', '--json'), [vectors[0]]);
  assert.equal(JSON.parse(ok('embed', '-p', 'hello', '--pooling', 'last', '--json')).embedding.length, 48);
  const reranker = path.join(root, 'tests/cases/arch/bert-rank/model.gguf');
  const scores = rows('rerank', '-m', reranker, '-p', 'a?', '-f', file, '--json').map((row) => row.scores);
  assert.ok(scores.length === 2 && scores.every((row) => row.length === 1) && scores[0][0] !== scores[1][0]);
  const refused = sotto(['run', '-m', encoder, '-p', 'a']);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /is an encoder/);
});

test('perplexity is the same for any chunk', { skip }, () => {
  const text = path.join(folder, 'text.txt');
  fs.writeFileSync(text, 'the quick brown fox jumps over the lazy dog');
  const [a, b] = ['3', '256'].map((chunk) => JSON.parse(ok('perplexity', '-f', text, '--chunk', chunk, '--json')));
  assert.equal(a.meanNll, b.meanNll);
  assert.ok(a.scored === a.tokens - 1 && a.perplexity > 1);
});

test('a quantized model is smaller and nearly the same', { skip }, () => {
  const whole = path.join(root, 'tests/cases/arch/llama-spm-untied/model.gguf');
  const out = path.join(folder, 'q8.gguf');
  const made = sotto(['quantize', '-m', whole, '--type', 'Q8_0', '--out', out, '--quiet']);
  assert.equal(made.status, 0, made.stderr);
  const info = JSON.parse(sotto(['info', '-m', out, '--json']).stdout);
  assert.ok(info.quantization.Q8_0 > 5 * info.quantization.F32, JSON.stringify(info.quantization));
  const [exact, small] = [whole, out].map((file) => {
    const rows = path.join(folder, 'compare.f32');
    const words = ['logits', '-m', file, '--tokens', '9,8,7', '--out', rows, '--arithmetic', 'exact'];
    assert.equal(sotto(words).status, 0);
    const bytes = fs.readFileSync(rows);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).slice();
  });
  const far = Math.max(...exact.map((v, i) => Math.abs(v - small[i])));
  const spread = Math.max(...exact) - Math.min(...exact);
  assert.ok(far > 0 && far < 0.05 * spread, `${far} of ${spread}`); // 8 bits: well below a twentieth
});

test('bench writes a row for each test and number of threads', { skip }, () => {
  const rows = ok('bench', '--pp', '16', '--tg', '4', '-r', '3', '-t', '1,2', '--depth', '8', '--json')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map(({ test: name, threads }) => `${name} ${threads}`),
    ['pp16@d8 1', 'tg4@d8 1', 'pp16@d8 2', 'tg4@d8 2'],
  );
  for (const { min, median, max } of rows) assert.ok(min > 0 && min <= median && median <= max);
});

test('a chat renders a template and answers each line', { skip }, () => {
  const file = path.join(folder, 'chat.jinja');
  fs.writeFileSync(file, '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}');
  const words = [
    'chat',
    '-m',
    model,
    '--template',
    file,
    '--system',
    'x',
    '-n',
    '4',
    '--temp',
    '0',
    '--json',
    '--quiet',
  ];
  const { status, stdout, stderr } = sotto(words, 'one\ntwo\n');
  assert.equal(status, 0, stderr);
  const [first, second] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(first.usage.cachedTokens, 0);
  assert.ok(second.usage.cachedTokens > 0, 'the second turn evaluates what is new alone');
  const broken = path.join(folder, 'broken.jinja');
  fs.writeFileSync(broken, '{{ messages\n | nothing }}');
  const refused = sotto(['chat', '-m', model, '--template', broken, '-p', 'x']);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /nothing.*line 2/);
});

test('a wrong command line is refused with 2, a failure with 1, both with a sentence', { skip }, () => {
  const wrong = [
    [],
    ['dance'],
    ['run'],
    ['run', '-m'],
    ['run', '-m', model, '--nonsense'],
    ['run', '-m', model, '-t', '0'],
    ['run', '-m', model, '--kv', 'f64'],
    ['run', '-m', model],
    ['quantize', '-m', model, '--type', 'Q8_0'],
    ['quantize', '-m', model, '--out', 'x', '--type', 'Q9'],
  ];
  for (const words of wrong) {
    const { status, stderr } = sotto(words);
    assert.equal(status, 2, words.join(' '));
    assert.match(stderr, /sotto/);
  }
  const cut = path.join(folder, 'cut.gguf');
  for (const bytes of [10, 1000, fs.statSync(model).size - 1]) {
    fs.writeFileSync(cut, fs.readFileSync(model).subarray(0, bytes));
    const { status, stderr } = sotto(['run', '-m', cut, '-p', 'x']);
    assert.equal(status, 1);
    assert.match(stderr, /ends/);
  }
  assert.equal(sotto(['run', '-m', path.join(folder, 'none.gguf'), '-p', 'x']).status, 1);
  assert.equal(sotto(['run', '-m', model, '-c', '16', '--tokens', Array(40).fill(1).join(',')]).status, 1);
  for (const words of [['--help'], ['run', '--help']]) assert.equal(sotto(words).status, 0);
});
