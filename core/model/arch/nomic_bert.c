/* Nomic Embed 1 and 1.5: BERT with rotation and a gated FFN. */
#include "model/arch.h"

const struct arch arch_nomic_bert = {
    .name = "nomic-bert", .norm = NORM_LAYER, .rope = ROPE_NEOX, .encoder = true};
