/* Gemma 1: embeddings scaled by sqrt(n_embd), GEGLU. */
#include "model/arch.h"

const struct arch arch_gemma = {
    .name = "gemma", .rope = ROPE_NEOX, .act = FFN_GELU, .embd_scale_sqrt = true};
