/**
 * Brings a model into memory: the header in a throw-away instance, then the tensors, straight to where the
 * engine wants them; and the file's own bytes into the cache. Runs in the loader's thread, or in the engine's
 * where threads cannot share memory.
 */
import { aborted, SottoError } from '../js/errors.js';
import { breathe, hasFiles, nodeModule, sleep } from '../js/host.js';
import { SLACK_BYTES, STACK_BYTES } from '../js/protocol.js';
import { Feed } from './feed.js';
import { Input, siblings } from './input.js';
import { Instance, newMemory } from './instance.js';
import { LockedError, openStore, storeFolder } from '../js/store.js';

/** @typedef {import('../js/protocol.js').LoadProgress} LoadProgress */

/** Bytes asked for at first, to find the header. */
const HEADER_PIECE = 1 << 20;
const HEADER_MEMORY = 768 << 20;
const REPORT_MS = 100;

export class Load {
  /** @type {import('../js/protocol.js').LoadRequest} */
  #request;
  #compiling;
  #report;
  #stop = new AbortController();
  /** @type {Input[]} */
  #inputs = [];
  /** @type {(() => void)[]} */
  #unlock = [];
  /** @type {LoadProgress} */
  #progress = { phase: 'connect', loaded: 0, total: 0, bytesPerSecond: 0, cached: 0 };
  #reported = 0;
  #breath = 0;
  /** @type {{at: number, bytes: number}[]} bytes from the network in the last seconds */
  #speed = [];
  /** @type {string | undefined} why nothing is kept, where it is not */
  #unstored;

  /**
   * @param {import('../js/protocol.js').LoadRequest} request
   * @param {Promise<WebAssembly.Module>} compiling
   * @param {(progress: LoadProgress) => void} report
   */
  constructor(request, compiling, report) {
    this.#request = request;
    this.#compiling = compiling;
    this.#report = report;
  }

  get stored() {
    return this.#inputs.length > 0 && this.#inputs.every((input) => input.store?.complete);
  }

  get unstored() {
    return this.#unstored;
  }

  /** Makes whatever is running reject with SOTTO_ABORTED. */
  abort() {
    this.#stop.abort();
  }

  /** Puts what has arrived on disk and lets everything go. */
  async close() {
    this.#stop.abort();
    for (const input of this.#inputs) await input.close().catch(() => {});
    for (const unlock of this.#unlock) unlock();
    this.#inputs = [];
    this.#unlock = [];
  }

  /* ---- header ------------------------------------------------------------------------------------------ */

  /**
   * Reads the header.
   * @returns {Promise<{info: any, need: number, heads: Uint8Array[]}>}
   */
  header() {
    return this.#guard(() => this.#header());
  }

  /** What is stored of a file that changed is of no use. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  async #guard(work) {
    try {
      return await work();
    } catch (/** @type {any} */ error) {
      if (error?.code === 'SOTTO_CHANGED') {
        for (const input of this.#inputs) await input.store?.reset().catch(() => {});
      }
      throw error;
    }
  }

  /** @returns {Promise<{info: any, need: number, heads: Uint8Array[]}>} */
  async #header() {
    const { options, maxThreads, parts } = this.#request;
    this.#tell('connect', true);
    const reading = this.#headerReader();
    reading.catch(() => {}); /* awaited below; the source may fail before */
    for (let i = 0, n = parts.length; i < n; i++) {
      await this.#add(parts[i]);
      await this.#readHeader(reading, i);
      const { instance, header } = await reading;
      if (i > 0) continue;
      const wanted = instance.x.header_parts(header);
      if (wanted > parts.length) {
        const more = parts.length === 1 ? siblings(parts[0], wanted) : undefined;
        if (!more) {
          throw new SottoError(
            'SOTTO_EINVAL',
            `The model is split into ${wanted} files: give all of them, as an array in order.`,
          );
        }
        parts.push(...more);
        n = wanted;
      }
    }
    const { instance, header } = await reading;
    const { x } = instance;
    const at = instance.putOptions(options, maxThreads);
    const text = x.header_info(header, at) >>> 0;
    if (!text) throw instance.error(x.header_fail(header));
    const info = JSON.parse(instance.cString(text));
    this.#size(info);
    const heap = x.header_memory(header, at);
    if (!heap && !this.#request.inspect) throw instance.error(x.header_fail(header));
    const need = x.heap_base() + heap + SLACK_BYTES + maxThreads * (STACK_BYTES + 128);
    info.memory = { ...info.memory, total: need };
    info.fits = heap > 0 && need <= 2 ** 32;
    return { info, need, heads: this.#inputs.map((input) => joined(input.heads, input.headerBytes)) };
  }

  async #headerReader() {
    const instance = new Instance(await this.#compiling, newMemory(8 << 20, HEADER_MEMORY));
    const header = instance.x.header_new() >>> 0;
    if (!header) throw new SottoError('SOTTO_MEMORY', 'There is no memory to read the header.');
    return { instance, header };
  }

  /** @param {import('../js/protocol.js').Part} part */
  async #add(part) {
    const input = new Input(part, this.#request.retries, this.#stop.signal);
    this.#inputs.push(input);
    await input.prepare();
    if (part.kind !== 'url' || this.#request.cache === 'none' || !/^https?:/.test(part.url)) return;
    await this.#lock(part.url);
    for (;;) {
      try {
        input.store = await openStore(part.url, this.#request.cacheFolder);
        break;
      } catch (error) {
        if (!(error instanceof LockedError)) break;
        this.#tell('wait', true);
        await sleep(250, this.#stop.signal);
        if (this.#stop.signal.aborted) throw aborted();
      }
    }
    if (this.#request.cache === 'reload') await input.store?.reset();
    const { store } = input;
    if (!store) this.#unstored ??= 'This host has no place to keep models.';
    if (store?.ranges.list.length) input.remote?.expect(store.meta);
    if (store?.meta.size) input.size = store.meta.size;
  }

  /** One load of an address at a time, over all tabs. @param {string} url */
  async #lock(url) {
    if (hasFiles || !globalThis.navigator?.locks) return;
    const name = `sotto:${url}`;
    const hold = (/** @type {() => void} */ got) => {
      got();
      return new Promise((release) => this.#unlock.push(() => release(undefined)));
    };
    const first = await new Promise((resolve, reject) => {
      const ask = (/** @type {any} */ lock) => (lock ? hold(() => resolve(true)) : resolve(false));
      navigator.locks.request(name, { ifAvailable: true }, ask).catch(reject);
    }).catch(() => true);
    if (first) return;
    this.#tell('wait', true);
    await new Promise((resolve, reject) => {
      const { signal } = this.#stop;
      navigator.locks.request(name, { signal }, () => hold(() => resolve(undefined))).catch(() => reject(aborted()));
    });
  }

  /**
   * Pushes bytes of part i until its header is complete: what is stored first, then from where it comes.
   * @param {Promise<{instance: Instance, header: number}>} reading
   * @param {number} i
   */
  async #readHeader(reading, i) {
    const input = this.#inputs[i];
    let at = 0;
    const push = async (/** @type {Uint8Array} */ bytes) => {
      const { instance, header } = await reading;
      const taken = instance.pushHeader(header, i, bytes);
      if (taken >= 0) input.headerBytes = at + taken;
      input.heads.push({ at, bytes });
      input.arrived.add(at, at + bytes.length);
      at += bytes.length;
      return taken >= 0;
    };
    const truncated = () =>
      new SottoError('SOTTO_TRUNCATED', `${input.name} ends after ${at} bytes, inside its header.`, { offset: at });
    const [stored] = input.store?.ranges.within(0, Infinity) ?? [];
    while (stored?.[0] === 0 && at < stored[1]) {
      const bytes = new Uint8Array(Math.min(HEADER_PIECE, stored[1] - at));
      const n = (await input.store?.read(at, bytes)) ?? 0;
      if (n === 0) break;
      this.#progress.cached += n;
      if (await push(bytes.subarray(0, n))) return;
      this.#tell('header');
    }
    for (let ask = HEADER_PIECE; ; ask *= 2) {
      const reader = input.open(at, at + ask);
      let got = false;
      for (;;) {
        const piece = await reader.next();
        if (!piece) break;
        const fresh = piece.at < at ? piece.bytes.subarray(at - piece.at) : piece.bytes;
        if (fresh.length === 0) continue;
        got = true;
        await this.#keep(input, at, fresh);
        this.#count(input, fresh.length);
        /* A copy: the reader fills its buffers again. */
        const complete = await push(fresh.slice());
        this.#tell('header');
        if (!complete) continue;
        if (input.random && !input.remote) await reader.cancel();
        else input.rest = reader;
        if (input.remote && !input.size) input.size = input.remote.validator.size;
        return;
      }
      if (!got || !(input.random || input.remote?.ranged)) throw truncated();
    }
  }

  /** Compares the sizes that the headers ask for with those of the files. @param {any} info */
  #size(info) {
    /** @type {number[]} */
    const sizes = info.fileBytes;
    this.#inputs.forEach((input, i) => {
      const wanted = Number(sizes[i] ?? 0);
      if (input.size && wanted > input.size) {
        const text = `${input.name} has ${input.size} bytes; its header speaks of ${wanted}. The file is cut off.`;
        throw new SottoError('SOTTO_TRUNCATED', text, { offset: input.size });
      }
      input.size ||= wanted;
      input.store?.describe({ ...input.remote?.validator, size: input.size });
    });
    this.#progress.total = this.#inputs.reduce((sum, input) => sum + input.size, 0);
  }

  /* ---- tensors ----------------------------------------------------------------------------------------- */

  /**
   * Feeds the model until it has all of its tensors.
   * @param {Instance} instance
   * @param {number} model
   * @param {number} scratch address of 32 bytes
   */
  feed(instance, model, scratch) {
    return this.#guard(() => this.#feed(instance, model, scratch));
  }

  /** @param {Instance} instance @param {number} model @param {number} scratch */
  async #feed(instance, model, scratch) {
    await this.#checkRoom();
    const hooks = {
      arrived: async (/** @type {Input} */ input, /** @type {number} */ at, /** @type {Uint8Array} */ bytes) => {
        await this.#keep(input, at, bytes);
        this.#count(input, bytes.length);
        this.#tell(input.remote ? 'download' : 'read');
        await this.#pause();
      },
      read: async (/** @type {Input} */ input, /** @type {number} */ n) => {
        if (input.store) this.#progress.cached += n;
        this.#tell(input.store ? 'cache' : 'read');
        await this.#pause();
      },
    };
    await new Feed(this.#inputs, { instance, model, scratch }, hooks).run();
    this.#tell('ready', true);
  }

  /* ---- cache and progress ------------------------------------------------------------------------------ */

  /** @param {Input} input @param {number} at @param {Uint8Array} bytes */
  async #keep(input, at, bytes) {
    const { store, remote } = input;
    if (!store || !remote) return;
    try {
      if (!store.meta.etag && !store.meta.modified)
        store.describe({ ...remote.validator, size: input.size || remote.validator.size });
      await store.write(at, bytes);
    } catch (/** @type {any} */ error) {
      const full = error?.name === 'QuotaExceededError' || error?.code === 'ENOSPC';
      await this.#forgo(
        input,
        full ? 'The disk (or this site’s share of it) is full' : `Storing failed (${error?.message ?? error})`,
      );
    }
  }

  /** Goes on without keeping more of the file; what is stored stays readable. @param {Input} input @param {string} reason */
  async #forgo(input, reason) {
    this.#unstored ??= `${reason}: the model will have to be downloaded again next time.`;
    this.#progress.warning = this.#unstored;
    input.store?.freeze();
    this.#tell('download', true);
  }

  /** A full disk is noticed before the download, where the host tells. */
  async #checkRoom() {
    for (const input of this.#inputs) {
      if (!input.store || input.store.complete) continue;
      const left = input.size - input.store.ranges.bytes;
      const free = await freeBytes(this.#request.cacheFolder);
      if (free !== undefined && left + SLACK_BYTES > free) {
        const mib = (/** @type {number} */ n) => `${Math.round(n / 2 ** 20)} MiB`;
        await this.#forgo(input, `The model takes ${mib(left)} of storage and ${mib(free)} are free`);
      }
    }
  }

  /** @param {Input} input @param {number} bytes from the network */
  #count(input, bytes) {
    if (!input.remote) return;
    const now = performance.now();
    this.#speed.push({ at: now, bytes });
    while (this.#speed.length > 2 && this.#speed[0].at < now - 3000) this.#speed.shift();
  }

  /** @param {LoadProgress['phase']} phase @param {boolean} [now] not only after a while */
  #tell(phase, now = false) {
    const time = performance.now();
    const p = this.#progress;
    if (!now && phase === p.phase && time - this.#reported < REPORT_MS) return;
    this.#reported = time;
    p.phase = phase;
    p.loaded = this.#inputs.reduce((sum, input) => sum + input.arrived.bytes, 0);
    const [oldest] = this.#speed;
    const bytes = this.#speed.reduce((sum, s) => sum + s.bytes, 0);
    p.bytesPerSecond = oldest && time - oldest.at > 50 ? Math.round((bytes * 1000) / (time - oldest.at)) : 0;
    this.#report({ ...p });
  }

  /** Lets messages in, such as one that stops all this. */
  async #pause() {
    const now = performance.now();
    if (now - this.#breath > 20) {
      await breathe();
      this.#breath = performance.now();
    }
    if (this.#stop.signal.aborted) throw aborted();
  }
}

/** @param {{at: number, bytes: Uint8Array}[]} pieces @param {number} size */
function joined(pieces, size) {
  const out = new Uint8Array(size);
  for (const { at, bytes } of pieces) if (at < size) out.set(bytes.subarray(0, size - at), at);
  return out;
}

/** Bytes that can still be stored; undefined where the host does not tell. @param {string | undefined} folder */
async function freeBytes(folder) {
  try {
    if (hasFiles) {
      const fs = await nodeModule('node:fs');
      const { bavail, bsize } = fs.statfsSync(await storeFolder(folder));
      return bavail * bsize;
    }
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined || usage === undefined ? undefined : quota - usage;
  } catch {
    return undefined;
  }
}
