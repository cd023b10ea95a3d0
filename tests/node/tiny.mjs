// A GGUF file made here: a Llama of random weights with a byte-level SentencePiece vocabulary, so that the tests
// need no other file. Equal options give equal bytes.

const U32 = 4;
const I32 = 5;
const F32 = 6;
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

/** Grows a little-endian buffer. */
class Writer {
  #bytes = new Uint8Array(1 << 16);
  size = 0;

  #room(n) {
    if (this.size + n > this.#bytes.length) {
      const more = new Uint8Array(Math.max(this.#bytes.length * 2, this.size + n));
      more.set(this.#bytes);
      this.#bytes = more;
    }
    const view = new DataView(this.#bytes.buffer, this.size, n);
    this.size += n;
    return view;
  }
  u8(v) {
    this.#room(1).setUint8(0, v);
  }
  u32(v) {
    this.#room(4).setUint32(0, v, true);
  }
  u64(v) {
    this.#room(8).setBigUint64(0, BigInt(v), true);
  }
  f32(v) {
    this.#room(4).setFloat32(0, v, true);
  }
  text(v) {
    const bytes = new TextEncoder().encode(v);
    this.u64(bytes.length);
    this.raw(bytes);
  }
  raw(bytes) {
    const view = this.#room(bytes.byteLength);
    new Uint8Array(view.buffer, view.byteOffset, bytes.byteLength).set(bytes);
  }
  pad(multiple) {
    while (this.size % multiple) this.#room(1).setUint8(0, 0);
  }
  done() {
    return this.#bytes.slice(0, this.size);
  }
}

export const TEMPLATE =
  '{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}';

/**
 * @param {{layers?: number, width?: number, heads?: number, context?: number, seed?: number, template?: string,
 *   rerank?: string}} [options] rerank: the template of a reranker, which gets a head of two scores
 * @returns {Uint8Array}
 */
export function tinyGguf({
  layers = 2,
  width = 64,
  heads = 4,
  context = 2048,
  seed = 1,
  template = TEMPLATE,
  rerank = '',
} = {}) {
  const tokens = ['<unk>', '<s>', '</s>', '<|system|>', '<|user|>', '<|assistant|>'];
  const types = [2, 3, 3, 4, 4, 4];
  for (let i = 0; i < 256; i++) {
    tokens.push(`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
    types.push(6);
  }
  for (const c of '▁abcdefghijklmnopqrstuvwxyz.,') tokens.push(c);
  tokens.push('▁the', 'he', 'th', '▁t', 'in', 'an', '▁a', 'er');
  while (types.length < tokens.length) types.push(1);
  const vocabulary = tokens.length;
  const hidden = width * 2;

  /** @type {[string, number[], number][]} name, shape (fastest first), spread */
  const tensors = [['token_embd.weight', [width, vocabulary], 1]];
  /* Blocks are stored last to first, so that the order of the file is not the order of the work. */
  for (let i = layers - 1; i >= 0; i--) {
    const of = (name, shape, spread = 1 / Math.sqrt(shape[0])) =>
      tensors.push([`blk.${i}.${name}.weight`, shape, spread]);
    of('ffn_down', [hidden, width]);
    of('ffn_gate', [width, hidden]);
    of('ffn_up', [width, hidden]);
    of('ffn_norm', [width], 0);
    of('attn_norm', [width], 0);
    of('attn_q', [width, width]);
    of('attn_k', [width, width / 2]);
    of('attn_v', [width, width / 2]);
    of('attn_output', [width, width]);
  }
  tensors.push(['output_norm.weight', [width], 0], ['output.weight', [width, vocabulary], 0.3]);

  /** @type {[string, number, any, number?][]} */
  const keys = [
    ['general.architecture', STRING, 'llama'],
    ['general.name', STRING, 'Tiny'],
    ['llama.context_length', U32, context],
    ['llama.embedding_length', U32, width],
    ['llama.block_count', U32, layers],
    ['llama.feed_forward_length', U32, hidden],
    ['llama.attention.head_count', U32, heads],
    ['llama.attention.head_count_kv', U32, heads / 2],
    ['llama.attention.layer_norm_rms_epsilon', F32, 1e-5],
    ['llama.rope.dimension_count', U32, width / heads],
    ['llama.vocab_size', U32, vocabulary],
    ['tokenizer.ggml.model', STRING, 'llama'],
    ['tokenizer.ggml.tokens', ARRAY, tokens, STRING],
    ['tokenizer.ggml.scores', ARRAY, tokens.map((t, i) => (i < 262 ? 0 : t.length * 10 - i * 0.01)), F32],
    ['tokenizer.ggml.token_type', ARRAY, types, I32],
    ['tokenizer.ggml.bos_token_id', U32, 1],
    ['tokenizer.ggml.eos_token_id', U32, 2],
    ['tokenizer.ggml.unknown_token_id', U32, 0],
    ['tokenizer.chat_template', STRING, template],
  ];
  if (rerank) {
    keys.push(['tokenizer.chat_template.rerank', STRING, rerank], ['llama.pooling_type', U32, 4]);
    tensors.push(['cls.output.weight', [width, 2], 0.3]);
  }
  return write(keys, tensors, seed);
}

/**
 * A BERT of random weights with a WordPiece vocabulary of letters; with a head it is a reranker.
 * @param {{layers?: number, width?: number, heads?: number, context?: number, seed?: number, rank?: boolean}} [options]
 * @returns {Uint8Array}
 */
export function tinyEncoder({ layers = 2, width = 32, heads = 2, context = 64, seed = 1, rank = false } = {}) {
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const types = [3, 3, 3, 3, 3];
  for (const c of 'abcdefghijklmnopqrstuvwxyz.,?') tokens.push(`▁${c}`, c);
  tokens.push('▁the', '▁cat', '▁dog', 'at', 'og', 'ing');
  while (types.length < tokens.length) types.push(1);
  const hidden = width * 2;
  /** @type {[string, number[], number][]} name, shape (fastest first), spread; 0: ones */
  const tensors = [
    ['token_embd.weight', [width, tokens.length], 1],
    ['position_embd.weight', [width, context], 0.3],
    ['token_types.weight', [width, 2], 0.3],
    ['token_embd_norm.weight', [width], 0],
    ['token_embd_norm.bias', [width], 0.1],
  ];
  for (let i = 0; i < layers; i++) {
    const pair = (name, inner, outer) =>
      tensors.push(
        [`blk.${i}.${name}.weight`, [inner, outer], 1 / Math.sqrt(inner)],
        [`blk.${i}.${name}.bias`, [outer], 0.1],
      );
    const norm = (name) =>
      tensors.push([`blk.${i}.${name}.weight`, [width], 0], [`blk.${i}.${name}.bias`, [width], 0.1]);
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) pair(name, width, width);
    norm('attn_output_norm');
    pair('ffn_up', width, hidden);
    pair('ffn_down', hidden, width);
    norm('layer_output_norm');
  }
  if (rank) {
    tensors.push(['cls.weight', [width, width], 0.2], ['cls.bias', [width], 0.1]);
    tensors.push(['cls.output.weight', [width, 1], 0.5], ['cls.output.bias', [1], 0.1]);
  }
  const keys = [
    ['general.architecture', STRING, 'bert'],
    ['general.name', STRING, 'Tiny encoder'],
    ['bert.context_length', U32, context],
    ['bert.embedding_length', U32, width],
    ['bert.block_count', U32, layers],
    ['bert.feed_forward_length', U32, hidden],
    ['bert.attention.head_count', U32, heads],
    ['bert.attention.layer_norm_epsilon', F32, 1e-12],
    ['bert.attention.causal', BOOL, 0],
    ['bert.pooling_type', U32, rank ? 4 : 1],
    ['tokenizer.ggml.model', STRING, 'bert'],
    ['tokenizer.ggml.tokens', ARRAY, tokens, STRING],
    ['tokenizer.ggml.token_type', ARRAY, types, I32],
    ['tokenizer.ggml.bos_token_id', U32, 2],
    ['tokenizer.ggml.eos_token_id', U32, 3],
    ['tokenizer.ggml.unknown_token_id', U32, 1],
    ['tokenizer.ggml.seperator_token_id', U32, 3],
    ['tokenizer.ggml.padding_token_id', U32, 0],
    ['tokenizer.ggml.cls_token_id', U32, 2],
  ];
  return write(keys, tensors, seed);
}

/**
 * @param {any[][]} keys
 * @param {[string, number[], number][]} tensors
 * @param {number} seed
 * @returns {Uint8Array}
 */
function write(keys, tensors, seed) {
  const w = new Writer();
  const scalar = (type, value) => {
    if (type === STRING) w.text(value);
    else if (type === F32) w.f32(value);
    else if (type === BOOL) w.u8(value);
    else w.u32(value);
  };
  w.u32(0x46554747);
  w.u32(3);
  w.u64(tensors.length);
  w.u64(keys.length);
  for (const [key, type, value, element] of keys) {
    w.text(key);
    w.u32(type);
    if (type !== ARRAY) {
      scalar(type, value);
      continue;
    }
    w.u32(element);
    w.u64(value.length);
    for (const v of value) scalar(element, v);
  }
  let offset = 0;
  for (const [name, shape] of tensors) {
    w.text(name);
    w.u32(shape.length);
    for (const n of shape) w.u64(n);
    w.u32(0);
    w.u64(offset);
    offset = Math.ceil((offset + shape.reduce((a, b) => a * b, 4)) / 32) * 32;
  }
  w.pad(32);
  let state = seed >>> 0 || 1;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32 - 0.5;
  };
  for (const [, shape, spread] of tensors) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = spread ? random() * 3.4 * spread : 1;
    w.raw(new Uint8Array(data.buffer));
    w.pad(32);
  }
  return w.done();
}
