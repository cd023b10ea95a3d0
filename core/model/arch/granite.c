/* Granite 3: scales on embeddings, residuals, attention and logits (by key). */
#include "model/arch.h"

const struct arch arch_granite = {
    .name = "granite", .logit_scale_divides = true, .rope_by_key = true};
