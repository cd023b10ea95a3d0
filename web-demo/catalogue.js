import { decodeSpeed } from './sotto/js/index.js';

/**
 * The models the page offers. `bytes` is the published file's size, rounded; the exact one is read from the
 * server before a download starts. `kv` gives the figures a cache is computed from: layers, KV heads, head size;
 * `windowed` [layers, window] counts layers that need no more than a window.
 */

/**
 * @typedef {object} CatalogueEntry
 * @property {string} id
 * @property {string} name
 * @property {string} source   anything loadModel takes as text
 * @property {number} bytes
 * @property {string} licence
 * @property {string} about
 * @property {{layers: number, heads: number, size: number, windowed?: [number, number]}} kv
 * @property {number} [active] bytes read for one token, where that is not the whole file
 * @property {boolean} [gated] the hub asks for a token
 */

/** @type {CatalogueEntry[]} */
export const catalogue = [
  { id: 'smollm2-135m', name: 'SmolLM2 135M Instruct', source: 'hf:bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf',
    bytes: 105e6, licence: 'Apache 2.0', about: 'Tiny and quick; for trying things out', kv: { layers: 30, heads: 3, size: 64 } },
  { id: 'gemma-3-270m', name: 'Gemma 3 270M it', source: 'hf:ggml-org/gemma-3-270m-it-GGUF/gemma-3-270m-it-Q8_0.gguf',
    bytes: 292e6, licence: 'Gemma', about: 'Tiny, many languages', kv: { layers: 18, heads: 1, size: 256, windowed: [15, 512] } },
  { id: 'smollm2-360m', name: 'SmolLM2 360M Instruct', source: 'hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf',
    bytes: 386e6, licence: 'Apache 2.0', about: 'Small English assistant', kv: { layers: 32, heads: 5, size: 64 } },
  { id: 'qwen2.5-0.5b', name: 'Qwen 2.5 0.5B Instruct', source: 'hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf',
    bytes: 491e6, licence: 'Apache 2.0', about: 'Many languages, code', kv: { layers: 24, heads: 2, size: 64 } },
  { id: 'qwen3-0.6b', name: 'Qwen 3 0.6B', source: 'hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf',
    bytes: 639e6, licence: 'Apache 2.0', about: 'Reasons before it answers; tools', kv: { layers: 28, heads: 8, size: 128 } },
  { id: 'tinyllama-1.1b', name: 'TinyLlama 1.1B Chat', source: 'hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF/tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf',
    bytes: 669e6, licence: 'Apache 2.0', about: 'Classic small Llama', kv: { layers: 22, heads: 4, size: 64 } },
  { id: 'gemma-3-1b', name: 'Gemma 3 1B it', source: 'hf:ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q4_K_M.gguf',
    bytes: 806e6, licence: 'Gemma', about: 'Good prose, many languages', kv: { layers: 26, heads: 1, size: 256, windowed: [22, 512] } },
  { id: 'gemma-3-1b-qat', name: 'Gemma 3 1B it QAT', source: 'hf:google/gemma-3-1b-it-qat-q4_0-gguf/gemma-3-1b-it-q4_0.gguf',
    bytes: 1001e6, licence: 'Gemma', about: 'Its makers’ own 4-bit file, trained for it', kv: { layers: 26, heads: 1, size: 256, windowed: [22, 512] }, gated: true },
  { id: 'llama-3.2-1b', name: 'Llama 3.2 1B Instruct', source: 'hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf',
    bytes: 808e6, licence: 'Llama 3.2', about: 'All-round assistant', kv: { layers: 16, heads: 8, size: 64 } },
  { id: 'olmo-2-1b', name: 'OLMo 2 1B Instruct', source: 'hf:allenai/OLMo-2-0425-1B-Instruct-GGUF/OLMo-2-0425-1B-Instruct-Q4_K_M.gguf',
    bytes: 936e6, licence: 'Apache 2.0', about: 'Open down to its training data', kv: { layers: 16, heads: 16, size: 128 } },
  { id: 'smollm2-1.7b', name: 'SmolLM2 1.7B Instruct', source: 'hf:HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/smollm2-1.7b-instruct-q4_k_m.gguf',
    bytes: 1056e6, licence: 'Apache 2.0', about: 'Larger English assistant', kv: { layers: 24, heads: 32, size: 64 } },
  { id: 'r1-distill-1.5b', name: 'DeepSeek-R1 Distill Qwen 1.5B', source: 'hf:bartowski/DeepSeek-R1-Distill-Qwen-1.5B-GGUF/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf',
    bytes: 1117e6, licence: 'MIT', about: 'Long reasoning, mathematics', kv: { layers: 28, heads: 2, size: 128 } },
  { id: 'phi-3.5-mini', name: 'Phi-3.5 mini Instruct', source: 'hf:bartowski/Phi-3.5-mini-instruct-GGUF/Phi-3.5-mini-instruct-Q4_K_M.gguf',
    bytes: 2393e6, licence: 'MIT', about: 'The most capable here; slow on small machines', kv: { layers: 32, heads: 32, size: 96 } },
  { id: 'mistral-7b', name: 'Mistral 7B Instruct v0.2', source: 'hf:TheBloke/Mistral-7B-Instruct-v0.2-GGUF/mistral-7b-instruct-v0.2.Q3_K_M.gguf',
    bytes: 3519e6, licence: 'Apache 2.0', about: 'At the edge of what 32-bit WebAssembly holds', kv: { layers: 32, heads: 8, size: 128 } },
];

const KV_BYTES = /** @type {Record<string, number>} */ ({ f32: 4, f16: 2, q8_0: 1.0625 });
const WASM32 = 4 * 2 ** 30;
const OVERHEAD = 32 * 2 ** 20;

/**
 * Bytes of memory an entry needs with a context of n tokens.
 * @param {CatalogueEntry} entry @param {number} n @param {string} kvType
 */
export function memoryNeed(entry, n, kvType) {
  const { layers, heads, size, windowed } = entry.kv;
  const [few, window] = windowed ?? [0, 0];
  const positions = (layers - few) * n + few * Math.min(n, window + 512);
  return entry.bytes + positions * heads * size * 2 * KV_BYTES[kvType] + OVERHEAD;
}

/**
 * What this device can do with an entry.
 * @param {CatalogueEntry} entry
 * @param {{memory: number, streamGBs: number, threads: number}} device bytes it can spare (0: unknown)
 * @param {{contextLength: number, kvType: string}} options
 * @returns {{memory: number, fits: boolean, why: string, tokensPerSecond: number}}
 */
export function verdict(entry, device, options) {
  const memory = memoryNeed(entry, options.contextLength, options.kvType);
  let why = '';
  if (memory > WASM32) why = 'needs more than the 4 GiB a page can address';
  else if (device.memory && memory > device.memory) why = `needs more memory than this device can spare`;
  // A decoded token reads every weight once.
  const cost = { bytes: entry.active ?? entry.bytes };
  const tokensPerSecond = device.streamGBs ? decodeSpeed(cost, { stream_gbs: device.streamGBs }) : 0;
  return { memory, fits: why === '', why, tokensPerSecond };
}

/**
 * The entry to recommend: the largest that fits and is predicted to answer at reading speed.
 * @param {{entry: CatalogueEntry, fits: boolean, tokensPerSecond: number}[]} rows
 */
export function recommend(rows) {
  const pleasant = rows.filter((row) => row.fits && !row.entry.gated && row.tokensPerSecond >= 12 && row.entry.bytes < 2e9);
  pleasant.sort((a, b) => b.entry.bytes - a.entry.bytes);
  return (pleasant[0] ?? rows.find((row) => row.fits))?.entry;
}
