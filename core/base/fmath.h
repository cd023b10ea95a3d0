/* Our own elementary functions: the same bits on every host, so core links no libm.
 *
 * Scalar forms are the specification; kern/ has vector bodies that compute the same operations in the
 * same order. All are free of fused multiply-adds. Errors are against the exact value. */
#ifndef SOTTO_BASE_FMATH_H
#define SOTTO_BASE_FMATH_H

float f_exp(float x);  /* <= 2 ulp; underflows to 0 below -87.3, inf above 88.7 */
float f_tanh(float x); /* <= 4 ulp */
double d_exp(double x);
double d_log(double x); /* <= 2 ulp; -inf for 0, nan below */
double d_sin(double x); /* |x| up to 2^30, absolute error <= 1e-15 */
double d_cos(double x);
double d_pow(double base, double exponent); /* base > 0 */
static inline float f_sqrt(float x) { return __builtin_sqrtf(x); }   /* one instruction everywhere, -fno-math-errno */
static inline double d_sqrt(double x) { return __builtin_sqrt(x); }
static inline float f_abs(float x) { return __builtin_fabsf(x); }
static inline float f_max(float a, float b) { return a > b ? a : b; }
static inline float f_min(float a, float b) { return a < b ? a : b; }
double d_floor(double x);

#endif
