/* Blocks as they stand in the file, and their parts: scales as a struct mm_block, codes as words. */
#ifndef SOTTO_KERN_MM_FILE_H
#define SOTTO_KERN_MM_FILE_H

#include "kern/mm_tile.h"
#include "kern/mm_unit.h"

#define MM_NIBBLES 0x0f0f0f0fu
#define MM_PAIRS 0x03030303u
#define MM_ONES 0x01010101u

/* Four codes (columns) of each of four rows: a lane is a row; without vectors of one row. */
#ifdef KERN_SIMD128
typedef v128 mm_words;
#define W_AND(a, mask) v_and(a, vi_splat((int32_t)(mask)))
#define W_OR(a, b) v_or(a, b)
#define W_XOR(a, mask) v_xor(a, vi_splat((int32_t)(mask)))
#define W_SHR(a, n) vi_shr_u(a, n)
#define W_SHL(a, n) vi_shl(a, n)
#define W_MUL(a, n) vi_mul(a, vi_splat((int32_t)(n)))
enum { MM_LANES = 4 };
#else
typedef uint32_t mm_words;
#define W_AND(a, mask) ((a) & (mask))
#define W_OR(a, b) ((a) | (b))
#define W_XOR(a, mask) ((a) ^ (mask))
#define W_SHR(a, n) ((a) >> (n))
#define W_SHL(a, n) ((a) << (n))
#define W_MUL(a, n) ((a) * (n))
enum { MM_LANES = 1 };
#endif

/* Scales and the like of a block at p. */
void mm_split_head(uint32_t dtype, struct mm_block *b, const uint8_t *p);
/* The codes of the blocks at p, p + stride, … of MM_LANES rows: a word for each four columns. */
void mm_split_codes(uint32_t dtype, mm_words *code, const uint8_t *p, size_t stride);
/* The block that was taken apart. */
void mm_join(uint32_t dtype, uint8_t *p, const struct mm_block *b);

#endif
