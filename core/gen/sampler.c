#include "gen/sampler.h"

#include "base/fmath.h"
#include <string.h>

enum { RUN = 128 /* logits looked at together */, HISTORY_MOST = 1 << 20 };

struct sampler {
    struct heap *heap;
    const struct kern *kern;
    struct sampling p;
    uint32_t n_vocab;
    uint64_t state;          /* of the random numbers */
    uint32_t *last;          /* [2 * keep]: the newest of the history stand at the end of n_last */
    uint32_t n_last, keep;
    uint32_t *scratch;       /* [keep] */
    struct cand *touched;    /* [keep] tokens of the history, by id */
    float *saved;            /* [keep] their logits */
    struct cand *list;       /* [capacity] */
    uint32_t capacity;
    float *most;             /* [n_runs] the largest logit of each run of the row */
    uint32_t n_runs;
};

/* splitmix64: a counter and a finalizer (Steele, Lea, Flood 2014). */
static double chance(struct sampler *s) {
    uint64_t z = s->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static bool has_penalties(const struct sampling *p) {
    return (p->repeat_penalty != 0 && p->repeat_penalty != 1) || p->frequency_penalty != 0 ||
           p->presence_penalty != 0;
}
static bool has_dry(const struct sampling *p) { return p->dry_multiplier != 0 && p->dry_base >= 1; }
/* Needs every candidate as a list. */
static bool needs_all(const struct sampling *p) {
    return p->top_n_sigma > 0 || (!p->top_k && ((p->typical_p > 0 && p->typical_p < 1) || p->xtc_probability > 0));
}
static bool has_top_p(const struct sampling *p) { return p->top_p > 0 && p->top_p < 1; }

static uint32_t list_capacity(const struct sampling *p, uint32_t n_vocab) {
    uint64_t n = n_vocab;
    if (!(p->temperature > 0)) return 0;
    if (p->top_k && !needs_all(p)) {
        n = (uint64_t)p->top_k + (p->top_k > 1024 ? p->top_k : 1024);
    } else if (!needs_all(p) && !has_top_p(p) && !(p->min_p > 0)) {
        n = 0;
    }
    return n < n_vocab ? (uint32_t)n : n_vocab;
}

static int check(const struct sampling *p, struct fail *f) {
    const float values[] = {p->temperature, p->top_p, p->min_p, p->typical_p, p->top_n_sigma, p->repeat_penalty,
                            p->frequency_penalty, p->presence_penalty, p->xtc_probability, p->xtc_threshold,
                            p->dry_multiplier, p->dry_base, p->dry_allowed};
    static const char *const names[] = {"temperature", "top_p", "min_p", "typical_p", "top_n_sigma", "repeat penalty",
                                        "frequency penalty", "presence penalty", "xtc probability", "xtc threshold",
                                        "dry multiplier", "dry base", "dry allowed length"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        bool signed_value = i == 6 || i == 7;
        if (!(f_abs(values[i]) < 1e30f) || (values[i] < 0 && !signed_value))
            return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "%s of %g is out of range", names[i], (double)values[i]);
    }
    if (p->penalty_last_n > HISTORY_MOST || p->dry_last_n > HISTORY_MOST)
        return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "penalties reach back %d tokens at most", HISTORY_MOST);
    return SOTTO_OK;
}

int sampler_new(struct sampler **out, struct heap *heap, const struct kern *kern, const struct sampling *p,
                uint32_t n_vocab, struct fail *f) {
    struct sampler *s;
    int rc = check(p, f);
    *out = NULL;
    if (rc) return rc;
    if (!n_vocab) return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "a model without tokens cannot be sampled");
    s = HEAP_ZERO(heap, struct sampler, 1);
    if (!s) return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a sampler");
    s->heap = heap, s->kern = kern, s->p = *p, s->n_vocab = n_vocab, s->state = p->seed;
    if (!s->p.penalty_last_n) s->p.penalty_last_n = 64;
    if (!s->p.dry_last_n) s->p.dry_last_n = 1024;
    if (s->p.repeat_penalty == 0) s->p.repeat_penalty = 1;
    if (s->p.top_k >= n_vocab) s->p.top_k = 0;
    if (has_penalties(&s->p)) s->keep = s->p.penalty_last_n;
    if (has_dry(&s->p) && s->p.dry_last_n > s->keep) s->keep = s->p.dry_last_n;
    s->capacity = list_capacity(&s->p, n_vocab);
    s->n_runs = (n_vocab + RUN - 1) / RUN;
    s->last = HEAP_NEW(heap, uint32_t, 2 * (size_t)s->keep);
    s->scratch = HEAP_NEW(heap, uint32_t, s->keep);
    s->touched = HEAP_NEW(heap, struct cand, s->keep);
    s->saved = HEAP_NEW(heap, float, s->keep);
    s->list = HEAP_NEW(heap, struct cand, s->capacity);
    s->most = HEAP_NEW(heap, float, s->n_runs);
    if (!s->last || !s->scratch || !s->touched || !s->saved || !s->list || !s->most) {
        sampler_free(s);
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a sampler over %u tokens", n_vocab);
    }
    *out = s;
    return SOTTO_OK;
}

void sampler_free(struct sampler *s) {
    if (!s) return;
    HEAP_FREE(s->heap, s->last, 2 * (size_t)s->keep);
    HEAP_FREE(s->heap, s->scratch, s->keep);
    HEAP_FREE(s->heap, s->touched, s->keep);
    HEAP_FREE(s->heap, s->saved, s->keep);
    HEAP_FREE(s->heap, s->list, s->capacity);
    HEAP_FREE(s->heap, s->most, s->n_runs);
    HEAP_FREE(s->heap, s, 1);
}

void sampler_accept(struct sampler *s, uint32_t id) {
    if (!s->keep) return;
    if (s->n_last == 2 * s->keep) {
        memmove(s->last, s->last + s->keep, s->keep * sizeof *s->last);
        s->n_last = s->keep;
    }
    s->last[s->n_last++] = id;
}

/* ---- what was said ---------------------------------------------------------------------------------------- */
/* Each id of the history once, by rising id. */
static void touch(struct sampler *s, const uint32_t *last, uint32_t n, const float *row, struct cands *c) {
    uint32_t kept = 0;
    *c = (struct cands){.list = s->touched};
    for (uint32_t i = 0; i < n; i++) /* equal logits sort by id */
        if (last[i] < s->n_vocab) s->touched[c->n++] = (struct cand){.id = last[i]};
    cands_sort(c);
    for (uint32_t i = 0; i < c->n; i++)
        if (i == 0 || c->list[i].id != c->list[i - 1].id) c->list[kept++] = c->list[i];
    *c = (struct cands){.list = s->touched, .n = kept, .by_id = true};
    for (uint32_t i = 0; i < kept; i++) c->list[i].logit = s->saved[i] = row[c->list[i].id];
}

static void penalize(struct sampler *s, float *row, struct cands *c) {
    const struct sampling *p = &s->p;
    uint32_t n = s->n_last < s->keep ? s->n_last : s->keep;
    struct sampler_context x = {.last = s->last + s->n_last - n, .n_last = n, .scratch = s->scratch};
    touch(s, x.last, n, row, c);
    if (has_penalties(p))
        sampler_kinds[SAMPLER_PENALTIES].apply(
            c, (float[]){(float)p->penalty_last_n, p->repeat_penalty, p->frequency_penalty, p->presence_penalty}, &x);
    if (has_dry(p))
        sampler_kinds[SAMPLER_DRY].apply(
            c, (float[]){p->dry_multiplier, p->dry_base, p->dry_allowed, (float)p->dry_last_n}, &x);
    for (uint32_t i = 0; i < c->n; i++) row[c->list[i].id] = c->list[i].logit;
}

/* ---- lists ------------------------------------------------------------------------------------------------- */
static uint32_t run_end(const struct sampler *s, uint32_t from) {
    return s->n_vocab - from < RUN ? s->n_vocab : from + RUN;
}

/* The largest logit of each run, and the first of the largest of all. */
static uint32_t look(struct sampler *s, const float *row) {
    uint32_t from = 0, run;
    for (uint32_t i = 0; i < s->n_runs; i++, from += RUN)
        s->most[i] = kern_max(s->kern, row + from, run_end(s, from) - from);
    run = (uint32_t)kern_argmax(s->kern, s->most, s->n_runs) * RUN;
    return run + (uint32_t)kern_argmax(s->kern, row + run, run_end(s, run) - run);
}

/* What k logits of the row reach at least: the k-th largest of the runs' largest. */
static float reached(struct sampler *s, uint32_t k, struct cands *c) {
    *c = (struct cands){.list = s->list};
    if (k > s->n_runs) return -__builtin_inff();
    for (uint32_t i = 0; i < s->n_runs; i++) {
        if (c->n == s->capacity) cands_keep(c, k);
        c->sorted = false;
        c->list[c->n++] = (struct cand){.id = i, .logit = s->most[i]};
    }
    cands_keep(c, k);
    return c->list[k - 1].logit;
}

/* Appends the logits above `above`, run by run; where the list is full, it is cut to the best `keep`, which
 * raises the bound. Equal logits: lower ids come first and stay. */
static void gather(struct sampler *s, const float *row, float above, bool equal, uint32_t keep, struct cands *c) {
    *c = (struct cands){.list = s->list, .by_id = true};
    for (uint32_t from = 0; from < s->n_vocab; from += RUN) {
        float most = s->most[from / RUN];
        if (!(equal ? most >= above : most > above)) continue;
        for (uint32_t id = from, end = run_end(s, from); id < end; id++) {
            if (!(equal ? row[id] >= above : row[id] > above)) continue;
            if (c->n == s->capacity) {
                cands_keep(c, keep);
                if (c->list[keep - 1].logit >= above) above = c->list[keep - 1].logit, equal = false;
                if (!(row[id] > above)) continue;
            }
            c->sorted = false;
            c->list[c->n++] = (struct cand){.id = id, .logit = row[id]};
        }
    }
}

/* The candidates that can survive the chain; `rest` holds what the others weigh. */
static void candidates(struct sampler *s, const float *row, float most, struct cands *c) {
    const struct sampling *p = &s->p;
    float above = -__builtin_inff(), sum, bound;
    if (needs_all(p)) {
        gather(s, row, above, false, s->capacity, c);
        return;
    }
    if (p->top_k) {
        uint32_t k = p->top_k < s->n_vocab ? p->top_k : s->n_vocab;
        above = reached(s, k, c);
        gather(s, row, above, above > -__builtin_inff(), k, c);
        cands_keep(c, k);
        return;
    }
    sum = kern_exp_sum(s->kern, row, s->n_vocab, most, 1.0f);
    /* Tokens below (1 - p) / n_vocab add up to less than 1 - p, so top_p never needs them. */
    if (has_top_p(p)) above = most + (float)d_log((1.0 - p->top_p) * sum / s->n_vocab) - 0.01f;
    if (p->min_p > 0) {
        bound = most + (float)d_log(p->min_p);
        if (bound > above) above = bound;
    }
    if (!(above <= most)) above = most;
    gather(s, row, above, true, s->capacity, c);
    c->rest = sum;
    for (uint32_t i = 0; i < c->n; i++) c->rest -= f_exp(c->list[i].logit - most);
    if (!(c->rest > 0)) c->rest = 0;
}

static uint32_t draw(struct sampler *s, struct cands *c) {
    double sum = 0, at;
    float most = c->list[0].logit;
    for (uint32_t i = 1; i < c->n && !c->sorted; i++) most = f_max(c->list[i].logit, most);
    for (uint32_t i = 0; i < c->n; i++) sum += c->list[i].p = f_exp(c->list[i].logit - most);
    at = chance(s) * sum;
    for (uint32_t i = 0; i < c->n; i++) {
        if (at < c->list[i].p) return c->list[i].id;
        at -= c->list[i].p;
    }
    return c->list[0].id; /* rounding ate the end */
}

/* Temperature alone: the row itself is the list. */
static uint32_t draw_row(struct sampler *s, const float *row, float most, uint32_t best) {
    float by = 1.0f / s->p.temperature;
    double sum = 0, at;
    for (uint32_t i = 0; i < s->n_vocab; i += RUN)
        sum += kern_exp_sum(s->kern, row + i, run_end(s, i) - i, most, by);
    at = chance(s) * sum;
    for (uint32_t i = 0; i < s->n_vocab; i += RUN) {
        uint32_t end = run_end(s, i);
        float part = kern_exp_sum(s->kern, row + i, end - i, most, by);
        if (at >= part) {
            at -= part;
            continue;
        }
        for (uint32_t id = i; id < end; id++) {
            float p = f_exp((row[id] - most) * by);
            if (at < p) return id;
            at -= p;
        }
    }
    return best;
}

static uint32_t choose(struct sampler *s, const float *row) {
    const struct sampling *p = &s->p;
    uint32_t best = look(s, row);
    float most = row[best];
    struct sampler_context x = {0};
    struct cands c;
    /* Logits that are no numbers, or all infinite, leave nothing to draw from. */
    if (!(p->temperature > 0) || !(f_abs(most) < __builtin_inff())) return best;
    if (!s->capacity) return draw_row(s, row, most, best);
    candidates(s, row, most, &c);
    if (!c.n) return best;
    if (p->top_n_sigma > 0) sampler_kinds[SAMPLER_SIGMA].apply(&c, &p->top_n_sigma, &x);
    if (p->top_k) sampler_kinds[SAMPLER_TOP_K].apply(&c, (float[]){(float)p->top_k}, &x);
    if (p->typical_p > 0 && p->typical_p < 1) sampler_kinds[SAMPLER_TYPICAL].apply(&c, (float[]){p->typical_p, 1}, &x);
    if (has_top_p(p)) sampler_kinds[SAMPLER_TOP_P].apply(&c, (float[]){p->top_p, 1}, &x);
    if (p->min_p > 0) sampler_kinds[SAMPLER_MIN_P].apply(&c, (float[]){p->min_p, 1}, &x);
    if (p->xtc_probability > 0) {
        x.random = chance(s);
        sampler_kinds[SAMPLER_XTC].apply(&c, (float[]){p->xtc_probability, p->xtc_threshold, 1}, &x);
    }
    sampler_kinds[SAMPLER_TEMP].apply(&c, &p->temperature, &x);
    return c.n ? draw(s, &c) : best;
}

uint32_t sampler_pick(struct sampler *s, float *row, float *logprob) {
    struct cands touched = {0};
    uint32_t id;
    if (s->keep) penalize(s, row, &touched);
    id = choose(s, row);
    for (uint32_t i = 0; i < touched.n; i++) row[touched.list[i].id] = s->saved[i];
    if (logprob) {
        float most = kern_max(s->kern, row, s->n_vocab);
        *logprob = row[id] - most - (float)d_log(kern_exp_sum(s->kern, row, s->n_vocab, most, 1.0f));
    }
    sampler_accept(s, id);
    return id;
}
