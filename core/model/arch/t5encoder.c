/* The encoder of T5: no positions but a bias by distance (of block 0, by presence), unscaled scores;
 * ReLU in T5, a gated GELU in its successors. */
#include "model/arch.h"

const struct arch arch_t5encoder = {
    .name = "t5encoder",
    .rope = ROPE_NONE,
    .act = FFN_GELU,
    .act_ungated = FFN_RELU,
    .encoder = true,
    .attn_unscaled = true,
    .attn_out = "attn_o",
    .tensors = "enc.",
};
