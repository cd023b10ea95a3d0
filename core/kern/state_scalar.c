/* Kernels of recurrent layers, scalar reference: the specification of every level. */
#include "base/fmath.h"
#include "kern/kern_state.h"
#include "kern/kern_table.h"
#include "kern/kern_vec.h"

static const float atanh_terms[] = {1.0f / 15, 1.0f / 13, 1.0f / 11, 1.0f / 9,
                                    1.0f / 7,  1.0f / 5,  1.0f / 3};

float state_softplus(float x) {
    float u = f_exp(-f_abs(x)), r = u / (2.0f + u), q = r * r, p = atanh_terms[0];
    for (int i = 1; i < 7; i++) p = p * q + atanh_terms[i];
    p = p * q + 1.0f;
    return f_max(x, 0) + (r + r) * p;
}

static void conv_channel(const struct conv *c, uint32_t at) {
    float past[CONV_TAPS_MOST];
    const float *w = c->w + (size_t)at * c->taps;
    uint32_t last = c->taps - 1;
    for (uint32_t j = 0; j < last; j++)
        past[j] = c->from ? c->from[(size_t)j * c->channels + at] : 0;
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        size_t i = t * c->stride + at;
        past[last] = c->gate ? c->x[i] * c->gate[i] : c->x[i];
        float sum = past[0] * w[0];
        for (uint32_t j = 1; j <= last; j++) sum += past[j] * w[j];
        if (c->bias) sum += c->bias[at];
        if (c->silu) sum = vec_unary_one(UN_SILU, sum);
        c->out[t * c->out_stride + at] = c->post ? sum * c->post[i] : sum;
        for (uint32_t j = 0; j < last; j++) past[j] = past[j + 1];
    }
    for (uint32_t j = 0; j < last; j++) c->to[(size_t)j * c->channels + at] = past[j];
}

static void conv(const struct conv *c, uint32_t from, uint32_t to) {
    for (; from < to; from++) conv_channel(c, from);
}

void state_scan_row(const struct scan *s, uint32_t row) {
    uint32_t n = s->n_state, own = s->one_decay ? 0 : row;
    const float *from = s->from ? s->from + (size_t)row * n : NULL;
    float *state = s->to + (size_t)row * n;
    for (uint32_t i = 0; i < n; i++) state[i] = from ? from[i] : 0;
    for (uint32_t t = 0; t < s->n_tokens; t++) {
        const float *b = s->b + t * s->bc_stride, *c = s->c + t * s->bc_stride;
        float x = s->x[t * s->x_stride + row], dt = state_softplus(s->dt[t * s->dt_stride + own]);
        float by = x * dt, lane[8] = {0}, decay = s->one_decay ? f_exp(dt * s->a[0]) : 0;
        for (uint32_t i = 0; i < n; i++) {
            if (!s->one_decay) decay = f_exp(dt * s->a[(size_t)row * n + i]);
            state[i] = state[i] * decay + b[i] * by;
            lane[i % 8] += state[i] * c[i];
        }
        float y = vec_lanes_sum(lane);
        if (s->d) y += s->d[own] * x;
        if (s->z) y *= vec_unary_one(UN_SILU, s->z[t * s->z_stride + row]);
        s->out[t * s->out_stride + row] = y;
    }
}

static void scan(const struct scan *s, uint32_t from, uint32_t to) {
    for (; from < to; from++) state_scan_row(s, from);
}

const struct kern_state_table kern_state_scalar = {.conv = conv, .scan = scan};

void kern_conv(const struct kern *kern, const struct conv *c, uint32_t from, uint32_t to) {
    kern->state->conv(c, from, to);
}

void kern_scan(const struct kern *kern, const struct scan *s, uint32_t from, uint32_t to) {
    kern->state->scan(s, from, to);
}
