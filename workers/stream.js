/**
 * Streams of bytes read through buffers that go round (a "byob" reader, where the host has them): a fast download
 * would else leave a hundred megabytes of read pieces before the collector comes.
 */

const BYTES = 256 << 10;
/** @type {ArrayBuffer[]} */
const spare = [];

/** @typedef {{read: () => Promise<{value?: Uint8Array, done: boolean}>, cancel: () => Promise<void>}} Reader */

/**
 * What `read` gave is gone when it is called again.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {Reader | undefined} undefined where the host has no such reader
 */
export function sparingReader(stream) {
  /** @type {ReadableStreamBYOBReader} */
  let reader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    return undefined;
  }
  /** @type {ArrayBuffer | undefined} away while it is being filled */
  let buffer = spare.pop() ?? new ArrayBuffer(BYTES);
  const giveBack = () => {
    if (buffer) spare.push(buffer);
    buffer = undefined;
  };
  return {
    async read() {
      const view = new Uint8Array(buffer ?? new ArrayBuffer(BYTES));
      buffer = undefined;
      const { value, done } = await reader.read(view);
      buffer = /** @type {ArrayBuffer | undefined} */ (value?.buffer);
      if (done) giveBack();
      return { value, done };
    },
    cancel() {
      giveBack();
      return reader.cancel();
    },
  };
}
