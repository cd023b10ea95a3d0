import { checkNumber, checkOptions, invalid, SottoError } from './errors.js';

/** A row of tokens with its cache: evaluate, fork, truncate, save. */
export class Sequence {
  /** @type {import('./model.js').Model} */
  #model;
  #id;
  #closed = false;

  /**
   * @param {import('./model.js').Model} model
   * @param {number} id
   */
  constructor(model, id) {
    this.#model = model;
    this.#id = id;
  }

  #open() {
    if (this.#closed) throw new SottoError('SOTTO_CLOSED', 'The sequence was closed.');
    return this.#id;
  }

  /**
   * Evaluates ids behind what the sequence holds and yields logits, one Float32Array(vocabulary) a row: of the
   * last id, of all, or none.
   * @param {ArrayLike<number>} ids
   * @param {{logits?: 'last' | 'all' | 'none', signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<Float32Array, void, void>}
   */
  async *evaluate(ids, options = {}) {
    checkOptions(options, ['logits', 'signal'], 'evaluate');
    const want = ['none', 'last', 'all'].indexOf(options.logits ?? 'last');
    if (want < 0) throw invalid("logits is 'last', 'all' or 'none'.");
    yield* this.#model._stream('evaluate', [this.#open(), toIds(ids), want], options.signal);
  }

  /** Tokens it holds. @returns {Promise<number>} */
  async length() {
    return this.#model._call('seqLength', [this.#open()]);
  }

  /** A second sequence with the same contents; the cache is shared until one of them writes. */
  async fork() {
    return new Sequence(this.#model, await this.#model._call('seqFork', [this.#open()]));
  }

  /**
   * Keeps the first n tokens.
   * @param {number} n
   */
  async truncate(n) {
    checkNumber('truncate: n', n, { integer: true, max: 2 ** 32 - 1 });
    await this.#model._call('seqTruncate', [this.#open(), n]);
  }

  /** For measuring: n tokens, and a cache without meaning. @param {number} n */
  async _fill(n) {
    await this.#model._call('seqFill', [this.#open(), n]);
  }

  /**
   * Its tokens and its cache as bytes, for `restore` by the same model, now or another day.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uint8Array>}
   */
  async save(options = {}) {
    checkOptions(options, ['signal'], 'save');
    return saveSequence(this.#model, this.#open(), options.signal);
  }

  /**
   * Takes up what `save` gave, instead of what it holds. Bytes of another model, another kvType or arithmetic are
   * refused with SOTTO_UNSUPPORTED, damaged ones with SOTTO_FORMAT or SOTTO_TRUNCATED.
   * @param {Uint8Array | ArrayBuffer} bytes
   * @param {{signal?: AbortSignal}} [options]
   */
  async restore(bytes, options = {}) {
    checkOptions(options, ['signal'], 'restore');
    await this.#model._call('seqRestore', [this.#open(), toBytes(bytes)], options);
  }

  async close() {
    if (this.#closed) return;
    this.#closed = true;
    await this.#model._call('seqClose', [this.#id]);
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.close();
  }
}

/**
 * @param {ArrayLike<number>} ids
 * @returns {Uint32Array}
 */
export function toIds(ids) {
  if (ids instanceof Uint32Array) return ids;
  const list = Array.from(ids);
  for (const id of list) {
    if (!Number.isInteger(id) || id < 0 || id > 2 ** 32 - 1) throw invalid(`A token id is a whole number, not ${id}.`);
  }
  return Uint32Array.from(list);
}

/**
 * @param {import('./model.js').Model} model
 * @param {number} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<Uint8Array>}
 */
export async function saveSequence(model, id, signal) {
  /* Streamed, since parts are handed over without a copy. */
  let bytes = new Uint8Array(0);
  for await (const all of model._stream('seqSave', [id], signal)) bytes = all;
  return bytes;
}

/**
 * @param {unknown} bytes
 * @returns {Uint8Array}
 */
export function toBytes(bytes) {
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  if (bytes instanceof Uint8Array) return bytes;
  throw invalid('restore takes a Uint8Array or an ArrayBuffer.');
}
