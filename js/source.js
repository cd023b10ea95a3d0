import { hasFiles } from './host.js';
import { invalid, toPlain } from './errors.js';

/** @typedef {import('./protocol.js').Part} Part */

/**
 * Where a model comes from: a URL, `hf:owner/repo/file.gguf` (or `hf:owner/repo@revision/file.gguf`), a File or
 * Blob, a ReadableStream, an ArrayBuffer or a view, a path in Node; or an array of those for a split model.
 * @typedef {string | URL | Blob | ReadableStream<Uint8Array> | ArrayBuffer | ArrayBufferView} SingleSource
 * @typedef {SingleSource | SingleSource[]} Source
 */

const CHUNK = 1 << 20;

/**
 * The address of a file on a model hub.
 * @param {string} source after `hf:`
 * @param {string} hub
 * @returns {string}
 */
export function hubAddress(source, hub) {
  const [owner, repository, ...path] = source.split('/');
  const [name, revision = 'main'] = (repository ?? '').split('@');
  if (!owner || !name || path.length === 0 || !path[path.length - 1]) {
    throw invalid(`"hf:${source}" is not hf:owner/repo/file.gguf (or hf:owner/repo@revision/file.gguf).`);
  }
  const encode = (/** @type {string} */ s) => encodeURIComponent(s);
  return `${hub.replace(/\/+$/, '')}/${encode(owner)}/${encode(name)}/resolve/${encode(revision)}/${path.map(encode).join('/')}`;
}

/**
 * Serves the chunks of a source that only this thread can read, one for each 'pull'.
 * @param {() => Promise<Uint8Array | undefined>} next a chunk that may be given away
 * @param {() => void} cancel
 * @param {string} name
 * @param {number} [size]
 * @returns {Part}
 */
function pump(next, cancel, name, size) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = async (event) => {
    if (event.data === 'close') {
      port1.close();
      cancel();
      return;
    }
    try {
      const bytes = await next();
      port1.postMessage(bytes ? { bytes } : { done: true }, bytes ? [bytes.buffer] : []);
    } catch (error) {
      port1.postMessage({ error: toPlain(error) });
    }
  };
  /** @type {any} */ (port1).unref?.();
  return { kind: 'pump', port: port2, size, name };
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {Part}
 */
function pumpStream(stream) {
  const reader = stream.getReader();
  const next = async () => {
    const { value, done } = await reader.read();
    if (done) return undefined;
    const bytes = ArrayBuffer.isView(value)
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value);
    return bytes.slice(); /* a view may share its buffer with others (Node's pool) */
  };
  return pump(next, () => void reader.cancel().catch(() => {}), 'stream');
}

/**
 * @param {Uint8Array} bytes
 * @returns {Part}
 */
function pumpBytes(bytes) {
  let at = 0;
  const next = async () => {
    if (at >= bytes.length) return undefined;
    const chunk = bytes.slice(at, at + CHUNK);
    at += chunk.length;
    return chunk;
  };
  return pump(next, () => {}, 'buffer', bytes.length);
}

/**
 * @param {SingleSource} source
 * @param {{hubUrl: string, token?: string}} options
 * @returns {Part}
 */
function toPart(source, { hubUrl, token }) {
  if (typeof source === 'string' || source instanceof URL) {
    const text = String(source);
    if (text.startsWith('hf:')) return urlPart(hubAddress(text.slice(3), hubUrl), token);
    if (/^file:/.test(text) && hasFiles) return { kind: 'path', path: decodeURIComponent(new URL(text).pathname) };
    if (/^(https?|blob|data):/.test(text)) return urlPart(text, token);
    if (hasFiles) return { kind: 'path', path: text };
    const base = globalThis.document?.baseURI ?? globalThis.location?.href;
    return urlPart(new URL(text, base).href, token);
  }
  if (typeof Blob !== 'undefined' && source instanceof Blob) {
    return { kind: 'blob', blob: source, name: /** @type {any} */ (source).name ?? 'blob' };
  }
  if (typeof ReadableStream !== 'undefined' && source instanceof ReadableStream) return pumpStream(source);
  if (source instanceof ArrayBuffer) return pumpBytes(new Uint8Array(source));
  if (ArrayBuffer.isView(source)) {
    return pumpBytes(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
  }
  throw invalid('A source is a URL, "hf:owner/repo/file.gguf", a File, a stream, a buffer or (in Node) a path.');
}

/**
 * @param {string} url
 * @param {string | undefined} token
 * @returns {Part}
 */
function urlPart(url, token) {
  const clean = url.replace(/#.*$/, '');
  return token ? { kind: 'url', url: clean, token } : { kind: 'url', url: clean };
}

/**
 * @param {Source} source
 * @param {{hubUrl: string, token?: string}} options
 * @returns {Part[]}
 */
export function toParts(source, options) {
  const list = Array.isArray(source) ? source : [source];
  if (list.length === 0 || list.length > 1000) throw invalid('An array of parts has 1 to 1,000 elements.');
  return list.map((s) => toPart(s, options));
}

/**
 * What must be given away with the message that carries the parts.
 * @param {Part[]} parts
 * @returns {MessagePort[]}
 */
export function transferOf(parts) {
  return parts.flatMap((part) => (part.kind === 'pump' ? [part.port] : []));
}
