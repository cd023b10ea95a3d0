/* Mamba-2, Codestral Mamba: blocks of one recurrent mixer with a decay a head. */
#include "model/arch.h"

const struct arch arch_mamba2 = {.name = "mamba2", .rope = ROPE_NONE};
