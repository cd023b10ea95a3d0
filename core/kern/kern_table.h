/* The kernel table: one record per level, each part of kern/ brings its own entries.
 *
 * For kern/ and its tests only. Everything is constant data; a level that has nothing of its own
 * for a part points at the table of the level below.
 */
#ifndef SOTTO_KERN_KERN_TABLE_H
#define SOTTO_KERN_KERN_TABLE_H

#include "kern/kern.h"
#include "kern/kern_mm.h"

struct kern_attn_table; /* kern_attn.h */
struct kern_vec_table;  /* kern_vec.h */
struct kern_state_table; /* kern_state.h */
extern const struct kern_attn_table kern_attn_scalar, kern_attn_simd;
extern const struct kern_vec_table kern_vec_scalar, kern_vec_simd;
extern const struct kern_state_table kern_state_scalar, kern_state_simd;

struct kern {
    enum kern_level level;
    const struct kern_mm_table *mm;     /* kern_mm_scalar, kern_mm_simd, kern_mm_relaxed[] */
    const struct kern_attn_table *attn; /* kern_attn_scalar, kern_attn_simd */
    const struct kern_vec_table *vec;   /* kern_vec_scalar, kern_vec_simd */
    const struct kern_state_table *state; /* kern_state_scalar, kern_state_simd */
};

/* All tables of this build, the reference first; NULL past the last. A level may have two. */
const struct kern *kern_variant(size_t index);

#endif
