/* Matrix products: activations for the vector levels. */
#include "kern/mm_act.h"

#include "kern/mm_unit.h"

#ifdef KERN_SIMD128

static void store_f32(uint8_t *p, float v) {
    memcpy(p, &v, 4);
}
static void store_i32(uint8_t *p, int32_t v) {
    memcpy(p, &v, 4);
}

static float lanes_max(v128 a) {
    a = vf_pmax(a, V_SHUFFLE32(a, a, 2, 3, 0, 1));
    a = vf_pmax(a, V_SHUFFLE32(a, a, 1, 0, 3, 2));
    return vf_lane(a, 0);
}
static int32_t lanes_sum(v128 a) {
    a = vi_add(a, V_SHUFFLE32(a, a, 2, 3, 0, 1));
    a = vi_add(a, V_SHUFFLE32(a, a, 1, 0, 3, 2));
    return vi_lane(a, 0);
}

/* Of sums of two columns each: minus that of columns 4 * i and 4 * i + 1 and that of the others, as two int16. */
static uint32_t zero_point(v128 pairs) {
    pairs = vh_add(pairs, V_SHUFFLE32(pairs, pairs, 2, 3, 0, 1));
    pairs = vh_add(pairs, V_SHUFFLE32(pairs, pairs, 1, 0, 3, 2));
    return (uint32_t)vi_lane(vh_sub(v_zero(), pairs), 0);
}
static int32_t sum_of(uint32_t zero_point) {
    return -(int16_t)(zero_point & 0xffff) - (int16_t)(zero_point >> 16);
}

/* n / 16 vectors of q; the scale */
static float quantize(v128 *q, const float *x, size_t n) {
    v128 amax = v_zero(), amax2 = v_zero();
    for (size_t i = 0; i < n; i += 8) {
        amax = vf_pmax(amax, vf_abs(v_load(x + i)));
        amax2 = vf_pmax(amax2, vf_abs(v_load(x + i + 4)));
    }
    float most = lanes_max(vf_pmax(amax, amax2));
    if (!(most > MM_TINY)) {
        for (size_t i = 0; i < n / 16; i++) q[i] = v_zero();
        return 0;
    }
    v128 scale = vf_splat(127.0f / most);
    for (size_t i = 0; i < n / 16; i++, x += 16) {
        v128 low =
            vh_narrow(vi_round(vf_mul(v_load(x), scale)), vi_round(vf_mul(v_load(x + 4), scale)));
        v128 high = vh_narrow(vi_round(vf_mul(v_load(x + 8), scale)),
                              vi_round(vf_mul(v_load(x + 12), scale)));
        q[i] = vb_max(vb_narrow(low, high), vb_splat(-127));
    }
    return most / 127.0f;
}

/* 16 values: four steps of token t, and the level's part; width is 1 or MM_GROUP. */
static inline void put_step(uint8_t *to, v128 q, size_t t, size_t width) {
    if (width == 1) {
        v_store(to, q);
        return;
    }
    for (int s = 0; s < 4; s++) {
        int32_t w = s == 0   ? vi_lane(q, 0)
                    : s == 1 ? vi_lane(q, 1)
                    : s == 2 ? vi_lane(q, 2)
                             : vi_lane(q, 3);
        store_i32(to + ((size_t)s * MM_GROUP + t) * 4, w);
    }
}
static inline void put_pairs(uint8_t *to, v128 q, size_t t, size_t width) {
    v128 low = vh_from_b_low(q), high = vh_from_b_high(q);
    put_step(to, low, t, width);
    put_step(to + 16 * width, high, t, width);
}
static inline void put_signs(uint8_t *to, size_t gap, v128 q, size_t t, size_t width) {
    put_step(to, vb_max(q, v_zero()), t, width);
    put_step(to + gap, vb_max(vb_sub(v_zero(), q), v_zero()), t, width);
}

/* Of a block of one token, for codes of which two are read at once; see mm_act.h. */
static inline void put_split(uint8_t *to, const v128 q[2]) {
    v128 sum = v_zero();
    for (size_t i = 0; i < 2; i++) {
        v128 odd = vh_shr(q[i], 8), even = vh_shl(q[i], 8);
        v_store(to + 4 + 32 * i, odd);
        v_store(to + 20 + 32 * i, vh_sub(even, odd));
        sum = vi_add(sum, vi_pair_sum(even));
    }
    store_i32(to, -128 * lanes_sum(sum));
}

V_INLINE void act_q8(uint8_t *to, const float *x, size_t stride, size_t k, size_t width,
                      size_t live, bool signs) {
    uint8_t *wide = to + k / 32 * MM_Q8_BYTES * width, *split = wide + k / 32 * MM_Q8_WIDE * width;
    for (size_t b = 0; b < k / 32; b++, to += MM_Q8_BYTES * width, wide += MM_Q8_WIDE * width)
        for (size_t t = 0; t < width; t++) {
            v128 q[2] = {v_zero(), v_zero()};
            float d = t < live ? quantize(q, x + t * stride + 32 * b, 32) : 0;
            uint32_t zero = zero_point(vh_add(vh_pair_sum(q[0]), vh_pair_sum(q[1])));
            store_f32(to + 4 * t, d);
            store_f32(to + 4 * (width + t), d * (float)sum_of(zero));
            store_i32(to + 4 * (2 * width + t), (int32_t)zero);
            for (size_t i = 0; i < 2; i++) {
                put_step(to + 12 * width + 16 * width * i, q[i], t, width);
                if (signs)
                    put_signs(wide + 16 * width * i, 32 * width, q[i], t, width);
                else
                    put_pairs(wide + 32 * width * i, q[i], t, width);
            }
            if (!signs && width == 1) put_split(split + b * MM_Q8_SPLIT, q);
        }
}

V_INLINE void act_q8k(uint8_t *to, const float *x, size_t stride, size_t k, size_t width,
                       size_t live) {
    uint8_t *wide = to + k / 256 * MM_Q8K_BYTES * width, *zero_points = wide + k / 256 * MM_Q8K_WIDE * width;
    for (size_t b = 0; b < k / 256; b++, to += MM_Q8K_BYTES * width, wide += MM_Q8K_WIDE * width)
        for (size_t t = 0; t < width; t++) {
            v128 q[16];
            int32_t sums[16];
            uint8_t *p = to + MM_Q8K_SUMS16 * width, *zeros = zero_points + b * MM_Q8K_ZERO * width;
            float d = 0;
            if (t < live)
                d = quantize(q, x + t * stride + 256 * b, 256);
            else
                memset(q, 0, sizeof q);
            store_f32(to + 4 * t, d);
            for (size_t j = 0; j < 16; j++) {
                uint32_t zero = zero_point(vh_pair_sum(q[j]));
                store_i32(zeros + (j * width + t) * 4, (int32_t)zero);
                sums[j] = sum_of(zero);
            }
            for (size_t j = 0; j < 8; j++)
                store_i32(p + (j * width + t) * 4, (int32_t)((uint32_t)(sums[2 * j] & 0xffff) |
                                                             (uint32_t)sums[2 * j + 1] << 16));
            p += 32 * width;
            for (size_t j = 0; j < 4; j++)
                store_i32(p + (j * width + t) * 4,
                          (int32_t)((uint32_t)((sums[4 * j] + sums[4 * j + 1]) & 0xffff) |
                                    (uint32_t)(sums[4 * j + 2] + sums[4 * j + 3]) << 16));
            p = to + MM_Q8K_STEPS * width;
            for (size_t i = 0; i < 16; i++) {
                put_step(p + 16 * width * i, q[i], t, width);
                put_pairs(wide + 32 * width * i, q[i], t, width);
            }
        }
}

void mm_act_q8k_pairs(void *group, const float *x, size_t stride, size_t k, size_t width,
                      size_t live) {
    if (width == 1)
        act_q8k(group, x, stride, k, 1, live);
    else
        act_q8k(group, x, stride, k, MM_GROUP, live);
}

#define BY_WIDTH(name, body, signs)                                                                \
    void name(void *group, const float *x, size_t stride, size_t k, size_t width, size_t live) {   \
        if (width == 1)                                                                            \
            body(group, x, stride, k, 1, live, signs);                                             \
        else                                                                                       \
            body(group, x, stride, k, MM_GROUP, live, signs);                                      \
    }
BY_WIDTH(mm_act_q8_pairs, act_q8, false)
BY_WIDTH(mm_act_q8_signs, act_q8, true)

void mm_act_f32(void *group, const float *x, size_t stride, size_t k, size_t width, size_t live) {
    size_t q = mm_quarter(k);
    float *to = group;
    if (width == 1) {
        if (live) memcpy(to, x, k * sizeof *x);
        for (size_t i = k; i < 4 * q; i++) to[i] = 0;
        return;
    }
    for (size_t i = 0; i < q; i++)
        for (size_t p = 0; p < 4; p++)
            for (size_t t = 0; t < MM_GROUP; t++) {
                size_t c = 4 * i + p;
                to[(p * q + i) * MM_GROUP + t] = t < live && c < k ? x[t * stride + c] : 0;
            }
}

#endif
