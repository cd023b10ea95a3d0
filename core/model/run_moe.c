/* Experts: routing, products over the tokens of each expert, mixing.
 *
 * A slot is one (token, rank) pair; slots are numbered expert by expert, tokens in order, so that
 * an expert's slots are neighbours. lists: offsets [n_expert + 1] of the experts' slots, then the
 * pair of each slot, then the slot of each pair. A token's sum runs over its ranks in order,
 * whatever else is in the batch. */
#include "base/fmath.h"
#include "model/run.h"

enum { GLU_ROWS = 512 };

static uint32_t used(const struct model *m) {
    return m->hp.n_expert_used;
}
static uint32_t *pair_of_slot(const struct model *m) {
    return m->lists + m->hp.n_expert + 1;
}
static uint32_t *slot_of_pair(const struct model *m, uint32_t n) {
    return pair_of_slot(m) + (size_t)n * used(m);
}
static uint32_t slots_of(const struct model *m, uint32_t e) {
    return m->lists[e + 1] - m->lists[e];
}

static float *chosen_row(const struct model *m, int32_t buffer, uint32_t t) {
    return model_buffer(m, buffer) + (size_t)t * 2 * used(m);
}
static uint32_t chosen_id(const float *row, uint32_t rank) {
    return (uint32_t)row[rank];
} /* below 2^24, exact */

/* Keeps the experts of the best groups: a group counts by its two best. */
static void keep_groups(const struct hparams *hp, float *score) {
    uint32_t size = hp->n_expert / hp->n_group;
    float best[MAX_EXPERTS];
    for (uint32_t g = 0; g < hp->n_group; g++) {
        float first = -3e38f, second = -3e38f;
        for (uint32_t i = g * size; i < (g + 1) * size; i++) {
            if (score[i] > first)
                second = first, first = score[i];
            else if (score[i] > second)
                second = score[i];
        }
        best[g] = size > 1 ? first + second : first;
    }
    for (uint32_t kept = 0; kept < hp->n_group_used; kept++) {
        uint32_t at = 0;
        for (uint32_t g = 1; g < hp->n_group; g++)
            if (best[g] > best[at]) at = g;
        best[at] = -3.3e38f;
    }
    for (uint32_t g = 0; g < hp->n_group; g++)
        for (uint32_t i = g * size; best[g] > -3.3e38f && i < (g + 1) * size; i++)
            score[i] = -3.2e38f;
}

static void route_token(const struct runner *r, const struct op *op, uint32_t t) {
    const struct model *m = r->m;
    const struct hparams *hp = &m->hp;
    uint32_t n = hp->n_expert, k = used(m);
    const float *logits = run_in(m, op) + (size_t)t * run_stride(m, op->in),
                *bias = model_floats(m, op->route.bias);
    float *prob = (float *)(void *)r->scratch, *score = prob + n, *row = chosen_row(m, op->out, t),
          sum = 0;
    if (hp->moe_gate == MOE_SOFTMAX)
        kern_softmax(m->kern, prob, logits, n, 1);
    else if (hp->moe_gate == MOE_SIGMOID)
        kern_unary(m->kern, UN_SIGMOID, prob, logits, n);
    else
        for (uint32_t i = 0; i < n; i++) prob[i] = logits[i];
    for (uint32_t i = 0; i < n; i++) score[i] = bias ? prob[i] + bias[i] : prob[i];
    if (hp->n_group > 1) keep_groups(hp, score);
    for (uint32_t rank = 0; rank < k; rank++) { /* ties go to the lowest expert */
        uint32_t at = 0;
        for (uint32_t i = 1; i < n; i++)
            if (score[i] > score[at]) at = i;
        score[at] = -3.4e38f;
        row[rank] = (float)at, row[k + rank] = prob[at];
    }
    if (hp->moe_gate == MOE_SOFTMAX_CHOSEN) {
        kern_softmax(m->kern, row + k, row + k, k, 1);
        return;
    }
    for (uint32_t i = 0; i < k; i++) sum += row[k + i];
    if (sum < 6.103515625e-5f)
        sum = 6.103515625e-5f; /* as the reference guards an all-zero choice */
    for (uint32_t i = 0; hp->moe_norm && i < k; i++) row[k + i] /= sum;
}

/* Sorts the pairs by expert; a NaN row may have chosen one expert twice, which does no harm. */
static void make_lists(const struct model *m, const struct op *op, uint32_t n) {
    uint32_t *offsets = m->lists, *pairs = pair_of_slot(m), *slots = slot_of_pair(m, n),
             k = used(m), at = 0;
    for (uint32_t e = 0; e < m->hp.n_expert; e++) {
        offsets[e] = at;
        for (uint32_t t = 0; t < n; t++) {
            const float *row = chosen_row(m, op->out, t);
            for (uint32_t rank = 0; rank < k; rank++)
                if (chosen_id(row, rank) == e)
                    pairs[at] = t * k + rank, slots[t * k + rank] = at, at++;
        }
    }
    offsets[m->hp.n_expert] = at;
}

static uint64_t acts_of(const struct op *op, uint32_t kinds_below, uint32_t n) {
    uint64_t bytes = 0;
    for (uint32_t kind = 0; kind < kinds_below; kind++)
        if (op->experts.kinds >> kind & 1)
            bytes += align64(kern_act_bytes((enum act_kind)kind, op->experts.k, n));
    return bytes;
}

uint64_t experts_acts(const struct model *m, const struct op *op) {
    if (op->kind == OP_ROUTE) return 0;
    uint64_t slots = (uint64_t)m->options.batch * used(m),
             active = slots < m->hp.n_expert ? slots : m->hp.n_expert;
    return ((slots + 3 * active) / 4 + 1) *
           acts_of(op, ACT_COUNT, SMALL_BATCH); /* experts fill groups of four */
}

struct expert {
    uint32_t id, first, n;
    uint8_t *acts;
}; /* slots [first, first + n) */

/* The i-th expert that has slots; false past the last. */
static bool expert_at(const struct model *m, const struct op *op, uint32_t i, struct expert *out) {
    uint64_t at = 0;
    for (uint32_t e = 0; e < m->hp.n_expert; e++) {
        uint32_t n = slots_of(m, e);
        if (!n) continue;
        if (i-- == 0)
            return *out =
                       (struct expert){.id = e, .first = m->lists[e], .n = n, .acts = m->acts + at},
                   true;
        at += acts_of(op, ACT_COUNT, n);
    }
    return false;
}

static uint32_t n_active(const struct model *m) {
    uint32_t n = 0;
    for (uint32_t e = 0; e < m->hp.n_expert; e++) n += slots_of(m, e) > 0;
    return n;
}

static uint64_t rows_bytes(const struct op *op) {
    return align64((uint64_t)SMALL_BATCH * op->experts.k * sizeof(float));
}

static struct mm expert_product(const struct model *m, const struct op *op, int32_t w, int32_t bias,
                                const struct expert *e) {
    const struct weight *weight = model_weight(m, w);
    enum act_kind kind = kern_act_kind(weight->dtype, m->options.exact);
    const float *b = model_floats(m, bias);
    bool half = op->kind == OP_EXPERTS && op->experts.both;
    return (struct mm){
        .dtype = weight->dtype,
        .exact = m->options.exact,
        .tiles = weight->data + e->id * weight->slice_bytes,
        .n_rows = half ? op->experts.n_ff : weight->rows,
        .k = weight->k,
        .act = e->acts ? e->acts + acts_of(op, (uint32_t)kind, e->n) : NULL,
        .n_tokens = e->n,
        .bias = b ? b + (size_t)e->id * weight->rows : NULL,
    };
}

static uint64_t product_scratch(const struct model *m, const struct op *op) {
    struct expert none = {.n = 1};
    int32_t w[2] = {op->kind == OP_EXPERTS ? op->experts.up : op->experts.down,
                    op->kind == OP_EXPERTS ? op->experts.gate : NO_WEIGHT};
    uint64_t most = 0;
    for (int i = 0; i < 2; i++) {
        if (w[i] < 0) continue;
        struct weight plain = *model_weight(m, w[i]);
        struct mm mm = {.dtype = plain.dtype,
                        .exact = m->options.exact,
                        .n_rows = plain.rows,
                        .k = plain.k,
                        .n_tokens = none.n};
        uint64_t bytes = align64(kern_mm_scratch(&mm));
        if (bytes > most) most = bytes;
    }
    return most;
}

static uint32_t glu_tokens(const struct model *m) {
    return m->options.batch;
} /* most slots one expert can have */

uint64_t experts_scratch(const struct model *m, const struct op *op) {
    if (op->kind == OP_ROUTE) return align64(2 * (uint64_t)m->hp.n_expert * sizeof(float));
    uint64_t floats = (uint64_t)glu_tokens(m) * TILE_ROWS;
    if (floats < GLU_ROWS * TILE_ROWS) floats = GLU_ROWS * TILE_ROWS;
    return rows_bytes(op) + product_scratch(m, op) + align64(floats * sizeof(float));
}

/* Gathers and prepares the inputs of one expert, four slots at a time. */
static void prepare(const struct runner *r, const struct op *op, const struct expert *e) {
    const struct model *m = r->m;
    size_t k = op->experts.k;
    float *rows = (float *)(void *)r->scratch;
    for (uint32_t s = 0; s < e->n; s += SMALL_BATCH) {
        uint32_t end = s + SMALL_BATCH < e->n ? s + SMALL_BATCH : e->n;
        for (uint32_t i = s; i < end; i++) {
            uint32_t slot = e->first + i, pair = pair_of_slot(m)[slot];
            const float *x = op->kind == OP_EXPERTS
                                 ? run_in(m, op) + (size_t)(pair / used(m)) * run_stride(m, op->in)
                                 : run_in(m, op) + slot * k;
            float scale = 1;
            if (op->kind == OP_EXPERTS && m->hp.arch->moe_weight_input)
                scale = chosen_row(m, op->experts.chosen, pair / used(m))[used(m) + pair % used(m)];
            kern_scale(m->kern, rows + (i - s) * k, x, scale, k);
        }
        const float *x = (const float *)((uintptr_t)rows - s * k * sizeof(float));
        for (uint32_t kind = 0; kind < ACT_COUNT; kind++)
            if (op->experts.kinds >> kind & 1)
                kern_act(m->kern, (enum act_kind)kind, e->acts + acts_of(op, kind, e->n), x, k, k,
                         e->n, s, end);
    }
}

/* Tiles [from, to) of one expert. */
static void multiply(const struct runner *r, const struct op *op, const struct expert *e,
                     uint32_t from, uint32_t to) {
    const struct model *m = r->m;
    const struct op_experts *x = &op->experts;
    bool down = op->kind == OP_EXPERTS_DOWN;
    void *scratch = r->scratch + rows_bytes(op);
    struct mm mm = expert_product(m, op,
                                  down           ? x->down
                                  : x->gate >= 0 ? x->gate
                                                 : x->up,
                                  down           ? x->down_b
                                  : x->gate >= 0 ? x->gate_b
                                                 : x->up_b,
                                  e);
    mm.out = run_out(m, op) + (size_t)e->first * mm.n_rows, mm.out_stride = mm.n_rows;
    kern_mm(m->kern, &mm, from, to, scratch);
    if (down) return;
    size_t row0 = (size_t)from * TILE_ROWS, row1 = (size_t)to * TILE_ROWS, stride = row1 - row0;
    if (row1 > mm.n_rows) row1 = mm.n_rows;
    float *beside = (float *)(void *)(r->scratch + rows_bytes(op) + product_scratch(m, op));
    if (x->gate >= 0) {
        struct mm up = expert_product(m, op, x->up, x->up_b, e);
        if (x->both) /* behind the gate's rows */
            up.tiles = (const uint8_t *)up.tiles + x->n_ff * model_weight(m, x->up)->row_bytes;
        up.out = (float *)((uintptr_t)beside - row0 * sizeof(float)), up.out_stride = stride;
        kern_mm(m->kern, &up, from, to, scratch);
    }
    for (uint32_t s = 0; s < e->n; s++) {
        float *h = mm.out + s * mm.out_stride + row0;
        run_act(m, x->act, NULL, h, h, x->gate >= 0 ? beside + s * stride : NULL, row1 - row0);
    }
}

static void products(struct runner *r, const struct op *op) {
    const struct model *m = r->m;
    uint32_t rows =
        op->kind == OP_EXPERTS ? op->experts.n_ff : model_weight(m, op->experts.down)->rows;
    uint32_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, total = n_active(m) * tiles, from, to;
    uint32_t most = GLU_ROWS / glu_tokens(m);
    struct pieces size = run_pieces(total, 1);
    if (size.most > most) size.most = most ? most : 1;
    while (run_take(r, size, total, &from, &to))
        while (from < to) {
            struct expert e;
            if (!expert_at(m, op, from / tiles, &e)) return;
            uint32_t first = from % tiles,
                     end = first + (to - from) < tiles ? first + (to - from) : tiles;
            multiply(r, op, &e, first, end);
            from += end - first;
        }
}

static void mix_token(const struct model *m, const struct op *op, uint32_t t) {
    uint32_t k = used(m), n = op->width;
    float *out = run_out(m, op) + (size_t)t * run_stride(m, op->out);
    const float *row = chosen_row(m, op->mix.chosen, t), *y = run_in(m, op);
    const float *by = model_floats(m, op->mix.scale_w);
    const uint32_t *slots = slot_of_pair(m, run_tokens(m, op)) + (size_t)t * k;
    for (uint32_t rank = 0; rank < k; rank++) {
        float w = (op->mix.unweighted ? 1 : row[k + rank]) * op->mix.scale;
        if (by) w *= by[chosen_id(row, rank)];
        const float *in = y + (size_t)slots[rank] * n;
        if (rank == 0 && !op->mix.add)
            kern_scale(m->kern, out, in, w, n);
        else
            kern_axpy(m->kern, out, w, in, n);
    }
}

uint32_t experts_phases(const struct op *op) {
    return op->kind == OP_MIX ? 1 : 2;
}

void experts_phase(struct runner *r, const struct op *op, uint32_t phase) {
    const struct model *m = r->m;
    uint32_t n = run_tokens(m, op), from, to, total = n;
    if (op->kind == OP_ROUTE && phase == 1) {
        if (run_take(r, ONE_BY_ONE, 1, &from, &to)) make_lists(m, op, n);
    } else if (op->kind == OP_ROUTE || op->kind == OP_MIX) {
        while (run_take(r, run_pieces(total, 1), total, &from, &to))
            for (; from < to; from++) {
                if (op->kind == OP_MIX)
                    mix_token(m, op, from);
                else
                    route_token(r, op, from);
            }
    } else if (phase == 0) {
        struct expert e;
        total = n_active(m);
        while (run_take(r, ONE_BY_ONE, total, &from, &to))
            if (expert_at(m, op, from, &e)) prepare(r, op, &e);
    } else
        products(r, op);
}
