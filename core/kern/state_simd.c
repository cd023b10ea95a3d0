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

/* Channels [at, at + 4). */
static void conv_four(const struct conv *c, uint32_t at) {
    v128 past[CONV_TAPS_MOST], w[CONV_TAPS_MOST];
    v128 bias = c->bias ? v_load(c->bias + at) : v_zero();
    uint32_t last = c->taps - 1;
    V_ROLLED for (uint32_t j = 0; j <= last; j++) {
        float own[4];
        for (uint32_t k = 0; k < 4; k++) own[k] = c->w[(size_t)(at + k) * c->taps + j];
        w[j] = v_load(own);
        if (j < last) past[j] = c->from ? v_load(c->from + (size_t)j * c->channels + at) : v_zero();
    }
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        size_t i = t * c->stride + at;
        v128 x = v_load(c->x + i), sum;
        if (c->gate) x = vf_mul(x, v_load(c->gate + i));
        past[last] = x;
        sum = vf_mul(past[0], w[0]);
        V_ROLLED for (uint32_t j = 1; j <= last; j++) {
            sum = vf_add(sum, vf_mul(past[j], w[j]));
            past[j - 1] = past[j];
        }
        if (c->bias) sum = vf_add(sum, bias);
        if (c->silu) sum = silu(sum);
        if (c->post) sum = vf_mul(sum, v_load(c->post + i));
        v_store(c->out + t * c->out_stride + at, sum);
    }
    V_ROLLED for (uint32_t j = 0; j < last; j++)
        v_store(c->to + (size_t)j * c->channels + at, past[j]);
}

static void conv(const struct conv *c, uint32_t from, uint32_t to) {
    for (; from + 4 <= to; from += 4) conv_four(c, from);
    kern_state_scalar.conv(c, from, to);
}

/* Four states of a row: from `in`, changed, to `state`; returned times c. */
static inline v128 scan_part(const float *in, float *state, const float *a, v128 decay, v128 dt,
                             v128 by, const float *b, const float *c) {
    v128 s = v_load(in);
    if (a) decay = v_exp(vf_mul(dt, v_load(a)));
    s = vf_add(vf_mul(s, decay), vf_mul(v_load(b), by));
    v_store(state, s);
    return vf_mul(s, v_load(c));
}

/* One token of one row: the sums of lanes i % 4, of which the caller makes one. a: NULL with one
 * decay. */
static inline __attribute__((always_inline)) v128 scan_row(const float *in, float *state,
                                                           const float *a, float decay, float dt,
                                                           float by, const float *b,
                                                           const float *c, uint32_t n) {
    v128 low = v_zero(), high = v_zero(), d = vf_splat(decay), t = vf_splat(dt), y = vf_splat(by);
    V_ROLLED for (uint32_t i = 0; i < n; i += 4) {
        low = vf_add(low, scan_part(in + i, state + i, a ? a + i : NULL, d, t, y, b + i, c + i));
        if ((i += 4) == n) break;
        high = vf_add(high, scan_part(in + i, state + i, a ? a + i : NULL, d, t, y, b + i, c + i));
    }
    return vf_add(low, high);
}

/* Tokens [t0, t1) of rows [row, row + 4). dts and decays: of the head, by token. */
static void scan_four(const struct scan *s, uint32_t row, uint32_t t0, uint32_t t1,
                      const float *dts, const float *decays) {
    uint32_t n = s->n_state;
    V_ROLLED for (uint32_t t = t0; t < t1; t++) {
        const float *b = s->b + t * s->bc_stride, *c = s->c + t * s->bc_stride;
        float *state = s->to + (size_t)row * n, dt[4], by[4];
        const float *in = t || !s->from ? state : s->from + (size_t)row * n;
        v128 x = v_load(s->x + t * s->x_stride + row), sums[4],
             step = s->one_decay ? vf_splat(dts[t - t0])
                                 : softplus(v_load(s->dt + t * s->dt_stride + row));
        v_store(dt, step), v_store(by, vf_mul(x, step));
        V_ROLLED for (uint32_t k = 0; k < 4; k++, state += n, in += n) {
            if (s->one_decay)
                sums[k] = scan_row(in, state, NULL, decays[t - t0], 0, by[k], b, c, n);
            else
                sums[k] = scan_row(in, state, s->a + (size_t)(row + k) * n, 0, dt[k], by[k], b, c,
                                   n);
        }
        v128 y = v_sum_lanes(sums[0], sums[1], sums[2], sums[3]);
        if (s->d) y = vf_add(y, vf_mul(s->one_decay ? vf_splat(s->d[0]) : v_load(s->d + row), x));
        if (s->z) y = vf_mul(y, silu(v_load(s->z + t * s->z_stride + row)));
        v_store(s->out + t * s->out_stride + row, y);
    }
}

static void scan(const struct scan *s, uint32_t from, uint32_t to) {
    uint32_t n = s->n_state, end = n % 4 ? from : from + (to - from) / 4 * 4;
    if (!s->from) memset(s->to + (size_t)from * n, 0, (size_t)(end - from) * n * sizeof(float));
    /* a head's state does not fit the nearest cache: some tokens at a time for every four rows */
    for (uint32_t t0 = 0; end > from && t0 < s->n_tokens; t0 += SCAN_TOKENS) {
        uint32_t t1 = s->n_tokens - t0 < SCAN_TOKENS ? s->n_tokens : t0 + SCAN_TOKENS;
        float dts[SCAN_TOKENS], decays[SCAN_TOKENS];
        for (uint32_t t = t0; s->one_decay && t < t1; t++) {
            dts[t - t0] = state_softplus(s->dt[t * s->dt_stride]);
            decays[t - t0] = f_exp(dts[t - t0] * s->a[0]);
        }
        for (uint32_t row = from; row < end; row += 4) scan_four(s, row, t0, t1, dts, decays);
    }
    for (; end < to; end++) state_scan_row(s, end);
}

const struct kern_state_table kern_state_simd = {.conv = conv, .scan = scan};

#endif
