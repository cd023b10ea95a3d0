/* Granite 3 MoE: as Granite, with experts and perhaps a shared one. */
#include "model/arch.h"

const struct arch arch_granitemoe = {.name = "granitemoe", .logit_scale_divides = true};
