/* OP_LINEAR: norm, preparation of activations, up to three products, and what follows them.
 *
 * A short batch is prepared by every thread for itself, which costs less than a barrier; a long one
 * is split by tokens. Products are split by tiles of all items together. */
#include "model/run.h"

enum {
    GLU_FLOATS = 16384 /* rows of `up` that a chunk keeps beside */,
    CHUNK_MACS = 1 << 16,
    CHUNK_MOST = 1 << 24
};

static size_t act_place(enum act_kind kind, uint8_t kinds, size_t k, size_t n_tokens) {
    size_t at = 0;
    for (int i = 0; i < (int)kind; i++)
        if (kinds >> i & 1) at += align64(kern_act_bytes((enum act_kind)i, k, n_tokens));
    return at;
}

uint64_t linear_acts(const struct model *m, const struct op *op, uint32_t n_tokens) {
    (void)m;
    return act_place(ACT_COUNT, op->linear.kinds, op->linear.k, n_tokens);
}

static uint64_t glu_floats(const struct model *m) {
    uint64_t rows = (uint64_t)m->options.batch * TILE_ROWS;
    return rows > GLU_FLOATS ? rows : GLU_FLOATS;
}

static struct mm product(const struct model *m, const struct op *op, uint32_t i,
                         const uint8_t *acts, uint32_t n_tokens) {
    const struct linear_item *item = &op->linear.item[i];
    const struct weight *w = model_weight(m, item->w);
    enum act_kind kind = kern_act_kind(w->dtype, m->options.exact);
    return (struct mm){
        .dtype = w->dtype,
        .exact = m->options.exact,
        .add = item->add,
        .tiles = w->data,
        .n_rows = w->rows,
        .k = w->k,
        .act = acts ? acts + act_place(kind, op->linear.kinds, w->k, n_tokens) : NULL,
        .n_tokens = n_tokens,
        .bias = model_floats(m, item->bias),
        .out = m->scratch ? model_buffer(m, item->out) + item->out_at : NULL,
        .out_stride = run_stride(m, item->out),
    };
}

/* Private scratch: rows of a short batch, its prepared activations, the product's own, the `up`
 * rows. */
struct places {
    uint64_t rows, acts, mm, glu, end;
};

static struct places places_of(const struct model *m, const struct op *op, uint32_t most_tokens) {
    struct places p = {0};
    uint64_t mm = 0;
    for (uint32_t i = 0; i < op->linear.n_items; i++) {
        struct mm one = product(m, op, i, NULL, most_tokens);
        uint64_t bytes = kern_mm_scratch(&one);
        if (bytes > mm) mm = bytes;
    }
    p.acts = align64((uint64_t)SMALL_BATCH * op->linear.k * sizeof(float));
    p.mm = p.acts + align64(linear_acts(m, op, SMALL_BATCH));
    p.glu = p.mm + align64(mm);
    p.end = p.glu + (op->linear.epilogue == EPI_GLU ? align64(glu_floats(m) * sizeof(float)) : 0);
    return p;
}

uint64_t linear_scratch(const struct model *m, const struct op *op) {
    return places_of(m, op, op_tokens_most(m, op)).end;
}

uint32_t linear_phases(const struct model *m, const struct op *op) {
    return run_tokens(m, op) > SMALL_BATCH ? 2 : 1;
}

/* Prepares tokens [t0, t1) of n into acts, every kind of the op. rows: room for t1 - t0 normalised
 * rows. */
static void prepare(const struct runner *r, const struct op *op, uint8_t *acts, uint32_t n,
                    uint32_t t0, uint32_t t1, float *rows) {
    const struct model *m = r->m;
    const struct op_linear *l = &op->linear;
    size_t stride = run_stride(m, op->in), k = l->k;
    const float *x = run_in(m, op);
    if (l->norm.kind >= 0) {
        for (uint32_t t = t0; t < t1; t++)
            run_norm(m, l->norm, rows + (t - t0) * k, x + t * stride, k);
        x = (const float *)((uintptr_t)rows - t0 * k * sizeof(float)); /* row t is rows[t - t0] */
        stride = k;
    }
    for (int kind = 0; kind < ACT_COUNT; kind++)
        if (l->kinds >> kind & 1)
            kern_act(m->kern, (enum act_kind)kind,
                     acts + act_place((enum act_kind)kind, l->kinds, k, n), x, stride, k, n, t0,
                     t1);
}

/* What follows rows [row0, row1) of item 0. */
static void finish(const struct model *m, const struct op *op, const struct mm *mm, const float *up,
                   size_t up_stride, size_t row0, size_t row1) {
    const struct op_linear *l = &op->linear;
    for (size_t t = 0; t < mm->n_tokens; t++) {
        float *out = mm->out + t * mm->out_stride + row0;
        size_t n = row1 - row0;
        switch (l->epilogue) {
        case EPI_GLU:
            run_act(m, l->act, l->curve, out, out, up + t * up_stride, n);
            break;
        case EPI_ACT:
            run_act(m, l->act, l->curve, out, out, NULL, n);
            break;
        case EPI_LOGITS:
            if (l->scale != 1) kern_scale(m->kern, out, out, l->scale, n);
            if (l->softcap > 0) kern_softcap(m->kern, out, out, n, l->softcap);
            break;
        default:
            break;
        }
    }
}

static uint32_t tiles_of(const struct mm *mm) {
    return (uint32_t)((mm->n_rows + TILE_ROWS - 1) / TILE_ROWS);
}

/* Tiles [from, to) of item 0 and, for EPI_GLU, of item 1 beside it. */
static void tiles(const struct runner *r, const struct op *op, const struct places *at,
                  const struct mm *mm, uint32_t from, uint32_t to) {
    void *scratch = r->scratch + at->mm;
    size_t row0 = (size_t)from * TILE_ROWS, row1 = (size_t)to * TILE_ROWS;
    if (row1 > mm->n_rows) row1 = mm->n_rows;
    kern_mm(r->m->kern, mm, from, to, scratch);
    float *up = (float *)(void *)(r->scratch + at->glu);
    size_t stride = (size_t)(to - from) * TILE_ROWS;
    if (op->linear.epilogue == EPI_GLU) {
        struct mm beside = mm[1];
        beside.out = (float *)((uintptr_t)up - row0 * sizeof(float)), beside.out_stride = stride;
        kern_mm(r->m->kern, &beside, from, to, scratch);
    }
    if (op->linear.epilogue != EPI_NONE) finish(r->m, op, mm, up, stride, row0, row1);
}

static void multiply(struct runner *r, const struct op *op, const uint8_t *acts, uint32_t n) {
    const struct model *m = r->m;
    const struct op_linear *l = &op->linear;
    struct mm mm[LINEAR_ITEMS];
    uint32_t ends[LINEAR_ITEMS], total = 0, n_walked = l->epilogue == EPI_GLU ? 1 : l->n_items,
                                 from, to;
    for (uint32_t i = 0; i < l->n_items; i++) mm[i] = product(m, op, i, acts, n);
    for (uint32_t i = 0; i < n_walked; i++) ends[i] = total += tiles_of(&mm[i]);
    struct places at = places_of(m, op, n);
    uint64_t macs = (uint64_t)l->k * n * TILE_ROWS * (l->epilogue == EPI_GLU ? 2 : 1);
    struct pieces size = {(uint32_t)(CHUNK_MACS / macs) + 1, (uint32_t)(CHUNK_MOST / macs) + 1};
    if (l->epilogue == EPI_GLU) {
        uint32_t fits = (uint32_t)(glu_floats(m) / ((uint64_t)n * TILE_ROWS));
        if (size.most > fits) size.most = fits;
    }
    while (run_take(r, size, total, &from, &to)) {
        uint32_t i = 0, start = 0;
        while (from < to) { /* the chunk may span items */
            while (from >= ends[i]) start = ends[i++];
            uint32_t end = to < ends[i] ? to : ends[i];
            tiles(r, op, &at, &mm[i], from - start, end - start);
            from = end;
        }
    }
}

void linear_phase(struct runner *r, const struct op *op, uint32_t phase) {
    struct model *m = r->m;
    uint32_t n = run_tokens(m, op), from, to;
    if (n <= SMALL_BATCH) {
        struct places at = places_of(m, op, n);
        uint8_t *acts = r->scratch + at.acts;
        prepare(r, op, acts, n, 0, n, (float *)(void *)r->scratch);
        multiply(r, op, acts, n);
    } else if (phase == 0) {
        uint32_t groups = (n + SMALL_BATCH - 1) / SMALL_BATCH;
        while (run_take(r, run_pieces(groups, 1), groups, &from, &to))
            for (; from < to; from++) {
                uint32_t t0 = from * SMALL_BATCH, t1 = t0 + SMALL_BATCH < n ? t0 + SMALL_BATCH : n;
                prepare(r, op, m->acts, n, t0, t1, (float *)(void *)r->scratch);
            }
    } else
        multiply(r, op, m->acts, n);
}
