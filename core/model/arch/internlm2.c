/* InternLM 2. */
#include "model/arch.h"

const struct arch arch_internlm2 = {.name = "internlm2"};
