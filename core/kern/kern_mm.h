/* Matrix products: what a level provides, and the layouts the levels share.
 *
 * A product walks tiles of 8 weight rows. A tile is either multiplied where it lies (gemv, one
 * token) or unpacked once into a panel and multiplied with one group of 4 tokens after the other.
 * Panels, groups and tiles are plain bytes whose layouts are stated here; all levels read and write
 * the same ones.
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
typedef void mm_unpack(uint32_t dtype, void *panel, const void *tile, size_t k);
/* Prepares one group: `live` rows of x, the rest of `width` is zero. */
typedef void mm_act(void *group, const float *x, size_t stride, size_t k, size_t width,
                    size_t live);

/* Tables that a product of one token wants, laid out anew for every call of kern_mm, and that product. */
struct mm_book {
    void (*fill)(void *book);
    void (*gemv)(float *acc, const void *tile, const void *group, size_t k, const void *book);
};

struct mm_kernel {     /* how a type is multiplied with 8-bit activations */
    mm_unpack *unpack; /* NULL: the type has no such kernel and takes the f32 way */
    mm_dot *dot1;      /* one token, from the panel */
    mm_dot *dot4;      /* a group of four, from the panel */
    mm_dot *gemv;      /* one token, straight from the tile; NULL: by book, or unpack and dot1 */
};

struct kern_mm_table {
    mm_act *act[ACT_COUNT];
    mm_dot *f32_dot1, *f32_dot4;
    mm_unpack *f32_unpack[DT_COUNT]; /* NULL: by way of the file's blocks */
    mm_dot *f32_gemv[DT_COUNT];      /* one token, straight from the tile */
    struct mm_kernel fast[DT_COUNT];
    const struct mm_book *book[DT_COUNT]; /* or NULL */
};

extern const struct kern_mm_table kern_mm_scalar;
extern const struct kern_mm_table kern_mm_simd;

/* ---- f32 products
 * ---------------------------------------------------------------------------------- panel: [phase
 * 4][q][row 8] floats, q = ceil(k / 4); column 4 * i + p is at [p][i]; what k lacks is zero. group
 * of width 1: [4 * q] floats in order; of width 4: [phase 4][q][token 4] floats. A sum is (s0 + s1)
 * + (s2 + s3), where s_p adds the products of columns p, p + 4, p + 8 … in order. */
static inline size_t mm_quarter(size_t k) {
    return (k + 3) / 4;
}

/* Rebuilds the file's block `index` of a tile's row. */
void mm_file_block(uint32_t dtype, void *block, const void *tile, size_t index, size_t row,
                   size_t k);
/* Decodes a tile to a panel by way of the file's blocks, for any type. */
void mm_f32_panel(uint32_t dtype, float *panel, const void *tile, size_t k);

/* False where the tile keeps its 8 rows as they stand in the file, one after the other. */
bool mm_interleaved(uint32_t dtype);

/* ---- products with 8-bit activations
 * ----------------------------------------------------------------- A token's values become q =
 * round(x * 127 / amax) and d = amax / 127, amax over 32 (Q8) or 256 (Q8K) of them; where amax is
 * no more than MM_TINY (or not a number) d and q are 0. The sums of a row, w being the integer
 * weights:
 *
 *     Q8:   for each block      sum += (float)dot(w, q) * (d_w * d);  with a minimum  sum += m_w *
 * (d * sum(q)) Q8K:  for each superblock sum += (float)dot(w, q) * (d_w * d), w times the scale of
 * its sub-block; with minimums  sum -= (float)dot(min, sums of q) * (dmin_w * d)
 *
 * Group of Q8, W tokens: for each block [d W][d * sum(q) W][W][2] int16 zero points and [step 8][W][4] int8;
 * behind the last block as many bytes again as MM_Q8_WIDE says for what a level wants besides; behind those, of one
 * token at the vector levels, as many as MM_Q8_SPLIT (mm_act.h).
 * Group of Q8K: for each superblock [d W][pair 8][W][2] int16 sums of 16, [pair 4][W][2] int16 sums
 * of 32, [step 64][W][4] int8; behind the last superblock as many bytes as MM_Q8K_WIDE says for what a level wants
 * besides, and at the vector levels for each superblock [sub-block 16][W][2] int16 zero points.
 * Zero points are what codes with a zero point of 1 have too much: -sum(q) of columns 4 * i and 4 * i + 1, then of
 * the others. So a sum in int16 can begin with them, in the lanes of its columns.
 *
 * Panel of the scalar and SIMD128 levels (what a panel of the relaxed level is, mm_relaxed.c says):
 * Q8: for each block d[8], m[8] floats and codes [pair 16][row 8][2] int16;
 * Q8K: for each superblock d[8], dmin[8] floats, minimums [pair 8][row 8][2] int16 (of 16 columns
 * each, or of 32 and then only four pairs) and codes times scales [pair 128][row 8][2] int16. */
#define MM_TINY 1e-30f
enum {
    MM_Q8_BYTES = 12 + 32,
    MM_Q8_WIDE = 64,
    MM_Q8_SPLIT = 4 + 64,
    MM_PANEL32 = 64 + 512,
    MM_Q8K_SUMS16 = 4,
    MM_Q8K_SUMS32 = 4 + 32,
    MM_Q8K_STEPS = 4 + 32 + 16,
    MM_Q8K_BYTES = MM_Q8K_STEPS + 256,
    MM_Q8K_WIDE = 512,
    MM_Q8K_ZERO = 64,
    MM_PANEL256 = 64 + 256 + 4096,
};

/* Bytes of a panel of the fast kernels. */
size_t mm_panel_bytes(uint32_t dtype, size_t k);

#endif
