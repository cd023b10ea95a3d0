/* Attention: the scalar reference against double precision; then the same bits for every level, every cut of
 * the batch, every order of the units, and whatever lies behind what a query sees. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "../check.h"
#include "base/bytes.h"
#include "kern/kern_attn.h"
#include "kern/kern_table.h"
#include <math.h>
#include <time.h>

static uint32_t seed = 7;
static float rnd(float scale) {
    seed = seed * 1664525u + 1013904223u;
    return ((float)(seed >> 8) / 8388608.0f - 1.0f) * scale;
}

enum { MAX_PAGES = 80 };
struct setup {
    struct attn a;
    float *k, *v, *q, *out; /* k, v: [position][kv head][dim] as the cache reads them back */
    float sinks[64], alibi[64], bias[7 * 64];
    uint8_t bucket[2 * ATTN_FAR + 1];
    void *k_pages[MAX_PAGES], *v_pages[MAX_PAGES];
    uint32_t n_pages;
};

static void *must(void *p) {
    if (!p) {
        printf("out of memory\n");
        exit(1);
    }
    return p;
}

struct shape {
    const char *name;
    uint32_t n_head, n_kv_head, dim_k, dim_v, n_past, n_tokens, window;
    enum kv_type type_k, type_v;
    bool bidirectional, sinks;
    int alibi; /* 2: a bias by distance instead */
    float softcap;
};
static bool v_in_k; /* V is the leading part of K's rows, for the shapes of latent[] */

static void set_up(struct setup *s, const struct shape *p) {
    const struct kern *kern = kern_get(KERN_SCALAR);
    size_t kb = kv_row_bytes(p->type_k, p->dim_k), vb = kv_row_bytes(p->type_v, p->dim_v);
    size_t head = KV_PAGE * (v_in_k ? kb : kb + vb);
    memset(s, 0, sizeof *s);
    s->n_pages = (p->n_past + KV_PAGE - 1) / KV_PAGE;
    s->k = must(malloc((size_t)p->n_past * p->n_kv_head * p->dim_k * 4));
    s->v = must(malloc((size_t)p->n_past * p->n_kv_head * p->dim_v * 4));
    s->q = must(malloc((size_t)p->n_tokens * p->n_head * p->dim_k * 4));
    s->out = must(malloc((size_t)p->n_tokens * p->n_head * p->dim_v * 4));
    for (uint32_t i = 0; i < s->n_pages; i++) {
        s->k_pages[i] = must(malloc(head * p->n_kv_head));
        s->v_pages[i] = (uint8_t *)s->k_pages[i] + (v_in_k ? 0 : kb * KV_PAGE);
        memset(s->k_pages[i], 0x7f, head * p->n_kv_head); /* nonsense where nothing is stored */
    }
    for (uint32_t j = 0; j < p->n_past; j++) {
        for (uint32_t h = 0; h < p->n_kv_head; h++) {
            float *k = s->k + ((size_t)j * p->n_kv_head + h) * p->dim_k;
            float *v = s->v + ((size_t)j * p->n_kv_head + h) * p->dim_v;
            uint8_t *kr = (uint8_t *)s->k_pages[j / KV_PAGE] + h * head + j % KV_PAGE * kb;
            uint8_t *vr = (uint8_t *)s->v_pages[j / KV_PAGE] + h * head + j % KV_PAGE * vb;
            for (uint32_t d = 0; d < p->dim_k; d++) k[d] = rnd(d % 7 ? 2.0f : 2e-5f);
            for (uint32_t d = 0; d < p->dim_v; d++) v[d] = rnd(1);
            kern_kv_store(kern, p->type_k, kr, k, p->dim_k);
            if (!v_in_k) kern_kv_store(kern, p->type_v, vr, v, p->dim_v);
            kern_kv_load(kern, p->type_k, k, kr, p->dim_k);
            if (v_in_k) memcpy(v, k, p->dim_v * 4);
            else kern_kv_load(kern, p->type_v, v, vr, p->dim_v);
        }
    }
    for (size_t i = 0; i < (size_t)p->n_tokens * p->n_head * p->dim_k; i++) s->q[i] = rnd(2);
    if (p->type_k == KV_I16) /* queries that survive being rounded to codes, since a row's largest is 2 */
        for (size_t i = 0; i < (size_t)p->n_tokens * p->n_head * p->dim_k; i++)
            s->q[i] = i % p->dim_k ? rintf(s->q[i] / 2 * ATTN_TOP_BY) * 2 / ATTN_TOP_BY : -2;
    for (uint32_t h = 0; h < 64; h++) s->sinks[h] = rnd(4), s->alibi[h] = 1.0f / (float)(1 << (h % 8 + 1));
    for (uint32_t i = 0; i < 7 * 64; i++) s->bias[i] = rnd(3);
    for (uint32_t i = 0; i <= 2 * ATTN_FAR; i++) s->bucket[i] = (uint8_t)(i * 7 / (2 * ATTN_FAR + 1));
    s->a = (struct attn){
        .type_k = p->type_k, .type_v = p->type_v, .n_head = p->n_head, .n_kv_head = p->n_kv_head,
        .dim_k = p->dim_k, .dim_v = p->dim_v, .dim_v_row = v_in_k ? p->dim_k : 0, .head_bytes = head, .q = s->q, .q_stride = (size_t)p->n_head * p->dim_k,
        .out = s->out, .out_stride = (size_t)p->n_head * p->dim_v, .n_tokens = p->n_tokens,
        .position = p->n_past - p->n_tokens, .window = p->window, .bidirectional = p->bidirectional,
        .n_past = p->n_past, .k_pages = (const void *const *)s->k_pages,
        .v_pages = (const void *const *)s->v_pages, .scale = 1.0f / sqrtf((float)p->dim_k),
        .softcap = p->softcap, .sinks = p->sinks ? s->sinks : NULL, .alibi = p->alibi == 1 ? s->alibi : NULL,
        .bias = p->alibi == 2 ? s->bias : NULL, .bucket = s->bucket,
    };
}

static void tear_down(struct setup *s) {
    for (uint32_t i = 0; i < s->n_pages; i++) free(s->k_pages[i]);
    free(s->k), free(s->v), free(s->q), free(s->out);
}

/* The rule of kern.h in double precision. */
static void exact(const struct setup *s, double *out) {
    const struct attn *a = &s->a;
    double *p = must(malloc(a->n_past * sizeof *p));
    for (uint32_t t = 0; t < a->n_tokens; t++) {
        for (uint32_t h = 0; h < a->n_head; h++) {
            uint32_t kv = h / (a->n_head / a->n_kv_head);
            double most = a->sinks ? a->sinks[h] : -INFINITY, total;
            const float *q = a->q + t * a->q_stride + (size_t)h * a->dim_k;
            for (uint32_t j = 0; j < a->n_past; j++) {
                int64_t at = (int64_t)a->position + t, far = at - j;
                bool see = far >= 0 && (!a->window || far < a->window);
                if (a->bidirectional) see = !a->window || llabs(far) <= a->window / 2;
                p[j] = 0;
                for (uint32_t d = 0; d < a->dim_k; d++)
                    p[j] += (double)q[d] * s->k[((size_t)j * a->n_kv_head + kv) * a->dim_k + d];
                p[j] *= a->scale;
                if (a->softcap > 0) p[j] = a->softcap * tanh(p[j] / a->softcap);
                if (a->alibi) p[j] -= a->alibi[h] * (double)llabs(far);
                if (a->bias) {
                    int64_t d = far > ATTN_FAR ? ATTN_FAR : far < -ATTN_FAR ? -ATTN_FAR : far;
                    p[j] += a->bias[s->bucket[ATTN_FAR - d] * a->n_head + h];
                }
                if (!see) p[j] = -INFINITY;
                most = fmax(most, p[j]);
            }
            total = a->sinks ? exp(a->sinks[h] - most) : 0;
            for (uint32_t j = 0; j < a->n_past; j++) total += p[j] = exp(p[j] - most);
            for (uint32_t d = 0; d < a->dim_v; d++) {
                double sum = 0;
                for (uint32_t j = 0; j < a->n_past; j++)
                    sum += p[j] * s->v[((size_t)j * a->n_kv_head + kv) * a->dim_v + d];
                out[((size_t)t * a->n_head + h) * a->dim_v + d] = sum / total;
            }
        }
    }
    free(p);
}

/* All units of a, from the last to the first where backwards; memory sized by the functions that say so. */
static void run(const struct kern *kern, const struct attn *a, bool backwards) {
    size_t n = kern_attn_units(a), m = kern_attn_combine_units(a);
    size_t partial = kern_attn_partials(a), scratch = kern_attn_scratch(a);
    void *partials = must(malloc(partial + 1)), *work = must(malloc(scratch));
    CHECK(partial <= kern_attn_partials_max(a, a->n_tokens, a->n_past), "partials %zu", partial);
    CHECK(partial <= kern_attn_partials_max(a, a->n_tokens + 5, a->n_past + 100), "partials %zu", partial);
    CHECK(scratch <= kern_attn_scratch_max(a, a->n_tokens), "scratch %zu", scratch);
    memset(partials, 0xff, partial + 1); /* nans: nothing may be read before it is written */
    for (size_t i = 0; i < n; i++) {
        memset(work, 0xff, scratch);
        kern_attn(kern, a, backwards ? n - 1 - i : i, partials, work);
    }
    for (size_t i = 0; i < m; i++) kern_attn_combine(kern, a, backwards ? m - 1 - i : i, partials);
    free(partials);
    free(work);
}

static bool same(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (float_bits(a[i]) != float_bits(b[i])) {
            printf("  at %zu: %a, wanted %a\n", i, a[i], b[i]);
            return false;
        }
    }
    return true;
}

/* The same queries in calls of `step` tokens, the cache being no longer than what each call needs. */
static void run_in_steps(const struct kern *kern, const struct setup *s, float *out, uint32_t step) {
    for (uint32_t t = 0; t < s->a.n_tokens; t += step) {
        struct attn a = s->a;
        a.n_tokens = s->a.n_tokens - t < step ? s->a.n_tokens - t : step;
        a.position = s->a.position + t;
        if (!a.bidirectional) a.n_past = a.position + a.n_tokens;
        a.q = s->a.q + t * a.q_stride;
        a.out = out + t * a.out_stride;
        run(kern, &a, false);
    }
}

static const struct shape shapes[] = {
    {"one position", 1, 1, 16, 16, 1, 1, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"smollm2 decode", 9, 3, 64, 64, 700, 1, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"smollm2 prefill", 9, 3, 64, 64, 100, 100, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"gemma 3 window", 4, 1, 256, 256, 1400, 3, 512, KV_F16, KV_F16, 0, 0, 0, 0},
    {"gemma 2 soft cap", 4, 2, 96, 96, 200, 9, 70, KV_F16, KV_F16, 0, 0, 0, 50},
    {"narrow window, long prompt", 2, 1, 24, 24, 300, 300, 5, KV_F32, KV_F32, 0, 0, 0, 0},
    {"sinks", 8, 2, 64, 64, 600, 13, 128, KV_F16, KV_F16, 0, 1, 0, 0},
    {"sinks, two segments", 8, 2, 64, 64, 1100, 2, 0, KV_F16, KV_F16, 0, 1, 0, 0},
    {"alibi", 6, 6, 40, 40, 150, 17, 0, KV_F16, KV_F16, 0, 0, 1, 0},
    {"alibi, encoder", 4, 4, 32, 32, 90, 90, 0, KV_F32, KV_F32, 1, 0, 1, 0},
    {"encoder", 12, 12, 32, 32, 130, 130, 0, KV_F16, KV_F16, 1, 0, 0, 0},
    {"encoder with a window", 3, 3, 64, 64, 300, 300, 128, KV_F16, KV_F16, 1, 0, 0, 0},
    {"relative bias", 4, 4, 16, 16, 300, 300, 0, KV_F32, KV_F32, 1, 0, 2, 0},
    {"relative bias, both kinds of rows", 6, 3, 32, 32, 140, 1, 0, KV_F16, KV_F16, 0, 0, 2, 9},
    {"values of another size", 4, 4, 48, 32, 550, 4, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"odd sizes", 5, 5, 13, 7, 77, 5, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"odd sizes q8_0", 6, 3, 50, 34, 140, 7, 0, KV_Q8_0, KV_Q8_0, 0, 0, 0, 0},
    {"q8_0", 8, 2, 128, 128, 640, 6, 0, KV_Q8_0, KV_Q8_0, 0, 0, 0, 0},
    {"q8_0 keys, f16 values", 4, 2, 80, 80, 130, 3, 0, KV_Q8_0, KV_F16, 0, 0, 0, 0},
    {"f32", 3, 1, 64, 64, 520, 20, 0, KV_F32, KV_F32, 0, 0, 0, 0},
    {"one kv head, many heads", 53, 1, 16, 16, 600, 3, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"integers, one position", 1, 1, 16, 16, 1, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"integers, smollm2 decode", 9, 3, 64, 64, 700, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"integers, smollm2 prefill", 9, 3, 64, 64, 100, 100, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"integers, gemma 3 window", 4, 1, 256, 256, 1400, 3, 512, KV_I16, KV_I16, 0, 0, 0, 0},
    {"integers, head of 128", 8, 2, 128, 128, 300, 5, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"integers, odd sizes", 5, 5, 13, 7, 77, 5, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"integers, head of 4", 4, 2, 4, 4, 70, 3, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"integers, everything", 6, 2, 140, 40, 1300, 11, 600, KV_I16, KV_I16, 0, 1, 1, 20},
    {"everything", 6, 2, 72, 40, 1300, 11, 600, KV_F16, KV_Q8_0, 0, 1, 1, 20},
};

static const struct shape latent[] = {
    {"latent", 16, 1, 72, 64, 600, 5, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"latent, few heads, decode", 3, 1, 48, 40, 130, 1, 0, KV_F16, KV_F16, 0, 0, 0, 0},
    {"latent of integers", 16, 1, 576, 512, 90, 5, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"latent of integers, odd", 3, 1, 50, 37, 90, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    {"latent q8_0", 5, 1, 56, 40, 90, 3, 0, KV_Q8_0, KV_Q8_0, 0, 0, 0, 0},
    {"latent f32, two heads of keys", 4, 2, 22, 13, 70, 9, 0, KV_F32, KV_F32, 0, 0, 0, 0},
};

static void test_shape(const struct shape *p) {
    struct setup s;
    const struct kern *scalar = kern_get(KERN_SCALAR);
    size_t n = (size_t)p->n_tokens * p->n_head * p->dim_v;
    float *want = must(malloc(n * 4)), *got = must(malloc(n * 4));
    double *truth = must(malloc(n * sizeof *truth)), worst = 0;
    set_up(&s, p);
    exact(&s, truth);
    run(scalar, &s.a, false);
    memcpy(want, s.out, n * 4);
    for (size_t i = 0; i < n; i++) {
        double off = fabs(want[i] - truth[i]);
        worst = off > worst || off != off ? off : worst;
    }
    /* weighted means of values below 1; scores of size 10 carry 1e-6 into the exponentials */
    CHECK(worst < (p->type_v == KV_I16 ? 1e-3 /* weights of 12 bits */ : 1e-5), "%s: %g from double precision", p->name,
          worst);
    for (enum kern_level level = KERN_SCALAR; level <= KERN_RELAXED; level++) {
        const struct kern *kern = kern_get(level);
        if (!kern) continue;
        memset(s.out, 0xff, n * 4);
        run(kern, &s.a, true);
        CHECK(same(s.out, want, n), "%s: level %d, units backwards", p->name, level);
        for (uint32_t step = 1; step < p->n_tokens; step = step * 3 + 1) {
            memset(got, 0xff, n * 4);
            run_in_steps(kern, &s, got, step);
            CHECK(same(got, want, n), "%s: level %d, %u tokens a call", p->name, level, step);
        }
    }
    if (p->window && !p->bidirectional) { /* pages that no query sees are gone */
        uint32_t lo, hi;
        attn_range(&s.a, 0, &lo, &hi);
        for (uint32_t i = 0; i < lo / KV_PAGE; i++) {
            free(s.k_pages[i]);
            s.k_pages[i] = s.v_pages[i] = NULL;
        }
        for (enum kern_level level = KERN_SCALAR; level <= KERN_RELAXED; level++) {
            if (!kern_get(level)) continue;
            run(kern_get(level), &s.a, false);
            CHECK(same(s.out, want, n), "%s: level %d without the pages behind the window", p->name, level);
        }
    }
    tear_down(&s);
    free(want), free(got), free(truth);
}

/* Rows of integers whose codes are all as large as they get: sums of products go to the end of what an int32 holds. Every
 * other key is the opposite of the query, where `apart`; else all weights are the same. */
static void test_ends(bool apart) {
    static const struct shape shape = {"ends", 2, 1, 128, 128, 128, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0};
    struct setup s;
    double truth[2 * 128];
    size_t bytes = kv_row_bytes(KV_I16, 128);
    set_up(&s, &shape);
    for (uint32_t i = 0; i < 2 * 128; i++) s.q[i] = 2;
    for (uint32_t j = 0; j < shape.n_past; j++) {
        float *k = s.k + (size_t)j * 128, *v = s.v + (size_t)j * 128;
        for (uint32_t d = 0; d < 128; d++) k[d] = apart && j % 2 ? -3.0f : 3.0f, v[d] = d % 3 ? 5.0f : -5.0f;
        if (j % 2 && apart) for (uint32_t d = 0; d < 128; d++) v[d] = 0.25f;
        kern_kv_store(kern_get(KERN_SCALAR), KV_I16, (uint8_t *)s.k_pages[j / KV_PAGE] + j % KV_PAGE * bytes, k, 128);
        kern_kv_store(kern_get(KERN_SCALAR), KV_I16, (uint8_t *)s.v_pages[j / KV_PAGE] + j % KV_PAGE * bytes, v, 128);
    }
    exact(&s, truth);
    for (enum kern_level level = KERN_SCALAR; level <= KERN_RELAXED; level++) {
        if (!kern_get(level)) continue;
        run(kern_get(level), &s.a, false);
        for (int i = 0; i < 2 * 128; i++)
            CHECK(fabs(s.out[i] - truth[i]) < 1e-5, "ends, level %d: %g for %g", level, s.out[i], truth[i]);
    }
    tear_down(&s);
}

/* Every half a cache can hold survives, in every level; larger values saturate and nothing becomes infinite. */
static void test_rows(void) {
    static float x[65536 / 8 * 8], y[sizeof x / sizeof *x];
    static uint8_t a[sizeof x], b[sizeof x];
    size_t n = 0;
    for (uint32_t h = 0; h < 65536; h++)
        if ((h & 0x7c00) != 0x7c00) x[n++] = half_to_float((uint16_t)h);
    for (enum kern_level level = KERN_SCALAR; level <= KERN_RELAXED; level++) {
        const struct kern *kern = kern_get(level);
        if (!kern) continue;
        kern_kv_store(kern, KV_F16, a, x, n);
        kern_kv_load(kern, KV_F16, y, a, n);
        CHECK(same(y, x, n), "halves, level %d", level);
    }
    for (int round = 0; round < 400; round++) {
        static const float scales[] = {1, 1e-6f, 7e4f, 1e30f, 1e-38f, 3e-8f, 1e7f, 0.1f};
        size_t dim = 1 + (size_t)round % 150;
        enum kv_type type = (enum kv_type)(round % 4);
        size_t bytes = kv_row_bytes(type, dim);
        float most = 0;
        for (size_t i = 0; i < dim; i++) x[i] = rnd(scales[round % 8]) * (i % 5 ? 1 : 0.01f);
        if (round % 11 == 0) x[dim / 2] = INFINITY;
        if (round % 13 == 0) x[dim / 3] = NAN;
        for (size_t i = 0; i < dim; i++)
            most = x[i] != x[i] ? INFINITY : fmaxf(most, fabsf(x[i]));
        CHECK_EQ(bytes % 4, 0);
        memset(a, 0x55, bytes + 8);
        kern_kv_store(kern_get(KERN_SCALAR), type, a, x, dim);
        CHECK(a[bytes] == 0x55 && a[bytes + 7] == 0x55, "type %d writes its row only", type);
        kern_kv_load(kern_get(KERN_SCALAR), type, y, a, dim);
        for (size_t i = 0; i < dim; i++) {
            double off = fabs((double)y[i] - x[i]);
            if (type == KV_F32 || x[i] != x[i] || fabsf(x[i]) > 65504 || (type == KV_Q8_0 && !(most <= 8e6f)))
                continue;
            /* f16: half of the last of 11 bits; i16: half a step of the row's largest; q8_0: of the block's largest,
             * and its scale is a half */
            CHECK(off <= (type == KV_F16   ? fabs(x[i]) * 0x1p-11 + 0x1p-25
                          : type == KV_I16 ? fmin(most, 65504) / (2 * ATTN_TOP_KV) * 1.001 + 1e-30
                                           : most / 254 * 1.13 + 127 * 0x1p-25),
                  "type %d: %g for %g", type, y[i], x[i]);
        }
        for (enum kern_level level = KERN_SIMD; level <= KERN_RELAXED; level++) {
            static float z[256];
            if (!kern_get(level)) continue;
            memset(b, 0x55, bytes + 8);
            kern_kv_store(kern_get(level), type, b, x, dim);
            CHECK(memcmp(a, b, bytes + 8) == 0, "type %d dim %zu level %d stores", type, dim, level);
            memset(z, 0x55, sizeof z);
            kern_kv_load(kern_get(level), type, z, b, dim);
            CHECK(memcmp(z, y, dim * 4) == 0 && float_bits(z[dim]) == 0x55555555u, "type %d dim %zu level %d loads",
                  type, dim, level);
        }
        for (size_t i = 0; i < dim && type != KV_F32; i++)
            CHECK(fabsf(y[i]) <= KV_Q8_MAX * 1.001f, "type %d holds no infinities", type);
    }
}

/* ---- test_attn --bench [PART OF A NAME]: GMAC/s (scores and sums) of one thread ----------------------------------------------- */
static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void bench(const struct shape *p, bool scalar) {
    struct setup s;
    set_up(&s, p);
    printf("%-28s", p->name);
    for (enum kern_level level = scalar ? KERN_SCALAR : KERN_SIMD; level <= KERN_SIMD; level++) {
        const struct kern *kern = kern_get(level);
        size_t n = kern_attn_units(&s.a), m = kern_attn_combine_units(&s.a);
        void *partials = must(malloc(kern_attn_partials(&s.a) + 1)), *work = must(malloc(kern_attn_scratch(&s.a)));
        double best = 1e9, macs = 0;
        if (!kern) continue;
        for (uint32_t t = 0; t < p->n_tokens; t++) {
            uint32_t lo, hi;
            attn_range(&s.a, t, &lo, &hi);
            macs += (double)(hi - lo) * p->n_head * (p->dim_k + p->dim_v);
        }
        for (double from = seconds(); seconds() - from < (level == KERN_SCALAR ? 0.02 : 0.3);) {
            double start = seconds();
            for (size_t i = 0; i < n; i++) kern_attn(kern, &s.a, i, partials, work);
            for (size_t i = 0; i < m; i++) kern_attn_combine(kern, &s.a, i, partials);
            best = fmin(best, seconds() - start);
        }
        printf(" | level %d: %8.1f us %6.2f GMAC/s", level, best * 1e6, macs / best * 1e-9);
        free(partials), free(work);
    }
    printf("\n");
    tear_down(&s);
}

static void bench_all(const char *name) {
    static const struct shape list[] = {
        {"smollm2 decode 128", 9, 3, 64, 64, 128, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"smollm2 decode 4096", 9, 3, 64, 64, 4096, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"smollm2 decode 4096 q8_0", 9, 3, 64, 64, 4096, 1, 0, KV_Q8_0, KV_Q8_0, 0, 0, 0, 0},
        {"smollm2 prefill 256", 9, 3, 64, 64, 256, 256, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"smollm2 prefill 256 at 4096", 9, 3, 64, 64, 4096, 256, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"llama 1b decode 4096", 32, 8, 64, 64, 4096, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"gemma decode 128", 4, 1, 256, 256, 128, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"gemma decode 4096", 4, 1, 256, 256, 4096, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"gemma decode window", 4, 1, 256, 256, 4000, 1, 512, KV_I16, KV_I16, 0, 0, 0, 0},
        {"gemma prefill 256", 4, 1, 256, 256, 256, 256, 0, KV_I16, KV_I16, 0, 0, 0, 0},
        {"halves, llama 1b 4096", 32, 8, 64, 64, 4096, 1, 0, KV_F16, KV_F16, 0, 0, 0, 0},
        {"halves, smollm2 256 at 4096", 9, 3, 64, 64, 4096, 256, 0, KV_F16, KV_F16, 0, 0, 0, 0},
        {"mha 96 decode 1024", 32, 32, 96, 96, 1024, 1, 0, KV_I16, KV_I16, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (strstr(list[i].name, name)) bench(list + i, !*name);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--bench")) {
        bench_all(argc > 2 ? argv[2] : "");
        return 0;
    }
    test_rows();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) test_shape(shapes + i);
    test_ends(false), test_ends(true);
    v_in_k = true;
    for (size_t i = 0; i < sizeof latent / sizeof *latent; i++) test_shape(latent + i);
    return check_done();
}
