/* Phi 1, 1.5 and 2: attention and FFN side by side under one layer norm (by presence). */
#include "model/arch.h"

const struct arch arch_phi2 = {
    .name = "phi2", .norm = NORM_LAYER, .rope = ROPE_NEOX, .act = FFN_GELU};
