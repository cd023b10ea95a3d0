/* Kernels of recurrent layers, four channels or rows at a time: the same sums as state_scalar.c. */
#include "base/fmath.h"
#include "kern/kern_state.h"
#include "kern/kern_vec.h"
#include "kern/simd_math.h"

#ifdef KERN_SIMD128

static inline v128 silu(v128 x) {
    return vf_div(x, vf_add(vf_splat(1.0f), v_exp(vf_neg(x))));
}

static v128 softplus(v128 x) {
    static const volatile float terms[] = {1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7,
                                           1.0f / 5,  1.0f / 3,  1.0f};
    v128 u = v_exp(vf_neg(vf_abs(x))), r = vf_div(u, vf_add(vf_splat(2.0f), u)), q = vf_mul(r, r),
         p = vf_splat(1.0f / 15);
    for (int i = 0; i < 7; i++) p = vf_add(vf_mul(p, q), vf_splat(terms[i]));
    return vf_add(vf_pmax(v_zero(), x), vf_mul(vf_add(r, r), p));
}

/* Channels [at, at + 4); taps is a constant where that keeps the past in registers. */
static inline __attribute__((always_inline)) void conv_four(const struct conv *c, uint32_t at,
                                                            uint32_t taps) {
    v128 past[CONV_TAPS_MOST], w[CONV_TAPS_MOST];
    v128 bias = c->bias ? v_load(c->bias + at) : v_zero();
    uint32_t last = taps - 1;
    for (uint32_t j = 0; j < taps; j++) {
        float own[4];
        for (uint32_t k = 0; k < 4; k++) own[k] = c->w[(size_t)(at + k) * taps + j];
        w[j] = v_load(own);
        if (j < last) past[j] = c->from ? v_load(c->from + (size_t)j * c->channels + at) : v_zero();
    }
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        size_t i = t * c->stride + at;
        v128 x = v_load(c->x + i), sum;
        past[last] = c->gate ? vf_mul(x, v_load(c->gate + i)) : x;
        sum = vf_mul(past[0], w[0]);
        for (uint32_t j = 1; j <= last; j++) sum = vf_add(sum, vf_mul(past[j], w[j]));
        if (c->bias) sum = vf_add(sum, bias);
        if (c->silu) sum = silu(sum);
        if (c->post) sum = vf_mul(sum, v_load(c->post + i));
        v_store(c->out + t * c->out_stride + at, sum);
        for (uint32_t j = 0; j < last; j++) past[j] = past[j + 1];
    }
    for (uint32_t j = 0; j < last; j++) v_store(c->to + (size_t)j * c->channels + at, past[j]);
}

static void conv(const struct conv *c, uint32_t from, uint32_t to) {
    for (; from + 4 <= to; from += 4) {
        if (c->taps == 4)
            conv_four(c, from, 4);
        else if (c->taps == 3)
            conv_four(c, from, 3);
        else
            conv_four(c, from, c->taps);
    }
    kern_state_scalar.conv(c, from, to);
}

/* What a step of four rows needs: lanes are rows. */
struct step {
    v128 x, by, dt;
    float decay;
};

/* States [i, i + 4) of four rows: changed in place, and added up in sum. */
static inline __attribute__((always_inline)) void scan_part(const struct scan *s, uint32_t row,
                                                            const float *b, const float *c,
                                                            uint32_t i, v128 decay, const v128 *by,
                                                            const v128 *dt, v128 *sum,
                                                            bool one_decay) {
    v128 bi = v_load(b + i), ci = v_load(c + i);
    for (uint32_t k = 0; k < 4; k++) {
        size_t place = (size_t)(row + k) * s->n_state + i;
        v128 state = v_load(s->to + place);
        if (!one_decay) decay = v_exp(vf_mul(dt[k], v_load(s->a + place)));
        state = vf_add(vf_mul(state, decay), vf_mul(bi, by[k]));
        v_store(s->to + place, state);
        sum[k] = vf_add(sum[k], vf_mul(state, ci));
    }
}

static inline void spread(v128 *to, v128 x) {
    to[0] = V_SHUFFLE32(x, x, 0, 0, 0, 0), to[1] = V_SHUFFLE32(x, x, 1, 1, 1, 1);
    to[2] = V_SHUFFLE32(x, x, 2, 2, 2, 2), to[3] = V_SHUFFLE32(x, x, 3, 3, 3, 3);
}

/* One token of rows [row, row + 4): states change in place, the sums come back. */
static inline __attribute__((always_inline)) v128 scan_step(const struct scan *s, uint32_t t,
                                                            uint32_t row, const struct step *at,
                                                            bool one_decay) {
    uint32_t n = s->n_state, i = 0;
    const float *b = s->b + t * s->bc_stride, *c = s->c + t * s->bc_stride;
    v128 low[4], high[4], by[4], dt[4], decay = vf_splat(at->decay);
    for (int k = 0; k < 4; k++) low[k] = high[k] = v_zero();
    spread(by, at->by), spread(dt, at->dt);
    for (; i + 8 <= n; i += 8) {
        scan_part(s, row, b, c, i, decay, by, dt, low, one_decay);
        scan_part(s, row, b, c, i + 4, decay, by, dt, high, one_decay);
    }
    if (i < n) scan_part(s, row, b, c, i, decay, by, dt, low, one_decay);
    for (int k = 0; k < 4; k++) low[k] = vf_add(low[k], high[k]);
    return v_sum_lanes(low[0], low[1], low[2], low[3]);
}

/* Tokens [t0, t1) of rows [row, row + 4). dts and decays: of the head, by token. */
static inline __attribute__((always_inline)) void scan_four(const struct scan *s, uint32_t row,
                                                            uint32_t t0, uint32_t t1,
                                                            const float *dts, const float *decays,
                                                            bool one_decay) {
    for (uint32_t t = t0; t < t1; t++) {
        struct step at = {.x = v_load(s->x + t * s->x_stride + row)};
        if (one_decay)
            at.dt = vf_splat(dts[t - t0]), at.decay = decays[t - t0];
        else
            at.dt = softplus(v_load(s->dt + t * s->dt_stride + row));
        at.by = vf_mul(at.x, at.dt);
        v128 y = scan_step(s, t, row, &at, one_decay);
        if (s->d) {
            v128 d = one_decay ? vf_splat(s->d[0]) : v_load(s->d + row);
            y = vf_add(y, vf_mul(d, at.x));
        }
        if (s->z) y = vf_mul(y, silu(v_load(s->z + t * s->z_stride + row)));
        v_store(s->out + t * s->out_stride + row, y);
    }
}

static void scan(const struct scan *s, uint32_t from, uint32_t to) {
    uint32_t n = s->n_state, end = n % 4 ? from : from + (to - from) / 4 * 4;
    for (size_t i = (size_t)from * n; i < (size_t)end * n; i++) s->to[i] = s->from ? s->from[i] : 0;
    /* a head's state does not fit the nearest cache: some tokens at a time for every four rows */
    for (uint32_t t0 = 0; end > from && t0 < s->n_tokens; t0 += SCAN_TOKENS) {
        uint32_t t1 = s->n_tokens - t0 < SCAN_TOKENS ? s->n_tokens : t0 + SCAN_TOKENS;
        float dts[SCAN_TOKENS], decays[SCAN_TOKENS];
        for (uint32_t t = t0; s->one_decay && t < t1; t++) {
            dts[t - t0] = state_softplus(s->dt[t * s->dt_stride]);
            decays[t - t0] = f_exp(dts[t - t0] * s->a[0]);
        }
        for (uint32_t row = from; row < end; row += 4) {
            if (s->one_decay)
                scan_four(s, row, t0, t1, dts, decays, true);
            else
                scan_four(s, row, t0, t1, NULL, NULL, false);
        }
    }
    for (; end < to; end++) state_scan_row(s, end);
}

const struct kern_state_table kern_state_simd = {.conv = conv, .scan = scan};

#endif
