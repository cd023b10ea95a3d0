/* LFM2 with experts after the first blocks. */
#include "model/arch.h"

const struct arch arch_lfm2moe = {
    .name = "lfm2moe", .rope = ROPE_NEOX, .window_all = true, .window_from_file = true};
