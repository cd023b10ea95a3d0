/* The codebook and ternary formats as Q8K products. */
#ifndef SOTTO_KERN_MM_IQ_H
#define SOTTO_KERN_MM_IQ_H

#include "kern/kern_mm.h"

struct mm_iq {
    uint8_t
        d_at;   /* where a block keeps its half-float d (IQ1_M: the four words that share it out) */
    float unit; /* values are integers * d * unit */
};

/* NULL for a type that is not one of them. */
const struct mm_iq *mm_iq(uint32_t dtype);
uint16_t mm_iq_d(uint32_t dtype, const uint8_t *block);
mm_unpack mm_iq_unpack; /* vector body */

enum { MM_IQ_BOOK = 2048 * 8 }; /* bytes of the largest book */

/* mm_iq_gemv.c */
extern const struct mm_book mm_book_iq1_s, mm_book_iq1_m, mm_book_iq2_xxs, mm_book_iq2_xs, mm_book_iq2_s, mm_book_iq3_xxs, mm_book_iq3_s,
    mm_book_iq2_xxs_relaxed, mm_book_iq2_xs_relaxed, mm_book_iq2_s_relaxed, mm_book_iq3_xxs_relaxed,
    mm_book_iq3_s_relaxed;
mm_dot mm_gemv_tq1_0;

#define MM_IQ_ENTRIES(unpack, dot1, dot4, gemv_tq1_0)                                              \
    [DT_IQ2_XXS] = {unpack, dot1, dot4, NULL}, [DT_IQ2_XS] = {unpack, dot1, dot4, NULL},           \
    [DT_IQ2_S] = {unpack, dot1, dot4, NULL}, [DT_IQ3_XXS] = {unpack, dot1, dot4, NULL},            \
    [DT_IQ3_S] = {unpack, dot1, dot4, NULL}, [DT_IQ1_S] = {unpack, dot1, dot4, NULL},              \
    [DT_IQ1_M] = {unpack, dot1, dot4, NULL}, [DT_TQ1_0] = {unpack, dot1, dot4, gemv_tq1_0}
#define MM_IQ_VECTOR MM_IQ_ENTRIES(mm_iq_unpack, mm_pairs256_1, mm_pairs256_4, mm_gemv_tq1_0)
#define MM_IQ_BOOKS(suffix)                                                                        \
    [DT_IQ2_XXS] = &mm_book_iq2_xxs##suffix, [DT_IQ2_XS] = &mm_book_iq2_xs##suffix,                \
    [DT_IQ2_S] = &mm_book_iq2_s##suffix, [DT_IQ3_XXS] = &mm_book_iq3_xxs##suffix,                  \
    [DT_IQ3_S] = &mm_book_iq3_s##suffix, [DT_IQ1_S] = &mm_book_iq1_s, [DT_IQ1_M] = &mm_book_iq1_m

#endif
