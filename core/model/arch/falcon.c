/* Falcon 7B and 40B: parallel branches (by presence); the 40B has a norm for each. */
#include "model/arch.h"

const struct arch arch_falcon = {
    .name = "falcon", .norm = NORM_LAYER, .rope = ROPE_NEOX, .act = FFN_GELU};
