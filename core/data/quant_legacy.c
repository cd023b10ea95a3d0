/* Blocks of 32 with one scale: Q4_0 Q4_1 Q5_0 Q5_1 Q8_0. In a byte of nibbles the low one is
 * element j, the high one element j + 16; the fifth bits lie in a 32-bit word, element i at bit i.
 */
#include "data/quant.h"

/* d:f16 nibbles[16]; d * (q - 8) */
void quant_q4_0_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 18) {
        float d = half_to_float(load_u16(p));
        for (int j = 0; j < 16; j++) {
            dst[i + j] = (float)((p[2 + j] & 15) - 8) * d;
            dst[i + j + 16] = (float)((p[2 + j] >> 4) - 8) * d;
        }
    }
}

/* d:f16 m:f16 nibbles[16]; d * q + m */
void quant_q4_1_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 20) {
        float d = half_to_float(load_u16(p)), m = half_to_float(load_u16(p + 2));
        for (int j = 0; j < 16; j++) {
            dst[i + j] = (float)(p[4 + j] & 15) * d + m;
            dst[i + j + 16] = (float)(p[4 + j] >> 4) * d + m;
        }
    }
}

/* d:f16 high:u32 nibbles[16]; d * (q - 16) */
void quant_q5_0_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 22) {
        float d = half_to_float(load_u16(p));
        uint32_t high = load_u32(p + 2);
        for (int j = 0; j < 16; j++) {
            int a = (p[6 + j] & 15) | (int)(high >> j & 1) << 4;
            int b = p[6 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            dst[i + j] = (float)(a - 16) * d;
            dst[i + j + 16] = (float)(b - 16) * d;
        }
    }
}

/* d:f16 m:f16 high:u32 nibbles[16]; d * q + m */
void quant_q5_1_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 24) {
        float d = half_to_float(load_u16(p)), m = half_to_float(load_u16(p + 2));
        uint32_t high = load_u32(p + 4);
        for (int j = 0; j < 16; j++) {
            int a = (p[8 + j] & 15) | (int)(high >> j & 1) << 4;
            int b = p[8 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            dst[i + j] = (float)a * d + m;
            dst[i + j + 16] = (float)b * d + m;
        }
    }
}

/* d:f16 q:i8[32]; d * q */
void quant_q8_0_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 34) {
        float d = half_to_float(load_u16(p));
        for (int j = 0; j < 32; j++) dst[i + j] = (float)(int8_t)p[2 + j] * d;
    }
}
