/* Attention over rows of integers (KV_I16): what is multiplied by them, queries and weights, becomes rows of integers
 * too. kern_attn.h has the rule; these are the bodies in SIMD128, eight products an instruction. */
#ifndef SOTTO_KERN_ATTN_CODES_H
#define SOTTO_KERN_ATTN_CODES_H

#include "kern/kern_attn.h"

/* The row of src * by, the largest of which gets the code `top`. */
void attn_codes_store(uint8_t *row, const float *src, float by, size_t dim, float top);
void attn_codes_load(float *dst, const uint8_t *row, size_t dim, size_t dim_row);
/* scores[r] = q[r] . k[j] for positions [from, to), multiples of four, of a block of keys. Rows of q follow each other,
 * those of scores are KV_PAGE apart. */
void attn_codes_scores(float *scores, const uint8_t *q, uint32_t n_rows, const uint8_t *k, size_t dim, uint32_t from,
                       uint32_t to);
/* Makes the weights p[KV_PAGE] of a row a row of integers, in place: those of [from, to), multiples of eight, none below
 * zero or above `largest`. The others are zero. */
void attn_codes_weights(float *p, float largest, uint32_t from, uint32_t to);
/* acc[r] += p[r] . v for positions [from, to) of a block of values whose rows have `bytes`. Of p, rows of integers, those
 * are KV_PAGE floats apart; what they weigh outside [from, to) is zero. acc has room for dim padded to eight. */
void attn_codes_sums(float *acc, size_t acc_stride, const float *p, uint32_t n_rows, const uint8_t *v, size_t bytes,
                     size_t dim, uint32_t from, uint32_t to);

#endif
