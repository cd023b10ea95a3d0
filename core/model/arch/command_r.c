/* Command R and R+: parallel branches (by presence), scaled logits. */
#include "model/arch.h"

const struct arch arch_command_r = {.name = "command-r", .norm = NORM_LAYER};
