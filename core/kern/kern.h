/* Math kernels: one table of row-range functions.
 *
 * The scalar reference fills the table first and is the specification; SIMD128 and relaxed-SIMD bodies
 * overwrite entries. All levels give the same bits: integer dots are exact, float sums run in the lane
 * order of the vector bodies, products and sums are never fused.
 *
 * Weights lie in tiles: 8 rows interleaved, block by block, in exactly the bytes of the file's blocks
 * (8 * bytes of a row). A matrix of n rows takes ceil(n / 8) tiles; missing rows are zero bytes.
 */
#ifndef SOTTO_KERN_KERN_H
#define SOTTO_KERN_KERN_H

#include "data/dtype.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TILE_ROWS = 8 };
enum kern_level { KERN_BEST = 0, KERN_SCALAR = 1, KERN_SIMD = 2, KERN_RELAXED = 3 };

/* How activations are prepared for a product. fast arithmetic uses the kind of the weight type, exact
 * arithmetic always ACT_F32. */
enum act_kind { ACT_F32, ACT_Q8 /* 8 bits, a scale per 32 */, ACT_Q8K /* 8 bits, a scale per 256 */, ACT_COUNT };

struct kern; /* the table: kern_table.h, for kern/ and its tests */

/* The table of a level; KERN_BEST takes the best this build has (relaxed SIMD only when its dot product
 * gives the right sums, and the 16- or 32-bit dot by a short timing). NULL where the build lacks the level. */
const struct kern *kern_get(enum kern_level level);

/* ---- matrix products (mm*.c) ------------------------------------------------------------------------ */
bool kern_supports(uint32_t dtype);                    /* as a weight matrix */
enum act_kind kern_act_kind(uint32_t dtype, bool exact);
/* Lays 8 rows of k elements (as in the file, 8 * dtype_bytes(k)) out as one tile, in place; scratch has as
 * many bytes again. k is a multiple of the block. */
void kern_pack(uint32_t dtype, void *tile, void *scratch, size_t k);
/* Decodes one row (0 <= row) of a packed matrix to k floats: embedding look-ups in tied tensors. */
void kern_row(uint32_t dtype, float *dst, const void *tiles, size_t k, size_t row);
/* Bytes of n_tokens prepared activations of k elements. */
size_t kern_act_bytes(enum act_kind kind, size_t k, size_t n_tokens);
/* Prepares tokens [t0, t1) of n_tokens; x is [n_tokens][stride] floats, act is the whole buffer. Work may be
 * cut at multiples of 4 tokens. */
void kern_act(const struct kern *kern, enum act_kind kind, void *act, const float *x, size_t stride,
              size_t k, size_t n_tokens, size_t t0, size_t t1);
struct mm {                  /* out[token][row] = (add ? out : 0) + bias[row] + sum_k w[row][k] * x[token][k] */
    uint32_t dtype; bool exact, add;
    const void *tiles; size_t n_rows, k;
    const void *act; size_t n_tokens;
    const float *bias;       /* [n_rows] or NULL */
    float *out; size_t out_stride;
};
size_t kern_mm_scratch(const struct mm *mm); /* bytes each thread needs */
/* Tiles [tile0, tile1) of the product, all tokens. A row's bits do not depend on the range, on the number of
 * tokens in the batch, or on the level. */
void kern_mm(const struct kern *kern, const struct mm *mm, size_t tile0, size_t tile1, void *scratch);
/* What this machine can do, measured in about budget_ms: the speed of reading memory (buffer should be larger
 * than its caches, 32 MiB or more, 64-byte aligned; its contents are overwritten) and of the Q4_0 product of a
 * batch, which stays in the caches. */
struct kern_machine {
    double stream_gbs, dot_gmacs; /* 1e9 bytes a second; 1e9 multiply-adds a second; 0 where buffer is too small */
    double ms;                    /* what the measurement took */
    enum kern_level level;
    bool relaxed16;               /* relaxed SIMD by 16-bit dots (else by 32-bit ones) */
};
void kern_measure(const struct kern *kern, struct kern_machine *out, void *buffer, size_t bytes, double budget_ms);

/* ---- attention (attn*.c) ----------------------------------------------------------------------------- */
/* The cache of one layer: pages of KV_PAGE positions; inside a page K is [n_kv_head][KV_PAGE][row of
 * head_dim_k], V likewise with head_dim_v, head_bytes from one head to the next. A row is kv_row_bytes(type, dim).
 * Always read back from here, even within a batch. */
enum { ATTN_FAR = 128 };
enum { KV_PAGE = 64, ATTN_SEGMENT = 512 /* positions summed in one fixed order; segments combine in index order */ };
enum kv_type { KV_F16, KV_F32, KV_Q8_0, KV_I16 /* 16-bit integers, a scale a row; of keys and values alike */ };
size_t kv_row_bytes(enum kv_type type, size_t dim);   /* a multiple of 4 */
void kern_kv_store(const struct kern *kern, enum kv_type type, void *row, const float *src, size_t dim);
void kern_kv_load(const struct kern *kern, enum kv_type type, float *dst, const void *row, size_t dim);

struct attn {                /* one layer, one sequence, one batch of queries at consecutive positions */
    enum kv_type type_k, type_v;
    uint32_t n_head, n_kv_head, dim_k, dim_v;
    uint32_t dim_v_row;                  /* elements of a V row, of which the first dim_v are V (V is the leading part
                                            of K's rows, so that one row serves both); 0: dim_v */
    const float *q; size_t q_stride;     /* [n_tokens][n_head][dim_k], stride in floats between tokens */
    float *out; size_t out_stride;       /* [n_tokens][n_head][dim_v] */
    uint32_t n_tokens, position;         /* of the first query; query i sees positions <= position + i … */
    uint32_t window;                     /* … and > position + i - window, where window > 0 */
    bool bidirectional;                  /* sees all n_past positions instead, or with a window those no further
                                            away than window / 2 (encoders) */
    uint32_t n_past;                     /* positions in the cache, the batch's own included */
    size_t head_bytes;                   /* in a page, between kv heads: K and V of a head may lie side by side */
    const void *const *k_pages, *const *v_pages; /* n_past / KV_PAGE rounded up pointers to this layer's parts of the
                                                     pages; NULL where a window freed the page */
    float scale, softcap;                /* softcap 0: none */
    const float *sinks;                  /* [n_head] learned logits or NULL */
    const float *alibi;                  /* [n_head] slopes or NULL */
    const float *bias;                   /* [buckets][n_head] added by distance, or NULL … */
    const uint8_t *bucket;               /* … [2 * ATTN_FAR + 1] of key less query, farther ones as the farthest */
};
/* Work is units (kv heads, token block, segment) numbered 0 .. kern_attn_units - 1, then combine units. */
size_t kern_attn_units(const struct attn *a);
size_t kern_attn_partials(const struct attn *a);      /* bytes shared by all threads */
size_t kern_attn_scratch(const struct attn *a);       /* bytes each thread needs */
void kern_attn(const struct kern *kern, const struct attn *a, size_t unit, void *partials, void *scratch);
size_t kern_attn_combine_units(const struct attn *a); /* 0 where one segment suffices and kern_attn wrote out */
void kern_attn_combine(const struct kern *kern, const struct attn *a, size_t unit, const void *partials);
/* Upper bounds over all positions and batches, for sizing memory before it is taken. */
size_t kern_attn_partials_max(const struct attn *a, uint32_t max_tokens, uint32_t max_context);
size_t kern_attn_scratch_max(const struct attn *a, uint32_t max_tokens);

/* ---- vectors (vec*.c); n floats each, dst may equal a source ------------------------------------------ */
void kern_rms_norm(const struct kern *kern, float *dst, const float *x, const float *weight /* or NULL */, size_t n, float eps);
void kern_layer_norm(const struct kern *kern, float *dst, const float *x, const float *weight, const float *bias, size_t n, float eps);
void kern_l2_norm(const struct kern *kern, float *dst, const float *x, size_t n, float eps);
enum unary { UN_SILU, UN_GELU /* tanh form */, UN_GELU_ERF, UN_GELU_QUICK, UN_RELU, UN_RELU2, UN_SIGMOID, UN_TANH, UN_EXP, UN_SOFTPLUS };
void kern_unary(const struct kern *kern, enum unary op, float *dst, const float *x, size_t n);
void kern_glu(const struct kern *kern, enum unary op, float *dst, const float *gate, const float *up, size_t n); /* op(gate) * up */
void kern_add(const struct kern *kern, float *dst, const float *a, const float *b, size_t n);
void kern_mul(const struct kern *kern, float *dst, const float *a, const float *b, size_t n);
void kern_scale(const struct kern *kern, float *dst, const float *a, float s, size_t n);
void kern_axpy(const struct kern *kern, float *dst, float s, const float *x, size_t n); /* dst += s * x */
float kern_dot(const struct kern *kern, const float *a, const float *b, size_t n);
float kern_max(const struct kern *kern, const float *x, size_t n);
size_t kern_argmax(const struct kern *kern, const float *x, size_t n); /* the first of the largest; nan never wins */
float kern_exp_sum(const struct kern *kern, const float *x, size_t n, float most, float s); /* sum of exp((x[i] - most) * s) */
void kern_softmax(const struct kern *kern, float *dst, const float *x, size_t n, float scale);
void kern_softcap(const struct kern *kern, float *dst, const float *x, size_t n, float cap); /* cap * tanh(x / cap) */
/* Rotates pairs of one head: (x[i], x[i + n/2]) for neox, (x[2i], x[2i+1]) otherwise; n_rot of dim elements, the
 * rest is copied. cos_sin is [n_rot/2][2], made once a position by the model. */
void kern_rope(const struct kern *kern, float *x, const float *cos_sin, size_t n_rot, bool neox);

#endif
