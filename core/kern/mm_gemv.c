/* Matrix products of one token by 16-bit products, straight from the tile (SIMD128).
 *
 * A vector of codes holds four rows by four columns. Widened it is two vectors of two rows,
 * multiplied with the four activations twice side by side; the two halves of a row's sum meet at
 * the end of a block.
 */
#include "kern/mm_relaxed.h"

#ifdef KERN_SIMD128

/* sums [row pair 2] of half h: one step on top of c */
V_INLINE void step(v128 c[2], v128 low, v128 high, v128 x) {
    c[0] = vi_add(c[0], vi_dot_h(low, x));
    c[1] = vi_add(c[1], vi_dot_h(high, x));
}
V_INLINE v128 meet(const v128 c[2]) {
    return vi_add(V_SHUFFLE32(c[0], c[1], 0, 2, 4, 6), V_SHUFFLE32(c[0], c[1], 1, 3, 5, 7));
}

/* Steps [from, to) of a unit on top of c[half][row pair]; x are the unit's 32 activations as int16.
 */
V_INLINE void unit_steps(v128 c[2][2], const uint8_t *unit, const uint8_t *x, int bits, bool mapped, v128 table,
                          struct mm_masks masks, int from, int to) {
    V_UNROLLED for (int s = from; s < to; s++) {
        v128 two = v_load(x + 16 * (s / 2)); /* of which the odd half is not loaded again */
        v128 a = s % 2 ? V_SHUFFLE32(two, two, 2, 3, 2, 3) : V_SHUFFLE32(two, two, 0, 1, 0, 1);
        for (int h = 0; h < 2; h++) {
            v128 code = mm_code(unit, bits, s, h, masks);
            if (mapped) {
                code = vb_lookup(table, code);
                step(c[h], vh_from_b_low(code), vh_from_b_high(code), a);
            } else {
                step(c[h], vh_from_bu_low(code), vh_from_bu_high(code), a);
            }
        }
    }
}

/* A whole unit. Its groups are a loop: unrolled, one half of the rows would be multiplied after the other, and the
 * activations of all steps would not stay in registers. */
V_INLINE void unit_all(v128 c[2][2], const uint8_t *unit, const uint8_t *x, int bits, bool mapped, v128 table,
                        struct mm_masks masks) {
    V_ROLLED for (int i = 0; i < 2; i++, unit += 16 * bits, x += 32) {
        V_POINTERS(unit, x);
        unit_steps(c, unit, x, bits, mapped, table, masks, 0, 4);
    }
}

V_INLINE void gemv32(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, int head,
                      int bits, int shift, uint32_t mapped) {
    const uint8_t *wide = a + k / 32 * MM_Q8_BYTES;
    struct mm_masks masks = mm_masks(bits);
    v128 table = mapped ? v_load(mm_layout(mapped)->map) : v_zero(), sum[2] = {v_zero(), v_zero()};
    V_ROLLED for (size_t b = 0; b < k / 32; b++, a += MM_Q8_BYTES, wide += MM_Q8_WIDE) {
        v128 c[2][2], d = v_load_splat32(a), dots;
        c[0][0] = c[0][1] = c[1][0] = c[1][1] = v_zero();
        unit_all(c, tile + head, wide, bits, mapped, table, masks);
        for (int h = 0; h < 2; h++) {
            dots = meet(c[h]);
            if (shift >= 0) dots = vi_add(dots, mm_zero_point(a + 8, shift));
            sum[h] =
                vf_add(sum[h], vf_mul(vf_from_i(dots), vf_mul(mm_head(tile, head, h, masks), d)));
            if (head == 32)
                sum[h] = vf_add(sum[h],
                                vf_mul(mm_half(tile + 16 + 8 * h, masks), v_load_splat32(a + 4)));
        }
        tile += head + 32 * bits;
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

V_INLINE void gemv256(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, int head,
                       int scales, int scale_bytes, int bits, int shift, uint32_t mapped) {
    const uint8_t *wide = a + k / 256 * MM_Q8K_BYTES, *zero = wide + k / 256 * MM_Q8K_WIDE;
    struct mm_masks masks = mm_masks(bits);
    int n = scales == MM_SIX_MIN || scales == MM_SIX ? 4 : 8, sub = n == 4 ? 8 : 4;
    bool has_min = head == 32;
    v128 table = mapped ? v_load(mm_layout(mapped)->map) : v_zero(), sum[2] = {v_zero(), v_zero()};
    V_ROLLED for (size_t b = 0; b < k / 256; b++, a += MM_Q8K_BYTES) {
        _Alignas(16) uint8_t twice[512];
        v128 scale[8], min[8], total[2][2], least[2], d = v_load_splat32(a);
        const uint8_t *unit = tile + head + scale_bytes, *times = twice;
        mm_scales(scale, min, tile + head, scales, has_min);
        for (int v = 0; v < n; v++)
            for (int e = 0; e < 2; e++)
                for (int h = 0; h < 2; h++)
                    v_store(twice + 64 * v + 32 * e + 16 * h, mm_scale_twice(scale[v], e, h));
        for (int h = 0; h < 2; h++) {
            total[h][0] = total[h][1] = least[h] = v_zero();
            for (int v = 0; v < n && has_min; v++)
                least[h] =
                    vi_add(least[h], vi_dot_h(mm_scale_pairs(min[v], h),
                                              v_load_splat32(a + (n == 4 ? MM_Q8K_SUMS32 : MM_Q8K_SUMS16) + 4 * v)));
        }
        V_ROLLED for (int u = 0; u < 8; u++, unit += 32 * bits, wide += 64) {
            V_UNROLLED for (int s = 0; s < 8; s += sub, times += 32, zero += 4) {
                v128 c[2][2];
                c[0][0] = c[0][1] = c[1][0] = c[1][1] =
                    shift < 0 ? v_zero() : vi_shl(vi_from_h_low(v_load_splat32(zero)), shift);
                if (sub == 8)
                    unit_all(c, unit, wide, bits, mapped, table, masks);
                else
                    unit_steps(c, unit, wide, bits, mapped, table, masks, s, s + sub);
                for (int h = 0; h < 2; h++)
                    for (int i = 0; i < 2; i++)
                        total[h][i] = vi_add(
                            total[h][i], vi_mul(c[h][i], vi_load16x4_s(times + 16 * h + 8 * i)));
            }
        }
        for (int h = 0; h < 2; h++) {
            v128 dots = meet(total[h]);
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(dots), vf_mul(mm_half_any(tile + 8 * h), d)));
            if (has_min)
                sum[h] = vf_sub(
                    sum[h], vf_mul(vf_from_i(least[h]), vf_mul(mm_half_any(tile + 16 + 8 * h), d)));
        }
        tile = unit;
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

/* Two codes of eight bits are one int16, v = 256 * odd + (even + 128) (mm_tile.h). With e = v & 255,
 * v * q_odd + e * (256 * q_even - q_odd) is 256 times what the two contribute, and 32768 * q_even. */
void mm_pairs_q8_0(float *acc, const void *tile_bytes, const void *group, size_t k) {
    const uint8_t *tile = tile_bytes, *a = group, *split = a + k / 32 * (MM_Q8_BYTES + MM_Q8_WIDE);
    struct mm_masks masks = mm_masks(8);
    v128 even = v_hidden(&mm_mask_even), sum[2] = {v_zero(), v_zero()};
    V_ROLLED for (size_t b = 0; b < k / 32; b++, a += MM_Q8_BYTES, split += MM_Q8_SPLIT, tile += 16 + 256) {
        v128 c[2], d = v_load_splat32(a);
        c[0] = c[1] = v_load_splat32(split);
        const uint8_t *w = tile + 16, *x = split + 4;
        V_ROLLED for (int i = 0; i < 2; i++, w += 128, x += 32) { /* more at once would not fit the registers */
            V_POINTERS(w, x);
            V_UNROLLED for (int s = 0; s < 4; s++)
                for (int h = 0; h < 2; h++) {
                    v128 v = v_load(w + 32 * s + 16 * h);
                    c[h] = vi_add(c[h], vi_add(vi_dot_h(v, v_load_splat32(x + 4 * s)),
                                               vi_dot_h(v_and(v, even), v_load_splat32(x + 16 + 4 * s))));
                }
        }
        for (int h = 0; h < 2; h++)
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(vi_shr(c[h], 8)), vf_mul(mm_half(tile + 8 * h, masks), d)));
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

/* shift: the zero point is 1 << shift, -1 for none. mapped: the type whose
 * codes are looked up, 0 for none. */
#define GEMV32(name, head, bits, shift, mapped)                                               \
    void name(float *acc, const void *tile, const void *group, size_t k) {                         \
        gemv32(acc, tile, group, k, head, bits, shift, mapped);                               \
    }
#define GEMV256(name, head, scales, bytes, bits, shift, mapped)                               \
    void name(float *acc, const void *tile, const void *group, size_t k) {                         \
        gemv256(acc, tile, group, k, head, scales, bytes, bits, shift, mapped);               \
    }
GEMV32(mm_pairs_q4_0, 16, 4, 3, 0)
GEMV32(mm_pairs_q4_1, 32, 4, -1, 0)
GEMV32(mm_pairs_q5_0, 16, 5, 4, 0)
GEMV32(mm_pairs_q5_1, 32, 5, -1, 0)
GEMV32(mm_pairs_iq4_nl, 16, 4, -1, DT_IQ4_NL)
GEMV32(mm_pairs_mxfp4, 8, 4, -1, DT_MXFP4)
GEMV256(mm_pairs_q2_k, 32, MM_BYTE16, 128, 2, -1, 0)
GEMV256(mm_pairs_q3_k, 16, MM_SIX16, 96, 3, 2, 0)
GEMV256(mm_pairs_q4_k, 32, MM_SIX_MIN, 96, 4, -1, 0)
GEMV256(mm_pairs_q5_k, 32, MM_SIX_MIN, 96, 5, -1, 0)
GEMV256(mm_pairs_q6_k, 16, MM_BYTE16, 128, 6, 5, 0)
GEMV256(mm_pairs_iq4_xs, 16, MM_SIX, 48, 4, -1, DT_IQ4_XS)
GEMV256(mm_pairs_tq2_0, 16, MM_NO_SCALES, 0, 2, 0, 0)

#endif
