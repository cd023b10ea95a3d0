/* Phi-3 and 3.5 mini, medium: fused q/k/v and gate/up (by presence), LongRoPE (by key). The sliding
 * window stands in the files but the reference does not use it. */
#include "model/arch.h"

const struct arch arch_phi3 = {.name = "phi3", .rope = ROPE_NEOX};
