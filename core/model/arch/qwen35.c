/* Qwen 3.5: as Qwen3-Next, dense. Its sections of positions are all the same for text. */
#include "model/arch.h"

const struct arch arch_qwen35 = {.name = "qwen35",
                                 .rope = ROPE_NEOX,
                                 .ffn_norm = "post_attention_norm",
                                 .attention_period = 4};
