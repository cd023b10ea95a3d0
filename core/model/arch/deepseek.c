/* DeepSeek-MoE 16B: dense first blocks, router weights as they are, shared experts. */
#include "model/arch.h"

const struct arch arch_deepseek = {.name = "deepseek", .moe_raw_weights = true};
