/* Nomic Embed 2: as Nomic Embed 1 with GELU, and experts in some blocks (by presence). */
#include "model/arch.h"

const struct arch arch_nomic_bert_moe = {.name = "nomic-bert-moe",
                                         .norm = NORM_LAYER,
                                         .rope = ROPE_NEOX,
                                         .act = FFN_GELU,
                                         .encoder = true,
                                         .moe_raw_weights = true};
