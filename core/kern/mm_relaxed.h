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
MM_INLINE v128 vh_dot_b(v128 a, v128 b) {
    return wasm_i16x8_relaxed_dot_i8x16_i7x16(a, b);
}
/* sum + four products as int32 */
MM_INLINE v128 vi_dot_b(v128 sum, v128 a, v128 b) {
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, b, sum);
}
#elif defined(KERN_SIMD128) && !defined(__wasm__)
#define KERN_RELAXED128 1
#define KERN_RELAXED_NATIVE 0
MM_INLINE v128 vh_dot_b(v128 a, v128 b) {
    v_i16 even = (v_i16)((v_u16)a << 8) >> 8, odd = (v_i16)a >> 8;
    v_i16 even_b = (v_i16)((v_u16)b << 8) >> 8, odd_b = (v_i16)b >> 8;
    return (v128)(even * even_b + odd * odd_b);
}
MM_INLINE v128 vi_dot_b(v128 sum, v128 a, v128 b) {
    return vi_add(sum, vi_pair_sum(vh_dot_b(a, b)));
}
#endif

#ifdef KERN_RELAXED128
/* [0] adds in int16, [1] in int32 */
extern const struct kern_mm_table kern_mm_relaxed[2];
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
