/* Hunyuan dense: norms on q and k after rotation. */
#include "model/arch.h"

const struct arch arch_hunyuan_dense = {
    .name = "hunyuan-dense", .rope = ROPE_NEOX, .qk_norm_after_rope = true};
