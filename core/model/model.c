#include "model/model.h"
#include "base/fmath.h"
#include "model/run.h"
#include <string.h>

/* Partial sums of one query over the whole context must stay addressable in 32 bits. */
static int check_attention(const struct model *m, struct fail *f) {
    for (uint32_t i = 0; i < m->hp.n_layer; i++) {
        const struct layer_hp *l = &m->hp.layers[i];
        if (!l->n_kv_head) continue;
        uint64_t row = (uint64_t)l->n_head * (l->dim_v + 16) * sizeof(float);
        if (row * (m->options.context / ATTN_SEGMENT + 1) > PARTIALS_MOST)
            return fail(f, SOTTO_LIMIT, FAIL_NOWHERE,
                        "attention of %u heads of %u over %u tokens is more than this engine takes",
                        l->n_head, l->dim_v, m->options.context);
    }
    return SOTTO_OK;
}

int model_describe(struct model *m, struct fail *f) {
    m->weights.heap = m->plan.heap = m->heap;
    uint64_t n_vocab = weights_axis(&m->parts, W_TOKEN_EMBD, 0, NULL, 1);
    int rc = hparams_read(&m->hp, m->heap, m->g[0], n_vocab, f);
    if (rc) return rc;
    uint32_t context = m->options.context;
    m->parts.prefix = m->hp.arch->tensors;
    uint64_t positions = weights_axis(&m->parts, W_POSITION_EMBD, 0, NULL, 1);
    if (m->hp.encoder && positions && positions < m->hp.n_ctx_train)
        m->hp.n_ctx_train = (uint32_t)positions;
    if (!context) context = m->hp.n_ctx_train < 4096 ? m->hp.n_ctx_train : 4096;
    if (m->hp.encoder && positions && context > positions) {
        model_forget(m);
        return fail(f, SOTTO_LIMIT, FAIL_NOWHERE,
                    "%s has learned positions for %llu tokens; a context of %u is not possible",
                    m->hp.arch->name, (unsigned long long)positions, context);
    }
    m->options.context = context;
    struct builder b = {.hp = &m->hp,
                        .parts = &m->parts,
                        .weights = &m->weights,
                        .plan = &m->plan,
                        .exact = m->options.exact,
                        .long_rope = (context + 255) / 256 * 256 >
                                     m->hp.n_ctx_orig /* the reference rounds contexts up */,
                        .f = f};
    rc = plan_build(&b);
    if (!rc) rc = check_attention(m, f);
    if (rc) model_forget(m);
    return rc;
}

void model_forget(struct model *m) {
    plan_free(&m->plan);
    weights_free(&m->weights);
    hparams_free(&m->hp, m->heap);
}

uint32_t model_max_rows(const struct hparams *hp, uint32_t batch) {
    uint32_t rows = (uint32_t)(LOGITS_BYTES / ((uint64_t)hp->n_vocab * sizeof(float)));
    rows = rows < 1 ? 1 : rows > 64 ? 64 : rows;
    return rows < batch ? rows : batch;
}

static void most(uint64_t *value, uint64_t other) {
    if (other > *value) *value = other;
}

/* Of the largest tile. */
static uint64_t tile_bytes(const struct model *m) {
    uint64_t tile = 0;
    for (uint32_t i = 0; i < m->weights.n; i++)
        if (!m->weights.list[i].vector) most(&tile, m->weights.list[i].row_bytes * TILE_ROWS);
    return tile;
}

/* Sizes that depend on ops: shared activations, partial sums, private scratch. */
static void measure_ops(struct model *m) {
    m->acts_bytes = m->partials_bytes = 0;
    m->thread_bytes = align64((uint64_t)m->hp.n_embd * sizeof(float)); /* a row aside */
    most(&m->thread_bytes, align64(tile_bytes(m)));                    /* for packing */
    for (uint32_t i = 0; i < m->plan.n_ops; i++) {
        const struct op *op = &m->plan.ops[i];
        if (op->kind == OP_LINEAR) {
            most(&m->thread_bytes, linear_scratch(m, op));
            most(&m->acts_bytes, linear_acts(m, op, op_tokens_most(m, op)));
        } else if (op->kind == OP_ATTN) {
            most(&m->thread_bytes, attn_scratch(m, op));
            most(&m->partials_bytes, attn_partials(m, op));
        } else if (op->kind == OP_SLICES) {
            most(&m->thread_bytes, slices_scratch(m, op));
            most(&m->acts_bytes, slices_acts(m, op, op_tokens_most(m, op)));
        } else if (op->kind == OP_EXPERTS || op->kind == OP_EXPERTS_DOWN || op->kind == OP_ROUTE) {
            most(&m->thread_bytes, experts_scratch(m, op));
            most(&m->acts_bytes, experts_acts(m, op));
        } else
            most(&m->thread_bytes, align64((uint64_t)op->width * sizeof(float)));
    }
}

/* fast: keys and values as integers, in the room of half-floats, so that attention is integer products. */
static enum kv_type cache_type(const struct run_options *o) {
    return o->kv_type == KV_F16 && !o->exact ? KV_I16 : o->kv_type;
}

void model_layout(struct model *m, struct layout *l) {
    const struct run_options *o = &m->options;
    uint64_t n = o->batch, start = l->at;
    for (uint32_t i = 0; i < m->weights.n; i++)
        m->weights.list[i].data = layout_take(l, weight_bytes(&m->weights.list[i]));
    m->weight_bytes = l->at - start;
    kv_layout(&m->kv, &m->hp, cache_type(o), o->context, o->n_sequences, o->batch, l);
    states_layout(&m->states, m->plan.state_floats, o->n_sequences, l);

    start = l->at;
    m->scratch = NULL;
    m->max_seqs = o->n_sequences * 4; /* forks share pages */
    if (m->hp.encoder && m->max_seqs < ENCODER_TEXTS) m->max_seqs = ENCODER_TEXTS;
    measure_ops(m);
    m->max_rows = m->hp.encoder ? 0 : model_max_rows(&m->hp, o->batch);
    m->logits = layout_take(l, (uint64_t)m->max_rows * m->hp.n_vocab * sizeof(float));
    m->texts = layout_take(l, m->plan.text_floats * m->max_seqs * sizeof(float));
    m->acts = layout_take(l, m->acts_bytes);
    m->partials = layout_take(l, m->partials_bytes);
    m->threads = layout_take(l, m->thread_bytes * o->max_threads);
    m->lists =
        m->hp.n_expert
            ? layout_take(l, (m->hp.n_expert + 1 + 2 * n * m->hp.n_expert_used) * sizeof(uint32_t))
            : NULL;
    m->alibi = m->hp.alibi_bias > 0 ? layout_take(l, m->hp.n_head * sizeof(float)) : NULL;
    rope_layout(m, l);
    m->op_ms = layout_take(l, m->plan.n_ops * sizeof(double));

    m->seqs = layout_take(l, (uint64_t)m->max_seqs * sizeof *m->seqs);
    for (uint32_t i = 0; i < m->max_seqs; i++) {
        uint32_t *tokens = layout_take(l, (uint64_t)o->context * sizeof(uint32_t)),
                 *pages[KV_GROUPS] = {NULL};
        for (uint32_t g = 0; g < m->kv.n_groups; g++)
            pages[g] = layout_take(l, m->kv.groups[g].table_pages * sizeof(uint32_t));
        if (!l->base) continue;
        m->seqs[i] = (struct seq){.model = m, .tokens = tokens};
        memcpy(m->seqs[i].kv.pages, pages, sizeof pages);
        state_init(&m->seqs[i].state);
    }
    struct walk *w = &m->walk;
    w->entries = layout_take(l, (uint64_t)m->max_seqs * sizeof *w->entries);
    for (uint32_t i = 0; i < m->max_seqs; i++) {
        uint32_t *tokens = layout_take(l, (uint64_t)o->context * sizeof(uint32_t));
        if (l->base) w->entries[i].tokens = tokens;
    }
    w->segments = layout_take(l, n * sizeof *w->segments);
    w->tokens = layout_take(l, n * sizeof(uint32_t));
    w->positions = layout_take(l, n * sizeof(uint32_t));
    w->types = layout_take(l, n);
    w->row_token = layout_take(l, n * sizeof(uint32_t));
    w->row_entry = layout_take(l, n * sizeof(uint32_t));

    struct feed *feed = &m->feed;
    feed->list = layout_take(l, FEED_INTERVALS * sizeof *feed->list);
    feed->order = layout_take(l, m->weights.n * sizeof(uint32_t));
    feed->wanted = layout_take(l, m->weights.n * sizeof(uint32_t));
    feed->discard = layout_take(l, FEED_DISCARD);
    feed->scratch = layout_take(l, tile_bytes(m));
    feed->tasks = layout_take(l, FEED_TASKS * sizeof *feed->tasks);
    m->scratch = layout_take(l, m->plan.token_floats * n * sizeof(float));
    m->scratch_bytes = l->at - start;
}

/* The largest batch whose scratch stays below the target beside the vocabulary and the header. */
void model_choose_batch(struct model *m) {
    if (m->hp.encoder) { /* a text that sees to both sides cannot be cut */
        m->options.batch = m->options.context;
        return;
    }
    if (m->options.batch) {
        if (m->options.batch > BATCH_MOST) m->options.batch = BATCH_MOST;
        if (m->options.batch > m->options.context) m->options.batch = m->options.context;
        return;
    }
    uint64_t other = 0;
    for (uint32_t i = 0; i < m->parts.n; i++) other += gguf_header_bytes(m->g[i]) * 2;
    uint64_t room = other + SPARE_BYTES < SCRATCH_TARGET / 2 ? SCRATCH_TARGET - other - SPARE_BYTES
                                                             : SCRATCH_TARGET / 2;
    for (uint32_t batch = BATCH_DEFAULT; batch >= 8; batch /= 2) {
        struct layout l = {0};
        m->options.batch = batch < m->options.context ? batch : m->options.context;
        model_layout(m, &l);
        if (m->scratch_bytes <= room) return;
    }
}

static void fill_alibi(struct model *m) {
    if (!m->alibi) return;
    uint32_t n = m->hp.n_head,
             power = 1; /* Press et al. 2021: heads beyond a power of two take the odd steps */
    while (power * 2 <= n) power *= 2;
    for (uint32_t i = 0; i < n; i++) {
        double bias = (double)m->hp.alibi_bias;
        double exponent =
            i < power ? -bias / power * (i + 1) : -bias / 2 / power * (2 * (i - power) + 1);
        m->alibi[i] = (float)d_pow(2, exponent);
    }
}

/* Raffel et al. 2020: half of the buckets for keys behind the query; of each half the first are
 * single distances, the others grow with the logarithm up to ATTN_FAR. */
static void fill_buckets(struct model *m) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->plan.n_ops && !n; i++) {
        const struct op *op = &m->plan.ops[i];
        if (op->kind == OP_ATTN && op->attn.bias >= 0)
            n = model_weight(m, op->attn.bias)->k / m->hp.layers[op->layer].n_head;
    }
    for (int32_t d = -ATTN_FAR; n && d <= ATTN_FAR; d++) {
        uint32_t side = m->hp.encoder ? n / 2 : n, single = side / 2,
                 far = (uint32_t)(d < 0 ? -d : m->hp.encoder ? d : 0), at = far;
        if (far >= single) /* exact powers may come out a hair too small */
            at = single + (uint32_t)(d_log((double)far / single) * (side - single) /
                                         d_log((double)ATTN_FAR / single) +
                                     1e-6);
        if (at >= side) at = side - 1;
        m->bucket[d + ATTN_FAR] = (uint8_t)(at + (m->hp.encoder && d > 0 ? side : 0));
    }
}

int model_start(struct model *m, struct fail *f) {
    kv_reset(&m->kv);
    states_reset(&m->states);
    for (uint32_t i = 0; i < m->max_seqs; i++)
        for (uint32_t g = 0; g < m->kv.n_groups; g++)
            for (uint32_t p = 0; p < m->kv.groups[g].table_pages; p++)
                m->seqs[i].kv.pages[g][p] = KV_NO_PAGE;
    memset(m->op_ms, 0, m->plan.n_ops * sizeof(double));
    fill_alibi(m);
    fill_buckets(m);
    rope_start(m);
    return feed_start(m, f);
}
