/* Vector bodies of products with f32 activations. */
#ifndef SOTTO_KERN_MM_F32_H
#define SOTTO_KERN_MM_F32_H

#include "kern/kern_mm.h"

mm_dot mm_f32_dot1, mm_f32_dot4, mm_f32_gemv, mm_f16_gemv, mm_bf16_gemv;
mm_unpack mm_f32_unpack; /* F32, F16 and BF16 tiles */
mm_unpack mm_f32_decode; /* interleaved tiles of blocks */

#define MM_F32_ENTRIES                                                                             \
    .f32_dot1 = mm_f32_dot1, .f32_dot4 = mm_f32_dot4,                                              \
    .f32_unpack = {[DT_F32] = mm_f32_unpack,    [DT_F16] = mm_f32_unpack,                          \
                   [DT_BF16] = mm_f32_unpack,   [DT_Q4_0] = mm_f32_decode,                         \
                   [DT_Q4_1] = mm_f32_decode,   [DT_Q5_0] = mm_f32_decode,                         \
                   [DT_Q5_1] = mm_f32_decode,   [DT_Q8_0] = mm_f32_decode,                         \
                   [DT_Q2_K] = mm_f32_decode,   [DT_Q3_K] = mm_f32_decode,                         \
                   [DT_Q4_K] = mm_f32_decode,   [DT_Q5_K] = mm_f32_decode,                         \
                   [DT_Q6_K] = mm_f32_decode,   [DT_IQ4_NL] = mm_f32_decode,                       \
                   [DT_IQ4_XS] = mm_f32_decode, [DT_TQ2_0] = mm_f32_decode,                        \
                   [DT_MXFP4] = mm_f32_decode},                                                    \
    .f32_gemv = {[DT_F32] = mm_f32_gemv, [DT_F16] = mm_f16_gemv, [DT_BF16] = mm_bf16_gemv}

#endif
