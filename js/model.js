import { Chat } from './chat.js';
import { checkNumber, checkOptions, invalid, SottoError, unsupported } from './errors.js';
import { within } from './host.js';
import { NORMALIZE, PAIR, WANT_VECTOR } from './protocol.js';
import { channelSplitter, reasoningKind } from './reasoning.js';
import { Sequence, toIds } from './sequence.js';

export const SAMPLING_OPTIONS = Object.freeze([
  'maxTokens',
  'temperature',
  'topK',
  'topP',
  'minP',
  'repeatPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'penaltyLastN',
  'seed',
  'stop',
  'signal',
  'onProgress',
  'ignoreEog',
  'contextShift',
]);

/** First tokens that attention rests on (StreamingLLM found four enough). */
const SINKS = 4;

/** A loaded model. Made by loadModel. */
export class Model {
  /** @type {import('./client.js').Client} */
  #client;
  #sequences = 0;
  #closed = false;
  /** @type {any} */
  #info;
  /**
   * Settles when the last byte has arrived, or with the error that prevented it.
   * @type {Promise<void>}
   */
  ready;

  /**
   * @param {import('./client.js').Client} client
   * @param {any} info
   * @param {Promise<void>} ready
   */
  constructor(client, info, ready) {
    this.#client = client;
    this.#info = info;
    this.ready = ready;
    ready.catch(() => {});
  }

  /**
   * What the model is and what it takes.
   * @returns {ModelInfo}
   */
  get info() {
    return this.#info;
  }

  /** @param {any} info */
  _setInfo(info) {
    this.#info = info;
  }

  /**
   * @param {string} method
   * @param {any[]} args
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  async _call(method, args, options) {
    if (this.#closed) {
      if (method === 'seqClose') return undefined;
      throw new SottoError('SOTTO_CLOSED', 'The model was closed.');
    }
    return this.#client.call(method, args, options);
  }

  /**
   * @param {string} method
   * @param {any[]} args
   * @param {AbortSignal} [signal]
   */
  _stream(method, args, signal) {
    if (this.#closed) throw new SottoError('SOTTO_CLOSED', 'The model was closed.');
    return this.#client.stream(method, args, signal);
  }

  /**
   * @param {string} text
   * @param {{addSpecial?: boolean, parseSpecial?: boolean}} [options] both true by default: tokens such as BOS
   *   are added, and their names in the text become tokens
   * @returns {Promise<Uint32Array>}
   */
  async tokenize(text, options = {}) {
    checkOptions(options, ['addSpecial', 'parseSpecial'], 'tokenize');
    if (typeof text !== 'string') throw invalid('tokenize takes a text.');
    return this._call('tokenize', [text, options.addSpecial ?? true, options.parseSpecial ?? true]);
  }

  /**
   * @param {ArrayLike<number>} ids
   * @param {{removeSpecial?: boolean, showSpecial?: boolean}} [options] removeSpecial: without a leading BOS and
   *   trailing EOS; showSpecial: control tokens by their names
   * @returns {Promise<string>}
   */
  async detokenize(ids, options = {}) {
    checkOptions(options, ['removeSpecial', 'showSpecial'], 'detokenize');
    return this._call('detokenize', [toIds(ids), options.removeSpecial ?? false, options.showSpecial ?? true]);
  }

  /**
   * The prompt for a conversation, by the model's own chat template.
   * @param {{role: string, content: unknown}[]} messages
   * @param {{tools?: unknown[], addGenerationPrompt?: boolean, template?: string, [variable: string]: unknown}} [options]
   *   template: another than the model's own; what else is given becomes a variable of the template
   * @returns {Promise<string>}
   */
  async applyChatTemplate(messages, options = {}) {
    if (!Array.isArray(messages)) throw invalid('applyChatTemplate takes an array of messages.');
    const { addGenerationPrompt = false, template, ...variables } = options;
    const all = { ...variables, messages, add_generation_prompt: addGenerationPrompt };
    return this._call('template', [template, JSON.stringify(all)]);
  }

  /**
   * Continues a prompt. The last part also has finishReason, usage and timings; leaving the loop stops.
   * @param {string | ArrayLike<number>} prompt text (special tokens are added and recognised) or ids
   * @param {GenerateOptions} [options]
   * @returns {AsyncGenerator<Part, void, void>}
   */
  async *complete(prompt, options = {}) {
    this.#generates();
    const ids = typeof prompt === 'string' ? await this._call('tokenizePrompt', [prompt, true]) : toIds(prompt);
    yield* this._generate(0, ids, typeof prompt === 'string' ? prompt : '', options);
  }

  /**
   * @param {number} sequence
   * @param {Uint32Array} ids
   * @param {string} text of the prompt
   * @param {GenerateOptions} options
   * @param {{text: string, ids: number[], whole: boolean}} [raw] filled with what was generated
   * @returns {AsyncGenerator<Part, void, void>}
   */
  async *_generate(sequence, ids, text, options, raw) {
    const { params, stops } = generateArguments(options, this.#info.sampling);
    if (ids.length === 0) throw invalid('The prompt is empty.');
    const splitter = channelSplitter(reasoningKind(this.#info.template), text);
    const stream = this._stream('generate', [sequence, ids, params, stops, !!options.onProgress], options.signal);
    /** @type {import('./reasoning.js').Channel} */
    let channel = 'answer';
    /** @type {number[]} */
    let tokens = [];
    let shifted = 0;
    const tell = (/** @type {any} */ part) => {
      if (shifted) part.shifted = shifted;
      shifted = 0;
      return part;
    };
    const split = function* (/** @type {string} */ piece, /** @type {boolean} */ last) {
      for (const one of splitter.push(piece, last)) {
        channel = one.channel;
        yield tell({ text: one.text, tokens, channel });
        tokens = [];
      }
    };
    try {
      for (;;) {
        const { value, done } = await stream.next();
        if (value.prefill) {
          options.onProgress?.({ phase: 'prefill', loaded: value.prefill[0], total: value.prefill[1] });
          continue;
        }
        if (value.shifted) shifted += value.shifted;
        tokens.push(...value.ids);
        if (raw) {
          raw.text += value.text;
          raw.ids.push(...value.ids);
        }
        const parts = [...split(value.text, !!done)];
        if (!done) {
          yield* parts;
          continue;
        }
        const last = parts.pop() ?? { text: '', tokens, channel };
        yield* parts;
        if (raw) raw.whole = value.eog || value.stats[0] === 2;
        yield tell({ ...last, ...finish(value) });
        return;
      }
    } finally {
      await stream.return(undefined);
    }
  }

  /**
   * A conversation with the model's chat template.
   * @param {import('./chat.js').ChatOptions} [options]
   */
  createChat(options = {}) {
    if (this.#closed) throw new SottoError('SOTTO_CLOSED', 'The model was closed.');
    this.#generates();
    return new Chat(this, ++this.#sequences, options);
  }

  /** An empty sequence, for work with logits. */
  createSequence() {
    if (this.#closed) throw new SottoError('SOTTO_CLOSED', 'The model was closed.');
    this.#generates();
    return new Sequence(this, ++this.#sequences);
  }

  #generates() {
    const { architecture, encoder } = this.#info;
    if (encoder) {
      throw unsupported(`The model (${architecture}) is an encoder: it gives embeddings and continues no text.`);
    }
  }

  /**
   * One vector a text, in their order; several texts are evaluated at once.
   * @param {string | string[]} texts
   * @param {EmbedOptions} [options]
   * @returns {Promise<Float32Array[]>}
   */
  async embed(texts, options = {}) {
    checkOptions(options, ['pooling', 'normalize', 'truncate', 'signal'], 'embed');
    const { pooling, normalize = true } = options;
    const { architecture, vector, pooling: own } = this.#info;
    const want = WANT_VECTOR[pooling ?? 'model'];
    if (!want || /** @type {string} */ (pooling) === 'model') {
      throw invalid("pooling is 'mean', 'cls', 'last', 'rank' or 'none'.");
    }
    if (!vector) throw unsupported(`The model (${architecture}) gives no embeddings.`);
    if (!pooling && own === 'rank') {
      throw unsupported(`The model (${architecture}) is a reranker: use rerank, or name a pooling.`);
    }
    const unit = normalize && pooling !== 'rank' && pooling !== 'none';
    return this.#embed(texts, undefined, want | (unit ? NORMALIZE : 0), options);
  }

  /**
   * How well each document answers the query, by a reranking model: its score, higher is better.
   * @param {string} query
   * @param {string[]} documents
   * @param {{truncate?: boolean, signal?: AbortSignal}} [options]
   * @returns {Promise<number[]>} in the order of the documents
   */
  async rerank(query, documents, options = {}) {
    checkOptions(options, ['truncate', 'signal'], 'rerank');
    if (typeof query !== 'string') throw invalid('The query is a text.');
    if (!this.#info.scores) {
      throw unsupported(`The model (${this.#info.architecture}) is no reranker: it has no head that gives scores.`);
    }
    const rows = await this.#embed(documents, query, WANT_VECTOR.rank | PAIR, options);
    return rows.map(([score]) => score);
  }

  /**
   * @param {string | string[]} texts
   * @param {string | undefined} query
   * @param {number} want
   * @param {{truncate?: boolean, signal?: AbortSignal}} options
   */
  async #embed(texts, query, want, { truncate = false, signal }) {
    const list = [texts].flat();
    if (list.some((text) => typeof text !== 'string')) throw invalid('The texts are a text or an array of texts.');
    /** @type {Float32Array[]} */
    const rows = [];
    for await (const row of this._stream('embed', [list, query, want, truncate], signal)) rows.push(row);
    return rows;
  }

  /** Starts to measure where the time goes. */
  async startProfile() {
    await this._call('profileStart', []);
  }

  /** Times of each kind of work since startProfile. @returns {Promise<any>} */
  async profile() {
    return this._call('profile', []);
  }

  /** Ends all work and gives the memory back. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#client.dead) {
      /* Lets the loader put what it has on disk; a stuck engine is not waited for. */
      const answer = this.#client.request({ type: 'call', method: 'close', args: [] }).catch(() => {});
      await within(answer, 5000);
    }
    this.#client.close(new SottoError('SOTTO_CLOSED', 'The model was closed.'));
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.close();
  }
}

/**
 * @param {GenerateOptions} options
 * @param {Record<string, number> | undefined} own the model's recommendation
 */
function generateArguments(options, own = {}) {
  checkOptions(options, SAMPLING_OPTIONS, 'complete');
  const defaults = Object.keys(own).length > 0 ? own : { temperature: 0.8, topP: 0.95, minP: 0.05 };
  const o = /** @type {any} */ ({ ...defaults, ...dropUndefined(options) });
  checkNumber('temperature', o.temperature, { max: 1000 });
  for (const name of ['topP', 'minP']) checkNumber(name, o[name], { max: 1 });
  for (const name of ['topK', 'penaltyLastN', 'maxTokens']) checkNumber(name, o[name], { integer: true, max: 2 ** 31 });
  checkNumber('repeatPenalty', o.repeatPenalty, { max: 100 });
  for (const name of ['frequencyPenalty', 'presencePenalty']) checkNumber(name, o[name], { min: -100, max: 100 });
  checkNumber('seed', o.seed, { integer: true, max: Number.MAX_SAFE_INTEGER });
  const stops = o.stop === undefined ? [] : [o.stop].flat();
  if (
    stops.length > 32 ||
    stops.some((/** @type {unknown} */ s) => typeof s !== 'string' || s === '' || s.includes('\0'))
  ) {
    throw invalid('stop is a text or an array of at most 32 non-empty texts.');
  }
  const seed = o.seed ?? Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
  const params = [
    o.temperature ?? 0,
    o.topK ?? 0,
    o.topP ?? 0,
    o.minP ?? 0,
    o.repeatPenalty ?? 0,
    o.frequencyPenalty ?? 0,
    o.presencePenalty ?? 0,
    o.penaltyLastN ?? 0,
    seed % 2 ** 32,
    Math.floor(seed / 2 ** 32),
    o.maxTokens ?? 0,
    o.ignoreEog ? 1 : 0,
    shiftKeep(o.contextShift),
  ];
  return { params, stops };
}

/** Tokens that a context shift keeps, -1 for none. @param {unknown} shift */
function shiftKeep(shift) {
  if (shift === undefined || shift === false) return -1;
  if (shift === true) return SINKS;
  checkOptions(/** @type {any} */ (shift), ['keep'], 'contextShift');
  const { keep = SINKS } = /** @type {any} */ (shift);
  checkNumber('contextShift.keep', keep, { integer: true, max: 2 ** 31 });
  return keep;
}

/**
 * @param {object} o
 * @returns {object}
 */
function dropUndefined(o) {
  return Object.fromEntries(Object.entries(o).filter(([, value]) => value !== undefined));
}

/** @param {any} value result of the engine's generate */
function finish(value) {
  const [reason, promptTokens, cachedTokens, completionTokens, prefillMs, decodeMs, firstTokenMs] = value.stats;
  const perSecond = (/** @type {number} */ n, /** @type {number} */ ms) => (ms > 0 ? (n * 1000) / ms : 0);
  return {
    finishReason: /** @type {'stop' | 'length' | 'abort'} */ (['abort', 'stop', 'length', 'abort'][reason] ?? 'abort'),
    usage: { promptTokens, cachedTokens, completionTokens },
    timings: {
      prefillMs,
      decodeMs,
      firstTokenMs,
      prefillTokensPerSecond: perSecond(promptTokens - cachedTokens, prefillMs),
      decodeTokensPerSecond: perSecond(completionTokens - 1, decodeMs),
    },
  };
}

/**
 * @typedef {object} EmbedOptions
 * @property {'mean' | 'cls' | 'last' | 'rank' | 'none'} [pooling] how the states of a text's tokens become one
 *   vector; default: as the model's file says, else their mean. none: all of them, one after the other
 * @property {boolean} [normalize] default true: vectors of length 1, so that dot products are cosines
 * @property {boolean} [truncate] cut texts that are longer than the context; by default they are refused
 * @property {AbortSignal} [signal]
 *
 * @typedef {object} GenerateOptions
 * @property {number} [maxTokens] default: until the context is full
 * @property {number} [temperature] 0: always the most likely token
 * @property {number} [topK]
 * @property {number} [topP]
 * @property {number} [minP]
 * @property {number} [repeatPenalty]
 * @property {number} [frequencyPenalty]
 * @property {number} [presencePenalty]
 * @property {number} [penaltyLastN]
 * @property {number} [seed] equal seeds give equal answers, on every device
 * @property {string | string[]} [stop] texts that end the answer and are not part of it
 * @property {AbortSignal} [signal]
 * @property {boolean | {keep?: number}} [contextShift] instead of ending where the context is full: drops the oldest
 *   tokens behind the first `keep` (default 4; a chat keeps its system prompt) and evaluates the rest again
 * @property {boolean} [ignoreEog] go on where the model would end (for measuring)
 * @property {(progress: {phase: 'prefill', loaded: number, total: number}) => void} [onProgress] tokens of the
 *   prompt evaluated so far
 *
 * @typedef {object} Part
 * @property {string} text
 * @property {number[]} tokens
 * @property {'answer' | 'reasoning'} channel
 * @property {number} [dropped] on the first part of a turn that had to forget: messages no longer seen
 * @property {number} [shifted] on the first part after context shifts: tokens dropped by them
 * @property {'stop' | 'length' | 'abort'} [finishReason] on the last part, as the following
 * @property {{promptTokens: number, cachedTokens: number, completionTokens: number}} [usage]
 * @property {{prefillMs: number, decodeMs: number, firstTokenMs: number, prefillTokensPerSecond: number,
 *   decodeTokensPerSecond: number}} [timings]
 *
 * @typedef {import('./info.js').ModelInfo} ModelInfo
 */
