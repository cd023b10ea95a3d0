/* Vector bodies of products with f32 activations. */
#ifndef SOTTO_KERN_MM_F32_H
#define SOTTO_KERN_MM_F32_H

#include "kern/kern_mm.h"

mm_dot mm_f32_dot1, mm_f32_dot4, mm_f32_gemv, mm_f16_gemv, mm_bf16_gemv;
mm_unpack mm_f32_unpack; /* F32, F16 and BF16 tiles */

#define MM_F32_ENTRIES                                                                             \
    .f32_dot1 = mm_f32_dot1, .f32_dot4 = mm_f32_dot4,                                              \
    .f32_unpack = {[DT_F32] = mm_f32_unpack, [DT_F16] = mm_f32_unpack, [DT_BF16] = mm_f32_unpack}, \
    .f32_gemv = {[DT_F32] = mm_f32_gemv, [DT_F16] = mm_f16_gemv, [DT_BF16] = mm_bf16_gemv}

#endif
