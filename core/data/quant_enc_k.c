/* Encoders of the super-blocks of 256. Each group gets its best scale; the scales are quantized by
 * their largest; then every group tries the neighbours of its quantized scale (and minimum).
 * Layouts: quant_k.c. */
#include "base/fmath.h"
#include "data/quant.h"
#include "data/quant_fit.h"

static float store_half(uint8_t *p, float v) {
    uint16_t h = float_to_half(v);
    memcpy(p, &h, 2);
    return half_to_float(h);
}

/* ---- scale and minimum: Q2_K Q4_K Q5_K ---- */

struct affine {
    int n, high, top; /* elements of a group, largest code, largest quantized scale */
    float d, dmin;
    uint8_t scale[16], min[16];
    int8_t q[256];
};

static void fit_affine(struct affine *a, const float *x, uint8_t *d_at, uint8_t *dmin_at) {
    float scale[16], min[16], most = 0, most_min = 0;
    int groups = 256 / a->n;
    for (int g = 0; g < groups; g++) {
        quant_fit_affine(x + g * a->n, a->n, a->high, &scale[g], &min[g]);
        most = f_max(most, scale[g]);
        most_min = f_max(most_min, min[g]);
    }
    a->d = store_half(d_at, most / (float)a->top);
    a->dmin = store_half(dmin_at, most_min / (float)a->top);
    for (int g = 0; g < groups; g++) {
        int s = a->d > 0 ? quant_nearest(scale[g] / a->d, 0, a->top) : 0;
        int m = a->dmin > 0 ? quant_nearest(min[g] / a->dmin, 0, a->top) : 0;
        float best = -1;
        for (int i = s > 0 ? s - 1 : 0; i <= s + 1 && i <= a->top; i++) {
            for (int j = m > 0 ? m - 1 : 0; j <= m + 1 && j <= a->top; j++) {
                float e = quant_round(x + g * a->n, a->n, 0, a->high, a->d * (float)i,
                                      a->dmin * (float)j, NULL);
                if (best >= 0 && !(e < best)) continue;
                best = e;
                a->scale[g] = (uint8_t)i;
                a->min[g] = (uint8_t)j;
            }
        }
        quant_round(x + g * a->n, a->n, 0, a->high, a->d * (float)a->scale[g],
                    a->dmin * (float)a->min[g], a->q + g * a->n);
    }
}

void quant_q2_k_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    struct affine a = {.n = 16, .high = 3, .top = 15};
    for (size_t i = 0; i < n; i += 256, p += 84) {
        fit_affine(&a, src + i, p + 80, p + 82);
        for (int g = 0; g < 16; g++) p[g] = (uint8_t)(a.scale[g] | a.min[g] << 4);
        for (int j = 0; j < 64; j++) {
            const int8_t *q = a.q + j / 32 * 128 + j % 32;
            p[16 + j] = (uint8_t)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
        }
    }
}

/* The 12 bytes of eight scales and minimums of 6 bits. */
static void pack_scales(uint8_t *p, const struct affine *a) {
    for (int j = 0; j < 4; j++) {
        p[j] = (uint8_t)(a->scale[j] | (a->scale[j + 4] >> 4) << 6);
        p[j + 4] = (uint8_t)(a->min[j] | (a->min[j + 4] >> 4) << 6);
        p[j + 8] = (uint8_t)((a->scale[j + 4] & 15) | (a->min[j + 4] & 15) << 4);
    }
}

void quant_q4_k_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    struct affine a = {.n = 32, .high = 15, .top = 63};
    for (size_t i = 0; i < n; i += 256, p += 144) {
        fit_affine(&a, src + i, p, p + 2);
        pack_scales(p + 4, &a);
        for (int j = 0; j < 128; j++) {
            const int8_t *q = a.q + j / 32 * 64 + j % 32;
            p[16 + j] = (uint8_t)(q[0] | q[32] << 4);
        }
    }
}

void quant_q5_k_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    struct affine a = {.n = 32, .high = 31, .top = 63};
    for (size_t i = 0; i < n; i += 256, p += 176) {
        fit_affine(&a, src + i, p, p + 2);
        pack_scales(p + 4, &a);
        for (int l = 0; l < 32; l++) {
            int high = 0;
            for (int g = 0; g < 8; g++) high |= (a.q[32 * g + l] >> 4) << g;
            p[16 + l] = (uint8_t)high;
        }
        for (int j = 0; j < 128; j++) {
            const int8_t *q = a.q + j / 32 * 64 + j % 32;
            p[48 + j] = (uint8_t)((q[0] & 15) | (q[32] & 15) << 4);
        }
    }
}

/* ---- a signed scale: Q3_K Q6_K ---- */

/* The scale of largest magnitude becomes `low`, the end of the signed range that reaches further.
 */
static void fit_signed(const float *x, uint8_t *d_at, int code_low, int code_high, int low,
                       int high, int8_t *scale, int8_t *q) {
    float fits[16], most = 0, d;
    for (int g = 0; g < 16; g++) {
        fits[g] = quant_fit_scale(x + 16 * g, 16, code_low, code_high);
        if (f_abs(fits[g]) > f_abs(most)) most = fits[g];
    }
    d = store_half(d_at, most / (float)low);
    for (int g = 0; g < 16; g++) {
        int s = d != 0 ? quant_nearest(fits[g] / d, low, high) : 0;
        float best = -1;
        for (int i = s > low ? s - 1 : low; i <= s + 1 && i <= high; i++) {
            float e = quant_round(x + 16 * g, 16, code_low, code_high, d * (float)i, 0, NULL);
            if (best >= 0 && !(e < best)) continue;
            best = e;
            scale[g] = (int8_t)i;
        }
        quant_round(x + 16 * g, 16, code_low, code_high, d * (float)scale[g], 0, q + 16 * g);
    }
}

void quant_q3_k_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t scale[16], q[256];
    for (size_t i = 0; i < n; i += 256, p += 110) {
        fit_signed(src + i, p + 108, -4, 3, -32, 31, scale, q);
        memset(p, 0, 108);
        for (int g = 0; g < 16; g++) {
            int s = scale[g] + 32;
            p[96 + g % 8] |= (uint8_t)((s & 15) << g / 8 * 4);
            p[104 + g % 4] |= (uint8_t)((s >> 4) << g / 4 * 2);
        }
        for (int j = 0; j < 256; j++) {
            int v = q[j] + 4;
            p[32 + j / 128 * 32 + j % 32] |= (uint8_t)((v & 3) << j % 128 / 32 * 2);
            p[j % 32] |= (uint8_t)((v >> 2) << j / 32);
        }
    }
}

void quant_q6_k_encode(void *blocks, const float *src, size_t n) {
    uint8_t *p = blocks;
    int8_t q[256];
    for (size_t i = 0; i < n; i += 256, p += 210) {
        fit_signed(src + i, p + 208, -32, 31, -128, 127, (int8_t *)p + 192, q);
        memset(p, 0, 192);
        for (int j = 0; j < 256; j++) {
            int v = q[j] + 32, half = j / 128, s = j % 128 / 32, l = j % 32;
            p[half * 64 + s % 2 * 32 + l] |= (uint8_t)((v & 15) << s / 2 * 4);
            p[128 + half * 32 + l] |= (uint8_t)((v >> 4) << s * 2);
        }
    }
}
