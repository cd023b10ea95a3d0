/* Attention in SIMD128: a block of the cache is shared by all rows (queries and heads of the group) that see it; scores and
 * sums are small matrix products, over rows of integers as they are (attn_codes.h), over others decoded to floats once.
 * One body serves decode and prefill, and computes what kern_attn.h specifies. */
#include "base/bytes.h"
#include "base/fmath.h"
#include "kern/attn_codes.h"
#include "kern/simd_math.h"

#ifdef KERN_SIMD128

/* ---- rows of the cache ------------------------------------------------------------------------------- */
V_INLINE v128 clamp(v128 x, v128 limit) { return vf_pmin(limit, vf_pmax(vf_neg(limit), x)); }

/* base/bytes.h: float_to_half of four values no larger than KV_HALF_MAX, in the low halves of the lanes. */
V_INLINE v128 to_half(v128 x) {
    v128 a = vf_abs(x), sign = v_andnot(x, vi_splat(0x7fffffff)), small, normal;
    small = vi_sub(vf_add(a, vf_splat(0.5f)), vi_splat(0x3f000000));
    normal = vi_add(vi_add(a, vi_splat(0xfff)), v_and(vi_shr_u(a, 13), vi_splat(1)));
    normal = vi_shr_u(vi_sub(normal, vi_splat(0x38000000)), 13);
    a = v_select(vi_gt(vi_splat(0x38800000), a), small, normal);
    return v_or(a, vi_shr(sign, 16)); /* as int16: narrowing with saturation keeps it */
}

static void store_f16(uint8_t *row, const float *src, size_t dim) {
    v128 limit = vf_splat(KV_HALF_MAX);
    size_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        v128 a = to_half(clamp(v_load(src + i), limit));
        v128 b = to_half(clamp(v_load(src + i + 4), limit));
        v_store(row + 2 * i, vh_narrow(a, b));
    }
    if (i < dim) kern_attn_scalar.store(KV_F16, row + 2 * i, src + i, dim - i);
}

static void store_q8_block(uint8_t *dst, uint8_t *scale, const float *src) {
    v128 limit = vf_splat(KV_Q8_MAX), most = v_zero(), inverse, round = vf_splat(0x1.8p23f), x[8];
    float lane[4], top, d;
    uint16_t half;
    for (int i = 0; i < 8; i++) {
        x[i] = clamp(v_load(src + 4 * i), limit);
        most = vf_pmax(most, vf_abs(x[i]));
    }
    v_store(lane, most);
    top = f_max(f_max(lane[0], lane[1]), f_max(lane[2], lane[3]));
    d = top > KV_TINY ? top / 127.0f : 0;
    inverse = vf_splat(top > KV_TINY ? 127.0f / top : 0);
    half = float_to_half(d);
    memcpy(scale, &half, 2);
    for (int i = 0; i < 8; i++) x[i] = vi_sub(vf_add(vf_mul(x[i], inverse), round), round);
    for (int i = 0; i < 2; i++)
        v_store(dst + 16 * i, vb_narrow(vh_narrow(x[4 * i], x[4 * i + 1]),
                                        vh_narrow(x[4 * i + 2], x[4 * i + 3])));
}

static void store(enum kv_type type, void *row, const float *src, size_t dim) {
    if (type == KV_F16) {
        store_f16(row, src, dim);
    } else if (type == KV_I16) {
        attn_codes_store(row, src, 1.0f, dim, ATTN_TOP_KV);
    } else if (type == KV_Q8_0 && dim % 32 == 0) {
        uint8_t *scale = (uint8_t *)row + kv_q8_scales(dim);
        for (size_t i = 0; i < dim; i += 32) store_q8_block((uint8_t *)row + i, scale + i / 16, src + i);
    } else {
        kern_attn_scalar.store(type, row, src, dim);
    }
}

static void load_q8(float *dst, const uint8_t *row, size_t dim, size_t dim_row) {
    const uint8_t *scale = row + kv_q8_scales(dim_row);
    for (size_t i = 0; i < dim; i += 32) {
        uint32_t h = load_u16(scale + i / 16);
        v128 d = vf_splat(bits_float((h & 0x8000u) << 16 | (h & 0x7fffu) << 13) * 0x1p112f);
        size_t n = dim - i < 32 ? dim - i : 32, k = 0;
        for (; k + 8 <= n; k += 8) {
            v128 x = vh_load8x8_s(row + i + k);
            v_store(dst + i + k, vf_mul(vf_from_i(vi_from_h_low(x)), d));
            v_store(dst + i + k + 4, vf_mul(vf_from_i(vi_from_h_high(x)), d));
        }
        for (; k < n; k++) dst[i + k] = (float)(int8_t)row[i + k] * vf_lane(d, 0);
    }
}

static void load_f16(float *dst, const uint8_t *row, size_t dim) {
    size_t i = 0;
    for (; i + 4 <= dim; i += 4) v_store(dst + i, v_half(row + 2 * i));
    if (i < dim) kern_attn_scalar.load(KV_F16, dst + i, row + 2 * i, dim - i, dim - i);
}

static void load(enum kv_type type, float *dst, const void *row, size_t dim, size_t dim_row) {
    if (type == KV_F16)
        load_f16(dst, row, dim);
    else if (type == KV_Q8_0)
        load_q8(dst, row, dim, dim_row);
    else if (type == KV_I16)
        attn_codes_load(dst, row, dim, dim_row);
    else
        memcpy(dst, row, dim * 4);
}

/* Positions [from, to) of one head's block to panel[position][stride]; columns behind dim become zero. */
static void decode(float *panel, size_t stride, enum kv_type type, const uint8_t *rows, size_t dim,
                   size_t dim_row, uint32_t from, uint32_t to) {
    size_t bytes = kv_row_bytes(type, dim_row);
    if (type == KV_F16 && dim % 8 == 0 && dim == dim_row) { /* rows follow each other without a gap */
        load_f16(panel + from * stride, rows + from * bytes, (to - from) * dim);
        return;
    }
    for (uint32_t j = from; j < to; j++) {
        float *dst = panel + j * stride;
        load(type, dst, rows + j * bytes, dim, dim_row);
        for (size_t d = dim; d < stride; d++) dst[d] = 0;
    }
}

/* ---- products ------------------------------------------------------------------------------------------ */
/* scores[r][j] = q[r] . k[j] for n_rows rows and four positions. */
V_INLINE void score4(int n_rows, float *scores, const float *q, const float *k, size_t dim) {
    v128 t[4][4];
    for (int r = 0; r < n_rows; r++)
        for (int j = 0; j < 4; j++) t[r][j] = v_zero();
    V_ROLLED for (size_t d = 0; d < dim; d += 4, q += 4, k += 4) {
        v128 x[4];
        V_POINTERS(q, k);
        for (int j = 0; j < 4; j++) x[j] = v_load(k + (size_t)j * dim);
        for (int r = 0; r < n_rows; r++) {
            v128 y = v_load(q + (size_t)r * dim);
            for (int j = 0; j < 4; j++) t[r][j] = vf_add(t[r][j], vf_mul(y, x[j]));
        }
    }
    for (int r = 0; r < n_rows; r++)
        v_store(scores + r * KV_PAGE, v_sum_lanes(t[r][0], t[r][1], t[r][2], t[r][3]));
}

/* Rows [0, n_rows) against positions [from, to), both multiples of four. */
V_INLINE void score_blocks(float *scores, const float *q, uint32_t n_rows, const float *k, size_t dim, uint32_t from,
                         uint32_t to) {
    for (uint32_t r = 0; r < n_rows; r += 2)
        for (uint32_t j = from; j < to; j += 4) {
            float *s = scores + r * KV_PAGE + j;
            if (n_rows - r > 1)
                score4(2, s, q + r * dim, k + j * dim, dim);
            else
                score4(1, s, q + r * dim, k + j * dim, dim);
        }
}
/* With a size known to the compiler the distances of rows are parts of the loads. */
static void score_rows(float *scores, const float *q, uint32_t n_rows, const float *k, size_t dim,
                       uint32_t from, uint32_t to) {
    if (dim == 64)
        score_blocks(scores, q, n_rows, k, 64, from, to);
    else if (dim == 128)
        score_blocks(scores, q, n_rows, k, 128, from, to);
    else
        score_blocks(scores, q, n_rows, k, dim, from, to);
}

/* acc[r] += p[r][j] * v[j] for j in [from, to), n_rows rows and n_vec vectors of columns. */
V_INLINE void sum_columns(int n_rows, int n_vec, float *acc, size_t acc_stride, const float *p, const float *v,
                        size_t dim, uint32_t from, uint32_t to) {
    v128 s[2][4];
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_vec; c++) s[r][c] = v_load(acc + r * acc_stride + 4 * c);
    p += from, v += from * dim;
    V_ROLLED for (uint32_t j = from; j < to; j++, p++, v += dim) {
        v128 x[4];
        V_POINTERS(p, v);
        for (int c = 0; c < n_vec; c++) x[c] = v_load(v + 4 * c);
        for (int r = 0; r < n_rows; r++) {
            v128 y = v_load_splat32(p + r * KV_PAGE);
            for (int c = 0; c < n_vec; c++) s[r][c] = vf_add(s[r][c], vf_mul(y, x[c]));
        }
    }
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_vec; c++) v_store(acc + r * acc_stride + 4 * c, s[r][c]);
}

static void sum_one(float *acc, const float *p, const float *v, size_t dim, uint32_t from, uint32_t to) {
    size_t d = 0;
    if (from >= to) return;
    for (; d + 16 <= dim; d += 16) sum_columns(1, 4, acc + d, 0, p, v + d, dim, from, to);
    for (; d < dim; d += 4) sum_columns(1, 1, acc + d, 0, p, v + d, dim, from, to);
}

static void sum_two(float *acc, size_t acc_stride, const float *p, const float *v, size_t dim, uint32_t from,
                    uint32_t to) {
    size_t d = 0;
    if (from >= to) return;
    for (; d + 16 <= dim; d += 16) sum_columns(2, 4, acc + d, acc_stride, p, v + d, dim, from, to);
    for (; d < dim; d += 4) sum_columns(2, 1, acc + d, acc_stride, p, v + d, dim, from, to);
}

/* ---- one row of scores ----------------------------------------------------------------------------------- */
struct row { uint32_t from, to; }; /* positions of the block that the row sees; none where from >= to */

/* Soft cap, ALiBi and bias over positions [from, to), multiples of four. */
static void adjust(const struct attn *a, float *s, uint32_t from, uint32_t to, uint32_t base, uint32_t at,
                   uint32_t head) {
    static const int32_t ramp[4] = {0, 1, 2, 3};
    v128 cap = vf_splat(a->softcap), by = vf_splat(a->alibi ? a->alibi[head] : 0);
    for (uint32_t j = from; j < to; j += 4) {
        v128 x = v_load(s + j);
        if (a->softcap > 0) x = vf_mul(v_tanh(x), cap);
        if (a->alibi) {
            int32_t d = (int32_t)(base + j - at);
            v128 far = vi_add(vi_splat(d), v_load(ramp));
            x = vf_add(x, vf_mul(by, vf_neg(vf_abs(vf_from_i(far)))));
        }
        v_store(s + j, x);
        for (uint32_t i = j; a->bias && i < j + 4; i++) s[i] += attn_bias(a, head, at, base + i);
    }
}

/* The largest score that the row sees; those to the next multiples of eight become -inf. */
static float most_of(float *s, struct row row) {
    float minus = -__builtin_inff();
    uint32_t from = row.from & ~7u, to = (row.to + 7) & ~7u;
    v128 top = vf_splat(minus), other = top;
    for (uint32_t j = from; j < row.from; j++) s[j] = minus;
    for (uint32_t j = row.to; j < to; j++) s[j] = minus;
    for (uint32_t j = from; j < to; j += 8) {
        top = vf_pmax(top, v_load(s + j));
        other = vf_pmax(other, v_load(s + j + 4));
    }
    top = vf_pmax(top, other);
    top = vf_pmax(top, V_SHUFFLE32(top, top, 2, 3, 0, 1));
    return vf_lane(vf_pmax(top, V_SHUFFLE32(top, top, 1, 0, 3, 2)), 0);
}

/* Turns scores, the largest of which is `block`, into weights, updates (m, l) and rescales acc. With `scale`, weights are
 * times scale[j], and the largest goes to state[3]. False where the row sees nothing here. */
V_INLINE bool weigh(float *s, struct row row, float block, float *state, size_t dim, const float *scale) {
    float most = f_max(state[0], block), alpha = 1.0f, lane[4];
    uint32_t from = row.from & ~7u, to = (row.to + 7) & ~7u;
    v128 top = vf_splat(most), sum = v_zero(), largest = v_zero();
    if (!(block > -__builtin_inff())) return false;
    if (state[0] != most) alpha = f_exp(state[0] - most);
    for (uint32_t j = from; j < to; j += 8) {
        v128 p[2] = {vf_sub(v_load(s + j), top), vf_sub(v_load(s + j + 4), top)};
        v_exp_low(p);
        for (int i = 0; i < 2; i++) {
            sum = vf_add(sum, p[i]);
            if (scale) {
                p[i] = vf_mul(p[i], v_load(scale + j + 4 * i));
                largest = vf_pmax(largest, p[i]);
            }
            v_store(s + j + 4 * i, p[i]);
        }
    }
    v_store(lane, sum);
    state[0] = most;
    state[1] = state[1] * alpha + ((lane[0] + lane[2]) + (lane[1] + lane[3]));
    if (scale) {
        v_store(lane, largest);
        state[3] = f_max(f_max(lane[0], lane[1]), f_max(lane[2], lane[3]));
    }
    if (alpha != 1.0f) {
        v128 by = vf_splat(alpha);
        for (size_t d = 4; d < 4 + dim; d += 4) v_store(state + d, vf_mul(v_load(state + d), by));
    }
    return true;
}

/* Adds the weighted values to rows r and r + 1, whose ranges may differ at either end. */
static void sum_pair(float *states, size_t size, const float *p, const struct row *row, const float *v,
                     size_t dim) {
    uint32_t lo = row[0].from > row[1].from ? row[0].from : row[1].from;
    uint32_t hi = row[0].to < row[1].to ? row[0].to : row[1].to;
    float *acc = states + 4;
    if (lo >= hi) {
        sum_one(acc, p, v, dim, row[0].from, row[0].to);
        sum_one(acc + size, p + KV_PAGE, v, dim, row[1].from, row[1].to);
        return;
    }
    sum_one(acc, p, v, dim, row[0].from, lo);
    sum_one(acc + size, p + KV_PAGE, v, dim, row[1].from, lo);
    sum_two(acc, size, p, v, dim, lo, hi);
    sum_one(acc, p, v, dim, hi, row[0].to);
    sum_one(acc + size, p + KV_PAGE, v, dim, hi, row[1].to);
}

/* ---- segment ------------------------------------------------------------------------------------------------ */
static struct row seen(const struct attn *a, uint32_t token, uint32_t base) {
    struct row row;
    uint32_t lo, hi;
    attn_range(a, token, &lo, &hi);
    row.from = lo > base ? lo - base : 0;
    row.to = hi > base ? hi - base : 0;
    if (row.to > KV_PAGE) row.to = KV_PAGE;
    if (row.from > row.to) row.from = row.to;
    return row;
}

/* The queries of a unit, scaled: [row][attn_query], padded or as rows of integers. */
static void gather(const struct attn *a, const struct attn_unit *unit, float *q) {
    uint32_t group = attn_group(a), rows = attn_rows(a, unit);
    size_t dk = attn_pad(a->dim_k), i;
    v128 by = vf_splat(attn_scale(a));
    for (uint32_t r = 0; r < unit->heads * rows; r++, q += attn_query(a)) {
        uint32_t head = (unit->head + r / rows) * group + r % group;
        const float *src = a->q + (unit->t0 + r % rows / group) * a->q_stride + (size_t)head * a->dim_k;
        if (a->type_k == KV_I16) {
            attn_codes_store((uint8_t *)q, src, attn_scale(a), a->dim_k, ATTN_TOP_BY);
            continue;
        }
        for (i = 0; i + 4 <= a->dim_k; i += 4) v_store(q + i, vf_mul(v_load(src + i), by));
        for (; i < dk; i++) q[i] = i < a->dim_k ? src[i] * attn_scale(a) : 0;
    }
}

/* Reads a byte of every cache line of n bytes: the products that follow jump from row to row, so that they would wait for
 * one line after the other. It must be one load instruction that goes up line by line, which the processor foresees and
 * runs ahead of, and the longer the better: head by head a page of the cache takes a third longer, unrolled four times it
 * takes twice as long. The inner loop, which is left at once, keeps both compilers from unrolling the outer one. Returns
 * something that depends on all, for the caller to keep. */
static uint32_t touch(const uint8_t *p, size_t n) {
    enum { LINE = 64 };
    static const volatile uint32_t never = 0;
    uint32_t sum = 0, again = never;
    V_ROLLED for (size_t i = 0; i < n; i += LINE) {
        V_ROLLED do {
            __asm__ volatile("" : "+r"(again));
            sum += p[i];
        } while (again);
    }
    return sum;
}

/* A block of one kv head, the rows [r0, r1) of that head that see any of it, and what they have of a unit. */
struct block {
    const struct attn *a;
    uint32_t kv_head, t0, base, r0, r1;
    uint32_t from, to; /* positions that any row sees; from is a multiple of four */
    const uint8_t *k, *v;
    float *q, *scores, *states;
    float *panel; /* room for a decoded block */
};

static struct row row_of(const struct block *b, uint32_t r) {
    return seen(b->a, b->t0 + r / attn_group(b->a), b->base);
}

/* Soft cap, ALiBi and bias; then the largest score that row r sees. */
static float finish_scores(const struct block *b, uint32_t r) {
    const struct attn *a = b->a;
    uint32_t group = attn_group(a), token = b->t0 + r / group, head = b->kv_head * group + r % group;
    float *s = b->scores + r * KV_PAGE;
    if (a->softcap > 0 || a->alibi || a->bias)
        adjust(a, s, b->from, (b->to + 3) & ~3u, b->base, a->position + token, head);
    return most_of(s, row_of(b, r));
}

static void float_block(const struct block *b) {
    const struct attn *a = b->a;
    size_t dk = attn_pad(a->dim_k), dv = attn_pad(a->dim_v), size = attn_state(a);
    uint32_t to4 = (b->to + 3) & ~3u;
    decode(b->panel, dk, a->type_k, b->k, a->dim_k, a->dim_k, b->from, b->to);
    memset(b->panel + b->to * dk, 0, (to4 - b->to) * dk * 4);
    score_rows(b->scores + b->r0 * KV_PAGE, b->q + b->r0 * dk, b->r1 - b->r0, b->panel, dk, b->from, to4);
    decode(b->panel, dv, a->type_v, b->v, a->dim_v, attn_v_row(a), b->from, b->to);
    for (uint32_t r = b->r0; r < b->r1; r += 2) {
        struct row row[2] = {{0, 0}, {0, 0}};
        float *p = b->scores + r * KV_PAGE, *state = b->states + r * size;
        for (uint32_t n = 0; n < 2 && r + n < b->r1; n++) {
            struct row one = row_of(b, r + n);
            if (one.from < one.to && weigh(p + n * KV_PAGE, one, finish_scores(b, r + n), state + n * size, dv, NULL))
                row[n] = one;
        }
        if (r + 1 < b->r1)
            sum_pair(state, size, p, row, b->panel, dv);
        else
            sum_one(state + 4, p, b->panel, dv, row[0].from, row[0].to);
    }
}

static void codes_block(const struct block *b) {
    const struct attn *a = b->a;
    size_t size = attn_state(a), bytes = kv_row_bytes(KV_I16, attn_v_row(a));
    float *scores = b->scores + b->r0 * KV_PAGE, *scale = b->panel;
    attn_codes_scores(scores, (const uint8_t *)(b->q + b->r0 * attn_query(a)), b->r1 - b->r0, b->k, a->dim_k, b->from,
                      (b->to + 3) & ~3u);
    memset(scale, 0, KV_PAGE * 4);
    for (uint32_t j = b->from; j < b->to; j++) memcpy(scale + j, b->v + (j + 1) * bytes - 4, 4);
    /* Step by step for all rows, so that one need not wait for another's largest. */
    for (uint32_t r = b->r0; r < b->r1; r++) b->states[r * size + 2] = finish_scores(b, r);
    for (uint32_t r = b->r0; r < b->r1; r++) {
        float *state = b->states + r * size;
        state[3] = 0;
        weigh(b->scores + r * KV_PAGE, row_of(b, r), state[2], state, a->dim_v, scale);
    }
    for (uint32_t r = b->r0; r < b->r1; r++) {
        struct row row = row_of(b, r);
        attn_codes_weights(b->scores + r * KV_PAGE, b->states[r * size + 3], row.from & ~7u, (row.to + 7) & ~7u);
    }
    attn_codes_sums(b->states + b->r0 * size + 4, size, scores, b->r1 - b->r0, b->v, bytes, a->dim_v, b->from, b->to);
}

static void segment(const struct attn *a, const struct attn_unit *unit, uint32_t segment, float *states, void *scratch) {
    size_t size = attn_state(a);
    uint32_t group = attn_group(a), rows = attn_rows(a, unit), all = unit->heads * rows;
    float *q = scratch, *scores = q + all * attn_query(a), *panel = scores + rows * KV_PAGE;
    gather(a, unit, q);
    memset(states, 0, all * size * 4);
    for (uint32_t r = 0; r < all; r++) states[r * size] = -__builtin_inff();
    for (uint32_t i = 0; i < ATTN_SEGMENT / KV_PAGE; i++) {
        uint32_t page = segment * (ATTN_SEGMENT / KV_PAGE) + i, base = page * KV_PAGE;
        struct block b = {.a = a, .t0 = unit->t0, .base = base, .r1 = rows, .scores = scores, .panel = panel};
        /* Ranges grow with the token: the first sees furthest back, the last furthest on. */
        b.from = seen(a, unit->t0, base).from & ~3u;
        b.to = seen(a, unit->t1 - 1, base).to;
        if (b.from >= b.to || !a->k_pages[page] || !a->v_pages[page]) continue;
        while (row_of(&b, b.r0).to == 0) b.r0 += group; /* the block is ahead of them */
        while (row_of(&b, b.r1 - 1).from == KV_PAGE) b.r1 -= group; /* … behind them */
        if (b.r0 >= b.r1) continue;
        if (unit->t1 - unit->t0 == 1)
            panel[0] = (float)touch((const uint8_t *)a->k_pages[page] + unit->head * a->head_bytes,
                                    unit->heads * a->head_bytes); /* overwritten */
        for (uint32_t h = 0; h < unit->heads; h++) {
            b.kv_head = unit->head + h;
            b.k = (const uint8_t *)a->k_pages[page] + b.kv_head * a->head_bytes;
            b.v = (const uint8_t *)a->v_pages[page] + b.kv_head * a->head_bytes;
            b.q = q + h * rows * attn_query(a);
            b.states = states + h * rows * size;
            if (a->type_k == KV_I16)
                codes_block(&b);
            else
                float_block(&b);
        }
    }
}

static void fold(float *acc, const float *part, float x, float y, size_t n) {
    v128 u = vf_splat(x), v = vf_splat(y);
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        v_store(acc + i, vf_add(vf_mul(v_load(acc + i), u), vf_mul(v_load(part + i), v)));
    for (; i < n; i++) acc[i] = acc[i] * x + part[i] * y;
}

const struct kern_attn_table kern_attn_simd = {
    .store = store, .load = load, .segment = segment, .fold = fold,
};

#endif
