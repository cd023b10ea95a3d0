/* Matrix products, scalar reference: the specification of every other level. */
#include "kern/mm_iq.h"
#include "kern/mm_tile.h"

#include "base/bytes.h"

/* The reference is kept small: it is in every build, and its speed is no goal. */
#define SMALL __attribute__((noinline))

static void act_f32(void *group, const float *x, size_t stride, size_t k, size_t width,
                    size_t live) {
    size_t q = mm_quarter(k);
    float *to = group;
    memset(to, 0, 4 * q * width * sizeof(float));
    for (size_t t = 0; t < live; t++)
        for (size_t i = 0; i < k; i++)
            to[width == 1 ? i : ((i % 4) * q + i / 4) * MM_GROUP + t] = x[t * stride + i];
}

SMALL static void f32_dot(float *acc, const float *panel, const float *x, size_t k, size_t width) {
    size_t q = mm_quarter(k);
    for (size_t t = 0; t < width; t++)
        for (size_t r = 0; r < TILE_ROWS; r++) {
            float s[4] = {0, 0, 0, 0};
            for (size_t p = 0; p < 4; p++)
                for (size_t i = 0; i < q; i++) {
                    float a = width == 1 ? x[4 * i + p] : x[(p * q + i) * MM_GROUP + t];
                    s[p] += panel[(p * q + i) * TILE_ROWS + r] * a;
                }
            acc[t * TILE_ROWS + r] = (s[0] + s[1]) + (s[2] + s[3]);
        }
}

static void f32_dot1(float *acc, const void *panel, const void *group, size_t k) {
    f32_dot(acc, panel, group, k, 1);
}
static void f32_dot4(float *acc, const void *panel, const void *group, size_t k) {
    f32_dot(acc, panel, group, k, MM_GROUP);
}

/* ---- 8-bit activations ----------------------------------------------------------------------- */

static void store_f32(void *p, float v) {
    memcpy(p, &v, 4);
}
static void store_i16(void *p, int16_t v) {
    memcpy(p, &v, 2);
}
static int load_i16(const void *p) {
    return (int16_t)load_u16(p);
}

/* q[n] within -127 .. 127 and the scale. */
SMALL static float quantize(int8_t *q, const float *x, size_t n) {
    float amax = 0;
    for (size_t i = 0; i < n; i++) {
        float a = bits_float(float_bits(x[i]) & 0x7fffffff);
        amax = amax < a ? a : amax;
    }
    bool live = amax > MM_TINY;
    float d = live ? amax / 127.0f : 0, scale = live ? 127.0f / amax : 0;
    for (size_t i = 0; i < n; i++) {
        float y =
            x[i] * scale + 12582912.0f; /* 1.5 * 2^23: the low bits are the nearest even integer */
        int32_t n = (int32_t)(float_bits(y) - 0x4b400000u);
        q[i] = (int8_t)(!live ? 0 : n < -127 ? -127 : n > 127 ? 127 : n);
    }
    return d;
}

static void act_q8(void *group, const float *x, size_t stride, size_t k, size_t width,
                   size_t live) {
    char *to = group;
    for (size_t b = 0; b < k / 32; b++, to += MM_Q8_BYTES * width)
        for (size_t t = 0; t < width; t++) {
            int8_t q[32] = {0};
            int sums[2] = {0, 0};
            float d = t < live ? quantize(q, x + t * stride + 32 * b, 32) : 0;
            for (size_t i = 0; i < 32; i++) sums[i / 2 % 2] += q[i];
            store_f32(to + 4 * t, d);
            store_f32(to + 4 * (width + t), d * (float)(sums[0] + sums[1]));
            for (size_t i = 0; i < 2; i++) store_i16(to + 4 * (2 * width + t) + 2 * i, (int16_t)-sums[i]);
            for (size_t s = 0; s < 8; s++)
                memcpy(to + 12 * width + (s * width + t) * 4, q + 4 * s, 4);
        }
}

static void act_q8k(void *group, const float *x, size_t stride, size_t k, size_t width,
                    size_t live) {
    char *to = group;
    for (size_t b = 0; b < k / 256; b++, to += MM_Q8K_BYTES * width)
        for (size_t t = 0; t < width; t++) {
            int8_t q[256] = {0};
            int sums[16];
            float d = t < live ? quantize(q, x + t * stride + 256 * b, 256) : 0;
            for (size_t j = 0; j < 16; j++) {
                sums[j] = 0;
                for (size_t i = 0; i < 16; i++) sums[j] += q[16 * j + i];
            }
            store_f32(to + 4 * t, d);
            char *p = to + 4 * width;
            for (size_t j = 0; j < 16; j++)
                store_i16(p + (j / 2 * width + t) * 4 + j % 2 * 2, (int16_t)sums[j]);
            p += 32 * width;
            for (size_t j = 0; j < 8; j++)
                store_i16(p + (j / 2 * width + t) * 4 + j % 2 * 2,
                          (int16_t)(sums[2 * j] + sums[2 * j + 1]));
            p += 16 * width;
            for (size_t s = 0; s < 64; s++) memcpy(p + (s * width + t) * 4, q + 4 * s, 4);
        }
}

/* The float a type's stored scale stands for. */
static float scale_of(uint32_t dtype, uint16_t d) {
    if (dtype != DT_MXFP4) return mm_scale_half(d);
    return bits_float(d < 2 ? 0x00200000u << d
                            : (uint32_t)(d - 1) << 23); /* 2^(d - 128), codes are doubled */
}

SMALL static int code_of(const struct mm_layout *l, const struct mm_block *b, size_t i) {
    uint8_t code = (uint8_t)(b->code[i / 4] >> 8 * (i % 4));
    return l->bits == 8 ? (int8_t)code : l->map ? l->map[code] : code - l->zero;
}

SMALL static int scale_at(const struct mm_layout *l, const struct mm_block *b, size_t sub) {
    switch (l->scales) {
    case MM_SIX:
        return b->scale[sub / 2] - 32;
    case MM_SIX_MIN:
        return b->scale[sub / 2];
    case MM_SIX16:
        return b->scale[sub] - 32;
    case MM_BYTE16:
        return l->min ? b->scale[sub] & 15 : (int8_t)b->scale[sub];
    default:
        return 1;
    }
}

static void unpack32(uint32_t dtype, void *panel, const void *tile, size_t k) {
    const struct mm_layout *l = mm_layout(dtype);
    size_t bytes = TILE_ROWS * dtype_bytes(dtype, 32);
    char *to = panel;
    for (size_t i = 0; i < k / 32; i++, to += MM_PANEL32)
        for (size_t r = 0; r < TILE_ROWS; r++) {
            struct mm_block b;
            mm_get_block(dtype, &b, (const char *)tile + i * bytes, r);
            store_f32(to + 4 * r, scale_of(dtype, b.d));
            store_f32(to + 32 + 4 * r, mm_scale_half(b.m));
            for (size_t j = 0; j < 32; j++)
                store_i16(to + 64 + ((j / 2 * TILE_ROWS + r) * 2 + j % 2) * 2,
                          (int16_t)code_of(l, &b, j));
        }
}

static void unpack256(uint32_t dtype, void *panel, const void *tile, size_t k) {
    const struct mm_layout *l = mm_layout(dtype);
    size_t bytes = TILE_ROWS * dtype_bytes(dtype, 256);
    char *to = panel;
    for (size_t i = 0; i < k / 256; i++, to += MM_PANEL256)
        for (size_t r = 0; r < TILE_ROWS; r++) {
            struct mm_block b;
            mm_get_block(dtype, &b, (const char *)tile + i * bytes, r);
            store_f32(to + 4 * r, mm_scale_half(b.d));
            store_f32(to + 32 + 4 * r, mm_scale_half(b.m));
            for (size_t j = 0; j < 16; j++) {
                int min = l->scales == MM_BYTE16 ? b.scale[j] >> 4 : j < 8 && l->min ? b.min[j] : 0;
                store_i16(to + 64 + ((j / 2 * TILE_ROWS + r) * 2 + j % 2) * 2, (int16_t)min);
            }
            for (size_t j = 0; j < 256; j++)
                store_i16(to + 320 + ((j / 2 * TILE_ROWS + r) * 2 + j % 2) * 2,
                          (int16_t)(code_of(l, &b, j) * scale_at(l, &b, j / 16)));
        }
}

/* The integers of these types come from their codec, asked for a block whose d is 1. */
static void unpack_iq(uint32_t dtype, void *panel, const void *tile, size_t k) {
    const struct dtype_info *info = dtype_info(dtype);
    const struct mm_iq *iq = mm_iq(dtype);
    char *to = panel;
    for (size_t i = 0; i < k / 256; i++, to += MM_PANEL256)
        for (size_t r = 0; r < TILE_ROWS; r++) {
            uint8_t block[128];
            float values[256];
            memcpy(block, (const char *)tile + r * dtype_bytes(dtype, k) + i * info->bytes,
                   info->bytes);
            store_f32(to + 4 * r, mm_scale_half(mm_iq_d(dtype, block)) * iq->unit);
            for (int j = 0; j < 4 && dtype == DT_IQ1_M; j++)
                store_i16(block + 48 + 2 * j, (int16_t)((load_u16(block + 48 + 2 * j) & 0x0fff) |
                                                        (0x3c00 >> 4 * j & 15) << 12));
            if (dtype != DT_IQ1_M) store_i16(block + iq->d_at, 0x3c00);
            info->decode(values, block, 256);
            for (size_t j = 0; j < 256; j++)
                store_i16(to + 320 + ((j / 2 * TILE_ROWS + r) * 2 + j % 2) * 2,
                          (int16_t)(values[j] / iq->unit));
        }
}

/* sum of codes * q over n columns, both as they lie in panel and group */
SMALL static int32_t dot_codes(const char *codes, const char *q, size_t n, size_t width, size_t r,
                               size_t t) {
    int32_t sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += load_i16(codes + ((j / 2 * TILE_ROWS + r) * 2 + j % 2) * 2) *
               (int8_t)q[(j / 4 * width + t) * 4 + j % 4];
    return sum;
}

SMALL static void dot32(float *acc, const char *panel, const char *group, size_t k, size_t width,
                        bool min) {
    for (size_t t = 0; t < width; t++)
        for (size_t r = 0; r < TILE_ROWS; r++) {
            const char *w = panel, *a = group;
            float sum = 0;
            for (size_t b = 0; b < k / 32; b++, w += MM_PANEL32, a += MM_Q8_BYTES * width) {
                int32_t dot = dot_codes(w + 64, a + 12 * width, 32, width, r, t);
                sum += (float)dot * (load_f32(w + 4 * r) * load_f32(a + 4 * t));
                if (min) sum += load_f32(w + 32 + 4 * r) * load_f32(a + 4 * (width + t));
            }
            acc[t * TILE_ROWS + r] = sum;
        }
}

/* n_min: minimums in a superblock, 0, 8 or 16 */
SMALL static void dot256(float *acc, const char *panel, const char *group, size_t k, size_t width,
                         size_t n_min) {
    for (size_t t = 0; t < width; t++)
        for (size_t r = 0; r < TILE_ROWS; r++) {
            const char *w = panel, *a = group;
            float sum = 0;
            for (size_t b = 0; b < k / 256; b++, w += MM_PANEL256, a += MM_Q8K_BYTES * width) {
                const char *sums = a + (n_min == 8 ? MM_Q8K_SUMS32 : MM_Q8K_SUMS16) * width;
                int32_t dot = dot_codes(w + 320, a + MM_Q8K_STEPS * width, 256, width, r, t), least = 0;
                float d = load_f32(a + 4 * t);
                sum += (float)dot * (load_f32(w + 4 * r) * d);
                for (size_t j = 0; j < n_min; j++)
                    least += load_i16(w + 64 + ((j / 2 * TILE_ROWS + r) * 2 + j % 2) * 2) *
                             load_i16(sums + (j / 2 * width + t) * 4 + j % 2 * 2);
                if (n_min) sum -= (float)least * (load_f32(w + 32 + 4 * r) * d);
            }
            acc[t * TILE_ROWS + r] = sum;
        }
}

#define DOTS(name, body, last)                                                                     \
    static void name##_1(float *acc, const void *panel, const void *group, size_t k) {             \
        body(acc, panel, group, k, 1, last);                                                       \
    }                                                                                              \
    static void name##_4(float *acc, const void *panel, const void *group, size_t k) {             \
        body(acc, panel, group, k, MM_GROUP, last);                                                \
    }
DOTS(plain32, dot32, false)
DOTS(min32, dot32, true)
DOTS(plain256, dot256, 0)
DOTS(min256_8, dot256, 8)
DOTS(min256_16, dot256, 16)

const struct kern_mm_table kern_mm_scalar = {
    .act = {[ACT_F32] = act_f32, [ACT_Q8] = act_q8, [ACT_Q8K] = act_q8k},
    .f32_dot1 = f32_dot1,
    .f32_dot4 = f32_dot4,
    .fast =
        {
            [DT_Q4_0] = {unpack32, plain32_1, plain32_4, NULL},
            [DT_Q4_1] = {unpack32, min32_1, min32_4, NULL},
            [DT_Q5_0] = {unpack32, plain32_1, plain32_4, NULL},
            [DT_Q5_1] = {unpack32, min32_1, min32_4, NULL},
            [DT_Q8_0] = {unpack32, plain32_1, plain32_4, NULL},
            [DT_IQ4_NL] = {unpack32, plain32_1, plain32_4, NULL},
            [DT_MXFP4] = {unpack32, plain32_1, plain32_4, NULL},
            [DT_Q2_K] = {unpack256, min256_16_1, min256_16_4, NULL},
            [DT_Q3_K] = {unpack256, plain256_1, plain256_4, NULL},
            [DT_Q4_K] = {unpack256, min256_8_1, min256_8_4, NULL},
            [DT_Q5_K] = {unpack256, min256_8_1, min256_8_4, NULL},
            [DT_Q6_K] = {unpack256, plain256_1, plain256_4, NULL},
            [DT_IQ4_XS] = {unpack256, plain256_1, plain256_4, NULL},
            [DT_TQ2_0] = {unpack256, plain256_1, plain256_4, NULL},
            MM_IQ_ENTRIES(unpack_iq, plain256_1, plain256_4, NULL),
        },
};
