/* Jina Embeddings 2: BERT with ALiBi to both sides and a gated FFN. */
#include "model/arch.h"

const struct arch arch_jina_bert_v2 = {.name = "jina-bert-v2",
                                       .norm = NORM_LAYER,
                                       .rope = ROPE_NONE,
                                       .act = FFN_GELU,
                                       .encoder = true,
                                       .alibi = true,
                                       .alibi_default = 8};
