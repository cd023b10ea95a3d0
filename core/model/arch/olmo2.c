/* OLMo 2 and 3: norms after attention and FFN, norms over the whole of q and k (by presence); with
 * a window, three windowed layers to a global one, and the windowed ones rotate without scaling. */
#include "model/arch.h"

const struct arch arch_olmo2 = {
    .name = "olmo2",
    .rope = ROPE_NEOX,
    .window_period = 4,
    .window_from_file = true,
    .local_rope_unscaled = true,
};
