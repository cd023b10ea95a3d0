/* Matrix products of one token by the relaxed dots, straight from the tile. */
#include "kern/mm_relaxed.h"

#ifdef KERN_RELAXED128

/* n steps on top of part[half], pair sums in int16; with `first` they are not on top of anything. */
V_INLINE void steps16(v128 part[2], const uint8_t *unit, const uint8_t *q, int bits, struct mm_masks masks, bool mapped,
                       v128 table, int n, bool first) {
    v128 words = v_zero();
    V_UNROLLED for (int i = 0; i < n; i++) {
        if (i % 4 == 0) words = v_load(q + i / 4 * 16);
        v128 x = mm_splat(words, i % 4);
        for (int h = 0; h < 2; h++) {
            v128 code = mm_code(unit, bits, i, h, masks);
            v128 dots = vh_dot_b(x, mapped ? vb_lookup(table, code) : code);
            part[h] = first && i == 0 ? dots : vh_add(part[h], dots);
        }
    }
}

/* A block's sums as int32, by 16-bit dots. The groups of steps are a loop: with all steps unrolled one half of the rows
 * is multiplied after the other, and the activations do not stay in registers in between. */
V_INLINE void block16(v128 c[2], const uint8_t *unit, const uint8_t *a, int bits, int shift, struct mm_masks masks,
                       bool mapped, v128 table) {
    const uint8_t *q = a + 12;
    bool at_once = mm_fits(bits, shift, 8) == 8;
    v128 part[2];
    c[0] = c[1] = v_zero();
    part[0] = part[1] = shift >= 0 ? vh_shl(v_load_splat32(a + 8), shift) : v_zero();
    V_ROLLED for (int i = 0; i < 2; i++, unit += 16 * bits, q += 16) {
        V_POINTERS(unit, q);
        steps16(part, unit, q, bits, masks, mapped, table, 4, !at_once);
        for (int h = 0; h < 2 && !at_once; h++) c[h] = vi_add(c[h], vi_pair_sum(part[h]));
    }
    for (int h = 0; h < 2 && at_once; h++) c[h] = vi_pair_sum(part[h]);
}

/* The same by 32-bit dots, in two chains that are each half as long. */
V_INLINE void block32(v128 c[2], const uint8_t *unit, const uint8_t *a, int bits, int shift, struct mm_masks masks,
                       bool mapped, v128 table) {
    v128 words[2] = {v_load(a + 12), v_load(a + 28)}, other[2] = {v_zero(), v_zero()};
    c[0] = c[1] = shift >= 0 ? mm_zero_point(a + 8, shift) : v_zero();
    V_UNROLLED for (int i = 0; i < 8; i++) {
        v128 x = mm_splat(words[i / 4], i % 4), *to = i % 2 ? other : c;
        for (int h = 0; h < 2; h++) {
            v128 code = mm_code(unit, bits, i, h, masks);
            to[h] = vi_dot_b(to[h], x, mapped ? vb_lookup(table, code) : code);
        }
    }
    for (int h = 0; h < 2; h++) c[h] = vi_add(c[h], other[h]);
}

V_INLINE void gemv32(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, int head, int bits, int shift,
                      bool mapped, bool wide) {
    struct mm_masks masks = mm_masks(bits);
    v128 table = mapped ? vb_add(v_load(mm_layout(DT_MXFP4)->map), vb_splat(16)) : v_zero(),
         sum[2] = {v_zero(), v_zero()};
    V_ROLLED for (size_t b = 0; b < k / 32; b++, a += MM_Q8_BYTES, tile += head + 32 * bits) {
        v128 c[2], d = v_load_splat32(a), s;
        if (wide)
            block32(c, tile + head, a, bits, shift, masks, mapped, table);
        else
            block16(c, tile + head, a, bits, shift, masks, mapped, table);
        if (head == 32) s = v_load_splat32(a + 4);
        for (int h = 0; h < 2; h++) {
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(c[h]), vf_mul(mm_head(tile, head, h, masks), d)));
            if (head == 32) sum[h] = vf_add(sum[h], vf_mul(mm_half(tile + 16 + 8 * h, masks), s));
        }
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

V_INLINE void gemv256(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, int head, int scales,
                       int scale_bytes, int bits, int shift) {
    struct mm_masks masks = mm_masks(bits);
    int n = scales == MM_SIX_MIN ? 4 : 8, sub = n == 4 ? 8 : 4, fits = mm_fits(bits, shift, sub);
    bool has_min = head == 32, as_stored = scales == MM_BYTE16 && !has_min;
    static const uint8_t pairs_of_rows[16] = {0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15};
    const uint8_t *at = pairs_of_rows;
    __asm__("" : "+r"(at)); /* so that it is kept, not built anew at every use */
    const uint8_t *zero = a + k / 256 * (MM_Q8K_BYTES + MM_Q8K_WIDE);
    v128 sum[2] = {v_zero(), v_zero()}, order = has_min ? v_load(at) : v_zero();
    V_ROLLED for (size_t b = 0; b < k / 256; b++, a += MM_Q8K_BYTES) {
        _Alignas(16) uint8_t bytes[128]; /* scales: [sub-block][row] int8 */
        v128 scale[8], min[8], c[2], least[2], part[2], d = v_load_splat32(a);
        const uint8_t *unit = tile + head + scale_bytes, *q = a + MM_Q8K_STEPS,
                      *times = as_stored ? tile + head : bytes;
        if (!as_stored) {
            mm_scales(scale, min, tile + head, scales, has_min);
            for (int v = 0; v < n; v++) v_store(bytes + 16 * v, scale[v]);
        }
        c[0] = c[1] = least[0] = least[1] = v_zero();
        for (int v = 0; v < n && has_min; v++) {
            v128 pairs = vb_lookup(min[v], order), x = v_load_splat32(a + (n == 4 ? MM_Q8K_SUMS32 : MM_Q8K_SUMS16) + 4 * v);
            least[0] = vi_add(least[0], vi_dot_h(vh_from_b_low(pairs), x));
            least[1] = vi_add(least[1], vi_dot_h(vh_from_b_high(pairs), x));
        }
        V_ROLLED for (int i = 0; i < 64; i += sub, times += 8, zero += 4) {
            V_POINTERS(times, zero);
            v128 rows = vh_load8x8_s(times), twice[2];
            twice[0] = V_SHUFFLE16(rows, rows, 0, 0, 1, 1, 2, 2, 3, 3);
            twice[1] = V_SHUFFLE16(rows, rows, 4, 4, 5, 5, 6, 6, 7, 7);
            if (shift >= 0) part[0] = part[1] = vh_shl(v_load_splat32(zero), shift);
            V_ROLLED for (int j = 0; j < sub; j += fits, unit += 4 * bits * fits, q += 4 * fits) {
                V_POINTERS(unit, q);
                steps16(part, unit, q, bits, masks, false, v_zero(), fits, shift < 0);
                for (int h = 0; h < 2; h++) c[h] = vi_add(c[h], vi_dot_h(part[h], twice[h]));
            }
        }
        for (int h = 0; h < 2; h++) {
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(c[h]), vf_mul(mm_half_any(tile + 8 * h), d)));
            if (has_min)
                sum[h] = vf_sub(sum[h], vf_mul(vf_from_i(least[h]), vf_mul(mm_half_any(tile + 16 + 8 * h), d)));
        }
        tile = unit;
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

/* Signed codes of 8 bits by 32-bit dots, with the activations' signs apart. */
V_INLINE void gemv_signs(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, const int8_t *map) {
    const uint8_t *signs = a + k / 32 * MM_Q8_BYTES;
    int bits = map ? 4 : 8;
    struct mm_masks masks = mm_masks(bits);
    v128 table = map ? v_load(map) : v_zero(), sum[2] = {v_zero(), v_zero()};
    V_ROLLED for (size_t b = 0; b < k / 32; b++, a += MM_Q8_BYTES, signs += MM_Q8_WIDE) {
        v128 c[2][2], d = v_load_splat32(a);
        c[0][0] = c[0][1] = c[1][0] = c[1][1] = v_zero();
        V_UNROLLED for (int i = 0; i < 8; i++) {
            for (int h = 0; h < 2; h++) {
                v128 code = mm_code(tile + 16, bits, i, h, masks);
                if (map) code = vb_lookup(table, code);
                c[0][h] = vi_dot_b(c[0][h], code, v_load_splat32(signs + 4 * i));
                c[1][h] = vi_dot_b(c[1][h], code, v_load_splat32(signs + 32 + 4 * i));
            }
        }
        for (int h = 0; h < 2; h++)
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(vi_sub(c[0][h], c[1][h])), vf_mul(mm_half(tile + 8 * h, masks), d)));
        tile += 16 + 32 * bits;
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

#define GEMV32(name, head, bits, shift, mapped, wide)                                    \
    void mm_bytes_##name(float *acc, const void *tile, const void *group, size_t k) {    \
        gemv32(acc, tile, group, k, head, bits, shift, mapped, wide);                    \
    }
#define GEMV256(name, head, scales, bytes, bits, shift)                                  \
    void mm_bytes_##name(float *acc, const void *tile, const void *group, size_t k) {    \
        gemv256(acc, tile, group, k, head, scales, bytes, bits, shift);                  \
    }
MM_RELAXED32(GEMV32)
MM_RELAXED256(GEMV256)

void mm_signs_q8_0(float *acc, const void *tile, const void *group, size_t k) {
    gemv_signs(acc, tile, group, k, NULL);
}
void mm_signs_iq4_nl(float *acc, const void *tile, const void *group, size_t k) {
    gemv_signs(acc, tile, group, k, mm_layout(DT_IQ4_NL)->map);
}

#endif
