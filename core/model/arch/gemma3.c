/* Gemma 3: as Gemma 2 without caps, with q/k norms; five windowed layers to a global one, and the
 * windowed ones rotate with their own base and no scaling. */
#include "model/arch.h"

const struct arch arch_gemma3 = {
    .name = "gemma3",
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .embd_scale_sqrt = true,
    .window_period = 6,
    .window_default = 1024,
    .local_rope_base = 10000,
    .attn_scale_layers = 62,
};
