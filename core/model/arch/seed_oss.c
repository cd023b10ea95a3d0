/* Seed-OSS: explicit head size, q/k/v biases; the FFN norm is called post_attention_norm. */
#include "model/arch.h"

const struct arch arch_seed_oss = {
    .name = "seed_oss", .rope = ROPE_NEOX, .ffn_norm = "post_attention_norm"};
