/* Codes of one or two bits and of five ternary digits a byte: Q1_0 Q2_0 TQ1_0 TQ2_0. */
#include "data/quant.h"

/* d:f16 bits[16]; element i at bit i, d or -d */
void quant_q1_0_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 128, p += 18) {
        float d = half_to_float(load_u16(p));
        for (int j = 0; j < 128; j++) dst[i + j] = p[2 + j / 8] >> j % 8 & 1 ? d : -d;
    }
}

/* d:f16 q[16]; element i at bits 2i, d * (q - 1) */
void quant_q2_0_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 64, p += 18) {
        float d = half_to_float(load_u16(p));
        for (int j = 0; j < 64; j++) dst[i + j] = (float)((p[2 + j / 4] >> j % 4 * 2 & 3) - 1) * d;
    }
}

/* Digit k of a byte that holds five of them as a fraction of 256: multiply by 3^k modulo 256, take
 * the integer part of three times the rest. */
static float digit(uint8_t byte, int k) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    uint8_t rest = (uint8_t)(byte * power[k]);
    return (float)((rest * 3 >> 8) - 1);
}

/* q[48] high[4] d:f16. Bytes 0..31: digit k of byte l is element 32 k + l; bytes 32..47: 160 + 16 k
 * + l; the four high bytes hold four digits: 240 + 4 k + l. */
void quant_tq1_0_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 54, dst += 256) {
        float d = half_to_float(load_u16(p + 52));
        for (int k = 0; k < 5; k++) {
            for (int l = 0; l < 32; l++) dst[32 * k + l] = digit(p[l], k) * d;
            for (int l = 0; l < 16; l++) dst[160 + 16 * k + l] = digit(p[32 + l], k) * d;
            for (int l = 0; l < 4 && k < 4; l++) dst[240 + 4 * k + l] = digit(p[48 + l], k) * d;
        }
    }
}

/* q[64] d:f16. A half of 128 elements has 32 bytes, bits 2s of byte l are element 32 s + l; d * (q
 * - 1) */
void quant_tq2_0_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 66) {
        float d = half_to_float(load_u16(p + 64));
        for (int g = 0; g < 8; g++)
            for (int l = 0; l < 32; l++)
                *dst++ = (float)((p[g / 4 * 32 + l] >> g % 4 * 2 & 3) - 1) * d;
    }
}
