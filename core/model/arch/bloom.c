/* BLOOM: ALiBi, a norm on the embeddings. */
#include "model/arch.h"

const struct arch arch_bloom = {.name = "bloom",
                                .norm = NORM_LAYER,
                                .rope = ROPE_NONE,
                                .act = FFN_GELU,
                                .alibi = true,
                                .alibi_default = 8};
