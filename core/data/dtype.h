/* The table of element types: ggml's ids, block shapes and reference codecs.
 *
 * A new quantization is one row here (plus its codec in quant_*.c); kern/ adds the products. */
#ifndef SOTTO_DATA_DTYPE_H
#define SOTTO_DATA_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ggml's type ids, as they stand in GGUF tensor infos. */
enum dtype {
    DT_F32 = 0, DT_F16 = 1, DT_Q4_0 = 2, DT_Q4_1 = 3, DT_Q5_0 = 6, DT_Q5_1 = 7, DT_Q8_0 = 8,
    DT_Q2_K = 10, DT_Q3_K = 11, DT_Q4_K = 12, DT_Q5_K = 13, DT_Q6_K = 14,
    DT_IQ2_XXS = 16, DT_IQ2_XS = 17, DT_IQ3_XXS = 18, DT_IQ1_S = 19, DT_IQ4_NL = 20, DT_IQ3_S = 21,
    DT_IQ2_S = 22, DT_IQ4_XS = 23, DT_I8 = 24, DT_I16 = 25, DT_I32 = 26, DT_I64 = 27, DT_F64 = 28,
    DT_IQ1_M = 29, DT_BF16 = 30, DT_TQ1_0 = 34, DT_TQ2_0 = 35, DT_MXFP4 = 39, DT_NVFP4 = 40, DT_Q1_0 = 41, DT_Q2_0 = 42,
    DT_COUNT = 48 /* one past the largest id the table can hold */
};

struct dtype_info {
    const char *name;      /* as ggml prints it: "Q4_K" */
    uint16_t block, bytes; /* elements and bytes of one block */
    /* n elements (a multiple of block) from packed file blocks; exact up to the order of two products */
    void (*decode)(float *dst, const void *blocks, size_t n);
    /* the inverse, as `sotto quantize` uses it; NULL where this build does not write the type */
    void (*encode)(void *blocks, const float *src, size_t n);
};

/* NULL for an unknown id. */
const struct dtype_info *dtype_info(uint32_t id);

/* Bytes of n elements (n a multiple of the block), 0 for an unknown id or a ragged n. */
size_t dtype_bytes(uint32_t id, size_t n);

#endif
