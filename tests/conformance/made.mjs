// GGUF files made for a case: a vocabulary or a quantization inside of the smallest Llama there is, so that it is
// tested through the same door as any model.

import fs from 'node:fs';
import { align, GgufWriter, readGguf, tensorTypes } from '../../tools/gguf.mjs';

/** @param {GgufWriter} w @param {number} width @param {number} vocabulary */
function llama(w, width, vocabulary) {
  w.string('general.architecture', 'llama');
  w.u32('llama.context_length', 64);
  w.u32('llama.embedding_length', width);
  w.u32('llama.block_count', 1);
  w.u32('llama.feed_forward_length', 32);
  w.u32('llama.attention.head_count', 1);
  w.u32('llama.attention.head_count_kv', 1);
  w.u32('llama.rope.dimension_count', width);
  w.u32('llama.vocab_size', vocabulary);
  w.f32('llama.attention.layer_norm_rms_epsilon', 1e-12);
}

/** @param {GgufWriter} w @param {number} width */
function block(w, width) {
  w.tensor('output_norm.weight', 'F32', [width]);
  w.tensor('blk.0.attn_norm.weight', 'F32', [width]);
  w.tensor('blk.0.ffn_norm.weight', 'F32', [width]);
  for (const name of ['q', 'k', 'v', 'output']) w.tensor(`blk.0.attn_${name}.weight`, 'Q8_0', [width, width]);
  w.tensor('blk.0.ffn_gate.weight', 'Q8_0', [width, 32]);
  w.tensor('blk.0.ffn_up.weight', 'Q8_0', [width, 32]);
  w.tensor('blk.0.ffn_down.weight', 'Q8_0', [32, width]);
}

/** The file with all weights zero but those given by tensor name. @param {GgufWriter} w @param {Record<string, Uint8Array>} data */
function assemble(w, data) {
  const header = w.header();
  const file = Buffer.alloc(header.length + align(w.dataBytes));
  file.set(header);
  for (const { name, offset } of w.tensors) if (data[name]) file.set(data[name], header.length + offset);
  return file;
}

/**
 * A model of zero weights with the vocabulary of a file.
 * @param {string} file @param {Record<string, string>} [replaced] keys of text to put in its place
 */
export function modelOfVocabulary(file, replaced = {}) {
  const { keys } = readGguf(fs.readFileSync(file));
  const tokens = keys.get('tokenizer.ggml.tokens');
  if (!tokens) throw new Error(`${file} has no tokens`);
  const w = new GgufWriter();
  llama(w, 32, tokens.count);
  for (const [key, value] of keys) {
    // some vocabularies go by the model's name
    if ((key.startsWith('tokenizer.') || key === 'general.name') && !(key in replaced))
      w.raw(key, value.type, value.raw);
  }
  for (const [key, value] of Object.entries(replaced)) w.string(key, value);
  w.tensor('token_embd.weight', 'Q4_0', [32, tokens.count]);
  block(w, 32);
  return assemble(w, {});
}

/**
 * A model whose logits for token i are column i of the given rows, to within the rounding of one norm.
 * @param {{ type: string, ggml_type_id: number, block_elements: number, block_bytes: number }} type @param {Buffer} rows of 512 elements
 */
export function modelOfRows(type, rows) {
  const width = 512;
  const w = new GgufWriter();
  tensorTypes[type.type] ??= {
    name: type.type,
    id: type.ggml_type_id,
    block: type.block_elements,
    bytes: type.block_bytes,
  };
  llama(w, width, width);
  w.string('tokenizer.ggml.model', 'no_vocab');
  w.tensor('token_embd.weight', 'F32', [width, width]);
  w.tensor('output.weight', type.type, [width, width]);
  block(w, width);
  const unit = new Float32Array(width * width);
  for (let i = 0; i < width; i++) unit[i * width + i] = 1;
  const norm = new Float32Array(width).fill(1 / Math.sqrt(width));
  return assemble(w, {
    'token_embd.weight': new Uint8Array(unit.buffer),
    'output.weight': rows,
    'output_norm.weight': new Uint8Array(norm.buffer),
  });
}
