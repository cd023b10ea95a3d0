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

#define MM_IQ_ENTRIES(unpack, dot1, dot4)                                                          \
    [DT_IQ2_XXS] = {unpack, dot1, dot4, NULL}, [DT_IQ2_XS] = {unpack, dot1, dot4, NULL},           \
    [DT_IQ2_S] = {unpack, dot1, dot4, NULL}, [DT_IQ3_XXS] = {unpack, dot1, dot4, NULL},            \
    [DT_IQ3_S] = {unpack, dot1, dot4, NULL}, [DT_IQ1_S] = {unpack, dot1, dot4, NULL},              \
    [DT_IQ1_M] = {unpack, dot1, dot4, NULL}, [DT_TQ1_0] = {unpack, dot1, dot4, NULL}

#endif
