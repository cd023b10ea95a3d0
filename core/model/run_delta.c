/* OP_DELTA: the gated delta rule (Yang et al. 2024, equation 10), a unit a head and sequence.
 *
 * A head's state is [dim][n_state]: each row decays, is corrected towards the value that the key
 * asks for, and is read by the query. Queries and keys have length one; the output is normalised
 * over the head and gated by silu(z). Rows are vector functions, which give the same bits at every
 * level. */
#include "base/fmath.h"
#include "kern/kern_state.h"
#include "model/run.h"
#include <string.h>

/* dst = x / |x| * scale. */
static void unit_length(const struct model *m, float *dst, const float *x, size_t n, float scale) {
    kern_scale(m->kern, dst, x, scale / f_sqrt(kern_dot(m->kern, x, x, n) + m->hp.norm_eps), n);
}

static void one_token(const struct model *m, const struct op *op, uint32_t head, uint32_t t,
                      float *state) {
    const struct op_delta *d = &op->delta;
    uint32_t n = d->n_state, heads = op->width / d->dim, each = heads / d->n_group;
    uint32_t group = d->paired ? head / each : head % d->n_group;
    uint32_t beta_at = d->paired ? group * 2 * each + head % each : head;
    const float *row = run_in(m, op) + (size_t)t * run_stride(m, op->in),
                *gates = model_buffer(m, d->ba) + (size_t)t * run_stride(m, d->ba) + beta_at,
                *z = model_buffer(m, d->z) + (size_t)t * run_stride(m, d->z) + d->z_at +
                     head * d->dim;
    /* the values lie where the outputs go */
    float *out = run_out(m, op) + (size_t)t * run_stride(m, op->out) + head * d->dim;
    float q[DELTA_STATES_MOST], k[DELTA_STATES_MOST], beta = 1 / (1 + f_exp(-gates[0]));
    float alpha = gates[d->paired ? each : heads] + model_floats(m, d->bias)[head];
    float decay = f_exp(state_softplus(alpha) * model_floats(m, d->a)[head]);
    unit_length(m, q, row + group * n, n, 1 / f_sqrt((float)n));
    unit_length(m, k, row + (d->n_group + group) * n, n, 1);
    for (uint32_t r = 0; r < d->dim; r++, state += n) {
        kern_scale(m->kern, state, state, decay, n);
        kern_axpy(m->kern, state, (out[r] - kern_dot(m->kern, state, k, n)) * beta, k, n);
        out[r] = kern_dot(m->kern, state, q, n);
    }
    kern_rms_norm(m->kern, out, out, model_floats(m, d->norm), d->dim, m->hp.norm_eps);
    kern_glu(m->kern, UN_SILU, out, z, out, d->dim);
}

void delta_phase(struct runner *r, const struct op *op) {
    const struct model *m = r->m;
    const struct walk *w = &m->walk;
    const struct op_delta *d = &op->delta;
    uint32_t heads = op->width / d->dim, total = heads * w->n_segments, from, to;
    size_t size = (size_t)d->dim * d->n_state;
    while (run_take(r, run_pieces(total, 1), total, &from, &to))
        for (; from < to; from++) {
            const struct segment *s = &w->segments[from / heads];
            uint32_t head = from % heads;
            const float *old = state_from(&m->states, &s->seq->state, d->state_at);
            float *state = state_to(&m->states, &s->seq->state, d->state_at) + head * size;
            if (old)
                memcpy(state, old + head * size, size * sizeof *state);
            else
                memset(state, 0, size * sizeof *state);
            for (uint32_t t = 0; t < s->n_tokens; t++) one_token(m, op, head, s->first + t, state);
        }
}
