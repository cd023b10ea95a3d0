/* gpt-oss: experts with biases and a clamped swish, learned sinks, every other layer sees a window.
 * The norm before the experts is called post_attention_norm in the files. */
#include "model/arch.h"

const struct arch arch_gpt_oss = {
    .name = "gpt-oss",
    .rope = ROPE_NEOX,
    .act = FFN_OAI,
    .ffn_norm = "post_attention_norm",
    .window_period = 2,
    .window_default = 128,
    .moe_gate = MOE_SOFTMAX_CHOSEN,
};
