import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readGguf, scalarOf, stringsOf, tensorTypes } from '../../tools/gguf.mjs';
import { makeCases } from '../../tools/make-cases.mjs';
import { fillWeights, half, randomNumbers } from '../../tools/random-blocks.mjs';
import { shapes, writeRandomModel } from '../../tools/random-model.mjs';
import { decoders, fromHalf } from '../../tools/reference-blocks.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sotto-generators-'));
test.after(() => fs.rmSync(folder, { recursive: true, force: true }));

test('the cases of the repository are what the generator writes', () => {
  for (const { group, name, kind } of makeCases(folder)) {
    const [ours, kept] = [folder, path.join(root, 'tests/cases')].map((place) => path.join(place, group, name));
    assert.ok(
      fs.readFileSync(path.join(ours, 'model.gguf')).equals(fs.readFileSync(path.join(kept, 'model.gguf'))),
      name,
    );
    // Math.exp and its kin may differ in the last bit from one JavaScript engine to the next.
    const reference = kind === 'embedding' ? 'embd_tokens.f32' : 'logits.f32';
    const [a, b] = [ours, kept].map((place) => fs.readFileSync(path.join(place, reference)));
    assert.equal(a.length, b.length);
    for (let i = 0; i < a.length; i += 4)
      assert.ok(Math.abs(a.readFloatLE(i) - b.readFloatLE(i)) < 1e-4, `${name} ${i}`);
  }
});

test('half floats round and read back', () => {
  for (let h = 0; h < 0x7c00; h++) assert.equal(half(fromHalf(h)), h);
  assert.equal(half(-1.5), 0xbe00);
  assert.equal(half(1e9), 0x7c00);
});

test('random blocks have the wanted deviation and no offset', () => {
  for (const [name, type] of Object.entries(tensorTypes)) {
    const decode = decoders[type.id];
    if (!decode || type.block === 1) continue;
    const n = 256 * 64;
    const bytes = Buffer.alloc((n / type.block) * type.bytes);
    fillWeights(name, bytes, randomNumbers(3), 0.05);
    const numbers = new Float64Array(n);
    decode(bytes, 0, numbers);
    const mean = numbers.reduce((a, b) => a + b, 0) / n;
    const deviation = Math.sqrt(numbers.reduce((a, b) => a + b * b, 0) / n);
    assert.ok(Math.abs(mean) < 0.01, `${name}: mean ${mean}`);
    assert.ok(deviation > 0.04 && deviation < 0.06, `${name}: deviation ${deviation}`);
  }
});

test('a random model has the size, the tensors and the vocabulary of its shape', () => {
  const out = path.join(folder, 'random.gguf');
  const { bytes, tensors } = writeRandomModel('smollm2-135m', 'Q4_0', out, { layers: 2 });
  const file = fs.readFileSync(out);
  const { keys, tensors: infos } = readGguf(file);
  const last = infos[infos.length - 1];
  assert.equal(file.length, bytes);
  assert.equal(infos.length, tensors);
  assert.equal(scalarOf(keys.get('llama.block_count')), 2);
  assert.equal(keys.get('tokenizer.ggml.tokens')?.count, shapes['smollm2-135m'].vocab);
  assert.deepEqual(last.shape, [1536, 576]);
  assert.equal(last.at + (1536 / 32) * 18 * 576, bytes);
  assert.equal(infos[0].typeId, tensorTypes.Q8_0.id, 'the tied matrix: Q6_K does not divide rows of 576');
});

test('a borrowed vocabulary is padded to the size of the shape', () => {
  const out = path.join(folder, 'borrowed.gguf');
  const vocab = path.join(root, 'tests/cases/arch/qwen2/model.gguf');
  writeRandomModel('smollm2-135m', 'Q8_0', out, { layers: 1, vocab });
  const { keys } = readGguf(fs.readFileSync(out));
  const tokens = stringsOf(/** @type {import('../../tools/gguf.mjs').GgufValue} */ (keys.get('tokenizer.ggml.tokens')));
  assert.equal(tokens.length, 49152);
  assert.equal(tokens[0].toString(), 'Ā');
  assert.equal(tokens[49151].toString(), '[PAD49151]');
  assert.equal(keys.get('tokenizer.ggml.token_type')?.count, 49152);
  assert.equal(scalarOf(keys.get('tokenizer.ggml.model')), 'gpt2');
});

test('wrong names are refused with what there is', () => {
  assert.throws(() => writeRandomModel('no-such', 'Q4_0', path.join(folder, 'x')), /llama-3\.2-1b/);
  assert.throws(() => writeRandomModel('smollm2-135m', 'Q9', path.join(folder, 'x')), /Q9/);
});
