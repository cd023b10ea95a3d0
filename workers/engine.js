/**
 * The engine's thread: owns the instance, the pool and the sequences, and answers the page. Long work is cut in
 * slices, between which messages are handled.
 */
import { aborted, SottoError, toPlain } from '../js/errors.js';
import { breathe, hasFiles, isNode, nodeModule, nodeWorker, serve, sleep, within, wrapWorker } from '../js/host.js';
import { PAGE_BYTES, STACK_BYTES } from '../js/protocol.js';
import { transferOf } from '../js/source.js';
import { isStored } from '../js/store.js';
import { compile, Instance, newMemory } from './instance.js';
import { Load } from './load.js';
import { Runner } from './runner.js';

/** @typedef {import('../js/host.js').Port} Port */

/** A loader that says nothing for so long never will: browsers now and then do not run a worker of a worker. */
const SILENT_MS = 5000;

/** @type {(message: any, transfer?: any[]) => void} */
let post = () => {};
/** @type {Opening | undefined} */
let opening;
/** @type {Runner | undefined} */
let runner;
/** @type {Map<number, AbortController>} */
const cancels = new Map();

/** Threads can share memory: outside browsers always, in browsers on isolated pages only. */
function canShare() {
  return hasFiles || (globalThis.crossOriginIsolated === true && typeof Worker !== 'undefined');
}

/**
 * @param {'compute' | 'loader'} name
 * @param {string | undefined} folder
 * @returns {Promise<Port>}
 */
async function spawn(name, folder) {
  if (isNode) return nodeWorker(new URL(`${name}.js`, folder ?? import.meta.url));
  if (folder) return wrapWorker(new Worker(new URL(`${name}.js`, folder), { type: 'module', name: `sotto ${name}` }));
  return wrapWorker(
    name === 'compute'
      ? new Worker(new URL('./compute.js', import.meta.url), { type: 'module', name: 'sotto compute' })
      : new Worker(new URL('./loader.js', import.meta.url), { type: 'module', name: 'sotto loader' }),
  );
}

/** From the source to a model that is ready. */
class Opening {
  /** @type {import('../js/protocol.js').Open} */
  #message;
  /** @type {Port[]} */
  #compute = [];
  /** @type {Port | undefined} */
  #loader;
  #heard = false;
  /** @type {Load | undefined} where the loader has no thread of its own */
  #load;
  /** @type {(message: any) => void} */
  #onLoader = () => {};
  /** @type {(error: unknown) => void} */
  #fail = () => {};
  /** @type {Promise<void> | undefined} */
  #stopped;

  /** @param {import('../js/protocol.js').Open} message */
  constructor(message) {
    this.#message = message;
    /** @type {number | undefined} of the page's request, while it is under way */
    this.id = message.id;
  }

  /** @returns {Promise<any>} info of the ready model */
  async run() {
    const message = this.#message;
    const failed = new Promise((_, reject) => (this.#fail = reject));
    failed.catch(() => {});
    const shared = canShare();
    const most = shared ? message.threads || Math.min(8, await cores()) : 1;
    const compiling = compile(message.variant, message.wasm);
    /* What is on disk is read before a thread for it would have started. */
    const here = !shared || (await isHere(message));
    if (!message.inspect) {
      const loader = here ? undefined : spawn('loader', message.workers);
      const helpers = Array.from({ length: most - 1 }, () => spawn('compute', message.workers));
      if (loader) this.#watchLoader(await loader);
      for (const helper of helpers) this.#watchCompute(await helper);
    }
    if (this.#stopped) throw aborted();
    /** @type {import('../js/protocol.js').LoadRequest} */
    const request = {
      type: 'load',
      parts: message.parts,
      options: message.options,
      maxThreads: most,
      cache: message.cache,
      cacheFolder: message.cacheFolder,
      retries: message.retries,
      inspect: message.inspect,
    };
    const reading = this.#header(request, compiling);
    reading.catch(() => {}); /* awaited below; the compilation may fail before */
    const { module, variant } = await compiling;
    const header = await Promise.race([reading, failed]);
    if (this.#stopped) throw aborted();
    const { memoryLimit } = message;
    if (message.inspect) {
      header.info.fits &&= header.need <= memoryLimit;
      await this.#load?.close();
      return { ...header.info, variant, threads: most };
    }
    if (!header.info.fits) throw tooLarge(header);
    if (header.need > memoryLimit) {
      const mib = (/** @type {number} */ n) => `${Math.ceil(n / 2 ** 20)} MiB`;
      const text = `The model needs ${mib(header.need)} of memory; its limit is ${mib(memoryLimit)}.`;
      throw new SottoError('SOTTO_MEMORY', text);
    }
    const instance = new Instance(module, newMemory(Math.ceil(header.need / PAGE_BYTES) * PAGE_BYTES));
    const stacks = Array.from({ length: most }, () => instance.x.stack_new(STACK_BYTES) >>> 0);
    const scratch = instance.alloc(64);
    const model = openModel(instance, header.heads, message.options, most);
    header.heads = [];
    this.#compute.forEach((port, i) => {
      port.post({ type: 'join', module, memory: instance.memory, stack: stacks[i + 1], thread: i + 1 });
    });
    runner = new Runner(instance, model, {
      variant,
      threads: most,
      sequences: message.options.sequences,
      info: header.info,
    });
    const feeding = this.#feed(instance, stacks[0], model, scratch);
    feeding.catch(() => {}); /* awaited below; something else may fail before */
    /* Nothing is measured while the threads help with reading. */
    await Promise.race([runner.chooseThreads(here ? message.threads || most : message.threads, most), failed]);
    if (this.#stopped) throw aborted();
    post({ type: 'state', state: 'header', info: runner.info() });
    await Promise.race([feeding, failed]);
    if (here && !message.threads) await Promise.race([runner.chooseThreads(0, most), failed]);
    runner.fed(true);
    this.#loader?.terminate();
    this.#loader = undefined;
    const info = runner.info();
    post({ type: 'state', state: 'ready', info });
    this.id = undefined;
    return info;
  }

  /** A thread that dies takes everything with it: the memory may be half written. @param {string} who */
  #lost(who) {
    return (/** @type {string} */ reason) => {
      if (this.#stopped) return;
      const error = new SottoError('SOTTO_WORKER_LOST', `A ${who} thread was lost: ${reason}.`);
      this.#fail(error);
      runner?.lose(error);
      post({ type: 'broken', error: toPlain(error) });
    };
  }

  /** @param {Port} port */
  #watchCompute(port) {
    if (this.#stopped) return;
    this.#compute.push(port);
    port.lost(this.#lost('compute'));
    port.listen(() => {});
  }

  /** @param {Port} port */
  #watchLoader(port) {
    if (this.#stopped) return;
    this.#loader = port;
    port.lost(this.#lost('loader'));
    port.listen((message) => {
      this.#heard = true;
      if (message.type === 'progress') this.#progress(message.progress);
      else if (message.type === 'failure') this.#fail(plainError(message.error));
      else this.#onLoader(message);
    });
  }

  /** @param {any} progress */
  #progress(progress) {
    runner?.fed(false);
    post({ type: 'progress', progress });
  }

  /**
   * The first bytes are under way before the engine is compiled.
   * @param {import('../js/protocol.js').LoadRequest} request
   * @param {Promise<{module: WebAssembly.Module}>} compiling
   * @returns {Promise<any>}
   */
  #header(request, compiling) {
    const compiled = compiling.then(({ module }) => module);
    const loader = this.#loader;
    const here = () => {
      this.#load = new Load(request, compiled, (progress) => this.#progress(progress));
      return this.#load.header();
    };
    if (!loader) return here();
    compiled.then((module) => loader.post({ type: 'module', module })).catch(() => {});
    const given = transferOf(request.parts);
    const there = new Promise((resolve) => {
      this.#onLoader = resolve;
      loader.post(request, given);
    });
    if (given.length) return there;
    const late = sleep(SILENT_MS).then(() => {
      if (this.#heard || this.#stopped) return there;
      this.#loader = undefined;
      loader.terminate();
      return here();
    });
    return Promise.race([there, late]);
  }

  /**
   * @param {Instance} instance
   * @param {number} stack
   * @param {number} model
   * @param {number} scratch
   */
  async #feed(instance, stack, model, scratch) {
    const loader = this.#loader;
    /** @type {{stored: boolean, reason?: string}} */
    let result;
    if (loader) {
      result = await new Promise((resolve) => {
        this.#onLoader = resolve;
        loader.post({ type: 'target', memory: instance.memory, stack, model, scratch });
      });
    } else {
      const load = /** @type {Load} */ (this.#load);
      await load.feed(instance, model, scratch);
      result = { stored: load.stored, reason: load.unstored };
      await load.close();
    }
    runner?.keep({ stored: result.stored, reason: result.reason });
  }

  /** Stops whatever is going on; what was downloaded is put on disk. */
  stop() {
    return (this.#stopped ??= this.#stop());
  }

  async #stop() {
    runner?.stop();
    const loader = this.#loader;
    if (loader) {
      const stopped = new Promise((resolve) => {
        this.#onLoader = (message) => message.type === 'stopped' && resolve(undefined);
        loader.post({ type: 'stop' });
      });
      await within(stopped, 8000);
    }
    await this.#load?.close();
    /* The other threads end with this one, when the page ends it. In Chromium a worker that its parent ends at the
       same moment may stay for ever, and its parent and the memory with it. */
  }
}

/** @param {{need: number, info: import('../js/info.js').ModelInfo}} header */
function tooLarge({ need, info }) {
  const { largestContext } = info.memory;
  const length = `A context of ${info.contextLength} tokens (${info.kvType}) makes the model need`;
  return new SottoError(
    'SOTTO_MEMORY',
    `${length} ${Math.ceil(need / 2 ** 20)} MiB of memory; WebAssembly gives at most 4096. ` +
      (largestContext ? `The largest contextLength that fits is ${largestContext}.` : 'No context is small enough.'),
  );
}

/**
 * Whether all of the source can be read from a disk by a thread that may block.
 * @param {import('../js/protocol.js').Open} message
 */
async function isHere({ parts, cache, cacheFolder }) {
  for (const part of parts) {
    const stored = part.kind === 'url' && cache === 'use' && (await isStored(part.url, cacheFolder));
    if (part.kind !== 'path' && !stored) return false;
  }
  return true;
}

/** @param {any} plain */
function plainError(plain) {
  return new SottoError(plain.code, plain.message, plain);
}

async function cores() {
  if (hasFiles) return (await nodeModule('node:os')).availableParallelism();
  return globalThis.navigator?.hardwareConcurrency || 4;
}

/**
 * @param {Instance} instance
 * @param {Uint8Array[]} heads
 * @param {import('../js/protocol.js').EngineOptions} options
 * @param {number} threads
 * @returns {number}
 */
function openModel(instance, heads, options, threads) {
  const { x } = instance;
  const header = x.header_new() >>> 0;
  if (!header) throw new SottoError('SOTTO_MEMORY', 'There is no memory for the header.');
  heads.forEach((bytes, part) => {
    instance.pushHeader(header, part, bytes);
  });
  const at = instance.putOptions(options, threads);
  const model = x.model_open(header, at) >>> 0;
  instance.release(at);
  if (!model) throw instance.error(x.open_fail());
  return model;
}

/** @param {number} milliseconds @param {import('../js/protocol.js').WasmUrls} wasm */
async function measure(milliseconds, wasm) {
  const { module, variant } = await compile(undefined, wasm);
  const instance = new Instance(module, newMemory(96 << 20));
  await breathe();
  const text = instance.x.machine(milliseconds) >>> 0;
  if (!text) throw new SottoError('SOTTO_MEMORY', 'There is no memory for the measurement.');
  return { ...JSON.parse(instance.cString(text)), variant, threads: canShare() ? Math.min(8, await cores()) : 1 };
}

/** @param {any} message @returns {Promise<any>} */
async function handle(message) {
  if (message.type === 'open') {
    opening = new Opening(message);
    return opening.run();
  }
  const { id, method, args } = message;
  if (method === 'machine') return measure(args[0], args[1]);
  if (method === 'close') {
    for (const controller of cancels.values()) controller.abort();
    await opening?.stop();
    return undefined;
  }
  if (!runner) throw new SottoError('SOTTO_EINVAL', 'The model is not open.');
  const controller = new AbortController();
  cancels.set(id, controller);
  try {
    const part = (/** @type {any} */ value, /** @type {any[] | undefined} */ transfer) =>
      post({ type: 'part', id, value }, transfer);
    return await runner.call(method, args, controller.signal, part);
  } finally {
    cancels.delete(id);
  }
}

serve(async (message, send) => {
  post = send;
  if (message.type === 'cancel') {
    const controller = cancels.get(message.id);
    if (controller) return controller.abort();
    if (opening && opening.id === message.id) {
      await opening.stop();
      post({ type: 'stopped' });
    }
    return;
  }
  try {
    post({ type: 'result', id: message.id, value: await handle(message) });
  } catch (error) {
    post({ type: 'failure', id: message.id, error: toPlain(error) });
    if (message.type === 'open') await opening?.stop();
  }
});
