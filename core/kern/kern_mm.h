/* Matrix products: what a level provides, and the layouts the levels share.
 *
 * A product walks tiles of 8 weight rows. A tile is either multiplied where it lies (gemv, one token) or
 * unpacked once into a panel and multiplied with one group of 4 tokens after the other. Panels, groups
 * and tiles are plain bytes whose layouts are stated here; all levels read and write the same ones.
 */
#ifndef SOTTO_KERN_KERN_MM_H
#define SOTTO_KERN_KERN_MM_H

#include "kern/kern.h"

enum { MM_GROUP = 4 }; /* tokens of a group; a batch of one token is a group of width 1 */

/* The activations of a type in fast arithmetic; ACT_F32 where it has no 8-bit kernel. */
enum act_kind mm_fast_kind(uint32_t dtype);
/* Bytes a group takes. */
size_t mm_group_bytes(enum act_kind kind, size_t k, size_t width);

/* Sums of 8 rows for the tokens of a group: acc[token][row]. */
typedef void mm_dot(float *acc, const void *panel, const void *group, size_t k);
typedef void mm_unpack(void *panel, const void *tile, size_t k);
/* Prepares one group: `live` rows of x, the rest of `width` is zero. */
typedef void mm_act(void *group, const float *x, size_t stride, size_t k, size_t width, size_t live);

struct mm_kernel {      /* how a type is multiplied with 8-bit activations */
    mm_unpack *unpack;  /* NULL: the type has no such kernel and takes the f32 way */
    mm_dot *dot1;       /* one token, from the panel */
    mm_dot *dot4;       /* a group of four, from the panel */
    mm_dot *gemv;       /* one token, straight from the tile; NULL: unpack and dot1 */
};

struct kern_mm_table {
    mm_act *act[ACT_COUNT];
    mm_dot *f32_dot1, *f32_dot4;
    mm_unpack *f32_unpack[DT_COUNT]; /* NULL: by way of the file's blocks */
    mm_dot *f32_gemv[DT_COUNT];      /* one token, straight from the tile */
    struct mm_kernel fast[DT_COUNT];
};

extern const struct kern_mm_table kern_mm_scalar;
extern const struct kern_mm_table kern_mm_simd;

/* ---- f32 products ----------------------------------------------------------------------------------
 * panel: [phase 4][q][row 8] floats, q = ceil(k / 4); column 4 * i + p is at [p][i]; what k lacks is zero.
 * group of width 1: [4 * q] floats in order; of width 4: [phase 4][q][token 4] floats.
 * A sum is (s0 + s1) + (s2 + s3), where s_p adds the products of columns p, p + 4, p + 8 … in order. */
static inline size_t mm_quarter(size_t k) { return (k + 3) / 4; }

/* Rebuilds the file's block `index` of a tile's row. */
void mm_file_block(uint32_t dtype, void *block, const void *tile, size_t index, size_t row, size_t k);
/* Decodes a tile to a panel by way of the file's blocks, for any type. */
void mm_f32_panel(uint32_t dtype, float *panel, const void *tile, size_t k);

/* False where the tile keeps its 8 rows as they stand in the file, one after the other. */
bool mm_interleaved(uint32_t dtype);

/* Bytes of a panel of the fast kernels. */
size_t mm_panel_bytes(uint32_t dtype, size_t k);

#endif
