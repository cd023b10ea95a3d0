/* The last words of a trunk: a text's states become one vector, and a vector what the file's heads
 * make of it. Sources: sentence-transformers (dense modules behind the pooling), the classification
 * heads of RoBERTa and ModernBERT, and single output layers. */
#include "model/plan.h"

static const struct norm_spec no_norm = {.kind = -1, .w = NO_WEIGHT, .b = NO_WEIGHT};

static int32_t text_buffer(struct builder *b, const char *name, uint64_t width) {
    int32_t buffer = build_buffer(b, name, width);
    if (!b->rc) b->plan->buffers[buffer].texts = true;
    return buffer;
}

static uint32_t width_of(const struct builder *b, int32_t buffer) {
    return b->rc ? 0 : b->plan->buffers[buffer].width;
}

/* A product of a text's vector, with its bias (the next id); in itself where the file has none. */
static int32_t head(struct builder *b, const char *label, uint32_t id, struct norm_spec norm,
                    int32_t in, struct op **made) {
    int32_t w = build_weight(b, id, false), bias = NO_WEIGHT;
    *made = NULL;
    if (w < 0) return in;
    bias = build_weight(b, id + 1, false);
    if (b->rc) return in;
    const struct weight *list = b->weights->list;
    if (list[w].k != width_of(b, in) || list[w].n_slices != 1 ||
        (bias >= 0 && list[bias].k != list[w].rows)) {
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "the tensor %.*s turns %u numbers into %u; here are %u, and %u biases",
                     (int)list[w].name.size, list[w].name.text, list[w].k, list[w].rows,
                     width_of(b, in), bias >= 0 ? list[bias].k : 0);
        return in;
    }
    int32_t out = text_buffer(b, label, list[w].rows);
    *made = build_linear(b, label, norm, in, out, &w, &bias, 1, false);
    return out;
}

/* The scores of a reranker: [dense, curve, norm,] output layer. */
static int32_t rank_head(struct builder *b, int32_t pooled) {
    const struct arch *a = b->hp->arch;
    struct norm_spec norm = no_norm;
    struct op *op;
    int32_t x = head(b, "cls", W_CLS, no_norm, pooled, &op);
    if (op) {
        op->linear.epilogue = EPI_ACT;
        op->linear.act = (uint8_t)(a->head_act ? a->head_act : FFN_TANH);
        if (width_of(b, x) == b->hp->n_embd) norm.w = build_weight(b, W_CLS_NORM, false);
        if (norm.w >= 0) norm.kind = (int8_t)a->norm, norm.b = build_weight(b, W_CLS_NORM_B, false);
    }
    x = head(b, "cls_output", W_CLS_OUT, norm, x, &op);
    return x == pooled ? NO_BUFFER : x;
}

void trunk_pool(struct builder *b, struct norm_spec norm, int32_t x) {
    struct plan *p = b->plan;
    struct op *op;
    uint32_t n = b->hp->n_embd;
    p->n_logits = p->n_ops;
    if (norm.kind >= 0) {
        op = build_op(b, OP_NORM, "final_norm", x, x, n);
        op->norm = (struct op_norm){.norm = norm};
    }
    p->states = x;
    b->walk = WALK_TEXTS;
    int32_t pooled = text_buffer(b, "pooled", n);
    build_op(b, OP_POOL, "pool", x, pooled, n);
    p->n_pool = p->n_ops;
    p->pooled = head(b, "dense_2", W_DENSE_2, no_norm, pooled, &op);
    p->pooled = head(b, "dense_3", W_DENSE_3, no_norm, p->pooled, &op);
    p->n_dense = p->n_ops;
    p->scores = rank_head(b, pooled);
}
