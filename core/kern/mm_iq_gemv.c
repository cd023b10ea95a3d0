/* One token times the rows of a codebook or ternary format, straight from the file's blocks.
 *
 * A panel would cost more than the product. The codebook and the masks of signs are laid out once a call as bytes
 * that a load puts into place (struct mm_book); a row's sums stay in int32 until the superblock ends, so that they are
 * those of the panel.
 */
#include "kern/mm_iq.h"

#include "kern/mm_iq_code.h"
#include "kern/mm_relaxed.h"

#ifdef KERN_SIMD128

enum { SIGNS = 256 * 8 }; /* a mask of 8 bytes for every byte or code of signs; the codes' bytes lie behind them */

/* ---- books ----------------------------------------------------------------------------------- */

static void fill_signs(uint8_t *to, bool coded) {
    v128 bit = v_load(iq_bits);
    for (uint32_t i = 0; i < 256; i += 2, to += 16) {
        uint32_t a = coded ? quant_iq_signs(i & 127) : i, b = coded ? quant_iq_signs((i + 1) & 127) : i + 1;
        v_store(to, iq_mask(a | b << 8, bit));
    }
}
V_INLINE void fill_codes(uint8_t *to, const uint16_t *grid, uint32_t n, const int8_t *values, bool eight) {
    v128 at = v_load(eight ? iq_at2 : iq_at3), table = v_load(values);
    V_ROLLED for (uint32_t i = 0; i < n; i += eight ? 2 : 4, to += 16)
        v_store(to, vb_lookup(table, eight ? iq_fields2(grid[i], grid[i + 1], at)
                                           : iq_fields3(grid[i], grid[i + 1], grid[i + 2], grid[i + 3], at)));
}
#define FILL(name, coded, grid, n, values, eight)                                                                      \
    static void fill_##name(void *to) {                                                                                \
        fill_signs(to, coded);                                                                                         \
        fill_codes((uint8_t *)to + SIGNS, grid, n, values, eight);                                                     \
    }
FILL(iq2_xxs, true, quant_iq2xxs_grid, 256, iq2_values, true)
FILL(iq2_xs, true, quant_iq2xs_grid, 512, iq2_values, true)
FILL(iq2_s, false, quant_iq2s_grid, 1024, iq2_values, true)
FILL(iq3_xxs, true, quant_iq3xxs_grid, 256, iq3xxs_values, false)
FILL(iq3_s, false, quant_iq3s_grid, 512, iq3s_values, false)
static void fill_iq1(void *to) {
    fill_codes(to, quant_iq1s_grid, 2048, iq1_values, true);
}

/* ---- products -------------------------------------------------------------------------------- */

/* 16 columns: what they add, of which weigh() makes int32. By the relaxed dot the activations take the signs. */
V_INLINE v128 part(v128 code, v128 sign, const uint8_t *q, const uint8_t *wide, bool relaxed) {
#ifdef KERN_RELAXED128
    if (relaxed) return vh_dot_b(vb_sub(v_xor(v_load(q), sign), sign), code);
#else
    (void)q, (void)relaxed;
#endif
    code = vb_sub(v_xor(code, sign), sign);
    return vi_add(vi_dot_h(vh_from_b_low(code), v_load(wide)), vi_dot_h(vh_from_b_high(code), v_load(wide + 16)));
}
V_INLINE v128 both(v128 a, v128 b, bool relaxed) {
    return relaxed ? vh_add(a, b) : vi_add(a, b); /* 4 * 62 * 127 fits int16 */
}
V_INLINE v128 weigh(v128 sum, v128 part, uint32_t scale, bool relaxed) {
    int32_t times = (int32_t)(2 * scale + 1);
    return vi_add(sum, relaxed ? vi_dot_h(part, vh_splat((int16_t)times)) : vi_mul(part, vi_splat(times)));
}

/* A row's part of a superblock; its four lanes are to be added. */
V_INLINE v128 iq2(const uint8_t *p, const uint8_t *q, const uint8_t *wide, const uint8_t *sign, uint32_t dtype,
                   bool relaxed) {
    const uint8_t *grid = sign + SIGNS;
    v128 sum = v_zero(), before = v_zero();
    V_ROLLED for (int g = 0; g < 8; g++, q += 32, wide += 64) {
        uint32_t word = dtype == DT_IQ2_XXS ? load_u32(p + 6 + 8 * g) : p[(dtype == DT_IQ2_XS ? 66 : 74) + g];
        V_UNROLLED for (int j = 0; j < 2; j++) {
            v128 code, mask, now;
            if (dtype == DT_IQ2_XXS) {
                const uint8_t *at = p + 2 + 8 * g + 2 * j;
                uint32_t signs = word >> 14 * j;
                code = v_load64x2(grid + 8 * at[0], grid + 8 * at[1]);
                mask = v_load64x2(sign + 8 * (signs & 127), sign + 8 * (signs >> 7 & 127));
            } else if (dtype == DT_IQ2_XS) {
                uint32_t x = load_u32(p + 2 + 8 * g + 4 * j);
                code = v_load64x2(grid + 8 * (x & 511), grid + 8 * (x >> 16 & 511));
                mask = v_load64x2(sign + 8 * (x >> 9 & 127), sign + 8 * (x >> 25));
            } else {
                const uint8_t *at = p + 2 + 4 * g + 2 * j;
                uint32_t high = (uint32_t)p[66 + g] >> 4 * j;
                code = v_load64x2(grid + 8 * (at[0] | (high & 3) << 8), grid + 8 * (at[1] | (high >> 2 & 3) << 8));
                mask = v_load64x2(sign + 8 * at[32], sign + 8 * at[33]);
            }
            now = part(code, mask, q + 16 * j, wide + 32 * j, relaxed);
            if (dtype != DT_IQ2_XXS)
                sum = weigh(sum, now, word >> 4 * j & 15, relaxed);
            else if (j)
                sum = weigh(sum, both(before, now, relaxed), word >> 28, relaxed);
            before = now;
        }
    }
    return sum;
}
V_INLINE v128 iq3(const uint8_t *p, const uint8_t *q, const uint8_t *wide, const uint8_t *sign, uint32_t dtype,
                   bool relaxed) {
    const uint8_t *grid = sign + SIGNS;
    v128 sum = v_zero();
    V_ROLLED for (int g = 0; g < 8; g++, q += 32, wide += 64) {
        const uint8_t *at = p + 2 + 8 * g;
        uint32_t word = dtype == DT_IQ3_XXS ? load_u32(p + 66 + 4 * g) : load_u32(p + 74 + 4 * g);
        uint32_t scale = dtype == DT_IQ3_XXS ? word >> 28 : (uint32_t)p[106 + g / 2] >> g % 2 * 4 & 15;
        uint32_t high = dtype == DT_IQ3_XXS ? 0 : p[66 + g];
        v128 of[2];
        V_UNROLLED for (int j = 0; j < 2; j++) {
            uint32_t c[4], signs = word >> (dtype == DT_IQ3_XXS ? 14 : 16) * j;
            v128 mask = dtype == DT_IQ3_XXS ? v_load64x2(sign + 8 * (signs & 127), sign + 8 * (signs >> 7 & 127))
                                            : v_load64x2(sign + 8 * (signs & 255), sign + 8 * (signs >> 8 & 255));
            for (int i = 0; i < 4; i++)
                c[i] = at[4 * j + i] | (dtype == DT_IQ3_XXS ? 0 : (high >> (4 * j + i) & 1) << 8);
            of[j] = part(v_load32x4(grid + 4 * c[0], grid + 4 * c[1], grid + 4 * c[2], grid + 4 * c[3]), mask,
                         q + 16 * j, wide + 32 * j, relaxed);
        }
        sum = weigh(sum, both(of[0], of[1], relaxed), scale, relaxed);
    }
    return sum;
}
/* eight times the value and delta, which have signs of their own; no masks in this book */
V_INLINE v128 iq1(const uint8_t *p, const uint8_t *wide, const uint8_t *grid, uint32_t dtype) {
    v128 sum = v_zero(), one = vb_splat(1);
    V_ROLLED for (int g = 0; g < 8; g++) {
        uint32_t word = dtype == DT_IQ1_S ? load_u16(p + 34 + 2 * g) : 0;
        v128 minus = vb_splat(word >> 15 ? -1 : 0);
        V_UNROLLED for (int j = 0; j < 2; j++, wide += 32) {
            const uint8_t *at = p + (dtype == DT_IQ1_S ? 2 : 0) + 4 * g + 2 * j;
            uint32_t high = dtype == DT_IQ1_S ? word >> 6 * j : p[32 + 2 * g + j], second = dtype == DT_IQ1_S ? 3 : 4;
            uint32_t scale = dtype == DT_IQ1_S ? word >> 12 & 7 : (uint32_t)load_u16(p + 48 + g / 2 * 2) >> (g % 2 * 6 + 3 * j) & 7;
            v128 code = v_load64x2(grid + 8 * (at[0] | (high & 7) << 8), grid + 8 * (at[1] | (high >> second & 7) << 8));
            if (dtype == DT_IQ1_M)
                minus = V_SHUFFLE32(vb_splat(high & 8 ? -1 : 0), vb_splat(high & 128 ? -1 : 0), 0, 1, 4, 5);
            code = vb_add(code, vb_sub(v_xor(one, minus), minus));
            sum = weigh(sum, part(code, v_zero(), NULL, wide, false), scale, false);
        }
    }
    return sum;
}
/* Digit by digit of five (the last four bytes have four), each 0 to 2; `less` is the activations' sum. */
V_INLINE v128 tq1(const uint8_t *p, const uint8_t *wide, v128 less) {
    v128 three = vh_splat(3), byte = vh_splat(255), last = vh_from_bu_low(v_load32(p + 48)), digit[4];
    v128 sum = vi_sub(v_zero(), less);
    V_ROLLED for (int part = 0; part < 3; part++, p += 16) {
        const uint8_t *q = wide + (part == 2 ? 320 : 32 * part);
        v128 low = vh_load8x8_u(p), high = vh_load8x8_u(p + 8);
        V_ROLLED for (int k = 0; k < 5; k++, q += part == 2 ? 32 : 64) {
            low = vh_mul(low, three), high = vh_mul(high, three);
            sum = vi_add(sum, vi_dot_h(vh_shr_u(low, 8), v_load(q)));
            sum = vi_add(sum, vi_dot_h(vh_shr_u(high, 8), v_load(q + 16)));
            low = v_and(low, byte), high = v_and(high, byte);
        }
    }
    for (int k = 0; k < 4; k++) {
        last = vh_mul(last, three);
        digit[k] = vh_shr_u(last, 8);
        last = v_and(last, byte);
    }
    sum = vi_add(sum, vi_dot_h(V_SHUFFLE32(digit[0], digit[1], 0, 1, 4, 5), v_load(wide + 480)));
    return vi_add(sum, vi_dot_h(V_SHUFFLE32(digit[2], digit[3], 0, 1, 4, 5), v_load(wide + 496)));
}

V_INLINE void gemv(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, const uint8_t *book, uint32_t dtype,
                    bool relaxed) {
    size_t row_bytes = dtype_bytes(dtype, k), bytes = dtype_bytes(dtype, 256);
    const uint8_t *wide = a + k / 256 * MM_Q8K_BYTES;
    float unit = mm_iq(dtype)->unit;
    v128 sum[2] = {v_zero(), v_zero()};
    V_ROLLED for (size_t b = 0; b < k / 256; b++, tile += bytes, a += MM_Q8K_BYTES, wide += MM_Q8K_WIDE) {
        v128 dot[8];
        float d[8];
        v128 all = vi_add(vi_pair_sum(v_load(a + 4)), vi_pair_sum(v_load(a + 20)));
        V_ROLLED for (size_t r = 0; r < 8; r++) {
            const uint8_t *p = tile + r * row_bytes;
            d[r] = mm_scale_half(mm_iq_d(dtype, p)) * unit;
            if (dtype == DT_IQ3_XXS || dtype == DT_IQ3_S)
                dot[r] = iq3(p, a + MM_Q8K_STEPS, wide, book, dtype, relaxed);
            else if (dtype == DT_IQ1_S || dtype == DT_IQ1_M)
                dot[r] = iq1(p, wide, book, dtype);
            else if (dtype == DT_TQ1_0)
                dot[r] = tq1(p, wide, all);
            else
                dot[r] = iq2(p, a + MM_Q8K_STEPS, wide, book, dtype, relaxed);
        }
        for (int h = 0; h < 2; h++) {
            v128 *of = dot + 4 * h;
            mm_transpose(of);
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(vi_add(vi_add(of[0], of[1]), vi_add(of[2], of[3]))),
                                           vf_mul(v_load(d + 4 * h), v_load_splat32(a))));
        }
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

/* ---- entries --------------------------------------------------------------------------------- */

#define BOOK(name, fill, dtype, n, relaxed)                                                                            \
    static void gemv_##name(float *acc, const void *tile, const void *a, size_t k, const void *book) {                 \
        gemv(acc, tile, a, k, book, dtype, relaxed);                                                                   \
    }                                                                                                                  \
    _Static_assert((n) <= MM_IQ_BOOK, "kern_mm_scratch counts on it");                                                 \
    const struct mm_book mm_book_##name = {fill, gemv_##name};
#define BOOKS(suffix, relaxed)                                                                                         \
    BOOK(iq2_xxs##suffix, fill_iq2_xxs, DT_IQ2_XXS, SIGNS + 8 * 256, relaxed)                                          \
    BOOK(iq2_xs##suffix, fill_iq2_xs, DT_IQ2_XS, SIGNS + 8 * 512, relaxed)                                             \
    BOOK(iq2_s##suffix, fill_iq2_s, DT_IQ2_S, SIGNS + 8 * 1024, relaxed)                                               \
    BOOK(iq3_xxs##suffix, fill_iq3_xxs, DT_IQ3_XXS, SIGNS + 4 * 256, relaxed)                                          \
    BOOK(iq3_s##suffix, fill_iq3_s, DT_IQ3_S, SIGNS + 4 * 512, relaxed)

BOOK(iq1_s, fill_iq1, DT_IQ1_S, 8 * 2048, false)
BOOK(iq1_m, fill_iq1, DT_IQ1_M, 8 * 2048, false)
BOOKS(, false)
#ifdef KERN_RELAXED128
BOOKS(_relaxed, true)
#endif

void mm_gemv_tq1_0(float *acc, const void *tile, const void *a, size_t k) {
    gemv(acc, tile, a, k, NULL, DT_TQ1_0, false);
}

#endif
