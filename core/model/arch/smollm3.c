/* SmolLM 3: every fourth layer has no rotation. */
#include "model/arch.h"

const struct arch arch_smollm3 = {.name = "smollm3", .no_rope = LAYERS_EVERY_FOURTH};
