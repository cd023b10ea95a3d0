/* DBRX: layer norms without biases, q/k/v clamped (by key); the FFN norm is called
 * attn_output_norm. */
#include "model/arch.h"

const struct arch arch_dbrx = {
    .name = "dbrx",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .ffn_norm = "attn_output_norm",
};
