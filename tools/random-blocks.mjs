// Random weights as they lie in a file: every bit of the codes is random, the scales are such that the weights have
// a wanted standard deviation. Far quicker than quantizing floats, and as good for measuring.

import { tensorTypes } from './gguf.mjs';

/** A generator of 32-bit numbers (xorshift); the same seed gives the same file. @param {number} seed */
export function randomNumbers(seed) {
  let x = (seed * 2654435761 + 1) >>> 0 || 1;
  let y = 362436069 ^ seed;
  return () => {
    const t = x ^ (x << 15);
    x = y;
    y = y ^ (y >>> 21) ^ t ^ (t >>> 4);
    return y >>> 0;
  };
}

/** @typedef {() => number} Random */

const floatView = new DataView(new ArrayBuffer(4));

/** The nearest half float. @param {number} v */
export function half(v) {
  floatView.setFloat32(0, v);
  const bits = floatView.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const size = Math.abs(v);
  if (!(size < 65520)) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24);
  const rest = bits & 0x7fffffff;
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
}

/** The approximate standard deviation of the codes of a type, times its inner scale: d = deviation / this. */
const spread = {
  Q4_0: 4.6, Q4_1: 4.6, Q5_0: 9.2, Q5_1: 9.2, Q8_0: 74, Q2_K: 9, Q3_K: 40, Q4_K: 165, Q5_K: 330, Q6_K: 1370,
  IQ2_XXS: 60, IQ3_XXS: 130, IQ4_NL: 70, IQ4_XS: 1290, TQ2_0: 1.1,
}; // prettier-ignore

/** Sets the scales of one block whose other bits are random. @type {Record<string, (b: Buffer, at: number, d: number) => void>} */
const scalers = {
  Q4_0: (b, at, d) => b.writeUInt16LE(half(d), at),
  Q4_1: (b, at, d) => {
    b.writeUInt16LE(half(d), at);
    b.writeUInt16LE(half(-7.5 * d), at + 2);
  },
  Q5_0: (b, at, d) => b.writeUInt16LE(half(d), at),
  Q5_1: (b, at, d) => {
    b.writeUInt16LE(half(d), at);
    b.writeUInt16LE(half(-15.5 * d), at + 2);
  },
  Q8_0: (b, at, d) => b.writeUInt16LE(half(d), at),
  // The minimum follows the scale, so that a group has mean 0.
  Q2_K: (b, at, d) => {
    for (let i = 0; i < 16; i++) b[at + i] = (b[at + i] & 15) * 17;
    b.writeUInt16LE(half(d), at + 80);
    b.writeUInt16LE(half(1.5 * d), at + 82);
  },
  Q3_K: (b, at, d) => b.writeUInt16LE(half(d), at + 108),
  Q4_K: (b, at, d) => kScales(b, at, d, 7.5),
  Q5_K: (b, at, d) => kScales(b, at, d, 15.5),
  Q6_K: (b, at, d) => b.writeUInt16LE(half(d), at + 208),
  IQ2_XXS: (b, at, d) => b.writeUInt16LE(half(d), at),
  IQ3_XXS: (b, at, d) => b.writeUInt16LE(half(d), at),
  IQ4_NL: (b, at, d) => b.writeUInt16LE(half(d), at),
  IQ4_XS: (b, at, d) => b.writeUInt16LE(half(d), at),
  TQ2_0: (b, at, d) => {
    for (let i = 0; i < 64; i++) b[at + i] &= ~((b[at + i] >> 1) & b[at + i] & 0x55); // no code 3
    b.writeUInt16LE(half(d), at + 64);
  },
};

/** @param {Buffer} b @param {number} at @param {number} d @param {number} middle */
function kScales(b, at, d, middle) {
  b.writeUInt16LE(half(d), at);
  b.writeUInt16LE(half(middle * d), at + 2);
  for (let i = 4; i < 8; i++) b[at + i + 4] = b[at + i];
  for (let i = 12; i < 16; i++) b[at + i] = (b[at + i] & 15) * 17;
}

/**
 * Fills a buffer with random weights of a type: whole blocks, mean about 0.
 * @param {string} type @param {Buffer} buffer @param {Random} random @param {number} deviation
 */
export function fillWeights(type, buffer, random, deviation) {
  const { bytes } = tensorTypes[type];
  if (type === 'F32' || type === 'F16' || type === 'BF16') {
    const scale = (deviation * 2 * Math.sqrt(3)) / 2 ** 32;
    for (let at = 0; at < buffer.length; at += bytes) {
      const v = (random() - 2 ** 31) * scale;
      if (type === 'F32') buffer.writeFloatLE(v, at);
      else if (type === 'F16') buffer.writeUInt16LE(half(v), at);
      else {
        floatView.setFloat32(0, v);
        buffer.writeUInt16LE(floatView.getUint16(0), at);
      }
    }
    return;
  }
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = random();
  for (let i = words.length * 4; i < buffer.length; i++) buffer[i] = random();
  if (type === 'MXFP4') {
    const exponent = Math.round(127 + Math.log2(deviation / 2.7));
    for (let at = 0; at < buffer.length; at += bytes) buffer[at] = exponent;
    return;
  }
  const d = deviation / /** @type {Record<string, number>} */ (spread)[type];
  const set = scalers[type];
  for (let at = 0; at < buffer.length; at += bytes) set(buffer, at, d);
}
