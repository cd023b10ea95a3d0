#include "gen/sampler.h"
#include "base/fmath.h"
#include <string.h>

enum { DEFAULT_LAST_N = 64, LAST_N_MOST = 1 << 20 };

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct sampler *s) {
    uint64_t z = s->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double uniform(struct sampler *s) { return (double)(next_random(s) >> 11) * 0x1p-53; }

static bool sane(float v) { return v >= 0 && v < 1e30f; }

static bool penalises(const struct sampling *p) {
    return (p->repeat_penalty != 0 && p->repeat_penalty != 1) || p->frequency_penalty != 0 || p->presence_penalty != 0;
}

int sampler_init(struct sampler *s, struct heap *heap, const struct kern *kern, uint32_t n_vocab, const struct sampling *p, struct fail *f) {
    *s = (struct sampler){.heap = heap, .kern = kern, .p = *p, .n_vocab = n_vocab, .state = p->seed};
    if (!s->p.penalty_last_n) s->p.penalty_last_n = DEFAULT_LAST_N;
    if (!sane(p->temperature) || !sane(p->top_p) || !sane(p->min_p) || p->min_p > 1 || !sane(p->repeat_penalty) ||
        !sane(f_abs(p->frequency_penalty)) || !sane(f_abs(p->presence_penalty)) || s->p.penalty_last_n > LAST_N_MOST)
        return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "a sampling parameter is negative, not a number or too large");
    if (!(s->p.top_p > 0 && s->p.top_p < 1)) s->p.top_p = 0;
    if (s->p.top_k >= n_vocab) s->p.top_k = 0;
    if (penalises(&s->p)) {
        s->history = HEAP_NEW(heap, uint32_t, s->p.penalty_last_n);
        s->undo = HEAP_NEW(heap, struct candidate, s->p.penalty_last_n);
    }
    if (s->p.temperature > 0 && (s->p.top_k || s->p.top_p > 0 || s->p.min_p > 0)) {
        s->cap = s->p.top_k ? s->p.top_k : n_vocab;
        s->list = HEAP_NEW(heap, struct candidate, s->cap);
    }
    if ((penalises(&s->p) && (!s->history || !s->undo)) || (s->cap && !s->list)) {
        sampler_done(s);
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a sampler over %u tokens", n_vocab);
    }
    return SOTTO_OK;
}

void sampler_done(struct sampler *s) {
    HEAP_FREE(s->heap, s->history, s->p.penalty_last_n);
    HEAP_FREE(s->heap, s->undo, s->p.penalty_last_n);
    HEAP_FREE(s->heap, s->list, s->cap);
    s->history = NULL, s->undo = s->list = NULL;
}

void sampler_accept(struct sampler *s, uint32_t id) {
    if (s->history && id < s->n_vocab) s->history[s->n_history++ % s->p.penalty_last_n] = id;
}

/* Each distinct token of the history once; returns how many logits were changed. */
static uint32_t penalise(struct sampler *s, float *logits) {
    uint32_t n = s->n_history < s->p.penalty_last_n ? s->n_history : s->p.penalty_last_n, changed = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = s->history[i], count = 0, before = 0;
        for (uint32_t j = 0; j < n; j++) {
            count += s->history[j] == id;
            before += j < i && s->history[j] == id;
        }
        if (before) continue;
        float v = logits[id];
        s->undo[changed++] = (struct candidate){id, v};
        if (s->p.repeat_penalty > 0) v = v <= 0 ? v * s->p.repeat_penalty : v / s->p.repeat_penalty;
        logits[id] = v - (float)count * s->p.frequency_penalty - s->p.presence_penalty;
    }
    return changed;
}

/* a stands before b: higher logit first, then the lower id. */
static bool before(struct candidate a, struct candidate b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

/* Restores the heap order below i: the root stands last in the order. */
static void sift(struct candidate *list, uint32_t i, uint32_t n) {
    struct candidate c = list[i];
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(list[child], list[child + 1])) child++;
        if (!before(c, list[child])) break;
        list[i] = list[child];
    }
    list[i] = c;
}

static void sort(struct candidate *list, uint32_t n) {
    for (uint32_t i = n / 2; i-- > 0;) sift(list, i, n);
    while (n > 1) {
        struct candidate last = list[--n];
        list[n] = list[0], list[0] = last;
        sift(list, 0, n);
    }
}

/* The k first candidates of the row, sorted. A heap of k with the last of them at its root. */
static uint32_t select_top(struct sampler *s, const float *logits, uint32_t k) {
    struct candidate *list = s->list;
    uint32_t n = 0;
    for (uint32_t id = 0; id < s->n_vocab; id++) {
        struct candidate c = {id, logits[id]};
        if (n < k) {
            list[n++] = c;
            if (n == k)
                for (uint32_t i = k / 2; i-- > 0;) sift(list, i, k);
        } else if (before(c, list[0])) {
            list[0] = c;
            sift(list, 0, k);
        }
    }
    sort(list, n);
    return n;
}

/* All candidates with a logit of at least floor, sorted. */
static uint32_t select_above(struct sampler *s, const float *logits, float floor) {
    uint32_t n = 0;
    for (uint32_t id = 0; id < s->n_vocab; id++)
        if (logits[id] >= floor) s->list[n++] = (struct candidate){id, logits[id]};
    sort(s->list, n);
    return n;
}

static double sum_exp(const float *logits, uint32_t n, float max) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)f_exp(logits[i] - max);
    return sum;
}

/* Length of the shortest prefix of the sorted list that holds `mass`, 0 where all of it holds less. */
static uint32_t prefix_of(const struct candidate *list, uint32_t n, double mass) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        if ((sum += (double)f_exp(list[i].logit - list[0].logit)) >= mass) return i + 1;
    return 0;
}

/* Candidates after top-k and top-p, sorted. */
static uint32_t choose(struct sampler *s, const float *logits, float max) {
    if (s->p.top_k) {
        uint32_t n = select_top(s, logits, s->p.top_k);
        if (s->p.top_p == 0) return n;
        double mass = 0;
        for (uint32_t i = 0; i < n; i++) mass += (double)f_exp(s->list[i].logit - max);
        uint32_t cut = prefix_of(s->list, n, (double)s->p.top_p * mass);
        return cut ? cut : n;
    }
    /* Without top-p, min-p's threshold alone decides (a little below it: the exact cut comes after). */
    if (s->p.top_p == 0) return select_above(s, logits, max + (float)d_log((double)s->p.min_p) - 0.01f);
    double mass = (double)s->p.top_p * sum_exp(logits, s->n_vocab, max);
    for (float depth = 8; depth < 64; depth *= 2) { /* few tokens hold nearly all: look close to the top first */
        uint32_t n = select_above(s, logits, max - depth), cut = prefix_of(s->list, n, mass);
        if (cut) return cut;
    }
    uint32_t n = select_above(s, logits, -__builtin_inff()), cut = prefix_of(s->list, n, mass);
    return cut ? cut : n;
}

static uint32_t draw_from_list(struct sampler *s, uint32_t n, float max) {
    struct candidate *list = s->list;
    if (s->p.min_p > 0) {
        uint32_t kept = 1;
        while (kept < n && f_exp(list[kept].logit - max) >= s->p.min_p) kept++;
        n = kept;
    }
    double sum = 0, at = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)f_exp((list[i].logit - list[0].logit) / s->p.temperature);
    double goal = uniform(s) * sum;
    for (uint32_t i = 0; i < n; i++)
        if ((at += (double)f_exp((list[i].logit - list[0].logit) / s->p.temperature)) > goal) return list[i].id;
    return list[0].id;
}

static uint32_t draw_from_row(struct sampler *s, const float *logits, float max) {
    double sum = 0, at = 0;
    for (uint32_t i = 0; i < s->n_vocab; i++) sum += (double)f_exp((logits[i] - max) / s->p.temperature);
    double goal = uniform(s) * sum;
    for (uint32_t i = 0; i < s->n_vocab; i++)
        if ((at += (double)f_exp((logits[i] - max) / s->p.temperature)) > goal) return i;
    return s->n_vocab - 1;
}

static uint32_t first_of(const float *logits, uint32_t n, float max) {
    for (uint32_t i = 0; i < n; i++)
        if (logits[i] == max) return i;
    return 0; /* a row of nan */
}

uint32_t sampler_draw(struct sampler *s, float *logits, float *logprob) {
    uint32_t n_undo = s->history ? penalise(s, logits) : 0, id;
    float max = kern_max(s->kern, logits, s->n_vocab);
    if (s->p.temperature == 0) id = first_of(logits, s->n_vocab, max);
    else if (!s->list) id = draw_from_row(s, logits, max);
    else {
        uint32_t n = choose(s, logits, max);
        id = n ? draw_from_list(s, n, max) : first_of(logits, s->n_vocab, max);
    }
    for (uint32_t i = 0; i < n_undo; i++) logits[s->undo[i].id] = s->undo[i].logit;
    if (logprob) {
        float top = kern_max(s->kern, logits, s->n_vocab);
        *logprob = logits[id] - top - (float)d_log(sum_exp(logits, s->n_vocab, top));
    }
    sampler_accept(s, id);
    return id;
}
