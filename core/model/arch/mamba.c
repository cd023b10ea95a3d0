/* Mamba, FalconMamba (whose time steps, B and C are normalised, by key): blocks of one recurrent
 * mixer and nothing else. */
#include "model/arch.h"

const struct arch arch_mamba = {.name = "mamba", .rope = ROPE_NONE};
