/* MPT: ALiBi, q/k/v clamped (by key), layer norms without biases. */
#include "model/arch.h"

const struct arch arch_mpt = {.name = "mpt",
                              .norm = NORM_LAYER,
                              .rope = ROPE_NONE,
                              .act = FFN_GELU,
                              .alibi = true,
                              .alibi_default = 8};
