/* Qwen 3 dense: q/k norms per head (by presence), explicit head size; its rerankers choose between
 * yes and no. */
#include "model/arch.h"

const struct arch arch_qwen3 = {.name = "qwen3", .rope = ROPE_NEOX, .head_softmax = true};
