/* Command R7B: parallel branches (by presence), three windowed layers to a global one that does not
 * rotate. */
#include "model/arch.h"

const struct arch arch_cohere2 = {
    .name = "cohere2",
    .norm = NORM_LAYER,
    .window_period = 4,
    .window_default = 4096,
    .no_rope = LAYERS_GLOBAL,
};
