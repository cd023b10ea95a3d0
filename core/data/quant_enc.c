/* Encoders of the plain types, of the blocks of 32 and of the ternary types. Layouts:
 * quant_legacy.c, quant_ternary.c, quant_fp4.c. */
#include "base/fmath.h"
#include "data/quant.h"
#include "data/quant_fit.h"

static void store_u16(uint8_t *p, uint16_t v) {
    memcpy(p, &v, 2);
}

/* Stores a scale and returns it as a reader will see it. */
static float store_half(uint8_t *p, float v) {
    uint16_t h = float_to_half(v);
    store_u16(p, h);
    return half_to_float(h);
}

static float largest(const float *x, int n) {
    float m = 0;
    for (int i = 0; i < n; i++) m = f_max(m, f_abs(x[i]));
    return m;
}

void quant_f32_encode(void *blocks, const float *src, size_t n) {
    memcpy(blocks, src, n * 4);
}

void quant_f16_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) store_u16(p + 2 * i, float_to_half(src[i]));
}

void quant_bf16_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) store_u16(p + 2 * i, float_to_bf16(src[i]));
}

static void pack_nibbles(uint8_t *p, const int8_t *q, int offset) {
    for (int j = 0; j < 16; j++)
        p[j] = (uint8_t)(((q[j] + offset) & 15) | ((q[j + 16] + offset) & 15) << 4);
}

static void pack_fifth_bits(uint8_t *p, const int8_t *q, int offset) {
    uint32_t high = 0;
    for (int j = 0; j < 32; j++) high |= (uint32_t)((q[j] + offset) >> 4 & 1) << j;
    memcpy(p, &high, 4);
}

void quant_q4_0_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t q[32];
    for (size_t i = 0; i < n; i += 32, p += 18) {
        float d = store_half(p, quant_fit_scale(src + i, 32, -8, 7));
        quant_round(src + i, 32, -8, 7, d, 0, q);
        pack_nibbles(p + 2, q, 8);
    }
}

void quant_q5_0_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t q[32];
    for (size_t i = 0; i < n; i += 32, p += 22) {
        float d = store_half(p, quant_fit_scale(src + i, 32, -16, 15));
        quant_round(src + i, 32, -16, 15, d, 0, q);
        pack_fifth_bits(p + 2, q, 16);
        pack_nibbles(p + 6, q, 16);
    }
}

/* The minimum of Q4_1 and Q5_1 has either sign, the fit's only one: the block is moved so that it
 * reaches as far below zero as above, which lets the fit choose freely. */
static void affine(uint8_t *p, const float *x, int high, int8_t *q) {
    float low = x[0], top = x[0], middle, moved[32], scale, min, d, m;
    for (int j = 1; j < 32; j++) {
        low = f_min(low, x[j]);
        top = f_max(top, x[j]);
    }
    middle = 0.5f * low + 0.5f * top;
    for (int j = 0; j < 32; j++) moved[j] = x[j] - middle;
    quant_fit_affine(moved, 32, high, &scale, &min);
    d = store_half(p, scale);
    m = store_half(p + 2, middle - min);
    quant_round(x, 32, 0, high, d, -m, q);
}

void quant_q4_1_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t q[32];
    for (size_t i = 0; i < n; i += 32, p += 20) {
        affine(p, src + i, 15, q);
        pack_nibbles(p + 4, q, 0);
    }
}

void quant_q5_1_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t q[32];
    for (size_t i = 0; i < n; i += 32, p += 24) {
        affine(p, src + i, 31, q);
        pack_fifth_bits(p + 4, q, 0);
        pack_nibbles(p + 8, q, 0);
    }
}

void quant_q8_0_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 34) {
        float d = store_half(p, largest(src + i, 32) / 127);
        quant_round(src + i, 32, -127, 127, d, 0, (int8_t *)p + 2);
    }
}

/* Index of the codebook value nearest to x: a binary search, since the values ascend. */
static int nearest_iq4(float x) {
    int i = 0;
    for (int step = 8; step; step /= 2)
        if (2 * x > (float)(quant_iq4_values[i + step - 1] + quant_iq4_values[i + step])) i += step;
    return i;
}

void quant_iq4_nl_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 18) {
        const float *x = src + i;
        float top = 0, scale = 0, best = 0, d;
        int8_t q[32];
        for (int j = 0; j < 32; j++)
            if (f_abs(x[j]) > f_abs(top)) top = x[j];
        for (int k = -9; k <= 9 && f_abs(top) > 1e-30f; k += 2) {
            for (int side = 0; side < 2; side++) {
                float inverse = ((side ? -127.0f : 113.0f) + 2.0f * (float)k) / top, xq = 0, qq = 0;
                for (int j = 0; j < 32; j++) {
                    float v = quant_iq4_values[nearest_iq4(x[j] * inverse)];
                    xq += x[j] * v;
                    qq += v * v;
                }
                if (xq * xq <= best * qq) continue;
                best = xq * xq / qq;
                scale = xq / qq;
            }
        }
        d = store_half(p, scale);
        for (int j = 0; j < 32; j++) q[j] = (int8_t)nearest_iq4(d != 0 ? x[j] / d : 0);
        pack_nibbles(p + 2, q, 0);
    }
}

/* Ternary models are trained for d = the largest value: no search. */
static float ternary(const float *x, int8_t *q) {
    float d = largest(x, 256);
    quant_round(x, 256, -1, 1, d, 0, q);
    return d;
}

void quant_tq2_0_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t q[256];
    for (size_t i = 0; i < n; i += 256, p += 66) {
        store_half(p + 64, ternary(src + i, q));
        for (int j = 0; j < 64; j++) {
            const int8_t *v = q + j / 32 * 128 + j % 32;
            p[j] = (uint8_t)((v[0] + 1) | (v[32] + 1) << 2 | (v[64] + 1) << 4 | (v[96] + 1) << 6);
        }
    }
}

/* Digits count..1 of a byte, the first the most significant, as a fraction of 256 rounded up. */
static uint8_t pack_digits(const int8_t *q, int stride, int count) {
    int v = 0;
    for (int k = 0; k < 5; k++) v = v * 3 + (k < count ? q[k * stride] + 1 : 0);
    return (uint8_t)((v * 256 + 242) / 243);
}

void quant_tq1_0_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t q[256];
    for (size_t i = 0; i < n; i += 256, p += 54) {
        store_half(p + 52, ternary(src + i, q));
        for (int l = 0; l < 32; l++) p[l] = pack_digits(q + l, 32, 5);
        for (int l = 0; l < 16; l++) p[32 + l] = pack_digits(q + 160 + l, 16, 5);
        for (int l = 0; l < 4; l++) p[48 + l] = pack_digits(q + 240 + l, 4, 4);
    }
}
