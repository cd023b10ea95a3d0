/* The attention part of the kernel table, and the arithmetic that its levels share.
 *
 * One query head (a row) against the positions it sees, for every level, batch and thread count:
 *
 *   scores     s_j = (t0 + t2) + (t1 + t3), t_i adds q[d] * scale * k[j][d] of d = i, i + 4 … in order,
 *              both padded with zeros to a multiple of four; scale holds 1 / softcap where there is one,
 *              then s = tanh(s) * softcap; then s = s + slope * -(float)distance,
 *              then s = s + the bias of the distance
 *   block      (KV_PAGE positions from a multiple of KV_PAGE, those seen) M = max(m, max s_j),
 *              p_j = exp(s_j - M), alpha = exp(m - M) (1 where m is M), l = l * alpha + sum p_j (four lanes
 *              j % 4, added as above), acc = acc * alpha, then acc = acc + p_j * v_j for one j after another
 *   integers   (KV_I16) q[d] * scale becomes a row of codes up to ATTN_TOP_BY. t_i adds for each 4 * ATTN_LANE
 *              elements in order the sum of products of codes of d % 8 / 2 = i, as a float;
 *              s_j = ((t0 + t2) + (t1 + t3)) * (scale of q * scale of k_j). The p_j of a block, each times the
 *              scale of v_j, become codes up to ATTN_TOP_BY too; acc adds for each ATTN_LANE positions in order
 *              the sum of products of codes, as a float, times their scale
 *   segment    (ATTN_SEGMENT positions) its blocks in order, starting from m = -inf, l = 0, acc = 0
 *   row        its segments in order: the first as it is, each further one by attn_fold's rule
 *   output     acc * (e / L), e = 1 and L = l, or with a sink M = max(m, sink), e = exp(m - M),
 *              L = l * e + exp(sink - M)
 *
 * What a row does not see is never touched, so a block nobody sees may be skipped and stale bytes behind
 * the cache's end cannot leak in. A state is [m, l, two words for the level's use, acc of dim_v
 * padded to a multiple of eight].
 */
#ifndef SOTTO_KERN_KERN_ATTN_H
#define SOTTO_KERN_KERN_ATTN_H

#include "kern/kern.h"

/* What shares one reading of the cache: kv heads [head, head + heads), tokens [t0, t1). */
struct attn_unit { uint32_t head, heads, t0, t1; };

struct kern_attn_table {
    void (*store)(enum kv_type type, void *row, const float *src, size_t dim);
    /* The first dim elements of a row of dim_row. */
    void (*load)(enum kv_type type, float *dst, const void *row, size_t dim, size_t dim_row);
    /* States of a unit's rows (kv head, token, head of the group) for one segment. */
    void (*segment)(const struct attn *a, const struct attn_unit *unit, uint32_t segment, float *states, void *scratch);
    /* acc = acc * x + part * y over n floats. */
    void (*fold)(float *acc, const float *part, float x, float y, size_t n);
};

extern const struct kern_attn_table kern_attn_scalar, kern_attn_simd;

/* Positions [*lo, *hi) that query `token` of the batch sees. Both grow with the token. */
static inline void attn_range(const struct attn *a, uint32_t token, uint32_t *lo, uint32_t *hi) {
    uint64_t at = (uint64_t)a->position + token, first = 0, end = at + 1;
    if (a->bidirectional) {
        end = a->window ? at + a->window / 2 + 1 : a->n_past;
        if (a->window && at > a->window / 2) first = at - a->window / 2;
    } else if (a->window && end > a->window) {
        first = end - a->window;
    }
    *hi = (uint32_t)(end < a->n_past ? end : a->n_past);
    *lo = (uint32_t)(first < *hi ? first : *hi);
}

/* A row of integers: dim int16 codes (padded with zeros to a multiple of 8), then the float they are multiples of,
 * the largest of the row / top. 14 bits in the cache and 12 in what it is multiplied by leave room for ATTN_LANE products
 * in 31. Their rounding is about that of half-floats, less than a thousandth (nmse) of that of 8-bit activations. */
static inline size_t attn_pad8(size_t dim) { return (dim + 7) & ~(size_t)7; }
static inline size_t kv_codes_scale(size_t dim) { return 2 * attn_pad8(dim); }
enum { ATTN_TOP_KV = 16383, ATTN_TOP_BY = 4095, ATTN_LANE = 32 };

static inline size_t attn_pad(size_t dim) { return (dim + 3) & ~(size_t)3; }
static inline size_t attn_state(const struct attn *a) { return 4 + attn_pad8(a->dim_v); }
static inline size_t attn_v_row(const struct attn *a) { return a->dim_v_row ? a->dim_v_row : a->dim_v; }
static inline uint32_t attn_group(const struct attn *a) { return a->n_head / a->n_kv_head; }

/* Rows that share a kv head. */
static inline uint32_t attn_rows(const struct attn *a, const struct attn_unit *u) { return (u->t1 - u->t0) * attn_group(a); }

/* Floats of room for a query. */
static inline size_t attn_query(const struct attn *a) {
    return a->type_k == KV_I16 ? kv_codes_scale(a->dim_k) / 4 + 1 : attn_pad(a->dim_k);
}

/* What is added to the score of head at query position `at` and key position `there`. */
static inline float attn_bias(const struct attn *a, uint32_t head, uint32_t at, uint32_t there) {
    int32_t d = (int32_t)(there - at);
    d = d < -ATTN_FAR ? -ATTN_FAR : d > ATTN_FAR ? ATTN_FAR : d;
    return a->bias[(size_t)a->bucket[d + ATTN_FAR] * a->n_head + head];
}

/* Scale folded into the query. */
static inline float attn_scale(const struct attn *a) {
    return a->softcap > 0 ? a->scale / a->softcap : a->scale;
}

/* A q8_0 row: dim int8 (padded to a multiple of 4), then a half-float scale per 32 (padded likewise). */
static inline size_t kv_q8_scales(size_t dim) { return attn_pad(dim); }

#define KV_HALF_MAX 65504.0f              /* a cache in f16 saturates rather than hold infinities */
#define KV_Q8_MAX (KV_HALF_MAX * 127.0f)  /* and so does the scale of q8_0 */
#define KV_TINY 1e-30f                    /* a row of integers, or a block of q8_0, with nothing larger is zero */

#endif
