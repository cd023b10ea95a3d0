/* StarCoder 2: layer norms, plain FFN with GELU. */
#include "model/arch.h"

const struct arch arch_starcoder2 = {
    .name = "starcoder2", .norm = NORM_LAYER, .rope = ROPE_NEOX, .act = FFN_GELU};
