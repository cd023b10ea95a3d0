/* MiniMax M2: sigmoid router with a bias for the choice, norms over the whole of q and k. */
#include "model/arch.h"

const struct arch arch_minimax_m2 = {
    .name = "minimax-m2", .rope = ROPE_NEOX, .moe_gate = MOE_SIGMOID};
