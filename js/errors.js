/**
 * An error of Sotto. `code` is stable (`SOTTO_` and a name of codes.js), `message` is a sentence. Where the
 * engine knows the place, `offset` is a byte offset in the input, `line` and `column` are 1-based.
 */
export class SottoError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{cause?: unknown, offset?: number, line?: number, column?: number, status?: number}} [details]
   */
  constructor(code, message, details = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    /** @type {string} `AbortError` where a signal stopped the work, as with fetch. */
    this.name = code === 'SOTTO_ABORTED' ? 'AbortError' : 'SottoError';
    /** @type {string} */
    this.code = code;
    /** @type {number | undefined} */
    this.offset = details.offset;
    /** @type {number | undefined} */
    this.line = details.line;
    /** @type {number | undefined} */
    this.column = details.column;
    /** @type {number | undefined} HTTP status */
    this.status = details.status;
  }
}

/**
 * An error as plain data, for messages between threads.
 * @typedef {{code: string, message: string, offset?: number, line?: number, column?: number, status?: number,
 *   stack?: string}} PlainError
 */

/**
 * @param {unknown} error
 * @returns {PlainError}
 */
export function toPlain(error) {
  if (error instanceof SottoError) {
    const { code, message, offset, line, column, status } = error;
    return { code, message, offset, line, column, status };
  }
  const e = /** @type {Error} */ (error instanceof Error ? error : new Error(String(error)));
  if (e.name === 'AbortError') return { code: 'SOTTO_ABORTED', message: 'The work was aborted.' };
  return { code: 'SOTTO_IO', message: `${e.name}: ${e.message}`, stack: e.stack };
}

/**
 * @param {PlainError} plain
 * @returns {SottoError}
 */
export function fromPlain(plain) {
  const error = new SottoError(plain.code, plain.message, plain);
  if (plain.stack) error.stack = plain.stack;
  return error;
}

/**
 * @param {unknown} [reason] of the signal
 * @returns {SottoError}
 */
export function aborted(reason) {
  return new SottoError('SOTTO_ABORTED', 'The work was aborted.', { cause: reason });
}

/**
 * @param {string} message
 * @returns {SottoError}
 */
export function invalid(message) {
  return new SottoError('SOTTO_EINVAL', message);
}

/**
 * @param {string} message
 * @returns {SottoError}
 */
export function unsupported(message) {
  return new SottoError('SOTTO_UNSUPPORTED', message);
}

/**
 * Throws SOTTO_UNSUPPORTED for options that this version does not know, so that none is ever ignored.
 * @param {object | undefined} options
 * @param {readonly string[]} known
 * @param {string} where
 */
export function checkOptions(options, known, where) {
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw invalid(`${where}: the options are an object.`);
  }
  for (const [name, value] of Object.entries(options ?? {})) {
    if (value !== undefined && !known.includes(name)) {
      throw unsupported(`${where}: the option "${name}" is not supported (known: ${known.join(', ')}).`);
    }
  }
}

/**
 * @param {string} where
 * @param {unknown} value
 * @param {{min?: number, max?: number, integer?: boolean}} [limits]
 */
export function checkNumber(where, value, { min = 0, max = Infinity, integer = false } = {}) {
  if (value === undefined) return;
  if (typeof value !== 'number' || !(value >= min && value <= max) || (integer && !Number.isInteger(value))) {
    throw invalid(`${where} is ${integer ? 'an integer' : 'a number'} from ${min} to ${max}, not ${String(value)}.`);
  }
}
