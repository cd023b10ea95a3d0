/* Llama 4 (text): every fourth layer has no rotation and queries that grow with the position, the
 * others normalise q and k; sigmoid router whose weight scales the input. Chunked attention is not
 * bounded below 8,192 tokens. */
#include "model/arch.h"

const struct arch arch_llama4 = {
    .name = "llama4",
    .no_rope = LAYERS_EVERY_FOURTH,
    .kq_l2_norm = true,
    .temperature_step = 8192,
    .temperature_scale = 0.1f,
    .temperature_offset = 1,
    .temperature_no_rope = true,
    .moe_gate = MOE_SIGMOID,
    .moe_raw_weights = true,
    .moe_weight_input = true,
};
