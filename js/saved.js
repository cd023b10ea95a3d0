/**
 * A saved conversation: 'SOTTOCHT', length and check (FNV-1a) of a text, both u32, the text (JSON), and the engine's
 * saved sequence, which has checks of its own.
 */
import { SottoError } from './errors.js';

const NAME = new TextEncoder().encode('SOTTOCHT');
const HEAD = 16;

/** @param {Uint8Array} bytes */
const check = (bytes) => bytes.reduce((h, byte) => Math.imul(h ^ byte, 0x01000193), 0x811c9dc5) >>> 0;

/** @param {unknown} plain @param {Uint8Array} state */
export function pack(plain, state) {
  const text = new TextEncoder().encode(JSON.stringify(plain));
  const out = new Uint8Array(HEAD + text.length + state.length);
  out.set(NAME);
  out.set(new Uint8Array(Uint32Array.of(text.length, check(text)).buffer), 8);
  out.set(text, HEAD);
  out.set(state, HEAD + text.length);
  return out;
}

/**
 * @param {Uint8Array} bytes
 * @returns {{plain: any, state: Uint8Array}}
 */
export function unpack(bytes) {
  const [length, wanted] = new Uint32Array(bytes.slice(8, HEAD).buffer.slice(0, bytes.length < HEAD ? 0 : 8));
  const text = bytes.slice(HEAD, HEAD + length);
  if (bytes.length < HEAD || text.length < length) {
    throw new SottoError('SOTTO_TRUNCATED', 'The saved conversation is cut off.');
  }
  const same = NAME.every((byte, i) => byte === bytes[i]) && check(text) === wanted;
  const plain = same ? JSON.parse(new TextDecoder().decode(text)) : {};
  const { messages, from, text: said, ids, marks } = plain;
  const lists = [messages, ids, marks].every(Array.isArray) && from >= 0 && typeof said === 'string';
  if (
    !lists ||
    messages.some((/** @type {any} */ m) => typeof m?.role !== 'string' || typeof m.content !== 'string') ||
    marks.some((/** @type {any} */ m) => !(m?.ids >= 0 && m.ids <= ids.length))
  ) {
    throw new SottoError('SOTTO_FORMAT', 'These bytes are no saved conversation, or a damaged one.');
  }
  return { plain, state: bytes.subarray(HEAD + length) };
}
