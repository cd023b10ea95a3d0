/* CodeShell: layer norms, plain FFN. */
#include "model/arch.h"

const struct arch arch_codeshell = {
    .name = "codeshell", .norm = NORM_LAYER, .rope = ROPE_NEOX, .act = FFN_GELU};
