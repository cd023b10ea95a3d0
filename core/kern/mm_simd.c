/* Matrix products, SIMD128 bodies. */
#include "kern/kern_mm.h"

#include "kern/simd.h"

#ifdef KERN_SIMD128

/* 4 tokens by 8 rows; one phase at a time keeps the eight sums in registers. */
static void f32_dot4(float *acc, const void *panel, const void *group, size_t k) {
    size_t q = mm_quarter(k);
    const float *w = panel, *x = group;
    v128 total[8], pair[8];
    for (int p = 0; p < 4; p++) {
        v128 s[8];
        for (int i = 0; i < 8; i++) s[i] = v_zero();
        for (size_t i = 0; i < q; i++, w += 8, x += 4) {
            v128 lo = v_load(w), hi = v_load(w + 4);
            for (int t = 0; t < 4; t++) {
                v128 a = v_load_splat32(x + t);
                s[2 * t] = vf_add(s[2 * t], vf_mul(lo, a));
                s[2 * t + 1] = vf_add(s[2 * t + 1], vf_mul(hi, a));
            }
        }
        for (int i = 0; i < 8; i++) {
            if (p == 0 || p == 2) pair[i] = s[i];
            else pair[i] = vf_add(pair[i], s[i]);
            if (p == 1) total[i] = pair[i];
            if (p == 3) total[i] = vf_add(total[i], pair[i]);
        }
    }
    for (int i = 0; i < 8; i++) v_store(acc + 4 * i, total[i]);
}

static void f32_dot1(float *acc, const void *panel, const void *group, size_t k) {
    size_t q = mm_quarter(k);
    const float *w = panel, *x = group;
    v128 s[8];
    for (int i = 0; i < 8; i++) s[i] = v_zero();
    for (size_t i = 0; i < q; i++, x += 4)
        for (int p = 0; p < 4; p++) {
            const float *row = w + ((size_t)p * q + i) * 8;
            v128 a = v_load_splat32(x + p);
            s[2 * p] = vf_add(s[2 * p], vf_mul(v_load(row), a));
            s[2 * p + 1] = vf_add(s[2 * p + 1], vf_mul(v_load(row + 4), a));
        }
    v_store(acc, vf_add(vf_add(s[0], s[2]), vf_add(s[4], s[6])));
    v_store(acc + 4, vf_add(vf_add(s[1], s[3]), vf_add(s[5], s[7])));
}

static void act_f32(void *group, const float *x, size_t stride, size_t k, size_t width, size_t live) {
    kern_mm_scalar.act[ACT_F32](group, x, stride, k, width, live);
}

const struct kern_mm_table kern_mm_simd = {
    .act = {[ACT_F32] = act_f32},
    .f32_dot1 = f32_dot1,
    .f32_dot4 = f32_dot4,
};

#endif
