/* Matrix products with 8-bit activations, SIMD128 bodies: int16 panels, 16-bit products. */
#include "kern/mm_act.h"
#include "kern/mm_f32.h"
#include "kern/mm_iq.h"
#include "kern/mm_relaxed.h"

#ifdef KERN_SIMD128

#if defined(KERN_RELAXED128) && KERN_RELAXED_NATIVE
#define MM_ONLY_SIGNED /* the other types have better ways there */
#endif

/* ---- panels ---------------------------------------------------------------------------------- */

/* 16 codes [row 4][column 4] as int16 to two pairs of columns: [pair][row 8][2], rows of one half.
 */
V_INLINE void put_codes(uint8_t *to, v128 low, v128 high) {
    v_store(to, V_SHUFFLE32(low, high, 0, 2, 4, 6));
    v_store(to + 32, V_SHUFFLE32(low, high, 1, 3, 5, 7));
}

/* A code's signed value: a zero point taken off or looked up. */
V_INLINE v128 value(v128 code, int zero, bool mapped, v128 map) {
    if (mapped) return vb_lookup(map, code);
    return zero ? vb_sub(code, vb_splat((int8_t)zero)) : code;
}

V_INLINE void unpack32(uint8_t *to, const uint8_t *tile, size_t k, int head, int bits, int zero, const int8_t *map) {
    struct mm_masks masks = mm_masks(bits);
    v128 table = map ? v_load(map) : v_zero();
    V_ROLLED for (size_t b = 0; b < k / 32; b++, to += MM_PANEL32) {
        for (int h = 0; h < 2; h++) {
            v_store(to + 16 * h, mm_head(tile, head, h, masks));
            v_store(to + 32 + 16 * h, head == 32 ? mm_half(tile + 16 + 8 * h, masks) : v_zero());
        }
        tile += head;
        V_UNROLLED for (int s = 0; s < 8; s++) {
            for (int h = 0; h < 2; h++) {
                v128 code = value(mm_code(tile, bits, s, h, masks), zero, map, table);
                put_codes(to + 64 + 64 * s + 16 * h, vh_from_b_low(code), vh_from_b_high(code));
            }
        }
        tile += 32 * bits;
    }
}

V_INLINE void unpack256(uint8_t *to, const uint8_t *tile, size_t k, int head, int scales, int bits,
                         int zero, const int8_t *map) {
    static const struct mm_layout of[] = {[MM_NO_SCALES] = {.scales = MM_NO_SCALES},
                                          [MM_SIX] = {.scales = MM_SIX},
                                          [MM_SIX_MIN] = {.scales = MM_SIX_MIN},
                                          [MM_SIX16] = {.scales = MM_SIX16},
                                          [MM_BYTE16] = {.scales = MM_BYTE16}};
    struct mm_masks masks = mm_masks(bits);
    v128 table = map ? v_load(map) : v_zero();
    bool has_min = head == 32, wide = scales == MM_SIX || scales == MM_SIX_MIN;
    V_ROLLED for (size_t b = 0; b < k / 256; b++, to += MM_PANEL256) {
        v128 scale[8], min[8], twice[16][2];
        for (int h = 0; h < 2; h++) {
            v_store(to + 16 * h, mm_half_any(tile + 8 * h));
            v_store(to + 32 + 16 * h, has_min ? mm_half_any(tile + 16 + 8 * h) : v_zero());
        }
        mm_scales(scale, min, tile + head, scales, has_min);
        tile += head + mm_scale_bytes(&of[scales]);
        for (int v = 0; v < (wide ? 4 : 8); v++)
            for (int h = 0; h < 2; h++) {
                if (has_min) v_store(to + 64 + 32 * v + 16 * h, mm_scale_pairs(min[v], h));
                twice[2 * v][h] = mm_scale_twice(scale[v], 0, h);
                twice[2 * v + 1][h] = mm_scale_twice(scale[v], 1, h);
            }
        V_ROLLED for (int u = 0; u < 8; u++) {
            V_UNROLLED for (int s = 0; s < 8; s++) {
                for (int h = 0; h < 2; h++) {
                    v128 code = value(mm_code(tile, bits, s, h, masks), zero, map, table);
                    v128 a = vh_from_b_low(code), c = vh_from_b_high(code);
                    uint8_t *at = to + 320 + 512 * u + 64 * s + 16 * h;
                    v128 times = twice[wide ? u : 2 * u + s / 4][h];
                    v_store(at, vh_mul(V_SHUFFLE32(a, c, 0, 2, 4, 6), times));
                    v_store(at + 32, vh_mul(V_SHUFFLE32(a, c, 1, 3, 5, 7), times));
                }
            }
            tile += 32 * bits;
        }
    }
}

void mm_pairs_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {
    const int8_t *map = mm_layout(dtype)->map;
    switch (dtype) {
    case DT_Q8_0:
        unpack32(panel, tile, k, 16, 8, 0, NULL);
        break;
    case DT_IQ4_NL:
        unpack32(panel, tile, k, 16, 4, 0, map);
        break;
    case DT_IQ4_XS:
        unpack256(panel, tile, k, 16, MM_SIX, 4, 0, map);
        break;
#ifndef MM_ONLY_SIGNED
    case DT_Q4_0:
        unpack32(panel, tile, k, 16, 4, 8, NULL);
        break;
    case DT_Q4_1:
        unpack32(panel, tile, k, 32, 4, 0, NULL);
        break;
    case DT_Q5_0:
        unpack32(panel, tile, k, 16, 5, 16, NULL);
        break;
    case DT_Q5_1:
        unpack32(panel, tile, k, 32, 5, 0, NULL);
        break;
    case DT_MXFP4:
        unpack32(panel, tile, k, 8, 4, 0, map);
        break;
    case DT_Q2_K:
        unpack256(panel, tile, k, 32, MM_BYTE16, 2, 0, NULL);
        break;
    case DT_Q3_K:
        unpack256(panel, tile, k, 16, MM_SIX16, 3, 4, NULL);
        break;
    case DT_Q4_K:
        unpack256(panel, tile, k, 32, MM_SIX_MIN, 4, 0, NULL);
        break;
    case DT_Q5_K:
        unpack256(panel, tile, k, 32, MM_SIX_MIN, 5, 0, NULL);
        break;
    case DT_Q6_K:
        unpack256(panel, tile, k, 16, MM_BYTE16, 6, 32, NULL);
        break;
    case DT_TQ2_0:
        unpack256(panel, tile, k, 16, MM_NO_SCALES, 2, 1, NULL);
        break;
#endif
    }
}

/* ---- products -------------------------------------------------------------------------------- */

/* n pairs of columns by 4 tokens: sums [token][half] */
V_INLINE void steps4(v128 c[8], const uint8_t *w, const uint8_t *a, int n) {
    for (int t = 0; t < 4; t++) { /* the first pair: nothing to add to */
        v128 x = v_load_splat32(a + 4 * t);
        c[2 * t] = vi_dot_h(v_load(w), x), c[2 * t + 1] = vi_dot_h(v_load(w + 16), x);
    }
    V_ROLLED for (int i = 1; i < n; i++) {
        w += 32, a += 16;
        V_POINTERS(w, a);
        v128 lo = v_load(w), hi = v_load(w + 16);
        for (int t = 0; t < 4; t++) {
            v128 x = v_load_splat32(a + 4 * t);
            c[2 * t] = vi_add(c[2 * t], vi_dot_h(lo, x));
            c[2 * t + 1] = vi_add(c[2 * t + 1], vi_dot_h(hi, x));
        }
    }
}
V_INLINE void steps1(v128 c[2], const uint8_t *w, const uint8_t *a, int n) {
    v128 d[2] = {v_zero(), v_zero()};
    c[0] = c[1] = v_zero();
    V_ROLLED for (int i = 0; i < n; i += 2, w += 64, a += 8) {
        v128 x = v_load_splat32(a), y = v_load_splat32(a + 4);
        c[0] = vi_add(c[0], vi_dot_h(v_load(w), x));
        c[1] = vi_add(c[1], vi_dot_h(v_load(w + 16), x));
        d[0] = vi_add(d[0], vi_dot_h(v_load(w + 32), y));
        d[1] = vi_add(d[1], vi_dot_h(v_load(w + 48), y));
    }
    c[0] = vi_add(c[0], d[0]);
    c[1] = vi_add(c[1], d[1]);
}

V_INLINE void dot32(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width,
                     bool min) {
    const uint8_t *wide = a + k / 32 * MM_Q8_BYTES * width;
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP];
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    V_ROLLED for (size_t b = 0; b < k / 32; b++) {
        if (width == 1)
            steps1(c, w + 64, wide, 16);
        else
            steps4(c, w + 64, wide, 16);
        v128 lo = v_load(w), hi = v_load(w + 16);
        for (int t = 0; t < width; t++) {
            v128 d = v_load_splat32(a + 4 * t);
            sum[2 * t] = vf_add(sum[2 * t], vf_mul(vf_from_i(c[2 * t]), vf_mul(lo, d)));
            sum[2 * t + 1] = vf_add(sum[2 * t + 1], vf_mul(vf_from_i(c[2 * t + 1]), vf_mul(hi, d)));
            if (min) {
                v128 s = v_load_splat32(a + 4 * (width + t));
                sum[2 * t] = vf_add(sum[2 * t], vf_mul(v_load(w + 32), s));
                sum[2 * t + 1] = vf_add(sum[2 * t + 1], vf_mul(v_load(w + 48), s));
            }
        }
        w += MM_PANEL32, a += MM_Q8_BYTES * width, wide += MM_Q8_WIDE * width;
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

V_INLINE void dot256(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width,
                      int n_min) {
    const uint8_t *wide = a + k / 256 * MM_Q8K_BYTES * width;
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP];
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    V_ROLLED for (size_t b = 0; b < k / 256; b++) {
        if (width == 1)
            steps1(c, w + 320, wide, 128);
        else
            steps4(c, w + 320, wide, 128);
        v128 lo = v_load(w), hi = v_load(w + 16);
        for (int t = 0; t < width; t++) {
            v128 d = v_load_splat32(a + 4 * t);
            sum[2 * t] = vf_add(sum[2 * t], vf_mul(vf_from_i(c[2 * t]), vf_mul(lo, d)));
            sum[2 * t + 1] = vf_add(sum[2 * t + 1], vf_mul(vf_from_i(c[2 * t + 1]), vf_mul(hi, d)));
        }
        if (n_min) {
            const uint8_t *sums = a + (n_min == 8 ? MM_Q8K_SUMS32 : MM_Q8K_SUMS16) * width;
            if (width == 1)
                steps1(c, w + 64, sums, n_min / 2);
            else
                steps4(c, w + 64, sums, n_min / 2);
            lo = v_load(w + 32), hi = v_load(w + 48);
            for (int t = 0; t < width; t++) {
                v128 d = v_load_splat32(a + 4 * t);
                sum[2 * t] = vf_sub(sum[2 * t], vf_mul(vf_from_i(c[2 * t]), vf_mul(lo, d)));
                sum[2 * t + 1] =
                    vf_sub(sum[2 * t + 1], vf_mul(vf_from_i(c[2 * t + 1]), vf_mul(hi, d)));
            }
        }
        w += MM_PANEL256, a += MM_Q8K_BYTES * width, wide += MM_Q8K_WIDE * width;
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

#define DOTS(kind, name, body, last)                                                               \
    kind void name##_1(float *acc, const void *panel, const void *group, size_t k) {               \
        body(acc, panel, group, k, 1, last);                                                       \
    }                                                                                              \
    kind void name##_4(float *acc, const void *panel, const void *group, size_t k) {               \
        body(acc, panel, group, k, MM_GROUP, last);                                                \
    }
DOTS(, mm_pairs32, dot32, false)
DOTS(, mm_pairs256, dot256, 0)

#ifndef MM_ONLY_SIGNED
DOTS(static, min32, dot32, true)
DOTS(static, min256_8, dot256, 8)
DOTS(static, min256_16, dot256, 16)

const struct kern_mm_table kern_mm_simd = {
    .act = {[ACT_F32] = mm_act_f32, [ACT_Q8] = mm_act_q8_pairs, [ACT_Q8K] = mm_act_q8k_pairs},
    MM_F32_ENTRIES,
    .fast =
        {
            [DT_Q4_0] = {mm_pairs_unpack, mm_pairs32_1, mm_pairs32_4, mm_pairs_q4_0},
            [DT_Q4_1] = {mm_pairs_unpack, min32_1, min32_4, mm_pairs_q4_1},
            [DT_Q5_0] = {mm_pairs_unpack, mm_pairs32_1, mm_pairs32_4, mm_pairs_q5_0},
            [DT_Q5_1] = {mm_pairs_unpack, min32_1, min32_4, mm_pairs_q5_1},
            [DT_Q8_0] = {mm_pairs_unpack, mm_pairs32_1, mm_pairs32_4, mm_pairs_q8_0},
            [DT_IQ4_NL] = {mm_pairs_unpack, mm_pairs32_1, mm_pairs32_4, mm_pairs_iq4_nl},
            [DT_MXFP4] = {mm_pairs_unpack, mm_pairs32_1, mm_pairs32_4, mm_pairs_mxfp4},
            [DT_Q2_K] = {mm_pairs_unpack, min256_16_1, min256_16_4, mm_pairs_q2_k},
            [DT_Q3_K] = {mm_pairs_unpack, mm_pairs256_1, mm_pairs256_4, mm_pairs_q3_k},
            [DT_Q4_K] = {mm_pairs_unpack, min256_8_1, min256_8_4, mm_pairs_q4_k},
            [DT_Q5_K] = {mm_pairs_unpack, min256_8_1, min256_8_4, mm_pairs_q5_k},
            [DT_Q6_K] = {mm_pairs_unpack, mm_pairs256_1, mm_pairs256_4, mm_pairs_q6_k},
            [DT_IQ4_XS] = {mm_pairs_unpack, mm_pairs256_1, mm_pairs256_4, mm_pairs_iq4_xs},
            [DT_TQ2_0] = {mm_pairs_unpack, mm_pairs256_1, mm_pairs256_4, mm_pairs_tq2_0},
            MM_IQ_VECTOR,
        },
    .book = {MM_IQ_BOOKS()},
};

#endif
#endif
