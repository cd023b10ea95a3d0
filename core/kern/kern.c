/* The tables, and which one is best here. */
#include "kern/kern_table.h"

#include "base/sync.h"
#include "kern/mm_relaxed.h"

/* A relaxed build is only run where its dots are right; that it is right elsewhere too is the reference's work. */
#if defined(KERN_RELAXED128) && KERN_RELAXED_NATIVE
#define SIMD_PRODUCTS &kern_mm_scalar
#else
#define SIMD_PRODUCTS &kern_mm_simd
#endif

static const struct kern tables[] = {
    {KERN_SCALAR, &kern_mm_scalar, &kern_attn_scalar, &kern_vec_scalar, &kern_state_scalar},
#ifdef KERN_SIMD128
    {KERN_SIMD, SIMD_PRODUCTS, &kern_attn_simd, &kern_vec_simd, &kern_state_simd},
#endif
#ifdef KERN_RELAXED128 /* only integer products may be relaxed: the rest is the SIMD level's */
    {KERN_RELAXED, &kern_mm_relaxed[0], &kern_attn_simd, &kern_vec_simd, &kern_state_simd},
    {KERN_RELAXED, &kern_mm_relaxed[1], &kern_attn_simd, &kern_vec_simd, &kern_state_simd},
#endif
};
enum { N_TABLES = sizeof tables / sizeof *tables };

const struct kern *kern_variant(size_t index) {
    return index < N_TABLES ? &tables[index] : NULL;
}

#ifdef KERN_RELAXED128

/* A chain of dots, each waiting for the one before. What counts is how long one takes, which is the
 * same in code that an engine has not optimized yet. */
enum { CHAIN = 32 };
__attribute__((noinline)) static int32_t chain16(v128 x, v128 b, int n) {
    V_ROLLED for (int i = 0; i < n; i++) {
        V_UNROLLED for (int j = 0; j < CHAIN; j++) x = vh_dot_b(x, b);
    }
    return vi_lane(x, 0);
}
__attribute__((noinline)) static int32_t chain32(v128 x, v128 b, int n) {
    V_ROLLED for (int i = 0; i < n; i++) {
        V_UNROLLED for (int j = 0; j < CHAIN; j++) x = vi_dot_b(b, x, b);
    }
    return vi_lane(x, 0);
}

/* 1 where the 32-bit dot is one instruction of the hardware: it then saves the sums of the 16-bit
 * one. Otherwise it is made of the 16-bit dot and two or three more, and takes at least twice as
 * long. */
static size_t faster_dot(void) {
    static const volatile uint32_t word = 0x7f01337f;
    volatile int32_t keep; /* so that the loops are not dropped */
    double best[2] = {1e9, 1e9}, start = clock_ms();
    v128 x = v_hidden(&word);
    for (int turn = 0; turn < 200 && (turn < 8 || clock_ms() - start < 1.5); turn++) {
        double t0 = clock_ms(), t1, t2;
        keep = chain16(x, x, 200);
        t1 = clock_ms();
        keep = chain32(x, x, 200);
        t2 = clock_ms();
        if (t1 - t0 < best[0]) best[0] = t1 - t0;
        if (t2 - t1 < best[1]) best[1] = t2 - t1;
    }
    (void)keep;
    return best[1] < 1.75 * best[0];
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
