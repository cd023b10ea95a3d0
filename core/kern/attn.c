/* Attention: how the work is cut, and how segments become rows.
 *
 * A unit is some kv heads, a block of tokens, and either one segment, whose states go to the shared partials
 * to be combined behind a barrier, or all segments one after the other where there are units enough without
 * that. Either way segments fold in index order, so the choice does not show in the bits. The fewer tokens, the
 * more heads: their parts of a page follow each other, and memory is read fastest in one stream.
 */
#include "base/fmath.h"
#include "kern/kern_attn.h"
#include "kern/kern_table.h"
#include "kern/kern_vec.h"

#include <string.h>

enum {
    ROWS = 48,               /* (token, head) pairs of a unit */
    UNITS = 8,               /* segments are units of their own where there are fewer units than this */
    PARTIALS_LIMIT = 2 << 20 /* … and their states fit this (one token's always do) */
};

size_t kv_row_bytes(enum kv_type type, size_t dim) {
    if (type == KV_F32) return dim * 4;
    if (type == KV_F16) return (dim * 2 + 3) & ~(size_t)3;
    if (type == KV_I16) return kv_codes_scale(dim) + 4;
    return kv_q8_scales(dim) + ((dim + 31) / 32 * 2 + 3) / 4 * 4;
}

void kern_kv_store(const struct kern *kern, enum kv_type type, void *row, const float *src, size_t dim) {
    kern->attn->store(type, row, src, dim);
}

void kern_kv_load(const struct kern *kern, enum kv_type type, float *dst, const void *row, size_t dim) {
    kern->attn->load(type, dst, row, dim, dim);
}

struct cut {
    uint32_t tokens, n_blocks;   /* tokens a block, blocks of tokens */
    uint32_t heads, n_groups;    /* kv heads a unit, units of heads */
    uint32_t segment0, n_segments; /* that any query sees */
    bool split;
};

static uint32_t block_tokens(const struct attn *a) {
    uint32_t group = attn_group(a);
    return group < ROWS ? ROWS / group : 1;
}

static size_t partial_bytes(const struct attn *a, size_t n_tokens, size_t n_segments) {
    return n_tokens * a->n_head * n_segments * attn_state(a) * 4;
}

/* As many as leave units enough, where a unit of that many rows is not too large. */
static uint32_t unit_heads(const struct attn *a, uint32_t n_tokens, uint32_t n_segments) {
    uint64_t fit = ROWS / ((uint64_t)n_tokens * attn_group(a)), most = (uint64_t)a->n_kv_head * n_segments / UNITS;
    if (most > fit) most = fit;
    return most < 1 ? 1 : most < a->n_kv_head ? (uint32_t)most : a->n_kv_head;
}

static struct cut cut(const struct attn *a) {
    struct cut c = {.tokens = block_tokens(a)};
    uint32_t lo, hi, unused;
    attn_range(a, 0, &lo, &unused);
    attn_range(a, a->n_tokens - 1, &unused, &hi);
    c.n_blocks = (a->n_tokens + c.tokens - 1) / c.tokens;
    c.segment0 = lo / ATTN_SEGMENT;
    c.n_segments = hi > lo ? (hi - 1) / ATTN_SEGMENT + 1 - c.segment0 : 0;
    bool fits = a->n_tokens == 1 || partial_bytes(a, a->n_tokens, c.n_segments) <= PARTIALS_LIMIT;
    c.heads = unit_heads(a, a->n_tokens, fits ? c.n_segments : 1);
    c.n_groups = (a->n_kv_head + c.heads - 1) / c.heads;
    c.split = fits && c.n_segments > 1 && c.n_groups * c.n_blocks < UNITS;
    return c;
}

size_t kern_attn_units(const struct attn *a) {
    struct cut c = cut(a);
    return (size_t)c.n_groups * c.n_blocks * (c.split ? c.n_segments : 1);
}

size_t kern_attn_combine_units(const struct attn *a) {
    return cut(a).split ? (size_t)a->n_tokens * a->n_kv_head : 0;
}

size_t kern_attn_partials(const struct attn *a) {
    struct cut c = cut(a);
    return c.split ? partial_bytes(a, a->n_tokens, c.n_segments) : 0;
}

size_t kern_attn_partials_max(const struct attn *a, uint32_t max_tokens, uint32_t max_context) {
    size_t segments = ((size_t)max_context + ATTN_SEGMENT - 1) / ATTN_SEGMENT, one, all;
    if (max_tokens == 0 || segments == 0) return 0;
    one = partial_bytes(a, 1, segments);
    all = partial_bytes(a, max_tokens, segments);
    if (all > PARTIALS_LIMIT) all = PARTIALS_LIMIT;
    return one > all ? one : all;
}

/* Two sets of states, then what a level needs: queries, one decoded block, scores. */
static size_t scratch_bytes(const struct attn *a, uint32_t n_tokens) {
    size_t one = attn_group(a) > ROWS ? attn_group(a) : ROWS, all = (size_t)n_tokens * a->n_head;
    size_t rows = one < all ? one : all, dk = attn_pad(a->dim_k), dv = attn_pad(a->dim_v);
    return 4 * (rows * (2 * attn_state(a) + attn_query(a) + KV_PAGE) + KV_PAGE * (dk > dv ? dk : dv)) + 64;
}

size_t kern_attn_scratch(const struct attn *a) { return scratch_bytes(a, a->n_tokens); }
size_t kern_attn_scratch_max(const struct attn *a, uint32_t max_tokens) {
    return scratch_bytes(a, max_tokens);
}

/* (m, l, acc) of a row so far, joined by the state of its next segment. */
static void join(const struct kern *kern, float *ml, float *acc, const float *part, size_t dim) {
    float most, x, y;
    if (!(part[0] > -__builtin_inff())) return;
    if (!(ml[0] > -__builtin_inff())) {
        ml[0] = part[0], ml[1] = part[1];
        memcpy(acc, part + 4, dim * 4);
        return;
    }
    most = f_max(ml[0], part[0]);
    x = ml[0] == most ? 1.0f : f_exp(ml[0] - most);
    y = part[0] == most ? 1.0f : f_exp(part[0] - most);
    ml[0] = most;
    ml[1] = ml[1] * x + part[1] * y;
    kern->attn->fold(acc, part + 4, x, y, dim);
}

static void finish(const struct kern *kern, const struct attn *a, float *out, const float *ml,
                   const float *acc, uint32_t head) {
    float e = 1.0f, l = ml[1];
    if (!(ml[0] > -__builtin_inff())) { /* sees nothing */
        memset(out, 0, a->dim_v * 4);
        return;
    }
    if (a->sinks) {
        float sink = a->sinks[head], most = f_max(ml[0], sink);
        e = ml[0] == most ? 1.0f : f_exp(ml[0] - most);
        l = l * e + (sink == most ? 1.0f : f_exp(sink - most));
    }
    kern->vec->scale(out, acc, e / l, a->dim_v);
}

static float *out_row(const struct attn *a, uint32_t token, uint32_t head) {
    return a->out + token * a->out_stride + (size_t)head * a->dim_v;
}

/* Partials: [token][head][segment] states. */
static float *partial(const struct attn *a, const struct cut *c, const void *partials, uint32_t token,
                      uint32_t head) {
    return (float *)partials + ((size_t)token * a->n_head + head) * c->n_segments * attn_state(a);
}

void kern_attn(const struct kern *kern, const struct attn *a, size_t unit, void *partials,
               void *scratch) {
    struct cut c = cut(a);
    size_t size = attn_state(a);
    uint32_t group = attn_group(a), n = c.split ? c.n_segments : 1, which = (uint32_t)(unit % n);
    uint32_t head = (uint32_t)(unit / n % c.n_groups) * c.heads, t0 = (uint32_t)(unit / n / c.n_groups) * c.tokens;
    struct attn_unit u = {.head = head, .heads = a->n_kv_head - head < c.heads ? a->n_kv_head - head : c.heads,
                          .t0 = t0, .t1 = a->n_tokens - t0 < c.tokens ? a->n_tokens : t0 + c.tokens};
    uint32_t one = attn_rows(a, &u), rows = u.heads * one, lo, hi, unused, first, last;
    float *states = scratch, *next = states + rows * size, *rest = next + rows * size;
    attn_range(a, u.t0, &lo, &unused);
    attn_range(a, u.t1 - 1, &unused, &hi);
    if (c.split) {
        uint32_t segment = c.segment0 + which;
        if (hi <= segment * ATTN_SEGMENT || lo >= (segment + 1) * ATTN_SEGMENT) {
            for (uint32_t r = 0; r < rows; r++) states[r * size] = -__builtin_inff();
        } else {
            kern->attn->segment(a, &u, segment, states, rest);
        }
        for (uint32_t r = 0; r < rows; r++) {
            float *dst = partial(a, &c, partials, u.t0 + r % one / group, (u.head + r / one) * group + r % group);
            memcpy(dst + which * size, states + r * size, size * 4);
        }
        return;
    }
    first = lo / ATTN_SEGMENT;
    last = hi > lo ? (hi - 1) / ATTN_SEGMENT : first;
    kern->attn->segment(a, &u, first, states, rest);
    for (uint32_t segment = first + 1; segment <= last; segment++) {
        kern->attn->segment(a, &u, segment, next, rest);
        for (uint32_t r = 0; r < rows; r++)
            join(kern, states + r * size, states + r * size + 4, next + r * size, a->dim_v);
    }
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t q_head = (u.head + r / one) * group + r % group;
        finish(kern, a, out_row(a, u.t0 + r % one / group, q_head), states + r * size, states + r * size + 4, q_head);
    }
}

void kern_attn_combine(const struct kern *kern, const struct attn *a, size_t unit, const void *partials) {
    struct cut c = cut(a);
    uint32_t token = (uint32_t)(unit / a->n_kv_head), group = attn_group(a);
    for (uint32_t g = 0; g < group; g++) {
        uint32_t head = (uint32_t)(unit % a->n_kv_head) * group + g;
        const float *part = partial(a, &c, partials, token, head);
        float ml[2] = {-__builtin_inff(), 0}, *out = out_row(a, token, head);
        for (uint32_t i = 0; i < c.n_segments; i++)
            join(kern, ml, out, part + i * attn_state(a), a->dim_v);
        finish(kern, a, out, ml, out, head);
    }
}
