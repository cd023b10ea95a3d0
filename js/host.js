/**
 * The few words that differ between browsers and Node. Deno and Bun have browser workers and take that road.
 */

/** Node's modules are there: files, cores; so in Deno and Bun. */
export const hasFiles =
  typeof process === 'object' && !!process.versions?.node && typeof globalThis.document === 'undefined';

/** Workers are Node's own. */
export const isNode = hasFiles && typeof globalThis.Worker === 'undefined';

/**
 * A module of Node. The specifier is not a literal, so that bundlers leave it alone.
 * @param {string} name
 * @returns {Promise<any>}
 */
export async function nodeModule(name) {
  const builtin = /** @type {any} */ (process).getBuiltinModule;
  return builtin ? builtin(name) : import(/* @vite-ignore */ /* webpackIgnore: true */ name);
}

/**
 * One end of a pair of threads: a worker seen from its owner, or the owner seen from the worker.
 * @typedef {object} Port
 * @property {(message: any, transfer?: any[]) => void} post
 * @property {(handler: (message: any) => void) => void} listen starts delivery
 * @property {(handler: (reason: string) => void) => void} lost called once when the worker dies unasked
 * @property {() => void} terminate
 * @property {(held: boolean) => void} hold whether the worker keeps the process alive (Node)
 */

/**
 * @param {any} worker a Worker of the host
 * @returns {Port}
 */
export function wrapWorker(worker) {
  let ended = false;
  if (!isNode) {
    return {
      post: (message, transfer) => worker.postMessage(message, transfer ?? []),
      listen: (handler) => {
        worker.onmessage = (/** @type {MessageEvent} */ e) => !ended && handler(e.data);
      },
      lost: (handler) => {
        worker.onerror = (/** @type {ErrorEvent} */ e) => {
          e.preventDefault?.();
          if (!ended) handler(e.message || 'its script could not be loaded');
        };
        worker.onmessageerror = () => !ended && handler('a message could not be read');
      },
      terminate: () => {
        ended = true;
        worker.terminate();
      },
      hold: () => {},
    };
  }
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen: (handler) => worker.on('message', (/** @type {any} */ m) => !ended && handler(m)),
    lost: (handler) => {
      worker.on('error', (/** @type {any} */ e) => !ended && handler(String(e?.stack ?? e)));
      worker.on('messageerror', () => !ended && handler('a message could not be read'));
      worker.on('exit', (/** @type {number} */ code) => !ended && handler(`it ended with code ${code}`));
    },
    terminate: () => {
      ended = true;
      worker.terminate();
    },
    hold: (held) => (held ? worker.ref() : worker.unref()),
  };
}

/**
 * The owner of this worker. In browsers `listen` must be called while the script is evaluated.
 * @param {(message: any, post: (message: any, transfer?: any[]) => void) => void} handler
 */
export function serve(handler) {
  const scope = /** @type {any} */ (globalThis);
  if (!isNode) {
    const post = (/** @type {any} */ message, /** @type {any[]} */ transfer = []) =>
      scope.postMessage(message, transfer);
    scope.onmessage = (/** @type {MessageEvent} */ e) => handler(e.data, post);
    return;
  }
  nodeModule('node:worker_threads').then(({ parentPort }) => {
    const post = (/** @type {any} */ message, /** @type {any[] | undefined} */ transfer) =>
      parentPort.postMessage(message, transfer);
    parentPort.on('message', (/** @type {any} */ m) => handler(m, post));
  });
}

/**
 * A worker thread of Node.
 * @param {URL} url
 * @returns {Promise<Port>}
 */
export async function nodeWorker(url) {
  const { Worker } = await nodeModule('node:worker_threads');
  return wrapWorker(new Worker(url, { execArgv: [], stdin: false }));
}

/** @type {MessageChannel | undefined} */
let channel;
/** @type {(() => void)[]} */
const waiting = [];

/**
 * Lets the event loop handle what has come in, messages first.
 * @returns {Promise<void>}
 */
export function breathe() {
  return new Promise((resolve) => {
    if (hasFiles) {
      setImmediate(resolve);
      return;
    }
    if (!channel) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => waiting.shift()?.();
    }
    waiting.push(resolve);
    channel.port2.postMessage(0);
  });
}

/**
 * Settles with promise, or resolves when it takes too long.
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 * @returns {Promise<T | undefined>}
 */
export async function within(promise, ms) {
  const done = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, done.signal).then(() => undefined)]);
  } finally {
    done.abort();
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>} resolves early when the signal fires
 */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
