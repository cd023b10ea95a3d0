/* Nemotron, Minitron: layer norms, squared ReLU. */
#include "model/arch.h"

const struct arch arch_nemotron = {
    .name = "nemotron", .norm = NORM_LAYER, .rope = ROPE_NEOX, .act = FFN_RELU2};
