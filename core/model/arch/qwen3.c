/* Qwen 3 dense: q/k norms per head (by presence), explicit head size. */
#include "model/arch.h"

const struct arch arch_qwen3 = {.name = "qwen3", .rope = ROPE_NEOX};
