/* Kernels of recurrent layers: the scalar reference against double precision, every level against
 * the reference bit for bit, whatever the cut by rows and by tokens. */
#include "../check.h"
#include "base/bytes.h"
#include "kern/kern_state.h"
#include "kern/kern_table.h"
#include <math.h>

static uint32_t seed = 1;
static float rnd(float scale) { /* -scale .. scale */
    seed = seed * 1664525u + 1013904223u;
    return ((float)(seed >> 8) / 8388608.0f - 1.0f) * scale;
}

enum { ROWS = 23, TOKENS = 37, STATES = 40, STRIDE = 160, GUARD = 8 };
enum { STATE_MOST = ROWS * STATES + 2 * GUARD, OUT_MOST = TOKENS * STRIDE + 2 * GUARD };

struct result {
    float out[OUT_MOST], state[STATE_MOST];
};
static void clear(struct result *r) {
    for (size_t i = 0; i < OUT_MOST; i++) r->out[i] = 12345;
    for (size_t i = 0; i < STATE_MOST; i++) r->state[i] = 12345;
}

static float rows[TOKENS * STRIDE], weights[ROWS * STATES], first[ROWS * STATES], bias[ROWS];

static void fill(void) {
    for (size_t i = 0; i < TOKENS * STRIDE; i++) rows[i] = rnd(2);
    for (size_t i = 0; i < ROWS * STATES; i++) weights[i] = rnd(1), first[i] = rnd(1);
    for (size_t i = 0; i < ROWS; i++) bias[i] = rnd(1);
}

struct conv_form {
    uint32_t taps, channels, tokens;
    bool silu, gated, state, bias;
};

/* All tokens in pieces of `piece`, channels in two ranges. */
static void run_conv(const struct kern *kern, const struct conv_form *f, uint32_t piece,
                     struct result *r) {
    clear(r);
    for (uint32_t t = 0; t < f->tokens; t += piece) {
        uint32_t cut = f->channels / 3 & ~3u;
        struct conv c = {
            .x = rows + t * STRIDE,
            .gate = f->gated ? rows + t * STRIDE + 40 : NULL,
            .post = f->gated ? rows + t * STRIDE + 80 : NULL,
            .out = r->out + GUARD + t * STRIDE,
            .stride = STRIDE,
            .out_stride = STRIDE,
            .w = weights,
            .bias = f->bias ? bias : NULL,
            .from = t ? r->state + GUARD : f->state ? first : NULL,
            .to = r->state + GUARD,
            .n_tokens = f->tokens - t < piece ? f->tokens - t : piece,
            .taps = f->taps,
            .channels = f->channels,
            .silu = f->silu,
        };
        kern_conv(kern, &c, 0, cut), kern_conv(kern, &c, cut, f->channels);
    }
}

static void conv_is_a_convolution(const struct conv_form *f) {
    static struct result want, got;
    run_conv(kern_get(KERN_SCALAR), f, f->tokens, &want);
    double worst = 0;
    for (uint32_t t = 0; t < f->tokens; t++)
        for (uint32_t c = 0; c < f->channels; c++) {
            double sum = f->bias ? bias[c] : 0;
            for (uint32_t j = 0; j < f->taps; j++) {
                int at = (int)t + (int)j + 1 - (int)f->taps;
                double x = 0;
                if (at >= 0)
                    x = (double)rows[at * STRIDE + (int)c] *
                        (f->gated ? (double)rows[at * STRIDE + 40 + (int)c] : 1);
                else if (f->state)
                    x = first[(at + (int)f->taps - 1) * (int)f->channels + (int)c];
                sum += x * (double)weights[c * f->taps + j];
            }
            if (f->silu) sum = sum / (1 + exp(-sum));
            if (f->gated) sum *= rows[t * STRIDE + 80 + c];
            worst = fmax(worst, fabs(sum - (double)want.out[GUARD + t * STRIDE + c]));
        }
    CHECK(worst < 1e-5, "%u taps: %g from the exact sums", f->taps, worst);
    size_t n_state = (size_t)(f->taps - 1) * f->channels;
    CHECK(want.state[GUARD - 1] == 12345 && want.state[GUARD + n_state] == 12345,
          "%u taps: the state's neighbours were written", f->taps);
    for (uint32_t level = KERN_SCALAR; level <= KERN_RELAXED; level++)
        for (uint32_t piece = 1; kern_get(level) && piece <= f->tokens;
             piece += piece > 3 ? 11 : 1) {
            run_conv(kern_get(level), f, piece, &got);
            CHECK(!memcmp(&got, &want, sizeof got), "conv of %u taps, level %u, pieces of %u",
                  f->taps, level, piece);
        }
}

struct scan_form {
    uint32_t rows, n_state, tokens;
    bool one_decay, state, z;
};

static void run_scan(const struct kern *kern, const struct scan_form *f, uint32_t piece,
                     struct result *r) {
    clear(r);
    for (uint32_t t = 0; t < f->tokens; t += piece) {
        const float *row = rows + t * STRIDE;
        uint32_t cut = f->rows / 2 & ~3u;
        struct scan s = {
            .x = row,
            .z = f->z ? row + 24 : NULL,
            .dt = row + 48,
            .b = row + 72,
            .c = row + 72 + STATES,
            .out = r->out + GUARD + t * STRIDE,
            .x_stride = STRIDE,
            .z_stride = STRIDE,
            .dt_stride = STRIDE,
            .bc_stride = STRIDE,
            .out_stride = STRIDE,
            .a = weights,
            .d = bias,
            .from = t ? r->state + GUARD : f->state ? first : NULL,
            .to = r->state + GUARD,
            .n_tokens = f->tokens - t < piece ? f->tokens - t : piece,
            .n_state = f->n_state,
            .one_decay = f->one_decay,
        };
        kern_scan(kern, &s, 0, cut), kern_scan(kern, &s, cut, f->rows);
    }
}

static void scan_is_the_recurrence(const struct scan_form *f) {
    static struct result want, got;
    static double state[ROWS * STATES];
    run_scan(kern_get(KERN_SCALAR), f, f->tokens, &want);
    double worst = 0;
    uint32_t n = f->n_state;
    for (uint32_t i = 0; i < f->rows * n; i++) state[i] = f->state ? (double)first[i] : 0;
    for (uint32_t t = 0; t < f->tokens; t++)
        for (uint32_t r = 0; r < f->rows; r++) {
            const float *row = rows + t * STRIDE;
            uint32_t own = f->one_decay ? 0 : r;
            double dt = log1p(exp((double)row[48 + own])), y = 0, z = row[24 + r];
            for (uint32_t i = 0; i < n; i++) {
                double *s = &state[r * n + i];
                *s = *s * exp(dt * (double)weights[f->one_decay ? 0 : r * n + i]) +
                     (double)row[72 + i] * (double)row[r] * dt;
                y += *s * (double)row[72 + STATES + i];
            }
            y += (double)bias[own] * (double)row[r];
            if (f->z) y *= z / (1 + exp(-z));
            double difference = fabs(y - (double)want.out[GUARD + t * STRIDE + r]);
            worst = fmax(worst, difference / (1 + fabs(y)));
        }
    /* forty steps of a state that may grow by e each */
    CHECK(worst < 2e-4, "%u states: %g from the exact sums", n, worst);
    CHECK(want.state[GUARD - 1] == 12345 && want.state[GUARD + f->rows * n] == 12345,
          "%u states: the state's neighbours were written", n);
    for (uint32_t level = KERN_SCALAR; level <= KERN_RELAXED; level++)
        for (uint32_t piece = 1; kern_get(level) && piece <= f->tokens;
             piece += piece > 3 ? 11 : 1) {
            run_scan(kern_get(level), f, piece, &got);
            CHECK(!memcmp(&got, &want, sizeof got), "scan of %u states, level %u, pieces of %u", n,
                  level, piece);
        }
}

static void softplus_is_precise(void) {
    double worst = 0;
    for (float x = -80; x < 90; x += 0.01f) {
        double exact = x > 40 ? (double)x : log1p(exp((double)x));
        worst = fmax(worst, fabs((double)state_softplus(x) - exact) / exact);
    }
    CHECK(worst < 5e-7, "softplus is off by %g of its value", worst);
}

int main(void) {
    static const struct conv_form convs[] = {
        {4, ROWS, TOKENS, true, false, true, true},  {3, 16, TOKENS, false, true, true, false},
        {2, 5, 9, false, false, false, true},        {1, 8, 3, true, true, false, false},
        {7, 12, TOKENS, false, true, false, true},   {16, ROWS, 20, true, false, true, false},
    };
    static const struct scan_form scans[] = {
        {ROWS, 16, TOKENS, false, true, true},    {ROWS, STATES, TOKENS, true, true, true},
        {16, 32, TOKENS, true, false, false},     {6, 5, 7, false, false, true},
        {9, 7, TOKENS, true, true, true},         {8, 12, 5, false, true, false},
    };
    fill();
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) conv_is_a_convolution(&convs[i]);
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) scan_is_the_recurrence(&scans[i]);
    softplus_is_precise();
    return check_done();
}
