/* OP_CONV and OP_SCAN: recurrent layers, cut by sequence and by channels or rows. A unit walks all
 * tokens of its segment in order, so nothing depends on how a batch is cut. */
#include "kern/kern_state.h"
#include "model/run.h"

enum { CONV_CHANNELS = 16, SCAN_ROWS = 16, UNIT_WORK = 1 << 13 };

/* Units of every segment, one after the other; a chunk has so many that it is worth taking. */
static struct pieces chunk(const struct runner *r, uint32_t total, uint64_t unit_work) {
    const struct walk *w = &r->m->walk;
    uint64_t work = unit_work * (w->n_tokens / w->n_segments + 1);
    return run_pieces(total, (uint32_t)(UNIT_WORK / work) + 1);
}

void conv_phase(struct runner *r, const struct op *op) {
    const struct model *m = r->m;
    const struct walk *w = &m->walk;
    const struct op_conv *c = &op->conv;
    size_t stride = run_stride(m, op->in);
    uint32_t units = (op->width + CONV_CHANNELS - 1) / CONV_CHANNELS,
             total = units * w->n_segments, from, to;
    struct pieces size = chunk(r, total, (uint64_t)CONV_CHANNELS * (c->taps + 8));
    while (run_take(r, size, total, &from, &to))
        while (from < to) {
            const struct segment *s = &w->segments[from / units];
            uint32_t first = from % units, n = units - first;
            if (n > to - from) n = to - from;
            uint32_t end = (first + n) * CONV_CHANNELS;
            const float *row = model_buffer(m, op->in) + s->first * stride;
            struct conv conv = {
                .x = row + op->in_at,
                .gate = c->gate_at < 0 ? NULL : row + c->gate_at,
                .post = c->post_at < 0 ? NULL : row + c->post_at,
                .out = run_out(m, op) + s->first * run_stride(m, op->out),
                .stride = stride,
                .out_stride = run_stride(m, op->out),
                .w = model_floats(m, c->w),
                .bias = model_floats(m, c->bias),
                .from = state_from(&m->states, &s->seq->state, c->state_at),
                .to = state_to(&m->states, &s->seq->state, c->state_at),
                .n_tokens = s->n_tokens,
                .taps = c->taps,
                .channels = op->width,
                .silu = c->silu,
            };
            kern_conv(m->kern, &conv, first * CONV_CHANNELS, end < op->width ? end : op->width);
            from += n;
        }
}

static const float *token(const struct model *m, int32_t buffer, uint32_t at, uint32_t first) {
    return model_buffer(m, buffer) + first * run_stride(m, buffer) + at;
}

void scan_phase(struct runner *r, const struct op *op) {
    const struct model *m = r->m;
    const struct walk *w = &m->walk;
    const struct op_scan *o = &op->scan;
    uint32_t rows = o->dim ? o->dim : SCAN_ROWS, units = (op->width + rows - 1) / rows,
             total = units * w->n_segments, from, to;
    struct pieces size = chunk(r, total, (uint64_t)rows * o->n_state * 2);
    while (run_take(r, size, total, &from, &to))
        for (; from < to; from++) {
            const struct segment *s = &w->segments[from / units];
            uint32_t head = from % units, first = head * rows,
                     end = first + rows < op->width ? first + rows : op->width;
            uint32_t group = o->dim ? head / (units / o->n_group) : 0, own = o->dim ? head : 0;
            struct scan scan = {
                .x = run_in(m, op) + s->first * run_stride(m, op->in),
                .z = o->z < 0 ? NULL : token(m, o->z, o->z_at, s->first),
                .dt = token(m, o->dt, o->dt_at + own, s->first),
                .b = token(m, o->bc, o->b_at + group * o->n_state, s->first),
                .c = token(m, o->bc, o->c_at + group * o->n_state, s->first),
                .out = run_out(m, op) + s->first * run_stride(m, op->out),
                .x_stride = run_stride(m, op->in),
                .z_stride = o->z < 0 ? 0 : run_stride(m, o->z),
                .dt_stride = run_stride(m, o->dt),
                .bc_stride = run_stride(m, o->bc),
                .out_stride = run_stride(m, op->out),
                .a = model_floats(m, o->a) + own,
                .d = model_floats(m, o->d) + own,
                .from = state_from(&m->states, &s->seq->state, o->state_at),
                .to = state_to(&m->states, &s->seq->state, o->state_at),
                .n_tokens = s->n_tokens,
                .n_state = o->n_state,
                .one_decay = o->dim > 0,
            };
            kern_scan(m->kern, &scan, first, end);
        }
}
