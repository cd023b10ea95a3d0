/* ModernBERT: norms before the branches, a window in two of three blocks, the first sees all. */
#include "model/arch.h"

const struct arch arch_modern_bert = {
    .name = "modern-bert",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .encoder = true,
    .window_period = 3,
    .window_global_first = true,
    .window_from_file = true,
    .local_rope_base = 10000,
    .head_act = FFN_GELU,
    .head_mean = true,
};
