/* Gemma 4: as Gemma 3, with heads of another size in windowed layers, a norm on V, scores that are
 * not scaled, inputs of each layer's own, and (by key) layers that share earlier ones' K and V. */
#include "model/hparams.h"

static void derive(struct hparams *hp) {
    hp->attn_scale = 1;
}

const struct arch arch_gemma4 = {
    .name = "gemma4",
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .embd_scale_sqrt = true,
    .v_norm = true,
    .v_from_k = true,
    .window_period = 6,
    .window_default = 1024,
    .local_rope_base = 10000,
    .derive = derive,
};
