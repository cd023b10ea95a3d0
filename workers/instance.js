/**
 * An instance of the engine on a memory: which build, how to start it, and how values cross. No view on the
 * memory outlives a call.
 */
import { codeName, CODES } from '../js/codes.js';
import { SottoError } from '../js/errors.js';
import { hasFiles, nodeModule } from '../js/host.js';
import { PAGE_BYTES } from '../js/protocol.js';

/** @typedef {'simd' | 'relaxed'} Variant */

const HEADER_SLICE = 64 << 10;

/* (func (result i32)) that returns lane 2 of the relaxed dot of sixteen -7 and sixteen 100, plus 5. */
const PROBE =
  'AGFzbQEAAAABBQFgAAF/AwIBAAcFAQFmAAAKQAE+AP0M+fn5+fn5+fn5+fn5+fn5+f0MZGRkZGRkZGRkZGRkZGRkZP0MBQAAAAUAAAAFAAAABQAAAP2TAv0bAgs=';

/**
 * Whether the relaxed dot product exists here and is right (Node 20 behind its flag computes wrong sums).
 * @returns {boolean}
 */
export function relaxedWorks() {
  try {
    const bytes = Uint8Array.from(atob(PROBE), (c) => c.charCodeAt(0));
    if (!WebAssembly.validate(bytes)) return false;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    return /** @type {() => number} */ (exports.f)() === 4 * -700 + 5;
  } catch {
    return false;
  }
}

/**
 * @param {Variant | undefined} variant the best where not given
 * @param {import('../js/protocol.js').WasmUrls} urls overrides
 * @returns {Promise<{module: WebAssembly.Module, variant: Variant}>}
 */
export async function compile(variant, urls) {
  const chosen = variant ?? (relaxedWorks() ? 'relaxed' : 'simd');
  const url =
    urls[chosen] ??
    (chosen === 'relaxed'
      ? new URL('../wasm/dist/sotto-relaxed.wasm', import.meta.url)
      : new URL('../wasm/dist/sotto-simd.wasm', import.meta.url));
  try {
    return { module: await compileFrom(String(url)), variant: chosen };
  } catch (/** @type {any} */ error) {
    if (error instanceof SottoError) throw error;
    throw new SottoError('SOTTO_IO', `The engine ${url} could not be loaded: ${error?.message ?? error}.`, {
      cause: error,
    });
  }
}

/** @param {string} url @returns {Promise<WebAssembly.Module>} */
async function compileFrom(url) {
  if (hasFiles && url.startsWith('file:')) {
    const { readFile } = await nodeModule('node:fs/promises');
    return WebAssembly.compile(await readFile(new URL(url)));
  }
  const response = await fetch(url);
  if (!response.ok) throw new SottoError('SOTTO_NOT_FOUND', `The engine ${url} is missing (HTTP ${response.status}).`);
  if (/^application\/wasm\b/.test(response.headers.get('content-type') ?? '')) {
    return WebAssembly.compileStreaming(response);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}

/**
 * @param {number} bytes
 * @param {number} [most] bytes it may grow to; none by default
 * @returns {WebAssembly.Memory}
 */
export function newMemory(bytes, most = bytes) {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const mib = Math.ceil(bytes / 2 ** 20);
  if (pages > 65536) {
    throw new SottoError('SOTTO_MEMORY', `The model needs ${mib} MiB of memory; WebAssembly gives at most 4096.`);
  }
  try {
    return new WebAssembly.Memory({
      initial: pages,
      maximum: Math.min(65536, Math.ceil(most / PAGE_BYTES)),
      shared: true,
    });
  } catch (error) {
    throw new SottoError('SOTTO_MEMORY', `The device did not give the ${mib} MiB of memory that are needed.`, {
      cause: error,
    });
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Instance {
  /** @type {Record<string, any>} exports; addresses that they return are made unsigned by the callers */
  x;
  memory;

  /**
   * @param {WebAssembly.Module} module
   * @param {WebAssembly.Memory} memory
   * @param {number} [stack] of a second thread on that memory; the first one prepares the memory
   */
  constructor(module, memory, stack) {
    const instance = new WebAssembly.Instance(module, { env: { memory, now: () => performance.now() } });
    this.x = /** @type {Record<string, any>} */ (instance.exports);
    this.memory = memory;
    if (stack) this.x.__stack_pointer.value = stack;
    else if (!this.x.start()) throw new SottoError('SOTTO_MEMORY', 'The memory is too small for the engine.');
  }

  /** @param {number} bytes @returns {number} */
  alloc(bytes) {
    const at = this.x.alloc(Math.max(bytes, 1)) >>> 0;
    if (!at) throw new SottoError('SOTTO_MEMORY', `The engine's memory does not hold another ${bytes} bytes.`);
    return at;
  }

  /** @param {number} at */
  release(at) {
    this.x.release(at);
  }

  /** @param {number} at @param {number} n */
  u8(at, n) {
    return new Uint8Array(this.memory.buffer, at >>> 0, n);
  }

  /** @param {number} at @param {number} n */
  u32(at, n) {
    return new Uint32Array(this.memory.buffer, at >>> 0, n);
  }

  /** @param {number} at @param {number} n */
  f64(at, n) {
    return new Float64Array(this.memory.buffer, at >>> 0, n);
  }

  /** A copy of n floats. @param {number} at @param {number} n */
  floats(at, n) {
    return new Float32Array(this.memory.buffer, at >>> 0, n).slice();
  }

  /** @param {Uint8Array | Uint32Array} bytes @returns {number} address of a copy, with a NUL behind it */
  put(bytes) {
    const at = this.alloc(bytes.byteLength + 4);
    this.u8(at, bytes.byteLength).set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.u8(at + bytes.byteLength, 1)[0] = 0;
    return at;
  }

  /** @param {string} text */
  putText(text) {
    const bytes = encoder.encode(text);
    return { at: this.put(bytes), size: bytes.length };
  }

  /** TextDecoder refuses views of shared memory, so it decodes a copy. @param {number} at @param {number} size */
  text(at, size) {
    return decoder.decode(this.u8(at, size).slice());
  }

  /** Text up to a NUL. @param {number} at */
  cString(at) {
    const all = new Uint8Array(this.memory.buffer, at >>> 0);
    return this.text(at, all.indexOf(0));
  }

  /** @param {number} fail address of a struct fail */
  error(fail) {
    const x = this.x;
    const code = x.fail_code(fail);
    const offset = x.fail_at(fail);
    const line = x.fail_line(fail);
    return new SottoError(codeName(code), this.cString(x.fail_text(fail)), {
      offset: offset < 0 ? undefined : offset,
      line: line || undefined,
      column: line ? x.fail_column(fail) : undefined,
    });
  }

  /**
   * Pushes bytes of a part's header, in slices.
   * @param {number} header
   * @param {number} part
   * @param {Uint8Array} bytes
   * @returns {number} how many were taken until the header was complete, -1 where it is not
   */
  pushHeader(header, part, bytes) {
    const x = this.x;
    const at = this.alloc(HEADER_SLICE);
    try {
      for (let done = 0; done < bytes.length;) {
        const n = Math.min(HEADER_SLICE, bytes.length - done);
        this.u8(at, n).set(bytes.subarray(done, done + n));
        const code = x.header_push(header, part, at, n);
        done += n;
        if (code === CODES.OK) return done;
        if (code !== CODES.MORE) throw this.error(x.header_fail(header));
      }
      return -1;
    } finally {
      this.release(at);
    }
  }

  /** @param {import('../js/protocol.js').EngineOptions} o @param {number} maxThreads @returns {number} address */
  putOptions(o, maxThreads) {
    return this.put(Uint32Array.of(o.contextLength, o.sequences, o.kvType, o.arithmetic, maxThreads, o.batch, 0));
  }
}
