/* Qwen 2 and 2.5, DeepSeek-R1-Distill-Qwen: q/k/v biases (by presence). */
#include "model/arch.h"

const struct arch arch_qwen2 = {.name = "qwen2", .rope = ROPE_NEOX};
