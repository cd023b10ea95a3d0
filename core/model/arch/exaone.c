/* EXAONE 3. */
#include "model/arch.h"

const struct arch arch_exaone = {.name = "exaone", .rope = ROPE_NEOX};
