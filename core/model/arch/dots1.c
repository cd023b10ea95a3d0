/* dots.llm1: sigmoid router with a bias for the choice, shared experts. */
#include "model/arch.h"

const struct arch arch_dots1 = {.name = "dots1", .rope = ROPE_NEOX, .moe_raw_weights = true};
