/* Panels of the codebook and ternary formats, whose tiles keep the rows as they stand in the file.
 *
 * A row's block becomes 256 small integers, a scale for every 16 of them and one float; from there
 * they are Q8K products like the K types' (int16 panels). Where a type's values have fractions, the
 * float takes them.
 */
#include "kern/mm_iq.h"

#include "kern/mm_iq_code.h"

static const struct mm_iq formats[DT_COUNT] = {
    [DT_IQ2_XXS] = {0, 0.125f}, [DT_IQ2_XS] = {0, 0.125f}, [DT_IQ2_S] = {0, 0.125f},
    [DT_IQ3_XXS] = {0, 0.25f},  [DT_IQ3_S] = {0, 1},       [DT_IQ1_S] = {0, 0.125f},
    [DT_IQ1_M] = {48, 0.125f},  [DT_TQ1_0] = {52, 1},
};

const struct mm_iq *mm_iq(uint32_t dtype) {
    return dtype < DT_COUNT && formats[dtype].unit > 0 ? &formats[dtype] : NULL;
}

uint16_t mm_iq_d(uint32_t dtype, const uint8_t *block) {
    uint16_t d = 0;
    if (dtype != DT_IQ1_M) return load_u16(block + formats[dtype].d_at);
    for (int i = 0; i < 4; i++) d |= (uint16_t)(load_u16(block + 48 + 2 * i) >> 12 << 4 * i);
    return d;
}

#ifdef KERN_SIMD128

struct iq_row {
    v128 code[16];
    int16_t scale[16];
};

/* Negates value i where bit i of signs is set. */
V_INLINE v128 iq_negate(v128 values, uint32_t signs, v128 bit) {
    v128 s = iq_mask(signs, bit);
    return vb_sub(v_xor(values, s), s);
}

V_INLINE void iq2_row(struct iq_row *row, const uint8_t *p, uint32_t dtype) {
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

V_INLINE void iq3_row(struct iq_row *row, const uint8_t *p, uint32_t dtype) {
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
V_INLINE void iq1_row(struct iq_row *row, const uint8_t *p, uint32_t dtype) {
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
V_INLINE v128 tq1_digits(v128 bytes, int k) {
    static const int16_t power[5] = {1, 3, 9, 27, 81};
    v128 times = vh_splat(power[k]), three = vh_splat(3), byte = vh_splat(255);
    v128 low = v_and(vh_mul(vh_from_bu_low(bytes), times), byte),
         high = v_and(vh_mul(vh_from_bu_high(bytes), times), byte);
    return vb_sub(vb_narrow(vh_shr_u(vh_mul(low, three), 8), vh_shr_u(vh_mul(high, three), 8)),
                  vb_splat(1));
}
V_INLINE void tq1_row(struct iq_row *row, const uint8_t *p) {
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

V_INLINE void unpack(uint32_t dtype, uint8_t *to, const uint8_t *tile, size_t k) {
    size_t row_bytes = dtype_bytes(dtype, k), bytes = dtype_bytes(dtype, 256);
    V_ROLLED for (size_t b = 0; b < k / 256; b++, to += MM_PANEL256) {
        V_ROLLED for (size_t h = 0; h < 2; h++) {
            struct iq_row rows[4];
            V_ROLLED for (size_t r = 0; r < 4; r++) {
                const uint8_t *p = tile + (4 * h + r) * row_bytes + b * bytes;
                float d = mm_scale_half(mm_iq_d(dtype, p)) * formats[dtype].unit;
                memcpy(to + 4 * (4 * h + r), &d, 4);
                switch (dtype) {
                case DT_IQ3_XXS:
                case DT_IQ3_S:
                    iq3_row(&rows[r], p, dtype);
                    break;
                case DT_IQ1_S:
                case DT_IQ1_M:
                    iq1_row(&rows[r], p, dtype);
                    break;
                case DT_TQ1_0:
                    tq1_row(&rows[r], p);
                    break;
                default:
                    iq2_row(&rows[r], p, dtype);
                }
            }
            V_ROLLED for (size_t j = 0; j < 16; j++) {
                v128 low[4], high[4];
                uint8_t *at = to + 320 + 256 * j + 16 * h;
                for (int r = 0; r < 4; r++) {
                    v128 scale = vh_splat(rows[r].scale[j]);
                    low[r] = vh_mul(vh_from_b_low(rows[r].code[j]), scale);
                    high[r] = vh_mul(vh_from_b_high(rows[r].code[j]), scale);
                }
                mm_transpose(low);
                mm_transpose(high);
                for (int i = 0; i < 4; i++) {
                    v_store(at + 32 * i, low[i]);
                    v_store(at + 128 + 32 * i, high[i]);
                }
            }
        }
    }
}

void mm_iq_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {
    switch (dtype) {
    case DT_IQ2_XXS:
        unpack(DT_IQ2_XXS, panel, tile, k);
        break;
    case DT_IQ2_XS:
        unpack(DT_IQ2_XS, panel, tile, k);
        break;
    case DT_IQ2_S:
        unpack(DT_IQ2_S, panel, tile, k);
        break;
    case DT_IQ3_XXS:
        unpack(DT_IQ3_XXS, panel, tile, k);
        break;
    case DT_IQ3_S:
        unpack(DT_IQ3_S, panel, tile, k);
        break;
    case DT_IQ1_S:
        unpack(DT_IQ1_S, panel, tile, k);
        break;
    case DT_IQ1_M:
        unpack(DT_IQ1_M, panel, tile, k);
        break;
    case DT_TQ1_0:
        unpack(DT_TQ1_0, panel, tile, k);
        break;
    }
}

#endif
