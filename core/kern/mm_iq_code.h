/* Codes and signs of the codebook formats as vectors, for mm_iq.c and mm_iq_gemv.c. */
#ifndef SOTTO_KERN_MM_IQ_CODE_H
#define SOTTO_KERN_MM_IQ_CODE_H

#include "base/bytes.h"
#include "data/quant_iq_tab.h"
#include "kern/mm_unit.h"

#ifdef KERN_SIMD128

/* Fields of 2 bits of two codes (8 each), of 3 bits of four codes (4 each), as 16 bytes. */
V_INLINE v128 iq_fields2(uint32_t a, uint32_t b, v128 at) {
    return vb_narrow(vh_shr_u(vh_mul(vh_splat((int16_t)a), at), 14),
                     vh_shr_u(vh_mul(vh_splat((int16_t)b), at), 14));
}
V_INLINE v128 iq_fields3(uint32_t a, uint32_t b, uint32_t c, uint32_t d, v128 at) {
    v128 x = vi_splat((int32_t)(a | b << 16)), y = vi_splat((int32_t)(c | d << 16));
    x = V_SHUFFLE16(x, x, 0, 0, 0, 0, 1, 1, 1, 1);
    y = V_SHUFFLE16(y, y, 0, 0, 0, 0, 1, 1, 1, 1);
    return vb_narrow(vh_shr_u(vh_mul(x, at), 13), vh_shr_u(vh_mul(y, at), 13));
}
/* Byte i is -1 where bit i of signs is set. */
V_INLINE v128 iq_mask(uint32_t signs, v128 bit) {
    v128 s = vi_splat((int32_t)signs);
    s = V_SHUFFLE8(s, s, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    return vb_eq(v_and(s, bit), bit);
}

static const int16_t iq_at2[8] = {1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1};
static const int16_t iq_at3[8] = {1 << 13, 1 << 10, 1 << 7, 1 << 4, 1 << 13, 1 << 10, 1 << 7, 1 << 4};
static const uint8_t iq_bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
static const int8_t iq1_values[16] = {-8, 0, 8, 16}, iq2_values[16] = {8, 25, 43};
static const int8_t iq3xxs_values[16] = {4, 12, 20, 28, 36, 44, 52, 62},
                    iq3s_values[16] = {1, 3, 5, 7, 9, 11, 13, 15};

#endif
#endif
