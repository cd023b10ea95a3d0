/**
 * What an open model can do: the calls of the page, on the engine's instance. Work that walks the model takes
 * turns; everything else runs between its slices.
 */
import { aborted, invalid, SottoError } from '../js/errors.js';
import { codeName, CODES } from '../js/codes.js';
import { breathe, sleep } from '../js/host.js';
import { SLICE_MS, WANT_STATES } from '../js/protocol.js';
import { Instance } from './instance.js';
import { Pace } from './pace.js';
import { Text } from './text.js';

/** Tokens of a page of the attention cache, and more than a slice can add to it. */
const PAGE_TOKENS = 64;
const SLICE_TOKENS = 512;
/** Texts of one batch. */
const MOST_TEXTS = 32;
/** Bytes of a saved state that cross at once. */
const STATE_PIECE = 256 << 10;

/** @typedef {(value: any, transfer?: any[]) => void} PartSink */

/** @param {Float32Array[]} rows */
function joined(rows) {
  const all = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

export class Runner {
  /** @type {Instance} */
  #instance;
  #model;
  #extra;
  /** @type {number} address of 128 bytes for results */
  #out;
  #text;
  /** @type {Map<number, {handle: number, used: number}>} sequences by the page's number */
  #sequences = new Map();
  #clock = 0;
  /** @type {Promise<void>} the end of the queue for the model */
  #turn = Promise.resolve();
  #ready = false;
  #threads = 0;
  #pace = new Pace(1, 1);
  /** @type {(() => void)[]} */
  #hungry = [];
  /** @type {SottoError | undefined} */
  #lost;
  /** @type {{stored: boolean, reason?: string} | undefined} */
  #kept;

  /**
   * @param {Instance} instance
   * @param {number} model
   * @param {{variant: string, threads: number, sequences: number, info: any}} extra
   */
  constructor(instance, model, extra) {
    this.#instance = instance;
    this.#model = model;
    const { contextLength } = extra.info;
    this.#extra = { ...extra, contextLength, capacity: contextLength * (extra.sequences || 1) };
    this.#out = instance.alloc(128);
    this.#text = new Text(instance, model, this.#out, (code) => this.#check(code));
  }

  /* ---- state ------------------------------------------------------------------------------------------- */

  /** More of the file has arrived; all of it when ready. @param {boolean} ready */
  fed(ready) {
    this.#ready ||= ready;
    for (const wake of this.#hungry.splice(0)) wake();
  }

  /** @param {{stored: boolean, reason?: string}} kept */
  keep(kept) {
    this.#kept = kept;
  }

  /** @param {SottoError} error */
  lose(error) {
    this.#lost ??= error;
    this.#instance.x.workers_lost();
    this.fed(false);
  }

  stop() {
    this.#lost ??= new SottoError('SOTTO_CLOSED', 'The model was closed.');
    this.#instance.x.workers_stop();
    this.fed(false);
  }

  info() {
    const { x, memory } = this.#instance;
    const text = x.model_info(this.#model) >>> 0;
    if (!text) throw this.#error(CODES.MEMORY);
    const info = JSON.parse(this.#instance.cString(text));
    return {
      ...info,
      variant: this.#extra.variant,
      threads: this.#pace.count,
      memory: { ...info.memory, wasm: memory.buffer.byteLength, heap: x.heap_used(), peak: x.heap_peak() },
      cache: this.#kept,
    };
  }

  /**
   * @param {number} wanted 0: measured
   * @param {number} most
   */
  async chooseThreads(wanted, most) {
    const { x } = this.#instance;
    for (const begin = performance.now(); x.workers_joined() < most - 1; await sleep(1)) {
      if (performance.now() - begin > 10000)
        throw new SottoError('SOTTO_WORKER_LOST', 'The compute threads did not start.');
    }
    let best = Math.min(wanted || 1, most);
    if (!wanted && most > 1) {
      /* The fewest threads that are within a few percent of the fastest. */
      const times = Array.from({ length: most }, (_, i) => {
        const tries = Array.from({ length: 5 }, () => x.threads_probe(i + 1));
        return Math.min(...tries.filter((t) => t >= 0));
      });
      const fastest = Math.min(...times);
      best = times.findIndex((time) => time <= fastest * 1.08) + 1 || 1;
    }
    this.#use(best);
    this.#pace = new Pace(best, wanted ? 1 : most);
  }

  /** @param {number} threads from the next step on */
  #use(threads) {
    if (threads === this.#threads) return;
    this.#check(this.#instance.x.set_threads(this.#model, threads));
    this.#threads = threads;
  }

  /* ---- calls ------------------------------------------------------------------------------------------- */

  /**
   * @param {string} method
   * @param {any[]} args
   * @param {AbortSignal} signal
   * @param {PartSink} part
   * @returns {Promise<any>}
   */
  async call(method, args, signal, part) {
    if (this.#lost) throw this.#lost;
    switch (method) {
      case 'tokenize':
        return this.#text.tokenize(args[0], { special: args[1], parse: args[2] });
      case 'tokenizePrompt':
        return this.#text.tokenizePrompt(args[0], args[1]);
      case 'detokenize':
        return this.#text.detokenize(args[0], args[1], args[2]);
      case 'template':
        return this.#text.template(args[0], args[1]);
      case 'generate':
        return this.#inTurn(signal, () => this.#generate(args, signal, part));
      case 'evaluate':
        return this.#inTurn(signal, () => this.#evaluate(args, signal, part));
      case 'embed':
        return this.#inTurn(signal, () => this.#embed(args, signal, part));
      case 'seqLength':
        return this.#inTurn(signal, async () => this.#instance.x.seq_length(this.#sequence(args[0])) >>> 0);
      case 'seqFork':
        return this.#inTurn(signal, async () => this.#fork(args[0]));
      case 'seqTruncate':
        return this.#inTurn(signal, async () => {
          this.#check(this.#instance.x.seq_truncate(this.#sequence(args[0]), args[1]));
        });
      case 'seqFill':
        return this.#inTurn(signal, async () => {
          this.#check(this.#instance.x.seq_fill(this.#sequence(args[0]), args[1]));
        });
      case 'seqSave':
        return this.#inTurn(signal, () => this.#save(args[0], signal, part));
      case 'seqRestore':
        return this.#inTurn(signal, () => this.#restore(args[0], args[1], !!args[2], signal));
      case 'seqClose':
        return this.#inTurn(signal, async () => this.#close(args[0]));
      case 'profileStart':
        return this.#inTurn(signal, async () => this.#instance.x.profile_start(this.#model));
      case 'profile':
        return this.#inTurn(signal, async () =>
          JSON.parse(this.#instance.cString(this.#instance.x.profile(this.#model))),
        );
      default:
        throw new SottoError('SOTTO_UNSUPPORTED', `The engine has no call "${method}".`);
    }
  }

  /**
   * Runs work when all that was asked for earlier is through.
   * @template T
   * @param {AbortSignal} signal
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #inTurn(signal, work) {
    const before = this.#turn;
    let done = () => {};
    this.#turn = new Promise((resolve) => (done = resolve));
    try {
      await before;
      if (this.#lost) throw this.#lost;
      if (signal.aborted) throw aborted();
      return await work();
    } finally {
      done();
    }
  }

  /** @param {number} code */
  #error(code) {
    const own = this.#instance.error(this.#instance.x.model_fail(this.#model));
    const error =
      own.code === codeName(code) ? own : new SottoError(codeName(code), own.message || 'The engine failed.');
    /* A pool that lost a thread is lost for good. */
    if (code === CODES.WORKER_LOST) this.#lost ??= error;
    return error;
  }

  /** @param {number} code */
  #check(code) {
    if (code !== CODES.OK && code !== CODES.MORE && code !== CODES.DONE) throw this.#error(code);
  }

  /* ---- sequences --------------------------------------------------------------------------------------- */

  /** The engine's sequence for the page's number, made when it is first used. @param {number} id */
  #sequence(id) {
    let found = this.#sequences.get(id);
    if (!found) {
      found = { handle: this.#instance.x.seq_new(this.#model) >>> 0, used: 0 };
      if (!found.handle) throw this.#error(CODES.MEMORY);
      this.#sequences.set(id, found);
    }
    found.used = ++this.#clock;
    return found.handle;
  }

  /** Numbers of the engine's own sequences are negative. @param {number} id */
  #fork(id) {
    const handle = this.#instance.x.seq_fork(this.#sequence(id)) >>> 0;
    if (!handle) throw this.#error(CODES.MEMORY);
    const number = -++this.#clock;
    this.#sequences.set(number, { handle, used: this.#clock });
    return number;
  }

  /** @param {number} id */
  #close(id) {
    const found = this.#sequences.get(id);
    if (found) this.#instance.x.seq_free(found.handle);
    this.#sequences.delete(id);
  }

  /**
   * Works on a saved state, piece by piece through a buffer, and lets messages in between.
   * @param {number} id
   * @param {boolean} restore
   * @param {AbortSignal} signal
   * @param {(state: number, buffer: number) => boolean} piece false at the end
   */
  async #state(id, restore, signal, piece) {
    const { x } = this.#instance;
    while (!this.#ready) {
      if (this.#lost) throw this.#lost;
      if (signal.aborted) throw aborted();
      await this.#wait(signal);
    }
    const state = x.state_open(this.#sequence(id), restore) >>> 0;
    if (!state) throw this.#error(CODES.MEMORY);
    let buffer = 0;
    let code;
    try {
      buffer = this.#instance.alloc(STATE_PIECE);
      for (let begin = performance.now(); piece(state, buffer);) {
        if (performance.now() - begin < SLICE_MS) continue;
        await breathe();
        if (this.#lost) throw this.#lost;
        if (signal.aborted) throw aborted();
        begin = performance.now();
      }
    } finally {
      if (buffer) this.#instance.release(buffer);
      code = x.state_close(state);
    }
    this.#check(code);
  }

  /** @param {number} id @param {AbortSignal} signal @param {PartSink} part one, the bytes */
  async #save(id, signal, part) {
    const instance = this.#instance;
    const bytes = new Uint8Array(instance.x.state_bytes(this.#sequence(id)));
    let at = 0;
    await this.#state(id, false, signal, (state, buffer) => {
      const n = instance.x.state_read(state, buffer, STATE_PIECE) >>> 0;
      bytes.set(instance.u8(buffer, n), at);
      at += n;
      return n > 0;
    });
    part(bytes, [bytes.buffer]);
  }

  /** @param {number} id @param {Uint8Array} bytes @param {boolean} again a chat could evaluate it @param {AbortSignal} signal */
  async #restore(id, bytes, again, signal) {
    const instance = this.#instance;
    if (again) this.#generated.add(id);
    for (;;) {
      let at = 0;
      try {
        return await this.#state(id, true, signal, (state, buffer) => {
          const piece = bytes.subarray(at, at + STATE_PIECE);
          instance.u8(buffer, piece.length).set(piece);
          this.#check(instance.x.state_write(state, buffer, piece.length));
          at += piece.length;
          return at < bytes.length;
        });
      } catch (/** @type {any} */ error) {
        if (error?.code !== 'SOTTO_CONTEXT_FULL' || !this.#evict(id)) throw error;
      }
    }
  }

  /**
   * Gives back the cache of the sequence that was not used for the longest time; it is evaluated again when it is
   * needed. Only generation knows how to do that, so only its sequences are taken.
   * @param {number} id of the sequence that needs room
   * @returns {boolean} whether there was one
   */
  #evict(id) {
    const { x } = this.#instance;
    let oldest;
    for (const [other, s] of this.#sequences) {
      if (other === id || !this.#generated.has(other) || x.seq_length(s.handle) === 0) continue;
      if (!oldest || s.used < oldest.used) oldest = s;
    }
    if (!oldest) return false;
    this.#check(x.seq_truncate(oldest.handle, 0));
    return true;
  }

  /**
   * Makes room for a sequence to hold so many tokens, before the engine would end an answer for want of it.
   * @param {number} id
   * @param {number} tokens
   */
  #makeRoom(id, tokens) {
    const { capacity, contextLength } = this.#extra;
    const pages = (/** @type {number} */ n) => Math.ceil(n / PAGE_TOKENS) * PAGE_TOKENS;
    for (;;) {
      let used = pages(Math.min(tokens, contextLength));
      for (const [other, s] of this.#sequences) {
        if (other !== id) used += pages(this.#instance.x.seq_length(s.handle) >>> 0);
      }
      if (used <= capacity || !this.#evict(id)) return;
    }
  }

  /** @type {Set<number>} sequences that generate, whose contents can be made again from their prompts */
  #generated = new Set();

  /* ---- evaluation -------------------------------------------------------------------------------------- */

  /** Until more of the weights have arrived. @param {AbortSignal} signal */
  async #wait(signal) {
    if (!this.#ready)
      await Promise.race([new Promise((r) => this.#hungry.push(() => r(undefined))), sleep(20, signal)]);
    else await breathe();
  }

  /** @param {any[]} args @param {AbortSignal} signal @param {PartSink} part */
  async #evaluate([id, ids, want], signal, part) {
    const instance = this.#instance;
    const { x } = instance;
    const sequence = this.#sequence(id);
    const at = instance.put(ids);
    try {
      let code = x.run_begin(this.#model, sequence, at, ids.length, want);
      while (code === CODES.CONTEXT_FULL || code === CODES.MEMORY) {
        if (!this.#evict(id)) break;
        code = x.run_begin(this.#model, sequence, at, ids.length, want);
      }
      this.#check(code);
    } finally {
      instance.release(at);
    }
    await this.#rows(signal, (row) => part(row, [row.buffer]));
  }

  /** Runs the batch that was begun to its end. @param {AbortSignal} signal @param {(row: Float32Array) => void} take */
  async #rows(signal, take) {
    const instance = this.#instance;
    const { x } = instance;
    const width = x.row_width(this.#model) >>> 0;
    for (;;) {
      const code = x.run_step(this.#model, SLICE_MS);
      if (code !== CODES.NOT_READY) this.#check(code);
      const rows = code === CODES.NOT_READY ? 0 : x.run_rows(this.#model);
      for (let i = 0; i < rows; i++) take(instance.floats(x.run_row(this.#model, i), width));
      if (code === CODES.OK || code === CODES.DONE) return;
      await (code === CODES.NOT_READY ? this.#wait(signal) : breathe());
      if (this.#lost) throw this.#lost;
      if (signal.aborted) {
        x.model_abort(this.#model);
        x.run_step(this.#model, SLICE_MS);
        throw aborted();
      }
    }
  }

  /**
   * One vector a text; with a query, what a reranker makes of it and each text.
   * @param {any[]} args @param {AbortSignal} signal @param {PartSink} part
   */
  async #embed([texts, query, want, truncate], signal, part) {
    const { contextLength } = this.#extra;
    const flags = { special: true, parse: true, fit: truncate };
    const all = texts.map((/** @type {string} */ text, /** @type {number} */ i) => {
      const ids =
        query === undefined
          ? this.#text.tokenize(text, flags)
          : this.#text.tokenizePair(query, text, truncate);
      if (ids.length === 0) throw invalid(`Text ${i} is empty.`);
      if (ids.length <= contextLength) return ids;
      const sizes = `${ids.length} tokens, the context holds ${contextLength}`;
      throw new SottoError('SOTTO_CONTEXT_FULL', `Text ${i} has ${sizes}: shorten it, or set truncate.`);
    });
    for (let at = 0; at < all.length;) {
      /* As many texts at once as one context holds. */
      let n = 1;
      let used = all[at].length;
      const most = want === WANT_STATES ? 1 : MOST_TEXTS;
      while (n < most && at + n < all.length && used + all[at + n].length <= contextLength)
        used += all[at + n++].length;
      at += await this.#embedSome(all.slice(at, at + n), want, signal, part);
      await breathe();
    }
  }

  /**
   * @param {Uint32Array[]} texts @param {number} want @param {AbortSignal} signal @param {PartSink} part
   * @returns {Promise<number>} how many of the texts there was room for
   */
  async #embedSome(texts, want, signal, part) {
    const instance = this.#instance;
    const { x } = instance;
    /** @type {number[]} */
    const sequences = [];
    /** @type {number[]} */
    const puts = [];
    try {
      for (const ids of texts) {
        const sequence = x.seq_new(this.#model) >>> 0;
        if (!sequence) break;
        sequences.push(sequence);
        puts.push(instance.put(ids));
      }
      let n = sequences.length;
      if (!n) throw this.#error(CODES.LIMIT);
      const entries = sequences.flatMap((sequence, i) => [sequence, puts[i], texts[i].length, want]);
      puts.push(instance.put(Uint32Array.from(entries)));
      for (;;) {
        const code = x.run_begin_all(this.#model, puts[puts.length - 1], n);
        const full = code === CODES.CONTEXT_FULL || code === CODES.MEMORY;
        if (full && (this.#evict(NaN) || (n = n >> 1))) continue;
        this.#check(code);
        break;
      }
      /** @type {Float32Array[]} */
      const rows = [];
      await this.#rows(signal, (row) => rows.push(row));
      const results = want === WANT_STATES ? [joined(rows)] : rows;
      for (const row of results) part(row, [row.buffer]);
      return n;
    } finally {
      for (const sequence of sequences) x.seq_free(sequence);
      for (const at of puts) instance.release(at);
    }
  }

  /** @param {any[]} args @param {AbortSignal} signal @param {PartSink} part */
  async #generate([id, ids, params, stops, tellProgress], signal, part) {
    const instance = this.#instance;
    const { x } = instance;
    const sequence = this.#sequence(id);
    this.#generated.add(id);
    const prompt = instance.put(ids);
    const numbers = instance.alloc(params.length * 8);
    instance.f64(numbers, params.length).set(params);
    const texts = new TextEncoder().encode(stops.map((/** @type {string} */ s) => `${s}\0`).join(''));
    /* Room for one pointer a text, 4 bytes each on wasm32. */
    const stopBytes = new Uint8Array(stops.length * 4 + texts.length);
    stopBytes.set(texts, stops.length * 4);
    const stopAt = instance.put(stopBytes);
    let generation = 0;
    try {
      this.#makeRoom(id, ids.length + SLICE_TOKENS);
      const begin = () => x.gen_new(sequence, prompt, ids.length, numbers, stopAt, stops.length) >>> 0;
      generation = begin();
      while (!generation && this.#evict(id)) generation = begin();
      if (!generation) throw this.#generationError();
      return await this.#steps(generation, id, signal, part, tellProgress);
    } finally {
      if (generation) x.gen_free(generation);
      for (const at of [prompt, numbers, stopAt]) instance.release(at);
    }
  }

  #generationError() {
    const own = this.#instance.error(this.#instance.x.open_fail());
    return own.code === 'SOTTO_OK' ? this.#instance.error(this.#instance.x.model_fail(this.#model)) : own;
  }

  /**
   * @param {number} generation
   * @param {number} id
   * @param {AbortSignal} signal
   * @param {PartSink} part
   * @param {boolean} tellProgress
   */
  async #steps(generation, id, signal, part, tellProgress) {
    const instance = this.#instance;
    const { x } = instance;
    let told = -1;
    let shifted = 0;
    let decoding = false;
    for (;;) {
      this.#use(this.#pace.threads);
      const begin = performance.now();
      const code = x.gen_step(generation, SLICE_MS);
      const took = performance.now() - begin;
      this.#makeRoom(id, (x.seq_length(this.#sequence(id)) >>> 0) + SLICE_TOKENS);
      if ((code === CODES.CONTEXT_FULL || code === CODES.MEMORY) && this.#evict(id)) continue;
      if (code !== CODES.NOT_READY) this.#check(code);
      const piece = this.#take(generation);
      const dropped = this.#stats(generation)[8];
      if (dropped > shifted) piece.shifted = dropped - shifted;
      shifted = dropped;
      /* Not the first step that gives tokens: it ends the prompt. */
      if (decoding) this.#pace.step(piece.ids.length, took);
      decoding ||= piece.ids.length > 0;
      if (code === CODES.DONE || code === CODES.OK) {
        const eog = piece.ids.length > 0 && x.is_eog(this.#model, piece.ids[piece.ids.length - 1]) !== 0;
        if (eog) piece.ids.pop();
        return { ...piece, eog, stats: this.#stats(generation) };
      }
      if (piece.text || piece.ids.length || piece.shifted) part(piece);
      else if (tellProgress) {
        const stats = this.#stats(generation);
        if (stats[7] !== told) part({ prefill: [stats[7], stats[1] - stats[2]] });
        told = stats[7];
      }
      await (code === CODES.NOT_READY ? this.#wait(signal) : breathe());
      if (this.#lost) throw this.#lost;
      if (signal.aborted) return { ...this.#take(generation), eog: false, stats: this.#stats(generation) };
    }
  }

  /** @param {number} generation @returns {{text: string, ids: number[], shifted?: number}} */
  #take(generation) {
    const instance = this.#instance;
    instance.x.gen_take(generation, this.#out);
    const [text, size, ids, n] = instance.u32(this.#out, 4);
    return { text: instance.text(text, size), ids: Array.from(instance.u32(ids, n)) };
  }

  /** @param {number} generation */
  #stats(generation) {
    this.#instance.x.gen_stats(generation, this.#out);
    return Array.from(this.#instance.f64(this.#out, 9));
  }
}
