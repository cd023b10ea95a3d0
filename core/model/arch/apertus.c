/* Apertus: xIELU without a gate, norms on q and k (by presence). */
#include "model/arch.h"

const struct arch arch_apertus = {.name = "apertus", .rope = ROPE_NEOX, .act = FFN_XIELU};
