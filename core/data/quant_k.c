/* Super-blocks of 256 with quantized scales: Q2_K Q3_K Q4_K Q5_K Q6_K. */
#include "data/quant.h"

/* scales[16] (low nibble scale, high minimum, of 16 elements) q[64] d:f16 dmin:f16. A half of 128
 * elements has 32 bytes; bits 2s..2s+1 of byte l are element 32 s + l. d * scale * q - dmin * min
 */
void quant_q2_k_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 84) {
        float d = half_to_float(load_u16(p + 80)), dmin = half_to_float(load_u16(p + 82));
        for (int g = 0; g < 16; g++) {
            const uint8_t *q = p + 16 + g / 8 * 32 + g % 2 * 16;
            int shift = g % 8 / 2 * 2;
            float scale = d * (float)(p[g] & 15), min = dmin * (float)(p[g] >> 4);
            for (int l = 0; l < 16; l++) *dst++ = scale * (float)(q[l] >> shift & 3) - min;
        }
    }
}

/* high[32] q[64] scales[12] d:f16. As Q2_K with a third bit: bit g/2 of high[l % 32], clear meaning
 * -4. d * scale * q */
void quant_q3_k_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 110) {
        float d = half_to_float(load_u16(p + 108));
        for (int g = 0; g < 16; g++) {
            const uint8_t *q = p + 32 + g / 8 * 32 + g % 2 * 16, *high = p + g % 2 * 16;
            int shift = g % 8 / 2 * 2;
            float scale = d * (float)quant_k3_scale(p + 96, g);
            for (int l = 0; l < 16; l++)
                *dst++ = scale * (float)((q[l] >> shift & 3) - (high[l] >> g / 2 & 1 ? 0 : 4));
        }
    }
}

/* d:f16 dmin:f16 scales[12] q[128]. 64 elements have 32 bytes: low nibbles the first 32, high ones
 * the next. d * scale * q - dmin * min */
void quant_q4_k_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 144) {
        float d = half_to_float(load_u16(p)), dmin = half_to_float(load_u16(p + 2));
        for (int g = 0; g < 8; g++) {
            const uint8_t *q = p + 16 + g / 2 * 32;
            int s, m;
            float scale, min;
            quant_k4_scale_min(p + 4, g, &s, &m);
            scale = d * (float)s;
            min = dmin * (float)m;
            for (int l = 0; l < 32; l++) *dst++ = scale * (float)(q[l] >> g % 2 * 4 & 15) - min;
        }
    }
}

/* d:f16 dmin:f16 scales[12] high[32] q[128]. As Q4_K with a fifth bit: bit g of high[l]. */
void quant_q5_k_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 176) {
        float d = half_to_float(load_u16(p)), dmin = half_to_float(load_u16(p + 2));
        for (int g = 0; g < 8; g++) {
            const uint8_t *q = p + 48 + g / 2 * 32;
            int s, m;
            float scale, min;
            quant_k4_scale_min(p + 4, g, &s, &m);
            scale = d * (float)s;
            min = dmin * (float)m;
            for (int l = 0; l < 32; l++) {
                int v = (q[l] >> g % 2 * 4 & 15) | (p[16 + l] >> g & 1) << 4;
                *dst++ = scale * (float)v - min;
            }
        }
    }
}

/* low[128] high[64] scales:i8[16] d:f16. A half of 128 elements has 64 bytes of nibbles (element 32
 * s + l: byte 32 (s % 2) + l, low nibble for s < 2) and 32 bytes of two bits (bits 2s of byte l). d
 * * scale * (q - 32) */
void quant_q6_k_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 210) {
        float d = half_to_float(load_u16(p + 208));
        for (int g = 0; g < 16; g++) {
            int half = g / 8, s = g % 8 / 2, at = g % 2 * 16;
            const uint8_t *low = p + half * 64 + s % 2 * 32 + at;
            const uint8_t *high = p + 128 + half * 32 + at;
            float scale = d * (float)(int8_t)p[192 + g];
            for (int l = 0; l < 16; l++) {
                int v = (low[l] >> s / 2 * 4 & 15) | (high[l] >> s * 2 & 3) << 4;
                *dst++ = scale * (float)(v - 32);
            }
        }
    }
}
