/* GLM-4 0414: norms before and after (by presence). */
#include "model/arch.h"

const struct arch arch_glm4 = {.name = "glm4"};
