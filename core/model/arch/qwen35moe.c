/* Qwen 3.5 MoE. */
#include "model/arch.h"

const struct arch arch_qwen35moe = {.name = "qwen35moe",
                                    .rope = ROPE_NEOX,
                                    .ffn_norm = "post_attention_norm",
                                    .attention_period = 4};
