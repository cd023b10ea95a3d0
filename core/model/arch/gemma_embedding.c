/* EmbeddingGemma: Gemma 3 that sees to both sides. */
#include "model/arch.h"

const struct arch arch_gemma_embedding = {
    .name = "gemma-embedding",
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .encoder = true,
    .embd_scale_sqrt = true,
    .window_period = 6,
    .window_default = 512,
    .local_rope_base = 10000,
};
