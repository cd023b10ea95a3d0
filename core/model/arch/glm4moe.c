/* GLM-4.5: sigmoid router with a bias for the choice; the FFN norm is called post_attention_norm.
 */
#include "model/arch.h"

const struct arch arch_glm4moe = {
    .name = "glm4moe",
    .rope = ROPE_NEOX,
    .ffn_norm = "post_attention_norm",
    .moe_gate = MOE_SIGMOID,
};
