/* Elementary functions in plain multiplications, additions and bit moves: no libm, no fused steps,
 * so the bits are the same on every host. Polynomials of the single-precision forms are fits at
 * Chebyshev nodes, those of the double forms Taylor series. */
#include "base/fmath.h"
#include "base/bytes.h"

static uint64_t double_bits(double v) {
    uint64_t u;
    memcpy(&u, &v, 8);
    return u;
}

static double bits_double(uint64_t u) {
    double v;
    memcpy(&v, &u, 8);
    return v;
}

/* Adding and subtracting 1.5 * 2^23 (2^52) rounds to the nearest integer; the low bits of the sum
 * are that integer, which makes 2^n by an integer addition to the exponent. */
#define ROUND_F 0x1.8p23f
#define ROUND_D 0x1.8p52

float f_exp(float x) {
    float c = x < 88.7f ? x : 88.7f, t, n, r, q, p;
    c = c > -87.3f ? c : -87.3f;
    t = c * 0x1.715476p+0f + ROUND_F; /* 1 / ln 2 */
    n = t - ROUND_F;
    r = c - n * 0x1.62p-1f; /* ln 2 in two parts, the first product is exact */
    r = r - n * 0x1.c85fep-10f;
    q = 0x1.6d113ep-10f;
    q = q * r + 0x1.120ba2p-7f;
    q = q * r + 0x1.55551ap-5f;
    q = q * r + 0x1.5554dcp-3f;
    q = q * r + 0.5f;
    p = q * (r * r) + r;
    p = p + 1.0f;
    p = bits_float(float_bits(p) + (float_bits(t) << 23));
    p = x > 88.7f ? __builtin_inff() : p;
    p = x < -87.3f ? 0.0f : p;
    return x != x ? x : p;
}

float f_tanh(float x) {
    float a = f_abs(x), z = x * x, q, e;
    if (a < 0.55f) {
        q = -0.006610227831114734f;
        q = q * z + 0.021309388664443474f;
        q = q * z + -0.05390942882746055f;
        q = q * z + 0.1333311372902087f;
        q = q * z + -0.3333333200797698f;
        return q * z * x + x;
    }
    e = f_exp(a + a);
    q = 1.0f - 2.0f / (e + 1.0f);
    return bits_float(float_bits(q) | (float_bits(x) & 0x80000000u));
}

double d_exp(double x) {
    double t, n, r, q, s;
    uint64_t k;
    if (x != x) return x;
    if (x > 709.782712893384) return __builtin_inf();
    if (x < -745.2) return 0;
    t = x * 1.4426950408889634 + ROUND_D;
    n = t - ROUND_D;
    r = x - n * 0x1.62e42feep-1;
    r = r - n * 0x1.a39ef35793c76p-33;
    q = 1.0 / 6227020800.0;
    q = q * r + 1.0 / 479001600.0;
    q = q * r + 1.0 / 39916800.0;
    q = q * r + 1.0 / 3628800.0;
    q = q * r + 1.0 / 362880.0;
    q = q * r + 1.0 / 40320.0;
    q = q * r + 1.0 / 5040.0;
    q = q * r + 1.0 / 720.0;
    q = q * r + 1.0 / 120.0;
    q = q * r + 1.0 / 24.0;
    q = q * r + 1.0 / 6.0;
    q = q * r + 0.5;
    q = q * (r * r) + r;
    q = q + 1.0;
    /* 2^n in two steps, since n reaches 1024 and -1075 */
    k = double_bits(t) - double_bits(ROUND_D); /* n, two's complement */
    s = bits_double((uint64_t)(1023 + ((int64_t)k >> 1)) << 52);
    q = q * s;
    return q * bits_double((uint64_t)(1023 + ((int64_t)k - ((int64_t)k >> 1))) << 52);
}

/* x = 2^k * m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1). */
double d_log(double x) {
    double f, s, z, r, half, k = 0;
    uint64_t u = double_bits(x);
    int64_t e;
    if (x != x || x < 0) return __builtin_nan("");
    if (x == 0) return -__builtin_inf();
    if (u >= 0x7ff0000000000000ull) return x;
    if (u < 0x0010000000000000ull) { /* subnormal */
        u = double_bits(x * 0x1p54);
        k = -54;
    }
    e = (int64_t)(u - 0x3fe6a09e667f3bcdull) >> 52; /* arithmetic shift: floor */
    k += (double)e;
    f = bits_double(u - ((uint64_t)e << 52)) - 1.0;
    s = f / (2.0 + f);
    z = s * s;
    r = 2.0 / 23;
    r = r * z + 2.0 / 21;
    r = r * z + 2.0 / 19;
    r = r * z + 2.0 / 17;
    r = r * z + 2.0 / 15;
    r = r * z + 2.0 / 13;
    r = r * z + 2.0 / 11;
    r = r * z + 2.0 / 9;
    r = r * z + 2.0 / 7;
    r = r * z + 2.0 / 5;
    r = r * z + 2.0 / 3;
    r = r * z;
    /* log(1 + f) = f - (f^2/2 - s (f^2/2 + r)): the large terms cancel nothing */
    half = 0.5 * f * f;
    return k * 0x1.62e42feep-1 - ((half - (s * (half + r) + k * 0x1.a39ef35793c76p-33)) - f);
}

/* Reduces by pi/2 in four parts of 23 bits and a rest, so that n up to 2^30 multiplies the first
 * three exactly; returns n mod 4. */
static unsigned reduce(double *r, double x) {
    double t = x * 0.63661977236758138 + ROUND_D, n = t - ROUND_D;
    x = x - n * 0x1.921fb4p+0;
    x = x - n * 0x1.4442dp-24;
    x = x - n * 0x1.846988p-48;
    *r = x - n * 0x1.8cc51701b839ap-72;
    return (unsigned)double_bits(t) & 3;
}

static double sin_poly(double r) {
    double z = r * r, q = -1.0 / 1307674368000.0;
    q = q * z + 1.0 / 6227020800.0;
    q = q * z + -1.0 / 39916800.0;
    q = q * z + 1.0 / 362880.0;
    q = q * z + -1.0 / 5040.0;
    q = q * z + 1.0 / 120.0;
    q = q * z + -1.0 / 6.0;
    return q * z * r + r;
}

static double cos_poly(double r) {
    double z = r * r, q = 1.0 / 20922789888000.0, h;
    q = q * z + -1.0 / 87178291200.0;
    q = q * z + 1.0 / 479001600.0;
    q = q * z + -1.0 / 3628800.0;
    q = q * z + 1.0 / 40320.0;
    q = q * z + -1.0 / 720.0;
    q = q * z + 1.0 / 24.0;
    h = 0.5 * z;
    return 1.0 - (h - q * z * z);
}

static double sin_quadrant(double x, unsigned shift) {
    double r, v;
    unsigned n;
    if (!(x - x == 0)) return __builtin_nan("");
    n = reduce(&r, x) + shift;
    v = n & 1 ? cos_poly(r) : sin_poly(r);
    return n & 2 ? -v : v;
}

double d_sin(double x) {
    return sin_quadrant(x, 0);
}
double d_cos(double x) {
    return sin_quadrant(x, 1);
}

double d_pow(double base, double exponent) {
    return d_exp(exponent * d_log(base));
}

double d_floor(double x) {
    double n;
    if (!(x < 0x1p52 && x > -0x1p52)) return x; /* an integer already, or nan */
    n = (double)(int64_t)x;
    n = n > x ? n - 1 : n;
    return n == 0 && double_bits(x) >> 63 ? -0.0 : n;
}
