/* Vector forms of base/fmath's single-precision functions and of the half-float conversions: the same
 * operations in the same order, four at a time. */
#ifndef SOTTO_KERN_SIMD_MATH_H
#define SOTTO_KERN_SIMD_MATH_H

#include "kern/simd.h"

/* Constants come from memory that the optimizer may not look into: engines build a vector constant anew at
 * every use, which costs more than a load. */
static const volatile float v_exp_constants[] = {
    88.7f,           -87.3f,          0x1.8p23f,       0x1.715476p+0f,  0x1.62p-1f,      0x1.c85fep-10f, 0x1.6d113ep-10f,
    0x1.120ba2p-7f,  0x1.55551ap-5f,  0x1.5554dcp-3f,  0.5f,            1.0f,            __builtin_inff(),
};
#define V_EXP(i) vf_splat(v_exp_constants[i])

/* base/fmath.c: f_exp. */
static inline v128 v_exp(v128 x) {
    v128 high = V_EXP(0), low = V_EXP(1), round = V_EXP(2);
    v128 c = vf_pmax(low, vf_pmin(high, x)), t, n, r, q, p;
    t = vf_add(vf_mul(c, V_EXP(3)), round);
    n = vf_sub(t, round);
    r = vf_sub(c, vf_mul(n, V_EXP(4)));
    r = vf_sub(r, vf_mul(n, V_EXP(5)));
    q = vf_add(vf_mul(V_EXP(6), r), V_EXP(7));
    q = vf_add(vf_mul(q, r), V_EXP(8));
    q = vf_add(vf_mul(q, r), V_EXP(9));
    q = vf_add(vf_mul(q, r), V_EXP(10));
    p = vf_add(vf_mul(q, vf_mul(r, r)), r);
    p = vf_add(p, V_EXP(11));
    p = vi_add(p, vi_shl(t, 23));
    p = v_select(vf_gt(x, high), V_EXP(12), p);
    p = v_andnot(p, vf_lt(x, low));
    return v_select(vf_eq(x, x), p, x);
}

/* v_exp of two vectors of numbers that are not above zero (or are not numbers). */
static inline void v_exp_low(v128 *x) {
    v128 low = V_EXP(1), round = V_EXP(2), c[2], t[2], n[2], r[2], q[2], p[2];
#define BOTH(what) for (int i = 0; i < 2; i++) what
    BOTH(c[i] = vf_pmax(low, x[i]));
    v128 k = V_EXP(3);
    BOTH(t[i] = vf_add(vf_mul(c[i], k), round));
    BOTH(n[i] = vf_sub(t[i], round));
    k = V_EXP(4);
    BOTH(r[i] = vf_sub(c[i], vf_mul(n[i], k)));
    k = V_EXP(5);
    BOTH(r[i] = vf_sub(r[i], vf_mul(n[i], k)));
    k = V_EXP(6);
    BOTH(q[i] = vf_mul(k, r[i]));
    k = V_EXP(7);
    BOTH(q[i] = vf_add(q[i], k));
    for (int m = 8; m < 11; m++) {
        k = V_EXP(m);
        BOTH(q[i] = vf_add(vf_mul(q[i], r[i]), k));
    }
    k = V_EXP(11);
    BOTH(p[i] = vf_add(vf_add(vf_mul(q[i], vf_mul(r[i], r[i])), r[i]), k));
    BOTH(p[i] = vi_add(p[i], vi_shl(t[i], 23)));
    BOTH(p[i] = v_andnot(p[i], vf_lt(x[i], low)));
    BOTH(x[i] = v_select(vf_eq(x[i], x[i]), p[i], x[i]));
#undef BOTH
}

/* base/fmath.c: f_tanh. */
static inline v128 v_tanh(v128 x) {
    v128 a = vf_abs(x), z = vf_mul(x, x), one = vf_splat(1.0f), q, e;
    q = vf_add(vf_mul(vf_splat(-0.006610227831114734f), z), vf_splat(0.021309388664443474f));
    q = vf_add(vf_mul(q, z), vf_splat(-0.05390942882746055f));
    q = vf_add(vf_mul(q, z), vf_splat(0.1333311372902087f));
    q = vf_add(vf_mul(q, z), vf_splat(-0.3333333200797698f));
    q = vf_add(vf_mul(vf_mul(q, z), x), x);
    e = v_exp(vf_add(a, a));
    e = vf_sub(one, vf_div(vf_splat(2.0f), vf_add(e, one)));
    e = v_or(e, v_and(x, vi_splat(INT32_MIN)));
    return v_select(vf_lt(a, vf_splat(0.55f)), q, e);
}

/* Four finite halves to floats, subnormals included: value * 2^-112 by moving bits, then scaled back. */
static inline v128 v_half(const void *p) {
    v128 h = vi_load16x4_s(p);
    return vf_mul(v_and(vi_shl(h, 13), vi_splat((int32_t)0x8fffe000)), vf_splat(0x1p112f));
}

/* Transposes the sums of four accumulators: lane i is (x_i[0] + x_i[2]) + (x_i[1] + x_i[3]). */
static inline v128 v_sum_lanes(v128 x0, v128 x1, v128 x2, v128 x3) {
    v128 u = vf_add(V_SHUFFLE32(x0, x1, 0, 4, 1, 5), V_SHUFFLE32(x0, x1, 2, 6, 3, 7));
    v128 v = vf_add(V_SHUFFLE32(x2, x3, 0, 4, 1, 5), V_SHUFFLE32(x2, x3, 2, 6, 3, 7));
    return vf_add(V_SHUFFLE32(u, v, 0, 1, 4, 5), V_SHUFFLE32(u, v, 2, 3, 6, 7));
}

#endif
