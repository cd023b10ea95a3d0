/* ERNIE 4.5 MoE: a bias for the choice of experts, shared experts. */
#include "model/arch.h"

const struct arch arch_ernie4_5_moe = {.name = "ernie4_5-moe"};
