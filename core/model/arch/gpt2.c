/* GPT-2: learned positions, layer norms. */
#include "model/arch.h"

const struct arch arch_gpt2 = {
    .name = "gpt2", .norm = NORM_LAYER, .rope = ROPE_NONE, .act = FFN_GELU};
