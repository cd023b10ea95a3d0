/* Vector functions, four lanes at a time: the same sums and operations as vec_scalar.c. */
#include "base/bytes.h"
#include "base/fmath.h"
#include "kern/kern_vec.h"
#include "kern/simd_math.h"

#ifdef KERN_SIMD128

/* ---- unary ---------------------------------------------------------------------------------------- */
static inline v128 gate(v128 x, v128 y) {
    return vf_div(x, vf_add(vf_splat(1.0f), v_exp(vf_neg(y))));
}

static inline v128 gelu(v128 x) {
    v128 s = vf_add(vf_splat(1.0f), vf_mul(vf_splat(0.044715f), vf_mul(x, x)));
    return gate(x, vf_mul(x, vf_mul(vf_splat(1.5957691216f), s)));
}

static inline v128 gelu_erf(v128 x) {
    v128 a = vf_abs(vf_mul(x, vf_splat(0.70710678f))), one = vf_splat(1.0f), p, e;
    v128 t = vf_div(one, vf_add(one, vf_mul(vf_splat(0.5f), a)));
    p = vf_add(vf_mul(vf_splat(0x1.11fe0cp-3f), t), vf_splat(-0x1.a91324p-1f));
    p = vf_add(vf_mul(p, t), vf_splat(0x1.0787c2p+1f));
    p = vf_add(vf_mul(p, t), vf_splat(-0x1.3bfef6p+1f));
    p = vf_add(vf_mul(p, t), vf_splat(0x1.574fa8p+0f));
    p = vf_add(vf_mul(p, t), vf_splat(-0x1.cd8ed0p-2f));
    p = vf_add(vf_mul(p, t), vf_splat(0x1.fbd542p-2f));
    p = vf_add(vf_mul(p, t), vf_splat(0x1.f833e8p-1f));
    p = vf_add(vf_mul(p, t), vf_splat(-0x1.43c300p+0f));
    e = vf_mul(t, v_exp(vf_sub(p, vf_mul(a, a))));
    e = v_select(vf_gt(x, v_zero()), vf_sub(vf_splat(2.0f), e), e);
    return vf_mul(vf_mul(vf_splat(0.5f), x), e);
}

static inline v128 relu(v128 x) { return v_and(x, vf_gt(x, v_zero())); }
static inline v128 relu2(v128 x) { return v_and(vf_mul(x, x), vf_gt(x, v_zero())); }
static inline v128 silu(v128 x) { return gate(x, x); }
static inline v128 gelu_quick(v128 x) { return gate(x, vf_mul(vf_splat(1.702f), x)); }
static inline v128 sigmoid(v128 x) { return gate(vf_splat(1.0f), x); }

/* One loop an op: dst = f(x), times up where there is one. */
#define LOOP(f)                                                                                    \
    for (; i + 4 <= n; i += 4) {                                                                   \
        v128 y = f(v_load(x + i));                                                                 \
        v_store(dst + i, up ? vf_mul(y, v_load(up + i)) : y);                                      \
    }                                                                                              \
    break

static void glu(enum unary op, float *dst, const float *x, const float *up, size_t n) {
    size_t i = 0;
    switch (op) {
    case UN_SILU: LOOP(silu);
    case UN_GELU: LOOP(gelu);
    case UN_GELU_ERF: LOOP(gelu_erf);
    case UN_GELU_QUICK: LOOP(gelu_quick);
    case UN_RELU: LOOP(relu);
    case UN_RELU2: LOOP(relu2);
    case UN_SIGMOID: LOOP(sigmoid);
    case UN_TANH: LOOP(v_tanh);
    case UN_EXP: LOOP(v_exp);
    case UN_SOFTPLUS: break; /* in double precision, one by one */
    }
    for (; i < n; i++) dst[i] = up ? vec_unary_one(op, x[i]) * up[i] : vec_unary_one(op, x[i]);
}

static void unary(enum unary op, float *dst, const float *x, size_t n) {
    glu(op, dst, x, NULL, n);
}

/* ---- sums ----------------------------------------------------------------------------------------- */
struct lanes { v128 low, high; }; /* lanes 0-3 and 4-7 */

static float lanes_end(struct lanes s, const float *a, const float *b, size_t from, size_t n) {
    float lane[8];
    v_store(lane, s.low);
    v_store(lane + 4, s.high);
    for (size_t i = from; i < n; i++) lane[i % 8] += b ? a[i] * b[i] : a[i];
    return vec_lanes_sum(lane);
}

static float dot(const float *a, const float *b, size_t n) {
    struct lanes s = {v_zero(), v_zero()};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        s.low = vf_add(s.low, vf_mul(v_load(a + i), v_load(b + i)));
        s.high = vf_add(s.high, vf_mul(v_load(a + i + 4), v_load(b + i + 4)));
    }
    return lanes_end(s, a, b, i, n);
}

static float sum(const float *x, size_t n) {
    struct lanes s = {v_zero(), v_zero()};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        s.low = vf_add(s.low, v_load(x + i));
        s.high = vf_add(s.high, v_load(x + i + 4));
    }
    return lanes_end(s, x, NULL, i, n);
}

/* ---- norms ---------------------------------------------------------------------------------------- */
static void scale(float *dst, const float *a, float s, size_t n) {
    v128 v = vf_splat(s);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) v_store(dst + i, vf_mul(v_load(a + i), v));
    for (; i < n; i++) dst[i] = a[i] * s;
}

static void rms_norm(float *dst, const float *x, const float *weight, size_t n, float eps) {
    float r = 1.0f / f_sqrt(dot(x, x, n) / (float)n + eps);
    v128 v = vf_splat(r);
    size_t i = 0;
    if (!weight) {
        scale(dst, x, r, n);
        return;
    }
    for (; i + 4 <= n; i += 4) v_store(dst + i, vf_mul(vf_mul(v_load(x + i), v), v_load(weight + i)));
    for (; i < n; i++) dst[i] = x[i] * r * weight[i];
}

static void layer_norm(float *dst, const float *x, const float *weight, const float *bias, size_t n,
                       float eps) {
    float mean = sum(x, n) / (float)n, lane[8], r;
    v128 m = vf_splat(mean), low = v_zero(), high = v_zero(), v;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        v128 a = vf_sub(v_load(x + i), m), b = vf_sub(v_load(x + i + 4), m);
        low = vf_add(low, vf_mul(a, a));
        high = vf_add(high, vf_mul(b, b));
    }
    v_store(lane, low);
    v_store(lane + 4, high);
    for (; i < n; i++) {
        float d = x[i] - mean;
        lane[i % 8] += d * d;
    }
    r = 1.0f / f_sqrt(vec_lanes_sum(lane) / (float)n + eps);
    v = vf_splat(r);
    for (i = 0; i + 4 <= n; i += 4) {
        v128 y = vf_mul(vf_sub(v_load(x + i), m), v);
        if (weight) y = vf_mul(y, v_load(weight + i));
        if (bias) y = vf_add(y, v_load(bias + i));
        v_store(dst + i, y);
    }
    for (; i < n; i++) {
        float y = (x[i] - mean) * r;
        if (weight) y = y * weight[i];
        if (bias) y = y + bias[i];
        dst[i] = y;
    }
}

static void l2_norm(float *dst, const float *x, size_t n, float eps) {
    scale(dst, x, 1.0f / f_max(f_sqrt(dot(x, x, n)), eps), n);
}

/* ---- element by element ------------------------------------------------------------------------------ */
static void add(float *dst, const float *a, const float *b, size_t n) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) v_store(dst + i, vf_add(v_load(a + i), v_load(b + i)));
    for (; i < n; i++) dst[i] = a[i] + b[i];
}

static void mul(float *dst, const float *a, const float *b, size_t n) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) v_store(dst + i, vf_mul(v_load(a + i), v_load(b + i)));
    for (; i < n; i++) dst[i] = a[i] * b[i];
}

static void axpy(float *dst, float s, const float *x, size_t n) {
    v128 v = vf_splat(s);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) v_store(dst + i, vf_add(v_load(dst + i), vf_mul(v, v_load(x + i))));
    for (; i < n; i++) dst[i] = dst[i] + s * x[i];
}

static void softcap(float *dst, const float *x, size_t n, float cap) {
    float inverse = 1.0f / cap;
    v128 v = vf_splat(inverse), c = vf_splat(cap);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) v_store(dst + i, vf_mul(v_tanh(vf_mul(v_load(x + i), v)), c));
    for (; i < n; i++) dst[i] = f_tanh(x[i] * inverse) * cap;
}

/* ---- maxima ------------------------------------------------------------------------------------------ */
static float max4(v128 v, float m) {
    float lane[4];
    v_store(lane, v);
    for (int k = 0; k < 4; k++) m = f_max(lane[k], m);
    return m;
}

static float max_scaled(const float *x, size_t n, float s) {
    float m = -__builtin_inff();
    v128 v0 = vf_splat(m), v1 = v0, v2 = v0, v3 = v0, by = vf_splat(s);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v0 = vf_pmax(v0, vf_mul(v_load(x + i), by));
        v1 = vf_pmax(v1, vf_mul(v_load(x + i + 4), by));
        v2 = vf_pmax(v2, vf_mul(v_load(x + i + 8), by));
        v3 = vf_pmax(v3, vf_mul(v_load(x + i + 12), by));
    }
    m = max4(vf_pmax(vf_pmax(v0, v1), vf_pmax(v2, v3)), m);
    for (; i < n; i++) m = f_max(x[i] * s, m);
    return m;
}

static float max(const float *x, size_t n) { return max_scaled(x, n, 1.0f) + 0.0f; }

/* Remembers the first run that raised the maximum and looks for the place inside it. */
static size_t argmax(const float *x, size_t n) {
    enum { RUN = 512 };
    float best = -__builtin_inff();
    size_t start = n;
    for (size_t i = 0; i < n; i += RUN) {
        float m = max(x + i, n - i < RUN ? n - i : RUN);
        if (m > best) best = m, start = i;
    }
    for (size_t i = start; i < n; i++)
        if (x[i] == best) return i;
    return 0;
}

static float exp_sum(const float *x, size_t n, float most, float s) {
    v128 m = vf_splat(most), by = vf_splat(s), low = v_zero(), high = v_zero();
    float lane[8];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        low = vf_add(low, v_exp(vf_mul(vf_sub(v_load(x + i), m), by)));
        high = vf_add(high, v_exp(vf_mul(vf_sub(v_load(x + i + 4), m), by)));
    }
    v_store(lane, low);
    v_store(lane + 4, high);
    for (; i < n; i++) lane[i % 8] += f_exp((x[i] - most) * s);
    return vec_lanes_sum(lane);
}

static void softmax(float *dst, const float *x, size_t n, float s) {
    float m = max_scaled(x, n, s), lane[8];
    v128 most = vf_splat(m), by = vf_splat(s), low = v_zero(), high = v_zero();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        v128 a = v_exp(vf_sub(vf_mul(v_load(x + i), by), most));
        v128 b = v_exp(vf_sub(vf_mul(v_load(x + i + 4), by), most));
        v_store(dst + i, a);
        v_store(dst + i + 4, b);
        low = vf_add(low, a);
        high = vf_add(high, b);
    }
    v_store(lane, low);
    v_store(lane + 4, high);
    for (; i < n; i++) {
        dst[i] = f_exp(x[i] * s - m);
        lane[i % 8] += dst[i];
    }
    scale(dst, dst, 1.0f / vec_lanes_sum(lane), n);
}

/* ---- rotary positions --------------------------------------------------------------------------------- */
static void rope_one(float *a, float *b, const float *cos_sin) {
    float u = *a, v = *b;
    *a = u * cos_sin[0] - v * cos_sin[1];
    *b = u * cos_sin[1] + v * cos_sin[0];
}

static void rope(float *x, const float *cos_sin, size_t n_rot, bool neox) {
    size_t half = n_rot / 2, i = 0;
    for (; i + 4 <= half; i += 4) {
        v128 a = v_load(cos_sin + 2 * i), b = v_load(cos_sin + 2 * i + 4), u, v, p, q;
        v128 c = V_SHUFFLE32(a, b, 0, 2, 4, 6), s = V_SHUFFLE32(a, b, 1, 3, 5, 7);
        if (neox) {
            u = v_load(x + i);
            v = v_load(x + half + i);
        } else {
            p = v_load(x + 2 * i);
            q = v_load(x + 2 * i + 4);
            u = V_SHUFFLE32(p, q, 0, 2, 4, 6);
            v = V_SHUFFLE32(p, q, 1, 3, 5, 7);
        }
        p = vf_sub(vf_mul(u, c), vf_mul(v, s));
        q = vf_add(vf_mul(u, s), vf_mul(v, c));
        if (neox) {
            v_store(x + i, p);
            v_store(x + half + i, q);
        } else {
            v_store(x + 2 * i, V_SHUFFLE32(p, q, 0, 4, 1, 5));
            v_store(x + 2 * i + 4, V_SHUFFLE32(p, q, 2, 6, 3, 7));
        }
    }
    for (; i < half; i++)
        rope_one(x + (neox ? i : 2 * i), x + (neox ? half + i : 2 * i + 1), cos_sin + 2 * i);
}

const struct kern_vec_table kern_vec_simd = {
    .rms_norm = rms_norm, .layer_norm = layer_norm, .l2_norm = l2_norm, .unary = unary,
    .glu = glu, .add = add, .mul = mul, .scale = scale, .axpy = axpy, .dot = dot, .max = max,
    .argmax = argmax, .exp_sum = exp_sum, .softmax = softmax, .softcap = softcap, .rope = rope,
};

#endif
