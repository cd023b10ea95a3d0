/* The experts of a block: router, chosen experts, shared experts. */
#include "base/fmath.h"
#include "model/plan.h"

static const struct norm_spec no_norm = {.kind = -1, .w = NO_WEIGHT, .b = NO_WEIGHT};

/* Experts that every token passes, beside the chosen ones; a sigmoid gate where the file has one.
 */
static void shared(struct builder *b, int32_t normed, int32_t out) {
    if (b->rc || !weights_has(b->parts, W_UP_SHARED, b->layer, NULL)) return;
    int32_t w[2] = {build_weight(b, W_GATE_SHARED, true), build_weight(b, W_UP_SHARED, true)};
    int32_t down = build_weight(b, W_DOWN_SHARED, true),
            gate = build_weight(b, W_SHARED_GATE, false);
    if (b->rc) return;
    uint32_t n_ff = b->weights->list[w[1]].rows;
    if (b->weights->list[w[0]].rows != n_ff || b->weights->list[down].k != n_ff) {
        b->rc =
            fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                 "the shared experts of block %u have %u, %u and %u rows where they must be equal",
                 b->layer, b->weights->list[w[0]].rows, n_ff, b->weights->list[down].k);
        return;
    }
    int32_t h = build_buffer(b, "shared", n_ff),
            to = gate >= 0 ? build_buffer(b, "shared_out", b->hp->n_embd) : out;
    struct op *op = build_linear(b, "shared_gate_up", no_norm, normed, h, w, NULL, 2, false);
    op->linear.epilogue = EPI_GLU, op->linear.act = (uint8_t)b->hp->act, op->width = n_ff;
    build_linear(b, "shared_down", no_norm, h, to, &down, NULL, 1, gate < 0);
    if (gate < 0) return;
    op = build_op(b, OP_ADD, "shared_gate", to, out, b->hp->n_embd);
    op->add = (struct op_add){.scale = 1, .gate_w = gate, .gate_in = normed};
    build_reads(b, normed);
}

static bool same_shape(struct builder *b, const struct op_experts *e) {
    const struct weight *w = b->weights->list;
    uint32_t n_ff = e->n_ff;
    if ((e->both || e->gate < 0 || w[e->gate].rows == n_ff) && w[e->down].k == n_ff) return true;
    b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                 "the experts of block %u have %u, %u and %u rows where they must be equal",
                 b->layer, e->gate < 0 ? n_ff : w[e->gate].rows, n_ff, w[e->down].k);
    return false;
}

static int32_t expert_bias(struct builder *b, uint32_t id, uint32_t rows) {
    int32_t w = build_weight(b, id, false);
    if (w >= 0 && b->weights->list[w].k != rows * b->hp->n_expert) {
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "the tensor %.*s has %u elements; %u experts of %u need %u",
                     (int)b->weights->list[w].name.size, b->weights->list[w].name.text,
                     b->weights->list[w].k, b->hp->n_expert, rows, b->hp->n_expert * rows);
    }
    return w;
}

/* Gate and up as one matrix: its halves must be whole tiles. */
static void gate_and_up(struct builder *b, struct op_experts *e) {
    e->both = !b->rc && weights_has(b->parts, W_GATE_UP_EXPS, b->layer, NULL);
    e->gate = build_weight(b, e->both ? W_GATE_UP_EXPS : W_GATE_EXPS, e->both);
    e->up = e->both ? e->gate : build_weight(b, W_UP_EXPS, true);
    if (b->rc) return;
    uint32_t rows = b->weights->list[e->up].rows;
    e->n_ff = e->both ? rows / 2 : rows;
    if (e->both && rows % (2 * TILE_ROWS))
        b->rc =
            fail(b->f, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                 "the experts of block %u have %u rows of gate and up together; this engine takes "
                 "multiples of %d",
                 b->layer, rows, 2 * TILE_ROWS);
}

/* With a scale of its own the router normalises the raw residual. */
int32_t trunk_router(struct builder *b, int32_t in) {
    int32_t router = build_weight(b, W_ROUTER, true), router_b = build_weight(b, W_ROUTER_B, false),
            scale = build_weight(b, W_ROUTER_SCALE, false),
            logits = build_buffer(b, "router", b->hp->n_expert);
    struct norm_spec norm = no_norm;
    if (scale >= 0)
        norm = (struct norm_spec){.kind = NORM_RMS, .w = scale, .b = NO_WEIGHT}, in = b->router_raw;
    struct op *op = build_linear(b, "router", norm, in, logits, &router, &router_b, 1, false);
    if (scale >= 0)
        op->linear.epilogue = EPI_LOGITS, op->linear.scale = 1 / f_sqrt((float)b->hp->n_embd);
    return logits;
}

void trunk_experts(struct builder *b, int32_t normed, int32_t out, bool add) {
    const struct hparams *hp = b->hp;
    if (!b->rc && !hp->n_expert_used)
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "block %u has experts, but expert_count or expert_used_count is missing",
                     b->layer);
    struct op_experts e = {.act = (uint8_t)hp->act, .k = hp->n_embd};
    int32_t bias = build_weight(b, W_ROUTER_BIAS, false);
    gate_and_up(b, &e);
    e.down = build_weight(b, W_DOWN_EXPS, true);
    if (b->rc || !same_shape(b, &e)) return;
    e.gate_b = expert_bias(b, W_GATE_EXPS_B, e.n_ff), e.up_b = expert_bias(b, W_UP_EXPS_B, e.n_ff);
    e.down_b = expert_bias(b, W_DOWN_EXPS_B, hp->n_embd);
    if (b->rc) return;

    int32_t logits = b->router_logits ? b->router_logits : trunk_router(b, normed),
            chosen = build_buffer(b, "chosen", 2 * (uint64_t)hp->n_expert_used);
    struct op *op = build_op(b, OP_ROUTE, "route", logits, chosen, hp->n_expert);
    op->route.bias = bias;

    int32_t h = build_buffer(b, "experts", (uint64_t)hp->n_expert_used * e.n_ff),
            y = build_buffer(b, "experts_out", (uint64_t)hp->n_expert_used * hp->n_embd);
    uint8_t up_kind = (uint8_t)(1u << kern_act_kind(b->weights->list[e.up].dtype, b->exact));
    if (e.gate >= 0)
        up_kind |= (uint8_t)(1u << kern_act_kind(b->weights->list[e.gate].dtype, b->exact));
    op = build_op(b, OP_EXPERTS, "experts_gate_up", normed, h, e.n_ff);
    build_reads(b, chosen);
    op->experts = e, op->experts.kinds = up_kind, op->experts.chosen = chosen;
    op = build_op(b, OP_EXPERTS_DOWN, "experts_down", h, y, hp->n_embd);
    build_reads(b, chosen);
    op->experts = e, op->experts.chosen = chosen, op->experts.k = e.n_ff;
    op->experts.kinds = (uint8_t)(1u << kern_act_kind(b->weights->list[e.down].dtype, b->exact));
    op = build_op(b, OP_MIX, "experts_mix", y, out, hp->n_embd);
    build_reads(b, chosen);
    op->mix = (struct op_mix){.scale = hp->moe_scale,
                              .add = add,
                              .chosen = chosen,
                              .scale_w = build_weight(b, W_DOWN_EXPS_SCALE, false),
                              .unweighted = hp->arch->moe_weight_input};
    shared(b, normed, out);
}
