/* Vector words that take tiles apart (mm_tile.h): codes of a unit, scales, half-floats.
 *
 * Inlined with constant arguments, so that each type gets straight code.
 */
#ifndef SOTTO_KERN_MM_UNIT_H
#define SOTTO_KERN_MM_UNIT_H

#include "kern/mm_tile.h"
#include "kern/simd.h"

/* Word i of four, in all lanes. Of four words that lie together it is cheaper than as many loads: V8 computes the
 * address of each load that also splats. */
V_INLINE v128 mm_splat(v128 words, int i) {
    return i == 0   ? V_SHUFFLE32(words, words, 0, 0, 0, 0)
           : i == 1 ? V_SHUFFLE32(words, words, 1, 1, 1, 1)
           : i == 2 ? V_SHUFFLE32(words, words, 2, 2, 2, 2)
                    : V_SHUFFLE32(words, words, 3, 3, 3, 3);
}

/* Masks as words in memory: see v_hidden. Of 3, 5 and 6 bits also what the pieces of a code that lies in several
 * vectors want. */
static const volatile uint32_t mm_mask_low[9] = {[2] = 0x03030303, [3] = 0x07070707, [4] = 0x0f0f0f0f,
                                                 [5] = 0x1f1f1f1f, [6] = 0x3f3f3f3f, [8] = MM_EVEN_SIGNS},
                               mm_mask_top[9] = {[3] = 0x03030303, [5] = 0x18181818},
                               mm_mask_rest[9] = {[3] = 0x04040404, [5] = 0x20202020},
                               mm_mask_half = 0x8fffe000, mm_mask_scale = 0x77800000, /* 2^112 */
                               mm_ones = 0x00010001, mm_mask_even = 0x00ff00ff;

struct mm_masks {
    v128 low, top, rest, half, scale;
};

V_INLINE struct mm_masks mm_masks(int bits) {
    struct mm_masks m;
    m.low = v_hidden(&mm_mask_low[bits]);
    m.top = v_hidden(&mm_mask_top[bits]);
    m.rest = v_hidden(&mm_mask_rest[bits]);
    m.half = v_hidden(&mm_mask_half);
    m.scale = v_hidden(&mm_mask_scale);
    return m;
}

/* -sum(q) of a block times 2^shift as int32, from where a group keeps it in two parts (kern_mm.h) */
V_INLINE v128 mm_zero_point(const uint8_t *sums, int shift) {
    return vi_shl(vi_pair_sum(v_load_splat32(sums)), shift);
}

/* The codes of step s, half h (mm_tile.h). Pieces that are shifted without a mask have nothing below them. */
V_INLINE v128 mm_code(const uint8_t *unit, int bits, int s, int h, struct mm_masks m) {
    const uint8_t *v = unit + 16 * bits * (s / 4);
    int e = 2 * (s % 4) + h;
    switch (bits) {
    case 2:
        return v_and(vh_shr_u(v_load(v + 16 * h), 2 * (s % 4)), m.low);
    case 4:
        v += 16 * h;
        return v_and(vh_shr_u(v_load(v + 32 * (e / 4)), e & 2 ? 4 : 0), m.low);
    case 8:
        return v_xor(v_load(v + 16 * e), m.low);
    case 3:
        if (e < 6) return v_and(vh_shr_u(v_load(v + 16 * (e / 2)), 3 * (e % 2)), m.low);
        return v_or(v_and(vh_shr_u(v_load(v + 32 * (e % 2)), 6), m.top),
                    v_and(vh_shr_u(v_load(v + 16), 11 - e), m.rest));
    case 5:
        if (e < 5) return v_and(v_load(v + 16 * e), m.low);
        if (e < 7) {
            v += e == 6 ? 32 : 0;
            return v_or(vh_shr_u(v_andnot(v_load(v), m.low), 5), v_and(vh_shr_u(v_load(v + 16), 3), m.top));
        }
        v128 above = v_or(vh_shr_u(v_and(v_load(v + 16), m.rest), 1), v_and(v_load(v + 48), m.rest));
        return v_or(vh_shr_u(v_andnot(v_load(v + 64), m.low), 5), vh_shr_u(above, 1));
    default:
        if (e < 6) return v_and(v_load(v + 16 * e), m.low);
        v128 piece[3];
        for (int i = 0; i < 3; i++) piece[i] = vh_shr_u(v_andnot(v_load(v + 32 * i + 16 * h), m.low), 6 - 2 * i);
        return v_or(v_or(piece[0], piece[1]), piece[2]);
    }
}

/* Four half-floats to floats, infinities to 65536 and up (a model has none). Slow where they are
 * subnormal. */
V_INLINE v128 mm_half(const uint8_t *p, struct mm_masks m) {
    return vf_mul(v_and(vi_shl(vi_load16x4_s(p), 13), m.half), m.scale);
}
/* The same without touching subnormal floats: super-scales often are subnormal halves. Read as if they were normal these
 * are 2^-15 + x / 2 where x is meant, which is as much too much as they are below 2^-14. */
V_INLINE v128 mm_half_any(const uint8_t *p) {
    v128 h = vi_shl(vi_load16x4_s(p), 13);
    v128 x = vi_add(v_and(h, vi_splat(0x0fffe000)), vi_splat(0x38000000));
    v128 value = vf_add(x, vf_pmin(vf_sub(x, vf_splat(0x1p-14f)), v_zero()));
    return v_or(value, v_and(h, vi_splat((int32_t)0x80000000)));
}
/* Scales of MXFP4: 2^(e - 128). */
V_INLINE v128 mm_exponent(const uint8_t *p) {
    v128 e = vi_from_hu_low(vh_from_bu_low(v_load32(p)));
    v128 tiny = v_select(vi_eq(e, v_zero()), vi_splat(0x00200000), vi_splat(0x00400000));
    return v_select(vi_gt(vi_splat(2), e), tiny, vi_shl(vi_sub(e, vi_splat(1)), 23));
}
/* Scales of rows 4 * h .. 4 * h + 3 from a head. */
V_INLINE v128 mm_head(const uint8_t *head, int bytes, int h, struct mm_masks m) {
    return bytes == 8 ? mm_exponent(head + 4 * h) : mm_half(head + 8 * h, m);
}

/* 64 values of mm_six: s[v] has sub-blocks 2 * v and 2 * v + 1. */
V_INLINE void mm_six(v128 s[4], const uint8_t *p) {
    v128 low = vb_splat(0x3f);
    s[3] = v_zero();
    for (int i = 0; i < 3; i++) {
        v128 a = v_load(p + 16 * i);
        s[i] = v_and(a, low);
        s[3] = v_or(s[3], vh_shr_u(v_andnot(a, low), 6 - 2 * i));
    }
}

/* Scales as int8, [sub-block][row] two sub-blocks a vector: four vectors, or eight where sub-blocks
 * have 16 columns; min likewise where the type has minimums, else min is scale (zero points are
 * folded with it). */
V_INLINE void mm_scales(v128 *scale, v128 *min, const uint8_t *p, int kind, bool has_min) {
    v128 m4 = vb_splat(0x0f);
    switch (kind) {
    case MM_SIX:
    case MM_SIX_MIN:
        mm_six(scale, p);
        if (kind == MM_SIX_MIN) mm_six(min, p + MM_SIX_BYTES);
        break;
    case MM_SIX16:
        mm_six(scale, p);
        mm_six(scale + 4, p + MM_SIX_BYTES);
        break;
    case MM_BYTE16:
        for (int v = 0; v < 8; v++) {
            v128 s = v_load(p + 16 * v);
            scale[v] = has_min ? v_and(s, m4) : s;
            if (has_min) min[v] = v_and(vh_shr_u(s, 4), m4);
        }
        break;
    default:
        for (int v = 0; v < 8; v++) scale[v] = vb_splat(1);
    }
    if (kind == MM_SIX || kind == MM_SIX16)
        for (int v = 0; v < (kind == MM_SIX ? 4 : 8); v++)
            scale[v] = vb_sub(scale[v], vb_splat(32));
    if (!has_min)
        for (int v = 0; v < (kind == MM_SIX ? 4 : 8); v++) min[v] = scale[v];
}

/* int8 [sub-block 2][row 8] to int16 [row 8][sub-block 2], rows of half h */
V_INLINE v128 mm_scale_pairs(v128 s, int h) {
    v128 pairs = V_SHUFFLE8(s, s, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    return h ? vh_from_b_high(pairs) : vh_from_b_low(pairs);
}
/* sub-block e of the two, each row's scale twice as int16, rows of half h */
V_INLINE v128 mm_scale_twice(v128 s, int e, int h) {
    v128 twice = e ? V_SHUFFLE8(s, s, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15)
                   : V_SHUFFLE8(s, s, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return h ? vh_from_b_high(twice) : vh_from_b_low(twice);
}

/* the same once, as int32 */
V_INLINE v128 mm_scale_words(v128 s, int e, int h) {
    v128 half = e ? vh_from_b_high(s) : vh_from_b_low(s);
    return h ? vi_from_h_high(half) : vi_from_h_low(half);
}

/* Transposes 4 by 4 words. */
V_INLINE void mm_transpose(v128 a[4]) {
    v128 x = V_SHUFFLE32(a[0], a[1], 0, 4, 1, 5), y = V_SHUFFLE32(a[2], a[3], 0, 4, 1, 5);
    v128 z = V_SHUFFLE32(a[0], a[1], 2, 6, 3, 7), w = V_SHUFFLE32(a[2], a[3], 2, 6, 3, 7);
    a[0] = V_SHUFFLE32(x, y, 0, 1, 4, 5);
    a[1] = V_SHUFFLE32(x, y, 2, 3, 6, 7);
    a[2] = V_SHUFFLE32(z, w, 0, 1, 4, 5);
    a[3] = V_SHUFFLE32(z, w, 2, 3, 6, 7);
}

#endif
