/* Kernels of recurrent layers: a causal convolution over a few past inputs and the scans of Mamba.
 *
 * Both read a state and write another (which may be the same memory), so that a caller can keep the
 * old one; there is at least one token. Work is cut by channels or rows, never by tokens: a row's
 * tokens run in order, and its bits do not depend on the range, the batch or the level.
 */
#ifndef SOTTO_KERN_KERN_STATE_H
#define SOTTO_KERN_KERN_STATE_H

#include "kern/kern.h"

enum {
    CONV_TAPS_MOST = 16,
    SCAN_TOKENS = 16, /* whose decays are made at once */
    DELTA_STATES_MOST = 256,
};

/* out[t][c] = post(bias[c] + sum over j of w[c][j] * u[t + j + 1 - taps][c]), where u = x (* gate)
 * and inputs before the first token are the state's; post is silu, or a product with post[t][c].
 * out may be x, gate or post. */
struct conv {
    const float *x, *gate, *post; /* [n_tokens][stride]; gate, post: or NULL */
    float *out;                   /* [n_tokens][out_stride] */
    size_t stride, out_stride;
    const float *w, *bias; /* [channels][taps]; [channels] or NULL */
    const float *from;     /* [taps - 1][channels], oldest first; NULL: zeros */
    float *to;
    uint32_t n_tokens, taps, channels;
    bool silu;
};
void kern_conv(const struct kern *kern, const struct conv *c, uint32_t from, uint32_t to);

/* For every row r and state i (Gu & Dao 2023, algorithm 2; Dao & Gu 2024, section 2):
 *   dt = softplus(dt[t][r]);  s[r][i] = s[r][i] * exp(dt * a[r][i]) + b[t][i] * (x[t][r] * dt)
 *   out[t][r] = (sum over i of s[r][i] * c[t][i] + d[r] * x[t][r]) * silu(z[t][r])
 * With one_decay dt[t], a and d are one number for all rows, those of a head. out may be x or z. */
struct scan {
    const float *x, *z, *dt, *b, *c; /* [n_tokens][stride] each; z: or NULL */
    float *out;
    size_t x_stride, z_stride, dt_stride, bc_stride, out_stride;
    const float *a, *d; /* [rows][n_state], [rows]; one number each with one_decay; d: or NULL */
    const float *from;  /* [rows][n_state]; NULL: zeros */
    float *to;
    uint32_t n_tokens, n_state;
    bool one_decay;
};
void kern_scan(const struct kern *kern, const struct scan *s, uint32_t from, uint32_t to);

struct kern_state_table {
    void (*conv)(const struct conv *c, uint32_t from, uint32_t to);
    void (*scan)(const struct scan *s, uint32_t from, uint32_t to);
};
extern const struct kern_state_table kern_state_scalar, kern_state_simd;

/* log(1 + exp(x)) in single precision, the definition for every level: with u = exp(-|x|),
 * log(1 + u) = 2 atanh(u / (2 + u)). Relative error below 4e-7. */
float state_softplus(float x);
/* Row of a scan where the vector body does not reach, and the reference. */
void state_scan_row(const struct scan *s, uint32_t row);

#endif
