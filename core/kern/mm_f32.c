/* Matrix products with f32 activations, vector bodies. */
#include "kern/mm_f32.h"

#include "kern/mm_unit.h"

#ifdef KERN_SIMD128

/* 4 tokens by 8 rows; one phase at a time keeps the eight sums in registers. */
void mm_f32_dot4(float *acc, const void *panel, const void *group, size_t k) {
    size_t q = mm_quarter(k);
    const float *w = panel, *x = group;
    v128 first[8], second[8], s[8];
    for (int i = 0; i < 8; i++) first[i] = second[i] = v_zero();
    V_ROLLED for (int p = 0; p < 4; p++) {
        for (int i = 0; i < 8; i++) s[i] = v_zero();
        V_ROLLED for (size_t i = 0; i < q; i++, w += 8, x += 4) {
            v128 lo = v_load(w), hi = v_load(w + 4);
            for (int t = 0; t < 4; t++) {
                v128 a = v_load_splat32(x + t);
                s[2 * t] = vf_add(s[2 * t], vf_mul(lo, a));
                s[2 * t + 1] = vf_add(s[2 * t + 1], vf_mul(hi, a));
            }
        }
        /* (s0 + s1) + (s2 + s3): a sum is never -0, so adding to zero changes nothing */
        if (p < 2)
            for (int i = 0; i < 8; i++) first[i] = vf_add(first[i], s[i]);
        else
            for (int i = 0; i < 8; i++) second[i] = vf_add(second[i], s[i]);
    }
    for (int i = 0; i < 8; i++) v_store(acc + 4 * i, vf_add(first[i], second[i]));
}

void mm_f32_dot1(float *acc, const void *panel, const void *group, size_t k) {
    size_t q = mm_quarter(k);
    const float *w = panel, *x = group;
    v128 s[8];
    for (int i = 0; i < 8; i++) s[i] = v_zero();
    V_ROLLED for (size_t i = 0; i < q; i++, x += 4) {
        for (int p = 0; p < 4; p++) {
            const float *row = w + ((size_t)p * q + i) * 8;
            v128 a = v_load_splat32(x + p);
            s[2 * p] = vf_add(s[2 * p], vf_mul(v_load(row), a));
            s[2 * p + 1] = vf_add(s[2 * p + 1], vf_mul(v_load(row + 4), a));
        }
    }
    v_store(acc, vf_add(vf_add(s[0], s[2]), vf_add(s[4], s[6])));
    v_store(acc + 4, vf_add(vf_add(s[1], s[3]), vf_add(s[5], s[7])));
}

enum { FROM_F32, FROM_F16, FROM_BF16 };

/* Rows 4 * h .. of a column of a tile. Half-floats as mm_half gives them: infinities, which no
 * model has, are 65536 and up. */
V_INLINE v128 column(const uint8_t *tile, int from, int h, struct mm_masks masks) {
    if (from == FROM_F32) return v_load(tile + 16 * h);
    if (from == FROM_BF16) return vi_shl(vi_load16x4_u(tile + 8 * h), 16);
    return mm_half(tile + 8 * h, masks);
}

V_INLINE void gemv(float *acc, const uint8_t *tile, const float *x, size_t k, int from) {
    size_t step = from == FROM_F32 ? 32 : 16;
    struct mm_masks w = mm_masks(8);
    v128 s[8];
    for (int i = 0; i < 8; i++) s[i] = v_zero();
    V_ROLLED for (size_t i = 0; i + 4 <= k; i += 4, x += 4, tile += 4 * step) {
        for (int p = 0; p < 4; p++) {
            v128 a = v_load_splat32(x + p);
            s[2 * p] = vf_add(s[2 * p], vf_mul(column(tile + p * step, from, 0, w), a));
            s[2 * p + 1] = vf_add(s[2 * p + 1], vf_mul(column(tile + p * step, from, 1, w), a));
        }
    }
    for (int p = 0; p < 3; p++) /* what is left of k */
        if ((size_t)p < k % 4) {
            v128 a = v_load_splat32(x + p);
            s[2 * p] = vf_add(s[2 * p], vf_mul(column(tile + p * step, from, 0, w), a));
            s[2 * p + 1] = vf_add(s[2 * p + 1], vf_mul(column(tile + p * step, from, 1, w), a));
        }
    v_store(acc, vf_add(vf_add(s[0], s[2]), vf_add(s[4], s[6])));
    v_store(acc + 4, vf_add(vf_add(s[1], s[3]), vf_add(s[5], s[7])));
}

V_INLINE void unpack(float *panel, const uint8_t *tile, size_t k, int from) {
    size_t q = mm_quarter(k), step = from == FROM_F32 ? 32 : 16;
    struct mm_masks w = mm_masks(8);
    for (size_t i = 0; i < 4 * q; i++) {
        float *to = panel + ((i % 4) * q + i / 4) * TILE_ROWS;
        v_store(to, i < k ? column(tile + i * step, from, 0, w) : v_zero());
        v_store(to + 4, i < k ? column(tile + i * step, from, 1, w) : v_zero());
    }
}

void mm_f32_gemv(float *acc, const void *tile, const void *group, size_t k) {
    gemv(acc, tile, group, k, FROM_F32);
}
void mm_f16_gemv(float *acc, const void *tile, const void *group, size_t k) {
    gemv(acc, tile, group, k, FROM_F16);
}
void mm_bf16_gemv(float *acc, const void *tile, const void *group, size_t k) {
    gemv(acc, tile, group, k, FROM_BF16);
}
void mm_f32_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {
    if (dtype == DT_F32)
        unpack(panel, tile, k, FROM_F32);
    else if (dtype == DT_F16)
        unpack(panel, tile, k, FROM_F16);
    else
        unpack(panel, tile, k, FROM_BF16);
}

#endif
