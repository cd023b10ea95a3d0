// The WebAssembly engine in this process, on one thread: one instance for all models of a run.

import { compile, Instance, newMemory } from '../../workers/instance.js';

const OK = 0;
const MORE = 1;
const HEADER_STEP = 1 << 20;

/** enum sotto_want by the names of the cases. */
export const WANTED = { states: 3, mean: 5, cls: 6, last: 7, rank: 8 };

/** What went wrong, with the code's name as SottoError has it. @param {Instance} instance @param {number} fail */
function failure(instance, fail) {
  return instance.error(fail >>> 0);
}

/** @typedef {{ context?: number, exact?: boolean, batch?: number, kv?: number }} OpenOptions kv: 0 f16, 1 f32, 2 q8_0 */

/** @param {{ variant?: 'simd' | 'relaxed' }} options */
export async function openWasm({ variant } = {}) {
  const { module, variant: used } = await compile(variant, {});
  const instance = new Instance(module, newMemory(64 << 20, 3 * 2 ** 30));
  return {
    name: `WebAssembly (${used})`,
    /** @param {Buffer} bytes a whole GGUF file @param {OpenOptions} [options] */
    open: async (bytes, options) => new WasmModel(instance, bytes, options),
    close: async () => {},
  };
}

class WasmModel {
  #i;
  #x;
  #out;
  #model = 0;
  #seq = 0;
  #used;

  /** @param {Instance} instance @param {Buffer} bytes @param {OpenOptions} [options] */
  constructor(instance, bytes, { context = 0, exact = true, batch = 0, kv = 1 } = {}) {
    const x = instance.x;
    this.#used = x.heap_used();
    this.#i = instance;
    this.#x = x;
    this.#out = instance.alloc(64);
    const header = x.header_new() >>> 0;
    for (let at = 0, code = MORE; code !== OK; at += HEADER_STEP) {
      const part = bytes.subarray(at, at + HEADER_STEP);
      const put = instance.put(part);
      code = x.header_push(header, 0, put, part.length);
      instance.release(put);
      if (code !== OK && (code !== MORE || at + HEADER_STEP >= bytes.length)) {
        const error = failure(instance, x.header_fail(header));
        x.header_free(header);
        throw error;
      }
    }
    const options = instance.put(Uint32Array.of(context, 1, kv, exact ? 1 : 0, 1, batch, 0));
    this.#model = x.model_open(header, options) >>> 0;
    instance.release(options);
    if (!this.#model) throw failure(instance, x.open_fail());
    this.#feed(bytes);
    this.#seq = x.seq_new(this.#model) >>> 0;
    if (!this.#seq) throw this.#error();
    this.vocabulary = x.model_vocab(this.#model) >>> 0;
  }

  #error() {
    return failure(this.#i, this.#x.model_fail(this.#model));
  }

  /** @param {Buffer} bytes */
  #feed(bytes) {
    const x = this.#x;
    for (let i = 0; x.feed_range(this.#model, i, this.#out) === OK; i++) {
      let [, offset, left] = this.#i.f64(this.#out, 3);
      while (left > 0) {
        const target = x.feed_target(this.#model, 0, offset, this.#out) >>> 0;
        const room = Math.min(left, this.#i.f64(this.#out, 1)[0]);
        if (!target || !room) throw this.#error();
        if (offset + room > bytes.length) throw new Error('the file ends too early');
        this.#i.u8(target, room).set(bytes.subarray(offset, offset + room));
        if (x.feed_commit(this.#model, 0, offset, room) !== OK) throw this.#error();
        offset += room;
        left -= room;
      }
    }
  }

  /** @param {number} code */
  #check(code) {
    if (code !== OK) throw this.#error();
  }

  /** @param {string} text @param {number} flags 1 add special, 2 parse special */
  async tokenize(text, flags) {
    const put = this.#i.putText(text);
    const code = this.#x.tokenize(this.#model, put.at, put.size, flags, this.#out);
    this.#i.release(put.at);
    this.#check(code);
    const [at, n] = this.#i.u32(this.#out, 2);
    return Array.from(this.#i.u32(at, n));
  }

  /** @param {number[]} ids @param {number} flags 1 remove special, 2 show special */
  async detokenize(ids, flags) {
    const put = this.#i.put(Uint32Array.from(ids));
    const code = this.#x.detokenize(this.#model, put, ids.length, flags, this.#out);
    this.#i.release(put);
    this.#check(code);
    const [at, n] = this.#i.u32(this.#out, 2);
    return Buffer.from(this.#i.u8(at, n).slice());
  }

  /** @param {string} source @param {object} variables @param {number} now */
  async render(source, variables, now) {
    const template = this.#i.putText(source);
    const json = this.#i.putText(JSON.stringify(variables));
    const code = this.#x.render(this.#model, template.at, json.at, json.size, now, this.#out);
    this.#i.release(template.at);
    this.#i.release(json.at);
    this.#check(code);
    const [at, n] = this.#i.u32(this.#out, 2);
    return this.#i.text(at, n);
  }

  /** @param {number} id */
  async isEog(id) {
    return Boolean(this.#x.is_eog(this.#model, id));
  }

  /** Rows of logits one after the other. @param {ArrayLike<number>} ids @param {boolean} all */
  async evaluate(ids, all) {
    return this.#run(ids, all ? 2 : 1);
  }

  /** The states of all tokens, or their one vector. @param {ArrayLike<number>} ids @param {string} pooling */
  async embed(ids, pooling) {
    const rows = await this.#run(ids, WANTED[/** @type {keyof typeof WANTED} */ (pooling)]);
    await this.reset();
    return Float32Array.from(rows.flatMap((row) => Array.from(row)));
  }

  /** @param {ArrayLike<number>} ids @param {number} want */
  #run(ids, want) {
    const x = this.#x;
    const put = this.#i.put(Uint32Array.from(ids));
    let code = x.run_begin(this.#model, this.#seq, put, ids.length, want);
    this.#i.release(put);
    this.#check(code);
    const rows = [];
    const width = x.row_width(this.#model) >>> 0;
    do {
      code = x.run_step(this.#model, 0);
      if (code !== OK && code !== MORE) throw this.#error();
      for (let i = 0; i < x.run_rows(this.#model); i++) rows.push(this.#i.floats(x.run_row(this.#model, i), width));
    } while (code === MORE);
    return rows;
  }

  /** Forgets all tokens. */
  async reset() {
    this.#check(this.#x.seq_truncate(this.#seq, 0));
  }

  async close() {
    this.#x.seq_free(this.#seq);
    this.#x.model_close(this.#model);
    this.#i.release(this.#out);
    const left = this.#x.heap_used() - this.#used;
    if (left !== 0) throw new Error(`closing the model leaves ${left} bytes`);
  }
}
