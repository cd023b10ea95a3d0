/**
 * HTTP: ranges where the server honours them, retries with growing pauses, a file that changed, and sentences
 * for what goes wrong.
 */
import { aborted, SottoError } from '../js/errors.js';
import { sleep } from '../js/host.js';
import { sparingReader } from './stream.js';

const STALL_MS = 30000;
const FIRST_PAUSE_MS = 250;

/**
 * What a server says of a file; any of it may be hidden from other origins.
 * @typedef {{size: number, etag?: string, modified?: string}} Validator
 */

/** @param {Response} response @returns {Validator} */
function validatorOf(response) {
  const headers = response.headers;
  const total = /\/(\d+)\s*$/.exec(headers.get('content-range') ?? '');
  const plain = !headers.get('content-encoding') && response.status === 200 ? Number(headers.get('content-length')) : 0;
  return {
    size: total ? Number(total[1]) : plain || 0,
    etag: headers.get('etag')?.replace(/^W\//, '') ?? undefined,
    modified: headers.get('last-modified') ?? undefined,
  };
}

/**
 * Whether two answers can be about the same bytes: the ETag decides where both show one, else date and size.
 * @param {Validator} a
 * @param {Validator} b
 */
export function sameFile(a, b) {
  if (a.size && b.size && a.size !== b.size) return false;
  if (a.etag && b.etag) return a.etag === b.etag;
  return !(a.modified && b.modified) || a.modified === b.modified;
}

/** @param {Response} response @param {string} url */
function httpError(response, url) {
  const { status } = response;
  const host = new URL(url).host;
  const of = (/** @type {string} */ code, /** @type {string} */ text) => new SottoError(code, text, { status });
  if (status === 401) return of('SOTTO_UNAUTHORIZED', `${host} asks for a token before it gives this file (HTTP 401).`);
  if (status === 403) {
    return of('SOTTO_FORBIDDEN', `${host} refuses this file (HTTP 403): accept its licence there, or check the token.`);
  }
  if (status === 404 || status === 410) return of('SOTTO_NOT_FOUND', `There is no such file: ${url} (HTTP ${status}).`);
  return of('SOTTO_HTTP', `${host} answered with HTTP ${status}.`);
}

/** @param {unknown} cause @param {string} url */
function networkError(cause, url) {
  if (globalThis.navigator?.onLine === false) {
    return new SottoError('SOTTO_OFFLINE', 'This device is offline and the model is not wholly stored here.', {
      cause,
    });
  }
  const other = globalThis.location && new URL(url).origin !== globalThis.location.origin;
  const hint = other ? ', or it does not allow pages of other sites to read its files (CORS)' : '';
  return new SottoError('SOTTO_NETWORK', `${new URL(url).host} cannot be reached${hint}.`, { cause });
}

/** @param {SottoError} error */
function passing(error) {
  const { code, status = 0 } = error;
  return code === 'SOTTO_NETWORK' || code === 'SOTTO_OFFLINE' || status === 408 || status === 429 || status >= 500;
}

/** One file on a server. */
export class Remote {
  #url;
  #token;
  #retries;
  #signal;
  /** @type {Validator | undefined} */
  #known;
  /** @type {boolean | undefined} whether ranges are honoured; undefined until the first answer */
  ranged;

  /**
   * @param {{url: string, token?: string}} part
   * @param {number} retries
   * @param {AbortSignal} signal
   */
  constructor(part, retries, signal) {
    this.#url = part.url;
    this.#token = part.token;
    this.#retries = retries;
    this.#signal = signal;
  }

  /** What is known of the file. @returns {Validator} */
  get validator() {
    return this.#known ?? { size: 0 };
  }

  /** From an earlier download; an answer that differs is SOTTO_CHANGED. @param {Validator} known */
  expect(known) {
    this.#known = { ...known };
  }

  /**
   * One request.
   * @param {number} from
   * @param {number} to
   * @param {AbortSignal} signal
   * @returns {Promise<Response>}
   */
  async #request(from, to, signal) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.ranged !== false) headers.Range = `bytes=${from}-${to === Infinity ? '' : to - 1}`;
    /* Browsers and Node drop this header when a redirect leaves the origin. */
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    /** @type {Response} */
    let response;
    try {
      response = await fetch(this.#url, { headers, signal, cache: 'no-store', credentials: 'same-origin' });
    } catch (error) {
      if (signal.aborted) throw error;
      if (this.ranged === undefined && globalThis.navigator?.onLine !== false) {
        /* Perhaps it is only the Range header that another origin does not allow. */
        delete headers.Range;
        try {
          response = await fetch(this.#url, { headers, signal, cache: 'no-store', credentials: 'same-origin' });
        } catch {
          throw networkError(error, this.#url);
        }
        this.ranged = false;
      } else {
        throw networkError(error, this.#url);
      }
    }
    if (response.status === 416 && this.#known) {
      await response.body?.cancel().catch(() => {});
      throw new SottoError('SOTTO_CHANGED', 'The file became shorter on the server while it was being downloaded.');
    }
    if (!response.ok) {
      await response.body?.cancel().catch(() => {});
      throw httpError(response, this.#url);
    }
    const seen = validatorOf(response);
    if (this.#known && !sameFile(this.#known, seen)) {
      await response.body?.cancel().catch(() => {});
      throw new SottoError('SOTTO_CHANGED', 'The file changed on the server while it was being downloaded.');
    }
    this.#known = {
      size: seen.size || this.#known?.size || 0,
      etag: seen.etag ?? this.#known?.etag,
      modified: seen.modified ?? this.#known?.modified,
    };
    if (this.ranged === undefined) this.ranged = response.status === 206;
    if (response.status !== 206 && this.ranged) this.ranged = false;
    return response;
  }

  /**
   * The bytes of [from, to) in order, across interruptions. Where ranges are not honoured, it gives the whole
   * file from its beginning (the chunks say where they belong). A chunk is gone when the next is asked for.
   * @param {number} from
   * @param {number} to Infinity: to the end
   * @returns {{next: () => Promise<{at: number, bytes: Uint8Array} | undefined>, cancel: () => Promise<void>}}
   */
  open(from, to) {
    /** @type {import('./stream.js').Reader | undefined} */
    let reader;
    /** @type {AbortController | undefined} */
    let request;
    let at = from;
    let tries = 0;
    const drop = async () => {
      const old = reader;
      reader = undefined;
      request?.abort();
      await old?.cancel().catch(() => {});
    };
    const onAbort = () => request?.abort();
    this.#signal.addEventListener('abort', onAbort);
    const end = async () => {
      this.#signal.removeEventListener('abort', onAbort);
      await drop();
    };
    /** @returns {Promise<{at: number, bytes: Uint8Array} | undefined>} */
    const attempt = async () => {
      if (!reader) {
        request = new AbortController();
        const response = await this.#request(at, to, request.signal);
        if (response.status !== 206) at = 0;
        const known = this.validator.size;
        if (!response.body) throw networkError(undefined, this.#url);
        reader = sparingReader(response.body) ?? response.body.getReader();
        if (known && to !== Infinity) to = Math.min(to, known);
      }
      const { value, done } = await reader.read();
      if (value && !done) {
        const piece = { at, bytes: value };
        at += value.length;
        tries = 0;
        return piece;
      }
      const wanted = Math.min(to, this.validator.size || (to === Infinity ? at : to));
      if (at < wanted) throw networkError(new Error('the answer ended early'), this.#url);
      return undefined;
    };
    const next = async () => {
      for (;;) {
        if (this.#signal.aborted) throw aborted();
        let stalled = false;
        const timer = setTimeout(() => ((stalled = true), request?.abort()), STALL_MS);
        try {
          const piece = await attempt();
          if (!piece) await end();
          return piece;
        } catch (e) {
          await drop();
          if (this.#signal.aborted) throw aborted();
          const error = e instanceof SottoError ? e : networkError(e, this.#url);
          if (!(stalled || passing(error)) || tries >= this.#retries) throw error;
          await sleep(FIRST_PAUSE_MS * 2 ** Math.min(tries++, 6), this.#signal);
        } finally {
          clearTimeout(timer);
        }
      }
    };
    return { next, cancel: end };
  }
}
