/* Orion: layer norms with biases in Llama blocks. */
#include "model/arch.h"

const struct arch arch_orion = {.name = "orion", .norm = NORM_LAYER, .rope = ROPE_NEOX};
