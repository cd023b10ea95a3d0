/* Codebook formats: super-blocks of 256 in eight groups of 32 elements. */
#include "data/quant.h"
#include "data/quant_iq_tab.h"

static float with_sign(float v, unsigned signs, int i) {
    return signs >> i & 1 ? -v : v;
}

static void put_iq2(float *dst, float scale, uint16_t code, unsigned signs) {
    for (int i = 0; i < 8; i++)
        dst[i] = with_sign(scale * (float)quant_iq2_value(code, i), signs, i);
}

/* d:f16, a group is code[4] and a word: four sign codes of 7 bits and a 4-bit scale */
void quant_iq2_xxs_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 66) {
        float d = half_to_float(load_u16(p));
        for (int g = 0; g < 8; g++) {
            const uint8_t *code = p + 2 + 8 * g;
            uint32_t word = load_u32(code + 4);
            float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
            for (int k = 0; k < 4; k++, dst += 8)
                put_iq2(dst, scale, quant_iq2xxs_grid[code[k]],
                        quant_iq_signs(word >> 7 * k & 127));
        }
    }
}

/* d:f16 code:u16[32] (9 bits and a sign code) scales[8], a nibble for 16 elements */
void quant_iq2_xs_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 74) {
        float d = half_to_float(load_u16(p));
        for (int k = 0; k < 32; k++, dst += 8) {
            uint16_t code = load_u16(p + 2 + 2 * k);
            int nibble = p[66 + k / 4] >> k % 4 / 2 * 4 & 15;
            float scale = d * (0.5f + (float)nibble) * 0.25f;
            put_iq2(dst, scale, quant_iq2xs_grid[code & 511], quant_iq_signs(code >> 9));
        }
    }
}

/* d:f16 code[32] signs[32] high[8] (two more bits of a code) scales[8] */
void quant_iq2_s_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 82) {
        float d = half_to_float(load_u16(p));
        for (int k = 0; k < 32; k++, dst += 8) {
            int code = p[2 + k] | (p[66 + k / 4] >> k % 4 * 2 & 3) << 8;
            int nibble = p[74 + k / 4] >> k % 4 / 2 * 4 & 15;
            float scale = d * (0.5f + (float)nibble) * 0.25f;
            put_iq2(dst, scale, quant_iq2s_grid[code], p[34 + k]);
        }
    }
}

/* d:f16 code[64] word:u32[8] (four sign codes and a scale for 32 elements) */
void quant_iq3_xxs_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 98) {
        float d = half_to_float(load_u16(p));
        for (int k = 0; k < 64; k++, dst += 4) {
            uint32_t word = load_u32(p + 66 + k / 8 * 4);
            uint16_t code = quant_iq3xxs_grid[p[2 + k]];
            unsigned signs = quant_iq_signs(word >> 7 * (k % 8 / 2) & 127) >> k % 2 * 4;
            float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
            for (int j = 0; j < 4; j++)
                dst[j] = with_sign(scale * (float)quant_iq3xxs_value(code, j), signs, j);
        }
    }
}

/* d:f16 code[64] high[8] (a ninth bit) signs[32] scales[4], a nibble for 32 elements */
void quant_iq3_s_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 110) {
        float d = half_to_float(load_u16(p));
        for (int k = 0; k < 64; k++, dst += 4) {
            uint16_t code = quant_iq3s_grid[p[2 + k] | (p[66 + k / 8] >> k % 8 & 1) << 8];
            unsigned signs = p[74 + k / 2] >> k % 2 * 4;
            float scale = d * (float)(1 + 2 * (p[106 + k / 16] >> k / 8 % 2 * 4 & 15));
            for (int j = 0; j < 4; j++)
                dst[j] = with_sign(scale * (float)quant_iq3s_value(code, j), signs, j);
        }
    }
}

static void put_iq1(float *dst, float scale, uint16_t code, float delta) {
    for (int i = 0; i < 8; i++) dst[i] = scale * ((float)quant_iq1_value(code, i) + delta);
}

/* d:f16 code[32] high:u16[8]: three more bits for each of four codes, a 3-bit scale, the sign of
 * delta */
void quant_iq1_s_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 50) {
        float d = half_to_float(load_u16(p));
        for (int k = 0; k < 32; k++, dst += 8) {
            uint16_t high = load_u16(p + 34 + k / 4 * 2);
            float scale = d * (float)(2 * (high >> 12 & 7) + 1);
            int code = p[2 + k] | (high >> 3 * (k % 4) & 7) << 8;
            put_iq1(dst, scale, quant_iq1s_grid[code], high & 0x8000 ? -0.125f : 0.125f);
        }
    }
}

/* code[32] high[16] (a nibble a code: three bits and the sign of delta) scales:u16[4]: four scales
 * of 3 bits, each for 16 elements, and in the top nibbles the four parts of d:f16 */
void quant_iq1_m_decode(float *dst, const void *blocks, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i += 256, p += 56) {
        uint16_t bits = 0;
        float d;
        for (int k = 0; k < 4; k++) bits |= (uint16_t)(load_u16(p + 48 + 2 * k) >> 12 << 4 * k);
        d = half_to_float(bits);
        for (int k = 0; k < 32; k++, dst += 8) {
            int high = p[32 + k / 2] >> k % 2 * 4 & 15;
            int s = load_u16(p + 48 + k / 8 * 2) >> 3 * (k / 2 % 4) & 7;
            float scale = d * (float)(2 * s + 1);
            int code = p[k] | (high & 7) << 8;
            put_iq1(dst, scale, quant_iq1s_grid[code], high & 8 ? -0.125f : 0.125f);
        }
    }
}
