/* GPT-NeoX, Pythia: partial rotation, parallel branches with a norm each unless the file says
 * otherwise. */
#include "model/arch.h"

const struct arch arch_gptneox = {
    .name = "gptneox",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .parallel_by_key = true,
};
