// Decoders of block formats for the reference model, by tensor type id: (bytes, at, numbers) fills the numbers from the
// blocks at `at`. Element by element from the descriptions of the formats; speed is no concern.

/** @param {number} h a half float */
export function fromHalf(h) {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const mantissa = h & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent ? (1024 + mantissa) * 2 ** (exponent - 25) : mantissa * 2 ** -24);
}

/** @typedef {(bytes: Buffer, at: number, numbers: Float64Array) => void} Decoder */

/**
 * A decoder from the value of element i of the block at `at`.
 * @param {number} n @param {number} size @param {(b: Buffer, at: number, i: number) => number} value @returns {Decoder}
 */
const blocks = (n, size, value) => (bytes, at, numbers) => {
  for (let i = 0; i < numbers.length; i++) numbers[i] = value(bytes, at + Math.floor(i / n) * size, i % n);
};

const halfAt = (/** @type {Buffer} */ b, /** @type {number} */ at) => fromHalf(b.readUInt16LE(at));
/** Nibble i of a block of 32. @param {Buffer} b @param {number} at @param {number} i */
const nibble = (b, at, i) => (b[at + (i % 16)] >> (i < 16 ? 0 : 4)) & 15;
/** Bit i of a word. @param {Buffer} b @param {number} at @param {number} i */
const bit = (b, at, i) => (b[at + (i >> 3)] >> (i & 7)) & 1;

/** Scale and minimum j of Q4_K and Q5_K. @param {Buffer} b @param {number} at @param {number} j */
function scaleMin(b, at, j) {
  if (j < 4) return [b[at + j] & 63, b[at + j + 4] & 63];
  return [(b[at + j + 4] & 15) | ((b[at + j - 4] >> 6) << 4), (b[at + j + 4] >> 4) | ((b[at + j] >> 6) << 4)];
}

/** The byte of element i where 128 elements share 32 bytes, two bits each. @param {number} i */
const byteOfTwoBits = (i) => (i >> 7) * 32 + (i & 31);
/** @param {number} i */
const shiftOfTwoBits = (i) => ((i & 127) >> 5) * 2;

/** @type {Record<number, Decoder>} */
export const decoders = {
  0: blocks(1, 4, (b, at) => b.readFloatLE(at)),
  1: blocks(1, 2, halfAt),
  2: blocks(32, 18, (b, at, i) => halfAt(b, at) * (nibble(b, at + 2, i) - 8)),
  3: blocks(32, 20, (b, at, i) => halfAt(b, at) * nibble(b, at + 4, i) + halfAt(b, at + 2)),
  6: blocks(32, 22, (b, at, i) => halfAt(b, at) * (nibble(b, at + 6, i) + 16 * bit(b, at + 2, i) - 16)),
  7: blocks(32, 24, (b, at, i) => halfAt(b, at) * (nibble(b, at + 8, i) + 16 * bit(b, at + 4, i)) + halfAt(b, at + 2)),
  8: blocks(32, 34, (b, at, i) => halfAt(b, at) * b.readInt8(at + 2 + i)),
  10: blocks(256, 84, (b, at, i) => {
    const scales = b[at + (i >> 4)];
    const q = (b[at + 16 + byteOfTwoBits(i)] >> shiftOfTwoBits(i)) & 3;
    return halfAt(b, at + 80) * (scales & 15) * q - halfAt(b, at + 82) * (scales >> 4);
  }),
  11: blocks(256, 110, (b, at, i) => {
    const group = i >> 4;
    const low = (b[at + 96 + (group & 7)] >> (group < 8 ? 0 : 4)) & 15;
    const high = (b[at + 104 + (group & 3)] >> ((group >> 2) * 2)) & 3;
    const q = (b[at + 32 + byteOfTwoBits(i)] >> shiftOfTwoBits(i)) & 3;
    const third = (b[at + (i & 31)] >> (i >> 5)) & 1;
    return halfAt(b, at + 108) * ((low | (high << 4)) - 32) * (q + 4 * third - 4);
  }),
  12: blocks(256, 144, (b, at, i) => {
    const [scale, min] = scaleMin(b, at + 4, i >> 5);
    const q = (b[at + 16 + (i >> 6) * 32 + (i & 31)] >> (i & 32 ? 4 : 0)) & 15;
    return halfAt(b, at) * scale * q - halfAt(b, at + 2) * min;
  }),
  13: blocks(256, 176, (b, at, i) => {
    const [scale, min] = scaleMin(b, at + 4, i >> 5);
    const q = (b[at + 48 + (i >> 6) * 32 + (i & 31)] >> (i & 32 ? 4 : 0)) & 15;
    const fifth = (b[at + 16 + (i & 31)] >> (i >> 5)) & 1;
    return halfAt(b, at) * scale * (q + 16 * fifth) - halfAt(b, at + 2) * min;
  }),
  14: blocks(256, 210, (b, at, i) => {
    const s = (i & 127) >> 5;
    const low = (b[at + (i >> 7) * 64 + (s & 1) * 32 + (i & 31)] >> (s >> 1 ? 4 : 0)) & 15;
    const high = (b[at + 128 + byteOfTwoBits(i)] >> shiftOfTwoBits(i)) & 3;
    return halfAt(b, at + 208) * b.readInt8(at + 192 + (i >> 4)) * ((low | (high << 4)) - 32);
  }),
};
