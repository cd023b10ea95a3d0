/* OP_SLICES: a small product for every part of a row, each with its own slice of the weight.
 *
 * A unit is a run of tiles of one slice. A short batch is prepared by whoever multiplies, a slice
 * at a time; a long one is prepared first, split by slices and tokens. */
#include "model/run.h"

static struct mm product(const struct model *m, const struct op *op, uint32_t slice,
                         const uint8_t *act, uint32_t n) {
    const struct weight *w = model_weight(m, op->slices.w);
    return (struct mm){
        .dtype = w->dtype,
        .exact = m->options.exact,
        .tiles = w->data ? w->data + slice * w->slice_bytes : NULL,
        .n_rows = w->rows,
        .k = w->k,
        .act = act,
        .n_tokens = n,
        .out = m->scratch ? run_out(m, op) + (size_t)slice * op->slices.out_stride : NULL,
        .out_stride = run_stride(m, op->out),
    };
}

static enum act_kind kind_of(const struct model *m, const struct op *op) {
    return kern_act_kind(model_weight(m, op->slices.w)->dtype, m->options.exact);
}

/* Prepared activations of one slice. */
static uint64_t acts_of(const struct model *m, const struct op *op, uint32_t n) {
    return align64(kern_act_bytes(kind_of(m, op), model_weight(m, op->slices.w)->k, n));
}

uint64_t slices_acts(const struct model *m, const struct op *op, uint32_t n_tokens) {
    return acts_of(m, op, n_tokens) * model_weight(m, op->slices.w)->n_slices;
}

uint64_t slices_scratch(const struct model *m, const struct op *op) {
    struct mm mm = product(m, op, 0, NULL, m->options.batch);
    return acts_of(m, op, SMALL_BATCH) + align64(kern_mm_scratch(&mm));
}

uint32_t slices_phases(const struct model *m, const struct op *op) {
    return run_tokens(m, op) > SMALL_BATCH ? 2 : 1;
}

static void prepare(const struct model *m, const struct op *op, uint32_t slice, uint8_t *act,
                    uint32_t n, uint32_t t0, uint32_t t1) {
    kern_act(m->kern, kind_of(m, op), act, run_in(m, op) + (size_t)slice * op->slices.in_stride,
             run_stride(m, op->in), model_weight(m, op->slices.w)->k, n, t0, t1);
}

void slices_phase(struct runner *r, const struct op *op, uint32_t phase) {
    const struct model *m = r->m;
    const struct weight *w = model_weight(m, op->slices.w);
    uint32_t n = run_tokens(m, op), from, to, tiles = (w->rows + TILE_ROWS - 1) / TILE_ROWS;
    uint64_t acts = acts_of(m, op, n);
    if (n <= SMALL_BATCH) {
        uint8_t *mm_scratch = r->scratch + acts_of(m, op, SMALL_BATCH);
        while (run_take(r, ONE_BY_ONE, w->n_slices, &from, &to)) {
            struct mm mm = product(m, op, from, r->scratch, n);
            prepare(m, op, from, r->scratch, n, 0, n);
            kern_mm(m->kern, &mm, 0, tiles, mm_scratch);
        }
    } else if (phase == 0) {
        uint32_t groups = (n + SMALL_BATCH - 1) / SMALL_BATCH, total = groups * w->n_slices;
        while (run_take(r, run_pieces(total, 1), total, &from, &to))
            for (; from < to; from++) {
                uint32_t slice = from / groups, t0 = from % groups * SMALL_BATCH,
                         t1 = t0 + SMALL_BATCH < n ? t0 + SMALL_BATCH : n;
                prepare(m, op, slice, m->acts + slice * acts, n, t0, t1);
            }
    } else {
        uint32_t total = w->n_slices * tiles;
        while (run_take(r, run_pieces(total, 1), total, &from, &to))
            while (from < to) { /* the chunk may span slices */
                uint32_t slice = from / tiles, first = from % tiles,
                         end = first + (to - from) < tiles ? first + (to - from) : tiles;
                struct mm mm = product(m, op, slice, m->acts + slice * acts, n);
                kern_mm(m->kern, &mm, first, end, r->scratch);
                from += end - first;
            }
    }
}
