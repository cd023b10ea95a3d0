import { aborted, fromPlain, SottoError } from './errors.js';
import { isNode, nodeWorker, wrapWorker } from './host.js';

/**
 * The page's end of an engine worker: calls with answers, streams, and its death.
 *
 * @typedef {object} Pending
 * @property {(value: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {(value: any) => void} [part]
 */

/**
 * @param {string | undefined} folder override
 * @returns {Promise<import('./host.js').Port>}
 */
async function startEngine(folder) {
  if (isNode) {
    const script = '../workers/engine.js';
    return nodeWorker(folder ? new URL('engine.js', folder) : new URL(script, import.meta.url));
  }
  if (folder) return wrapWorker(new Worker(new URL('engine.js', folder), { type: 'module', name: 'sotto' }));
  return wrapWorker(new Worker(new URL('../workers/engine.js', import.meta.url), { type: 'module', name: 'sotto' }));
}

export class Client {
  /** @type {import('./host.js').Port} */
  #port;
  #next = 1;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  /** @type {SottoError | undefined} */
  #dead;
  /** @type {(message: any) => void} other messages: state and progress */
  onmessage = () => {};
  /** @type {(error: SottoError) => void} */
  ondeath = () => {};

  /** @param {import('./host.js').Port} port */
  constructor(port) {
    this.#port = port;
    port.lost((reason) => this.#die(new SottoError('SOTTO_WORKER_LOST', `The engine's worker was lost: ${reason}.`)));
    port.listen((message) => this.#receive(message));
    port.hold(false);
  }

  /** @param {string} [folder] of the worker scripts, where it is not the package's own */
  static async start(folder) {
    return new Client(await startEngine(folder));
  }

  get dead() {
    return this.#dead;
  }

  /** @param {any} message */
  #receive(message) {
    if (message.type === 'broken') return this.#die(fromPlain(message.error));
    const pending = this.#pending.get(message.id);
    if (message.type === 'part') pending?.part?.(message.value);
    else if (message.type === 'result') this.#settle(message.id)?.resolve(message.value);
    else if (message.type === 'failure') this.#settle(message.id)?.reject(fromPlain(message.error));
    else this.onmessage(message);
  }

  /** @param {number} id */
  #settle(id) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#port.hold(false);
    return pending;
  }

  /** @param {SottoError} error */
  #die(error) {
    if (this.#dead) return;
    this.#dead = error;
    this.#port.terminate();
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
    this.ondeath(error);
  }

  /**
   * Sends a message that will be answered; `id` is added to it.
   * @param {any} message
   * @param {{signal?: AbortSignal, transfer?: any[], part?: (value: any) => void, patient?: boolean}} [options]
   *   patient: an abort waits for the engine's answer
   * @returns {Promise<any>}
   */
  request(message, { signal, transfer, part, patient } = {}) {
    if (this.#dead) return Promise.reject(this.#dead);
    if (signal?.aborted) return Promise.reject(aborted(signal.reason));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#port.post({ type: 'cancel', id });
        if (!patient) this.#settle(id)?.reject(aborted(signal?.reason));
      };
      const clean = () => signal?.removeEventListener('abort', stop);
      if (this.#pending.size === 0) this.#port.hold(true);
      this.#pending.set(id, {
        resolve: (value) => (clean(), resolve(value)),
        reject: (error) => (clean(), reject(error)),
        part,
      });
      signal?.addEventListener('abort', stop, { once: true });
      this.#port.post({ ...message, id }, transfer);
    });
  }

  /**
   * @param {string} method
   * @param {any[]} args
   * @param {{signal?: AbortSignal}} [options]
   */
  call(method, args, options) {
    return this.request({ type: 'call', method, args }, options);
  }

  /**
   * A call whose parts are yielded and whose result is returned. Leaving the loop cancels the call and waits
   * until the engine has let go.
   * @param {string} method
   * @param {any[]} args
   * @param {AbortSignal} [signal]
   * @returns {AsyncGenerator<any, any, void>}
   */
  async *stream(method, args, signal) {
    /** @type {any[]} */
    const parts = [];
    let wake = () => {};
    const leave = new AbortController();
    const stop = () => leave.abort();
    if (signal?.aborted) throw aborted(signal.reason);
    signal?.addEventListener('abort', stop, { once: true });
    let done = false;
    const part = (/** @type {any} */ value) => (parts.push(value), wake());
    const result = this.request({ type: 'call', method, args }, { signal: leave.signal, part, patient: true });
    const end = result.then(
      () => ((done = true), wake()),
      () => ((done = true), wake()),
    );
    try {
      for (;;) {
        while (parts.length > 0) {
          if (signal?.aborted) throw aborted(signal.reason);
          yield parts.shift();
        }
        if (done) break;
        await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
      const value = await result;
      if (signal?.aborted) throw aborted(signal.reason);
      return value;
    } finally {
      signal?.removeEventListener('abort', stop);
      if (!done) {
        leave.abort();
        await end;
      }
    }
  }

  /**
   * Ends the worker and all that belongs to it.
   * @param {SottoError} reason for calls that are still under way and later ones
   */
  close(reason) {
    this.#die(reason);
  }
}
