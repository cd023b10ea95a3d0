/* StableLM 2: layer norms, partial rotation; the 12B has norms a head and parallel branches (by
 * presence). */
#include "model/arch.h"

const struct arch arch_stablelm = {.name = "stablelm", .norm = NORM_LAYER, .rope = ROPE_NEOX};
