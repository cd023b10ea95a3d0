/* Jamba: Mamba blocks and some of attention without positions, experts in every other. */
#include "model/arch.h"

const struct arch arch_jamba = {.name = "jamba", .rope = ROPE_NONE, .moe_raw_weights = true};
