/* Phi-3.5-MoE: norms with biases (by presence), LongRoPE, two of sixteen experts. */
#include "model/arch.h"

const struct arch arch_phimoe = {.name = "phimoe", .rope = ROPE_NEOX};
