/**
 * Every message between the threads, on one page. A message is an object with `type`.
 *
 *     page  ── Open, Call, Cancel ──▶  engine  ── Load, Target, Stop ──▶  loader
 *     page  ◀── Result, Failure, Part, Progress ──  engine  ◀── Header, Progress, Loaded, Failure ──  loader
 *                                      engine  ── Join ──▶  compute   (then blocked until the pool stops)
 *                                      engine  ◀── Here ──  compute
 *
 * The loader's messages are the same where it has no thread of its own. Sources that only the page can read
 * (streams, buffers) send their bytes over a MessagePort of their own: the loader posts 'pull', the page
 * answers with one Chunk.
 *
 * @typedef {import('./errors.js').PlainError} PlainError
 *
 * @typedef {{kind: 'url', url: string, token?: string}} UrlPart
 * @typedef {{kind: 'blob', blob: Blob, name: string}} BlobPart_
 * @typedef {{kind: 'path', path: string}} PathPart
 * @typedef {{kind: 'pump', port: MessagePort, size?: number, name: string}} PumpPart
 * @typedef {UrlPart | BlobPart_ | PathPart | PumpPart} Part
 *
 * @typedef {object} EngineOptions as struct sotto_options of core/api/sotto.h, zero means default
 * @property {number} contextLength
 * @property {number} sequences
 * @property {number} kvType
 * @property {number} arithmetic
 * @property {number} batch
 *
 * @typedef {{simd?: string, relaxed?: string}} WasmUrls
 *
 * @typedef {object} Open
 * @property {'open'} type
 * @property {number} id
 * @property {Part[]} parts
 * @property {EngineOptions} options
 * @property {number} threads 0: measured
 * @property {'simd' | 'relaxed' | undefined} variant
 * @property {WasmUrls} wasm
 * @property {string | undefined} workers folder of the worker scripts
 * @property {'use' | 'reload' | 'none'} cache
 * @property {string | undefined} cacheFolder
 * @property {number} retries
 * @property {number} memoryLimit bytes
 * @property {boolean} inspect header only
 *
 * @typedef {{type: 'call', id: number, method: string, args: any[]}} Call
 * @typedef {{type: 'cancel', id: number}} Cancel stops the call or the opening with that id
 *
 * @typedef {{type: 'result', id: number, value: any}} Result
 * @typedef {{type: 'failure', id: number, error: PlainError}} Failure
 * @typedef {{type: 'part', id: number, value: any}} PartMessage one element of a streaming call
 * @typedef {{type: 'progress', progress: LoadProgress}} ProgressMessage
 * @typedef {{type: 'state', state: 'header' | 'ready', info: any}} State
 * @typedef {{type: 'broken', error: PlainError}} Broken nothing works any more
 *
 * @typedef {object} LoadProgress
 * @property {'connect' | 'wait' | 'header' | 'download' | 'cache' | 'read' | 'ready'} phase `wait`: another
 *   tab is downloading the same model; `cache`: reading what was stored before; `read`: a local file or stream
 * @property {number} loaded bytes of the file that have arrived
 * @property {number} total bytes of the file, 0 while unknown
 * @property {number} bytesPerSecond
 * @property {number} cached bytes that came from the cache
 * @property {string} [warning] a sentence where something will not be as asked, such as a full disk
 *
 * @typedef {object} LoadRequest
 * @property {'load'} type
 * @property {Part[]} parts
 * @property {EngineOptions} options
 * @property {number} maxThreads
 * @property {'use' | 'reload' | 'none'} cache
 * @property {string | undefined} cacheFolder
 * @property {number} retries
 * @property {boolean} inspect
 *
 * @typedef {object} HeaderMessage
 * @property {'header'} type
 * @property {any} info
 * @property {number} need bytes of heap
 * @property {Uint8Array[]} heads header bytes of each part
 *
 * @typedef {{type: 'target', memory: WebAssembly.Memory, stack: number, model: number}} Target
 * @typedef {{type: 'loaded', stored: boolean}} Loaded
 * @typedef {{type: 'stop'}} Stop
 * @typedef {{type: 'stopped'}} Stopped what was downloaded is safe on disk
 *
 * @typedef {{type: 'join', module: WebAssembly.Module, memory: WebAssembly.Memory, stack: number, thread: number}} Join
 *
 * @typedef {{bytes?: Uint8Array, done?: boolean, error?: PlainError}} Chunk
 */

/** Milliseconds that the engine works before it looks at its messages: what follows runs on cold caches. */
export const SLICE_MS = 32;

/** enum sotto_want of core/api/sotto.h: the states of a text's tokens, its vector, the scores of a reranker … */
export const WANT_STATES = 3;
export const WANT_VECTOR = { model: 4, mean: 5, cls: 6, last: 7, rank: 8, none: WANT_STATES };
/** … and what makes a vector's length 1. */
export const NORMALIZE = 16;
/** The tokens are those of a pair of texts. */
export const PAIR = 32;

/** Stack of a compute worker and of the loader. */
export const STACK_BYTES = 128 * 1024;

/** Bytes of memory beyond what core asks for: allocator headers, texts and ids that cross. */
export const SLACK_BYTES = 2 << 20;

export const PAGE_BYTES = 65536;
