// The cases of encoders for tools/make-cases.mjs: tiny models, and the states and vectors that a double-precision
// encoder of its own gives. It shares no code with the engine.

import fs from 'node:fs';
import path from 'node:path';
import { align, GgufWriter, readGguf } from './gguf.mjs';
import { fillWeights, randomNumbers } from './random-blocks.mjs';

/**
 * @typedef {object} EncoderCase
 * @property {string} name @property {'bert' | 'modern-bert' | 'jina-bert-v2' | 't5encoder'} arch @property {string} note @property {number} seed
 * @property {number} embd @property {number} layers @property {number} ffn @property {number} heads
 * @property {number} pooling as files number it @property {number} context @property {number} [window]
 */

/** @type {EncoderCase[]} */
const cases = [
  { name: 'bert-rank', arch: 'bert', note: 'norms on the residual, learned positions, a reranking head', seed: 11, embd: 48, layers: 2, ffn: 96, heads: 3, pooling: 4, context: 64 },
  { name: 'modern-bert', arch: 'modern-bert', note: 'blocks 0 and 3 see all, the others 8 to both sides; a reranking head on the mean', seed: 12, embd: 32, layers: 4, ffn: 48, heads: 2, pooling: 4, context: 128, window: 16 },
  { name: 'jina-bert-v2', arch: 'jina-bert-v2', note: 'ALiBi, norms of q and k with biases, attention added twice, dense layers behind the mean', seed: 13, embd: 36, layers: 2, ffn: 40, heads: 3, pooling: 1, context: 128 },
  { name: 't5encoder', arch: 't5encoder', note: 'a bias by distance, ReLU, RMS norms before the branches', seed: 14, embd: 32, layers: 2, ffn: 48, heads: 2, pooling: 1, context: 256 },
]; // prettier-ignore

/** A WordPiece vocabulary of letters. @param {GgufWriter} w @returns {number} tokens */
function addWordPieces(w) {
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  for (const c of 'abcdefghijklmnopqrstuvwxyz.,?!') tokens.push(`\u2581${c}`, c);
  tokens.push('\u2581the', '\u2581and', 'ing', 'er', 'ed');
  w.string('tokenizer.ggml.model', 'bert');
  w.strings('tokenizer.ggml.tokens', tokens);
  w.numbers(
    'tokenizer.ggml.token_type',
    Int32Array.from(tokens, (_, i) => (i < 5 ? 3 : 1)),
  );
  for (const [key, id] of Object.entries({ bos: 2, eos: 3, unknown: 1, seperator: 3, padding: 0, cls: 2 }))
    w.u32(`tokenizer.ggml.${key}_token_id`, id);
  return tokens.length;
}

/** @param {EncoderCase} c @param {(w: GgufWriter) => number} addBpe */
function makeModel(c, addBpe) {
  const w = new GgufWriter();
  const bert = c.arch === 'bert';
  const modern = c.arch === 'modern-bert';
  w.string('general.architecture', c.arch);
  w.string('general.name', 'tiny random test model');
  const metadata = {
    context_length: c.context,
    embedding_length: c.embd,
    block_count: c.layers,
    feed_forward_length: c.ffn,
    'attention.head_count': c.heads,
    pooling_type: c.pooling,
    ...(c.window && { 'attention.sliding_window': c.window }),
  };
  for (const [key, value] of Object.entries(metadata)) w.u32(`${c.arch}.${key}`, value);
  const t5 = c.arch === 't5encoder';
  w.f32(`${c.arch}.attention.layer_norm_${t5 ? 'rms_' : ''}epsilon`, 1e-5);
  w.bool(`${c.arch}.attention.causal`, false);
  if (modern) {
    w.f32(`${c.arch}.rope.freq_base`, 160000);
    w.f32(`${c.arch}.rope.freq_base_swa`, 10000);
  }
  const bare = modern || t5; // without biases
  const vocab = bare ? addBpe(w) : addWordPieces(w);
  /** @param {string} name @param {number[]} shape */
  const weight = (name, ...shape) => w.tensor(`${name}.weight`, 'F32', shape);
  /** @param {string} name @param {number[]} shape */
  const both = (name, ...shape) => {
    weight(name, ...shape);
    if (!bare) w.tensor(`${name}.bias`, 'F32', shape.slice(-1));
  };
  weight('token_embd', c.embd, vocab);
  if (!t5) both('token_embd_norm', c.embd);
  if (bert) weight('position_embd', c.embd, c.context);
  if (!bare) weight('token_types', c.embd, 2);
  if (t5) weight('enc.output_norm', c.embd);
  if (modern) {
    weight('output_norm', c.embd);
    weight('cls.norm', c.embd);
  }
  if (c.pooling === 4) {
    both('cls', c.embd, c.embd);
    both('cls.output', c.embd, 1);
  } else {
    both('dense_2', c.embd, 56);
    weight('dense_3', 56, 24);
  }
  for (let i = 0; i < c.layers; i++) {
    const at = t5 ? `enc.blk.${i}.` : `blk.${i}.`;
    if (t5) {
      for (const name of ['q', 'k', 'v']) weight(`${at}attn_${name}`, c.embd, c.embd);
      for (const name of ['attn_norm', 'ffn_norm']) weight(at + name, c.embd);
      if (i === 0) weight(`${at}attn_rel_b`, c.heads, 32);
    } else if (!modern) {
      for (const name of ['q', 'k', 'v']) both(`${at}attn_${name}`, c.embd, c.embd);
      for (const name of ['attn_output_norm', 'layer_output_norm']) both(at + name, c.embd);
      if (!bert) for (const name of ['attn_q_norm', 'attn_k_norm', 'attn_norm_2']) both(at + name, c.embd);
    } else {
      weight(`${at}attn_qkv`, c.embd, 3 * c.embd);
      if (i) weight(`${at}attn_norm`, c.embd);
      weight(`${at}ffn_norm`, c.embd);
    }
    both(at + (t5 ? 'attn_o' : 'attn_output'), c.embd, c.embd);
    both(`${at}ffn_up`, c.embd, bert || t5 ? c.ffn : 2 * c.ffn);
    both(`${at}ffn_down`, c.ffn, c.embd);
  }
  const random = randomNumbers(c.seed);
  const data = Buffer.alloc(w.dataBytes);
  for (const t of w.tensors) {
    const bytes = data.subarray(t.offset, t.offset + t.bytes);
    const flat = t.shape.length === 1;
    fillWeights('F32', bytes, random, flat ? 0.1 : (t.name.startsWith('token_embd') ? 3 : 2) / Math.sqrt(t.shape[0]));
    if (t.name.endsWith('norm.weight'))
      for (let i = 0; i < bytes.length; i += 4) bytes.writeFloatLE(bytes.readFloatLE(i) + 1, i);
  }
  return { file: Buffer.concat([w.header(), data.subarray(0, align(w.dataBytes))]), vocab, metadata };
}

const gelu = (/** @type {number} */ v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));

/** States of all tokens and the pooled vector, in double precision. @param {Buffer} file @param {EncoderCase} c @param {number[]} tokens */
function encode(file, c, tokens) {
  /** @type {Map<string, Float64Array>} */
  const tensors = new Map();
  for (const { name, shape, at } of readGguf(file).tensors)
    tensors.set(
      name,
      Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => file.readFloatLE(at + 4 * i)),
    );
  const n = c.embd;
  /** @param {string} name @param {Float64Array} x */
  const linear = (name, x) => {
    const [m, bias] = [tensors.get(`${name}.weight`) ?? x, tensors.get(`${name}.bias`)];
    return Float64Array.from({ length: m.length / x.length }, (_, r) =>
      x.reduce((sum, v, i) => sum + v * m[r * x.length + i], bias?.[r] ?? 0),
    );
  };
  /** @param {string} name @param {Float64Array} x */
  const norm = (name, x) => {
    const [weight, bias] = [tensors.get(`${name}.weight`), tensors.get(`${name}.bias`)];
    if (!weight) return x;
    const mean = t5 ? 0 : x.reduce((a, b) => a + b, 0) / x.length;
    const scale = 1 / Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length + 1e-5);
    return x.map((v, i) => (v - mean) * scale * weight[i] + (bias?.[i] ?? 0));
  };
  const add = (/** @type {Float64Array} */ a, /** @type {Float64Array} */ b) => a.map((v, i) => v + b[i]);
  /** @param {string} name @param {number} row */
  const row = (name, row) => (tensors.get(name) ?? new Float64Array(n * (row + 1))).slice(row * n, (row + 1) * n);
  const bert = c.arch === 'bert';
  const modern = c.arch === 'modern-bert';
  const t5 = c.arch === 't5encoder';
  /** Bucket of a distance: 8 single ones to each side, then growing to 128. @param {number} d */
  const bucket = (d) => {
    const far = Math.abs(d);
    const at = far < 8 ? far : Math.min(15, 8 + Math.floor(2 * Math.log2(far / 8)));
    return at + (d > 0 ? 16 : 0);
  };
  const power = 2 ** Math.floor(Math.log2(c.heads));
  /** How much a step of distance costs head i. @param {number} i */
  const slope = (i) => (i < power ? 2 ** ((-8 / power) * (i + 1)) : 2 ** ((-4 / power) * (2 * (i - power) + 1)));
  let states = tokens.map((token, p) => {
    const x = add(row('token_embd.weight', token), row('position_embd.weight', p));
    return norm('token_embd_norm', add(x, row('token_types.weight', 0)));
  });
  for (let layer = 0; layer < c.layers; layer++) {
    const at = t5 ? `enc.blk.${layer}.` : `blk.${layer}.`;
    const local = modern && layer % 3 !== 0;
    const dim = n / c.heads;
    const qkv = states.map((x, p) => {
      const y = norm(`${at}attn_norm`, x);
      if (!modern) return ['q', 'k', 'v'].map((name) => norm(`${at}attn_${name}_norm`, linear(`${at}attn_${name}`, y)));
      const all = linear(`${at}attn_qkv`, y);
      for (let h = 0; h < 2 * n; h += dim)
        for (let i = 0; i < dim / 2; i++) {
          const angle = p * (local ? 10000 : 160000) ** ((-2 * i) / dim);
          const [u, v] = [all[h + i], all[h + i + dim / 2]];
          all[h + i] = u * Math.cos(angle) - v * Math.sin(angle);
          all[h + i + dim / 2] = u * Math.sin(angle) + v * Math.cos(angle);
        }
      return [0, 1, 2].map((i) => all.slice(i * n, (i + 1) * n));
    });
    states = states.map((x, p) => {
      const out = new Float64Array(n);
      for (let h = 0; h < n; h += dim) {
        const scores = qkv.map(([, k], j) => {
          if (local && Math.abs(p - j) > (c.window ?? 0) / 2) return -Infinity;
          let dot = 0;
          for (let i = h; i < h + dim; i++) dot += qkv[p][0][i] * k[i];
          if (t5) return dot + (tensors.get('enc.blk.0.attn_rel_b.weight')?.[bucket(j - p) * c.heads + h / dim] ?? 0);
          const away = bert || modern ? 0 : slope(h / dim) * Math.abs(p - j);
          return dot / Math.sqrt(dim) - away;
        });
        const top = Math.max(...scores);
        const weights = scores.map((s) => Math.exp(s - top));
        const sum = weights.reduce((a, b) => a + b, 0);
        weights.forEach((weight, j) => {
          for (let i = h; i < h + dim; i++) out[i] += (weight / sum) * qkv[j][2][i];
        });
      }
      let y = norm(`${at}attn_output_norm`, add(x, linear(at + (t5 ? 'attn_o' : 'attn_output'), out)));
      if (!bert && !modern && !t5) y = norm(`${at}attn_norm_2`, add(y, x));
      const up = linear(`${at}ffn_up`, norm(`${at}ffn_norm`, y));
      const inner = bert
        ? up.map(gelu)
        : t5
          ? up.map((v) => Math.max(v, 0))
          : up.slice(0, c.ffn).map((v, i) => gelu(v) * up[c.ffn + i]);
      return norm(`${at}layer_output_norm`, add(y, linear(`${at}ffn_down`, inner)));
    });
  }
  states = states.map((x) => norm(t5 ? 'enc.output_norm' : 'output_norm', x));
  const mean = states.reduce(add).map((v) => v / tokens.length);
  if (c.pooling !== 4) return { states, pooled: linear('dense_3', linear('dense_2', mean)) };
  const head = linear('cls', modern ? mean : states[0]).map(modern ? gelu : Math.tanh);
  return { states, pooled: linear('cls.output', norm('cls.norm', head)) };
}

/** Writes the cases below a folder. @param {string} folder @param {(w: GgufWriter) => number} addBpe */
export function makeEncoderCases(folder, addBpe) {
  return cases.map((c) => {
    const directory = path.join(folder, 'arch', c.name);
    fs.mkdirSync(directory, { recursive: true });
    const { file, vocab, metadata } = makeModel(c, addBpe);
    const random = randomNumbers(c.seed + 100);
    const tokens = Array.from({ length: c.context > 128 ? 150 : 40 }, () => random() % vocab);
    const { states, pooled } = encode(file, c, tokens);
    const all = states.flatMap((x) => Array.from(x));
    const std = Math.sqrt(all.reduce((a, b) => a + b * b, 0) / all.length);
    const info = {
      name: c.name,
      architecture: c.arch,
      kind: 'embedding',
      seed: c.seed,
      n_vocab: vocab,
      n_ctx: c.context,
      note: c.note,
      weights: 'F32',
      metadata,
      embd_tokens: { file: 'embd_tokens.f32', shape: [tokens.length, c.embd], dtype: 'float32', std },
      embd_pooled: {
        file: 'embd_pooled.f32',
        shape: [pooled.length],
        pooling: c.pooling === 4 ? 'rank' : 'mean',
        normalized: false,
      },
      tolerance: { max_abs: Number((2e-4 * std).toPrecision(2)), nmse: 1e-9 },
    };
    const write = (/** @type {string} */ name, /** @type {string | Buffer} */ content) =>
      fs.writeFileSync(path.join(directory, name), content);
    write('embd_tokens.f32', Buffer.from(Float32Array.from(all).buffer));
    write('embd_pooled.f32', Buffer.from(Float32Array.from(pooled).buffer));
    write('model.gguf', file);
    write('tokens.json', `${JSON.stringify({ tokens })}\n`);
    write('case.json', `${JSON.stringify(info, null, 1)}\n`);
    return {
      group: 'arch',
      name: c.name,
      architecture: c.arch,
      kind: 'embedding',
      n_vocab: vocab,
      n_ctx: c.context,
      tolerance_max_abs: info.tolerance.max_abs,
      files: fs.readdirSync(directory).sort(),
      note: c.note,
    };
  });
}
