/* OLMoE: router weights as they are, norms over the whole of q and k (by presence). */
#include "model/arch.h"

const struct arch arch_olmoe = {.name = "olmoe", .rope = ROPE_NEOX, .moe_raw_weights = true};
