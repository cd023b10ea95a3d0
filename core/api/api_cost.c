/* What a token costs, from which a host predicts speed before anything is downloaded. */
#include "api/api_int.h"

struct cost {
    const struct model *m;
    double share;               /* of a weight that is used: chosen experts */
    double macs, bytes, output; /* output: multiply-adds of wanted rows only */
};

static void add_matrix(struct cost *c, int32_t w, bool output) {
    const struct weight *weight = w < 0 ? NULL : &c->m->weights.list[w];
    if (!weight || weight->vector) return;
    double elements = (double)weight->k * weight->rows * weight->n_slices * c->share;
    *(output ? &c->output : &c->macs) += elements;
    c->bytes += (double)weight->file_bytes * c->share;
}

void api_cost(struct sbuf *b, const struct model *m) {
    struct cost c = {.m = m};
    for (uint32_t i = 0; i < m->plan.n_ops; i++) {
        const struct op *op = &m->plan.ops[i];
        c.share = 1;
        if (op->kind == OP_LINEAR)
            for (uint32_t k = 0; k < op->linear.n_items; k++)
                add_matrix(&c, op->linear.item[k].w, op->linear.epilogue == EPI_LOGITS);
        if (op->kind == OP_EXPERTS || op->kind == OP_EXPERTS_DOWN)
            c.share = (double)m->hp.n_expert_used / (m->hp.n_expert ? m->hp.n_expert : 1);
        if (op->kind == OP_EXPERTS)
            add_matrix(&c, op->experts.gate, false), add_matrix(&c, op->experts.up, false);
        if (op->kind == OP_EXPERTS_DOWN) add_matrix(&c, op->experts.down, false);
    }
    sbuf_fmt(b, ",\"cost\":{\"bytes\":%.0f,\"macs\":%.0f,\"output\":%.0f,\"attention\":[", c.bytes,
             c.macs, c.output);
    for (uint32_t g = 0; g < m->kv.n_groups; g++) {
        double macs = 0;
        for (uint32_t i = 0; i < m->hp.n_layer; i++) {
            const struct layer_hp *l = &m->hp.layers[i];
            if (l->window == m->kv.groups[g].window)
                macs += (double)l->n_head * (l->dim_k + l->dim_v);
        }
        sbuf_fmt(b, "%s[%u,%.0f]", g ? "," : "", m->kv.groups[g].window, macs);
    }
    sbuf_str(b, "]}");
}
