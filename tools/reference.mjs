// A model in double precision, written for reading: what the engine's logits are compared with where no other
// implementation is at hand. Knows llama, qwen2, gemma3 and the recurrent mixers of reference-recurrent.mjs; shares no
// code with the engine.

import { readGguf, scalarOf, types } from './gguf.mjs';
import { decoders } from './reference-blocks.mjs';
import { recurrentMixer } from './reference-recurrent.mjs';

/** @typedef {{ row: number, data: Float64Array, blocks: boolean }} Matrix rows of `row` numbers; blocks: was quantized */

/** Rotates the pairs of one head: neighbours, or (i, i + n/2) for neox. @param {Float64Array} x @param {number} position @param {number} base @param {boolean} neox @param {Float64Array | undefined} factors */
function rope(x, position, base, neox, factors) {
  const n = x.length / 2;
  for (let i = 0; i < n; i++) {
    const angle = (position * base ** (-i / n)) / (factors?.[i] ?? 1);
    const [a, b] = neox ? [i, i + n] : [2 * i, 2 * i + 1];
    const [u, v] = [x[a], x[b]];
    x[a] = u * Math.cos(angle) - v * Math.sin(angle);
    x[b] = u * Math.sin(angle) + v * Math.cos(angle);
  }
}

const silu = (/** @type {number} */ v) => v / (1 + Math.exp(-v));
const gelu = (/** @type {number} */ v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));

export class Reference {
  /** @type {Map<string, Matrix>} */
  #tensors = new Map();
  /** @type {{ k: Float64Array[], v: Float64Array[] }[]} positions of each layer */
  #cache = [];
  /** @type {import('./reference-recurrent.mjs').State[]} of each recurrent layer */
  #states = [];
  #arch;
  #keys;

  /** @param {Buffer} bytes of the file @param {{ quantizeActivations?: boolean }} [options] */
  constructor(bytes, { quantizeActivations = false } = {}) {
    const { keys, tensors } = readGguf(bytes);
    this.#keys = keys;
    this.#arch = String(scalarOf(keys.get('general.architecture')));
    this.quantizeActivations = quantizeActivations;
    for (const { name, shape, typeId, at } of tensors) {
      const n = shape.reduce((a, b) => a * b, 1);
      const data = new Float64Array(n);
      decoders[typeId](bytes, at, data);
      this.#tensors.set(name, { row: shape[0], data, blocks: typeId > 1 });
    }
    this.vocab = (this.#tensors.get('token_embd.weight')?.data.length ?? 0) / this.#number('embedding_length');
  }

  /** @param {string} key @param {number} [missing] */
  #number(key, missing) {
    const value = scalarOf(this.#keys.get(`${this.#arch}.${key}`)) ?? missing;
    if (typeof value !== 'number') throw new Error(`no ${key}`);
    return value;
  }

  /** A number that may be one for each layer. @param {string} key @param {number} layer */
  #layered(key, layer) {
    const value = this.#keys.get(`${this.#arch}.${key}`);
    return value?.type === types.array ? value.raw.readInt32LE(12 + 4 * layer) : this.#number(key, 0);
  }

  /** x * weight / rms(x), in pieces as long as the weight. @param {Float64Array} x @param {string} name */
  #norm(x, name) {
    const weight = this.#tensors.get(name)?.data;
    if (!weight) return x;
    const eps = this.#number('attention.layer_norm_rms_epsilon');
    const y = new Float64Array(x.length);
    for (let at = 0; at < x.length; at += weight.length) {
      const part = x.subarray(at, at + weight.length);
      const scale = 1 / Math.sqrt(part.reduce((sum, v) => sum + v * v, 0) / part.length + eps);
      part.forEach((v, i) => (y[at + i] = v * scale * weight[i]));
    }
    return y;
  }

  /** Matrix times x, plus the bias where there is one. @param {string} name without .weight @param {Float64Array} x */
  #linear(name, x) {
    const matrix = this.#tensors.get(`${name}.weight`);
    const bias = this.#tensors.get(`${name}.bias`)?.data;
    if (!matrix) throw new Error(`no ${name}`);
    const { row, data } = matrix;
    const input = this.quantizeActivations && matrix.blocks ? eightBits(x) : x;
    return Float64Array.from({ length: data.length / row }, (_, r) => {
      let sum = bias?.[r] ?? 0;
      for (let i = 0; i < row; i++) sum += data[r * row + i] * input[i];
      return sum;
    });
  }

  /** @param {number} layer @param {number} position @param {Float64Array} x */
  #attention(layer, position, x) {
    const at = `blk.${layer}.`;
    const heads = this.#number('attention.head_count');
    const kvHeads = this.#layered('attention.head_count_kv', layer);
    const width = this.#tensors.get(`${at}attn_output.weight`)?.row ?? 0;
    const all = this.#linear(`${at}attn_q`, x);
    const gated = all.length === 2 * width; // every head's queries, then its gate
    /** @param {number} part */
    const half = (part) => all.filter((_, i) => Math.floor(i / (width / heads)) % 2 === part);
    const q = this.#norm(gated ? half(0) : all, `${at}attn_q_norm.weight`);
    const k = this.#norm(this.#linear(`${at}attn_k`, x), `${at}attn_k_norm.weight`);
    const v = this.#linear(`${at}attn_v`, x);
    const dim = q.length / heads;
    const local = this.#arch === 'gemma3' && layer % 6 !== 5;
    const base = local ? 10000 : this.#number('rope.freq_base', 10000);
    const factors = this.#tensors.get('rope_freqs.weight')?.data;
    const turned = this.#number('rope.dimension_count', dim);
    for (const part of [q, k]) {
      for (let h = 0; h < part.length; h += dim)
        rope(part.subarray(h, h + turned), position, base, this.#arch !== 'llama', factors);
    }
    const cache = (this.#cache[layer] ??= { k: [], v: [] });
    cache.k[position] = k;
    cache.v[position] = v;
    const first = local ? Math.max(0, position - this.#number('attention.sliding_window') + 1) : 0;
    const out = new Float64Array(q.length);
    for (let h = 0; h < heads; h++) {
      const shared = Math.floor(h / (heads / kvHeads)) * dim;
      const scores = [];
      for (let p = first; p <= position; p++) {
        let dot = 0;
        for (let i = 0; i < dim; i++) dot += q[h * dim + i] * cache.k[p][shared + i];
        scores.push(dot / Math.sqrt(dim));
      }
      const top = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - top));
      const sum = weights.reduce((a, b) => a + b, 0);
      weights.forEach((w, j) => {
        for (let i = 0; i < dim; i++) out[h * dim + i] += (w / sum) * cache.v[first + j][shared + i];
      });
    }
    const gate = gated ? half(1) : null;
    return this.#linear(`${at}attn_output`, gate ? out.map((v, i) => v / (1 + Math.exp(-gate[i]))) : out);
  }

  /** Attention, a recurrent mixer, or the sum of both. @param {number} layer @param {number} position @param {Float64Array} x */
  #mixer(layer, position, x) {
    const at = `blk.${layer}.`;
    const parts = [];
    if (this.#tensors.has(`${at}attn_q.weight`)) parts.push(this.#attention(layer, position, x));
    if (['ssm_in', 'ssm_beta', 'shortconv.in_proj'].some((name) => this.#tensors.has(`${at}${name}.weight`))) {
      const state = (this.#states[layer] ??= { past: [], scan: new Float64Array(0) });
      /** @type {import('./reference-recurrent.mjs').View} */
      const view = {
        linear: (name, v) => this.#linear(name, v),
        norm: (v, name) => this.#norm(v, name),
        tensor: (name) => this.#tensors.get(name)?.data,
        number: (key, missing) => this.#number(key, missing),
      };
      parts.push(recurrentMixer(view, at, state, x));
    }
    return parts.reduce((sum, part) => sum.map((v, i) => v + part[i]));
  }

  /** Logits of one token at a position; positions come in order. @param {number} token @param {number} position */
  step(token, position) {
    const n = this.#number('embedding_length');
    const gemma = this.#arch === 'gemma3';
    const table = /** @type {Matrix} */ (this.#tensors.get('token_embd.weight'));
    let x = table.data.slice(token * n, (token + 1) * n);
    if (gemma) x = x.map((v) => v * Math.sqrt(n));
    const add = (/** @type {Float64Array} */ y) => x.forEach((v, i) => (x[i] = v + y[i]));
    for (let layer = 0; layer < this.#number('block_count'); layer++) {
      const at = `blk.${layer}.`;
      // A file without an FFN norm calls it the norm after attention.
      const own = this.#tensors.has(`${at}ffn_norm.weight`);
      const mixed = this.#mixer(layer, position, this.#norm(x, `${at}attn_norm.weight`));
      add(own ? this.#norm(mixed, `${at}post_attention_norm.weight`) : mixed);
      if (!this.#tensors.has(`${at}ffn_up.weight`)) continue;
      const input = this.#norm(x, `${at}${own ? 'ffn' : 'post_attention'}_norm.weight`);
      const up = this.#linear(`${at}ffn_up`, input);
      const inner = this.#linear(`${at}ffn_gate`, input).map((v, i) => (gemma ? gelu(v) : silu(v)) * up[i]);
      add(this.#norm(this.#linear(`${at}ffn_down`, inner), `${at}post_ffw_norm.weight`));
    }
    return this.#linear(
      this.#tensors.has('output.weight') ? 'output' : 'token_embd',
      this.#norm(x, this.#tensors.has('output_norm.weight') ? 'output_norm.weight' : 'token_embd_norm.weight'),
    );
  }
}

/** Rounds blocks of 32 to 8 bits, as a fast engine does. @param {Float64Array} x */
function eightBits(x) {
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += 32) {
    const part = x.subarray(at, at + 32);
    const scale = part.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / 127;
    part.forEach((v, i) => (y[at + i] = scale ? Math.round(v / scale) * scale : 0));
  }
  return y;
}
