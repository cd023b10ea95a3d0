/**
 * Puts the tensors of a model where the engine wants them: in the order of the plan where every file can be read
 * anywhere, else from the first byte to the last. What is on disk goes there without a copy in between.
 */
import { codeName, CODES } from '../js/codes.js';
import { SottoError } from '../js/errors.js';
import { Ranges } from '../js/ranges.js';

/**
 * @typedef {import('./input.js').Input} Input
 * @typedef {import('./instance.js').Instance} Instance
 *
 * A stretch of a file, in the order in which it should come.
 * @typedef {{input: Input, part: number, from: number, to: number}} Stretch
 *
 * @typedef {object} FeedHooks
 * @property {(input: Input, at: number, bytes: Uint8Array) => Promise<void>} arrived bytes from outside
 * @property {(input: Input, n: number) => Promise<void>} read bytes from disk
 */

const FIRST_PIECE = 1 << 20;
const DIRECT_PIECE = 4 << 20;
/** The next request is made when so little is left of one. */
const AHEAD = 1 << 20;
/** Gaps between tensors that are not worth a request of their own. */
const SMALL_GAP = 64 << 10;
/** So much of the plan at least is asked for in the order of the file. */
const WINDOW = 2 << 20;
/** … and up to so many tensors, those of a block of the model, where that leaves no hole of a small request. */
const BLOCK = 32;

export class Feed {
  #inputs;
  #to;
  #hooks;

  /**
   * @param {Input[]} inputs
   * @param {{instance: Instance, model: number, scratch: number}} to scratch: address of 32 bytes
   * @param {FeedHooks} hooks
   */
  constructor(inputs, to, hooks) {
    this.#inputs = inputs;
    this.#to = to;
    this.#hooks = hooks;
  }

  /** Resolves when the model has all of its tensors. */
  async run() {
    const { instance, model } = this.#to;
    for (const [part, input] of this.#inputs.entries()) {
      for (const { at, bytes } of input.heads) this.#place(part, at, bytes);
      input.heads = [];
      await this.#meet(part);
      if (!input.remote?.ranged) continue;
      /* What was asked for with the header is still coming in. */
      for (let piece = await input.rest?.next(); piece; piece = await input.rest?.next())
        await this.#arrive(part, piece);
      input.rest = undefined;
    }
    if (this.#inputs.every((input) => input.random)) await this.#planned();
    else await this.#inOrder();
    instance.x.feed_join(model);
    if (!instance.x.feed_ready(model)) {
      const fail = instance.x.model_fail(model);
      if (instance.x.fail_code(fail)) throw instance.error(fail);
      throw new SottoError('SOTTO_TRUNCATED', 'The file ended before all tensors had arrived.');
    }
  }

  /**
   * Where the header came from the cache and more is missing, the server is asked for a first piece: whether the
   * file is still the same, and whether it gives ranges.
   * @param {number} part
   */
  async #meet(part) {
    const input = this.#inputs[part];
    if (!input.remote || input.remote.ranged !== undefined || !input.store || input.store.complete) return;
    const [first] = input.store.ranges.missing(0, input.size);
    if (!first) return;
    const pieces = input.open(first[0], Math.min(first[1], first[0] + FIRST_PIECE));
    let piece = await pieces.next();
    while (piece) {
      await this.#arrive(part, piece);
      if (!input.remote.ranged) {
        input.rest = pieces;
        return;
      }
      piece = await pieces.next();
    }
  }

  /** Bytes of a part, to where the engine wants them. @param {number} part @param {number} at @param {Uint8Array} bytes */
  #place(part, at, bytes) {
    for (let done = 0; done < bytes.length;) {
      const { to, room } = this.#target(part, at + done);
      const n = Math.min(room, bytes.length - done);
      this.#to.instance.u8(to, n).set(done === 0 && n === bytes.length ? bytes : bytes.subarray(done, done + n));
      this.#commit(part, at + done, n);
      done += n;
    }
  }

  /** @param {number} part @param {number} at */
  #target(part, at) {
    const { instance, model, scratch } = this.#to;
    const to = instance.x.feed_target(model, part, at, scratch) >>> 0;
    const [room] = instance.f64(scratch, 1);
    if (!to || !(room > 0)) throw instance.error(instance.x.model_fail(model));
    return { to, room };
  }

  /** @param {number} part @param {number} at @param {number} n */
  #commit(part, at, n) {
    const { instance, model } = this.#to;
    const code = instance.x.feed_commit(model, part, at, n);
    if (code > CODES.DONE) {
      const error = instance.error(instance.x.model_fail(model));
      throw error.code === 'SOTTO_OK'
        ? new SottoError(codeName(code), 'The engine refused the bytes of the file.')
        : error;
    }
  }

  /** In the order of the plan, then what lies between. */
  async #planned() {
    const { instance, model, scratch } = this.#to;
    /** @type {Stretch[]} */
    const ranges = [];
    for (let i = 0; instance.x.feed_range(model, i, scratch) === CODES.OK; i++) {
      const [part, from, bytes] = instance.f64(scratch, 3);
      if (this.#inputs[part]) ranges.push({ input: this.#inputs[part], part, from, to: from + bytes });
    }
    const stretches = inWindows(ranges);
    for (const [part, input] of this.#inputs.entries()) stretches.push({ input, part, from: 0, to: input.size });
    /** @type {{stretch: Stretch, pieces: import('./input.js').Pieces, first: Promise<any>} | undefined} */
    let ahead;
    const begin = (/** @type {Stretch} */ stretch) => {
      const pieces = stretch.input.open(stretch.from, stretch.to);
      const first = pieces.next();
      first.catch(() => {});
      return { stretch, pieces, first };
    };
    const queue = this.#pending(stretches);
    for (let next = queue.next(); !next.done;) {
      const stretch = next.value;
      if (stretch.input.readsDirectly(stretch.from)) {
        await this.#direct(stretch);
        next = queue.next();
        continue;
      }
      const { pieces, first } = ahead ?? begin(stretch);
      ahead = undefined;
      const following = queue.next();
      let piece = await first;
      while (piece) {
        await this.#arrive(stretch.part, piece);
        const left = stretch.to - piece.at - piece.bytes.length;
        if (!ahead && left < AHEAD && !following.done && following.value.input.remote) {
          if (!following.value.input.readsDirectly(following.value.from)) ahead = begin(following.value);
        }
        piece = left > 0 ? await pieces.next() : undefined;
      }
      await pieces.cancel();
      next = following;
    }
  }

  /**
   * Cuts stretches into what has not arrived, and that into what is stored and what is not.
   * @param {Stretch[]} stretches
   * @returns {Generator<Stretch, void, void>}
   */
  *#pending(stretches) {
    /* What was given out counts as arrived, so that a stretch is never asked for twice. */
    const given = this.#inputs.map((input) => new Ranges(input.arrived.list));
    for (const { input, part, from, to } of stretches) {
      for (const [a, b] of given[part].missing(from, to)) {
        given[part].add(a, b);
        let at = a;
        for (const [c, d] of input.store?.ranges.within(a, b) ?? []) {
          if (c > at) yield { input, part, from: at, to: c };
          yield { input, part, from: c, to: d };
          at = d;
        }
        if (at < b) yield { input, part, from: at, to: b };
      }
    }
  }

  /** From disk, without a copy in between. @param {Stretch} stretch */
  async #direct({ input, part, from, to }) {
    const { instance, model } = this.#to;
    const stored = this.#inputs.every((one) => !one.remote || one.store?.complete);
    for (let at = from; at < to;) {
      if (stored) instance.x.feed_share(model); /* with the threads that are there by now */
      const { to: address, room } = this.#target(part, at);
      const n = await input.readInto(at, instance.u8(address, Math.min(room, to - at, DIRECT_PIECE)));
      if (!(n > 0)) throw new SottoError('SOTTO_TRUNCATED', `${input.name} ends after ${at} bytes.`, { offset: at });
      this.#commit(part, at, n);
      input.arrived.add(at, at + n);
      at += n;
      await this.#hooks.read(input, n);
    }
  }

  /** Everything from the first to the last byte, part by part. */
  async #inOrder() {
    for (const [part, input] of this.#inputs.entries()) {
      if (input.random && input.remote === undefined) {
        for (const [from, to] of input.arrived.missing(0, input.size)) {
          const pieces = input.open(from, to);
          for (let p = await pieces.next(); p; p = await pieces.next()) await this.#arrive(part, p);
        }
        continue;
      }
      let got = true;
      while (input.size === 0 || input.arrived.missing(0, input.size).length > 0) {
        const [from = input.headerBytes, to = input.size] = input.arrived.missing(0, input.size)[0] ?? [];
        const [stored] = input.store?.ranges.within(from, to || Infinity) ?? [];
        if (stored?.[0] === from) {
          await this.#direct({ input, part, from, to: Math.min(stored[1], to) });
          continue;
        }
        input.rest ??= input.open(from, Infinity);
        const piece = await input.rest.next();
        if (piece) {
          got = true;
          await this.#arrive(part, piece);
        } else {
          input.rest = undefined;
          if (!input.size) break;
          if (!got || !input.remote) throw new SottoError('SOTTO_TRUNCATED', `${input.name} ends too early.`);
          got = false;
        }
      }
      await input.rest?.cancel();
      input.rest = undefined;
    }
  }

  /** A piece from outside. @param {number} part @param {{at: number, bytes: Uint8Array}} piece */
  async #arrive(part, { at, bytes }) {
    const input = this.#inputs[part];
    const fresh = input.arrived.missing(at, at + bytes.length);
    for (const [from, to] of fresh) {
      const piece = fresh.length === 1 && to - from === bytes.length ? bytes : bytes.subarray(from - at, to - at);
      this.#place(part, from, piece);
      input.arrived.add(from, to);
      await this.#hooks.arrived(input, from, piece);
    }
  }
}

/**
 * The ranges of the plan in few requests: those of a window in the order of the file, neighbours joined.
 * @param {Stretch[]} ranges in the order of the plan
 * @returns {Stretch[]}
 */
export function inWindows(ranges) {
  /** @type {Stretch[]} */
  const stretches = [];
  /** @type {Ranges[]} by part */
  const asked = [];
  for (let i = 0; i < ranges.length;) {
    const before = (asked[ranges[i].part] ??= new Ranges());
    const window = ranges.slice(i, (i = endOfWindow(ranges, i, before)));
    for (const { from, to } of window) before.add(from, to);
    window.sort((a, b) => a.part - b.part || a.from - b.from);
    for (const range of window) {
      const last = stretches[stretches.length - 1];
      if (last?.part === range.part && range.from >= last.to && range.from - last.to <= SMALL_GAP) last.to = range.to;
      else stretches.push({ ...range });
    }
  }
  return stretches;
}

/**
 * Where it has enough and, with what was asked for before, leaves no hole in the file that would be a small request of
 * its own; else where it has enough.
 * @param {Stretch[]} ranges
 * @param {number} from index
 * @param {Ranges} before of the same part
 */
function endOfWindow(ranges, from, before) {
  const { part } = ranges[from];
  const asked = new Ranges(before.list);
  let enough = 0;
  let bytes = 0;
  let lo = Infinity;
  let hi = 0;
  for (let i = from; i < ranges.length && i < from + BLOCK && ranges[i].part === part; i++) {
    const range = ranges[i];
    if (bytes < WINDOW) enough = i + 1;
    bytes += range.to - range.from;
    lo = Math.min(lo, range.from);
    hi = Math.max(hi, range.to);
    asked.add(range.from, range.to);
    if (bytes >= WINDOW && !asked.missing(lo, hi).some(([a, b]) => b - a > SMALL_GAP && b - a < WINDOW)) return i + 1;
  }
  return enough;
}
