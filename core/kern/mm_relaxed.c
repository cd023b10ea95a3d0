/* Matrix products with 8-bit activations, relaxed SIMD: codes stay bytes and are the 7-bit operand.
 *
 * Panel of Q8 types: for each block d[8], m[8] floats and codes [step 8][row 8][4]. Panel of Q8K
 * types: for each superblock d[8], dmin[8] floats, minimums as [pair 8][row 8][2] int16, scales
 * [sub-block 16][row 8][2] int16, both the same, and codes [step 64][row 8][4].
 *
 * `wide` means the 32-bit dot. Superblocks always take the 16-bit one: its sums are multiplied with
 * the scales of sub-blocks by the instruction that would have widened them, which a 32-bit dot
 * cannot match.
 */
#include "kern/mm_relaxed.h"

#include "kern/mm_act.h"
#include "kern/mm_f32.h"
#include "kern/mm_iq.h"

#ifdef KERN_RELAXED128

enum { PANEL32 = 64 + 256, PANEL256 = 64 + 256 + 512 + 2048, SCALES = 320, CODES = 832 };

bool mm_relaxed_works(void) {
    static const volatile uint32_t words[2] = {
        0x7f8181ffu, 0x7f7f007fu}; /* a: -1 -127 -127 127; b: 127 0 127 127 */
    v128 a = v_hidden(&words[0]), b = v_hidden(&words[1]), pairs = vh_dot_b(a, b);
    v128 sum = vi_dot_b(vi_splat(5), a, b);
    return vh_lane(pairs, 0) == -127 && vh_lane(pairs, 5) == 0 && vi_lane(sum, 3) == 5 - 127;
}

/* ---- panels ---------------------------------------------------------------------------------- */

V_INLINE void put_scales(uint8_t *to, const v128 *scale, int n) {
    for (int v = 0; v < n; v++)
        for (int e = 0; e < 2; e++)
            for (int h = 0; h < 2; h++)
                v_store(to + 64 * v + 32 * e + 16 * h, mm_scale_twice(scale[v], e, h));
}
V_INLINE void put_pairs(uint8_t *to, const v128 *min, int n) {
    for (int v = 0; v < n; v++)
        for (int h = 0; h < 2; h++) v_store(to + 32 * v + 16 * h, mm_scale_pairs(min[v], h));
}

V_INLINE void unpack32(uint8_t *to, const uint8_t *tile, size_t k, int head, int bits, bool mapped) {
    struct mm_masks masks = mm_masks(bits);
    v128 table = mapped ? vb_add(v_load(mm_layout(DT_MXFP4)->map), vb_splat(16)) : v_zero();
    V_ROLLED for (size_t b = 0; b < k / 32; b++, to += PANEL32) {
        for (int h = 0; h < 2; h++) {
            v_store(to + 16 * h, mm_head(tile, head, h, masks));
            if (head == 32) v_store(to + 32 + 16 * h, mm_half(tile + 16 + 8 * h, masks));
        }
        tile += head;
        V_UNROLLED for (int s = 0; s < 8; s++) {
            for (int h = 0; h < 2; h++) {
                v128 code = mm_code(tile, bits, s, h, masks);
                v_store(to + 64 + 32 * s + 16 * h, mapped ? vb_lookup(table, code) : code);
            }
        }
        tile += 32 * bits;
    }
}

V_INLINE void unpack256(uint8_t *to, const uint8_t *tile, size_t k, int head, int scales,
                         int scale_bytes, int bits) {
    struct mm_masks masks = mm_masks(bits);
    bool has_min = head == 32;
    int n = scales == MM_SIX_MIN ? 4 : 8;
    V_ROLLED for (size_t b = 0; b < k / 256; b++, to += PANEL256) {
        v128 scale[8], min[8];
        for (int h = 0; h < 2; h++) {
            v_store(to + 16 * h, mm_half_any(tile + 8 * h));
            if (has_min) v_store(to + 32 + 16 * h, mm_half_any(tile + 16 + 8 * h));
        }
        mm_scales(scale, min, tile + head, scales, has_min);
        if (has_min) put_pairs(to + 64, min, n);
        put_scales(to + SCALES, scale, n);
        tile += head + scale_bytes;
        V_ROLLED for (int u = 0; u < 8; u++, tile += 32 * bits) {
            V_UNROLLED for (int s = 0; s < 8; s++) {
                for (int h = 0; h < 2; h++)
                    v_store(to + CODES + 256 * u + 32 * s + 16 * h,
                            mm_code(tile, bits, s, h, masks));
            }
        }
    }
}

/* ---- products of a panel --------------------------------------------------------------------- */

/* c[token][half]: pair sums in int16 of n steps, on top of the codes' zero points (of 1 << shift each) if they have
 * them. mm_fits says how many steps fit. */
V_INLINE void steps16(v128 *c, const uint8_t *w, const uint8_t *a, const uint8_t *zero, int n, int width, int shift) {
    int i = 0;
    if (shift >= 0) {
        for (int t = 0; t < width; t++) c[2 * t] = c[2 * t + 1] = vh_shl(v_load_splat32(zero + 4 * t), shift);
    } else {
        v128 lo = v_load(w), hi = v_load(w + 16);
        for (int t = 0; t < width; t++) {
            v128 x = v_load_splat32(a + 4 * t);
            c[2 * t] = vh_dot_b(x, lo), c[2 * t + 1] = vh_dot_b(x, hi);
        }
        i++, w += 32, a += 4 * width;
    }
    V_ROLLED for (; i < n; i++, w += 32, a += 4 * width) {
        V_POINTERS(w, a);
        v128 lo = v_load(w), hi = v_load(w + 16);
        for (int t = 0; t < width; t++) {
            v128 x = v_load_splat32(a + 4 * t);
            c[2 * t] = vh_add(c[2 * t], vh_dot_b(x, lo));
            c[2 * t + 1] = vh_add(c[2 * t + 1], vh_dot_b(x, hi));
        }
    }
}
/* n steps on top of c */
V_INLINE void steps32(v128 *c, const uint8_t *w, const uint8_t *a, int n, int width) {
    V_ROLLED for (int i = 0; i < n; i++, w += 32, a += 4 * width) {
        V_POINTERS(w, a);
        v128 lo = v_load(w), hi = v_load(w + 16);
        for (int t = 0; t < width; t++) {
            v128 x = v_load_splat32(a + 4 * t);
            c[2 * t] = vi_dot_b(c[2 * t], x, lo);
            c[2 * t + 1] = vi_dot_b(c[2 * t + 1], x, hi);
        }
    }
}
/* the same with signed weights: first the negative activations, then the positive ones */
V_INLINE void steps_signed(v128 *c, const uint8_t *w, const uint8_t *a, size_t gap, int n,
                            int width) {
    for (int i = 0; i < 2 * width; i++) c[i] = v_zero();
    for (int sign = 1; sign >= 0; sign--) {
        const uint8_t *p = w, *q = a + (size_t)sign * gap;
        V_ROLLED for (int i = 0; i < n; i++, p += 32, q += 4 * width) {
            V_POINTERS(p, q);
            v128 lo = v_load(p), hi = v_load(p + 16);
            for (int t = 0; t < width; t++) {
                v128 x = v_load_splat32(q + 4 * t);
                c[2 * t] = vi_dot_b(c[2 * t], lo, x);
                c[2 * t + 1] = vi_dot_b(c[2 * t + 1], hi, x);
            }
        }
        if (sign)
            for (int i = 0; i < 2 * width; i++) c[i] = vi_sub(v_zero(), c[i]);
    }
}

/* sum += (float)c * (d_w * d) for one block, and m_w * (d * sum(q)) */
V_INLINE void scale32(v128 *sum, const v128 *c, const uint8_t *w, const uint8_t *a, int width,
                       bool min) {
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
}

/* shift: the zero point is 1 << shift, -1 for none */
V_INLINE void dot32(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width, int bits,
                     int shift, bool min, bool wide) {
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP], part[2 * MM_GROUP],
        ones = v_hidden(&mm_ones); /* the sum of a pair is a dot with them, whose constant is not loaded each time */
    int steps = mm_fits(bits, shift, 8);
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    V_ROLLED for (size_t b = 0; b < k / 32; b++, w += PANEL32, a += MM_Q8_BYTES * width) {
        const uint8_t *zero = a + 8 * width, *q = a + 12 * width;
        if (wide) {
            for (int t = 0; t < width; t++)
                c[2 * t] = c[2 * t + 1] = shift >= 0 ? mm_zero_point(zero + 4 * t, shift) : v_zero();
            steps32(c, w + 64, q, 8, width);
        } else {
            for (int i = 0; i < 8; i += steps) {
                steps16(part, w + 64 + 32 * i, q + 4 * width * i, zero, steps, width, shift);
                for (int j = 0; j < 2 * width; j++) {
                    v128 dots = vi_dot_h(part[j], ones);
                    c[j] = i ? vi_add(c[j], dots) : dots;
                }
            }
        }
        scale32(sum, c, w, a, width, min);
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

V_INLINE void dot32_signed(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width) {
    const uint8_t *signs = a + k / 32 * MM_Q8_BYTES * (size_t)width;
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP];
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    V_ROLLED for (size_t b = 0; b < k / 32;
                   b++, w += PANEL32, a += MM_Q8_BYTES * width, signs += 64 * width) {
        steps_signed(c, w + 64, signs, 32 * (size_t)width, 8, width);
        scale32(sum, c, w, a, width, false);
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

/* minimums times sums, n pairs: c[token][half] */
V_INLINE void min_steps(v128 *c, const uint8_t *min, const uint8_t *sums, int n, int width) {
    for (int i = 0; i < 2 * width; i++) c[i] = v_zero();
    V_ROLLED for (int i = 0; i < n; i++, min += 32, sums += 4 * width) {
        v128 lo = v_load(min), hi = v_load(min + 16);
        for (int t = 0; t < width; t++) {
            v128 x = v_load_splat32(sums + 4 * t);
            c[2 * t] = vi_add(c[2 * t], vi_dot_h(lo, x));
            c[2 * t + 1] = vi_add(c[2 * t + 1], vi_dot_h(hi, x));
        }
    }
}

/* The end of a superblock: c are the dots, least the minimums'. */
V_INLINE void scale256(v128 *sum, const v128 *c, const v128 *least, const uint8_t *w,
                        const uint8_t *a, int width, bool min) {
    v128 lo = v_load(w), hi = v_load(w + 16);
    for (int t = 0; t < width; t++) {
        v128 d = v_load_splat32(a + 4 * t);
        sum[2 * t] = vf_add(sum[2 * t], vf_mul(vf_from_i(c[2 * t]), vf_mul(lo, d)));
        sum[2 * t + 1] = vf_add(sum[2 * t + 1], vf_mul(vf_from_i(c[2 * t + 1]), vf_mul(hi, d)));
        if (min) {
            v128 dl = vf_mul(v_load(w + 32), d), dh = vf_mul(v_load(w + 48), d);
            sum[2 * t] = vf_sub(sum[2 * t], vf_mul(vf_from_i(least[2 * t]), dl));
            sum[2 * t + 1] = vf_sub(sum[2 * t + 1], vf_mul(vf_from_i(least[2 * t + 1]), dh));
        }
    }
}

/* sub: steps of a sub-block, 4 or 8; shift: the zero point is 1 << shift, -1 for minimums */
V_INLINE void dot256(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width, int bits,
                      int sub, int shift) {
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP], part[2 * MM_GROUP];
    const uint8_t *zero = a + k / 256 * (MM_Q8K_BYTES + MM_Q8K_WIDE) * (size_t)width;
    int steps = mm_fits(bits, shift, sub);
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    V_ROLLED for (size_t b = 0; b < k / 256; b++, w += PANEL256, a += MM_Q8K_BYTES * width) {
        const uint8_t *p = w + CODES, *q = a + MM_Q8K_STEPS * width,
                      *scale = w + SCALES;
        for (int i = 0; i < 2 * width; i++) c[i] = v_zero();
        V_ROLLED for (int i = 0; i < 64; i += sub, scale += 32, zero += 4 * width) {
            v128 lo = v_load(scale), hi = v_load(scale + 16);
            for (int j = 0; j < sub; j += steps, p += 32 * steps, q += 4 * width * steps) {
                steps16(part, p, q, zero, steps, width, shift);
                for (int t = 0; t < width; t++) {
                    c[2 * t] = vi_add(c[2 * t], vi_dot_h(part[2 * t], lo));
                    c[2 * t + 1] = vi_add(c[2 * t + 1], vi_dot_h(part[2 * t + 1], hi));
                }
            }
        }
        if (shift < 0)
            min_steps(part, w + 64, a + (sub == 8 ? MM_Q8K_SUMS32 : MM_Q8K_SUMS16) * width, sub == 8 ? 4 : 8, width);
        scale256(sum, c, part, w, a, width, shift < 0);
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

/* ---- entries --------------------------------------------------------------------------------- */

/* mapped: the codes of MXFP4 go through a table that makes them 4 .. 28, five bits with a zero point of 16 */
#define KERNELS32(name, head, bits, shift, mapped, wide)                                           \
    static void name##_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {           \
        (void)dtype;                                                                               \
        unpack32(panel, tile, k, head, bits, mapped);                                              \
    }                                                                                              \
    static void name##_1(float *acc, const void *panel, const void *group, size_t k) {             \
        dot32(acc, panel, group, k, 1, mapped ? 5 : bits, shift, head == 32, wide);                \
    }                                                                                              \
    static void name##_4(float *acc, const void *panel, const void *group, size_t k) {             \
        dot32(acc, panel, group, k, MM_GROUP, mapped ? 5 : bits, shift, head == 32, wide);         \
    }
#define KERNELS256(name, head, scales, bytes, bits, shift)                                         \
    static void name##_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {           \
        (void)dtype;                                                                               \
        unpack256(panel, tile, k, head, scales, bytes, bits);                                      \
    }                                                                                              \
    static void name##_1(float *acc, const void *panel, const void *group, size_t k) {             \
        dot256(acc, panel, group, k, 1, bits, scales == MM_SIX_MIN ? 8 : 4, shift);                \
    }                                                                                              \
    static void name##_4(float *acc, const void *panel, const void *group, size_t k) {             \
        dot256(acc, panel, group, k, MM_GROUP, bits, scales == MM_SIX_MIN ? 8 : 4, shift);         \
    }
MM_RELAXED32(KERNELS32)
MM_RELAXED256(KERNELS256)

static void q8_0_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {
    struct mm_masks masks = mm_masks(8);
    uint8_t *to = panel;
    const uint8_t *from = tile;
    (void)dtype;
    for (size_t b = 0; b < k / 32; b++, to += PANEL32, from += 272) {
        v_store(to, mm_half(from, masks));
        v_store(to + 16, mm_half(from + 8, masks));
        for (size_t i = 0; i < 16; i++)
            v_store(to + 64 + 16 * i, mm_code(from + 16, 8, (int)i / 2, (int)i % 2, masks));
    }
}
static void iq4_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {
    struct mm_masks masks = mm_masks(4);
    v128 table = v_load(mm_layout(dtype)->map);
    uint8_t *to = panel;
    const uint8_t *from = tile;
    for (size_t b = 0; b < k / 32; b++, to += PANEL32, from += 144) {
        v_store(to, mm_half(from, masks));
        v_store(to + 16, mm_half(from + 8, masks));
        V_UNROLLED for (int s = 0; s < 8; s++) {
            for (int h = 0; h < 2; h++)
                v_store(to + 64 + 32 * s + 16 * h,
                        vb_lookup(table, mm_code(from + 16, 4, s, h, masks)));
        }
    }
}
static void signed32_1(float *acc, const void *panel, const void *group, size_t k) {
    dot32_signed(acc, panel, group, k, 1);
}
static void signed32_4(float *acc, const void *panel, const void *group, size_t k) {
    dot32_signed(acc, panel, group, k, 4);
}
#define ENTRY(name) {name##_unpack, name##_1, name##_4, mm_bytes_##name}
#define ENTRIES(suffix)                                                                            \
    [DT_Q4_0] = ENTRY(q4_0##suffix), [DT_Q4_1] = ENTRY(q4_1##suffix),                              \
    [DT_Q5_0] = ENTRY(q5_0##suffix), [DT_Q5_1] = ENTRY(q5_1##suffix),                              \
    [DT_MXFP4] = ENTRY(mxfp4##suffix)
#define ENTRIES_K                                                                                  \
    [DT_Q2_K] = ENTRY(q2_k), [DT_Q3_K] = ENTRY(q3_k), [DT_Q4_K] = ENTRY(q4_k),                     \
    [DT_Q5_K] = ENTRY(q5_k), [DT_Q6_K] = ENTRY(q6_k), [DT_TQ2_0] = ENTRY(tq2_0),                   \
    [DT_IQ4_XS] = {mm_pairs_unpack, mm_pairs256_1, mm_pairs256_4, mm_pairs_iq4_xs},                \
    MM_IQ_VECTOR

const struct kern_mm_table kern_mm_relaxed[2] = {
    {
        .act = {[ACT_F32] = mm_act_f32, [ACT_Q8] = mm_act_q8_pairs, [ACT_Q8K] = mm_act_q8k_pairs},
        MM_F32_ENTRIES,
        .fast = {ENTRIES(), ENTRIES_K,
                 [DT_Q8_0] = {mm_pairs_unpack, mm_pairs32_1, mm_pairs32_4, mm_pairs_q8_0},
                 [DT_IQ4_NL] = {mm_pairs_unpack, mm_pairs32_1, mm_pairs32_4, mm_pairs_iq4_nl}},
        .book = {MM_IQ_BOOKS(_relaxed)},
    },
    {
        .act = {[ACT_F32] = mm_act_f32, [ACT_Q8] = mm_act_q8_signs, [ACT_Q8K] = mm_act_q8k_pairs},
        MM_F32_ENTRIES,
        .fast = {ENTRIES(_wide), ENTRIES_K,
                 [DT_Q8_0] = {q8_0_unpack, signed32_1, signed32_4, mm_signs_q8_0},
                 [DT_IQ4_NL] = {iq4_unpack, signed32_1, signed32_4, mm_signs_iq4_nl}},
        .book = {MM_IQ_BOOKS(_relaxed)},
    },
};

#endif
