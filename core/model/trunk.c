/* The trunk of decoders: embedding, blocks of attention and FFN, output. Biases, q/k norms, fused
 * matrices, norms before or after, parallel branches and experts are found by presence in the file;
 * the rest are traits. */
#include "model/plan.h"

static const struct norm_spec no_norm = {.kind = -1, .w = NO_WEIGHT, .b = NO_WEIGHT};

/* The norm of an id; its bias is the next id. Without weights it is none, except where the record
 * has plain norms. */
static struct norm_spec norm_of(struct builder *b, uint32_t id, const char *name, bool plain) {
    const struct arch *a = b->hp->arch;
    struct norm_spec n = no_norm;
    if (a->norm == NORM_LAYER_PLAIN) {
        if (plain) n.kind = NORM_LAYER_PLAIN;
        return n;
    }
    n.w = build_named(b, id, name, false);
    if (n.w >= 0) n.kind = (int8_t)a->norm;
    if (n.w >= 0) n.b = build_named(b, id + 1, name, false);
    return n;
}

/* A norm after a branch: never a bias, none where the file has none. */
static struct norm_spec post_norm_of(struct builder *b, uint32_t id) {
    struct norm_spec n = no_norm;
    n.w = build_weight(b, id, false);
    if (n.w >= 0) n.kind = (int8_t)b->hp->arch->norm;
    return n;
}

/* out = norm(in) as an op of its own. */
static void emit_norm(struct builder *b, const char *label, struct norm_spec norm, int32_t in,
                      int32_t out, uint32_t in_at, uint32_t out_at, uint32_t width, bool add) {
    struct op *op = build_op(b, OP_NORM, label, in, out, width);
    op->in_at = in_at, op->out_at = out_at;
    op->norm = (struct op_norm){.norm = norm, .add = add};
}

/* Where a branch ends: straight into the residual, or aside when a norm or a scale comes between.
 */
struct branch {
    int32_t out;
    bool add;
    struct norm_spec post;
};

static struct branch branch_begin(struct builder *b, const char *name, struct norm_spec post,
                                  int32_t x) {
    bool aside = post.kind >= 0 || b->hp->residual_scale != 0;
    return (struct branch){
        .out = aside ? build_buffer(b, name, b->hp->n_embd) : x, .add = !aside, .post = post};
}

static void branch_end(struct builder *b, const char *label, const struct branch *branch,
                       int32_t x) {
    if (branch->add) return;
    if (branch->post.kind >= 0) {
        emit_norm(b, label, branch->post, branch->out, x, 0, 0, b->hp->n_embd, true);
        return;
    }
    struct op *op = build_op(b, OP_ADD, label, branch->out, x, b->hp->n_embd);
    op->add =
        (struct op_add){.scale = b->hp->residual_scale, .gate_w = NO_WEIGHT, .gate_in = NO_BUFFER};
}

/* q/k norm of the layer: whole rows become ops before the heads, one norm a head goes with the
 * heads. */
static void qk_norm(struct builder *b, uint32_t id, int32_t qkv, uint32_t at, uint32_t n_head,
                    int32_t *head_norm, bool *each) {
    const struct layer_hp *l = &b->hp->layers[b->layer];
    *head_norm = NO_WEIGHT;
    if (b->rc || !weights_has(b->parts, id, b->layer, NULL)) return;
    uint64_t ne0 = weights_axis(b->parts, id, b->layer, NULL, 0),
             ne1 = weights_axis(b->parts, id, b->layer, NULL, 1);
    int32_t w = build_weight(b, id, true);
    if (b->rc) return;
    if (ne0 == l->dim_k && (ne1 == 1 || ne1 == n_head)) {
        *head_norm = w, *each = ne1 > 1;
    } else if (ne0 == (uint64_t)n_head * l->dim_k && ne1 == 1) {
        struct norm_spec norm = {
            .kind = (int8_t)b->hp->arch->norm, .w = w, .b = build_weight(b, id + 1, false)};
        emit_norm(b, id == W_Q_NORM ? "q_norm" : "k_norm", norm, qkv, qkv, at, at,
                  n_head * l->dim_k, false);
    } else {
        const struct weight *weight = &b->weights->list[w];
        b->rc = fail(
            b->f, SOTTO_FORMAT, FAIL_NOWHERE,
            "the tensor %.*s has the shape %llu x %llu; the metadata ask for %u, %u x %u or %u",
            (int)weight->name.size, weight->name.text, (unsigned long long)ne0,
            (unsigned long long)ne1, l->dim_k, l->dim_k, n_head, n_head * l->dim_k);
    }
}

/* The layer's bias by distance, or that of the first layer. All have the same heads and buckets. */
static int32_t distance_bias(struct builder *b) {
    int32_t w = build_weight(b, W_ATTN_REL_B, false), first = NO_WEIGHT;
    const struct plan *p = b->plan;
    for (uint32_t i = 0; i < p->n_ops && first < 0 && !b->rc; i++)
        if (p->ops[i].kind == OP_ATTN) first = p->ops[i].attn.bias;
    if (w < 0) w = first;
    if (b->rc || w < 0) return NO_WEIGHT;
    const struct weight *list = b->weights->list, *bias = &list[w];
    uint32_t heads = b->hp->layers[b->layer].n_head, n = bias->k / heads;
    if (n < 4 || n > 128 || n * heads != bias->k || heads != b->hp->n_head ||
        (first >= 0 && list[first].k != bias->k))
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "the tensor %.*s has %u biases for %u heads; 4 to 128 a head are possible, as "
                     "many in each block",
                     (int)bias->name.size, bias->name.text, bias->k, heads);
    return w;
}

/* Attention of the current layer from `in` (normalised by norm first), into the branch. */
static void attention(struct builder *b, struct norm_spec norm, int32_t in,
                      const struct branch *branch) {
    const struct layer_hp *l = &b->hp->layers[b->layer];
    if (b->hp->n_latent) {
        trunk_latent(b, norm, in, branch->out, branch->add);
        return;
    }
    uint32_t n_q = l->n_head * l->dim_k, n_k = l->n_kv_head * l->dim_k,
             n_v = l->n_kv_head * l->dim_v;
    int32_t w[3], bias[3] = {NO_WEIGHT, NO_WEIGHT, NO_WEIGHT};
    uint32_t n_w = 3;
    /* twice the rows: every head's queries, then its output's gate */
    bool gated =
        !b->rc && n_q && weights_axis(b->parts, W_Q, b->layer, NULL, 1) == 2 * (uint64_t)n_q;
    if (l->kv_back) {
        w[0] = build_weight(b, W_Q, true), bias[0] = build_weight(b, W_Q_B, false);
        n_w = 1, n_k = n_v = 0;
    } else if (b->hp->arch->v_from_k && n_k == n_v && !b->rc &&
               !weights_has(b->parts, W_V, b->layer, NULL) &&
               !weights_has(b->parts, W_QKV, b->layer, NULL)) {
        w[0] = build_weight(b, W_Q, true), w[1] = build_weight(b, W_K, true);
        n_w = 2;
    } else if (!b->rc && weights_has(b->parts, W_QKV, b->layer, NULL)) {
        uint32_t rows[3] = {n_q, n_k, n_v};
        b->rc = weights_add_fused(b->weights, b->parts, b->hp, W_QKV, b->layer, rows, 3, w, b->f);
        if (!b->rc)
            b->rc = weights_add_fused(b->weights, b->parts, b->hp, W_QKV_B, b->layer, rows, 3, bias,
                                      b->f);
    } else {
        static const uint32_t ids[3] = {W_Q, W_K, W_V};
        for (int i = 0; i < 3; i++)
            w[i] = build_weight(b, gated && !i ? (uint32_t)W_Q_GATED : ids[i], true),
            bias[i] = gated ? NO_WEIGHT : build_weight(b, ids[i] + 1, false);
    }
    int32_t qkv = build_buffer(b, "qkv", (uint64_t)n_q + n_k + n_v),
            att = build_buffer(b, "att", (uint64_t)l->n_head * l->dim_v);
    struct op *op = build_linear(b, "attn_qkv", norm, in, qkv, w, bias, n_w, false);
    int32_t queries = NO_BUFFER;
    if (gated) {
        queries = build_buffer(b, "q_gate", 2 * (uint64_t)n_q);
        op->linear.item[0].out = queries;
        op->linear.item[1].out_at = n_q, op->linear.item[2].out_at = n_q + n_k;
        build_reads(b, queries);
    }
    if (n_w == 2) {
        struct op *copy = build_op(b, OP_COPY, "v_from_k", qkv, qkv, n_v);
        copy->in_at = n_q, copy->out_at = n_q + n_k, copy->copy.n_parts = 1;
    }

    struct op_heads heads = {.k_at = n_q,
                             .v_at = n_q + n_k,
                             .v_norm = b->hp->arch->v_norm,
                             .from = queries,
                             .norm_kind = (uint8_t)b->hp->arch->norm,
                             .after_rope = b->hp->arch->qk_norm_after_rope};
    qk_norm(b, W_Q_NORM, qkv, 0, l->n_head, &heads.q_norm, &heads.norm_each);
    heads.k_norm = NO_WEIGHT;
    if (n_k) qk_norm(b, W_K_NORM, qkv, n_q, l->n_kv_head, &heads.k_norm, &heads.norm_each);
    heads.l2 = b->hp->arch->kq_l2_norm && l->rope != ROPE_NONE;
    heads.temperature =
        b->hp->temperature_scale > 0 && (!b->hp->arch->temperature_no_rope || l->rope == ROPE_NONE);
    op = build_op(b, OP_HEADS, "heads", qkv, qkv, n_q + n_k + n_v);
    build_reads(b, queries);
    op->heads = heads;

    int32_t sinks = build_weight(b, W_ATTN_SINKS, false), by_distance = distance_bias(b);
    op = build_op(b, OP_ATTN, "attn", qkv, att, l->n_head * l->dim_v);
    op->attn = (struct op_attn){.sinks = sinks, .bias = by_distance};
    if (gated) {
        op = build_op(b, OP_GATE, "attn_gate", queries, att, l->n_head * l->dim_v);
        op->in_at = l->dim_k, op->gate = (struct op_gate){.dim = l->dim_v, .stride = 2 * l->dim_k};
    }

    int32_t out = build_named(b, W_ATTN_OUT, b->hp->arch->attn_out, true),
            out_bias = build_named(b, W_ATTN_OUT_B, b->hp->arch->attn_out, false);
    build_linear(b, "attn_output", no_norm, att, branch->out, &out, &out_bias, 1, branch->add);
}

static void dense_ffn(struct builder *b, struct norm_spec norm, int32_t in,
                      const struct branch *branch) {
    const struct layer_hp *l = &b->hp->layers[b->layer];
    int32_t w[2] = {NO_WEIGHT, NO_WEIGHT}, bias[2] = {NO_WEIGHT, NO_WEIGHT};
    uint32_t n = 2;
    if (!b->rc && weights_has(b->parts, W_GATE, b->layer, NULL)) {
        w[0] = build_weight(b, W_GATE, true), bias[0] = build_weight(b, W_GATE_B, false);
        w[1] = build_weight(b, W_UP, true), bias[1] = build_weight(b, W_UP_B, false);
    } else if (!b->rc && l->n_ff &&
               weights_axis(b->parts, W_UP, b->layer, NULL, 1) == 2 * (uint64_t)l->n_ff) {
        uint32_t rows[2] = {l->n_ff, l->n_ff}; /* the gate's half comes first */
        b->rc = weights_add_fused(b->weights, b->parts, b->hp, W_UP, b->layer, rows, 2, w, b->f);
        if (!b->rc)
            b->rc = weights_add_fused(b->weights, b->parts, b->hp, W_UP_B, b->layer, rows, 2, bias,
                                      b->f);
    } else {
        w[0] = build_weight(b, W_UP, true), bias[0] = build_weight(b, W_UP_B, false);
        n = 1;
    }
    int32_t h = build_buffer(b, "ffn", l->n_ff);
    struct op *op =
        build_linear(b, n == 2 ? "ffn_gate_up" : "ffn_up", norm, in, h, w, bias, n, false);
    op->linear.epilogue = n == 2 ? EPI_GLU : EPI_ACT;
    op->linear.act = (uint8_t)b->hp->act;
    if (n == 1 && b->hp->arch->act_ungated) op->linear.act = (uint8_t)b->hp->arch->act_ungated;
    op->linear.curve = l->xielu;
    op->width = l->n_ff;
    int32_t down = build_weight(b, W_DOWN, true), down_bias = build_weight(b, W_DOWN_B, false);
    build_linear(b, "ffn_down", no_norm, h, branch->out, &down, &down_bias, 1, branch->add);
}

static struct norm_spec needed_norm(struct builder *b, uint32_t id) {
    return (struct norm_spec){
        .kind = (int8_t)b->hp->arch->norm, .w = build_weight(b, id, true), .b = NO_WEIGHT};
}

/* A dense FFN and experts side by side, each between norms of its own. */
static void dense_and_experts(struct builder *b, struct norm_spec norm, int32_t in,
                              const struct branch *branch) {
    uint32_t n = b->hp->n_embd;
    struct norm_spec before = needed_norm(b, W_EXPERTS_NORM);
    int32_t dense = build_buffer(b, "dense", n), normed = build_buffer(b, "normed", n),
            experts = build_buffer(b, "experts_sum", n);
    struct branch aside = {.out = dense};
    dense_ffn(b, norm, in, &aside);
    emit_norm(b, "experts_norm", before, in, normed, 0, 0, n, false);
    trunk_experts(b, normed, experts, false); /* only then may the input change */
    emit_norm(b, "post_dense", needed_norm(b, W_POST_DENSE_NORM), dense, branch->out, 0, 0, n,
              branch->add);
    emit_norm(b, "post_experts", needed_norm(b, W_POST_EXPERTS_NORM), experts, branch->out, 0, 0, n,
              true);
}

static void ffn(struct builder *b, struct norm_spec norm, int32_t in, const struct branch *branch) {
    if (b->rc) return;
    if (!weights_has(b->parts, W_ROUTER, b->layer, NULL)) {
        dense_ffn(b, norm, in, branch);
        return;
    }
    b->router_raw = in;
    if (weights_has(b->parts, W_EXPERTS_NORM, b->layer, NULL)) {
        dense_and_experts(b, norm, in, branch);
        return;
    }
    int32_t normed = in;
    if (norm.kind >= 0) {
        normed = build_buffer(b, "normed", b->hp->n_embd);
        emit_norm(b, "ffn_norm", norm, in, normed, 0, 0, b->hp->n_embd, false);
    }
    trunk_experts(b, normed, branch->out, branch->add);
}

/* The layer's mixer: attention, a recurrent one, or the sum of both. */
static void mixer(struct builder *b, struct norm_spec norm, int32_t in,
                  const struct branch *branch) {
    bool attends = b->hp->layers[b->layer].n_kv_head > 0, add = branch->add;
    if (!trunk_has_recurrent(b)) {
        attention(b, norm, in, branch);
        return;
    }
    if (attends) { /* both read the input before either adds to it */
        int32_t normed = build_buffer(b, "normed", b->hp->n_embd);
        emit_norm(b, "attn_norm", norm, in, normed, 0, 0, b->hp->n_embd, false);
        attention(b, no_norm, normed, branch);
        norm = no_norm, in = normed, add = true;
    }
    trunk_recurrent(b, norm, in, branch->out, add);
}

/* Recurrent families have blocks that only mix or only feed forward. */
static bool has_mixer(const struct builder *b) {
    return !hparams_recurrent(b->hp) || b->hp->layers[b->layer].n_kv_head ||
           trunk_has_recurrent(b);
}
static bool has_ffn(const struct builder *b) {
    return !hparams_recurrent(b->hp) || weights_has(b->parts, W_UP, b->layer, NULL) ||
           weights_has(b->parts, W_ROUTER, b->layer, NULL);
}

/* Moves on to the rows somebody wants: the rest of the model need not see the others. */
static int32_t wanted_rows(struct builder *b, int32_t x) {
    int32_t y = build_buffer(b, "rows", b->hp->n_embd);
    build_op(b, OP_ROWS, "rows", x, y, b->hp->n_embd);
    b->walk = WALK_ROWS;
    return y;
}

/* Norms on the residual itself, as encoders have them. */
static void residual_norm(struct builder *b, const char *label, uint32_t id, int32_t x) {
    if (!b->hp->encoder) return;
    struct norm_spec norm = norm_of(b, id, NULL, false);
    if (norm.kind >= 0) emit_norm(b, label, norm, x, x, 0, 0, b->hp->n_embd, false);
}

/* x = norm_2(x + norm(x + attention of x)): the input comes in a second time. */
static void attention_twice(struct builder *b, struct norm_spec norm_2, int32_t x) {
    uint32_t n = b->hp->n_embd;
    struct branch branch = {.out = build_buffer(b, "attn_branch", n), .post = no_norm};
    attention(b, no_norm, x, &branch);
    struct op *op = build_op(b, OP_ADD, "attn_add", x, branch.out, n);
    op->add = (struct op_add){.scale = 1, .gate_w = NO_WEIGHT, .gate_in = NO_BUFFER};
    struct norm_spec norm = norm_of(b, W_ATTN_OUT_NORM, NULL, false);
    emit_norm(b, "attn_out_norm", norm, branch.out, x, 0, 0, n, true);
    emit_norm(b, "attn_norm_2", norm_2, x, x, 0, 0, n, false);
}

/* One block; returns the residual's buffer, which changes in the last one. */
static int32_t block(struct builder *b, int32_t x, int32_t inputs, bool last) {
    const struct hparams *hp = b->hp;
    const struct arch *a = hp->arch;
    struct norm_spec norm = norm_of(b, W_ATTN_NORM, NULL, true);
    struct norm_spec norm_2 = norm_of(b, W_ATTN_NORM_2, NULL, false);
    struct norm_spec post_attn = a->ffn_norm ? no_norm : post_norm_of(b, W_POST_ATTN_NORM);
    struct norm_spec ffn_norm = norm_of(b, W_FFN_NORM, a->ffn_norm, true);
    struct norm_spec post_ffn = post_norm_of(b, W_POST_FFN_NORM);
    bool mixes = has_mixer(b), feeds = has_ffn(b), both = mixes && feeds;
    if (!both && !b->rc && (ffn_norm.kind >= 0 || mixes == feeds)) /* a norm between needs both */
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE, "block %u has no %s", b->layer,
                     mixes ? "feed-forward part" : "attention and no recurrent part");
    if (!mixes) ffn_norm = norm;
    /* without a norm of its own, and none after attention, the FFN reads what attention reads */
    bool shared = both && norm.kind >= 0 && ffn_norm.kind < 0 && post_attn.kind < 0;
    bool parallel = both && (shared || hp->parallel);

    bool early = a->moe_early && !b->rc && weights_has(b->parts, W_ROUTER, b->layer, NULL);
    b->router_logits = early ? trunk_router(b, x) : 0;
    int32_t ffn_in = x;
    struct norm_spec attn_norm = norm;
    int32_t attn_in = x;
    if (parallel) {
        struct norm_spec own = shared ? norm : ffn_norm;
        ffn_in = build_buffer(b, "ffn_in", hp->n_embd);
        emit_norm(b, "ffn_norm", own, x, ffn_in, 0, 0, hp->n_embd, false);
        if (norm_2.kind >= 0)
            attn_norm = norm_2;
        else if (shared)
            attn_in = ffn_in, attn_norm = no_norm;
        ffn_norm = no_norm;
    }
    struct branch branch;
    if (hp->encoder && norm_2.kind >= 0 && weights_has(b->parts, W_ATTN_OUT_NORM, b->layer, NULL)) {
        attention_twice(b, norm_2, x);
    } else if (mixes) {
        branch = branch_begin(b, "attn_branch", post_attn, x);
        mixer(b, attn_norm, attn_in, &branch);
        branch_end(b, "post_attn", &branch, x);
        residual_norm(b, "attn_out_norm", W_ATTN_OUT_NORM, x);
    }
    bool late =
        parallel || early || inputs >= 0; /* the wanted rows are chosen when all is added up */
    if (last && !late) ffn_in = x = wanted_rows(b, x);

    if (feeds) {
        branch = branch_begin(b, "ffn_branch", post_ffn, x);
        ffn(b, ffn_norm, ffn_in, &branch);
        branch_end(b, "post_ffn", &branch, x);
        residual_norm(b, "layer_out_norm", W_LAYER_OUT_NORM, x);
    }
    if (inputs >= 0) trunk_layer_input(b, x, inputs);
    int32_t scale = build_weight(b, W_LAYER_SCALE, false);
    if (scale >= 0) build_op(b, OP_MUL, "layer_scale", x, x, hp->n_embd)->mul.w = scale;
    if (last && late) x = wanted_rows(b, x);
    return x;
}

/* Logits of the rows in x, from the output matrix or the embedding's. */
static void logits(struct builder *b, struct norm_spec norm, int32_t x, int32_t embd) {
    const struct hparams *hp = b->hp;
    if (!b->rc && norm.kind < 0)
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE, "the tensor output_norm.weight is missing");
    int32_t w = build_weight(b, W_OUTPUT, false), bias = build_weight(b, W_OUTPUT_B, false);
    if (w < 0) w = embd; /* tied */
    struct op *op = build_linear(b, "output", norm, x, BUFFER_LOGITS, &w, &bias, 1, false);
    op->linear.epilogue = EPI_LOGITS;
    float scale = hp->logit_scale == 0 ? 1 : hp->logit_scale;
    op->linear.scale = hp->arch->logit_scale_divides ? 1 / scale : scale;
    op->linear.softcap = hp->logit_softcap;
}

int trunk_decoder(struct builder *b) {
    const struct hparams *hp = b->hp;
    int32_t x = build_buffer(b, "x", hp->n_embd);
    int32_t embd = build_weight(b, W_TOKEN_EMBD, true);
    struct op_embed embed = {.w = embd, .scale = hp->embd_scale == 0 ? 1 : hp->embd_scale};
    embed.position_w = build_weight(b, W_POSITION_EMBD, false);
    embed.type_w = build_weight(b, W_TOKEN_TYPES, false);
    embed.factors = build_weight(b, b->long_rope ? W_ROPE_LONG : W_ROPE_SHORT, false);
    if (embed.factors < 0) embed.factors = build_weight(b, W_ROPE_FREQS, false);
    struct op *op = build_op(b, OP_EMBED, "embed", NO_BUFFER, x, hp->n_embd);
    op->embed = embed;
    /* a file without a norm before the output means the tokens' norm for that place */
    bool ends = !hp->encoder && !b->rc && !weights_has(b->parts, W_OUTPUT_NORM, 0, NULL);
    struct norm_spec token_norm = ends ? no_norm : norm_of(b, W_TOKEN_NORM, NULL, false);
    if (token_norm.kind >= 0) emit_norm(b, "token_norm", token_norm, x, x, 0, 0, hp->n_embd, false);

    int32_t inputs = hp->n_embd_layer ? trunk_layer_inputs(b, x) : NO_BUFFER;
    for (uint32_t i = 0; i < hp->n_layer && !b->rc; i++) {
        b->layer = i;
        x = block(b, x, inputs, i + 1 == hp->n_layer);
    }
    b->layer = hp->n_layer;
    b->plan->n_body = b->plan->n_ops;
    struct norm_spec norm = norm_of(b, ends ? W_TOKEN_NORM : W_OUTPUT_NORM, NULL, !hp->encoder);
    if (!hp->encoder) logits(b, norm, x, embd);
    trunk_pool(b, norm, x);
    return b->rc;
}
