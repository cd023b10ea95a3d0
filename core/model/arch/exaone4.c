/* EXAONE 4: norms after the branches; with a window, three windowed layers to a global one that
 * does not rotate. */
#include "model/arch.h"

const struct arch arch_exaone4 = {
    .name = "exaone4",
    .rope = ROPE_NEOX,
    .window_period = 4,
    .window_from_file = true,
    .no_rope = LAYERS_GLOBAL,
};
