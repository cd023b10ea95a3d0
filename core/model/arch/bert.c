/* BERT and its kin (MiniLM, BGE, E5, XLM-RoBERTa): learned positions; the norms on the residual are
 * found by presence. */
#include "model/arch.h"

const struct arch arch_bert = {
    .name = "bert", .norm = NORM_LAYER, .rope = ROPE_NONE, .act = FFN_GELU, .encoder = true};
