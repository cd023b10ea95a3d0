/* Panels of the codebook and ternary formats, whose tiles keep the rows as they stand in the file.
 *
 * A row's block becomes 256 small integers, a scale for every 16 of them and one float; from there
 * they are Q8K products like the K types' (int16 panels). Where a type's values have fractions, the
 * float takes them.
 */
#include "kern/mm_iq.h"

#include "kern/mm_iq_row.h"

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

MM_INLINE void unpack(uint32_t dtype, uint8_t *to, const uint8_t *tile, size_t k) {
    size_t row_bytes = dtype_bytes(dtype, k), bytes = dtype_bytes(dtype, 256);
    MM_ROLLED for (size_t b = 0; b < k / 256; b++, to += MM_PANEL256) {
        MM_ROLLED for (size_t h = 0; h < 2; h++) {
            struct iq_row rows[4];
            MM_ROLLED for (size_t r = 0; r < 4; r++) {
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
            MM_ROLLED for (size_t j = 0; j < 16; j++) {
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
