/* Types without blocks: floats and integers. */
#include "data/quant.h"

void quant_f32_decode(float *dst, const void *blocks, size_t n) {
    memcpy(dst, blocks, n * 4);
}

void quant_f16_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) dst[i] = half_to_float(load_u16(p + 2 * i));
}

void quant_bf16_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) dst[i] = bf16_to_float(load_u16(p + 2 * i));
}

void quant_f64_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, p + 8 * i, 8);
        dst[i] = (float)v;
    }
}

void quant_i8_decode(float *dst, const void *blocks, size_t n) {
    const int8_t *p = blocks;
    for (size_t i = 0; i < n; i++) dst[i] = p[i];
}

void quant_i16_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) dst[i] = (int16_t)load_u16(p + 2 * i);
}

void quant_i32_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) dst[i] = (float)(int32_t)load_u32(p + 4 * i);
}

void quant_i64_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) dst[i] = (float)(int64_t)load_u64(p + 8 * i);
}
