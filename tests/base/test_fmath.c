/* Elementary functions against the C library's in higher precision. */
#include "../check.h"
#include "base/bytes.h"
#include "base/fmath.h"
#include <math.h>

static uint64_t random_state = 1234567891234567ull;

static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static double uniform(double low, double high) {
    return low + (high - low) * ((double)(next_random() >> 11) * 0x1p-53);
}

static double ulps_f(float got, double wanted) {
    double unit = ldexp(1, ilogb(wanted) - 23);
    return fabs(got - wanted) / unit;
}

static double ulps_d(double got, long double wanted) {
    long double unit = ldexpl(1, ilogbl(wanted) - 52);
    return (double)(fabsl(got - wanted) / unit);
}

static void f_exp_is_within_2_ulp(void) {
    double worst = 0, at = 0;
    for (int i = 0; i < 3000000; i++) {
        float x = (float)uniform(-87.3, 88.7);
        double u = ulps_f(f_exp(x), exp(x));
        if (u > worst) worst = u, at = x;
    }
    CHECK(worst <= 2, "%g ulp at %.9g", worst, at);
    printf("f_exp: %.3f ulp\n", worst);
    CHECK(f_exp(0) == 1);
    CHECK(f_exp(-87.4f) == 0 && f_exp(-INFINITY) == 0);
    CHECK(isinf(f_exp(88.8f)) && isinf(f_exp(INFINITY)));
    CHECK(isnan(f_exp(NAN)));
    CHECK(f_exp(-87.3f) > 0 && f_exp(88.7f) < INFINITY);
}

static void f_tanh_is_within_4_ulp(void) {
    double worst = 0, at = 0;
    for (int i = 0; i < 3000000; i++) {
        float x = (float)(i % 3 == 0   ? uniform(-0.6, 0.6)
                          : i % 3 == 1 ? uniform(-10, 10)
                                       : ldexp(uniform(-1, 1), -i % 90));
        double u = ulps_f(f_tanh(x), tanh(x));
        if (x != 0 && u > worst) worst = u, at = x;
    }
    CHECK(worst <= 4, "%g ulp at %.9g", worst, at);
    printf("f_tanh: %.3f ulp\n", worst);
    CHECK(f_tanh(100) == 1 && f_tanh(-100) == -1 && f_tanh(INFINITY) == 1);
    CHECK(f_tanh(-0.0f) == 0);
    CHECK(isnan(f_tanh(NAN)));
}

static void d_exp_and_d_log_are_within_2_ulp(void) {
    double worst = 0, at = 0;
    for (int i = 0; i < 1000000; i++) {
        double x = i & 1 ? uniform(-708, 709) : uniform(-2, 2);
        double u = ulps_d(d_exp(x), expl(x));
        if (u > worst) worst = u, at = x;
    }
    CHECK(worst <= 2, "exp: %g ulp at %.17g", worst, at);
    printf("d_exp: %.3f ulp\n", worst);
    worst = 0;
    for (int i = 0; i < 1000000; i++) {
        double x = i & 1 ? ldexp(uniform(1, 2), (int)uniform(-1070, 1020)) : uniform(0.5, 2);
        double u = ulps_d(d_log(x), logl(x));
        if (x != 1 && u > worst) worst = u, at = x;
    }
    CHECK(worst <= 2, "log: %g ulp at %.17g", worst, at);
    printf("d_log: %.3f ulp\n", worst);
    CHECK(d_exp(0) == 1 && d_exp(-800) == 0 && isinf(d_exp(710)) && isnan(d_exp(NAN)));
    CHECK(d_exp(-745) == 5e-324 && d_exp(-INFINITY) == 0);
    CHECK(d_log(1) == 0 && d_log(0) == -INFINITY && isnan(d_log(-1)) && isnan(d_log(NAN)));
    CHECK(d_log(INFINITY) == INFINITY && isnan(d_log(-INFINITY)));
}

static void d_sin_and_d_cos_are_within_1e_15(void) {
    double worst = 0, at = 0;
    for (int i = 0; i < 2000000; i++) {
        double x = i % 3 == 0   ? uniform(-8, 8)
                   : i % 3 == 1 ? uniform(-0x1p30, 0x1p30)
                                : (double)(int)uniform(0, 1 << 20) * uniform(0, 1);
        double a = (double)fabsl(d_sin(x) - sinl(x)), b = (double)fabsl(d_cos(x) - cosl(x));
        if (a > worst) worst = a, at = x;
        if (b > worst) worst = b, at = x;
    }
    for (int k = 1; k < 100000; k++) { /* where the reduction cancels most */
        double x = k * 1.5707963267948966 * (1 + k % 7 * 997);
        double a = (double)fabsl(d_sin(x) - sinl(x)), b = (double)fabsl(d_cos(x) - cosl(x));
        if (x > 0x1p30) continue;
        if (a > worst) worst = a, at = x;
        if (b > worst) worst = b, at = x;
    }
    CHECK(worst <= 1e-15, "%g at %.17g", worst, at);
    printf("d_sin, d_cos: %.3g\n", worst);
    CHECK(d_sin(0) == 0 && d_cos(0) == 1 && isnan(d_sin(INFINITY)) && isnan(d_cos(NAN)));
}

static void d_pow_and_d_floor_do_what_they_say(void) {
    double worst = 0;
    for (int i = 0; i < 100000; i++) {
        double b = uniform(1, 1e6), e = uniform(-1, 1), u = fabs(d_pow(b, e) / pow(b, e) - 1);
        if (u > worst) worst = u;
    }
    CHECK(worst < 4e-15, "relative %g", worst);
    for (int i = 0; i < 100000; i++) {
        double x = i & 1 ? uniform(-1e3, 1e3) : ldexp(uniform(-1, 1), i % 70);
        CHECK(d_floor(x) == floor(x), "%.17g", x);
    }
    CHECK(d_floor(-3) == -3 && d_floor(1e300) == 1e300 && isnan(d_floor(NAN)));
    CHECK(signbit(d_floor(-0.0)) && d_floor(-0.5) == -1);
}

/* The sum of all results' bits is a constant of the library: every compiler and host must give it.
 */
static void the_bits_are_the_same_on_every_host(void) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        float x = (float)((int32_t)(i * 2654435761u) >> 8) * 0x1p-17f;
        double d = (double)x, v[4];
        uint64_t u;
        sum = sum * 31 + float_bits(f_exp(x));
        sum = sum * 31 + float_bits(f_tanh(x * 0.1f));
        v[0] = d_exp(d), v[1] = d_log(f_abs(x) + 1e-3), v[2] = d_sin(d * 1000),
        v[3] = d_cos(d * 77);
        for (int k = 0; k < 4; k++) {
            memcpy(&u, v + k, 8);
            sum = sum * 31 + u;
        }
    }
    CHECK(sum == 0x3e3b5240c02186fdull, "%016llx", (unsigned long long)sum);
}

int main(void) {
    f_exp_is_within_2_ulp();
    f_tanh_is_within_4_ulp();
    d_exp_and_d_log_are_within_2_ulp();
    d_sin_and_d_cos_are_within_1e_15();
    d_pow_and_d_floor_do_what_they_say();
    the_bits_are_the_same_on_every_host();
    return check_done();
}
