/* Hunyuan A13B: as dense, with experts and a shared one. */
#include "model/arch.h"

const struct arch arch_hunyuan_moe = {
    .name = "hunyuan-moe", .rope = ROPE_NEOX, .qk_norm_after_rope = true};
