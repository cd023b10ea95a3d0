/* Vector functions, scalar reference: the specification that every level must equal bit for bit. */
#include "base/bytes.h"
#include "base/fmath.h"
#include "kern/kern_vec.h"

/* x * sigmoid(y), the common form of silu and both gelu approximations; tanh(u) = 2 sigmoid(2 u) - 1. */
static float gate(float x, float y) { return x / (1.0f + f_exp(-y)); }

/* erfc(a) = t exp(-a^2 + P(t)), t = 1 / (1 + a / 2), P fitted at Chebyshev nodes on 0 <= a <= 6.5;
 * absolute error below 4e-7. */
static float gelu_erf(float x) {
    float z = x * 0.70710678f, a = f_abs(z), t = 1.0f / (1.0f + 0.5f * a), p, e;
    p = 0x1.11fe0cp-3f;
    p = p * t + -0x1.a91324p-1f;
    p = p * t + 0x1.0787c2p+1f;
    p = p * t + -0x1.3bfef6p+1f;
    p = p * t + 0x1.574fa8p+0f;
    p = p * t + -0x1.cd8ed0p-2f;
    p = p * t + 0x1.fbd542p-2f;
    p = p * t + 0x1.f833e8p-1f;
    p = p * t + -0x1.43c300p+0f;
    e = t * f_exp(p - a * a);
    e = x > 0 ? 2.0f - e : e;
    return (0.5f * x) * e;
}

float vec_unary_one(enum unary op, float x) {
    switch (op) {
    case UN_SILU: return gate(x, x);
    case UN_GELU: return gate(x, x * (1.5957691216f * (1.0f + 0.044715f * (x * x))));
    case UN_GELU_ERF: return gelu_erf(x);
    case UN_GELU_QUICK: return gate(x, 1.702f * x);
    case UN_RELU: return x > 0 ? x : 0;
    case UN_RELU2: return x > 0 ? x * x : 0;
    case UN_SIGMOID: return 1.0f / (1.0f + f_exp(-x));
    case UN_TANH: return f_tanh(x);
    case UN_EXP: return f_exp(x);
    case UN_SOFTPLUS: return x > 20.0f ? x : (float)(x < -30.0f ? d_exp(x) : d_log(1.0 + d_exp(x)));
    }
    return x;
}

static void unary(enum unary op, float *dst, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = vec_unary_one(op, x[i]);
}

static void glu(enum unary op, float *dst, const float *g, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = vec_unary_one(op, g[i]) * up[i];
}

static float dot(const float *a, const float *b, size_t n) {
    float lane[8] = {0};
    for (size_t i = 0; i < n; i++) lane[i % 8] += a[i] * b[i];
    return vec_lanes_sum(lane);
}

static float sum(const float *x, size_t n) {
    float lane[8] = {0};
    for (size_t i = 0; i < n; i++) lane[i % 8] += x[i];
    return vec_lanes_sum(lane);
}

static void rms_norm(float *dst, const float *x, const float *weight, size_t n, float eps) {
    float r = 1.0f / f_sqrt(dot(x, x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) dst[i] = weight ? x[i] * r * weight[i] : x[i] * r;
}

static void layer_norm(float *dst, const float *x, const float *weight, const float *bias, size_t n,
                       float eps) {
    float lane[8] = {0}, mean = sum(x, n) / (float)n, r;
    for (size_t i = 0; i < n; i++) {
        float d = x[i] - mean;
        lane[i % 8] += d * d;
    }
    r = 1.0f / f_sqrt(vec_lanes_sum(lane) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float y = (x[i] - mean) * r;
        if (weight) y = y * weight[i];
        if (bias) y = y + bias[i];
        dst[i] = y;
    }
}

static void l2_norm(float *dst, const float *x, size_t n, float eps) {
    float r = 1.0f / f_max(f_sqrt(dot(x, x, n)), eps);
    for (size_t i = 0; i < n; i++) dst[i] = x[i] * r;
}

static void add(float *dst, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = a[i] + b[i];
}

static void mul(float *dst, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = a[i] * b[i];
}

static void scale(float *dst, const float *a, float s, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = a[i] * s;
}

static void axpy(float *dst, float s, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) dst[i] = dst[i] + s * x[i];
}

static float max(const float *x, size_t n) {
    float m = -__builtin_inff();
    for (size_t i = 0; i < n; i++) m = f_max(x[i], m);
    return m + 0.0f; /* either zero gives +0 */
}

static size_t argmax(const float *x, size_t n) {
    size_t best = 0;
    float m = -__builtin_inff();
    for (size_t i = 0; i < n; i++)
        if (x[i] > m) m = x[i], best = i;
    return best;
}

static float exp_sum(const float *x, size_t n, float most, float s) {
    float lane[8] = {0};
    for (size_t i = 0; i < n; i++) lane[i % 8] += f_exp((x[i] - most) * s);
    return vec_lanes_sum(lane);
}

static void softmax(float *dst, const float *x, size_t n, float s) {
    float m = -__builtin_inff(), lane[8] = {0}, inverse;
    for (size_t i = 0; i < n; i++) m = f_max(x[i] * s, m);
    for (size_t i = 0; i < n; i++) {
        dst[i] = f_exp(x[i] * s - m);
        lane[i % 8] += dst[i];
    }
    inverse = 1.0f / vec_lanes_sum(lane);
    for (size_t i = 0; i < n; i++) dst[i] = dst[i] * inverse;
}

static void softcap(float *dst, const float *x, size_t n, float cap) {
    float inverse = 1.0f / cap;
    for (size_t i = 0; i < n; i++) dst[i] = f_tanh(x[i] * inverse) * cap;
}

static void rope(float *x, const float *cos_sin, size_t n_rot, bool neox) {
    size_t half = n_rot / 2, step = neox ? 1 : 2, other = neox ? half : 1;
    for (size_t i = 0; i < half; i++) {
        float *a = x + i * step, *b = a + other, u = *a, v = *b;
        float c = cos_sin[2 * i], s = cos_sin[2 * i + 1];
        *a = u * c - v * s;
        *b = u * s + v * c;
    }
}

const struct kern_vec_table kern_vec_scalar = {
    .rms_norm = rms_norm, .layer_norm = layer_norm, .l2_norm = l2_norm, .unary = unary,
    .glu = glu, .add = add, .mul = mul, .scale = scale, .axpy = axpy, .dot = dot, .max = max,
    .argmax = argmax, .exp_sum = exp_sum, .softmax = softmax, .softcap = softcap, .rope = rope,
};
