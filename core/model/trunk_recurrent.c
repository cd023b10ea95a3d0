/* Recurrent mixers of a block: Mamba, Mamba-2, the gated delta net, LFM2's short convolution. */
#include "model/plan.h"
#include "kern/kern_state.h"

static const struct norm_spec no_norm = {.kind = -1, .w = NO_WEIGHT, .b = NO_WEIGHT};

bool trunk_has_recurrent(const struct builder *b) {
    static const uint32_t ids[] = {W_SSM_IN, W_SHORT_IN, W_DELTA_BA, W_DELTA_BETA};
    bool has = false;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && !b->rc; i++)
        has = has || weights_has(b->parts, ids[i], b->layer, NULL);
    return has;
}

/* A vector of n elements, in whatever shape. */
static int32_t vector(struct builder *b, uint32_t id, uint64_t n, bool required) {
    if (b->rc || (!required && !weights_has(b->parts, id, b->layer, NULL))) return NO_WEIGHT;
    int32_t w = build_weight(b, id, true);
    uint64_t has = weights_axis(b->parts, id, b->layer, NULL, 0) *
                   weights_axis(b->parts, id, b->layer, NULL, 1);
    if (!b->rc && has != n) {
        const struct weight *weight = &b->weights->list[w];
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "the tensor %.*s has %llu elements; the metadata ask for %llu",
                     (int)weight->name.size, weight->name.text, (unsigned long long)has,
                     (unsigned long long)n);
    }
    return w;
}

/* The parts of a tensor that is several matrices one below the other. */
static bool parts_of(struct builder *b, uint32_t id, const uint32_t *rows, uint32_t n, int32_t *w) {
    if (!b->rc)
        b->rc = weights_add_fused(b->weights, b->parts, b->hp, id, b->layer, rows, n, w, b->f);
    return !b->rc;
}

static bool sized(struct builder *b, bool mamba_2) {
    const struct hparams *hp = b->hp;
    bool ok = hp->ssm_conv && hp->ssm_inner && hp->ssm_state && hp->ssm_rank;
    if (ok && mamba_2)
        ok = hp->ssm_inner % hp->ssm_rank == 0 && hp->ssm_rank % hp->ssm_group == 0;
    if (!ok && !b->rc)
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "block %u is recurrent, but ssm.conv_kernel %u, ssm.inner_size %u, "
                     "ssm.state_size %u, ssm.time_step_rank %u and ssm.group_count %u do not fit",
                     b->layer, hp->ssm_conv, hp->ssm_inner, hp->ssm_state, hp->ssm_rank,
                     hp->ssm_group);
    return !b->rc;
}

/* The convolution of a Mamba layer, in place. */
static void convolve(struct builder *b, int32_t buffer, uint32_t at, uint32_t channels) {
    const struct hparams *hp = b->hp;
    struct op_conv c = {.taps = hp->ssm_conv, .gate_at = -1, .post_at = -1, .silu = true};
    c.w = vector(b, W_SSM_CONV, (uint64_t)hp->ssm_conv * channels, true);
    c.bias = vector(b, W_SSM_CONV_B, channels, false);
    c.state_at = build_state(b, (uint64_t)(hp->ssm_conv - 1) * channels);
    struct op *op = build_op(b, OP_CONV, "ssm_conv", buffer, buffer, channels);
    op->in_at = op->out_at = at, op->conv = c;
}

static void project(struct builder *b, const char *label, uint32_t id, struct norm_spec norm,
                    int32_t in, uint32_t at, int32_t out, bool add) {
    int32_t w = build_weight(b, id, true);
    build_linear(b, label, norm, in, out, &w, NULL, 1, add)->in_at = at;
}

/* One of B and C of Mamba, in place, where they are normalised. */
static void normalise(struct builder *b, const char *label, uint32_t id, int32_t buffer,
                      uint32_t at, uint32_t n) {
    struct norm_spec norm = {.kind = NORM_RMS, .w = build_weight(b, id, false), .b = NO_WEIGHT};
    struct op *op = build_op(b, OP_NORM, label, buffer, buffer, n);
    op->in_at = op->out_at = at, op->norm.norm = norm;
}

static void mamba(struct builder *b, struct norm_spec norm, int32_t in, int32_t out, bool add) {
    const struct hparams *hp = b->hp;
    uint32_t inner = hp->ssm_inner, n_state = hp->ssm_state, rank = hp->ssm_rank;
    const uint32_t halves[2] = {inner, inner}, low[1] = {rank + 2 * n_state};
    int32_t w[2], x;
    if (!sized(b, false) || !parts_of(b, W_SSM_IN, halves, 2, w)) return;
    int32_t xz = build_buffer(b, "xz", 2 * (uint64_t)inner), dbc = build_buffer(b, "dbc", low[0]),
            dt = build_buffer(b, "dt", inner);
    build_linear(b, "ssm_in", norm, in, xz, w, NULL, 2, false);
    convolve(b, xz, 0, inner);
    if (!parts_of(b, W_SSM_X, low, 1, &x)) return;
    build_linear(b, "ssm_x", no_norm, xz, dbc, &x, NULL, 1, false);
    struct norm_spec dt_norm = no_norm;
    if (hp->ssm_norms || weights_has(b->parts, W_SSM_DT_NORM, b->layer, NULL)) {
        dt_norm.kind = NORM_RMS, dt_norm.w = build_weight(b, W_SSM_DT_NORM, false);
        normalise(b, "ssm_b_norm", W_SSM_B_NORM, dbc, rank, n_state);
        normalise(b, "ssm_c_norm", W_SSM_C_NORM, dbc, rank + n_state, n_state);
    }
    int32_t dt_w = build_weight(b, W_SSM_DT, true), dt_b = vector(b, W_SSM_DT_B, inner, false);
    build_linear(b, "ssm_dt", dt_norm, dbc, dt, &dt_w, &dt_b, 1, false);
    struct op_scan s = {.dt = dt, .bc = dbc, .z = xz, .b_at = rank, .c_at = rank + n_state};
    s.z_at = inner, s.n_state = n_state, s.n_group = 1;
    s.a = vector(b, W_SSM_A, (uint64_t)inner * n_state, true);
    s.d = vector(b, W_SSM_D, inner, true);
    s.state_at = build_state(b, (uint64_t)inner * n_state);
    struct op *op = build_op(b, OP_SCAN, "ssm_scan", xz, xz, inner);
    build_reads(b, dbc), build_reads(b, dt);
    op->scan = s;
    project(b, "ssm_out", W_SSM_OUT, no_norm, xz, 0, out, add);
}

static void mamba_2(struct builder *b, struct norm_spec norm, int32_t in, int32_t out, bool add) {
    const struct hparams *hp = b->hp;
    uint32_t inner = hp->ssm_inner, n_state = hp->ssm_state, heads = hp->ssm_rank,
             n_bc = hp->ssm_group * n_state;
    if (!sized(b, true)) return;
    const uint32_t rows[3] = {inner, inner + 2 * n_bc, heads};
    int32_t w[3], bias[3] = {NO_WEIGHT, NO_WEIGHT, vector(b, W_SSM_DT_B, heads, true)};
    if (!parts_of(b, W_SSM_IN, rows, 3, w)) return;
    int32_t all = build_buffer(b, "zxbcdt", 2 * ((uint64_t)inner + n_bc) + heads);
    build_linear(b, "ssm_in", norm, in, all, w, bias, 3, false);
    convolve(b, all, inner, rows[1]);
    struct op_scan s = {.dt = all, .bc = all, .z = all, .dim = inner / heads};
    s.b_at = 2 * inner, s.c_at = s.b_at + n_bc, s.dt_at = s.c_at + n_bc;
    s.n_state = n_state, s.n_group = hp->ssm_group;
    s.a = vector(b, W_SSM_A, heads, true), s.d = vector(b, W_SSM_D, heads, true);
    s.state_at = build_state(b, (uint64_t)inner * n_state);
    struct op *op = build_op(b, OP_SCAN, "ssm_scan", all, all, inner);
    op->in_at = op->out_at = inner, op->scan = s;
    struct norm_spec grouped = no_norm;
    grouped.w = vector(b, W_SSM_NORM, inner, false);
    if (grouped.w >= 0) grouped.kind = NORM_RMS, grouped.groups = (uint16_t)hp->ssm_group;
    project(b, "ssm_out", W_SSM_OUT, grouped, all, inner, out, add);
}

static void short_conv(struct builder *b, struct norm_spec norm, int32_t in, int32_t out,
                       bool add) {
    const struct hparams *hp = b->hp;
    uint32_t n = hp->n_embd;
    const uint32_t thirds[3] = {n, n, n};
    int32_t w[3];
    if (!hp->short_conv)
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "block %u is a short convolution, but shortconv.l_cache is missing", b->layer);
    if (!parts_of(b, W_SHORT_IN, thirds, 3, w)) return;
    int32_t all = build_buffer(b, "bcx", 3 * (uint64_t)n);
    build_linear(b, "conv_in", norm, in, all, w, NULL, 3, false);
    struct op_conv c = {.taps = hp->short_conv, .gate_at = 0, .post_at = (int32_t)n};
    c.w = build_weight(b, W_SHORT_CONV, true), c.bias = NO_WEIGHT;
    c.state_at = build_state(b, (uint64_t)(hp->short_conv - 1) * n);
    struct op *op = build_op(b, OP_CONV, "short_conv", all, all, n);
    op->in_at = 2 * n, op->conv = c;
    project(b, "conv_out", W_SHORT_OUT, no_norm, all, 0, out, add);
}

/* Qwen3-Next and Qwen 3.5 (Yang et al. 2024, Gated Delta Networks): as in Mamba-2, groups share
 * queries and keys. */
static void delta_net(struct builder *b, struct norm_spec norm, int32_t in, int32_t out,
                      bool add) {
    const struct hparams *hp = b->hp;
    uint32_t inner = hp->ssm_inner, heads = hp->ssm_rank, n_qk = 2 * hp->ssm_group * hp->ssm_state;
    if (!sized(b, true)) return;
    if (hp->ssm_state > DELTA_STATES_MOST) {
        b->rc = fail(b->f, SOTTO_LIMIT, FAIL_NOWHERE, "ssm.state_size is %u; this engine takes %d",
                     hp->ssm_state, DELTA_STATES_MOST);
        return;
    }
    const uint32_t mixed[1] = {n_qk + inner}, twice[1] = {2 * heads};
    int32_t w[2], ba[2];
    bool paired = weights_has(b->parts, W_DELTA_BA, b->layer, NULL);
    if (!parts_of(b, W_QKV, mixed, 1, w)) return;
    w[1] = build_weight(b, W_DELTA_GATE, true);
    if (paired && !parts_of(b, W_DELTA_BA, twice, 1, ba)) return;
    if (!paired)
        ba[0] = build_weight(b, W_DELTA_BETA, true), ba[1] = build_weight(b, W_DELTA_ALPHA, true);
    if (!b->rc && w[0] < 0)
        b->rc = fail(b->f, SOTTO_FORMAT, FAIL_NOWHERE,
                     "the tensor blk.%u.attn_qkv.weight is missing", b->layer);
    int32_t all = build_buffer(b, "qkvz", n_qk + 2 * (uint64_t)inner),
            gates = build_buffer(b, "ba", twice[0]);
    build_linear(b, "ssm_in", norm, in, all, w, NULL, 2, false);
    build_linear(b, "ssm_ba", norm, in, gates, ba, NULL, paired ? 1 : 2, false);
    convolve(b, all, 0, mixed[0]);
    struct op_delta d = {.z = all, .ba = gates, .z_at = mixed[0], .dim = inner / heads};
    d.n_state = hp->ssm_state, d.n_group = hp->ssm_group, d.paired = paired;
    d.a = vector(b, W_SSM_A, heads, true), d.bias = vector(b, W_SSM_DT_B, heads, true);
    d.norm = vector(b, W_SSM_NORM, d.dim, true);
    d.state_at = build_state(b, (uint64_t)inner * d.n_state);
    struct op *op = build_op(b, OP_DELTA, "delta", all, all, inner);
    build_reads(b, gates);
    op->out_at = n_qk, op->delta = d;
    project(b, "ssm_out", W_SSM_OUT, no_norm, all, n_qk, out, add);
}

void trunk_recurrent(struct builder *b, struct norm_spec norm, int32_t in, int32_t out, bool add) {
    if (b->rc) return;
    if (weights_has(b->parts, W_SHORT_IN, b->layer, NULL))
        short_conv(b, norm, in, out, add);
    else if (!weights_has(b->parts, W_SSM_IN, b->layer, NULL))
        delta_net(b, norm, in, out, add);
    else if (weights_has(b->parts, W_SSM_X, b->layer, NULL))
        mamba(b, norm, in, out, add);
    else
        mamba_2(b, norm, in, out, add);
}
