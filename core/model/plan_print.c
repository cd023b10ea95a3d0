/* The plan as text: one line an op, for the golden files and for whoever adds an architecture. */
#include "model/plan.h"

static const char *const op_names[OP_COUNT] = {
    [OP_EMBED] = "embed",     [OP_NORM] = "norm",
    [OP_LINEAR] = "linear",   [OP_HEADS] = "heads",
    [OP_ATTN] = "attn",       [OP_ADD] = "add",
    [OP_ROWS] = "rows",       [OP_ROUTE] = "route",
    [OP_EXPERTS] = "experts", [OP_EXPERTS_DOWN] = "experts_down",
    [OP_MIX] = "mix",         [OP_SLICES] = "slices",
    [OP_COPY] = "copy",       [OP_MUL] = "mul",
    [OP_CONV] = "conv",
    [OP_SCAN] = "scan",       [OP_DELTA] = "delta",
    [OP_GATE] = "gate",
    [OP_POOL] = "pool",
};
static const char *const norm_names[] = {
    [NORM_RMS] = "rms", [NORM_LAYER] = "layer", [NORM_LAYER_PLAIN] = "plain"};
static const char *const act_names[] = {
    [FFN_SILU] = "silu", [FFN_GELU] = "gelu",   [FFN_GELU_ERF] = "gelu_erf",
    [FFN_RELU] = "relu", [FFN_RELU2] = "relu2", [FFN_XIELU] = "xielu",
    [FFN_OAI] = "oai",   [FFN_TANH] = "tanh"};

/* " word name" with the shape of a matrix; nothing where there is no weight. */
static void weight(struct sbuf *b, const struct weights *ws, const char *word, int32_t w) {
    if (w < 0) return;
    const struct weight *x = &ws->list[w];
    sbuf_fmt(b, " %s%.*s", word, (int)x->name.size, x->name.text);
    if (!x->vector) sbuf_fmt(b, " %ux%u", x->k, x->rows);
    if (x->n_slices > 1) sbuf_fmt(b, "x%u", x->n_slices);
}

static void norm(struct sbuf *b, const struct weights *ws, struct norm_spec n) {
    if (n.kind < 0) return;
    sbuf_fmt(b, " [%s", norm_names[n.kind]);
    if (n.groups > 1) sbuf_fmt(b, " of %u groups", (unsigned)n.groups);
    weight(b, ws, "", n.w);
    weight(b, ws, "+ ", n.b);
    sbuf_str(b, "]");
}

static void linear(struct sbuf *b, const struct plan *p, const struct weights *ws,
                   const struct op *op) {
    const struct op_linear *l = &op->linear;
    norm(b, ws, l->norm);
    for (uint32_t i = 0; i < l->n_items; i++) {
        if (i) sbuf_str(b, ",");
        weight(b, ws, "", l->item[i].w);
        weight(b, ws, "+ ", l->item[i].bias);
        if (l->item[i].add) sbuf_str(b, " adds");
        if (l->item[i].out != op->out)
            sbuf_fmt(b, " to %s@%u", p->buffers[l->item[i].out].name, l->item[i].out_at);
    }
    if (l->epilogue == EPI_GLU) sbuf_fmt(b, "; %s(first) * second", act_names[l->act]);
    if (l->epilogue == EPI_ACT) sbuf_fmt(b, "; %s", act_names[l->act]);
    if (l->epilogue == EPI_LOGITS && l->scale != 1) sbuf_fmt(b, "; scale %.6g", (double)l->scale);
    if (l->epilogue == EPI_LOGITS && l->softcap > 0)
        sbuf_fmt(b, "; softcap %.6g", (double)l->softcap);
}

static void heads(struct sbuf *b, const struct weights *ws, const struct hparams *hp,
                  const struct op *op) {
    const struct layer_hp *l = &hp->layers[op->layer];
    const struct op_heads *h = &op->heads;
    sbuf_fmt(b, " q %ux%u k %ux%u v %ux%u", l->n_head, l->dim_k, l->n_kv_head, l->dim_k,
             l->n_kv_head, l->dim_v);
    if (l->v_in_k) sbuf_str(b, " in k");
    if (l->kv_back) sbuf_fmt(b, " of layer %u", op->layer - l->kv_back);
    if (hp->clamp_qkv > 0) sbuf_fmt(b, " clamp %.6g", (double)hp->clamp_qkv);
    if (!h->after_rope) weight(b, ws, "q norm ", h->q_norm), weight(b, ws, "k norm ", h->k_norm);
    if (l->rope == ROPE_NONE)
        sbuf_str(b, " no rope");
    else
        sbuf_fmt(b, " rope %u %s set %u", l->n_rot, l->rope == ROPE_NEOX ? "halves" : "pairs",
                 (unsigned)l->rope_set);
    if (h->rope_at) sbuf_fmt(b, " from %u", h->rope_at);
    if (h->after_rope) weight(b, ws, "q norm ", h->q_norm), weight(b, ws, "k norm ", h->k_norm);
    if (h->l2) sbuf_str(b, " then rms");
    if (h->v_norm) sbuf_str(b, " v rms");
    if (h->temperature)
        sbuf_fmt(b, " temperature %.6g per %u", (double)hp->temperature_scale,
                 hp->temperature_step);
}

static void details(struct sbuf *b, const struct plan *p, const struct weights *ws,
                    const struct hparams *hp, const struct op *op) {
    switch (op->kind) {
    case OP_EMBED:
        weight(b, ws, "", op->embed.w);
        if (op->embed.scale != 1) sbuf_fmt(b, " scale %.6g", (double)op->embed.scale);
        weight(b, ws, "positions ", op->embed.position_w),
            weight(b, ws, "rope factors ", op->embed.factors),
            weight(b, ws, "types ", op->embed.type_w);
        break;
    case OP_NORM:
        norm(b, ws, op->norm.norm);
        if (op->norm.n_parts) sbuf_fmt(b, " in %u parts", op->norm.n_parts);
        if (op->norm.scale > 0) sbuf_fmt(b, " of in times %.6g", (double)op->norm.scale);
        if (op->norm.add) sbuf_str(b, " adds");
        break;
    case OP_LINEAR:
        linear(b, p, ws, op);
        break;
    case OP_HEADS:
        heads(b, ws, hp, op);
        break;
    case OP_ATTN:
        sbuf_fmt(b, " scale %.6g", (double)hp->attn_scale);
        if (hp->encoder) sbuf_str(b, " both sides");
        if (hp->layers[op->layer].window) sbuf_fmt(b, " window %u", hp->layers[op->layer].window);
        if (hp->attn_softcap > 0) sbuf_fmt(b, " softcap %.6g", (double)hp->attn_softcap);
        if (hp->alibi_bias > 0) sbuf_fmt(b, " alibi %.6g", (double)hp->alibi_bias);
        weight(b, ws, "sinks ", op->attn.sinks), weight(b, ws, "bias ", op->attn.bias);
        break;
    case OP_ADD:
        sbuf_fmt(b, " scale %.6g", (double)op->add.scale);
        weight(b, ws, "gate ", op->add.gate_w);
        break;
    case OP_ROUTE:
        sbuf_fmt(b, " %s %u of %u",
                 hp->moe_gate == MOE_SOFTMAX   ? "softmax"
                 : hp->moe_gate == MOE_SIGMOID ? "sigmoid"
                                               : "softmax of the chosen",
                 hp->n_expert_used, hp->n_expert);
        if (hp->n_group > 1) sbuf_fmt(b, " in %u of %u groups", hp->n_group_used, hp->n_group);
        if (hp->moe_norm && hp->moe_gate != MOE_SOFTMAX_CHOSEN) sbuf_str(b, " normalised");
        weight(b, ws, "bias ", op->route.bias);
        break;
    case OP_EXPERTS:
        weight(b, ws, "", op->experts.gate), weight(b, ws, "+ ", op->experts.gate_b);
        weight(b, ws, "", op->experts.up), weight(b, ws, "+ ", op->experts.up_b);
        sbuf_fmt(b, "; %s", act_names[op->experts.act]);
        break;
    case OP_EXPERTS_DOWN:
        weight(b, ws, "", op->experts.down), weight(b, ws, "+ ", op->experts.down_b);
        break;
    case OP_MIX:
        sbuf_fmt(b, " scale %.6g%s%s", (double)op->mix.scale, op->mix.add ? " adds" : "",
                 op->mix.unweighted ? " unweighted" : "");
        weight(b, ws, "times ", op->mix.scale_w);
        break;
    case OP_MUL:
        weight(b, ws, "", op->mul.w);
        break;
    case OP_SLICES:
        weight(b, ws, "", op->slices.w);
        sbuf_fmt(b, " from every %u to every %u", op->slices.in_stride, op->slices.out_stride);
        break;
    case OP_COPY:
        sbuf_fmt(b, " x%u from every %u to every %u", op->copy.n_parts, op->copy.in_stride,
                 op->copy.out_stride);
        break;
    case OP_CONV:
        sbuf_fmt(b, " %u taps", op->conv.taps);
        weight(b, ws, "", op->conv.w), weight(b, ws, "+ ", op->conv.bias);
        if (op->conv.gate_at >= 0) sbuf_fmt(b, " gated by @%d", op->conv.gate_at);
        if (op->conv.silu) sbuf_str(b, "; silu");
        if (op->conv.post_at >= 0) sbuf_fmt(b, "; times @%d", op->conv.post_at);
        break;
    case OP_SCAN:
        if (op->scan.dim)
            sbuf_fmt(b, " %u heads of %u", op->width / op->scan.dim, op->scan.dim);
        sbuf_fmt(b, " states %u groups %u", op->scan.n_state, op->scan.n_group);
        weight(b, ws, "decay ", op->scan.a), weight(b, ws, "direct ", op->scan.d);
        break;
    case OP_DELTA:
        sbuf_fmt(b, " %u heads of %u states %u groups %u%s", op->width / op->delta.dim,
                 op->delta.dim, op->delta.n_state, op->delta.n_group,
                 op->delta.paired ? " paired" : "");
        weight(b, ws, "decay ", op->delta.a), weight(b, ws, "+ ", op->delta.bias);
        weight(b, ws, "norm ", op->delta.norm);
        break;
    default:
        break;
    }
}

static void buffer(struct sbuf *b, const struct plan *p, int32_t id, uint32_t at) {
    if (id < 0)
        sbuf_str(b, "-");
    else if (at)
        sbuf_fmt(b, "%s@%u", p->buffers[id].name, at);
    else
        sbuf_str(b, p->buffers[id].name);
}

void plan_print(const struct plan *p, const struct weights *ws, const struct hparams *hp,
                struct sbuf *out) {
    sbuf_fmt(out, "%s: %u blocks of %u, %u tokens, %u weights, %u floats of scratch a token\n",
             hp->arch->name, hp->n_layer, hp->n_embd, hp->n_vocab, ws->n,
             (unsigned)p->token_floats);
    if (p->state_floats)
        sbuf_fmt(out, "%u floats of state a sequence\n", (unsigned)p->state_floats);
    /* every model has states; those of a generator are of interest only where the file says so */
    bool embeds = hp->encoder || hp->pooling != POOL_NONE;
    for (uint32_t i = 0; i < (embeds ? p->n_ops : p->n_logits); i++) {
        const struct op *op = &p->ops[i];
        if (i == p->n_body && i < p->n_logits) sbuf_str(out, "tail, for groups of rows:\n");
        if (i == p->n_logits) sbuf_str(out, "states, and a vector of each text:\n");
        if (i == p->n_pool && i < p->n_dense) sbuf_str(out, "the vectors:\n");
        if (i == p->n_dense) sbuf_str(out, "scores of the vectors:\n");
        sbuf_fmt(out, "%3u %-12s %-15s ", i, op_names[op->kind], op->label);
        buffer(out, p, op->in, op->in_at), sbuf_str(out, " -> "),
            buffer(out, p, op->out, op->out_at);
        sbuf_fmt(out, " %u", op->width);
        details(out, p, ws, hp, op);
        sbuf_str(out, "\n");
    }
}
