/* Matrix products, scalar reference: the specification of every other level. */
#include "kern/kern_mm.h"

#include "base/bytes.h"

static void act_f32(void *group, const float *x, size_t stride, size_t k, size_t width, size_t live) {
    size_t q = mm_quarter(k);
    float *to = group;
    memset(to, 0, 4 * q * width * sizeof(float));
    for (size_t t = 0; t < live; t++)
        for (size_t i = 0; i < k; i++)
            to[width == 1 ? i : ((i % 4) * q + i / 4) * MM_GROUP + t] = x[t * stride + i];
}

static void f32_dot(float *acc, const float *panel, const float *x, size_t k, size_t width) {
    size_t q = mm_quarter(k);
    for (size_t t = 0; t < width; t++)
        for (size_t r = 0; r < TILE_ROWS; r++) {
            float s[4] = {0, 0, 0, 0};
            for (size_t p = 0; p < 4; p++)
                for (size_t i = 0; i < q; i++) {
                    float a = width == 1 ? x[4 * i + p] : x[(p * q + i) * MM_GROUP + t];
                    s[p] += panel[(p * q + i) * TILE_ROWS + r] * a;
                }
            acc[t * TILE_ROWS + r] = (s[0] + s[1]) + (s[2] + s[3]);
        }
}

static void f32_dot1(float *acc, const void *panel, const void *group, size_t k) {
    f32_dot(acc, panel, group, k, 1);
}
static void f32_dot4(float *acc, const void *panel, const void *group, size_t k) {
    f32_dot(acc, panel, group, k, MM_GROUP);
}

const struct kern_mm_table kern_mm_scalar = {
    .act = {[ACT_F32] = act_f32},
    .f32_dot1 = f32_dot1,
    .f32_dot4 = f32_dot4,
};
