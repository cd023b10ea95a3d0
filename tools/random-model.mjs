// Writes a model of random weights at the published shape of a real one, to measure speed and memory with.
//   node tools/random-model.mjs SHAPE MIX OUT.gguf [--vocab FILE.gguf] [--layers N] [--context N] [--seed N]
//   SHAPE  llama-3.2-1b, qwen2.5-0.5b, gemma-3-1b, phi-3-mini … (no argument lists them)
//   MIX    Q4_K_M, Q4_0, or one type for all matrices: Q8_0, Q4_1, Q5_0, Q4_K, Q6_K, Q2_K, F16 …
// The vocabulary is that of the given file (any GGUF with tokenizer keys), else a synthetic one of the right size.

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { GgufWriter, align, readKeys, stringsOf, tensorTypes, types } from './gguf.mjs';
import { fillWeights, randomNumbers } from './random-blocks.mjs';
import { addMixer, recurrentKeys } from './recurrent-tensors.mjs';

/**
 * @typedef {object} Shape
 * @property {string} arch @property {number} embd @property {number} layers @property {number} ffn
 * @property {number} heads @property {number} kvHeads @property {number} headDim @property {number} vocab
 * @property {number} context @property {number} eps @property {number} ropeBase
 * @property {boolean} [tied] no output matrix of its own @property {boolean} [bias] biases of q, k and v
 * @property {boolean} [qkNorm] @property {boolean} [fused] one matrix for q, k, v and one for gate and up
 * @property {boolean} [postNorm] @property {number} [window] @property {number} [ropeFactor] of the llama 3 kind
 * @property {boolean} [noNorms] none with weights @property {boolean} [noPreNorm] no norm before a part @property {boolean} [wideNorm] q and k normed over all heads
 * @property {number[]} [softcap] of attention and of the logits
 * @property {import('./recurrent-tensors.mjs').Recurrent} [ssm] recurrent layers @property {number[]} [attention] the
 *   layers that have it, where others are recurrent (absent with ssm: all have both; empty: none)
 * @property {number[]} [experts] of each layer, and how many of them a token uses; ffn is the width of one
 * @property {Record<string, number>} [scales] keys of their own
 * @property {number} [trainedContext] before LongRoPE: there are long and short factors
 */

/** From the config.json that each model is published with. @type {Record<string, Shape>} */
export const shapes = {
  'smollm2-135m': { arch: 'llama', embd: 576, layers: 30, ffn: 1536, heads: 9, kvHeads: 3, headDim: 64, vocab: 49152, context: 8192, eps: 1e-5, ropeBase: 1e5, tied: true },
  'smollm2-360m': { arch: 'llama', embd: 960, layers: 32, ffn: 2560, heads: 15, kvHeads: 5, headDim: 64, vocab: 49152, context: 8192, eps: 1e-5, ropeBase: 1e5, tied: true },
  'tinyllama-1.1b': { arch: 'llama', embd: 2048, layers: 22, ffn: 5632, heads: 32, kvHeads: 4, headDim: 64, vocab: 32000, context: 2048, eps: 1e-5, ropeBase: 1e4 },
  'llama-3.2-1b': { arch: 'llama', embd: 2048, layers: 16, ffn: 8192, heads: 32, kvHeads: 8, headDim: 64, vocab: 128256, context: 131072, eps: 1e-5, ropeBase: 5e5, tied: true, ropeFactor: 32 },
  'llama-3.2-3b': { arch: 'llama', embd: 3072, layers: 28, ffn: 8192, heads: 24, kvHeads: 8, headDim: 128, vocab: 128256, context: 131072, eps: 1e-5, ropeBase: 5e5, tied: true, ropeFactor: 32 },
  'smollm2-1.7b': { arch: 'llama', embd: 2048, layers: 24, ffn: 8192, heads: 32, kvHeads: 32, headDim: 64, vocab: 49152, context: 8192, eps: 1e-5, ropeBase: 130000, tied: true },
  'llama-2-7b': { arch: 'llama', embd: 4096, layers: 32, ffn: 11008, heads: 32, kvHeads: 32, headDim: 128, vocab: 32000, context: 4096, eps: 1e-5, ropeBase: 1e4 },
  'llama-3.1-8b': { arch: 'llama', embd: 4096, layers: 32, ffn: 14336, heads: 32, kvHeads: 8, headDim: 128, vocab: 128256, context: 131072, eps: 1e-5, ropeBase: 5e5, ropeFactor: 8 },
  'mistral-nemo-12b': { arch: 'llama', embd: 5120, layers: 40, ffn: 14336, heads: 32, kvHeads: 8, headDim: 128, vocab: 131072, context: 131072, eps: 1e-5, ropeBase: 1e6 },
  'mixtral-8x7b': { arch: 'llama', embd: 4096, layers: 32, ffn: 14336, heads: 32, kvHeads: 8, headDim: 128, vocab: 32000, context: 32768, eps: 1e-5, ropeBase: 1e6, experts: [8, 2] },
  'mistral-7b': { arch: 'llama', embd: 4096, layers: 32, ffn: 14336, heads: 32, kvHeads: 8, headDim: 128, vocab: 32000, context: 32768, eps: 1e-5, ropeBase: 1e4 },
  'qwen2.5-0.5b': { arch: 'qwen2', embd: 896, layers: 24, ffn: 4864, heads: 14, kvHeads: 2, headDim: 64, vocab: 151936, context: 32768, eps: 1e-6, ropeBase: 1e6, tied: true, bias: true },
  'qwen2.5-1.5b': { arch: 'qwen2', embd: 1536, layers: 28, ffn: 8960, heads: 12, kvHeads: 2, headDim: 128, vocab: 151936, context: 32768, eps: 1e-6, ropeBase: 1e6, tied: true, bias: true },
  'r1-distill-qwen-1.5b': { arch: 'qwen2', embd: 1536, layers: 28, ffn: 8960, heads: 12, kvHeads: 2, headDim: 128, vocab: 151936, context: 131072, eps: 1e-6, ropeBase: 1e4, bias: true },
  'qwen3-0.6b': { arch: 'qwen3', embd: 1024, layers: 28, ffn: 3072, heads: 16, kvHeads: 8, headDim: 128, vocab: 151936, context: 40960, eps: 1e-6, ropeBase: 1e6, tied: true, qkNorm: true },
  'qwen3-1.7b': { arch: 'qwen3', embd: 2048, layers: 28, ffn: 6144, heads: 16, kvHeads: 8, headDim: 128, vocab: 151936, context: 40960, eps: 1e-6, ropeBase: 1e6, tied: true, qkNorm: true },
  'gemma-3-270m': { arch: 'gemma3', embd: 640, layers: 18, ffn: 2048, heads: 4, kvHeads: 1, headDim: 256, vocab: 262144, context: 32768, eps: 1e-6, ropeBase: 1e6, tied: true, qkNorm: true, postNorm: true, window: 512 },
  'gemma-3-1b': { arch: 'gemma3', embd: 1152, layers: 26, ffn: 6912, heads: 4, kvHeads: 1, headDim: 256, vocab: 262144, context: 32768, eps: 1e-6, ropeBase: 1e6, tied: true, qkNorm: true, postNorm: true, window: 512 },
  'gemma-3-4b': { arch: 'gemma3', embd: 2560, layers: 34, ffn: 10240, heads: 8, kvHeads: 4, headDim: 256, vocab: 262144, context: 131072, eps: 1e-6, ropeBase: 1e6, tied: true, qkNorm: true, postNorm: true, window: 1024 },
  'gemma-2b': { arch: 'gemma', embd: 2048, layers: 18, ffn: 16384, heads: 8, kvHeads: 1, headDim: 256, vocab: 256000, context: 8192, eps: 1e-6, ropeBase: 1e4, tied: true },
  'gemma-2-2b': { arch: 'gemma2', embd: 2304, layers: 26, ffn: 9216, heads: 8, kvHeads: 4, headDim: 256, vocab: 256000, context: 8192, eps: 1e-6, ropeBase: 1e4, tied: true, postNorm: true, window: 4096, softcap: [50, 30] },
  'smollm3-3b': { arch: 'smollm3', embd: 2048, layers: 36, ffn: 11008, heads: 16, kvHeads: 4, headDim: 128, vocab: 128256, context: 65536, eps: 1e-6, ropeBase: 5e6, tied: true },
  'olmo-1b': { arch: 'olmo', embd: 2048, layers: 16, ffn: 8192, heads: 16, kvHeads: 16, headDim: 128, vocab: 50304, context: 2048, eps: 1e-5, ropeBase: 1e4, tied: true, noNorms: true },
  'olmo-2-1b': { arch: 'olmo2', embd: 2048, layers: 16, ffn: 8192, heads: 16, kvHeads: 16, headDim: 128, vocab: 100352, context: 4096, eps: 1e-6, ropeBase: 5e5, postNorm: true, noPreNorm: true, wideNorm: true },
  'olmoe-1b-7b': { arch: 'olmoe', embd: 2048, layers: 16, ffn: 1024, heads: 16, kvHeads: 16, headDim: 128, vocab: 50304, context: 4096, eps: 1e-5, ropeBase: 1e4, wideNorm: true, experts: [64, 8] },
  'granite-3.1-2b': { arch: 'granite', embd: 2048, layers: 40, ffn: 8192, heads: 32, kvHeads: 8, headDim: 64, vocab: 49155, context: 131072, eps: 1e-5, ropeBase: 5e6, tied: true, scales: { embedding_scale: 12, residual_scale: 0.22, 'attention.scale': 0.015625, logit_scale: 8 } },
  'qwen3-4b': { arch: 'qwen3', embd: 2560, layers: 36, ffn: 9728, heads: 32, kvHeads: 8, headDim: 128, vocab: 151936, context: 40960, eps: 1e-6, ropeBase: 1e6, tied: true, qkNorm: true },
  'qwen3-30b-a3b': { arch: 'qwen3moe', embd: 2048, layers: 48, ffn: 768, heads: 32, kvHeads: 4, headDim: 128, vocab: 151936, context: 40960, eps: 1e-6, ropeBase: 1e6, qkNorm: true, experts: [128, 8] },
  'phi-3-mini-128k': { arch: 'phi3', embd: 3072, layers: 32, ffn: 8192, heads: 32, kvHeads: 32, headDim: 96, vocab: 32064, context: 131072, eps: 1e-5, ropeBase: 1e4, fused: true, trainedContext: 4096 },
  'phi-3-medium': { arch: 'phi3', embd: 5120, layers: 40, ffn: 17920, heads: 40, kvHeads: 10, headDim: 128, vocab: 32064, context: 4096, eps: 1e-5, ropeBase: 1e4, fused: true, window: 2047 },
  'phi-3-mini': { arch: 'phi3', embd: 3072, layers: 32, ffn: 8192, heads: 32, kvHeads: 32, headDim: 96, vocab: 32064, context: 4096, eps: 1e-5, ropeBase: 1e4, fused: true, window: 2047 },
  'mamba-130m': { arch: 'mamba', embd: 768, layers: 24, ffn: 0, heads: 0, kvHeads: 0, headDim: 0, vocab: 50280, context: 2048, eps: 1e-5, ropeBase: 1e4, tied: true, attention: [], ssm: { conv: 4, inner: 1536, state: 16, rank: 48 } },
  'mamba-2.8b': { arch: 'mamba', embd: 2560, layers: 64, ffn: 0, heads: 0, kvHeads: 0, headDim: 0, vocab: 50280, context: 2048, eps: 1e-5, ropeBase: 1e4, tied: true, attention: [], ssm: { conv: 4, inner: 5120, state: 16, rank: 160 } },
  'mamba2-130m': { arch: 'mamba2', embd: 768, layers: 24, ffn: 0, heads: 0, kvHeads: 0, headDim: 0, vocab: 50288, context: 2048, eps: 1e-5, ropeBase: 1e4, tied: true, attention: [], ssm: { conv: 4, inner: 1536, state: 128, rank: 24, groups: 1 } },
  'lfm2-350m': { arch: 'lfm2', embd: 1024, layers: 16, ffn: 4608, heads: 16, kvHeads: 8, headDim: 64, vocab: 65536, context: 128000, eps: 1e-5, ropeBase: 1e6, tied: true, qkNorm: true, attention: [2, 5, 8, 10, 12, 14], ssm: { conv: 3 } },
  'falcon-h1-0.5b': { arch: 'falcon-h1', embd: 1024, layers: 36, ffn: 2048, heads: 8, kvHeads: 2, headDim: 64, vocab: 32784, context: 16384, eps: 1e-5, ropeBase: 1e11, ssm: { conv: 4, inner: 1536, state: 128, rank: 24, groups: 1 } },
}; // prettier-ignore

/** The type of a matrix whose rows a super-block of 256 does not divide. @type {Record<string, string>} */
const fallback = { Q2_K: 'Q4_0', Q3_K: 'Q4_0', Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0', IQ4_XS: 'IQ4_NL', IQ2_XXS: 'IQ4_NL', IQ3_XXS: 'IQ4_NL', TQ2_0: 'Q4_0' }; // prettier-ignore

/**
 * The type that a mix gives a matrix: Q4_K_M and Q4_0 keep the output matrix in Q6_K, and Q4_K_M half of the value
 * and down matrices, as llama.cpp's quantizer does.
 * @param {string} mix @param {string} role @param {number} row @param {number} layer @param {Shape} shape
 */
function typeOf(mix, role, row, layer, shape) {
  let type = mix === 'Q4_K_M' ? 'Q4_K' : mix;
  if (mix === 'Q4_K_M' || mix === 'Q4_0') {
    if (role === 'output' || (role === 'embd' && shape.tied)) type = 'Q6_K';
  }
  if (mix === 'Q4_K_M') {
    const eighth = Math.floor(shape.layers / 8);
    const more = layer < eighth || layer >= Math.floor((7 * shape.layers) / 8) || (layer - eighth) % 3 === 2;
    if ((role === 'v' || role === 'down') && more) type = 'Q6_K';
    if (role === 'qkv') type = 'Q5_K';
  }
  if (row % tensorTypes[type].block) type = fallback[type] ?? 'F16';
  return type;
}

/** The tensors in the order of a file. @param {Shape} s @param {string} mix @param {GgufWriter} w */
function addTensors(s, mix, w) {
  const q = s.heads * s.headDim;
  const kv = s.kvHeads * s.headDim;
  const preNorm = !s.noPreNorm && !s.noNorms;
  /** @param {string} name @param {string} role @param {number} row @param {number} rows @param {number} [layer] */
  const matrix = (name, role, row, rows, layer = 0) => w.tensor(name, typeOf(mix, role, row, layer, s), [row, rows]);
  /** @param {string} name @param {number} n */
  const vector = (name, n) => w.tensor(name, 'F32', [n]);
  /** @param {number} i layer */
  const addFfn = (i) => {
    const at = `blk.${i}.`;
    if (preNorm) vector(`${at}ffn_norm.weight`, s.embd);
    if (s.experts) {
      const [n] = s.experts;
      w.tensor(`${at}ffn_gate_inp.weight`, 'F32', [s.embd, n]);
      for (const [role, row, rows] of /** @type {[string, number, number][]} */ ([['gate', s.embd, s.ffn], ['up', s.embd, s.ffn], ['down', s.ffn, s.embd]])) w.tensor(`${at}ffn_${role}_exps.weight`, typeOf(mix, role, row, i, s), [row, rows, n]); // prettier-ignore
      return;
    }
    if (s.fused) {
      matrix(`${at}ffn_up.weight`, 'up', s.embd, 2 * s.ffn, i);
    } else {
      matrix(`${at}ffn_gate.weight`, 'gate', s.embd, s.ffn, i);
      matrix(`${at}ffn_up.weight`, 'up', s.embd, s.ffn, i);
    }
    matrix(`${at}ffn_down.weight`, 'down', s.ffn, s.embd, i);
    if (s.postNorm) vector(`${at}post_ffw_norm.weight`, s.embd);
  };
  matrix('token_embd.weight', 'embd', s.embd, s.vocab);
  if (!s.noNorms) vector(s.ssm && !s.ssm.inner ? 'token_embd_norm.weight' : 'output_norm.weight', s.embd);
  if (!s.tied) matrix('output.weight', 'output', s.embd, s.vocab);
  if (s.ropeFactor) vector('rope_freqs.weight', s.headDim / 2);
  if (s.trainedContext) for (const kind of ['long', 'short']) vector(`rope_factors_${kind}.weight`, s.headDim / 2);
  for (let i = 0; i < s.layers; i++) {
    const at = `blk.${i}.`;
    const attends = s.attention?.includes(i) ?? true;
    if (preNorm) vector(`${at}attn_norm.weight`, s.embd);
    if (s.ssm && (!attends || !s.attention))
      addMixer(w, at, s.ssm, s.embd, (role, row) => typeOf(mix, role, row, i, s));
    if (!attends) {
      if (s.ffn) addFfn(i);
      continue;
    }
    if (s.fused) {
      matrix(`${at}attn_qkv.weight`, 'qkv', s.embd, q + 2 * kv, i);
    } else {
      matrix(`${at}attn_q.weight`, 'q', s.embd, q, i);
      matrix(`${at}attn_k.weight`, 'k', s.embd, kv, i);
      matrix(`${at}attn_v.weight`, 'v', s.embd, kv, i);
    }
    if (s.bias) for (const [name, n] of /** @type {[string, number][]} */ ([['q', q], ['k', kv], ['v', kv]])) vector(`${at}attn_${name}.bias`, n); // prettier-ignore
    if (s.qkNorm) for (const name of ['q', 'k']) vector(`${at}attn_${name}_norm.weight`, s.headDim);
    if (s.wideNorm) for (const [name, n] of /** @type {[string, number][]} */ ([['q', q], ['k', kv]])) vector(`${at}attn_${name}_norm.weight`, n); // prettier-ignore
    matrix(`${at}attn_output.weight`, 'o', q, s.embd, i);
    if (s.postNorm) vector(`${at}post_attention_norm.weight`, s.embd);
    addFfn(i);
  }
}

/** @param {Shape} s @param {string} name @param {GgufWriter} w */
function addKeys(s, name, w) {
  const a = s.arch;
  w.string('general.architecture', a);
  w.string('general.name', `random weights, shape of ${name}`);
  w.u32(`${a}.context_length`, s.context);
  w.u32(`${a}.embedding_length`, s.embd);
  w.u32(`${a}.block_count`, s.layers);
  w.u32(`${a}.feed_forward_length`, s.ffn);
  w.u32(`${a}.attention.head_count`, s.heads);
  if (s.attention?.length)
    w.numbers(
      `${a}.attention.head_count_kv`,
      Int32Array.from({ length: s.layers }, (_, i) => (s.attention?.includes(i) ? s.kvHeads : 0)),
    );
  else w.u32(`${a}.attention.head_count_kv`, s.kvHeads);
  if (s.ssm) for (const [key, value] of Object.entries(recurrentKeys(s.ssm))) w.u32(`${a}.${key}`, value);
  w.f32(`${a}.attention.layer_norm_rms_epsilon`, s.eps);
  if (a !== 'phi3' && s.heads) {
    w.u32(`${a}.attention.key_length`, s.headDim);
    w.u32(`${a}.attention.value_length`, s.headDim);
  }
  if (!a.startsWith('gemma') && s.heads) w.u32(`${a}.rope.dimension_count`, s.headDim);
  w.f32(`${a}.rope.freq_base`, s.ropeBase);
  if (a === 'phi3') w.u32(`${a}.rope.scaling.original_context_length`, s.trainedContext ?? s.context);
  if (s.trainedContext) {
    w.string(`${a}.rope.scaling.type`, 'longrope');
    w.f32(
      `${a}.rope.scaling.attn_factor`,
      Math.sqrt(1 + Math.log(s.context / s.trainedContext) / Math.log(s.trainedContext)),
    );
  }
  if (s.softcap) {
    w.f32(`${a}.attn_logit_softcapping`, s.softcap[0]);
    w.f32(`${a}.final_logit_softcapping`, s.softcap[1]);
  }
  if (s.window) w.u32(`${a}.attention.sliding_window`, s.window);
  if (s.experts) {
    w.u32(`${a}.expert_count`, s.experts[0]);
    w.u32(`${a}.expert_used_count`, s.experts[1]);
    if (a !== 'llama') w.u32(`${a}.expert_feed_forward_length`, s.ffn);
  }
  for (const [key, value] of Object.entries(s.scales ?? {})) w.f32(`${a}.${key}`, value);
  if (a === 'llama') w.u32(`${a}.vocab_size`, s.vocab);
}

/** Borrows the tokenizer of a file, padded with unused tokens. @param {GgufWriter} w @param {string} file @param {number} size */
export function copyVocabulary(w, file, size) {
  const keys = readKeys(file);
  const tokens = keys.get('tokenizer.ggml.tokens');
  if (!tokens) throw new Error(`${file} has no vocabulary`);
  if (tokens.count > size) throw new Error(`${file} has ${tokens.count} tokens, more than the shape's ${size}`);
  const pad = size - tokens.count;
  for (const [key, value] of keys) {
    if (!key.startsWith('tokenizer.')) continue;
    const perToken = value.type === types.array && value.count === tokens.count && pad > 0;
    if (perToken && value.elementType === types.string) {
      w.strings(key, [...stringsOf(value), ...Array.from({ length: pad }, (_, i) => `[PAD${tokens.count + i}]`)]);
    } else if (perToken && key !== 'tokenizer.ggml.merges') {
      const bytes = Buffer.alloc(size * 4);
      value.raw.copy(bytes, 0, 12);
      const rest = bytes.subarray(tokens.count * 4);
      if (key.endsWith('token_type')) for (let i = 0; i < rest.length; i += 4) rest.writeInt32LE(5, i); // unused
      w.numbers(key, value.elementType === types.f32 ? new Float32Array(bytes.buffer, bytes.byteOffset, size) : new Int32Array(bytes.buffer, bytes.byteOffset, size)); // prettier-ignore
    } else {
      w.raw(key, value.type, value.raw);
    }
  }
}

/** A vocabulary of words, with a token for every byte, that tokenizes any text. @param {GgufWriter} w @param {number} size */
export function syntheticVocabulary(w, size) {
  const tokens = ['<unk>', '<s>', '</s>'];
  const kinds = new Int32Array(size).fill(1);
  kinds.set([2, 3, 3]);
  for (let i = 0; i < 256; i++) tokens.push(`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  kinds.fill(6, 3, 259);
  const letters = 'etaoinshrdlcumwfgypbvkjxqz';
  for (const c of letters) tokens.push(c, `\u2581${c}`);
  const random = randomNumbers(7);
  const known = new Set(tokens);
  while (tokens.length < size) {
    const n = 2 + (random() % 9);
    let word = random() % 2 ? '\u2581' : '';
    for (let i = 0; i < n; i++) word += letters[Math.floor((random() / 2 ** 32) ** 2 * 26)];
    if (known.has(word)) continue;
    known.add(word);
    tokens.push(word);
  }
  w.string('tokenizer.ggml.model', 'llama');
  w.string('tokenizer.ggml.pre', 'default');
  w.strings('tokenizer.ggml.tokens', tokens.slice(0, size));
  w.numbers(
    'tokenizer.ggml.scores',
    Float32Array.from({ length: size }, (_, i) => (i < 259 ? 0 : -i)),
  );
  w.numbers('tokenizer.ggml.token_type', kinds);
  w.u32('tokenizer.ggml.bos_token_id', 1);
  w.u32('tokenizer.ggml.eos_token_id', 2);
  w.u32('tokenizer.ggml.unknown_token_id', 0);
  w.bool('tokenizer.ggml.add_bos_token', true);
  w.bool('tokenizer.ggml.add_eos_token', false);
}

/** Frequency divisors of Llama 3: long waves are stretched by `factor`. @param {Shape} s */
function ropeFactors(s) {
  const factor = s.ropeFactor ?? 1;
  return Float32Array.from({ length: s.headDim / 2 }, (_, i) => {
    const turns = 8192 / (2 * Math.PI * s.ropeBase ** ((2 * i) / s.headDim)); // within the original context
    if (turns > 4) return 1;
    if (turns < 1) return factor;
    const smooth = (turns - 1) / 3;
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** Divisors of LongRoPE, rising as the published ones do: to 64 for long contexts, to 3 for short ones. @param {Shape} s @param {boolean} long */
function longFactors(s, long) {
  const n = s.headDim / 2;
  return Float32Array.from({ length: n }, (_, i) => (long ? 64 : 3) ** (i / (n - 1)));
}

/**
 * Writes the model; `progress` hears the share written.
 * @param {string} name @param {string} mix @param {string} out
 * @param {{ vocab?: string, layers?: number, context?: number, seed?: number, empty?: boolean, progress?: (share: number) => void }} [options]
 *   empty: no weights, the file is a header and a hole of the right size (to inspect what no memory holds)
 */
export function writeRandomModel(name, mix, out, { vocab, layers, context, seed = 1, empty = false, progress } = {}) {
  if (!Object.hasOwn(shapes, name)) throw new Error(`no shape ${name}; there are ${Object.keys(shapes).join(', ')}`);
  if (mix !== 'Q4_K_M' && !Object.hasOwn(tensorTypes, mix)) throw new Error(`no mix ${mix}`);
  const s = { ...shapes[name] };
  if (layers) s.layers = layers;
  if (context) s.context = context;
  const w = new GgufWriter();
  addKeys(s, name, w);
  if (vocab) copyVocabulary(w, vocab, s.vocab);
  else syntheticVocabulary(w, s.vocab);
  addTensors(s, mix, w);
  const random = randomNumbers(seed);
  const file = fs.openSync(out, 'w');
  try {
    const header = w.header();
    fs.writeSync(file, header);
    for (const t of empty ? [] : w.tensors) {
      const place = header.length + t.offset;
      if (t.name.startsWith('rope_')) {
        const factors = t.name.startsWith('rope_freqs') ? ropeFactors(s) : longFactors(s, t.name.includes('long'));
        fs.writeSync(file, Buffer.from(factors.buffer), 0, t.bytes, place);
        continue;
      }
      const isVector = t.shape.length === 1;
      const part = Math.min(t.bytes, Math.floor((4 << 20) / t.type.bytes) * t.type.bytes);
      const buffer = Buffer.alloc(align(part));
      for (let at = 0; at < t.bytes; at += part) {
        const bytes = buffer.subarray(0, Math.min(part, t.bytes - at));
        if (isVector && t.name.includes('norm'))
          for (let i = 0; i < bytes.length; i += 4) bytes.writeFloatLE(0.9 + random() / 2 ** 32 / 5, i);
        else if (t.name.endsWith('ssm_a'))
          for (let i = 0; i < bytes.length; i += 4) bytes.writeFloatLE(-random() / 2 ** 28, i); // 0 to -16
        else fillWeights(t.type.name, bytes, random, isVector ? 0.02 : 1 / Math.sqrt(t.shape[0]));
        fs.writeSync(file, bytes, 0, bytes.length, place + at);
      }
      progress?.((t.offset + t.bytes) / w.dataBytes);
    }
    fs.ftruncateSync(file, header.length + w.dataBytes);
  } finally {
    fs.closeSync(file);
  }
  return { bytes: fs.statSync(out).size, tensors: w.tensors.length };
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href) {
  const words = process.argv.slice(2);
  /** @type {Record<string, string>} */
  const options = {};
  for (let i = words.length - 2; i >= 0; i--) {
    if (words[i].startsWith('--')) options[words[i].slice(2)] = words.splice(i, 2)[1];
  }
  const [name, mix, out] = words;
  if (!out) {
    console.error(
      'node tools/random-model.mjs SHAPE MIX OUT.gguf [--vocab FILE] [--layers N] [--context N] [--seed N] [--empty 1]',
    );
    console.error(`shapes: ${Object.keys(shapes).join(' ')}\nmixes: Q4_K_M ${Object.keys(tensorTypes).join(' ')}`);
    process.exit(2);
  }
  const tty = process.stderr.isTTY;
  try {
    const result = writeRandomModel(name, mix, out, {
      vocab: options.vocab,
      layers: Number(options.layers) || undefined,
      context: Number(options.context) || undefined,
      seed: Number(options.seed) || 1,
      empty: Boolean(options.empty),
      progress: (share) => tty && process.stderr.write(`\r${Math.floor(share * 100)} %`),
    });
    if (tty) process.stderr.write('\r');
    console.log(`${out}: ${result.tensors} tensors, ${(result.bytes / 1e6).toFixed(1)} MB`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
