/* Latent attention (MLA, DeepSeek-V2 2024, section 2.1): K and V are compressed to one latent a
 * token, beside which a small rotated part of K is shared by all heads.
 *
 * Where the file has the matrices that decompress K and V apart (k_b, v_b), they are applied to the
 * queries and to the sums instead: the cache then holds one row a token, of which V is the leading
 * part. Where it has them as one, K and V are decompressed before the cache. */
#include "model/plan.h"

static const struct norm_spec no_norm = {.kind = -1, .w = NO_WEIGHT, .b = NO_WEIGHT};

static struct norm_spec rms(struct builder *b, uint32_t id) {
    return (struct norm_spec){.kind = NORM_RMS, .w = build_weight(b, id, true), .b = NO_WEIGHT};
}

/* n floats from `in_at + i * in_stride` to `out_at + i * out_stride` for every head i. */
static void copy(struct builder *b, const char *label, int32_t in, uint32_t in_at,
                 uint32_t in_stride, int32_t out, uint32_t out_at, uint32_t out_stride,
                 uint32_t n) {
    struct op *op = build_op(b, OP_COPY, label, in, out, n);
    op->in_at = in_at, op->out_at = out_at;
    op->copy = (struct op_copy){.n_parts = b->hp->layers[b->layer].n_head,
                                .in_stride = in_stride,
                                .out_stride = out_stride};
}

static void slices(struct builder *b, const char *label, uint32_t id, int32_t in,
                   uint32_t in_stride, int32_t out, uint32_t out_stride) {
    int32_t w = build_weight(b, id, true);
    struct op *op = build_op(b, OP_SLICES, label, in, out, 0);
    if (b->rc) return;
    op->slices = (struct op_slices){.w = w, .in_stride = in_stride, .out_stride = out_stride};
    op->width = b->weights->list[w].rows;
}

/* One product makes queries (or what they are compressed to) and the latent, the latter into kv.
 * Returns where the queries are; direct: where they go if they are not compressed. */
static void queries(struct builder *b, struct norm_spec norm, int32_t in, int32_t q, int32_t kv,
                    uint32_t kv_at) {
    bool compressed = !b->rc && weights_has(b->parts, W_Q_A, b->layer, NULL);
    int32_t w[2] = {build_weight(b, compressed ? W_Q_A : W_Q, true), build_weight(b, W_KV_A, true)};
    int32_t first = q;
    if (compressed && !b->rc) first = build_buffer(b, "q_a", b->weights->list[w[0]].rows);
    struct op *op = build_linear(b, "attn_q_kv_a", norm, in, first, w, NULL, 2, false);
    op->linear.item[1].out = kv, op->linear.item[1].out_at = kv_at;
    build_reads(b, kv);
    if (!b->rc) op->width = b->weights->list[w[0]].rows;
    if (!compressed || b->rc) return;
    struct norm_spec q_norm = rms(b, W_Q_A_NORM);
    int32_t q_b = build_weight(b, W_Q_UP, true);
    if (b->rc) return;
    const struct weight *list = b->weights->list;
    uint32_t rank = list[w[0]].rows;
    if (list[q_norm.w].k != rank || list[q_b].k != rank) {
        b->rc = fail(
            b->f, SOTTO_FORMAT, FAIL_NOWHERE,
            "the queries of block %u are compressed to %u elements, but their norm has %u and the "
            "matrix after it takes %u",
            b->layer, rank, list[q_norm.w].k, list[q_b].k);
        return;
    }
    build_linear(b, "attn_q_b", q_norm, first, q, &q_b, NULL, 1, false);
}

static void kv_norm(struct builder *b, int32_t kv, uint32_t at) {
    struct norm_spec norm = rms(b, W_KV_A_NORM);
    struct op *op = build_op(b, OP_NORM, "kv_a_norm", kv, kv, b->hp->n_latent);
    op->in_at = op->out_at = at;
    op->norm = (struct op_norm){.norm = norm};
}

void trunk_latent(struct builder *b, struct norm_spec norm, int32_t in, int32_t out, bool add) {
    const struct hparams *hp = b->hp;
    const struct layer_hp *l = &hp->layers[b->layer];
    uint32_t latent = hp->n_latent, n_q = l->n_head * l->dim_k, n_k = l->n_kv_head * l->dim_k,
             n_v = l->v_in_k ? 0 : l->n_kv_head * l->dim_v;
    int32_t qkv = build_buffer(b, "qkv", (uint64_t)n_q + n_k + n_v),
            att = build_buffer(b, "att", (uint64_t)l->n_head * l->dim_v);
    struct op_heads heads = {.from = NO_BUFFER,
                             .k_at = n_q,
                             .v_at = n_q + n_k,
                             .q_norm = NO_WEIGHT,
                             .k_norm = NO_WEIGHT,
                             .rope_at = l->dim_k - l->n_rot,
                             .temperature = hp->temperature_scale > 0};
    if (l->v_in_k) {
        uint32_t dim = hp->dim_k_mla, nope = dim - l->n_rot;
        int32_t q = build_buffer(b, "q", (uint64_t)l->n_head * dim);
        queries(b, norm, in, q, qkv, n_q);
        kv_norm(b, qkv, n_q);
        slices(b, "attn_k_b", W_K_UP, q, dim, qkv, l->dim_k);
        copy(b, "q_rotated", q, nope, dim, qkv, latent, l->dim_k, l->n_rot);
    } else {
        uint32_t nope = l->dim_k - l->n_rot, each = nope + l->dim_v;
        int32_t kv_a = build_buffer(b, "kv_a", (uint64_t)latent + l->n_rot),
                kv = build_buffer(b, "kv", (uint64_t)l->n_head * each);
        queries(b, norm, in, qkv, kv_a, 0);
        kv_norm(b, kv_a, 0);
        int32_t kv_b = build_weight(b, W_KV_UP, true);
        build_linear(b, "attn_kv_b", no_norm, kv_a, kv, &kv_b, NULL, 1, false);
        copy(b, "k", kv, 0, each, qkv, n_q, l->dim_k, nope);
        copy(b, "k_rotated", kv_a, latent, 0, qkv, n_q + nope, l->dim_k, l->n_rot);
        copy(b, "v", kv, nope, each, qkv, n_q + n_k, l->dim_v, l->dim_v);
    }
    struct op *op = build_op(b, OP_HEADS, "heads", qkv, qkv, n_q + n_k + n_v);
    op->heads = heads;
    op = build_op(b, OP_ATTN, "attn", qkv, att, l->n_head * l->dim_v);
    op->attn = (struct op_attn){.sinks = NO_WEIGHT, .bias = NO_WEIGHT};
    int32_t sums = att;
    if (l->v_in_k) {
        sums = build_buffer(b, "values", (uint64_t)l->n_head * hp->dim_v_mla);
        slices(b, "attn_v_b", W_V_UP, att, l->dim_v, sums, hp->dim_v_mla);
    }
    int32_t w = build_weight(b, W_ATTN_OUT, true), bias = build_weight(b, W_ATTN_OUT_B, false);
    build_linear(b, "attn_output", no_norm, sums, out, &w, &bias, 1, add);
}
