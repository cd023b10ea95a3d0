/* Matrix products with 8-bit activations, relaxed SIMD: codes stay bytes and are the 7-bit operand.
 *
 * Panel of Q8 types: for each block d[8], m[8] floats and codes [step 8][row 8][4]. Panel of Q8K
 * types: for each superblock d[8], dmin[8] floats, minimums (or, where codes have a zero point,
 * scales) as [pair 8] [row 8][2] int16, scales [sub-block 16][row 8][2] int16, both the same, and
 * codes [step 64][row 8][4].
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

/* Steps of a code of so many bits whose pair sums fit int16: 15 * 127 * 2 * 8 and so on. */
#define CHUNK(bits) ((bits) <= 4 ? 8 : (bits) == 5 ? 4 : 2)

/* ---- panels ---------------------------------------------------------------------------------- */

MM_INLINE void put_scales(uint8_t *to, const v128 *scale, int n) {
    for (int v = 0; v < n; v++)
        for (int e = 0; e < 2; e++)
            for (int h = 0; h < 2; h++)
                v_store(to + 64 * v + 32 * e + 16 * h, mm_scale_twice(scale[v], e, h));
}
MM_INLINE void put_pairs(uint8_t *to, const v128 *min, int n) {
    for (int v = 0; v < n; v++)
        for (int h = 0; h < 2; h++) v_store(to + 32 * v + 16 * h, mm_scale_pairs(min[v], h));
}

MM_INLINE void unpack32(uint8_t *to, const uint8_t *tile, size_t k, int head, int low, int high,
                        bool mapped) {
    struct mm_masks masks = mm_masks(low, high);
    v128 table = mapped ? vb_add(v_load(mm_layout(DT_MXFP4)->map), vb_splat(16)) : v_zero();
    MM_ROLLED for (size_t b = 0; b < k / 32; b++, to += PANEL32) {
        for (int h = 0; h < 2; h++) {
            v_store(to + 16 * h, mm_head(tile, head, h, masks));
            if (head == 32) v_store(to + 32 + 16 * h, mm_half(tile + 16 + 8 * h, masks));
        }
        tile += head;
        MM_UNROLLED for (int s = 0; s < 8; s++) {
            for (int h = 0; h < 2; h++) {
                v128 code = mm_code(tile, low, high, s, h, masks);
                v_store(to + 64 + 32 * s + 16 * h, mapped ? vb_lookup(table, code) : code);
            }
        }
        tile += 32 * (low + high);
    }
}

MM_INLINE void unpack256(uint8_t *to, const uint8_t *tile, size_t k, int head, int scales,
                         int scale_bytes, int low, int high) {
    struct mm_masks masks = mm_masks(low, high);
    bool has_min = head == 32;
    int n = scales == MM_SIX_MIN ? 4 : 8;
    MM_ROLLED for (size_t b = 0; b < k / 256; b++, to += PANEL256) {
        v128 scale[8], min[8];
        for (int h = 0; h < 2; h++) {
            v_store(to + 16 * h, mm_half_any(tile + 8 * h));
            if (has_min) v_store(to + 32 + 16 * h, mm_half_any(tile + 16 + 8 * h));
        }
        mm_scales(scale, min, tile + head, scales, has_min);
        put_pairs(to + 64, min, n);
        put_scales(to + SCALES, scale, n);
        tile += head + scale_bytes;
        MM_ROLLED for (int u = 0; u < 8; u++, tile += 32 * (low + high)) {
            MM_UNROLLED for (int s = 0; s < 8; s++) {
                for (int h = 0; h < 2; h++)
                    v_store(to + CODES + 256 * u + 32 * s + 16 * h,
                            mm_code(tile, low, high, s, h, masks));
            }
        }
    }
}

/* ---- products of a panel --------------------------------------------------------------------- */

/* n steps on top of c[token][half], pair sums in int16 */
MM_INLINE void more16(v128 *c, const uint8_t *w, const uint8_t *a, int n, int width) {
    MM_ROLLED for (int i = 0; i < n; i++, w += 32, a += 4 * width) {
        V_POINTERS(w, a);
        v128 lo = v_load(w), hi = v_load(w + 16);
        for (int t = 0; t < width; t++) {
            v128 x = v_load_splat32(a + 4 * t);
            c[2 * t] = vh_add(c[2 * t], vh_dot_b(x, lo));
            c[2 * t + 1] = vh_add(c[2 * t + 1], vh_dot_b(x, hi));
        }
    }
}
/* n steps */
MM_INLINE void steps16(v128 *c, const uint8_t *w, const uint8_t *a, int n, int width) {
    v128 lo = v_load(w), hi = v_load(w + 16);
    for (int t = 0; t < width; t++) {
        v128 x = v_load_splat32(a + 4 * t);
        c[2 * t] = vh_dot_b(x, lo), c[2 * t + 1] = vh_dot_b(x, hi);
    }
    more16(c, w + 32, a + 4 * width, n - 1, width);
}
/* A block of 4-bit codes. Half of what the zero point takes off goes into each lane of a pair: at the end it is
 * Σ (w - 2^(shift-1)) q of its own columns less Σ 2^(shift-1) q of the other's, no more than 30480 whatever the
 * sums on the way wrap to. */
MM_INLINE void block16(v128 *c, const uint8_t *w, const uint8_t *a, int width, int shift, v128 ones) {
    const uint8_t *q = a + 12 * width;
    if (shift) {
        for (int t = 0; t < width; t++)
            c[2 * t] = c[2 * t + 1] = vh_shl(v_load_splat32(a + 4 * (2 * width + t)), shift - 1);
        more16(c, w, q, 8, width);
    } else {
        steps16(c, w, q, 8, width);
    }
    for (int i = 0; i < 2 * width; i++) c[i] = vi_dot_h(c[i], ones);
}
/* n steps on top of c */
MM_INLINE void steps32(v128 *c, const uint8_t *w, const uint8_t *a, int n, int width) {
    MM_ROLLED for (int i = 0; i < n; i++, w += 32, a += 4 * width) {
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
MM_INLINE void steps_signed(v128 *c, const uint8_t *w, const uint8_t *a, size_t gap, int n,
                            int width) {
    for (int i = 0; i < 2 * width; i++) c[i] = v_zero();
    for (int sign = 1; sign >= 0; sign--) {
        const uint8_t *p = w, *q = a + (size_t)sign * gap;
        MM_ROLLED for (int i = 0; i < n; i++, p += 32, q += 4 * width) {
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
MM_INLINE void scale32(v128 *sum, const v128 *c, const uint8_t *w, const uint8_t *a, int width,
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

/* shift: zero point is 1 << shift, 0 for none */
MM_INLINE void dot32(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width, int bits,
                     int shift, bool min, bool wide) {
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP], part[2 * MM_GROUP],
        ones = v_hidden(&mm_ones); /* the sum of a pair is a dot with them, whose constant is not loaded each time */
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    MM_ROLLED for (size_t b = 0; b < k / 32; b++, w += PANEL32, a += MM_Q8_BYTES * width) {
        if (!wide && CHUNK(bits) == 8) {
            block16(c, w + 64, a, width, shift, ones);
            scale32(sum, c, w, a, width, min);
            continue;
        }
        for (int t = 0; t < width; t++)
            c[2 * t] = c[2 * t + 1] = shift ? mm_zero_point(a + 4 * (2 * width + t), shift) : v_zero();
        if (wide) {
            steps32(c, w + 64, a + 12 * width, 8, width);
        } else {
            for (int i = 0; i < 8; i += CHUNK(bits)) {
                steps16(part, w + 64 + 32 * i, a + 12 * width + 4 * width * i, CHUNK(bits), width);
                for (int j = 0; j < 2 * width; j++) c[j] = vi_add(c[j], vi_dot_h(part[j], ones));
            }
        }
        scale32(sum, c, w, a, width, min);
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

MM_INLINE void dot32_signed(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width) {
    const uint8_t *signs = a + k / 32 * MM_Q8_BYTES * (size_t)width;
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP];
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    MM_ROLLED for (size_t b = 0; b < k / 32;
                   b++, w += PANEL32, a += MM_Q8_BYTES * width, signs += 64 * width) {
        steps_signed(c, w + 64, signs, 32 * (size_t)width, 8, width);
        scale32(sum, c, w, a, width, false);
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

/* minimums times sums, n pairs: c[token][half] */
MM_INLINE void min_steps(v128 *c, const uint8_t *min, const uint8_t *sums, int n, int width) {
    for (int i = 0; i < 2 * width; i++) c[i] = v_zero();
    MM_ROLLED for (int i = 0; i < n; i++, min += 32, sums += 4 * width) {
        v128 lo = v_load(min), hi = v_load(min + 16);
        for (int t = 0; t < width; t++) {
            v128 x = v_load_splat32(sums + 4 * t);
            c[2 * t] = vi_add(c[2 * t], vi_dot_h(lo, x));
            c[2 * t + 1] = vi_add(c[2 * t + 1], vi_dot_h(hi, x));
        }
    }
}

/* The end of a superblock: c are the dots, least the minimums' (subtracted as integers where they
 * stand for a zero point). */
MM_INLINE void scale256(v128 *sum, const v128 *c, const v128 *least, const uint8_t *w,
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
MM_INLINE void dot256(float *acc, const uint8_t *w, const uint8_t *a, size_t k, int width, int bits,
                      int sub, int shift) {
    v128 sum[2 * MM_GROUP], c[2 * MM_GROUP], part[2 * MM_GROUP];
    int steps = CHUNK(bits) > sub ? sub : CHUNK(bits);
    for (int i = 0; i < 2 * width; i++) sum[i] = v_zero();
    MM_ROLLED for (size_t b = 0; b < k / 256; b++, w += PANEL256, a += MM_Q8K_BYTES * width) {
        const uint8_t *p = w + CODES, *q = a + 52 * width, *scale = w + SCALES;
        for (int i = 0; i < 2 * width; i++) c[i] = v_zero();
        MM_ROLLED for (int i = 0; i < 64; i += sub, scale += 32) {
            v128 lo = v_load(scale), hi = v_load(scale + 16);
            for (int j = 0; j < sub; j += steps, p += 32 * steps, q += 4 * width * steps) {
                steps16(part, p, q, steps, width);
                for (int t = 0; t < width; t++) {
                    c[2 * t] = vi_add(c[2 * t], vi_dot_h(part[2 * t], lo));
                    c[2 * t + 1] = vi_add(c[2 * t + 1], vi_dot_h(part[2 * t + 1], hi));
                }
            }
        }
        min_steps(part, w + 64, a + (sub == 8 ? 36 : 4) * width, sub == 8 ? 4 : 8, width);
        if (shift >= 0)
            for (int i = 0; i < 2 * width; i++) c[i] = vi_sub(c[i], vi_shl(part[i], shift));
        scale256(sum, c, part, w, a, width, shift < 0);
    }
    for (int i = 0; i < 2 * width; i++) v_store(acc + 4 * i, sum[i]);
}

/* ---- one token, straight from the tile ------------------------------------------------------- */

/* Four steps of a unit whose codes have four bits, on top of part[half], pair sums in int16. The body of a loop: with
 * all steps unrolled one half of the rows is multiplied after the other, and the activations do not stay in registers
 * in between. */
MM_INLINE void four_steps(v128 part[2], const uint8_t *w, const uint8_t *q, struct mm_masks masks) {
    v128 words = v_load(q);
    MM_UNROLLED for (int i = 0; i < 4; i++) {
        v128 x = mm_splat(words, i);
        for (int h = 0; h < 2; h++) part[h] = vh_add(part[h], vh_dot_b(x, mm_code(w, 4, 0, i, h, masks)));
    }
}

MM_INLINE void gemv32(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, int head,
                      int low, int high, int shift, bool mapped, bool wide) {
    struct mm_masks masks = mm_masks(low, high);
    v128 table = mapped ? vb_add(v_load(mm_layout(DT_MXFP4)->map), vb_splat(16)) : v_zero(),
         sum[2] = {v_zero(), v_zero()};
    int chunk = CHUNK(mapped ? 5 : low + high);
    MM_ROLLED for (size_t b = 0; b < k / 32; b++, a += MM_Q8_BYTES) {
        const uint8_t *unit = tile + head;
        v128 c[2], other[2], part[2], d = v_load_splat32(a), s;
        if (chunk == 8 && !wide) {
            const uint8_t *w = unit, *q = a + 12;
            part[0] = part[1] = shift ? vh_shl(v_load_splat32(a + 8), shift - 1) : v_zero(); /* as block16 */
            MM_ROLLED for (int i = 0; i < 2; i++, w += 64, q += 16) {
                V_POINTERS(w, q);
                four_steps(part, w, q, masks);
            }
            for (int h = 0; h < 2; h++) c[h] = vi_pair_sum(part[h]);
        } else {
            v128 words[2] = {v_load(a + 12), v_load(a + 28)};
            c[0] = c[1] = shift ? mm_zero_point(a + 8, shift) : v_zero();
            other[0] = other[1] = v_zero();
            MM_UNROLLED for (int i = 0; i < 8; i++) {
                v128 x = mm_splat(words[i / 4], i % 4);
                for (int h = 0; h < 2; h++) {
                    v128 code = mm_code(unit, low, high, i, h, masks);
                    if (mapped) code = vb_lookup(table, code);
                    if (wide) { /* two chains, each half as long */
                        if (i % 2)
                            other[h] = vi_dot_b(other[h], x, code);
                        else
                            c[h] = vi_dot_b(c[h], x, code);
                    } else {
                        part[h] = i % chunk ? vh_add(part[h], vh_dot_b(x, code)) : vh_dot_b(x, code);
                        if (i % chunk == chunk - 1) c[h] = vi_add(c[h], vi_pair_sum(part[h]));
                    }
                }
            }
        }
        if (head == 32) s = v_load_splat32(a + 4);
        for (int h = 0; h < 2; h++) {
            if (wide) c[h] = vi_add(c[h], other[h]);
            sum[h] =
                vf_add(sum[h], vf_mul(vf_from_i(c[h]), vf_mul(mm_head(tile, head, h, masks), d)));
            if (head == 32) sum[h] = vf_add(sum[h], vf_mul(mm_half(tile + 16 + 8 * h, masks), s));
        }
        tile = unit + 32 * (low + high);
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

MM_INLINE void gemv256(float *acc, const uint8_t *tile, const uint8_t *a, size_t k, int head,
                       int scales, int scale_bytes, int low, int high, int shift) {
    struct mm_masks masks = mm_masks(low, high);
    int n = scales == MM_SIX_MIN ? 4 : 8, sub = n == 4 ? 8 : 4;
    int steps = CHUNK(low + high) > sub ? sub : CHUNK(low + high);
    bool has_min = head == 32;
    static const uint8_t pairs_of_rows[16] = {0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15};
    const uint8_t *at = pairs_of_rows;
    __asm__("" : "+r"(at)); /* so that it is kept, not built anew at every use */
    v128 sum[2] = {v_zero(), v_zero()}, order = v_load(at);
    MM_ROLLED for (size_t b = 0; b < k / 256; b++, a += MM_Q8K_BYTES) {
        _Alignas(16) uint8_t twice[256];
        v128 scale[8], min[8], c[2], least[2], part[2], d = v_load_splat32(a);
        const uint8_t *unit = tile + head + scale_bytes, *q = a + 52, *times = twice;
        mm_scales(scale, min, tile + head, scales, has_min);
        for (int v = 0; v < n; v++)
            for (int e = 0; e < 2; e++) v_store(twice + 32 * v + 16 * e, mm_scale_bytes_twice(scale[v], e));
        c[0] = c[1] = least[0] = least[1] = v_zero();
        for (int v = 0; v < n; v++) {
            v128 pairs = vb_lookup(min[v], order), x = v_load_splat32(a + (n == 4 ? 36 : 4) + 4 * v);
            least[0] = vi_add(least[0], vi_dot_h(vh_from_b_low(pairs), x));
            least[1] = vi_add(least[1], vi_dot_h(vh_from_b_high(pairs), x));
        }
        MM_ROLLED for (int u = 0; u < 8; u++, unit += 32 * (low + high), q += 32, times += n * 4) {
            v128 words[2] = {v_load(q), v_load(q + 16)};
            MM_UNROLLED for (int i = 0; i < 8; i++) {
                v128 x = mm_splat(words[i / 4], i % 4);
                for (int h = 0; h < 2; h++) {
                    v128 dots = vh_dot_b(x, mm_code(unit, low, high, i, h, masks));
                    part[h] = i % steps ? vh_add(part[h], dots) : dots;
                    if (i % steps == steps - 1)
                        c[h] = vi_add(c[h],
                                      vi_dot_h(part[h], vh_load8x8_s(times + 16 * (i / sub) + 8 * h)));
                }
            }
        }
        for (int h = 0; h < 2; h++) {
            if (shift >= 0) c[h] = vi_sub(c[h], vi_shl(least[h], shift));
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(c[h]), vf_mul(mm_half_any(tile + 8 * h), d)));
            if (has_min)
                sum[h] = vf_sub(
                    sum[h], vf_mul(vf_from_i(least[h]), vf_mul(mm_half_any(tile + 16 + 8 * h), d)));
        }
        tile = unit;
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

/* Signed codes of 8 bits, by the signs of the activations (wide) ... */
MM_INLINE void gemv_q8_signs(float *acc, const uint8_t *tile, const uint8_t *a, size_t k,
                             const int8_t *map) {
    const uint8_t *signs = a + k / 32 * MM_Q8_BYTES;
    struct mm_masks masks = mm_masks(map ? 4 : 8, 0);
    v128 table = map ? v_load(map) : v_zero(), sum[2] = {v_zero(), v_zero()};
    MM_ROLLED for (size_t b = 0; b < k / 32; b++, a += MM_Q8_BYTES, signs += MM_Q8_WIDE) {
        v128 c[2][2], d = v_load_splat32(a);
        c[0][0] = c[0][1] = c[1][0] = c[1][1] = v_zero();
        MM_UNROLLED for (int i = 0; i < 8; i++) {
            for (int h = 0; h < 2; h++) {
                v128 code = map ? vb_lookup(table, mm_code(tile + 16, 4, 0, i, h, masks))
                                : mm_code(tile + 16, 8, 0, i, h, masks);
                c[0][h] = vi_dot_b(c[0][h], code, v_load_splat32(signs + 4 * i));
                c[1][h] = vi_dot_b(c[1][h], code, v_load_splat32(signs + 32 + 4 * i));
            }
        }
        for (int h = 0; h < 2; h++)
            sum[h] = vf_add(sum[h], vf_mul(vf_from_i(vi_sub(c[0][h], c[1][h])),
                                           vf_mul(mm_half(tile + 8 * h, masks), d)));
        tile += map ? 144 : 272;
    }
    v_store(acc, sum[0]);
    v_store(acc + 4, sum[1]);
}

/* ---- entries --------------------------------------------------------------------------------- */

#define KERNELS32(name, head, low, high, shift, wide, mapped)                                      \
    static void name##_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {           \
        (void)dtype;                                                                               \
        unpack32(panel, tile, k, head, low, high, mapped);                                         \
    }                                                                                              \
    static void name##_1(float *acc, const void *panel, const void *group, size_t k) {             \
        dot32(acc, panel, group, k, 1, mapped ? 5 : low + high, shift, head == 32, wide);          \
    }                                                                                              \
    static void name##_4(float *acc, const void *panel, const void *group, size_t k) {             \
        dot32(acc, panel, group, k, MM_GROUP, mapped ? 5 : low + high, shift, head == 32, wide);   \
    }                                                                                              \
    static void name##_gemv(float *acc, const void *tile, const void *group, size_t k) {           \
        gemv32(acc, tile, group, k, head, low, high, shift, mapped, wide);                         \
    }
#define KERNELS256(name, head, scales, bytes, low, high, shift)                                    \
    static void name##_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {           \
        (void)dtype;                                                                               \
        unpack256(panel, tile, k, head, scales, bytes, low, high);                                 \
    }                                                                                              \
    static void name##_1(float *acc, const void *panel, const void *group, size_t k) {             \
        dot256(acc, panel, group, k, 1, low + high, scales == MM_SIX_MIN ? 8 : 4, shift);          \
    }                                                                                              \
    static void name##_4(float *acc, const void *panel, const void *group, size_t k) {             \
        dot256(acc, panel, group, k, MM_GROUP, low + high, scales == MM_SIX_MIN ? 8 : 4, shift);   \
    }                                                                                              \
    static void name##_gemv(float *acc, const void *tile, const void *group, size_t k) {           \
        gemv256(acc, tile, group, k, head, scales, bytes, low, high, shift);                       \
    }

#define BOTH(DO, name, ...)                                                                        \
    DO(name, __VA_ARGS__, false)                                                                   \
    DO(name##_wide, __VA_ARGS__, true)

/* The codes of MXFP4 go through a table that makes them 4 .. 28, with a zero point of 16. */
#define K32(name, head, low, high, shift, wide) KERNELS32(name, head, low, high, shift, wide, false)
#define KMX(name, shift, wide) KERNELS32(name, 8, 4, 0, shift, wide, true)

BOTH(K32, q4_0, 16, 4, 0, 3)
BOTH(K32, q4_1, 32, 4, 0, 0)
BOTH(K32, q5_0, 16, 4, 1, 4)
BOTH(K32, q5_1, 32, 4, 1, 0)
BOTH(KMX, mxfp4, 4)
KERNELS256(q2_k, 32, MM_BYTE16, 128, 2, 0, -1)
KERNELS256(q3_k, 16, MM_SIX16, 96, 2, 1, 2)
KERNELS256(q4_k, 32, MM_SIX_MIN, 96, 4, 0, -1)
KERNELS256(q5_k, 32, MM_SIX_MIN, 96, 4, 1, -1)
KERNELS256(q6_k, 16, MM_BYTE16, 128, 4, 2, 5)
KERNELS256(tq2_0, 16, MM_NO_SCALES, 0, 2, 0, 0)

static void q8_0_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {
    struct mm_masks masks = mm_masks(8, 0);
    uint8_t *to = panel;
    const uint8_t *from = tile;
    (void)dtype;
    for (size_t b = 0; b < k / 32; b++, to += PANEL32, from += 272) {
        v_store(to, mm_half(from, masks));
        v_store(to + 16, mm_half(from + 8, masks));
        for (size_t i = 0; i < 16; i++)
            v_store(to + 64 + 16 * i, mm_code(from + 16, 8, 0, (int)i / 2, (int)i % 2, masks));
    }
}
static void iq4_unpack(uint32_t dtype, void *panel, const void *tile, size_t k) {
    struct mm_masks masks = mm_masks(4, 0);
    v128 table = v_load(mm_layout(dtype)->map);
    uint8_t *to = panel;
    const uint8_t *from = tile;
    for (size_t b = 0; b < k / 32; b++, to += PANEL32, from += 144) {
        v_store(to, mm_half(from, masks));
        v_store(to + 16, mm_half(from + 8, masks));
        MM_UNROLLED for (int s = 0; s < 8; s++) {
            for (int h = 0; h < 2; h++)
                v_store(to + 64 + 32 * s + 16 * h,
                        vb_lookup(table, mm_code(from + 16, 4, 0, s, h, masks)));
        }
    }
}
static void signed32_1(float *acc, const void *panel, const void *group, size_t k) {
    dot32_signed(acc, panel, group, k, 1);
}
static void signed32_4(float *acc, const void *panel, const void *group, size_t k) {
    dot32_signed(acc, panel, group, k, 4);
}
static void q8_0_gemv(float *acc, const void *tile, const void *group, size_t k) {
    gemv_q8_signs(acc, tile, group, k, NULL);
}
static void iq4_nl_gemv(float *acc, const void *tile, const void *group, size_t k) {
    gemv_q8_signs(acc, tile, group, k, mm_layout(DT_IQ4_NL)->map);
}

#define ENTRY(name) {name##_unpack, name##_1, name##_4, name##_gemv}
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
                 [DT_Q8_0] = {q8_0_unpack, signed32_1, signed32_4, q8_0_gemv},
                 [DT_IQ4_NL] = {iq4_unpack, signed32_1, signed32_4, iq4_nl_gemv}},
        .book = {MM_IQ_BOOKS(_relaxed)},
    },
};

#endif
