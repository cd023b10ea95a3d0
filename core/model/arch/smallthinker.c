/* SmallThinker: the router reads the block's input, before attention; experts with a ReLU gate;
 * with a window every fourth layer, from the first on, sees everything and does not rotate. The
 * window is 4096 whatever the file says. */
#include "model/hparams.h"

static void derive(struct hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layer; i++)
        if (hp->layers[i].window) hp->layers[i].window = 4096;
}

const struct arch arch_smallthinker = {
    .name = "smallthinker",
    .rope = ROPE_NEOX,
    .act = FFN_RELU,
    .window_period = 4,
    .window_global_first = true,
    .window_from_file = true,
    .no_rope = LAYERS_GLOBAL,
    .moe_early = true,
    .derive = derive,
};
