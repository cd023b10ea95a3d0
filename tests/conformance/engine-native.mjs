// The native engine: tests/conformance/native.c as a child process, one request at a time over its pipes.

import { spawn } from 'node:child_process';
import { SottoError } from '../../js/errors.js';
import { WANTED } from './engine-wasm.mjs';

/** @param {string} program */
export async function openNative(program) {
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  /** @type {Buffer[]} */
  const arrived = [];
  let size = 0;
  /** @type {{ resolve: (answer: { code: string, payload: Buffer }) => void, reject: (error: Error) => void }[]} */
  const waiting = [];
  child.stdout.on('data', (/** @type {Buffer} */ chunk) => {
    arrived.push(chunk);
    size += chunk.length;
    let all = null;
    for (;;) {
      all = arrived.length === 1 ? arrived[0] : arrived.length ? Buffer.concat(arrived) : Buffer.alloc(0);
      arrived.length = 0;
      arrived.push(all);
      const line = all.indexOf(10);
      if (line < 0) return;
      const [code, bytes] = all.toString('latin1', 0, line).split(' ');
      const end = line + 1 + Number(bytes);
      if (size < end) return;
      const payload = all.subarray(line + 1, end);
      arrived[0] = all.subarray(end);
      size -= end;
      waiting.shift()?.resolve({ code, payload });
    }
  });
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`the native engine ended (${signal ?? code})`));
  });
  /** @param {string} line @param {(Buffer | Uint8Array)[]} payload */
  const ask = async (line, ...payload) => {
    const answered = new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    child.stdin.write(`${line} ${payload.map((p) => p.length).join(' ')}\n`);
    for (const part of payload) child.stdin.write(part);
    const { code, payload: answer } = await answered;
    if (code !== 'OK') throw new SottoError(`SOTTO_${code}`, answer.toString());
    return /** @type {Buffer} */ (answer);
  };
  return {
    name: 'native',
    /** @param {Buffer} bytes @param {import('./engine-wasm.mjs').OpenOptions} [options] */
    async open(bytes, { context = 0, exact = true, batch = 0, kv = 1 } = {}) {
      const n = await ask(`open ${context} ${kv} ${exact ? 1 : 0} ${batch}`, bytes);
      return new NativeModel(ask, n.readUInt32LE());
    },
    async close() {
      child.stdin.end();
    },
  };
}

class NativeModel {
  #ask;

  /** @param {(line: string, ...payload: (Buffer | Uint8Array)[]) => Promise<Buffer>} ask @param {number} vocabulary */
  constructor(ask, vocabulary) {
    this.#ask = ask;
    this.vocabulary = vocabulary;
  }

  /** @param {string} text @param {number} flags */
  async tokenize(text, flags) {
    const ids = await this.#ask(`tokenize ${flags}`, Buffer.from(text));
    return Array.from({ length: ids.length / 4 }, (_, i) => ids.readUInt32LE(4 * i));
  }

  /** @param {number[]} ids @param {number} flags */
  async detokenize(ids, flags) {
    return Buffer.from(await this.#ask(`detokenize ${flags}`, bytesOf(ids)));
  }

  /** @param {string} source @param {object} variables @param {number} now */
  async render(source, variables, now) {
    return (await this.#ask(`render ${now}`, Buffer.from(source), Buffer.from(JSON.stringify(variables)))).toString();
  }

  /** @param {number} id */
  async isEog(id) {
    return (await this.#ask(`eog ${id}`))[0] === 1;
  }

  /** @param {ArrayLike<number>} ids @param {boolean} all */
  async evaluate(ids, all) {
    const bytes = Uint8Array.from(await this.#ask(`evaluate ${all ? 2 : 1}`, bytesOf(ids)));
    const step = 4 * this.vocabulary;
    return Array.from(
      { length: bytes.length / step },
      (_, i) => new Float32Array(bytes.buffer, i * step, this.vocabulary),
    );
  }

  /** @param {ArrayLike<number>} ids @param {string} pooling */
  async embed(ids, pooling) {
    const want = WANTED[/** @type {keyof typeof WANTED} */ (pooling)];
    const bytes = Uint8Array.from(await this.#ask(`evaluate ${want}`, bytesOf(ids)));
    await this.reset();
    return new Float32Array(bytes.buffer);
  }

  async reset() {
    await this.#ask('reset');
  }

  async close() {
    await this.#ask('close');
  }
}

/** @param {ArrayLike<number>} ids */
const bytesOf = (ids) => new Uint8Array(Uint32Array.from(ids).buffer);
