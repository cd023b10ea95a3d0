/* LFM2: gated short convolutions and some blocks of attention, which a file may window. */
#include "model/arch.h"

const struct arch arch_lfm2 = {
    .name = "lfm2", .rope = ROPE_NEOX, .window_all = true, .window_from_file = true};
