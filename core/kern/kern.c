/* The tables, and which one is best here. */
#include "kern/kern_table.h"

#include "base/sync.h"
#include "kern/mm_relaxed.h"

static const struct kern tables[] = {
    {KERN_SCALAR, &kern_mm_scalar, &kern_attn_scalar, &kern_vec_scalar},
#ifdef KERN_SIMD128
    {KERN_SIMD, &kern_mm_simd, &kern_attn_simd, &kern_vec_simd},
#endif
#ifdef KERN_RELAXED128 /* only integer products may be relaxed: the rest is the SIMD level's */
    {KERN_RELAXED, &kern_mm_relaxed[0], &kern_attn_simd, &kern_vec_simd},
    {KERN_RELAXED, &kern_mm_relaxed[1], &kern_attn_simd, &kern_vec_simd},
#endif
};
enum { N_TABLES = sizeof tables / sizeof *tables };

const struct kern *kern_variant(size_t index) { return index < N_TABLES ? &tables[index] : NULL; }

#ifdef KERN_RELAXED128

/* Two loops of nothing but dots; noinline, so that engines see two functions of the same shape. */
__attribute__((noinline)) static int32_t dots16(const int32_t *words, int n) {
    v128 c[8], a = v_load(words), b = v_load(words + 4), sum;
    for (int i = 0; i < 8; i++) c[i] = v_zero();
    MM_ROLLED for (int i = 0; i < n; i++)
        for (int j = 0; j < 8; j++) c[j] = vh_add(c[j], vh_dot_b(v_xor(a, c[j]), b));
    sum = c[0];
    for (int j = 1; j < 8; j++) sum = v_xor(sum, c[j]);
    return vi_lane(sum, 0);
}
__attribute__((noinline)) static int32_t dots32(const int32_t *words, int n) {
    v128 c[8], a = v_load(words), b = v_load(words + 4), sum;
    for (int i = 0; i < 8; i++) c[i] = v_zero();
    MM_ROLLED for (int i = 0; i < n; i++)
        for (int j = 0; j < 8; j++) c[j] = vi_dot_b(c[j], v_xor(a, c[j]), b);
    sum = c[0];
    for (int j = 1; j < 8; j++) sum = v_xor(sum, c[j]);
    return vi_lane(sum, 0);
}

/* 1 where the 32-bit dot is the faster one: best of several turns, some 2 ms in all. An engine that has
 * not yet optimized the loops adds the same overhead to both. */
static size_t faster_dot(void) {
    static const volatile int32_t words[8] = {0x01ff7f02, 3, -5, 0x33333333, 0x7f017f01, 0x11223344, 7, 1};
    volatile int32_t keep; /* so that the loops are not dropped */
    int32_t local[8];
    double best[2] = {1e9, 1e9}, start = clock_ms();
    for (int i = 0; i < 8; i++) local[i] = words[i];
    for (int turn = 0; turn < 40 && (turn < 6 || clock_ms() - start < 2); turn++) {
        double t0 = clock_ms(), t1, t2;
        keep = dots16(local, 2000);
        t1 = clock_ms();
        keep = dots32(local, 2000);
        t2 = clock_ms();
        if (t1 - t0 < best[0]) best[0] = t1 - t0;
        if (t2 - t1 < best[1]) best[1] = t2 - t1;
    }
    (void)keep;
    return best[1] < best[0];
}

#endif

const struct kern *kern_get(enum kern_level level) {
    size_t best = 0;
    for (size_t i = 0; i < N_TABLES; i++) {
        if (tables[i].level == level) best = i;
        if (level == KERN_BEST && tables[i].level <= KERN_SIMD) best = i;
    }
#ifdef KERN_RELAXED128
    if (level == KERN_RELAXED || (level == KERN_BEST && KERN_RELAXED_NATIVE)) {
        bool works = mm_relaxed_works();
        if (works) return &tables[N_TABLES - 2 + faster_dot()];
        if (level == KERN_RELAXED) return NULL;
    }
#endif
    if (level != KERN_BEST && tables[best].level != level) return NULL;
    return &tables[best];
}
