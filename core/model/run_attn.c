/* OP_HEADS and OP_ATTN: queries and keys made ready, K and V into the cache, attention over it. */
#include "base/fmath.h"
#include "model/run.h"
#include <string.h>

/* One head of one token, in place: clamp, norm, rotation. */
static void ready_head(const struct model *m, const struct op *op, float *x, int32_t norm_w,
                       uint32_t head, uint32_t token) {
    const struct op_heads *h = &op->heads;
    const struct layer_hp *l = &m->hp.layers[op->layer];
    const float *w = model_floats(m, norm_w);
    if (w && h->norm_each) w += (size_t)head * l->dim_k;
    for (int pass = 0; pass < 2; pass++) {
        if (w && h->after_rope == (pass == 1)) {
            if (h->norm_kind == NORM_RMS)
                kern_rms_norm(m->kern, x, x, w, l->dim_k, m->hp.norm_eps);
            else
                kern_layer_norm(m->kern, x, x, w, NULL, l->dim_k, m->hp.norm_eps);
        }
        if (pass == 0 && l->rope != ROPE_NONE) {
            const struct rope_set *set = &m->rope[l->rope_set];
            kern_rope(m->kern, x + h->rope_at, set->table + (size_t)token * set->n_rot, l->n_rot,
                      l->rope == ROPE_NEOX);
        }
    }
    if (h->l2) kern_rms_norm(m->kern, x, x, NULL, l->dim_k, m->hp.norm_eps);
}

static void clamp(float *x, size_t n, float limit) {
    for (size_t i = 0; i < n; i++) x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

static void *kv_row(const struct model *m, const struct segment *s, uint32_t layer, uint32_t head,
                    uint32_t position, bool value) {
    const struct kv_layer *at = &m->kv.layers[layer];
    uint8_t *page = kv_page(&m->kv, at->group, s->seq->kv.pages[at->group][position / KV_PAGE]);
    return page + kv_head_at(at, head, value) + position % KV_PAGE * (value ? at->v_row : at->k_row);
}

static const struct segment *segment_of(const struct walk *w, uint32_t token) {
    uint32_t low = 0, high = w->n_segments - 1; /* the last whose first token is not after it */
    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        if (w->segments[middle].first <= token)
            low = middle;
        else
            high = middle - 1;
    }
    return &w->segments[low];
}

static void head_unit(const struct model *m, const struct op *op, uint32_t token, uint32_t head) {
    const struct op_heads *h = &op->heads;
    const struct layer_hp *l = &m->hp.layers[op->layer];
    float *row = run_in(m, op) + (size_t)token * run_stride(m, op->in);
    uint32_t position = m->walk.positions[token];
    if (head < l->n_head) {
        float *q = row + h->q_at + (size_t)head * l->dim_k;
        if (h->from >= 0)
            memcpy(q,
                   model_buffer(m, h->from) + (size_t)token * run_stride(m, h->from) +
                       (size_t)head * 2 * l->dim_k,
                   l->dim_k * sizeof *q);
        if (m->hp.clamp_qkv > 0) clamp(q, l->dim_k, m->hp.clamp_qkv);
        ready_head(m, op, q, h->q_norm, head, token);
        if (h->temperature) {
            double steps =
                (double)((position + m->hp.arch->temperature_offset) / m->hp.temperature_step);
            kern_scale(m->kern, q, q,
                       (float)(d_log(1 + steps) * (double)m->hp.temperature_scale + 1), l->dim_k);
        }
        return;
    }
    const struct segment *s = segment_of(&m->walk, token);
    uint32_t i = head - l->n_head;
    bool value = i >= l->n_kv_head;
    if (value) i -= l->n_kv_head;
    uint32_t dim = value ? l->dim_v : l->dim_k;
    float *x = row + (value ? h->v_at : h->k_at) + (size_t)i * dim;
    if (m->hp.clamp_qkv > 0) clamp(x, dim, m->hp.clamp_qkv);
    if (value && h->v_norm) kern_rms_norm(m->kern, x, x, NULL, dim, m->hp.norm_eps);
    if (!value) ready_head(m, op, x, h->k_norm, i, token);
    kern_kv_store(m->kern, m->kv.type, kv_row(m, s, op->layer, i, position, value), x, dim);
}

void heads_phase(struct runner *r, const struct op *op) {
    const struct layer_hp *l = &r->m->hp.layers[op->layer];
    uint32_t stored = l->kv_back ? 0 : l->v_in_k ? 1 : 2,
             heads = l->n_head + stored * l->n_kv_head, total = run_tokens(r->m, op) * heads, from,
             to;
    while (run_take(r, run_pieces(total, 4), total, &from, &to))
        for (; from < to; from++) head_unit(r->m, op, from / heads, from % heads);
}

/* What kern_attn needs of a layer, but for the sequence. */
static struct attn attn_of(const struct model *m, const struct op *op) {
    const struct layer_hp *l = &m->hp.layers[op->layer];
    return (struct attn){
        .type_k = m->kv.type,
        .type_v = m->kv.type,
        .n_head = l->n_head,
        .n_kv_head = l->n_kv_head,
        .dim_k = l->dim_k,
        .dim_v = l->dim_v,
        .dim_v_row = l->v_in_k ? l->dim_k : 0,
        .window = l->window,
        .bidirectional = m->hp.encoder,
        .scale = m->hp.attn_scale,
        .softcap = m->hp.attn_softcap,
        .sinks = model_floats(m, op->attn.sinks),
        .alibi = m->alibi,
        .bias = model_floats(m, op->attn.bias),
        .bucket = m->bucket,
    };
}

static uint64_t pointers_bytes(const struct model *m) {
    return align64(((uint64_t)m->options.context + KV_PAGE - 1) / KV_PAGE * sizeof(void *));
}

uint64_t attn_scratch(const struct model *m, const struct op *op) {
    struct attn a = attn_of(m, op);
    return 2 * pointers_bytes(m) + align64(kern_attn_scratch_max(&a, m->options.batch));
}

uint64_t attn_partials(const struct model *m, const struct op *op) {
    struct attn a = attn_of(m, op);
    return align64(kern_attn_partials_max(&a, m->options.batch, m->options.context));
}

/* Attention of segment s; page pointers go to the thread's scratch unless pointers is false. */
static struct attn attn_segment(const struct runner *r, const struct op *op,
                                const struct segment *s, bool pointers) {
    const struct model *m = r->m;
    const struct kv_layer *at = &m->kv.layers[op->layer];
    struct attn a = attn_of(m, op);
    size_t in = run_stride(m, op->in), out = run_stride(m, op->out);
    a.q = run_in(m, op) + s->first * in, a.q_stride = in;
    a.out = run_out(m, op) + s->first * out, a.out_stride = out;
    a.n_tokens = s->n_tokens, a.position = s->position, a.n_past = s->position + s->n_tokens;
    a.head_bytes = at->head_bytes;
    if (!pointers) return a;
    const void **k = (const void **)(void *)r->scratch,
               **v = (const void **)(void *)(r->scratch + pointers_bytes(m));
    for (uint32_t i = 0; i * KV_PAGE < a.n_past; i++) {
        uint32_t page = s->seq->kv.pages[at->group][i];
        const uint8_t *base = page == KV_NO_PAGE ? NULL : kv_page(&m->kv, at->group, page);
        k[i] = base ? base + at->k_at : NULL, v[i] = base ? base + at->v_at : NULL;
    }
    a.k_pages = k, a.v_pages = v;
    return a;
}

/* Segments are walked in rounds whose partial sums fit the shared room: phases 2i and 2i + 1 attend
 * and combine round i. Almost always there is one round. */
static uint32_t round_end(const struct runner *r, const struct op *op, uint32_t first) {
    const struct walk *w = &r->m->walk;
    uint64_t used = 0;
    uint32_t i = first;
    for (; i < w->n_segments; i++) {
        struct attn a = attn_segment(r, op, &w->segments[i], false);
        used += align64(kern_attn_partials(&a));
        if (used > r->m->partials_bytes && i > first) break;
    }
    return i;
}

uint32_t attn_phases(const struct model *m, const struct op *op) {
    struct runner r = {.m = (struct model *)m};
    uint32_t rounds = 0, combines = 0;
    for (uint32_t i = 0; i < m->walk.n_segments; rounds++) i = round_end(&r, op, i);
    for (uint32_t i = 0; i < m->walk.n_segments && !combines; i++) {
        struct attn a = attn_segment(&r, op, &m->walk.segments[i], false);
        combines = (uint32_t)kern_attn_combine_units(&a);
    }
    return combines ? 2 * rounds : 2 * rounds - 1;
}

void attn_phase(struct runner *r, const struct op *op, uint32_t phase) {
    const struct model *m = r->m;
    const struct walk *w = &m->walk;
    bool combine = phase & 1;
    uint32_t first = 0, from, to;
    for (uint32_t i = 0; i < phase / 2; i++) first = round_end(r, op, first);
    uint32_t end = round_end(r, op, first), total = 0;
    for (uint32_t i = first; i < end; i++) {
        struct attn a = attn_segment(r, op, &w->segments[i], false);
        total += (uint32_t)(combine ? kern_attn_combine_units(&a) : kern_attn_units(&a));
    }
    uint32_t at = first, start = 0, units = 0;
    uint64_t partials = 0;
    struct attn a = {0};
    bool loaded = false;
    while (run_take(r, run_pieces(total, 1), total, &from, &to)) {
        if (from < start) at = first, start = 0, partials = 0, loaded = false; /* another thread's share */
        for (; from < to; from++) {
            while (!loaded || from >= start + units) { /* on to the segment of this unit */
                if (loaded) start += units, partials += align64(kern_attn_partials(&a)), at++;
                a = attn_segment(r, op, &w->segments[at], true);
                units = (uint32_t)(combine ? kern_attn_combine_units(&a) : kern_attn_units(&a));
                loaded = true;
            }
            void *scratch = r->scratch + 2 * pointers_bytes(m);
            if (combine)
                kern_attn_combine(m->kern, &a, from - start, m->partials + partials);
            else
                kern_attn(m->kern, &a, from - start, m->partials + partials, scratch);
        }
    }
}
