/* Attention and the cache's rows, scalar reference: the specification in kern_attn.h, word by word. */
#include "base/bytes.h"
#include "base/fmath.h"
#include "kern/kern_attn.h"

static float clamp(float x, float limit) { /* nan gives -limit */
    x = x > -limit ? x : -limit;
    return x < limit ? x : limit;
}

static void store_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }

/* Exact for every finite half; the cache holds no others. */
static float half(const uint8_t *p) {
    uint32_t h = load_u16(p);
    return bits_float((h & 0x8000u) << 16 | (h & 0x7fffu) << 13) * 0x1p112f;
}

static void store_q8(uint8_t *row, const float *src, size_t dim) {
    uint8_t *scale = row + kv_q8_scales(dim);
    for (size_t i = 0; i < dim; i += 32, scale += 2) {
        size_t n = dim - i < 32 ? dim - i : 32;
        float most = 0, d, inverse;
        for (size_t k = 0; k < n; k++) most = f_max(f_abs(clamp(src[i + k], KV_Q8_MAX)), most);
        d = most > KV_TINY ? most / 127.0f : 0;
        inverse = most > KV_TINY ? 127.0f / most : 0;
        store_u16(scale, float_to_half(d));
        for (size_t k = 0; k < n; k++) { /* adding 1.5 * 2^23 rounds to the nearest integer, ties to even */
            float r = clamp(src[i + k], KV_Q8_MAX) * inverse + 0x1.8p23f;
            row[i + k] = (uint8_t)float_bits(r);
        }
    }
}

/* A row of integers: codes of src * by, the largest of which gets the code `top`. */
static void store_codes(uint8_t *row, const float *src, float by, size_t dim, float top) {
    float most = 0, scale, inverse;
    for (size_t i = 0; i < dim; i++) most = f_max(f_abs(clamp(src[i] * by, KV_HALF_MAX)), most);
    scale = most > KV_TINY ? most / top : 0;
    inverse = most > KV_TINY ? top / most : 0;
    for (size_t i = 0; i < attn_pad8(dim); i++) { /* rounded as in store_q8 */
        float r = i < dim ? clamp(src[i] * by, KV_HALF_MAX) * inverse + 0x1.8p23f : 0;
        store_u16(row + 2 * i, (uint16_t)float_bits(r));
    }
    memcpy(row + kv_codes_scale(dim), &scale, 4);
}

static int16_t code(const uint8_t *row, size_t i) { return (int16_t)load_u16(row + 2 * i); }

static float codes_scale(const uint8_t *row, size_t dim) {
    float scale;
    memcpy(&scale, row + kv_codes_scale(dim), 4);
    return scale;
}

static void store(enum kv_type type, void *row, const float *src, size_t dim) {
    uint8_t *dst = row;
    if (type == KV_F32) {
        memcpy(row, src, dim * 4);
    } else if (type == KV_F16) {
        for (size_t i = 0; i < dim; i++) store_u16(dst + 2 * i, float_to_half(clamp(src[i], KV_HALF_MAX)));
    } else if (type == KV_I16) {
        store_codes(dst, src, 1.0f, dim, ATTN_TOP_KV);
    } else {
        store_q8(row, src, dim);
    }
}

static void load(enum kv_type type, float *dst, const void *row, size_t dim, size_t dim_row) {
    const uint8_t *src = row;
    if (type == KV_F32) {
        memcpy(dst, row, dim * 4);
    } else if (type == KV_F16) {
        for (size_t i = 0; i < dim; i++) dst[i] = half(src + 2 * i);
    } else if (type == KV_I16) {
        float scale = codes_scale(src, dim_row);
        for (size_t i = 0; i < dim; i++) dst[i] = (float)code(src, i) * scale;
    } else {
        const uint8_t *scale = src + kv_q8_scales(dim_row);
        for (size_t i = 0; i < dim; i++) dst[i] = (float)(int8_t)src[i] * half(scale + i / 32 * 2);
    }
}

static float sum4(const float t[4]) { return (t[0] + t[2]) + (t[1] + t[3]); }

/* Two rows of integers; sums wrap where a cache that was restored holds codes that none of ours would. */
static float product(const uint8_t *codes, const uint8_t *k, size_t dim) {
    float t[4] = {0};
    for (size_t d0 = 0; d0 < dim; d0 += 4 * ATTN_LANE) {
        uint32_t sum[4] = {0};
        for (size_t d = d0; d < dim && d < d0 + 4 * ATTN_LANE; d++)
            sum[d % 8 / 2] += (uint32_t)(code(codes, d) * code(k, d));
        for (int i = 0; i < 4; i++) t[i] += (float)(int32_t)sum[i];
    }
    return sum4(t) * (codes_scale(codes, dim) * codes_scale(k, dim));
}

struct block { /* positions [from, to) of the block that starts at base, as the row sees it */
    const uint8_t *k, *v, *codes; /* codes: the query as a row of integers, where the keys are */
    uint32_t base, from, to, at, head; /* at: position of the query */
};

static float score(const struct attn *a, const struct block *b, const float *q, float slope, uint32_t j,
                   float *row) {
    float t[4] = {0}, scale = attn_scale(a), s;
    const uint8_t *k = b->k + j * kv_row_bytes(a->type_k, a->dim_k);
    if (a->type_k == KV_I16) {
        s = product(b->codes, k, a->dim_k);
    } else {
        load(a->type_k, row, k, a->dim_k, a->dim_k);
        for (size_t d = 0; d < attn_pad(a->dim_k); d++)
            t[d % 4] += d < a->dim_k ? (q[d] * scale) * row[d] : 0.0f;
        s = sum4(t);
    }
    if (a->softcap > 0) s = f_tanh(s) * a->softcap;
    if (a->alibi) {
        uint32_t there = b->base + j;
        s = s + slope * -(float)(there > b->at ? there - b->at : b->at - there);
    }
    if (a->bias) s = s + attn_bias(a, b->head, b->at, b->base + j);
    return s;
}

/* acc += p * v, where v are rows of integers. */
static void add_codes(const struct attn *a, const struct block *b, const float *p, float *acc) {
    size_t dim_row = attn_v_row(a), bytes = kv_row_bytes(KV_I16, dim_row);
    float w[KV_PAGE] = {0}, scale;
    uint8_t codes[2 * KV_PAGE + 4];
    for (uint32_t j = b->from; j < b->to; j++) w[j] = p[j] * codes_scale(b->v + j * bytes, dim_row);
    store_codes(codes, w, 1.0f, KV_PAGE, ATTN_TOP_BY);
    scale = codes_scale(codes, KV_PAGE);
    for (uint32_t j0 = 0; j0 < KV_PAGE; j0 += ATTN_LANE) {
        for (size_t d = 0; d < a->dim_v; d++) {
            uint32_t sum = 0;
            for (uint32_t j = j0 > b->from ? j0 : b->from; j < b->to && j < j0 + ATTN_LANE; j++)
                sum += (uint32_t)(code(codes, j) * code(b->v + j * bytes, d));
            acc[d] = acc[d] + (float)(int32_t)sum * scale;
        }
    }
}

static void block(const struct attn *a, const struct block *b, const float *q, float slope, float *state,
                  float *row) {
    float p[KV_PAGE], lane[4] = {0}, most = -__builtin_inff(), alpha, *acc = state + 4;
    for (uint32_t j = b->from; j < b->to; j++) {
        p[j] = score(a, b, q, slope, j, row);
        most = f_max(p[j], most);
    }
    if (!(most > -__builtin_inff())) return;
    most = f_max(state[0], most);
    alpha = state[0] == most ? 1.0f : f_exp(state[0] - most);
    for (uint32_t j = b->from; j < b->to; j++) {
        p[j] = f_exp(p[j] - most);
        lane[j % 4] += p[j];
    }
    state[0] = most;
    state[1] = state[1] * alpha + sum4(lane);
    for (size_t d = 0; d < a->dim_v; d++) acc[d] = acc[d] * alpha;
    if (a->type_v == KV_I16) {
        add_codes(a, b, p, acc);
        return;
    }
    for (uint32_t j = b->from; j < b->to; j++) {
        load(a->type_v, row, b->v + j * kv_row_bytes(a->type_v, attn_v_row(a)), a->dim_v, attn_v_row(a));
        for (size_t d = 0; d < a->dim_v; d++) acc[d] = acc[d] + p[j] * row[d];
    }
}

static void segment(const struct attn *a, const struct attn_unit *unit, uint32_t segment, float *states,
                    void *scratch) {
    uint32_t group = attn_group(a), rows = attn_rows(a, unit);
    for (uint32_t row = 0; row < unit->heads * rows; row++) {
        uint32_t token = unit->t0 + row % rows / group, kv_head = unit->head + row / rows, lo, hi;
        uint32_t head = kv_head * group + row % group;
        const float *q = a->q + token * a->q_stride + (size_t)head * a->dim_k;
        float *state = states + row * attn_state(a), slope = a->alibi ? a->alibi[head] : 0;
        uint8_t *codes = scratch;
        if (a->type_k == KV_I16) store_codes(codes, q, attn_scale(a), a->dim_k, ATTN_TOP_BY);
        attn_range(a, token, &lo, &hi);
        memset(state, 0, attn_state(a) * 4);
        state[0] = -__builtin_inff();
        for (uint32_t i = 0; i < ATTN_SEGMENT / KV_PAGE; i++) {
            uint32_t page = segment * (ATTN_SEGMENT / KV_PAGE) + i, base = page * KV_PAGE;
            struct block b = {NULL, NULL, codes, base, lo > base ? lo - base : 0, KV_PAGE, a->position + token, head};
            if (hi <= base) break;
            if (hi - base < KV_PAGE) b.to = hi - base;
            if (b.from >= b.to || !a->k_pages[page] || !a->v_pages[page]) continue;
            b.k = (const uint8_t *)a->k_pages[page] + kv_head * a->head_bytes;
            b.v = (const uint8_t *)a->v_pages[page] + kv_head * a->head_bytes;
            block(a, &b, q, slope, state, (float *)scratch + attn_query(a));
        }
    }
}

static void fold(float *acc, const float *part, float x, float y, size_t n) {
    for (size_t i = 0; i < n; i++) acc[i] = acc[i] * x + part[i] * y;
}

const struct kern_attn_table kern_attn_scalar = {
    .store = store, .load = load, .segment = segment, .fold = fold,
};
