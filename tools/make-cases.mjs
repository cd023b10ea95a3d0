// Writes tests/cases: tiny models of random weights with the logits that a double-precision reference gives.
//   node tools/make-cases.mjs [FOLDER]
// The same bytes each time. The format is described in tests/cases/README.md.

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { makeEncoderCases } from './encoder-cases.mjs';
import { GgufWriter, align } from './gguf.mjs';
import { fillWeights, randomNumbers } from './random-blocks.mjs';
import { addMixer, recurrentKeys } from './recurrent-tensors.mjs';
import { Reference } from './reference.mjs';

/**
 * @typedef {object} Case
 * @property {string} group @property {string} name @property {string} arch @property {string} note @property {number} seed
 * @property {number} embd @property {number} layers @property {number} ffn @property {number} heads
 * @property {number} kvHeads @property {number} headDim @property {number} ropeBase @property {number} eps
 * @property {'bpe' | 'spm'} vocab @property {boolean} tied @property {number} [window]
 * @property {number[]} [kvLayers] key/value heads of each layer instead of kvHeads
 * @property {import('./recurrent-tensors.mjs').Recurrent} [ssm] recurrent layers
 * @property {Record<string, string>} [types] of the matrices, by role; F32 where none is given
 */

/** @type {Case[]} */
const cases = [
  { group: 'arch', name: 'llama-gqa-tied-ropefreqs', arch: 'llama', note: 'tied output matrix, rope_freqs', seed: 1, embd: 48, layers: 2, ffn: 80, heads: 3, kvHeads: 1, headDim: 16, ropeBase: 500000, eps: 1e-5, vocab: 'bpe', tied: true },
  { group: 'arch', name: 'llama-spm-untied', arch: 'llama', note: 'output matrix of its own, SPM vocabulary', seed: 2, embd: 32, layers: 2, ffn: 56, heads: 2, kvHeads: 2, headDim: 16, ropeBase: 10000, eps: 1e-5, vocab: 'spm', tied: false },
  { group: 'arch', name: 'qwen2', arch: 'qwen2', note: 'biases of q, k and v', seed: 3, embd: 40, layers: 2, ffn: 72, heads: 4, kvHeads: 2, headDim: 10, ropeBase: 1000000, eps: 1e-6, vocab: 'bpe', tied: true },
  { group: 'arch', name: 'gemma3', arch: 'gemma3', note: 'layers 0-4 and 6 local (window 12, rope base 10000), layer 5 global', seed: 4, embd: 32, layers: 7, ffn: 40, heads: 2, kvHeads: 1, headDim: 16, ropeBase: 1000000, eps: 1e-6, vocab: 'spm', tied: true, window: 12 },
  { group: 'arch', name: 'mamba', arch: 'mamba', note: 'time steps, B and C normalised, states no multiple of 8', seed: 7, embd: 24, layers: 2, ffn: 0, heads: 0, kvHeads: 0, headDim: 0, ropeBase: 10000, eps: 1e-5, vocab: 'bpe', tied: true, ssm: { conv: 4, inner: 40, state: 12, rank: 3, norms: true } },
  { group: 'arch', name: 'mamba2', arch: 'mamba2', note: 'two groups, heads of 10', seed: 8, embd: 28, layers: 2, ffn: 0, heads: 0, kvHeads: 0, headDim: 0, ropeBase: 10000, eps: 1e-5, vocab: 'bpe', tied: true, ssm: { conv: 4, inner: 40, state: 24, rank: 4, groups: 2 } },
  { group: 'arch', name: 'falcon-h1', arch: 'falcon-h1', note: 'attention and Mamba-2 side by side', seed: 9, embd: 24, layers: 2, ffn: 40, heads: 3, kvHeads: 1, headDim: 8, ropeBase: 100000, eps: 1e-5, vocab: 'bpe', tied: true, ssm: { conv: 3, inner: 32, state: 16, rank: 4, groups: 1 } },
  { group: 'arch', name: 'lfm2', arch: 'lfm2', note: 'short convolutions and one layer of attention', seed: 10, embd: 24, layers: 3, ffn: 32, heads: 3, kvHeads: 0, kvLayers: [0, 1, 0], headDim: 8, ropeBase: 1000000, eps: 1e-5, vocab: 'bpe', tied: true, ssm: { conv: 3 } },
  { group: 'arch', name: 'qwen35', arch: 'qwen35', note: 'gated delta nets, every second layer attention with a gate', seed: 11, embd: 24, layers: 2, ffn: 32, heads: 3, kvHeads: 1, headDim: 8, ropeBase: 1000000, eps: 1e-6, vocab: 'bpe', tied: true, ssm: { conv: 4, inner: 32, state: 12, rank: 4, groups: 2, period: 2 } },
  {
    group: 'quantmodel', name: 'llama-k-mix', arch: 'llama', note: 'every matrix of a layer in another type', seed: 5, embd: 256, layers: 1, ffn: 256, heads: 4, kvHeads: 1, headDim: 64, ropeBase: 10000, eps: 1e-5, vocab: 'bpe', tied: true,
    types: { embd: 'Q6_K', q: 'Q4_K', k: 'Q5_K', v: 'Q8_0', o: 'Q3_K', gate: 'Q2_K', up: 'Q4_K', down: 'Q6_K' },
  },
  {
    group: 'quantmodel', name: 'llama-legacy-mix', arch: 'llama', note: 'rows that no super-block divides', seed: 6, embd: 96, layers: 2, ffn: 160, heads: 3, kvHeads: 1, headDim: 32, ropeBase: 10000, eps: 1e-5, vocab: 'spm', tied: false,
    types: { embd: 'Q4_0', output: 'Q8_0', q: 'Q4_0', k: 'Q4_1', v: 'Q5_0', o: 'Q5_1', gate: 'Q4_1', up: 'Q5_0', down: 'Q8_0' },
  },
]; // prettier-ignore

/** How GPT-2 writes a byte as a character. */
function byteCharacters() {
  const plain = (/** @type {number} */ b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(plain(b) ? b : next++));
}

const merges = 'Ġ t|h e|i n|r e|o n|e r|Ġ a|Ġ s|Ġt he|a t|e n|n d|o r|i s|i t|e s|a n|Ġ w|o u|e d|Ġ o|i ng|Ġ in|a l|l l|a r|Ġ h|Ġa nd|Ġt o|h a|o m|Ġ b|Ġo f|Ġ f|Ġ c|i c|l e|Ġ p|r o|Ġ m|Ġ th|i on|e l|s t|o w|Ġ n|Ġ d|v e|u t|a s'.split('|'); // prettier-ignore

/** @param {GgufWriter} w @returns {number} tokens */
function addBpe(w) {
  const tokens = byteCharacters();
  const rules = [];
  for (const rule of merges) {
    const [a, b] = rule.split(' ');
    if (!tokens.includes(a) || !tokens.includes(b) || tokens.includes(a + b)) continue;
    rules.push(rule);
    tokens.push(a + b);
  }
  const plain = tokens.length;
  tokens.push('<|begin|>', '<|im_start|>', '<|im_end|>');
  w.string('tokenizer.ggml.model', 'gpt2');
  w.string('tokenizer.ggml.pre', 'gpt-2');
  w.strings('tokenizer.ggml.tokens', tokens);
  w.numbers(
    'tokenizer.ggml.token_type',
    Int32Array.from(tokens, (_, i) => (i < plain ? 1 : 3)),
  );
  w.strings('tokenizer.ggml.merges', rules);
  w.u32('tokenizer.ggml.bos_token_id', plain);
  w.u32('tokenizer.ggml.eos_token_id', plain + 2);
  w.bool('tokenizer.ggml.add_bos_token', false);
  return tokens.length;
}

/** @param {GgufWriter} w @returns {number} tokens */
function addSpm(w) {
  const tokens = ['<unk>', '<s>', '</s>'];
  const kinds = [2, 3, 3];
  for (let i = 0; i < 256; i++) {
    tokens.push(`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
    kinds.push(6);
  }
  const words = ['\u2581', ...'etaoinshrdlu', '\u2581t', 'th', 'the', '\u2581the', 'in', 'er', 'an', '\u2581a', 're', 'on', '\u2581s', 'nd', 'and', '\u2581and']; // prettier-ignore
  for (const word of words) {
    tokens.push(word);
    kinds.push(1);
  }
  w.string('tokenizer.ggml.model', 'llama');
  w.string('tokenizer.ggml.pre', 'default');
  w.strings('tokenizer.ggml.tokens', tokens);
  // Longer pieces win, earlier ones among them.
  w.numbers(
    'tokenizer.ggml.scores',
    Float32Array.from(tokens, (t, i) => (i < 259 ? 0 : t.length * 10 - i)),
  );
  w.numbers('tokenizer.ggml.token_type', Int32Array.from(kinds));
  w.u32('tokenizer.ggml.bos_token_id', 1);
  w.u32('tokenizer.ggml.eos_token_id', 2);
  w.u32('tokenizer.ggml.unknown_token_id', 0);
  w.bool('tokenizer.ggml.add_bos_token', true);
  w.bool('tokenizer.ggml.add_eos_token', false);
  return tokens.length;
}

/** @param {Case} c */
function makeModel(c) {
  const w = new GgufWriter();
  const a = c.arch;
  w.string('general.architecture', a);
  w.string('general.name', 'tiny random test model');
  /** @type {Record<string, number>} */
  const metadata = {
    context_length: 256,
    embedding_length: c.embd,
    block_count: c.layers,
    feed_forward_length: c.ffn,
    'attention.head_count': c.heads,
    'attention.head_count_kv': c.kvHeads,
    'attention.layer_norm_rms_epsilon': c.eps,
    'rope.freq_base': c.ropeBase,
    ...(a === 'gemma3'
      ? {
          'attention.key_length': c.headDim,
          'attention.value_length': c.headDim,
          'attention.sliding_window': c.window ?? 0,
        }
      : c.heads
        ? { 'rope.dimension_count': c.headDim }
        : {}),
    ...(c.ssm ? recurrentKeys(c.ssm) : {}),
  };
  for (const [key, value] of Object.entries(metadata)) {
    if (key === 'attention.head_count_kv' && c.kvLayers) w.numbers(`${a}.${key}`, Int32Array.from(c.kvLayers));
    else if (/epsilon|freq_base/.test(key)) w.f32(`${a}.${key}`, value);
    else w.u32(`${a}.${key}`, value);
  }
  const vocab = c.vocab === 'bpe' ? addBpe(w) : addSpm(w);
  /** @param {string} name @param {string} role @param {number} row @param {number} rows */
  const matrix = (name, role, row, rows) => w.tensor(`${name}.weight`, c.types?.[role] ?? 'F32', [row, rows]);
  /** @param {string} name @param {number} n */
  const vector = (name, n) => w.tensor(name, 'F32', [n]);
  const q = c.heads * c.headDim;
  /** @param {string} at @param {number} kv rows of the keys */
  const addAttention = (at, kv) => {
    matrix(`${at}attn_q`, 'q', c.embd, c.ssm?.period ? 2 * q : q);
    matrix(`${at}attn_k`, 'k', c.embd, kv);
    matrix(`${at}attn_v`, 'v', c.embd, kv);
    if (a === 'qwen2') for (const [name, n] of /** @type {[string, number][]} */ ([['q', q], ['k', kv], ['v', kv]])) vector(`${at}attn_${name}.bias`, n); // prettier-ignore
    if (a === 'gemma3' || a === 'lfm2' || c.ssm?.period) for (const name of ['q', 'k']) vector(`${at}attn_${name}_norm.weight`, c.headDim); // prettier-ignore
    matrix(`${at}attn_output`, 'o', q, c.embd);
  };
  matrix('token_embd', 'embd', c.embd, vocab);
  vector(a === 'lfm2' ? 'token_embd_norm.weight' : 'output_norm.weight', c.embd);
  if (!c.tied) matrix('output', 'output', c.embd, vocab);
  if (c.name.includes('ropefreqs')) vector('rope_freqs.weight', c.headDim / 2);
  for (let i = 0; i < c.layers; i++) {
    const at = `blk.${i}.`;
    vector(`${at}attn_norm.weight`, c.embd);
    const kvHeads = c.kvLayers?.[i] ?? c.kvHeads;
    const kv = kvHeads * c.headDim;
    const period = c.ssm?.period;
    const attends = period ? (i + 1) % period === 0 : kvHeads > 0;
    if (c.ssm && !(attends && (period || !c.ssm.inner))) addMixer(w, at, c.ssm, c.embd);
    if (attends) addAttention(at, kv);
    if (!c.ffn) continue;
    if (a === 'gemma3') vector(`${at}post_attention_norm.weight`, c.embd);
    vector(`${at}${period ? 'post_attention' : 'ffn'}_norm.weight`, c.embd);
    matrix(`${at}ffn_gate`, 'gate', c.embd, c.ffn);
    matrix(`${at}ffn_up`, 'up', c.embd, c.ffn);
    matrix(`${at}ffn_down`, 'down', c.ffn, c.embd);
    if (a === 'gemma3') vector(`${at}post_ffw_norm.weight`, c.embd);
  }
  const random = randomNumbers(c.seed);
  const data = Buffer.alloc(w.dataBytes);
  for (const t of w.tensors) {
    const bytes = Buffer.alloc(align(t.bytes)).subarray(0, t.bytes);
    const flat = t.shape.length === 1;
    fillWeights(
      t.type.name,
      bytes,
      random,
      flat ? 0.1 : (t.name.startsWith('token_embd') ? 2 : 1.5) / Math.sqrt(t.shape[0]),
    );
    if (/ssm_a$/.test(t.name)) for (let i = 0; i < bytes.length; i += 4) bytes.writeFloatLE(-0.05 - Math.abs(bytes.readFloatLE(i)), i); // prettier-ignore
    if ((flat && t.name.includes('norm')) || /ssm_(d|norm\.weight)$/.test(t.name))
      for (let i = 0; i < bytes.length; i += 4) bytes.writeFloatLE(bytes.readFloatLE(i) + 1, i);
    if (t.name === 'rope_freqs.weight') for (let i = 0; i < bytes.length; i += 4) bytes.writeFloatLE(1 + i / 4, i);
    bytes.copy(data, t.offset);
  }
  const tensor_types = Object.fromEntries(w.tensors.map((t) => [t.name, t.type.name]));
  return { file: Buffer.concat([w.header(), data]), vocab, metadata, tensor_types };
}

/** Logits of all prompt positions and 16 greedy steps. @param {Reference} model @param {number[]} tokens */
function run(model, tokens) {
  const rows = tokens.map((token, i) => model.step(token, i));
  /** @type {number[]} */
  const greedy = [];
  const margins = [];
  for (
    let row = rows[rows.length - 1];
    greedy.length < 16;
    row = model.step(greedy[greedy.length - 1], tokens.length + greedy.length - 1)
  ) {
    const order = Array.from(row.keys()).sort((i, j) => row[j] - row[i] || i - j);
    greedy.push(order[0]);
    margins.push(Number((row[order[0]] - row[order[1]]).toPrecision(6)));
  }
  return { rows, greedy, margins };
}

/** @param {Float64Array[]} rows @param {Float64Array[]} [other] */
function measure(rows, other) {
  const all = rows.flatMap((row) => Array.from(row));
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  const power = all.reduce((a, b) => a + b * b, 0);
  const differences = other ? other.flatMap((row, i) => Array.from(row, (v, j) => v - rows[i][j])) : [0];
  return {
    std: Math.sqrt(power / all.length - mean * mean),
    maxAbs: differences.reduce((m, d) => Math.max(m, Math.abs(d)), 0),
    nmse: differences.reduce((a, d) => a + d * d, 0) / power,
  };
}

/** @param {number} v */
const rounded = (v) => Number(v.toPrecision(2));

/** @param {string} folder @param {Case} c */
function makeCase(folder, c) {
  const directory = path.join(folder, c.group, c.name);
  fs.mkdirSync(directory, { recursive: true });
  const { file, vocab, metadata, tensor_types } = makeModel(c);
  const random = randomNumbers(c.seed + 100);
  const tokens = Array.from({ length: c.types ? 24 : 48 }, () => random() % vocab);
  const exact = run(new Reference(file), tokens);
  // Of the unquantized cases the last positions are enough; quantized ones are compared as a whole.
  const from = c.types ? 0 : tokens.length - 16;
  exact.rows = exact.rows.slice(from);
  const { std } = measure(exact.rows);
  const shape = [exact.rows.length, vocab];
  const tolerance = { max_abs: rounded(Math.max(2e-4 * std, 1e-5)), nmse: 1e-9 };
  /** @param {{ greedy: number[], margins: number[] }} result @param {number} maxAbs */
  const checked = ({ margins }, maxAbs) => {
    const n = margins.findIndex((margin) => margin < 2 * maxAbs);
    return n < 0 ? margins.length : n;
  };
  /** @param {string} name @param {Float64Array[]} rows */
  const write = (name, rows) =>
    fs.writeFileSync(
      path.join(directory, name),
      Buffer.from(Float32Array.from(rows.flatMap((row) => Array.from(row))).buffer),
    );
  /** @type {Record<string, unknown>} */
  const json = {
    name: c.name,
    architecture: c.arch,
    kind: c.types ? 'causal-lm-quantised' : 'causal-lm',
    seed: c.seed,
    n_vocab: vocab,
    n_ctx: 256,
    note: c.note,
    metadata,
  };
  let first = exact;
  if (c.types) {
    // Two references: activations in 8 bits, and as they are. The first only says how far 8 bits may lead astray.
    first = run(new Reference(file, { quantizeActivations: true }), tokens);
    const noise = measure(exact.rows, first.rows);
    json.tensor_types = tensor_types;
    json.logits_dequant = { file: 'logits_dequant.f32', shape, std, tolerance };
    json.tolerance = { max_abs: rounded(4 * noise.maxAbs), nmse: rounded(16 * noise.nmse) };
    json.greedy_dequant = exact.greedy;
    json.greedy_dequant_margin = exact.margins;
    json.greedy_dequant_checked = checked(exact, tolerance.max_abs);
    write('logits_dequant.f32', exact.rows);
  } else {
    json.weights = 'F32';
    json.tolerance = tolerance;
  }
  const bounds = /** @type {{ max_abs: number }} */ (json.tolerance);
  const positions = c.types ? {} : { positions: exact.rows.map((_, i) => from + i) };
  json.logits = { file: 'logits.f32', shape, dtype: 'float32', byte_order: 'little', ...positions, std };
  json.greedy = first.greedy;
  json.greedy_margin = first.margins;
  json.greedy_checked = checked(first, bounds.max_abs);
  write('logits.f32', first.rows);
  fs.writeFileSync(path.join(directory, 'model.gguf'), file);
  fs.writeFileSync(path.join(directory, 'tokens.json'), `${JSON.stringify({ tokens })}\n`);
  fs.writeFileSync(path.join(directory, 'case.json'), `${JSON.stringify(json, null, 1)}\n`);
  return {
    group: c.group,
    name: c.name,
    architecture: c.arch,
    kind: json.kind,
    n_vocab: vocab,
    n_ctx: 256,
    tolerance_max_abs: bounds.max_abs,
    files: fs.readdirSync(directory).sort(),
    note: c.note,
  };
}

/** Writes all cases below a folder. @param {string} folder */
export function makeCases(folder) {
  const index = [...cases.map((c) => makeCase(folder, c)), ...makeEncoderCases(folder, addBpe)];
  fs.writeFileSync(path.join(folder, 'index.json'), `${JSON.stringify(index, null, 1)}\n`);
  return index;
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href) {
  const folder = process.argv[2] ?? fileURLToPath(new URL('../tests/cases', import.meta.url));
  for (const entry of makeCases(folder)) console.log(`${entry.group}/${entry.name}: within ${entry.tolerance_max_abs}`);
}
