/* Ling and Ring 2: sigmoid router over groups of experts, shared experts, norms on q and k. */
#include "model/arch.h"

const struct arch arch_bailingmoe2 = {
    .name = "bailingmoe2", .rope = ROPE_NEOX, .moe_raw_weights = true};
