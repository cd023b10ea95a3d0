// Writes a BERT (MiniLM, BGE, E5 … as sentence-transformers keeps them) as GGUF:
//   node tools/bert-gguf.mjs FOLDER OUT.gguf [f32|f16]
// FOLDER has config.json, vocab.txt, model.safetensors and, for the pooling, 1_Pooling/config.json.

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { align, GgufWriter } from './gguf.mjs';
import { half } from './random-blocks.mjs';
import { fromHalf } from './reference-blocks.mjs';

/** Names of a block's tensors, there and here. */
const blockNames = {
  'attention.self.query': 'attn_q',
  'attention.self.key': 'attn_k',
  'attention.self.value': 'attn_v',
  'attention.output.dense': 'attn_output',
  'attention.output.LayerNorm': 'attn_output_norm',
  'intermediate.dense': 'ffn_up',
  'output.dense': 'ffn_down',
  'output.LayerNorm': 'layer_output_norm',
};
/** @type {Record<string, string>} */
const names = {
  'embeddings.word_embeddings': 'token_embd',
  'embeddings.position_embeddings': 'position_embd',
  'embeddings.token_type_embeddings': 'token_types',
  'embeddings.LayerNorm': 'token_embd_norm',
  'pooler.dense': 'cls',
  classifier: 'cls.output',
};

/** The name in a GGUF file; undefined for what it does not keep. @param {string} name */
function renamed(name) {
  const [, stem, kind] = /^(?:bert\.)?(.*)\.(weight|bias)$/.exec(name) ?? [];
  const [, layer, inner] = /^encoder\.layer\.(\d+)\.(.*)$/.exec(stem ?? '') ?? [];
  const own = layer
    ? blockNames[/** @type {keyof typeof blockNames} */ (inner)] && `blk.${layer}.${blockNames[/** @type {keyof typeof blockNames} */ (inner)]}`
    : names[stem]; // prettier-ignore
  return own && `${own}.${kind}`;
}

/** @param {string} file @returns {Map<string, { shape: number[], values: Float32Array }>} */
function readTensors(file) {
  const bytes = fs.readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const tensors = new Map();
  for (const [name, info] of Object.entries(JSON.parse(bytes.toString('utf8', 8, start)))) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: [from, to] } = info; // prettier-ignore
    if (!['F32', 'F16', 'BF16', 'I64'].includes(dtype)) throw new Error(`${name} has the type ${dtype}`);
    if (dtype === 'I64') continue;
    const data = bytes.subarray(start + from, start + to);
    const size = dtype === 'F32' ? 4 : 2;
    const values = Float32Array.from({ length: data.length / size }, (_, i) =>
      dtype === 'F32'
        ? data.readFloatLE(4 * i)
        : dtype === 'F16'
          ? fromHalf(data.readUInt16LE(2 * i))
          : new Float32Array(Uint32Array.of(data.readUInt16LE(2 * i) << 16).buffer)[0],
    );
    tensors.set(name, { shape, values });
  }
  return tensors;
}

/** How WordPiece tokens stand in a GGUF file: a word's first piece is marked, not the others. @param {string} token */
function marked(token) {
  if (/^\[.*\]$/.test(token)) return token;
  return token.startsWith('##') ? token.slice(2) : `\u2581${token}`;
}

/** @param {string} folder @param {string} out @param {string} type */
export function convert(folder, out, type) {
  const read = (/** @type {string} */ name) => fs.readFileSync(path.join(folder, name), 'utf8');
  const config = JSON.parse(read('config.json'));
  if (config.model_type !== 'bert') throw new Error(`the model is a ${config.model_type}, not a bert`);
  const w = new GgufWriter();
  w.string('general.architecture', 'bert');
  w.string('general.name', path.basename(path.resolve(folder)));
  w.u32('bert.context_length', config.max_position_embeddings);
  w.u32('bert.embedding_length', config.hidden_size);
  w.u32('bert.block_count', config.num_hidden_layers);
  w.u32('bert.feed_forward_length', config.intermediate_size);
  w.u32('bert.attention.head_count', config.num_attention_heads);
  w.f32('bert.attention.layer_norm_epsilon', config.layer_norm_eps);
  w.bool('bert.attention.causal', false);
  const tensors = readTensors(path.join(folder, 'model.safetensors'));
  const ranks = tensors.has('classifier.weight');
  const pooling = path.join(folder, '1_Pooling/config.json');
  const cls = fs.existsSync(pooling) && JSON.parse(fs.readFileSync(pooling, 'utf8')).pooling_mode_cls_token;
  w.u32('bert.pooling_type', ranks ? 4 : cls ? 2 : 1);
  const tokens = read('vocab.txt').split('\n').filter(Boolean).map((line) => line.replace('\r', '')); // prettier-ignore
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  w.string('tokenizer.ggml.model', 'bert');
  w.strings('tokenizer.ggml.tokens', tokens.map(marked));
  w.numbers(
    'tokenizer.ggml.token_type',
    Int32Array.from(tokens, (t) => (special.includes(t) ? 3 : 1)),
  );
  for (const [key, token] of Object.entries({
    bos: '[CLS]',
    cls: '[CLS]',
    eos: '[SEP]',
    seperator: '[SEP]',
    unknown: '[UNK]',
    padding: '[PAD]',
    mask: '[MASK]',
  }))
    // prettier-ignore
    w.u32(`tokenizer.ggml.${key}_token_id`, tokens.indexOf(token));
  const kept = [...tensors].flatMap(([name, { shape, values }]) => {
    const own = renamed(name);
    if (!own || (own.startsWith('cls') && !ranks)) return [];
    const half16 = type === 'f16' && shape.length > 1 && !own.startsWith('position');
    w.tensor(own, half16 ? 'F16' : 'F32', [...shape].reverse());
    return [half16 ? Buffer.from(Uint16Array.from(values, half).buffer) : Buffer.from(values.buffer)];
  });
  const file = fs.openSync(out, 'w');
  fs.writeSync(file, w.header());
  for (const data of kept) fs.writeSync(file, Buffer.concat([data, Buffer.alloc(align(data.length) - data.length)]));
  fs.closeSync(file);
}

const [folder, out, type = 'f16'] = process.argv.slice(2);
if (!folder || !out) {
  console.error('node tools/bert-gguf.mjs FOLDER OUT.gguf [f32|f16]');
  process.exitCode = 2;
} else convert(folder, out, type);
