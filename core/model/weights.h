/* Weights: which tensors a model may have, by a table with symbolic axes; where they lie in the
 * file and in memory.
 *
 * A matrix lies in tiles of TILE_ROWS rows (kern.h), one run of tiles per slice (a slice is an
 * expert, or the whole matrix); a vector lies as floats. Tensors that fuse several matrices (q/k/v,
 * gate/up) are several weights that share a tensor. Invariant: the file ranges of two weights never
 * overlap.
 */
#ifndef SOTTO_MODEL_WEIGHTS_H
#define SOTTO_MODEL_WEIGHTS_H

#include "base/sync.h"
#include "kern/kern.h"
#include "model/hparams.h"

enum weight_id {
    W_TOKEN_EMBD,
    W_POSITION_EMBD,
    W_TOKEN_TYPES,
    W_TOKEN_NORM,
    W_TOKEN_NORM_B,
    W_OUTPUT_NORM,
    W_OUTPUT_NORM_B,
    W_OUTPUT,
    W_OUTPUT_B,
    W_LAYER_EMBD,
    W_LAYER_PROJ,
    W_LAYER_PROJ_NORM,
    W_ROPE_FREQS,
    W_ROPE_LONG,
    W_ROPE_SHORT,
    W_ATTN_NORM,
    W_ATTN_NORM_B,
    W_ATTN_NORM_2,
    W_ATTN_NORM_2_B,
    W_Q,
    W_Q_B,
    W_K,
    W_K_B,
    W_V,
    W_V_B,
    W_QKV,
    W_QKV_B,
    W_Q_NORM,
    W_Q_NORM_B,
    W_K_NORM,
    W_K_NORM_B,
    W_ATTN_SINKS,
    W_Q_A,
    W_Q_A_NORM,
    W_Q_UP,
    W_KV_A,
    W_KV_A_NORM,
    W_KV_UP,
    W_K_UP,
    W_V_UP,
    W_ATTN_REL_B,
    W_ATTN_OUT,
    W_ATTN_OUT_B,
    W_ATTN_OUT_NORM,
    W_ATTN_OUT_NORM_B,
    W_LAYER_OUT_NORM,
    W_LAYER_OUT_NORM_B,
    W_POST_ATTN_NORM,
    W_POST_FFN_NORM,
    W_FFN_NORM,
    W_FFN_NORM_B,
    W_INPUT_GATE,
    W_INPUT_PROJ,
    W_INPUT_NORM,
    W_LAYER_SCALE,
    W_GATE,
    W_GATE_B,
    W_UP,
    W_UP_B,
    W_DOWN,
    W_DOWN_B,
    W_ROUTER,
    W_ROUTER_B,
    W_ROUTER_BIAS,
    W_ROUTER_SCALE,
    W_EXPERTS_NORM,
    W_POST_DENSE_NORM,
    W_POST_EXPERTS_NORM,
    W_GATE_UP_EXPS,
    W_DOWN_EXPS_SCALE,
    W_GATE_EXPS,
    W_GATE_EXPS_B,
    W_UP_EXPS,
    W_UP_EXPS_B,
    W_DOWN_EXPS,
    W_DOWN_EXPS_B,
    W_GATE_SHARED,
    W_UP_SHARED,
    W_DOWN_SHARED,
    W_SHARED_GATE,
    W_SSM_IN,
    W_SSM_CONV,
    W_SSM_CONV_B,
    W_SSM_X,
    W_SSM_DT_NORM,
    W_SSM_B_NORM,
    W_SSM_C_NORM,
    W_SSM_DT,
    W_SSM_DT_B,
    W_SSM_A,
    W_SSM_D,
    W_SSM_NORM,
    W_SSM_OUT,
    W_SHORT_IN,
    W_SHORT_CONV,
    W_SHORT_OUT,
    W_Q_GATED,
    W_DELTA_GATE,
    W_DELTA_BA,
    W_DELTA_BETA,
    W_DELTA_ALPHA,
    W_DENSE_2,
    W_DENSE_2_B,
    W_DENSE_3,
    W_DENSE_3_B,
    W_CLS,
    W_CLS_B,
    W_CLS_NORM,
    W_CLS_NORM_B,
    W_CLS_OUT,
    W_CLS_OUT_B,
    W_COUNT
};

struct weight {
    struct gguf_str name; /* of the tensor, a view into the header */
    uint32_t dtype;       /* of the file; a vector is floats in memory */
    uint32_t part;        /* of the file */
    uint32_t k;           /* elements of a row */
    uint32_t rows;        /* of a slice */
    uint32_t n_slices;
    bool vector;
    uint64_t file_at, file_bytes;
    size_t row_bytes;     /* in the file */
    uint64_t slice_bytes; /* in memory */
    uint8_t *data;        /* n_slices * slice_bytes, once laid out */
    uint64_t loaded;      /* file bytes packed so far; the loader's */
    atomic_word ready;    /* 1 when all is packed; stored with release, read with acquire */
};

/* Where the header of each part of the file is; tensors are looked up in all of them. */
struct parts {
    const struct gguf *const *g;
    uint32_t n;
    const char *prefix; /* of the names that have one, or NULL */
};

struct weights {
    struct heap *heap;
    struct weight *list;
    uint32_t n, cap;
};

/* Finds the tensor of id for layer, checks type and shape, and appends it; *out is its index, or -1
 * where it is optional and absent. name: instead of the table's middle part, or NULL. FORMAT names
 * the tensor and both shapes; UNSUPPORTED the type that has no kernel. */
int weights_add(struct weights *ws, const struct parts *parts, const struct hparams *hp,
                uint32_t id, uint32_t layer, const char *name, bool required, int32_t *out,
                struct fail *f);
/* True where the tensor exists, whatever its shape. */
bool weights_has(const struct parts *parts, uint32_t id, uint32_t layer, const char *name);
/* Rows (axis 1) and columns (axis 0) the file says, 0 where the tensor is absent. */
uint64_t weights_axis(const struct parts *parts, uint32_t id, uint32_t layer, const char *name,
                      uint32_t axis);
/* As weights_add for a tensor that fuses n matrices (or vectors) of rows[i] rows; fills out[n]. */
int weights_add_fused(struct weights *ws, const struct parts *parts, const struct hparams *hp,
                      uint32_t id, uint32_t layer, const uint32_t *rows, uint32_t n, int32_t *out,
                      struct fail *f);
void weights_free(struct weights *ws);

static inline uint64_t weight_bytes(const struct weight *w) {
    return w->slice_bytes * w->n_slices;
}
static inline bool weight_ready(const struct weight *w) {
    return word_load(&w->ready) != 0;
}
static inline const float *weight_floats(const struct weight *w) {
    return (const float *)(const void *)w->data;
}

#endif
