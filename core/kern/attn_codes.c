/* Rows of integers: bodies of attn_codes.h. Two queries by four keys, or four rows of weights by two positions, are what
 * the registers hold of sums. */
#include "kern/attn_codes.h"
#include "base/bytes.h"
#include "base/fmath.h"
#include "kern/simd_math.h"

#ifdef KERN_SIMD128

/* ---- rows ------------------------------------------------------------------------------------------------ */
/* Four of src * by, as far as there are so many, no larger than a half. */
V_INLINE v128 some(const float *src, size_t n, v128 by) {
    v128 limit = vf_splat(KV_HALF_MAX);
    float x[4] = {0};
    if (n < 4) memcpy(x, src, n * 4);
    return vf_pmin(limit, vf_pmax(vf_neg(limit), vf_mul(v_load(n < 4 ? x : src), by)));
}

void attn_codes_store(uint8_t *row, const float *src, float by, size_t dim, float top) {
    v128 factor = vf_splat(by), most = v_zero(), inverse;
    float lane[4], largest, scale;
    for (size_t i = 0; i < dim; i += 4) most = vf_pmax(most, vf_abs(some(src + i, dim - i, factor)));
    v_store(lane, most);
    largest = f_max(f_max(lane[0], lane[1]), f_max(lane[2], lane[3]));
    scale = largest > KV_TINY ? largest / top : 0;
    inverse = vf_splat(largest > KV_TINY ? top / largest : 0);
    for (size_t i = 0; i < dim; i += 8) {
        v128 x = vi_round(vf_mul(some(src + i, dim - i, factor), inverse)), y = v_zero();
        if (i + 4 < dim) y = vi_round(vf_mul(some(src + i + 4, dim - i - 4, factor), inverse));
        v_store(row + 2 * i, vh_narrow(x, y));
    }
    memcpy(row + kv_codes_scale(dim), &scale, 4);
}

void attn_codes_load(float *dst, const uint8_t *row, size_t dim, size_t dim_row) {
    v128 scale = v_load_splat32(row + kv_codes_scale(dim_row));
    size_t i = 0;
    for (; i + 4 <= dim; i += 4) v_store(dst + i, vf_mul(vf_from_i(vi_load16x4_s(row + 2 * i)), scale));
    for (; i < dim; i++) dst[i] = (float)(int16_t)load_u16(row + 2 * i) * vf_lane(scale, 0);
}

/* ---- scores: two queries by four keys ---------------------------------------------------------------------- */
/* Lane sums of n elements, at most 4 * ATTN_LANE. */
V_INLINE void products(int n_rows, v128 s[2][4], const uint8_t *q, const uint8_t *k, size_t n, size_t bytes) {
    for (int r = 0; r < n_rows; r++)
        for (int j = 0; j < 4; j++) s[r][j] = v_zero();
    V_ROLLED for (size_t d = 0; d < n; d += 8, q += 16, k += 16) {
        v128 x[4];
        V_POINTERS(q, k);
        for (int j = 0; j < 4; j++) x[j] = v_load(k + (size_t)j * bytes);
        for (int r = 0; r < n_rows; r++) {
            v128 y = v_load(q + (size_t)r * bytes);
            for (int j = 0; j < 4; j++) s[r][j] = vi_add(s[r][j], vi_dot_h(y, x[j]));
        }
    }
}

V_INLINE void score4(int n_rows, float *scores, const uint8_t *q, const uint8_t *k, size_t dim, size_t bytes) {
    enum { PART = 4 * ATTN_LANE };
    const uint8_t *at = k + bytes - 4;
    v128 s[2][4], t[2][4], scale = v_load32x4(at, at + bytes, at + 2 * bytes, at + 3 * bytes);
    products(n_rows, s, q, k, dim < PART ? dim : PART, bytes);
    for (int r = 0; r < n_rows; r++)
        for (int j = 0; j < 4; j++) t[r][j] = vf_from_i(s[r][j]);
    for (size_t d = PART; d < dim; d += PART) {
        products(n_rows, s, q + 2 * d, k + 2 * d, dim - d < PART ? dim - d : PART, bytes);
        for (int r = 0; r < n_rows; r++)
            for (int j = 0; j < 4; j++) t[r][j] = vf_add(t[r][j], vf_from_i(s[r][j]));
    }
    for (int r = 0; r < n_rows; r++) {
        v128 by = vf_mul(v_load_splat32(q + (size_t)(r + 1) * bytes - 4), scale);
        v_store(scores + r * KV_PAGE, vf_mul(v_sum_lanes(t[r][0], t[r][1], t[r][2], t[r][3]), by));
    }
}

V_INLINE void score_rows(float *scores, const uint8_t *q, uint32_t n_rows, const uint8_t *k, size_t dim, uint32_t from,
                       uint32_t to) {
    size_t bytes = kv_codes_scale(dim) + 4;
    for (uint32_t r = 0; r < n_rows; r += 2)
        for (uint32_t j = from; j < to; j += 4) {
            float *s = scores + r * KV_PAGE + j;
            if (n_rows - r > 1)
                score4(2, s, q + r * bytes, k + j * bytes, attn_pad8(dim), bytes);
            else
                score4(1, s, q + r * bytes, k + j * bytes, attn_pad8(dim), bytes);
        }
}

/* With a size known to the compiler the distances of rows are parts of the loads. */
void attn_codes_scores(float *scores, const uint8_t *q, uint32_t n_rows, const uint8_t *k, size_t dim, uint32_t from,
                       uint32_t to) {
    if (dim == 64)
        score_rows(scores, q, n_rows, k, 64, from, to);
    else if (dim == 128)
        score_rows(scores, q, n_rows, k, 128, from, to);
    else
        score_rows(scores, q, n_rows, k, dim, from, to);
}

/* ---- sums: up to four rows of weights by two positions -------------------------------------------------------- */
void attn_codes_weights(float *p, float largest, uint32_t from, uint32_t to) {
    uint8_t *row = (uint8_t *)p;
    float scale = largest > KV_TINY ? largest / ATTN_TOP_BY : 0;
    v128 inverse = vf_splat(ATTN_TOP_BY / largest);
    if (!(largest > KV_TINY)) from = to = 0;
    memset(row, 0, 2 * from);
    for (uint32_t j = from; j < to; j += 8) {
        v128 x = vi_round(vf_mul(v_load(p + j), inverse)), y = vi_round(vf_mul(v_load(p + j + 4), inverse));
        v_store(row + 2 * j, vh_narrow(x, y));
    }
    memset(row + 2 * to, 0, 2 * (KV_PAGE - to));
    memcpy(row + kv_codes_scale(KV_PAGE), &scale, 4);
}

/* n_vec times eight columns of positions [from, to), even ones, no more than ATTN_LANE. */
V_INLINE void sum_columns(int n_rows, int n_vec, float *acc, size_t acc_stride, const float *p, const uint8_t *v,
                        size_t bytes, uint32_t from, uint32_t to) {
    v128 s[4][4];
    const uint8_t *w = (const uint8_t *)p + 2 * from;
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < 2 * n_vec; c++) s[r][c] = v_zero();
    v += from * bytes;
    V_ROLLED for (uint32_t j = from; j < to; j += 2, w += 4, v += 2 * bytes) {
        v128 x[4]; /* pairs of one column */
        V_POINTERS(w, v);
        for (int c = 0; c < n_vec; c++) {
            v128 a = v_load(v + 16 * c), b = v_load(v + bytes + 16 * c);
            x[2 * c] = V_SHUFFLE16(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
            x[2 * c + 1] = V_SHUFFLE16(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
        }
        for (int r = 0; r < n_rows; r++) {
            v128 y = v_load_splat32(w + r * KV_PAGE * 4);
            for (int c = 0; c < 2 * n_vec; c++) s[r][c] = vi_add(s[r][c], vi_dot_h(y, x[c]));
        }
    }
    for (int r = 0; r < n_rows; r++) {
        v128 scale = v_load_splat32((const uint8_t *)(p + r * KV_PAGE) + kv_codes_scale(KV_PAGE));
        float *dst = acc + r * acc_stride;
        for (int c = 0; c < 2 * n_vec; c++)
            v_store(dst + 4 * c, vf_add(v_load(dst + 4 * c), vf_mul(vf_from_i(s[r][c]), scale)));
    }
}

#define SUMS(n, vec)                                                                                                 \
    static void sums_##n(float *acc, size_t acc_stride, const float *p, const uint8_t *v, size_t bytes, size_t dim,  \
                         uint32_t from, uint32_t to) {                                                               \
        size_t d = 0;                                                                                                \
        for (; d + 8 * vec <= attn_pad8(dim); d += 8 * vec)                                                          \
            sum_columns(n, vec, acc + d, acc_stride, p, v + 2 * d, bytes, from, to);                                 \
        for (; d < dim; d += 8) sum_columns(n, 1, acc + d, acc_stride, p, v + 2 * d, bytes, from, to);               \
    }
SUMS(1, 2)
SUMS(2, 2)
SUMS(3, 1)
SUMS(4, 1)

void attn_codes_sums(float *acc, size_t acc_stride, const float *p, uint32_t n_rows, const uint8_t *v, size_t bytes,
                     size_t dim, uint32_t from, uint32_t to) {
    static void (*const sums[])(float *, size_t, const float *, const uint8_t *, size_t, size_t, uint32_t, uint32_t) = {
        sums_1, sums_2, sums_3, sums_4};
    for (uint32_t r = 0, n; r < n_rows; r += n, acc += n * acc_stride, p += n * KV_PAGE) {
        n = n_rows - r < 4 ? n_rows - r : 4;
        for (uint32_t j = from & ~(uint32_t)(ATTN_LANE - 1); j < to; j += ATTN_LANE) {
            uint32_t lo = j < from ? from & ~1u : j, hi = to < j + ATTN_LANE ? (to + 1) & ~1u : j + ATTN_LANE;
            sums[n - 1](acc, acc_stride, p, v, bytes, dim, lo, hi);
        }
    }
}

#endif
