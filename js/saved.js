/**
 * A saved conversation: 8 bytes of name, the length and a check of the text, both u32, the text (JSON), and the
 * engine's saved sequence, which has checks of its own.
 */
import { SottoError } from './errors.js';

const NAME = 'SOTTOCHT';
const HEAD = 16;

/** @typedef {{messages: import('./chat.js').Message[], from: number, text: string, ids: number[],
 *   marks: {text: number, ids: number}[]}} Plain */

/** FNV-1a. @param {Uint8Array} bytes */
function check(bytes) {
  let h = 0x811c9dc5;
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

/** @param {Plain} plain @param {Uint8Array} state */
export function pack(plain, state) {
  const text = new TextEncoder().encode(JSON.stringify(plain));
  const out = new Uint8Array(HEAD + text.length + state.length);
  out.set(new TextEncoder().encode(NAME));
  const view = new DataView(out.buffer);
  view.setUint32(8, text.length, true);
  view.setUint32(12, check(text), true);
  out.set(text, HEAD);
  out.set(state, HEAD + text.length);
  return out;
}

/**
 * @param {Uint8Array} bytes
 * @returns {{plain: Plain, state: Uint8Array}}
 */
export function unpack(bytes) {
  const fail = (/** @type {string} */ what) => new SottoError('SOTTO_FORMAT', `These bytes are ${what}.`);
  if (bytes.length < HEAD) throw new SottoError('SOTTO_TRUNCATED', 'The saved conversation is cut off.');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = HEAD + view.getUint32(8, true);
  if ([...NAME].some((c, i) => c.charCodeAt(0) !== bytes[i])) throw fail('no saved conversation');
  if (end > bytes.length) throw new SottoError('SOTTO_TRUNCATED', 'The saved conversation is cut off.');
  const text = bytes.subarray(HEAD, end);
  if (check(text) !== view.getUint32(12, true)) throw fail('a damaged conversation');
  /** @type {any} */
  let plain;
  try {
    plain = JSON.parse(new TextDecoder().decode(text.slice()));
  } catch {
    throw fail('a damaged conversation');
  }
  const strings = (/** @type {any} */ m) => typeof m?.role === 'string' && typeof m.content === 'string';
  const index = (/** @type {unknown} */ n) => Number.isInteger(n) && Number(n) >= 0;
  const good =
    [plain?.messages, plain?.ids, plain?.marks].every(Array.isArray) &&
    plain.messages.every(strings) &&
    plain.ids.every((/** @type {unknown} */ id) => index(id) && Number(id) < 2 ** 32) &&
    plain.marks.every((/** @type {any} */ m) => index(m?.text) && index(m?.ids) && m.ids <= plain.ids.length) &&
    index(plain.from) &&
    typeof plain.text === 'string';
  if (!good) throw fail('a damaged conversation');
  return { plain, state: bytes.subarray(end) };
}
