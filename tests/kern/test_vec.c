/* Vector functions: the scalar reference against double precision, every level against the reference bit
 * for bit, with odd sizes and guard floats around every output. */
#include "../check.h"
#include "base/bytes.h"
#include "kern/kern_table.h"
#include "kern/kern_vec.h"
#include <math.h>

static uint32_t state = 1;
static float rnd(float scale) { /* -scale .. scale */
    state = state * 1664525u + 1013904223u;
    return ((float)(state >> 8) / 8388608.0f - 1.0f) * scale;
}

enum { MOST = 1100, GUARD = 8 };
struct out { float x[MOST + 2 * GUARD]; };
static void guard(struct out *o) {
    for (size_t i = 0; i < MOST + 2 * GUARD; i++) o->x[i] = 12345.0f;
}
static bool guarded(const struct out *o, size_t n) {
    bool ok = true;
    for (size_t i = 0; i < GUARD; i++) ok = ok && o->x[i] == 12345.0f && o->x[GUARD + n + i] == 12345.0f;
    return ok;
}
static bool same(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (a[i] != a[i] && b[i] != b[i]) continue; /* a nan's sign is the machine's affair */
        if (float_bits(a[i]) != float_bits(b[i])) {
            printf("  at %zu: %a, wanted %a\n", i, a[i], b[i]);
            return false;
        }
    }
    return true;
}
static bool near_to(const float *a, const double *b, size_t n, double relative, double absolute) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= fabs(b[i]) * relative + absolute)) {
            printf("  at %zu: %.9g, wanted %.9g\n", i, a[i], b[i]);
            return false;
        }
    }
    return true;
}

static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 64, 100, 127, 576, 1027};
static const enum unary ops[] = {UN_SILU, UN_GELU, UN_GELU_ERF, UN_GELU_QUICK, UN_RELU, UN_RELU2,
                                 UN_SIGMOID, UN_TANH, UN_EXP, UN_SOFTPLUS};
enum { N_OPS = sizeof ops / sizeof *ops };

static double unary_exact(enum unary op, double x) {
    switch (op) {
    case UN_SILU: return x / (1 + exp(-x));
    case UN_GELU: return 0.5 * x * (1 + tanh(0.79788456080286535588 * x * (1 + 0.044715 * x * x)));
    case UN_GELU_ERF: return 0.5 * x * (1 + erf(x / 1.4142135623730950488));
    case UN_GELU_QUICK: return x / (1 + exp(-1.702 * x));
    case UN_RELU: return x > 0 ? x : 0;
    case UN_RELU2: return x > 0 ? x * x : 0;
    case UN_SIGMOID: return 1 / (1 + exp(-x));
    case UN_TANH: return tanh(x);
    case UN_EXP: return exp(x);
    case UN_SOFTPLUS: return x > 30 ? x : log1p(exp(x));
    }
    return 0;
}

static const float specials[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.55f, -0.55f, 0.5499999f, 88.7f, 88.8f, 88.6f, -87.3f,
    -87.4f, -87.2f, 1e-30f, -1e-30f, 1e-42f, 1e30f, -1e30f, 20.0f, 20.1f, -30.0f, -31.0f, 3.4e38f, -3.4e38f,
    INFINITY, -INFINITY, NAN, 5.0f, -5.0f, 9.3f, -9.3f, 40.0f};

static void test_unary(void) {
    static float x[MOST], up[MOST];
    static double want[MOST];
    static struct out a, b;
    for (size_t o = 0; o < N_OPS; o++) {
        for (size_t i = 0; i < MOST; i++) {
            x[i] = rnd(i % 3 ? 6.0f : 40.0f);
            up[i] = rnd(2);
            want[i] = unary_exact(ops[o], x[i]);
        }
        kern_unary(kern_get(KERN_SCALAR), ops[o], a.x, x, MOST);
        /* f32 arithmetic of arguments up to 40: exp's relative error grows with them */
        CHECK(near_to(a.x, want, MOST, 8e-6, 6e-7), "op %zu is the function it is named after", o);
        for (enum kern_level level = KERN_SIMD; level <= KERN_RELAXED; level++) {
            const struct kern *kern = kern_get(level);
            if (!kern) continue;
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                size_t n = sizes[s];
                guard(&b);
                kern_unary(kern_get(KERN_SCALAR), ops[o], a.x, x, n);
                kern_unary(kern, ops[o], b.x + GUARD, x, n);
                CHECK(same(b.x + GUARD, a.x, n) && guarded(&b, n), "op %zu level %d n %zu", o, level, n);
                guard(&b);
                kern_glu(kern_get(KERN_SCALAR), ops[o], a.x, x, up, n);
                kern_glu(kern, ops[o], b.x + GUARD, x, up, n);
                CHECK(same(b.x + GUARD, a.x, n) && guarded(&b, n), "glu %zu level %d n %zu", o, level, n);
            }
            kern_unary(kern_get(KERN_SCALAR), ops[o], a.x, specials, 32);
            kern_unary(kern, ops[o], b.x, specials, 32);
            CHECK(same(b.x, a.x, 32), "op %zu level %d at the edges", o, level);
        }
    }
}

/* Every 1021st bit pattern: exp and tanh of all magnitudes, infinities and nans among them. */
static void test_all_magnitudes(void) {
    static float x[1024], a[1024], b[1024];
    for (enum kern_level level = KERN_SIMD; level <= KERN_RELAXED; level++) {
        const struct kern *kern = kern_get(level);
        bool ok = true;
        uint64_t bits = 0;
        if (!kern) continue;
        while (ok && bits < 1ull << 32) {
            for (size_t i = 0; i < 1024; i++, bits += 1021) x[i] = bits_float((uint32_t)bits);
            kern_unary(kern_get(KERN_SCALAR), UN_EXP, a, x, 1024);
            kern_unary(kern, UN_EXP, b, x, 1024);
            ok = ok && same(b, a, 1024);
            kern_unary(kern_get(KERN_SCALAR), UN_TANH, a, x, 1024);
            kern_unary(kern, UN_TANH, b, x, 1024);
            ok = ok && same(b, a, 1024);
        }
        CHECK(ok, "exp and tanh over all magnitudes, level %d", level);
    }
}

/* One call of function f on n floats of x, y, z. */
enum { F_RMS, F_RMS_PLAIN, F_LAYER, F_LAYER_PLAIN, F_L2, F_ADD, F_MUL, F_SCALE, F_AXPY, F_DOT, F_MAX, F_EXP_SUM, F_SOFTMAX,
       F_SOFTCAP, F_NEOX, F_ROPE, F_COUNT };
static void call(const struct kern *kern, int f, float *dst, const float *x, const float *y, const float *z,
                 size_t n) {
    switch (f) {
    case F_RMS: kern_rms_norm(kern, dst, x, y, n, 1e-6f); break;
    case F_RMS_PLAIN: kern_rms_norm(kern, dst, x, NULL, n, 1e-5f); break;
    case F_LAYER: kern_layer_norm(kern, dst, x, y, z, n, 1e-5f); break;
    case F_LAYER_PLAIN: kern_layer_norm(kern, dst, x, NULL, NULL, n, 1e-5f); break;
    case F_L2: kern_l2_norm(kern, dst, x, n, 1e-12f); break;
    case F_ADD: kern_add(kern, dst, x, y, n); break;
    case F_MUL: kern_mul(kern, dst, x, y, n); break;
    case F_SCALE: kern_scale(kern, dst, x, 0.3f, n); break;
    case F_AXPY: memcpy(dst, y, n * 4); kern_axpy(kern, dst, 0.7f, x, n); break;
    case F_DOT: for (size_t i = 0; i < n; i++) dst[i] = kern_dot(kern, x, y, i + 1); break;
    case F_MAX: for (size_t i = 0; i < n; i++) dst[i] = kern_max(kern, x, i + 1); break;
    case F_EXP_SUM: for (size_t i = 0; i < n; i++) dst[i] = kern_exp_sum(kern, x, i + 1, 20.0f, 0.5f); break;
    case F_SOFTMAX: kern_softmax(kern, dst, x, n, 0.25f); break;
    case F_SOFTCAP: kern_softcap(kern, dst, x, n, 30.0f); break;
    case F_NEOX: memcpy(dst, x, n * 4); kern_rope(kern, dst, y, n & ~(size_t)1, true); break;
    case F_ROPE: memcpy(dst, x, n * 4); kern_rope(kern, dst, y, n & ~(size_t)1, false); break;
    }
}

static void exact(int f, double *dst, const float *x, const float *y, const float *z, size_t n) {
    double sum = 0, squares = 0, most = -INFINITY, running = 0, half = (double)(n / 2);
    (void)half;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        most = fmax(most, x[i]);
    }
    double mean = sum / (double)n, variance = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        variance += (x[i] - mean) * (x[i] - mean) / (double)n;
        total += exp((x[i] - most) * 0.25);
    }
    for (size_t i = 0; i < n; i++) {
        switch (f) {
        case F_RMS: dst[i] = x[i] / sqrt(squares / (double)n + 1e-6) * y[i]; break;
        case F_RMS_PLAIN: dst[i] = x[i] / sqrt(squares / (double)n + 1e-5); break;
        case F_LAYER: dst[i] = (x[i] - mean) / sqrt(variance + 1e-5) * y[i] + z[i]; break;
        case F_LAYER_PLAIN: dst[i] = (x[i] - mean) / sqrt(variance + 1e-5); break;
        case F_L2: dst[i] = x[i] / fmax(sqrt(squares), 1e-12); break;
        case F_ADD: dst[i] = (double)x[i] + y[i]; break;
        case F_MUL: dst[i] = (double)x[i] * y[i]; break;
        case F_SCALE: dst[i] = x[i] * (double)0.3f; break;
        case F_AXPY: dst[i] = y[i] + (double)0.7f * x[i]; break;
        case F_DOT: dst[i] = running += (double)x[i] * y[i]; break;
        case F_MAX: dst[i] = running = i ? fmax(running, x[i]) : x[i]; break;
        case F_EXP_SUM: dst[i] = running += exp((x[i] - 20.0) * 0.5); break;
        case F_SOFTMAX: dst[i] = exp((x[i] - most) * 0.25) / total; break;
        case F_SOFTCAP: dst[i] = 30.0 * tanh(x[i] / 30.0); break;
        default: dst[i] = x[i];
        }
    }
    for (size_t i = 0; f >= F_NEOX && i < n / 2; i++) {
        size_t a = f == F_NEOX ? i : 2 * i, b = f == F_NEOX ? i + n / 2 : 2 * i + 1;
        dst[a] = (double)x[a] * y[2 * i] - (double)x[b] * y[2 * i + 1];
        dst[b] = (double)x[a] * y[2 * i + 1] + (double)x[b] * y[2 * i];
    }
}

static void test_functions(void) {
    static float x[MOST], y[MOST], z[MOST];
    static double want[MOST];
    static struct out a, b;
    for (size_t i = 0; i < MOST; i++) x[i] = rnd(20), y[i] = rnd(1.5f), z[i] = rnd(1);
    for (int f = 0; f < F_COUNT; f++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            size_t n = sizes[s];
            guard(&a);
            call(kern_get(KERN_SCALAR), f, a.x + GUARD, x, y, z, n);
            exact(f, want, x, y, z, n);
            /* sums of 1,000 products of 30 in f32 */
            CHECK(near_to(a.x + GUARD, want, n, 4e-6, f == F_DOT ? 5e-3 : 4e-5) && guarded(&a, n),
                  "function %d n %zu", f, n);
            for (enum kern_level level = KERN_SIMD; level <= KERN_RELAXED; level++) {
                if (!kern_get(level)) continue;
                guard(&b);
                call(kern_get(level), f, b.x + GUARD, x, y, z, n);
                CHECK(same(b.x + GUARD, a.x + GUARD, n) && guarded(&b, n), "function %d level %d n %zu", f,
                      level, n);
            }
        }
    }
}

static void test_in_place(void) {
    static float x[MOST], y[MOST], a[MOST], b[MOST];
    const struct kern *kern = kern_get(KERN_BEST);
    for (size_t i = 0; i < MOST; i++) x[i] = rnd(3), y[i] = rnd(3);
    kern_glu(kern, UN_SILU, a, x, y, MOST);
    memcpy(b, x, sizeof x);
    kern_glu(kern, UN_SILU, b, b, y, MOST);
    CHECK(same(b, a, MOST), "glu in place");
    kern_rms_norm(kern, a, x, y, MOST, 1e-5f);
    memcpy(b, x, sizeof x);
    kern_rms_norm(kern, b, b, y, MOST, 1e-5f);
    CHECK(same(b, a, MOST), "norm in place");
    kern_softmax(kern, a, x, MOST, 1);
    memcpy(b, x, sizeof x);
    kern_softmax(kern, b, b, MOST, 1);
    CHECK(same(b, a, MOST), "softmax in place");
}

static void test_argmax(void) {
    static float x[5000];
    for (enum kern_level level = KERN_SCALAR; level <= KERN_RELAXED; level++) {
        const struct kern *kern = kern_get(level);
        if (!kern) continue;
        for (size_t round = 0; round < 200; round++) {
            size_t n = 1 + round * 23, want = 0;
            for (size_t i = 0; i < n; i++) x[i] = floorf(rnd(round % 2 ? 50 : 5000)); /* many ties */
            if (round % 5 == 0) x[n / 2] = NAN;
            if (round % 7 == 0) x[n / 3] = -INFINITY;
            for (size_t i = 1; i < n; i++)
                if (x[i] > x[want] || x[want] != x[want]) want = i;
            CHECK_EQ(kern_argmax(kern, x, n), want);
        }
        x[0] = NAN, x[1] = -INFINITY;
        CHECK_EQ(kern_argmax(kern, x, 2), 0);
        x[0] = -0.0f, x[1] = 0.0f;
        CHECK_EQ(kern_argmax(kern, x, 2), 0);
        x[0] = -INFINITY, x[1] = -3;
        CHECK_EQ(kern_argmax(kern, x, 2), 1);
    }
}

int main(void) {
    test_unary();
    test_all_magnitudes();
    test_functions();
    test_in_place();
    test_argmax();
    return check_done();
}
