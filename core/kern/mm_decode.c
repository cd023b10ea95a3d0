/* Panels of floats from interleaved tiles, for exact arithmetic: the same products and sums, in the
 * same order, as the types' codecs: (code - zero) * (d * scale), then the minimum. */
#include "kern/mm_f32.h"

#include "kern/mm_unit.h"

#ifdef KERN_SIMD128

/* The codes of a unit: [step 8][row 8][4] bytes. */
V_INLINE void put_unit(uint8_t *to, const uint8_t *unit, int bits) {
    struct mm_masks masks = mm_masks(bits);
    V_UNROLLED for (int s = 0; s < 8; s++) {
        for (int h = 0; h < 2; h++) v_store(to + 32 * s + 16 * h, mm_code(unit, bits, s, h, masks));
    }
}
static void unit_codes(uint8_t *to, const uint8_t *unit, int bits) {
    switch (bits) {
    case 2:
        put_unit(to, unit, 2);
        break;
    case 3:
        put_unit(to, unit, 3);
        break;
    case 4:
        put_unit(to, unit, 4);
        break;
    case 5:
        put_unit(to, unit, 5);
        break;
    case 6:
        put_unit(to, unit, 6);
        break;
    default:
        put_unit(to, unit, 8);
        break;
    }
}

/* Four rows of one step to the panel: columns 4 * at .. 4 * at + 3, rows of a half that `to` points
 * at. */
static void put_floats(float *to, size_t q, size_t at, v128 codes, v128 scale, v128 add,
                       bool has_add) {
    v128 t = V_SHUFFLE8(codes, codes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    v128 low = vh_from_b_low(t), high = vh_from_b_high(t), f[4];
    f[0] = vi_from_h_low(low), f[1] = vi_from_h_high(low), f[2] = vi_from_h_low(high),
    f[3] = vi_from_h_high(high);
    for (size_t p = 0; p < 4; p++) {
        v128 value = vf_mul(vf_from_i(f[p]), scale);
        v_store(to + (p * q + at) * TILE_ROWS, has_add ? vf_add(value, add) : value);
    }
}

void mm_f32_decode(uint32_t dtype, void *panel, const void *tile, size_t k) {
    const struct mm_layout *l = mm_layout(dtype);
    const uint8_t *p = tile;
    size_t q = mm_quarter(k), unit_bytes = mm_unit_bytes(l);
    bool super = l->units == 8, wide = l->scales == MM_SIX || l->scales == MM_SIX_MIN;
    struct mm_masks masks = mm_masks(8);
    v128 table = l->map ? v_load(l->map) : v_zero(), zero = vb_splat((int8_t)l->zero);
    for (size_t b = 0; b < k / (32u * l->units); b++) {
        v128 d[2], m[2], scale[8], min[8];
        for (int h = 0; h < 2; h++) {
            d[h] = super ? mm_half_any(p + 8 * h) : mm_head(p, l->head, h, masks);
            m[h] = l->head == 32 ? mm_half_any(p + 16 + 8 * h) : v_zero();
        }
        p += l->head;
        if (super) mm_scales(scale, min, p, l->scales, l->min);
        p += mm_scale_bytes(l);
        for (size_t u = 0; u < l->units; u++, p += unit_bytes) {
            _Alignas(16) uint8_t codes[256];
            unit_codes(codes, p, l->bits);
            for (size_t s = 0; s < 8; s++)
                for (int h = 0; h < 2; h++) {
                    v128 code = v_load(codes + 32 * s + 16 * h), times = d[h], add = m[h];
                    if (super) {
                        size_t sub = wide ? u : 2 * u + s / 4;
                        times =
                            vf_mul(times, vf_from_i(mm_scale_words(scale[sub / 2], sub % 2, h)));
                        if (l->min)
                            add = vf_neg(
                                vf_mul(add, vf_from_i(mm_scale_words(min[sub / 2], sub % 2, h))));
                    }
                    code = l->map ? vb_lookup(table, code) : vb_sub(code, zero);
                    put_floats((float *)panel + 4 * h, q, ((size_t)l->units * b + u) * 8 + s, code,
                               times, add, l->min);
                }
        }
    }
}

#endif
