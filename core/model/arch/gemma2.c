/* Gemma 2: norms on both sides of attention and FFN (by presence), soft caps (by key), every other
 * layer sees a window; the 27B model scales queries by its embedding size. */
#include "model/arch.h"

const struct arch arch_gemma2 = {
    .name = "gemma2",
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .embd_scale_sqrt = true,
    .window_period = 2,
    .window_default = 4096,
    .attn_scale_layers = 46,
};
