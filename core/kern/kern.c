#include "kern/kern_table.h"

#include "kern/simd.h"

static const struct kern table_scalar = {KERN_SCALAR, &kern_mm_scalar, &kern_attn_scalar, &kern_vec_scalar};
#ifdef KERN_SIMD128
static const struct kern table_simd = {KERN_SIMD, &kern_mm_simd, &kern_attn_simd, &kern_vec_simd};
#endif

const struct kern *kern_get(enum kern_level level) {
    switch (level) {
    case KERN_SCALAR: return &table_scalar;
#ifdef KERN_SIMD128
    case KERN_BEST:
    case KERN_SIMD: return &table_simd;
#else
    case KERN_BEST: return &table_scalar;
#endif
    default: return NULL;
    }
}
