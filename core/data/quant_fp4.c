/* Four-bit floats (E2M1) and codebook nibbles: MXFP4 NVFP4 IQ4_NL IQ4_XS. */
#include "data/quant.h"

const int8_t quant_fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
const int8_t quant_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

/* n nibbles: the low ones of n / 2 bytes, then the high ones */
static void nibbles(float *dst, const uint8_t *q, int n, float scale, const int8_t *values) {
    for (int j = 0; j < n / 2; j++) {
        dst[j] = scale * (float)values[q[j] & 15];
        dst[j + n / 2] = scale * (float)values[q[j] >> 4];
    }
}

/* e:u8 (power of two) q[16] */
void quant_mxfp4_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 17)
        nibbles(dst + i, p + 1, 32, quant_e8m0_half(p[0]), quant_fp4_values);
}

/* scale:e4m3[4] q[32]; 16 elements a scale */
void quant_nvfp4_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 64, p += 36)
        for (int g = 0; g < 4; g++)
            nibbles(dst + i + 16 * g, p + 4 + 8 * g, 16, quant_ue4m3_half(p[g]), quant_fp4_values);
}

/* d:f16 q[16] */
void quant_iq4_nl_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 32, p += 18)
        nibbles(dst + i, p + 2, 32, half_to_float(load_u16(p)), quant_iq4_values);
}

/* d:f16 scales_high:u16 scales_low[4] q[128]; d * scale of 32 elements */
void quant_iq4_xs_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 136) {
        float d = half_to_float(load_u16(p));
        for (int g = 0; g < 8; g++)
            nibbles(dst + i + 32 * g, p + 8 + 16 * g, 32, d * (float)quant_iq4_xs_scale(p, g),
                    quant_iq4_values);
    }
}
