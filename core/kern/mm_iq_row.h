/* One block of a row of a codebook or ternary format as 256 small integers and a scale for every 16 of them.
 *
 * For the vector bodies of mm_iq.c and mm_iq_gemv.c.
 */
#ifndef SOTTO_KERN_MM_IQ_ROW_H
#define SOTTO_KERN_MM_IQ_ROW_H

#include "base/bytes.h"
#include "data/quant_iq_tab.h"
#include "kern/mm_unit.h"

#ifdef KERN_SIMD128

struct iq_row {
    v128 code[16];
    int16_t scale[16];
};

/* Fields of 2 bits of two codes (8 each), of 3 bits of four codes (4 each), as 16 bytes. */
MM_INLINE v128 iq_fields2(uint32_t a, uint32_t b, v128 at) {
    return vb_narrow(vh_shr_u(vh_mul(vh_splat((int16_t)a), at), 14),
                     vh_shr_u(vh_mul(vh_splat((int16_t)b), at), 14));
}
MM_INLINE v128 iq_fields3(uint32_t a, uint32_t b, uint32_t c, uint32_t d, v128 at) {
    v128 x = vi_splat((int32_t)(a | b << 16)), y = vi_splat((int32_t)(c | d << 16));
    x = V_SHUFFLE16(x, x, 0, 0, 0, 0, 1, 1, 1, 1);
    y = V_SHUFFLE16(y, y, 0, 0, 0, 0, 1, 1, 1, 1);
    return vb_narrow(vh_shr_u(vh_mul(x, at), 13), vh_shr_u(vh_mul(y, at), 13));
}
/* Byte i is -1 where bit i of signs is set. */
MM_INLINE v128 iq_mask(uint32_t signs, v128 bit) {
    v128 s = vi_splat((int32_t)signs);
    s = V_SHUFFLE8(s, s, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    return vb_eq(v_and(s, bit), bit);
}
MM_INLINE v128 iq_negate(v128 values, uint32_t signs, v128 bit) {
    v128 s = iq_mask(signs, bit);
    return vb_sub(v_xor(values, s), s);
}

static const int16_t iq_at2[8] = {1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1};
static const int16_t iq_at3[8] = {1 << 13, 1 << 10, 1 << 7, 1 << 4, 1 << 13, 1 << 10, 1 << 7, 1 << 4};
static const uint8_t iq_bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
static const int8_t iq1_values[16] = {-8, 0, 8, 16}, iq2_values[16] = {8, 25, 43};
static const int8_t iq3xxs_values[16] = {4, 12, 20, 28, 36, 44, 52, 62},
                    iq3s_values[16] = {1, 3, 5, 7, 9, 11, 13, 15};

MM_INLINE void iq2_row(struct iq_row *row, const uint8_t *p, uint32_t dtype) {
    v128 at = v_load(iq_at2), bit = v_load(iq_bits), table = v_load(iq2_values);
    for (int j = 0; j < 16; j++) { /* 16 columns: two codes */
        uint32_t a, b, signs, scale;
        if (dtype == DT_IQ2_XXS) {
            const uint8_t *group = p + 2 + 8 * (j / 2), *code = group + j % 2 * 2;
            uint32_t word = load_u32(group + 4), both = word >> 14 * (j % 2);
            a = quant_iq2xxs_grid[code[0]], b = quant_iq2xxs_grid[code[1]];
            signs = quant_iq_signs(both & 127) | (uint32_t)quant_iq_signs(both >> 7 & 127) << 8;
            scale = word >> 28;
        } else if (dtype == DT_IQ2_XS) {
            uint32_t x = load_u16(p + 2 + 4 * j), y = load_u16(p + 4 + 4 * j);
            a = quant_iq2xs_grid[x & 511], b = quant_iq2xs_grid[y & 511];
            signs = quant_iq_signs(x >> 9) | (uint32_t)quant_iq_signs(y >> 9) << 8;
            scale = p[66 + j / 2] >> j % 2 * 4 & 15;
        } else {
            uint32_t high = (uint32_t)p[66 + j / 2] >> j % 2 * 4;
            a = quant_iq2s_grid[p[2 + 2 * j] | (high & 3) << 8];
            b = quant_iq2s_grid[p[3 + 2 * j] | (high >> 2 & 3) << 8];
            signs = load_u16(p + 34 + 2 * j);
            scale = p[74 + j / 2] >> j % 2 * 4 & 15;
        }
        row->code[j] = iq_negate(vb_lookup(table, iq_fields2(a, b, at)), signs, bit);
        row->scale[j] = (int16_t)(2 * scale + 1);
    }
}

MM_INLINE void iq3_row(struct iq_row *row, const uint8_t *p, uint32_t dtype) {
    v128 at = v_load(iq_at3), bit = v_load(iq_bits),
         table = v_load(dtype == DT_IQ3_S ? iq3s_values : iq3xxs_values);
    for (int j = 0; j < 16; j++) { /* 16 columns: four codes */
        const uint8_t *code = p + 2 + 4 * j;
        uint32_t c[4], signs, scale;
        if (dtype == DT_IQ3_XXS) {
            uint32_t word = load_u32(p + 66 + j / 2 * 4), both = word >> 14 * (j % 2);
            for (int i = 0; i < 4; i++) c[i] = quant_iq3xxs_grid[code[i]];
            signs = quant_iq_signs(both & 127) | (uint32_t)quant_iq_signs(both >> 7 & 127) << 8;
            scale = word >> 28;
        } else {
            uint32_t high = (uint32_t)p[66 + j / 2] >> j % 2 * 4;
            for (int i = 0; i < 4; i++) c[i] = quant_iq3s_grid[code[i] | (high >> i & 1) << 8];
            signs = load_u16(p + 74 + 2 * j);
            scale = p[106 + j / 4] >> j / 2 % 2 * 4 & 15;
        }
        row->code[j] = iq_negate(vb_lookup(table, iq_fields3(c[0], c[1], c[2], c[3], at)), signs, bit);
        row->scale[j] = (int16_t)(2 * scale + 1);
    }
}

/* Eight times the value, delta included. */
MM_INLINE void iq1_row(struct iq_row *row, const uint8_t *p, uint32_t dtype) {
    v128 at = v_load(iq_at2), table = v_load(iq1_values);
    for (int j = 0; j < 16; j++) {
        uint32_t a, b, scale, minus; /* minus: bit 0 and bit 1, the sign of delta for either code */
        if (dtype == DT_IQ1_S) {
            uint32_t high = load_u16(p + 34 + j / 2 * 2), more = high >> 6 * (j % 2);
            a = quant_iq1s_grid[p[2 + 2 * j] | (more & 7) << 8];
            b = quant_iq1s_grid[p[3 + 2 * j] | (more >> 3 & 7) << 8];
            minus = high >> 15 ? 3 : 0;
            scale = high >> 12 & 7;
        } else {
            uint32_t high = p[32 + j];
            a = quant_iq1s_grid[p[2 * j] | (high & 7) << 8];
            b = quant_iq1s_grid[p[2 * j + 1] | (high >> 4 & 7) << 8];
            minus = (high >> 3 & 1) | (high >> 6 & 2);
            scale = (uint32_t)load_u16(p + 48 + j / 4 * 2) >> 3 * (j % 4) & 7;
        }
        v128 values = vb_lookup(table, iq_fields2(a, b, at));
        int8_t da = minus & 1 ? -1 : 1, db = minus & 2 ? -1 : 1;
        v128 delta = vi_splat((uint8_t)da | (uint8_t)db << 8);
        row->code[j] = vb_add(
            values, V_SHUFFLE8(delta, delta, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        row->scale[j] = (int16_t)(2 * scale + 1);
    }
}

/* Digit k of 16 bytes, less 1. */
MM_INLINE v128 tq1_digits(v128 bytes, int k) {
    static const int16_t power[5] = {1, 3, 9, 27, 81};
    v128 times = vh_splat(power[k]), three = vh_splat(3), byte = vh_splat(255);
    v128 low = v_and(vh_mul(vh_from_bu_low(bytes), times), byte),
         high = v_and(vh_mul(vh_from_bu_high(bytes), times), byte);
    return vb_sub(vb_narrow(vh_shr_u(vh_mul(low, three), 8), vh_shr_u(vh_mul(high, three), 8)),
                  vb_splat(1));
}
MM_INLINE void tq1_row(struct iq_row *row, const uint8_t *p) {
    v128 last = v_load32(p + 48), digits[4];
    for (int k = 0; k < 5; k++) {
        row->code[2 * k] = tq1_digits(v_load(p), k);
        row->code[2 * k + 1] = tq1_digits(v_load(p + 16), k);
        row->code[10 + k] = tq1_digits(v_load(p + 32), k);
        if (k < 4) digits[k] = tq1_digits(last, k);
    }
    v128 low = V_SHUFFLE32(digits[0], digits[1], 0, 4, 0, 4),
         high = V_SHUFFLE32(digits[2], digits[3], 0, 4, 0, 4);
    row->code[15] = V_SHUFFLE32(low, high, 0, 1, 4, 5);
    for (int j = 0; j < 16; j++) row->scale[j] = 1;
}

#endif
#endif
