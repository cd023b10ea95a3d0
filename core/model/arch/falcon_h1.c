/* Falcon-H1: attention and Mamba-2 side by side in every block. */
#include "model/arch.h"

const struct arch arch_falcon_h1 = {.name = "falcon-h1", .rope = ROPE_NEOX};
