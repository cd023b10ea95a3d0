// Every mission family at its published shape, with random weights: written, loaded in Node, measured, deleted.
//   node tests/bench/shapes.mjs [NAME …] [--threads N] [--vocab FOLDER] [--keep FOLDER] [--json FILE] [--update README.md]
//   NAME       rows of the table below (default: all, which takes some minutes and 4 GB of disk)
//   --json     adds the rows to what the file has
//   --update   writes the table of the --json file into the README, between its two marks
//
// Prefill is of 64 tokens, decode of 16 behind them. What does not fit 4 GiB is only inspected.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { inspectModel, loadModel } from '../../js/index.js';
import { writeRandomModel } from '../../tools/random-model.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @typedef {object} Row
 * @property {string} family as the table shows it @property {string} shape @property {string} mix
 * @property {string} [vocab] @property {number} [context] @property {'f16' | 'q8_0'} [kv] @property {number} [depth]
 * @property {number} [layers] only the first so many @property {boolean} [lent] the vocabulary is a relative's
 * @property {boolean} [noTemplate] the cases have none of the family @property {boolean} [real] logits of real weights too
 */
/** @type {Row[]} */
const rows = [
  { family: 'SmolLM2 135M', real: true, shape: 'smollm2-135m', mix: 'Q4_K_M', vocab: 'real-vocab-smollm2-135m' },
  { family: 'SmolLM2 360M', shape: 'smollm2-360m', mix: 'Q4_K_M', vocab: 'real-vocab-smollm2-135m' },
  { family: 'SmolLM2 1.7B', shape: 'smollm2-1.7b', mix: 'Q4_K_M', vocab: 'real-vocab-smollm2-135m' },
  { family: 'SmolLM3 3B', lent: true, shape: 'smollm3-3b', mix: 'Q4_K_M', vocab: 'ggml-vocab-llama-bpe' },
  { family: 'TinyLlama 1.1B', noTemplate: true, shape: 'tinyllama-1.1b', mix: 'Q4_K_M', vocab: 'ggml-vocab-llama-spm' },
  { family: 'Llama 3.2 1B', shape: 'llama-3.2-1b', mix: 'Q4_K_M', vocab: 'ggml-vocab-llama-bpe' },
  { family: 'Llama 3.2 1B, 128K', shape: 'llama-3.2-1b', mix: 'Q4_K_M', vocab: 'ggml-vocab-llama-bpe', context: 131072, kv: 'q8_0', depth: 130000 },
  { family: 'Llama 3.2 3B', shape: 'llama-3.2-3b', mix: 'Q4_K_M', vocab: 'ggml-vocab-llama-bpe' },
  { family: 'Llama 3.1 8B', shape: 'llama-3.1-8b', mix: 'Q2_K', vocab: 'ggml-vocab-llama-bpe', context: 2048, kv: 'q8_0' },
  { family: 'Llama 2 7B', shape: 'llama-2-7b', mix: 'Q2_K', vocab: 'ggml-vocab-llama-spm', context: 2048, kv: 'q8_0' },
  { family: 'Mistral 7B', shape: 'mistral-7b', mix: 'Q3_K', vocab: 'hf-vocab-mistral-7b-v0.1', kv: 'q8_0' },
  { family: 'Mistral NeMo 12B', shape: 'mistral-nemo-12b', mix: 'IQ2_XXS', vocab: 'hf-vocab-mistral-nemo', kv: 'q8_0', context: 2048 },
  { family: 'Mixtral 8x7B', shape: 'mixtral-8x7b', mix: 'Q2_K', vocab: 'ggml-vocab-llama-spm' },
  { family: 'Mixtral 8x7B, 7 layers', shape: 'mixtral-8x7b', mix: 'Q2_K', vocab: 'ggml-vocab-llama-spm', layers: 7 },
  { family: 'Qwen 2.5 0.5B', shape: 'qwen2.5-0.5b', mix: 'Q4_K_M', vocab: 'ggml-vocab-qwen2' },
  { family: 'Qwen 2.5 1.5B', shape: 'qwen2.5-1.5b', mix: 'Q4_K_M', vocab: 'ggml-vocab-qwen2' },
  { family: 'DeepSeek-R1 distill 1.5B', lent: true, shape: 'r1-distill-qwen-1.5b', mix: 'Q4_K_M', vocab: 'ggml-vocab-qwen2' },
  { family: 'DeepSeek-R1 distill 8B', lent: true, shape: 'llama-3.1-8b', mix: 'IQ3_XXS', vocab: 'ggml-vocab-llama-bpe', context: 2048, kv: 'q8_0' },
  { family: 'Qwen 3 0.6B', shape: 'qwen3-0.6b', mix: 'Q4_K_M', vocab: 'hf-vocab-qwen3' },
  { family: 'Qwen 3 1.7B', shape: 'qwen3-1.7b', mix: 'Q4_K_M', vocab: 'hf-vocab-qwen3' },
  { family: 'Qwen 3 4B', shape: 'qwen3-4b', mix: 'Q4_K_M', vocab: 'hf-vocab-qwen3' },
  { family: 'Qwen 3 30B-A3B', shape: 'qwen3-30b-a3b', mix: 'Q2_K', vocab: 'hf-vocab-qwen3' },
  { family: 'Qwen 3 30B-A3B, 16 layers', shape: 'qwen3-30b-a3b', mix: 'Q2_K', vocab: 'hf-vocab-qwen3', layers: 16 },
  { family: 'Gemma 2B', shape: 'gemma-2b', mix: 'Q4_K_M' },
  { family: 'Gemma 2 2B', shape: 'gemma-2-2b', mix: 'Q4_K_M' },
  { family: 'Gemma 3 270M', real: true, shape: 'gemma-3-270m', mix: 'Q4_K_M', vocab: 'real-vocab-gemma3-270m' },
  { family: 'Gemma 3 1B', shape: 'gemma-3-1b', mix: 'Q4_K_M', vocab: 'real-vocab-gemma3-270m' },
  { family: 'Gemma 3 4B', shape: 'gemma-3-4b', mix: 'Q4_K_M', vocab: 'real-vocab-gemma3-270m' },
  { family: 'Phi-3 mini', shape: 'phi-3-mini', mix: 'Q4_K_M', vocab: 'ggml-vocab-phi-3', kv: 'q8_0' },
  { family: 'Phi-3.5 mini, 128K', shape: 'phi-3-mini-128k', mix: 'Q4_K_M', vocab: 'ggml-vocab-phi-3', kv: 'q8_0', context: 131072 },
  { family: 'Phi-3.5 mini, 8K', shape: 'phi-3-mini-128k', mix: 'Q4_K_M', vocab: 'ggml-vocab-phi-3', kv: 'q8_0', context: 8192 },
  { family: 'Phi-3 medium 14B', shape: 'phi-3-medium', mix: 'IQ2_XXS', vocab: 'ggml-vocab-phi-3', kv: 'q8_0', context: 1024 },
  { family: 'OLMo 1B', noTemplate: true, shape: 'olmo-1b', mix: 'Q4_K_M' },
  { family: 'OLMo 2 1B', noTemplate: true, shape: 'olmo-2-1b', mix: 'Q4_K_M' },
  { family: 'OLMoE 1B-7B', noTemplate: true, shape: 'olmoe-1b-7b', mix: 'Q3_K' },
  { family: 'Granite 3.1 2B', shape: 'granite-3.1-2b', mix: 'Q4_K_M' },
  { family: 'Mamba 130M', noTemplate: true, shape: 'mamba-130m', mix: 'Q8_0' },
  { family: 'Mamba 2.8B', noTemplate: true, shape: 'mamba-2.8b', mix: 'Q4_K_M' },
  { family: 'Mamba-2 130M', noTemplate: true, shape: 'mamba2-130m', mix: 'Q8_0' },
  { family: 'Falcon-H1 0.5B', shape: 'falcon-h1-0.5b', mix: 'Q4_K_M', noTemplate: true },
  { family: 'LFM2 350M', shape: 'lfm2-350m', mix: 'Q4_K_M' },
]; // prettier-ignore

/** @param {string[]} words */
function parse(words) {
  const o = {
    names: /** @type {string[]} */ ([]),
    threads: 1,
    vocab: '/work/shared/cases/tokenizer/vocab',
    keep: '',
    json: '',
    update: '',
  };
  o.vocab = process.env.SOTTO_VOCABULARIES ?? path.join(root, '../shared/cases/tokenizer/vocab');
  for (let i = 0; i < words.length; i++) {
    const value = () => words[++i] ?? process.exit(2);
    if (words[i] === '--threads') o.threads = Number(value());
    else if (words[i] === '--vocab') o.vocab = value();
    else if (words[i] === '--keep') o.keep = value();
    else if (words[i] === '--json') o.json = value();
    else if (words[i] === '--update') o.update = value();
    else o.names.push(words[i]);
  }
  return o;
}

const gib = (/** @type {number} */ n) => `${(n / 2 ** 30).toFixed(2)} GiB`;

/**
 * @param {Row} row @param {ReturnType<typeof parse>} o
 * @returns {Promise<Record<string, any>>}
 */
async function measure(row, o) {
  const folder = o.keep || os.tmpdir();
  const file = path.join(folder, `sotto-${row.shape}-${row.layers ?? 'all'}-${row.mix}.gguf`);
  const borrowed = row.vocab && path.join(o.vocab, `${row.vocab}.gguf`);
  const vocab = borrowed && fs.existsSync(borrowed) ? borrowed : undefined;
  const options = { contextLength: row.context, kvType: row.kv };
  const result = {
    family: row.family,
    shape: row.shape,
    mix: row.mix,
    kv: row.kv ?? 'f16',
    vocabulary: vocab ? 'real' : 'synthetic',
  };
  try {
    if (!fs.existsSync(file)) writeRandomModel(row.shape, row.mix, file, { vocab, layers: row.layers, empty: true });
    const info = await inspectModel(file, options);
    Object.assign(result, {
      context: info.contextLength,
      bytes: info.fileBytes[0],
      parameters: info.parameters,
      need: info.memory.total,
      largestContext: info.memory.largestContext,
    });
    if (!info.fits) {
      const refused = await loadModel(file, options).then(
        () => 'loaded?',
        (error) => error.message,
      );
      return { ...result, refused };
    }
    const begin = performance.now();
    writeRandomModel(row.shape, row.mix, file, { vocab, layers: row.layers });
    const written = performance.now();
    const model = await loadModel(file, { ...options, threads: o.threads });
    const loadMs = performance.now() - written;
    const sequence = model.createSequence();
    const ids = Uint32Array.from({ length: 64 }, (_, i) => 100 + ((i * 37) % 20000));
    const run = async (/** @type {ArrayLike<number>} */ list) => {
      const from = performance.now();
      let best = 0;
      for await (const logits of sequence.evaluate(list)) {
        if (!logits.every(Number.isFinite)) throw new Error(`${row.family}: a logit is no number`);
        for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
      }
      return { ms: performance.now() - from, best };
    };
    await run(ids.subarray(0, 8));
    if (row.depth) await sequence._fill(row.depth);
    else await sequence.truncate(0);
    let { ms, best } = await run(ids);
    const prefill = 64000 / ms;
    ms = 0;
    const n = row.depth ? 4 : 16;
    for (let i = 0; i < n; i++) {
      const step = await run([best]);
      ms += step.ms;
      best = step.best;
    }
    Object.assign(result, {
      writeMs: Math.round(written - begin),
      loadMs: Math.round(loadMs),
      variant: model.info.variant,
      threads: o.threads,
      wasm: model.info.memory.wasm,
      rss: process.memoryUsage().rss,
      prefill: +prefill.toFixed(2),
      decode: +((n * 1000) / ms).toFixed(2),
      depth: row.depth,
    });
    await model.close();
    return result;
  } finally {
    if (!o.keep) fs.rmSync(file, { force: true });
  }
}

/** @param {Record<string, any>[]} measured */
function table(measured) {
  const k = (/** @type {number} */ n) => (n % 1024 ? String(n) : `${n / 1024}K`);
  const lines = [
    '| Shape | file | cache, context | memory | prefill / decode, tokens a second | verified |',
    '|---|---|---|---|---|---|',
  ];
  for (const { family, vocab, lent, noTemplate, real } of rows) {
    const r = measured.find((one) => one.family === family);
    if (!r) continue;
    const speed = r.refused
      ? `refused before the download; ${r.largestContext ? `${r.largestContext.toLocaleString('en')} tokens fit` : 'no context fits'}`
      : `${r.prefill.toFixed(r.prefill < 10 ? 1 : 0)} / ${r.decode.toFixed(r.decode < 10 ? 1 : 0)}${r.depth ? ` behind ${r.depth.toLocaleString('en')} tokens` : ''}`;
    const verified = [
      real ? 'logits (real weights too)' : 'logits',
      vocab && !lent && 'vocabulary',
      !noTemplate && 'template',
      !r.refused && 'shape',
    ];
    lines.push(
      `| ${family} | ${r.mix}, ${gib(r.bytes)} | ${r.kv}, ${k(r.context)} | ${gib(r.need)} | ${speed} | ${verified.filter(Boolean).join(', ')} |`,
    );
  }
  return lines.join('\n');
}

const o = parse(process.argv.slice(2));
/** @type {Record<string, any>[]} */
let measured = o.json && fs.existsSync(o.json) ? JSON.parse(fs.readFileSync(o.json, 'utf8')) : [];
const wanted = rows.filter((row) =>
  o.names.length || o.update ? o.names.some((name) => row.family === name || row.shape === name) : true,
);
for (const row of wanted) {
  const result = await measure(row, o);
  console.log(JSON.stringify(result));
  measured = [...measured.filter((one) => one.family !== row.family), result];
  if (o.json) fs.writeFileSync(o.json, JSON.stringify(measured, null, 1) + '\n');
}
if (o.update) {
  const text = fs.readFileSync(o.update, 'utf8');
  const [from, to] = ['<!-- shapes -->\n', '<!-- /shapes -->'].map((mark) => text.indexOf(mark));
  if (from < 0 || to < from) throw new Error(`${o.update} has no marks for the table`);
  fs.writeFileSync(o.update, `${text.slice(0, from)}<!-- shapes -->\n${table(measured)}\n${text.slice(to)}`);
}
