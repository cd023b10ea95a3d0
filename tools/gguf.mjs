// GGUF files for the generators: writing version 3, and reading the keys of a file (to borrow its vocabulary).

import fs from 'node:fs';

/** Value types as they stand in a file. */
export const types = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};
const typeBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** @typedef {{ name: string, id: number, block: number, bytes: number }} TensorType */

/** The tensor types that the generators write. @type {Record<string, TensorType>} */
export const tensorTypes = Object.fromEntries(
  [
    ['F32', 0, 1, 4],
    ['F16', 1, 1, 2],
    ['Q4_0', 2, 32, 18],
    ['Q4_1', 3, 32, 20],
    ['Q5_0', 6, 32, 22],
    ['Q5_1', 7, 32, 24],
    ['Q8_0', 8, 32, 34],
    ['Q2_K', 10, 256, 84],
    ['Q3_K', 11, 256, 110],
    ['Q4_K', 12, 256, 144],
    ['Q5_K', 13, 256, 176],
    ['Q6_K', 14, 256, 210],
    ['IQ2_XXS', 16, 256, 66],
    ['IQ3_XXS', 18, 256, 98],
    ['IQ4_NL', 20, 32, 18],
    ['IQ4_XS', 23, 256, 136],
    ['BF16', 30, 1, 2],
    ['TQ2_0', 35, 256, 66],
    ['MXFP4', 39, 32, 17],
  ].map(([name, id, block, bytes]) => [name, /** @type {TensorType} */ ({ name, id, block, bytes })]),
);

/** Collects keys and tensor infos, then writes the file: header() first, then each tensor's data by tensor order. */
export class GgufWriter {
  /** @type {Buffer[]} */
  #keys = [];
  #nKeys = 0;
  /** @type {{ name: string, shape: number[], type: TensorType, bytes: number, offset: number }[]} */
  tensors = [];
  /** Bytes of all tensor data with their padding. */
  dataBytes = 0;

  /** @param {string} key @param {number} type @param {Buffer} value as it lies in the file */
  raw(key, type, value) {
    this.#keys.push(string(key), u32(type), value);
    this.#nKeys++;
  }

  /** @param {string} key @param {number} value */
  u32(key, value) {
    this.raw(key, types.u32, u32(value));
  }

  /** @param {string} key @param {number} value */
  f32(key, value) {
    this.raw(key, types.f32, Buffer.from(Float32Array.of(value).buffer));
  }

  /** @param {string} key @param {boolean} value */
  bool(key, value) {
    this.raw(key, types.bool, Buffer.of(value ? 1 : 0));
  }

  /** @param {string} key @param {string} value */
  string(key, value) {
    this.raw(key, types.string, string(value));
  }

  /** @param {string} key @param {(string | Buffer)[]} values */
  strings(key, values) {
    this.raw(key, types.array, Buffer.concat([u32(types.string), u64(values.length), ...values.map(string)]));
  }

  /** @param {string} key @param {Float32Array | Int32Array} values */
  numbers(key, values) {
    const type = values instanceof Float32Array ? types.f32 : types.i32;
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    this.raw(key, types.array, Buffer.concat([u32(type), u64(values.length), bytes]));
  }

  /** Adds a tensor; shape[0] is the row. Returns the bytes of its data. @param {string} name @param {string} typeName @param {number[]} shape */
  tensor(name, typeName, shape) {
    const type = tensorTypes[typeName];
    const n = shape.reduce((a, b) => a * b, 1);
    if (!type || shape[0] % type.block) throw new Error(`${typeName} does not fit ${name} [${shape}]`);
    const bytes = (n / type.block) * type.bytes;
    this.tensors.push({ name, shape, type, bytes, offset: this.dataBytes });
    this.dataBytes += align(bytes);
    return bytes;
  }

  /** Everything before the data, aligned. */
  header() {
    const parts = [Buffer.from('GGUF'), u32(3), u64(this.tensors.length), u64(this.#nKeys), ...this.#keys];
    for (const { name, shape, type, offset } of this.tensors) {
      parts.push(string(name), u32(shape.length), ...shape.map(u64), u32(type.id), u64(offset));
    }
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    return Buffer.concat(parts, align(size));
  }
}

/** Rounds up to the alignment of tensor data. @param {number} n */
export const align = (n) => Math.ceil(n / 32) * 32;

/** @param {number} v */
function u32(v) {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(v);
  return b;
}

/** @param {number} v */
function u64(v) {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(BigInt(v));
  return b;
}

/** @param {string | Buffer} v */
function string(v) {
  const bytes = typeof v === 'string' ? Buffer.from(v) : v;
  return Buffer.concat([u64(bytes.length), bytes]);
}

/** @typedef {{ type: number, raw: Buffer, elementType: number, count: number }} GgufValue */

/** @typedef {{ name: string, shape: number[], typeId: number, at: number }} GgufTensor at: where its data begin */

/**
 * The keys of a file with their values as they lie there, and its tensors.
 * @param {Buffer} bytes @returns {{ keys: Map<string, GgufValue>, tensors: GgufTensor[] }}
 */
export function readGguf(bytes) {
  if (bytes.toString('latin1', 0, 4) !== 'GGUF') throw new Error('not a GGUF file');
  let at = 24;
  const u32At = () => bytes.readUInt32LE((at += 4) - 4);
  const u64At = () => Number(bytes.readBigUInt64LE((at += 8) - 8));
  const text = () => {
    const n = u64At();
    return bytes.toString('utf8', at, (at += n));
  };
  /** @type {Map<string, GgufValue>} */
  const keys = new Map();
  for (let left = Number(bytes.readBigUInt64LE(16)); left > 0; left--) {
    const key = text();
    const type = u32At();
    const from = at;
    const elementType = type === types.array ? u32At() : type;
    const count = type === types.array ? u64At() : 1;
    if (elementType === types.string) {
      for (let i = 0; i < count; i++) {
        const n = u64At();
        at += n;
      }
    } else {
      at += typeBytes[elementType] * count;
    }
    keys.set(key, { type, raw: bytes.subarray(from, at), elementType, count });
  }
  const tensors = Array.from({ length: Number(bytes.readBigUInt64LE(8)) }, () => {
    const name = text();
    const shape = Array.from({ length: u32At() }, u64At);
    return { name, shape, typeId: u32At(), at: u64At() };
  });
  for (const tensor of tensors) tensor.at += align(at);
  return { keys, tensors };
}

/** The keys of a file. @param {string} file */
export const readKeys = (file) => readGguf(fs.readFileSync(file)).keys;

/** A number or text of a scalar value. @param {GgufValue | undefined} value @returns {number | string | undefined} */
export function scalarOf(value) {
  if (value?.type === types.u32) return value.raw.readUInt32LE();
  if (value?.type === types.f32) return value.raw.readFloatLE();
  if (value?.type === types.string) return value.raw.toString('utf8', 8);
  return undefined;
}

/** The strings of an array value, as bytes. @param {GgufValue} value */
export function stringsOf(value) {
  const strings = [];
  for (let at = 12; at < value.raw.length;) {
    const n = Number(value.raw.readBigUInt64LE(at));
    strings.push(value.raw.subarray(at + 8, at + 8 + n));
    at += 8 + n;
  }
  return strings;
}
