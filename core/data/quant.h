/* Codecs of the block formats, one pair of functions a type, and the unpacking that kern/ shares.
 *
 * Decoders take n elements (a multiple of the block) as they lie in the file and write floats; they follow
 * the order of products that ggml's reference uses, so results are the same bits. Encoders are the inverse
 * with the least squared error that a cheap search finds. Formats: comments at each codec. */
#ifndef SOTTO_DATA_QUANT_H
#define SOTTO_DATA_QUANT_H

#include "base/bytes.h"
#include <stddef.h>
#include <stdint.h>

#define QUANT_DECODER(name) void quant_##name##_decode(float *dst, const void *blocks, size_t n);
#define QUANT_ENCODER(name) void quant_##name##_encode(void *blocks, const float *src, size_t n);

QUANT_DECODER(f32) QUANT_DECODER(f16) QUANT_DECODER(bf16) QUANT_DECODER(f64)
QUANT_DECODER(i8) QUANT_DECODER(i16) QUANT_DECODER(i32) QUANT_DECODER(i64)
QUANT_DECODER(q4_0) QUANT_DECODER(q4_1) QUANT_DECODER(q5_0) QUANT_DECODER(q5_1) QUANT_DECODER(q8_0)
QUANT_DECODER(q1_0) QUANT_DECODER(q2_0)
QUANT_DECODER(q2_k) QUANT_DECODER(q3_k) QUANT_DECODER(q4_k) QUANT_DECODER(q5_k) QUANT_DECODER(q6_k)
QUANT_DECODER(iq2_xxs) QUANT_DECODER(iq2_xs) QUANT_DECODER(iq2_s) QUANT_DECODER(iq3_xxs) QUANT_DECODER(iq3_s)
QUANT_DECODER(iq1_s) QUANT_DECODER(iq1_m) QUANT_DECODER(iq4_nl) QUANT_DECODER(iq4_xs)
QUANT_DECODER(tq1_0) QUANT_DECODER(tq2_0) QUANT_DECODER(mxfp4) QUANT_DECODER(nvfp4)
QUANT_ENCODER(f32) QUANT_ENCODER(f16) QUANT_ENCODER(bf16)
QUANT_ENCODER(q4_0) QUANT_ENCODER(q4_1) QUANT_ENCODER(q5_0) QUANT_ENCODER(q5_1) QUANT_ENCODER(q8_0)
QUANT_ENCODER(q2_k) QUANT_ENCODER(q3_k) QUANT_ENCODER(q4_k) QUANT_ENCODER(q5_k) QUANT_ENCODER(q6_k)
QUANT_ENCODER(iq4_nl) QUANT_ENCODER(tq1_0) QUANT_ENCODER(tq2_0)

/* Signed values of a 4-bit code of IQ4_NL and IQ4_XS, and of the FP4 formats (doubled). */
extern const int8_t quant_iq4_values[16];
extern const int8_t quant_fp4_values[16];

/* Scale j and minimum j (0..7, 6 bits each) of the 12 bytes in Q4_K and Q5_K. */
static inline void quant_k4_scale_min(const uint8_t *p, int j, int *scale, int *min) {
    if (j < 4) {
        *scale = p[j] & 63;
        *min = p[j + 4] & 63;
    } else {
        *scale = (p[j + 4] & 15) | (p[j - 4] >> 6) << 4;
        *min = p[j + 4] >> 4 | (p[j] >> 6) << 4;
    }
}

/* Scale j (0..15, -32..31) of the 12 bytes in Q3_K. */
static inline int quant_k3_scale(const uint8_t *p, int j) {
    return (((j < 8 ? p[j] : p[j - 8] >> 4) & 15) | (p[8 + j % 4] >> j / 4 * 2 & 3) << 4) - 32;
}

/* Scale j (0..7, -32..31) of an IQ4_XS block. */
static inline int quant_iq4_xs_scale(const uint8_t *block, int j) {
    int low = block[4 + j / 2] >> j % 2 * 4 & 15, high = load_u16(block + 2) >> 2 * j & 3;
    return (low | high << 4) - 32;
}

/* 2^(e - 128): the scale of MXFP4 for values that are doubled, subnormal for e < 2. */
static inline float quant_e8m0_half(uint8_t e) {
    return bits_float(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* Half of an unsigned E4M3 scale (NVFP4); 0x7f, its nan, counts as 0. */
static inline float quant_ue4m3_half(uint8_t x) {
    int exponent = x >> 3 & 15, mantissa = x & 7;
    if (x == 0x7f) return 0;
    if (exponent == 0) return (float)mantissa * 0x1p-10f;
    return bits_float((uint32_t)(exponent + 119) << 23 | (uint32_t)mantissa << 20);
}

#endif
