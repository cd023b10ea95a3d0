/* Qwen 3 MoE. */
#include "model/arch.h"

const struct arch arch_qwen3moe = {.name = "qwen3moe", .rope = ROPE_NEOX};
