/* Nemotron-H, Nemotron Nano 2: every block is one of Mamba-2, attention without positions, or a
 * squared-relu FFN. */
#include "model/arch.h"

const struct arch arch_nemotron_h = {.name = "nemotron_h", .rope = ROPE_NONE, .act = FFN_RELU2};
