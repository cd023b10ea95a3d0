/**
 * The cache: a file's own bytes and what is known of them, by the address they came from. OPFS where there is
 * one, else the Cache API in segments of 16 MiB, a folder in Node. A store belongs to one load at a time (a lock
 * sees to that); its file is closed when the load ends.
 */
import { hasFiles, nodeModule } from './host.js';
import { Ranges } from './ranges.js';

/**
 * @typedef {object} Meta
 * @property {string} url
 * @property {number} size 0 while unknown
 * @property {string} [etag]
 * @property {string} [modified]
 * @property {[number, number][]} ranges that have arrived
 * @property {number} usedAt
 *
 * @typedef {object} Backend
 * @property {() => Promise<string | undefined>} readMeta
 * @property {(text: string) => Promise<void>} writeMeta
 * @property {(at: number, bytes: Uint8Array) => Promise<number>} read fills bytes, returns how many
 * @property {(at: number, bytes: Uint8Array) => Promise<[number, number] | undefined>} write returns the range
 *   that is now safe, where that is not exactly what was given
 * @property {(size: number) => void} [sized] told the size of the whole file
 * @property {() => Promise<void>} flush
 * @property {() => Promise<void>} truncate empties the file
 * @property {() => Promise<void>} close
 */

const SEGMENT = 16 << 20;
const CACHE_NAME = 'sotto-models';
const FLUSH_BYTES = 32 << 20;
const LOCK_TOUCH_MS = 2000;
const LOCK_STALE_MS = 10000;

/** @param {string} url */
async function keyOf(url) {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
  return [...new Uint8Array(hash, 0, 16)].map((b) => b.toString(16).padStart(2, '0')).join('');
}

/** @param {string} url */
export function nameOf(url) {
  const path = url.replace(/[?#].*$/, '');
  try {
    return decodeURIComponent(path.slice(path.lastIndexOf('/') + 1)) || url;
  } catch {
    return path.slice(path.lastIndexOf('/') + 1);
  }
}

/** @param {string | undefined} text @returns {Meta | undefined} */
function parseMeta(text) {
  try {
    const meta = JSON.parse(text ?? '');
    const ok = (/** @type {any} */ r) => Array.isArray(r) && r[0] >= 0 && r[1] > r[0];
    return typeof meta.url === 'string' && Array.isArray(meta.ranges) && meta.ranges.every(ok) ? meta : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string | undefined} folder */
export async function storeFolder(folder) {
  const path = await nodeModule('node:path');
  const os = await nodeModule('node:os');
  return folder ?? path.join(process.env.SOTTO_CACHE ?? path.join(os.homedir(), '.cache', 'sotto'), 'models');
}

/** @returns {Promise<FileSystemDirectoryHandle | undefined>} */
async function opfsFolder(create = false) {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle('sotto', { create });
  } catch {
    return undefined;
  }
}

/**
 * @param {string} key
 * @returns {Promise<Backend | undefined>}
 */
async function opfsBackend(key) {
  const folder = await opfsFolder(true);
  if (!folder) return undefined;
  const file = await folder.getFileHandle(`${key}.gguf`, { create: true });
  if (!('createSyncAccessHandle' in file)) return undefined;
  const handle = await /** @type {any} */ (file).createSyncAccessHandle();
  let sharedReads = true;
  return {
    async readMeta() {
      const meta = await folder.getFileHandle(`${key}.json`).catch(() => undefined);
      return meta && (await meta.getFile()).text();
    },
    async writeMeta(text) {
      const meta = await folder.getFileHandle(`${key}.json`, { create: true });
      const access = await /** @type {any} */ (meta).createSyncAccessHandle();
      try {
        const bytes = new TextEncoder().encode(text);
        access.truncate(0);
        access.write(bytes, { at: 0 });
        access.flush();
      } finally {
        access.close();
      }
    },
    async read(at, bytes) {
      if (sharedReads) {
        try {
          return handle.read(bytes, { at });
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
          sharedReads = false;
        }
      }
      const copy = new Uint8Array(Math.min(bytes.length, 1 << 20));
      const n = handle.read(copy, { at });
      bytes.set(copy.subarray(0, n));
      return n;
    },
    async write(at, bytes) {
      for (let done = 0; done < bytes.length;) {
        const n = handle.write(done ? bytes.subarray(done) : bytes, { at: at + done });
        if (!(n > 0)) throw new DOMException('The disk is full.', 'QuotaExceededError');
        done += n;
      }
      return undefined;
    },
    flush: async () => handle.flush(),
    truncate: async () => handle.truncate(0),
    close: async () => handle.close(),
  };
}

/** @type {Promise<Cache> | undefined} */
let held;

/**
 * Called by the page where there is no OPFS: in a private session WebKit forgets a cache as soon as nobody has it
 * open, and the loader's thread ends with its load.
 */
export function holdCache() {
  if (typeof caches === 'undefined' || /** @type {any} */ (navigator.storage)?.getDirectory) return;
  held ??= caches.open(CACHE_NAME);
  held.catch(() => {});
}

/** @param {string} key @param {string} part */
const cacheKey = (key, part) => `https://cache.sotto.invalid/${key}/${part}`;

/**
 * Segments are stored when they are whole (the last one when the file's size is known to end there).
 * @param {string} key
 * @returns {Promise<Backend | undefined>}
 */
async function cacheBackend(key) {
  if (typeof caches === 'undefined') return undefined;
  const cache = await caches.open(CACHE_NAME);
  let size = 0;
  /** @type {{index: number, bytes: Uint8Array, filled: number} | undefined} the segment being filled */
  let open;
  /** @type {{index: number, bytes: Uint8Array} | undefined} the segment read last */
  let last;
  return {
    readMeta: async () => (await cache.match(cacheKey(key, 'meta')))?.text(),
    writeMeta: async (text) => cache.put(cacheKey(key, 'meta'), new Response(text)),
    async read(at, bytes) {
      const index = Math.floor(at / SEGMENT);
      if (last?.index !== index) {
        const found = await cache.match(cacheKey(key, String(index)));
        if (!found) return 0;
        last = { index, bytes: new Uint8Array(await found.arrayBuffer()) };
      }
      const from = at - index * SEGMENT;
      const piece = last.bytes.subarray(from, from + bytes.length);
      bytes.set(piece);
      return piece.length;
    },
    async write(at, bytes) {
      /** @type {[number, number] | undefined} */
      let safe;
      for (let done = 0; done < bytes.length;) {
        const index = Math.floor((at + done) / SEGMENT);
        const from = at + done - index * SEGMENT;
        if (open?.index !== index) open = from === 0 ? { index, bytes: new Uint8Array(SEGMENT), filled: 0 } : undefined;
        const n = Math.min(bytes.length - done, SEGMENT - from);
        if (open && open.filled === from) {
          open.bytes.set(bytes.subarray(done, done + n), from);
          open.filled += n;
          const end = index * SEGMENT + open.filled;
          if (open.filled === SEGMENT || end === size) {
            await cache.put(
              cacheKey(key, String(index)),
              new Response(/** @type {any} */ (open.bytes.subarray(0, open.filled))),
            );
            safe = [safe ? safe[0] : index * SEGMENT, end];
            open = undefined;
          }
        }
        done += n;
      }
      return safe ?? [at, at];
    },
    sized: (n) => (size = n),
    flush: async () => {},
    async truncate() {
      open = last = undefined;
      await removeSegments(cache, key);
    },
    close: async () => {
      open = last = undefined;
    },
  };
}

/** @param {Cache} cache @param {string} key */
async function removeSegments(cache, key) {
  let removed = false;
  for (const request of await cache.keys()) {
    if (request.url.startsWith(cacheKey(key, ''))) removed = (await cache.delete(request)) || removed;
  }
  return removed;
}

/**
 * @param {string} base path without extension
 * @returns {Promise<Backend | undefined>}
 */
async function nodeBackend(base) {
  const fs = await nodeModule('node:fs');
  const path = await nodeModule('node:path');
  const lock = `${base}.lock`;
  try {
    fs.mkdirSync(path.dirname(base), { recursive: true });
  } catch {
    return undefined;
  }
  if (!takeLock(fs, lock)) throw new LockedError();
  const touch = setInterval(() => fs.utimes(lock, new Date(), new Date(), () => {}), LOCK_TOUCH_MS);
  const fd = fs.openSync(`${base}.gguf`, fs.constants.O_RDWR | fs.constants.O_CREAT);
  return {
    readMeta: async () => (fs.existsSync(`${base}.json`) ? fs.readFileSync(`${base}.json`, 'utf8') : undefined),
    async writeMeta(text) {
      fs.writeFileSync(`${base}.json.new`, text);
      fs.renameSync(`${base}.json.new`, `${base}.json`);
    },
    read: async (at, bytes) => fs.readSync(fd, bytes, 0, bytes.length, at),
    async write(at, bytes) {
      for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, bytes.length - done, at + done);
      return undefined;
    },
    flush: async () => fs.fdatasyncSync(fd),
    truncate: async () => fs.ftruncateSync(fd, 0),
    async close() {
      clearInterval(touch);
      fs.closeSync(fd);
      fs.rmSync(lock, { force: true });
    },
  };
}

/** Somebody else is loading this model now. */
export class LockedError extends Error {}

/**
 * A lock between loads in Node: a file with the holder's process id, which the holder touches now and then. The
 * lock of a dead process, or one that is no longer touched, is taken over.
 * @param {any} fs
 * @param {string} file
 * @returns {boolean}
 */
function takeLock(fs, file) {
  for (let again = true; ; again = false) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' });
      return true;
    } catch (/** @type {any} */ error) {
      if (error.code !== 'EEXIST' || !again) return false;
      if (!lockIsStale(fs, file)) return false;
      fs.rmSync(file, { force: true });
    }
  }
}

/** @param {any} fs @param {string} file */
function lockIsStale(fs, file) {
  try {
    if (Date.now() - fs.statSync(file).mtimeMs > LOCK_STALE_MS) return true;
    process.kill(Number(fs.readFileSync(file, 'utf8')), 0);
    return false;
  } catch (/** @type {any} */ error) {
    return error.code === 'ESRCH' || error.code === 'ENOENT';
  }
}

/** One cached file, open. */
export class Store {
  /** @type {Backend} */
  #backend;
  /** @type {Meta} */
  meta;
  ranges;
  #unsaved = 0;
  #frozen = false;
  /** Whether pieces may come in any order. */
  random;

  /**
   * @param {Backend} backend
   * @param {Meta} meta
   * @param {boolean} random
   */
  constructor(backend, meta, random) {
    this.#backend = backend;
    this.meta = meta;
    this.ranges = new Ranges(meta.ranges);
    this.random = random;
    backend.sized?.(meta.size);
  }

  /** @param {{size: number, etag?: string, modified?: string}} known of the file on the server */
  describe(known) {
    Object.assign(this.meta, known);
    this.#backend.sized?.(known.size);
  }

  get complete() {
    return this.meta.size > 0 && this.ranges.missing(0, this.meta.size).length === 0;
  }

  /** @param {number} at @param {Uint8Array} bytes */
  read(at, bytes) {
    return this.#backend.read(at, bytes);
  }

  /** @param {number} at @param {Uint8Array} bytes */
  async write(at, bytes) {
    if (this.#frozen) return;
    const safe = await this.#backend.write(at, bytes);
    if (safe) this.ranges.add(...safe);
    else this.ranges.add(at, at + bytes.length);
    this.#unsaved += bytes.length;
    if (this.#unsaved >= FLUSH_BYTES) await this.save();
  }

  /** Writes nothing any more. */
  freeze() {
    this.#frozen = true;
  }

  /** Puts what has arrived, and the knowledge of it, on disk; the bytes first. */
  async save() {
    this.#unsaved = 0;
    await this.#backend.flush();
    this.meta.ranges = this.ranges.list;
    this.meta.usedAt = Date.now();
    await this.#backend.writeMeta(JSON.stringify(this.meta));
  }

  /** Forgets everything that arrived. */
  async reset() {
    this.ranges = new Ranges();
    this.meta = { url: this.meta.url, size: 0, ranges: [], usedAt: Date.now() };
    await this.#backend.writeMeta(JSON.stringify(this.meta));
    await this.#backend.truncate();
  }

  async close() {
    try {
      if (this.ranges.list.length > 0) await this.save();
    } finally {
      await this.#backend.close();
    }
  }
}

/**
 * Opens (or begins) the stored copy of a file. Undefined where nothing can be stored, or where somebody else has
 * it open.
 * @param {string} url
 * @param {string | undefined} folder Node only
 * @returns {Promise<Store | undefined>}
 */
export async function openStore(url, folder) {
  if (typeof crypto === 'undefined' || !crypto.subtle) return undefined;
  const key = await keyOf(url);
  /** @type {Meta} */
  let meta = { url, size: 0, ranges: [], usedAt: Date.now() };
  let random = true;
  /** @type {Backend | undefined} */
  let backend;
  if (hasFiles) {
    const path = await nodeModule('node:path');
    backend = await nodeBackend(path.join(await storeFolder(folder), key));
  } else {
    backend = await opfsBackend(key).catch(() => undefined);
    if (!backend) {
      backend = await cacheBackend(key).catch(() => undefined);
      random = false;
    }
  }
  if (!backend) return undefined;
  const known = parseMeta(await backend.readMeta().catch(() => undefined));
  if (known?.url === url) meta = known;
  return new Store(backend, meta, random);
}

/**
 * Whether a file is stored as a whole, as far as the notes beside it say.
 * @param {string} url
 * @param {string | undefined} folder Node only
 * @returns {Promise<boolean>}
 */
export async function isStored(url, folder) {
  try {
    const key = await keyOf(url);
    /** @type {string | undefined} */
    let text;
    if (hasFiles) {
      text = (await nodeModule('node:fs')).readFileSync(`${await storeFolder(folder)}/${key}.json`, 'utf8');
    } else {
      const handle = await (await opfsFolder())?.getFileHandle(`${key}.json`);
      text = await (await handle?.getFile())?.text();
    }
    const meta = parseMeta(text);
    return meta?.url === url && listed(meta).complete;
  } catch {
    return false;
  }
}

/** @param {Meta} meta */
function listed(meta) {
  const ranges = new Ranges(meta.ranges);
  const { url, size, usedAt } = meta;
  const complete = size > 0 && ranges.missing(0, size).length === 0;
  return { url, name: nameOf(url), bytes: ranges.bytes, size, complete, usedAt };
}

/**
 * @param {string | undefined} folder Node only
 * @returns {Promise<import('./cached.js').CachedModel[]>}
 */
export async function listStored(folder) {
  /** @type {(string | undefined)[]} */
  const texts = [];
  if (hasFiles) {
    const fs = await nodeModule('node:fs');
    const base = await storeFolder(folder);
    const names = fs.existsSync(base) ? fs.readdirSync(base) : [];
    for (const name of names) if (name.endsWith('.json')) texts.push(fs.readFileSync(`${base}/${name}`, 'utf8'));
  } else {
    const opfs = /** @type {any} */ (await opfsFolder());
    if (opfs) {
      /* no for await: the iterators of handles are older than that in some browsers */
      const entries = opfs.entries();
      for (let e = await entries.next(); !e.done; e = await entries.next()) {
        const [name, handle] = e.value;
        if (name.endsWith('.json')) texts.push(await (await handle.getFile()).text());
      }
    }
    if (typeof caches !== 'undefined' && (await caches.has(CACHE_NAME).catch(() => false))) {
      const cache = await caches.open(CACHE_NAME);
      for (const request of await cache.keys()) {
        if (request.url.endsWith('/meta')) texts.push(await (await cache.match(request))?.text());
      }
    }
  }
  return texts.flatMap((text) => {
    const meta = parseMeta(text);
    return meta ? [listed(meta)] : [];
  });
}

/**
 * @param {string} url
 * @param {string | undefined} folder Node only
 * @returns {Promise<boolean>}
 */
export async function removeStored(url, folder) {
  const key = await keyOf(url);
  if (hasFiles) {
    const fs = await nodeModule('node:fs');
    const base = `${await storeFolder(folder)}/${key}`;
    const found = fs.existsSync(`${base}.json`) || fs.existsSync(`${base}.gguf`);
    for (const end of ['json', 'gguf']) fs.rmSync(`${base}.${end}`, { force: true });
    return found;
  }
  let found = false;
  const opfs = await opfsFolder();
  for (const end of ['json', 'gguf']) {
    const gone = await opfs?.removeEntry(`${key}.${end}`).then(
      () => true,
      () => false,
    );
    found ||= !!gone;
  }
  if (typeof caches !== 'undefined') found = (await removeSegments(await caches.open(CACHE_NAME), key)) || found;
  return found;
}
