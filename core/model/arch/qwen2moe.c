/* Qwen 1.5/2 MoE: router weights as they are, a shared expert behind a gate. */
#include "model/arch.h"

const struct arch arch_qwen2moe = {.name = "qwen2moe", .rope = ROPE_NEOX, .moe_raw_weights = true};
