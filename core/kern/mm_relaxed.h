/* The relaxed dot products: exact for int8 by 0..127, whatever the hardware makes of the rest.
 *
 * Two levels come of them. One adds pairs of products in int16 for as many steps as cannot overflow
 * (fastest where a 16-bit dot is one instruction and a 32-bit one three), the other takes the
 * 32-bit dot (one instruction with VNNI or ARM's dot product). kern_get chooses by time.
 */
#ifndef SOTTO_KERN_MM_RELAXED_H
#define SOTTO_KERN_MM_RELAXED_H

#include "kern/mm_unit.h"

#if defined(__wasm_relaxed_simd__)
#define KERN_RELAXED128 1
#define KERN_RELAXED_NATIVE 1 /* as instructions, so that the level is worth taking */
/* a[2i] * b[2i] + a[2i+1] * b[2i+1] as int16; a signed, b 0..127 */
V_INLINE v128 vh_dot_b(v128 a, v128 b) {
    return wasm_i16x8_relaxed_dot_i8x16_i7x16(a, b);
}
/* sum + four products as int32 */
V_INLINE v128 vi_dot_b(v128 sum, v128 a, v128 b) {
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, b, sum);
}
#elif defined(KERN_SIMD128) && !defined(__wasm__)
#define KERN_RELAXED128 1
#define KERN_RELAXED_NATIVE 0
V_INLINE v128 vh_dot_b(v128 a, v128 b) {
    v_i16 even = (v_i16)((v_u16)a << 8) >> 8, odd = (v_i16)a >> 8;
    v_i16 even_b = (v_i16)((v_u16)b << 8) >> 8, odd_b = (v_i16)b >> 8;
    return (v128)(even * even_b + odd * odd_b);
}
V_INLINE v128 vi_dot_b(v128 sum, v128 a, v128 b) {
    return vi_add(sum, vi_pair_sum(vh_dot_b(a, b)));
}
#endif

#ifdef KERN_RELAXED128
/* [0] adds in int16, [1] in int32 */
extern const struct kern_mm_table kern_mm_relaxed[2];
/* Of so many steps, those whose pair sums fit int16 together. With a zero point of 1 << shift they end within
 * 127 * 2 * (1 << shift) a step, whatever they wrap to on the way; without (-1) a step adds up to 2 * 127 * (2^bits - 1).
 */
static inline int mm_fits(int bits, int shift, int steps) {
    int fits = 128 >> (shift >= 0 ? shift : bits);
    return fits < steps ? fits : steps;
}

/* What the kernels of a type are made of: name, bytes of head, bits, shift (the zero point is 1 << shift, -1 for none),
 * mapped (codes go through the table of MXFP4, which makes them 4 .. 28, with a zero point of 16), wide. */
#define MM_BOTH(X, name, ...) X(name, __VA_ARGS__, false) X(name##_wide, __VA_ARGS__, true)
#define MM_RELAXED32(X)                    \
    MM_BOTH(X, q4_0, 16, 4, 3, false)      \
    MM_BOTH(X, q4_1, 32, 4, -1, false)     \
    MM_BOTH(X, q5_0, 16, 5, 4, false)      \
    MM_BOTH(X, q5_1, 32, 5, -1, false)     \
    MM_BOTH(X, mxfp4, 8, 4, 4, true)
/* name, bytes of head, scales and their bytes, bits, shift (-1: minimums) */
#define MM_RELAXED256(X)                   \
    X(q2_k, 32, MM_BYTE16, 128, 2, -1)     \
    X(q3_k, 16, MM_SIX16, 96, 3, 2)        \
    X(q4_k, 32, MM_SIX_MIN, 96, 4, -1)     \
    X(q5_k, 32, MM_SIX_MIN, 96, 5, -1)     \
    X(q6_k, 16, MM_BYTE16, 128, 6, 5)      \
    X(tq2_0, 16, MM_NO_SCALES, 0, 2, 0)

/* mm_relaxed_gemv.c */
#define MM_DECLARE_GEMV(name, ...) mm_dot mm_bytes_##name;
MM_RELAXED32(MM_DECLARE_GEMV)
MM_RELAXED256(MM_DECLARE_GEMV)
mm_dot mm_signs_q8_0, mm_signs_iq4_nl;

/* True when both dots give the right sums here (an early implementation doubled them). */
bool mm_relaxed_works(void);
#endif

/* int16 panels of mm_simd.c, also for the types whose codes have 8 bits with a sign */
mm_unpack mm_pairs_unpack;
mm_dot mm_pairs32_1, mm_pairs32_4, mm_pairs256_1, mm_pairs256_4;
/* mm_gemv.c */
mm_dot mm_pairs_q4_0, mm_pairs_q4_1, mm_pairs_q5_0, mm_pairs_q5_1, mm_pairs_q8_0, mm_pairs_iq4_nl,
    mm_pairs_mxfp4, mm_pairs_q2_k, mm_pairs_q3_k, mm_pairs_q4_k, mm_pairs_q5_k, mm_pairs_q6_k,
    mm_pairs_iq4_xs, mm_pairs_tq2_0;

#endif
