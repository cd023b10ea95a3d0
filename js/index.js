/**
 * Sotto: small language models in the page, in Node and at the edge.
 *
 *     import { loadModel } from 'sotto';
 *     const model = await loadModel('hf:owner/repo/file.gguf');
 *     for await (const part of model.complete('Once upon a time')) console.log(part.text);
 *     await model.close();
 */
import { Client } from './client.js';
import { checkNumber, checkOptions, invalid, SottoError, unsupported } from './errors.js';
import { estimate } from './estimate.js';
import { hasFiles, within } from './host.js';
import { Model } from './model.js';
import { toParts, transferOf } from './source.js';
import { holdCache } from './store.js';

export { cachedModels, deleteCachedModel } from './cached.js';
export { decodeSpeed } from './estimate.js';
export { SottoError };

/** How long an aborted download may take to put what it got on disk. */
const SAVE_MS = 10_000;

const SHARED_OPTIONS = [
  'signal',
  'contextLength',
  'kvType',
  'arithmetic',
  'sequences',
  'batch',
  'token',
  'hubUrl',
  'wasmUrl',
  'workerUrl',
  'variant',
  'retries',
  'onProgress',
  'cache',
  'cacheFolder',
  'memoryLimit',
];
const LOAD_OPTIONS = [...SHARED_OPTIONS, 'threads', 'waitFor'];
const KV_TYPES = ['f16', 'f32', 'q8_0'];
const ARITHMETIC = ['fast', 'exact'];
const CACHE = new Map(
  /** @type {[unknown, 'use' | 'reload' | 'none'][]} */ ([
    [undefined, 'use'],
    [true, 'use'],
    [false, 'none'],
    ['reload', 'reload'],
  ]),
);

/**
 * @param {string} name
 * @param {unknown} value
 * @param {readonly string[]} values
 */
function choice(name, value, values) {
  const i = value === undefined ? 0 : values.indexOf(/** @type {string} */ (value));
  if (i < 0) throw unsupported(`${name} is one of ${values.join(', ')}, not ${String(value)}.`);
  return i;
}

/**
 * An address that a worker can use, too.
 * @param {string | URL} url
 */
function absolute(url) {
  if (hasFiles && !/^\w+:/.test(String(url))) return new URL(String(url), `file://${process.cwd()}/`).href;
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
}

/**
 * @param {string | URL} url of a folder
 */
function folder(url) {
  return absolute(url).replace(/\/*$/, '/');
}

/** @param {LoadOptions['wasmUrl']} wasmUrl */
function wasmUrls(wasmUrl) {
  if (wasmUrl === undefined) return {};
  if (typeof wasmUrl === 'string' || wasmUrl instanceof URL) {
    const base = folder(wasmUrl);
    return { simd: `${base}sotto-simd.wasm`, relaxed: `${base}sotto-relaxed.wasm` };
  }
  const { simd, relaxed } = wasmUrl;
  return { simd: simd && absolute(simd), relaxed: relaxed && absolute(relaxed) };
}

/**
 * @param {import('./source.js').Source} source
 * @param {LoadOptions} options
 * @param {boolean} inspect
 */
function openMessage(source, options, inspect) {
  for (const name of /** @type {const} */ (['contextLength', 'sequences', 'batch', 'threads', 'retries'])) {
    checkNumber(name, options[name], { integer: true, max: 2 ** 31 });
  }
  checkNumber('memoryLimit', options.memoryLimit, { max: 2 ** 53 });
  const cache = CACHE.get(options.cache);
  if (!cache) throw unsupported("cache is true, false or 'reload'.");
  if (options.variant !== undefined) choice('variant', options.variant, ['simd', 'relaxed']);
  if (options.token !== undefined && typeof options.token !== 'string') throw invalid('token is a text.');
  const hubUrl = String(options.hubUrl ?? 'https://huggingface.co');
  return {
    type: 'open',
    parts: toParts(source, { hubUrl, token: options.token }),
    options: {
      contextLength: options.contextLength ?? 0,
      sequences: options.sequences ?? 0,
      kvType: choice('kvType', options.kvType, KV_TYPES),
      arithmetic: choice('arithmetic', options.arithmetic, ARITHMETIC),
      batch: options.batch ?? 0,
    },
    threads: Math.min(options.threads ?? 0, 32),
    variant: options.variant,
    wasm: wasmUrls(options.wasmUrl),
    cache,
    cacheFolder: options.cacheFolder,
    retries: options.retries ?? 5,
    memoryLimit: options.memoryLimit ?? Infinity,
    workers: options.workerUrl && folder(options.workerUrl),
    inspect,
  };
}

/**
 * Opens a source in an engine of its own; begins again when the file changes while it is downloaded.
 * @param {import('./source.js').Source} source
 * @param {LoadOptions} options
 * @param {boolean} inspect
 * @param {(client: Client, message: any) => void} onState
 * @param {() => boolean} mayRestart not when the model was already handed out
 * @returns {Promise<{client: Client, result: any}>}
 */
async function open(source, options, inspect, onState, mayRestart) {
  for (let again = 2; ; again--) {
    const message = openMessage(source, options, inspect);
    const client = await Client.start(message.workers);
    client.onmessage = (m) => {
      if (m.type === 'progress') options.onProgress?.(m.progress);
      else if (m.type === 'state') onState(client, m);
    };
    try {
      const result = await client.request(message, { signal: options.signal, transfer: transferOf(message.parts) });
      return { client, result };
    } catch (e) {
      const error = /** @type {SottoError} */ (e);
      if (error.code === 'SOTTO_ABORTED') {
        const saved = new Promise((resolve) => {
          client.onmessage = (m) => m.type === 'stopped' && resolve(undefined);
          client.ondeath = resolve;
        });
        within(saved, SAVE_MS).then(() => client.close(error));
      } else {
        client.close(error);
      }
      if (error.code !== 'SOTTO_CHANGED' || again === 0 || !mayRestart()) throw error;
    }
  }
}

/**
 * Loads a model: downloads it (or reads it from the cache), starts the threads, and resolves when it can run.
 * @param {import('./source.js').Source} source
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function loadModel(source, options = {}) {
  checkOptions(options, LOAD_OPTIONS, 'loadModel');
  const waitFor = ['ready', 'header'][choice('waitFor', options.waitFor, ['ready', 'header'])];
  if (options.cache !== false) askForPersistence();
  /** @type {(value: {client: Client}) => void} */
  let seen = () => {};
  /** @type {Promise<{client: Client}>} */
  const header = new Promise((resolve) => (seen = resolve));
  /** @type {Model | undefined} */
  let model;
  /** @type {any} */
  let latest;
  let handed = false;
  const onState = (/** @type {Client} */ client, /** @type {any} */ message) => {
    latest = message.info;
    model?._setInfo(latest);
    seen({ client });
  };
  const opened = open(source, options, false, onState, () => !handed);
  const ready = opened.then(() => {});
  ready.catch(() => {}); /* whoever wants to know awaits it */
  const { client } = await (waitFor === 'header' ? Promise.race([header, opened]) : opened);
  handed = true;
  model = new Model(client, latest, ready);
  return model;
}

/**
 * Reads only the header: what the model is, whether it can run here and what it takes.
 * @param {import('./source.js').Source} source
 * @param {LoadOptions & {machine?: {stream_gbs: number, dot_gmacs: number}}} [options] those of loadModel; machine:
 *   what measureMachine gave, for an `estimate` of the speed
 * @returns {Promise<import('./info.js').ModelInfo>}
 */
export async function inspectModel(source, options = {}) {
  checkOptions(options, [...SHARED_OPTIONS, 'machine'], 'inspectModel');
  const { client, result } = await open(
    source,
    options,
    true,
    () => {},
    () => true,
  );
  client.close(new SottoError('SOTTO_CLOSED', 'The inspection is over.'));
  if (options.machine && result.cost) result.estimate = estimate(result, options.machine);
  return result;
}

/**
 * Measures this machine for a moment, without a model: memory bandwidth and arithmetic, from which the speed of
 * a model can be predicted before it is downloaded.
 * @param {{milliseconds?: number, wasmUrl?: LoadOptions['wasmUrl'], workerUrl?: string | URL}} [options]
 * @returns {Promise<{stream_gbs: number, dot_gmacs: number, relaxed16: boolean, ms: number, variant: string, threads: number}>}
 */
export async function measureMachine(options = {}) {
  checkOptions(options, ['milliseconds', 'wasmUrl', 'workerUrl'], 'measureMachine');
  const client = await Client.start(options.workerUrl && folder(options.workerUrl));
  try {
    return await client.call('machine', [options.milliseconds ?? 100, wasmUrls(options.wasmUrl)]);
  } finally {
    client.close(new SottoError('SOTTO_CLOSED', 'The measurement is over.'));
  }
}

/** Asks the browser not to evict what is stored. */
function askForPersistence() {
  if (hasFiles) return;
  globalThis.navigator?.storage?.persist?.().catch(() => false);
  holdCache();
}

/**
 * @typedef {object} LoadOptions
 * @property {AbortSignal} [signal] aborts the load at any point
 * @property {(progress: import('./protocol.js').LoadProgress) => void} [onProgress]
 * @property {number} [threads] default: by a short measurement, at most 8
 * @property {number} [contextLength] tokens; default: what the model was trained for, at most 4,096
 * @property {'f16' | 'f32' | 'q8_0'} [kvType] of the attention cache; default f16 (fast arithmetic: int16, a scale a row)
 * @property {'fast' | 'exact'} [arithmetic] fast (default): activations in 8 bits; exact: in 32
 * @property {number} [sequences] how many full contexts fit at once; default 1
 * @property {number} [batch] prompt tokens evaluated at once
 * @property {boolean | 'reload'} [cache] default true; 'reload' downloads again
 * @property {'ready' | 'header'} [waitFor] header: resolves once the header is read; see `model.ready`
 * @property {string} [token] for gated files, sent to the address given and nowhere else
 * @property {string} [hubUrl] the hub of `hf:` sources
 * @property {string | URL | {simd?: string | URL, relaxed?: string | URL}} [wasmUrl] folder of the .wasm files
 * @property {string | URL} [workerUrl] folder of the worker scripts
 * @property {'simd' | 'relaxed'} [variant] default: the best that works here
 * @property {number} [memoryLimit] bytes; a model that needs more is refused before its tensors are downloaded
 * @property {number} [retries] of a download, without progress in between; default 5
 * @property {string} [cacheFolder] Node: where models are kept, default $SOTTO_CACHE/models or ~/.cache/sotto/models
 */
