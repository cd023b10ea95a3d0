/* StarCoder 1 (SantaCoder): as GPT-2 with one key head. */
#include "model/arch.h"

const struct arch arch_starcoder = {
    .name = "starcoder", .norm = NORM_LAYER, .rope = ROPE_NONE, .act = FFN_GELU};
