/* Codebooks of the IQ formats, packed: a code of IQ1 and IQ2 is 8 values of 2 bits, of IQ3 4 values of 3 bits,
 * the first in the lowest bits. The tables are part of the format; quant_iq_tab.c has 9 KB of them. */
#ifndef SOTTO_DATA_QUANT_IQ_TAB_H
#define SOTTO_DATA_QUANT_IQ_TAB_H

#include <stdint.h>

extern const uint16_t quant_iq1s_grid[2048]; /* values - 1: -1, 0, 1; IQ1_S and IQ1_M */
extern const uint16_t quant_iq2xxs_grid[256];
extern const uint16_t quant_iq2xs_grid[512];
extern const uint16_t quant_iq2s_grid[1024];
extern const uint16_t quant_iq3xxs_grid[256];
extern const uint16_t quant_iq3s_grid[512];

/* Value i of a code. */
static inline int quant_iq1_value(uint16_t code, int i) { return (code >> 2 * i & 3) - 1; }
static inline int quant_iq2_value(uint16_t code, int i) { return 0x2b1908 >> (code >> 2 * i & 3) * 8 & 255; }
static inline int quant_iq3xxs_value(uint16_t code, int i) {
    int v = code >> 3 * i & 7;
    return 4 + 8 * v + (v == 7 ? 2 : 0); /* 4 12 20 28 36 44 52 62 */
}
static inline int quant_iq3s_value(uint16_t code, int i) { return 2 * (code >> 3 * i & 7) + 1; }

/* Eight sign bits of a 7-bit code: the eighth makes their number even. */
static inline uint8_t quant_iq_signs(unsigned code) {
    return (uint8_t)(code | (unsigned)(__builtin_popcount(code) & 1) << 7);
}

#endif
