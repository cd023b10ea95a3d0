/* Qwen3-Next: gated delta nets, every fourth layer attention with a gate; experts and a shared one. */
#include "model/arch.h"

const struct arch arch_qwen3next = {.name = "qwen3next",
                                    .rope = ROPE_NEOX,
                                    .ffn_norm = "post_attention_norm",
                                    .attention_period = 4};
