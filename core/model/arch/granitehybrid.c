/* Granite 4: Mamba-2 blocks and some of attention; Granite's scales; positions only where the file
 * asks for them. */
#include "model/arch.h"

const struct arch arch_granitehybrid = {
    .name = "granitehybrid", .logit_scale_divides = true, .rope_by_key = true};
