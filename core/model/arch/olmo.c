/* OLMo 1: norms without weights, q/k/v clamped (by key). */
#include "model/arch.h"

const struct arch arch_olmo = {.name = "olmo", .norm = NORM_LAYER_PLAIN};
