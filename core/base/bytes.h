/* Little-endian loads from unaligned bytes, and the half-float conversions. */
#ifndef SOTTO_BASE_BYTES_H
#define SOTTO_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_u16(const void *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t load_u32(const void *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t load_u64(const void *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static inline float load_f32(const void *p) { float v; memcpy(&v, p, 4); return v; }
static inline uint32_t float_bits(float v) { uint32_t u; memcpy(&u, &v, 4); return u; }
static inline float bits_float(uint32_t u) { float v; memcpy(&v, &u, 4); return v; }

/* IEEE binary16 to binary32, exact for all values, subnormals and NaN included. */
static inline float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    if (rest >= 0x0f800000u) return bits_float(sign | (rest + 0x70000000u)); /* inf, nan */
    /* value * 2^-112 as a float, scaled back: subnormal halves become normal floats exactly */
    return bits_float(sign | float_bits(bits_float(rest) * 0x1p112f));
}

/* Rounds to nearest even, as hardware does. */
static inline uint16_t float_to_half(float f) {
    uint32_t u = float_bits(f), sign = (u >> 16) & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00 | ((a >> 13) & 0x3ff)); /* quiet nan */
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00);                      /* rounds to inf */
    if (a < 0x38800000u) { /* subnormal or zero: let the float adder round */
        uint32_t m = float_bits(bits_float(a) + 0.5f) - 0x3f000000u;
        return (uint16_t)(sign | m);
    }
    return (uint16_t)(sign | ((a + 0xfffu + ((a >> 13) & 1)) - 0x38000000u) >> 13);
}

static inline float bf16_to_float(uint16_t h) { return bits_float((uint32_t)h << 16); }
static inline uint16_t float_to_bf16(float f) {
    uint32_t u = float_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000u) return (uint16_t)((u >> 16) | 64);
    return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

#endif
