/**
 * The places a part of a model can be read from, behind one face: pieces in order from some offset on. `random`
 * says whether any offset will do; a remote file knows after its first answer, a pump only goes forward.
 */
import { aborted, fromPlain, SottoError } from '../js/errors.js';
import { nodeModule } from '../js/host.js';
import { nameOf } from '../js/store.js';
import { Ranges } from '../js/ranges.js';
import { Remote } from './download.js';
import { sparingReader } from './stream.js';

/** @typedef {import('../js/protocol.js').Part} Part */

/**
 * Bytes in order; a piece is gone when the next is asked for.
 * @typedef {object} Pieces
 * @property {() => Promise<{at: number, bytes: Uint8Array} | undefined>} next
 * @property {() => Promise<void>} cancel
 */

const PIECE = 4 << 20;

export class Input {
  /** @type {Part} */
  part;
  /** Bytes of the file, 0 while unknown. */
  size = 0;
  /** What has arrived, header included. */
  arrived = new Ranges();
  /** @type {import('../js/store.js').Store | undefined} */
  store;
  /** @type {{at: number, bytes: Uint8Array}[]} what was read to find the header */
  heads = [];
  headerBytes = 0;
  /** @type {Pieces | undefined} the reader that goes on where the header's ended */
  rest;
  /** @type {Remote | undefined} */
  remote;
  #signal;
  /** @type {((at: number, into: Uint8Array) => number) | undefined} */
  #readSync;
  /** @type {(() => void) | undefined} */
  #closeFile;

  /**
   * @param {Part} part
   * @param {number} retries
   * @param {AbortSignal} signal
   */
  constructor(part, retries, signal) {
    this.part = part;
    this.#signal = signal;
    if (part.kind === 'url') this.remote = new Remote(part, retries, signal);
    if (part.kind === 'blob') this.size = part.blob.size;
    if (part.kind === 'pump') this.size = part.size ?? 0;
  }

  get name() {
    const { part } = this;
    return part.kind === 'url' ? nameOf(part.url) : part.kind === 'path' ? part.path : part.name;
  }

  /** Opens a path. */
  async prepare() {
    if (this.part.kind !== 'path') return;
    const fs = await nodeModule('node:fs');
    /** @type {number} */
    let fd;
    try {
      fd = fs.openSync(this.part.path, 'r');
      this.size = fs.fstatSync(fd).size;
    } catch (/** @type {any} */ error) {
      const code = error.code === 'ENOENT' ? 'SOTTO_NOT_FOUND' : 'SOTTO_IO';
      throw new SottoError(code, `${this.part.path} cannot be opened: ${error.message}.`, { cause: error });
    }
    this.#readSync = (at, into) => fs.readSync(fd, into, 0, into.length, at);
    this.#closeFile = () => fs.closeSync(fd);
  }

  get random() {
    const { kind } = this.part;
    if (kind === 'url') return !!this.store?.complete || (!!this.remote?.ranged && this.store?.random !== false);
    return kind !== 'pump';
  }

  /** Reads into memory where that needs no copy: a path, or what is stored. @param {number} at */
  readsDirectly(at) {
    if (this.#readSync) return true;
    return !!this.store && this.store.ranges.within(at, at + 1).length > 0;
  }

  /** @param {number} at @param {Uint8Array} into @returns {Promise<number>} */
  async readInto(at, into) {
    if (this.#readSync) return this.#readSync(at, into);
    return this.store ? this.store.read(at, into) : 0;
  }

  /**
   * @param {number} from
   * @param {number} to
   * @returns {Pieces}
   */
  open(from, to) {
    const { part } = this;
    if (this.remote) return this.remote.open(from, to);
    if (part.kind === 'pump') return this.#pump(part.port);
    let at = from;
    const end = Math.min(to, this.size);
    const reader = part.kind === 'blob' ? sparingReader(part.blob.slice(from, end).stream()) : undefined;
    return {
      next: async () => {
        if (this.#signal.aborted) throw aborted();
        if (at >= end) return undefined;
        const n = Math.min(PIECE, end - at);
        const bytes = part.kind === 'blob' ? await readBlob(part.blob, at, n, reader) : new Uint8Array(n);
        const piece = { at, bytes };
        if (this.#readSync) piece.bytes = piece.bytes.subarray(0, this.#readSync(at, piece.bytes));
        if (piece.bytes.length === 0) return undefined;
        at += piece.bytes.length;
        return piece;
      },
      cancel: async () => reader?.cancel().catch(() => {}),
    };
  }

  /** @param {MessagePort} port @returns {Pieces} */
  #pump(port) {
    let at = 0;
    return {
      next: () =>
        new Promise((resolve, reject) => {
          const stop = () => reject(aborted());
          if (this.#signal.aborted) return stop();
          this.#signal.addEventListener('abort', stop, { once: true });
          port.onmessage = ({ data }) => {
            this.#signal.removeEventListener('abort', stop);
            if (data.error) return reject(fromPlain(data.error));
            if (data.done) return resolve(undefined);
            resolve({ at, bytes: data.bytes });
            at += data.bytes.length;
          };
          port.postMessage('pull');
        }),
      cancel: async () => {},
    };
  }

  async close() {
    await this.rest?.cancel();
    this.#closeFile?.();
    if (this.part.kind === 'pump') {
      this.part.port.postMessage('close');
      this.part.port.close();
    }
    await this.store?.close();
    this.store = undefined;
  }
}

/** @param {Blob} blob @param {number} at @param {number} n @param {import('./stream.js').Reader} [reader] which is there */
async function readBlob(blob, at, n, reader) {
  try {
    if (reader) return (await reader.read()).value ?? new Uint8Array(0);
    return new Uint8Array(await blob.slice(at, at + n).arrayBuffer());
  } catch (error) {
    throw new SottoError('SOTTO_IO', 'The file can no longer be read; was it moved or changed?', { cause: error });
  }
}

/**
 * The further parts of a split model, whose names count as in `name-00001-of-00003.gguf`.
 * @param {Part} part the first
 * @param {number} n
 * @returns {Part[] | undefined}
 */
export function siblings(part, n) {
  const text = part.kind === 'url' ? part.url : part.kind === 'path' ? part.path : '';
  const pattern = /-00001-of-(\d{5})(\.gguf)/i;
  const found = pattern.exec(text);
  if (!found || Number(found[1]) !== n) return undefined;
  return Array.from({ length: n - 1 }, (_, i) => {
    const next = text.replace(pattern, `-${String(i + 2).padStart(5, '0')}-of-$1$2`);
    return part.kind === 'url' ? { ...part, url: next } : { kind: /** @type {const} */ ('path'), path: next };
  });
}
