/**
 * The one list of codes. The numbers are those of core/base/status.h (a test compares); the negative ones
 * exist in JavaScript only.
 */
export const CODES = Object.freeze({
  OK: 0,
  MORE: 1,
  DONE: 2,
  EINVAL: 3,
  FORMAT: 4,
  TRUNCATED: 5,
  UNSUPPORTED: 6,
  MEMORY: 7,
  CONTEXT_FULL: 8,
  ABORTED: 9,
  WORKER_LOST: 10,
  TEMPLATE: 11,
  LIMIT: 12,
  NOT_READY: 13,
  IO: 14,
  /** The model was closed. */
  CLOSED: -1,
  /** The device is offline and the model is not (wholly) in the cache. */
  OFFLINE: -2,
  /** No answer: connection lost, blocked by CORS or by a content security policy. */
  NETWORK: -3,
  /** HTTP 401: a token is needed. */
  UNAUTHORIZED: -4,
  /** HTTP 403: the token has no access, or the licence was not accepted. */
  FORBIDDEN: -5,
  /** HTTP 404, or a path that does not exist. */
  NOT_FOUND: -6,
  /** Any other HTTP status. */
  HTTP: -7,
  /** The file changed on the server while it was being downloaded. */
  CHANGED: -8,
});

/** @type {Record<number, string>} */
const NAMES = Object.fromEntries(Object.entries(CODES).map(([name, code]) => [code, name]));

/**
 * The stable code of a SottoError for a number of the engine.
 * @param {number} code
 * @returns {string}
 */
export function codeName(code) {
  return `SOTTO_${NAMES[code] ?? 'IO'}`;
}
