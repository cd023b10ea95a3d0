/* The samplers. Probabilities are single floats of f_exp, sums run in list order in double precision, so that
 * equal logits give equal tokens on every host. */
#include "gen/cands.h"

#include "base/fmath.h"

static bool before(const struct cand *a, const struct cand *b) {
    if (a->logit != b->logit && a->logit == a->logit) return a->logit > b->logit || b->logit != b->logit;
    if (a->logit != a->logit && b->logit == b->logit) return false;
    return a->id < b->id;
}

/* ---- order --------------------------------------------------------------------------------------------- */
/* list[0 .. n) is a heap whose root comes last in the order; sinks list[at]. */
static void sink(struct cand *list, uint32_t n, uint32_t at) {
    struct cand c = list[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && before(&list[child], &list[child + 1])) child++;
        if (!before(&c, &list[child])) break;
        list[at] = list[child];
        at = child;
    }
    list[at] = c;
}

void cands_keep(struct cands *c, uint32_t k) {
    struct cand *list = c->list;
    if (k > c->n) k = c->n;
    if (c->sorted || k == 0) {
        c->n = k;
        return;
    }
    c->by_id = false;
    for (uint32_t i = k / 2; i-- > 0;) sink(list, k, i);
    for (uint32_t i = k; i < c->n; i++) {
        if (!before(&list[i], &list[0])) continue;
        struct cand out = list[0];
        list[0] = list[i];
        list[i] = out;
        sink(list, k, 0);
    }
    for (uint32_t i = k; i > 1; i--) {
        struct cand last = list[0];
        list[0] = list[i - 1];
        list[i - 1] = last;
        sink(list, i - 1, 0);
    }
    c->n = k;
    c->sorted = true;
}

void cands_sort(struct cands *c) { cands_keep(c, c->n); }

static float largest(const struct cands *c) {
    float most = -__builtin_inff();
    if (c->sorted) return c->n ? c->list[0].logit : most;
    for (uint32_t i = 0; i < c->n; i++) most = f_max(c->list[i].logit, most);
    return most;
}

void cands_softmax(struct cands *c) {
    double sum = c->rest;
    cands_sort(c);
    for (uint32_t i = 0; i < c->n; i++) {
        c->list[i].p = f_exp(c->list[i].logit - c->list[0].logit);
        sum += c->list[i].p;
    }
    for (uint32_t i = 0; i < c->n; i++) c->list[i].p = (float)(c->list[i].p / sum);
}

/* ---- history ---------------------------------------------------------------------------------------------- */
static struct cand *find(struct cands *c, uint32_t id) {
    uint32_t from = 0, to = c->n;
    if (id < c->n && c->list[id].id == id) return &c->list[id]; /* a whole row */
    while (c->by_id && from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (c->list[middle].id == id) return &c->list[middle];
        if (c->list[middle].id < id) from = middle + 1;
        else to = middle;
    }
    for (; from < to; from++)
        if (c->list[from].id == id) return &c->list[from];
    return NULL;
}

static uint32_t window(float n, const struct sampler_context *x) {
    return n < 0 || n > (float)x->n_last ? x->n_last : (uint32_t)n;
}

/* p counts the occurrences meanwhile. */
static void penalties(struct cands *c, const float *params, const struct sampler_context *x) {
    uint32_t n = window(params[0], x);
    const uint32_t *last = x->last + x->n_last - n;
    struct cand *t;
    for (uint32_t i = 0; i < n; i++)
        if ((t = find(c, last[i]))) t->p = 0;
    for (uint32_t i = 0; i < n; i++)
        if ((t = find(c, last[i]))) t->p += 1;
    for (uint32_t i = 0; i < n; i++) {
        if (!(t = find(c, last[i])) || t->p == 0) continue;
        t->logit = t->logit <= 0 ? t->logit * params[1] : t->logit / params[1];
        t->logit -= t->p * params[2] + params[3];
        t->p = 0;
        c->sorted = false;
    }
}

/* The distance from the end to the nearest breaker: no repetition reaches across it. */
static uint32_t break_limit(const uint32_t *last, uint32_t n, const struct sampler_context *x) {
    for (uint32_t i = 0; i < n; i++) { /* the i-th from the end */
        int64_t longest = -1;
        for (uint32_t b = 0; b < x->n_breakers; b++) {
            uint32_t tail = x->breakers[b][0] - 1;
            const uint32_t *ids = x->breakers[b] + 1;
            bool match = x->breakers[b][0] > 0 && tail <= i && ids[0] == last[n - 1 - i];
            for (uint32_t k = 0; match && k < tail; k++) match = ids[1 + k] == last[n - i + k];
            if (match && (int64_t)tail > longest) longest = tail;
        }
        if (longest >= 0) return i - (uint32_t)longest;
    }
    return n;
}

static bool is_breaker(uint32_t id, const struct sampler_context *x) {
    for (uint32_t b = 0; b < x->n_breakers; b++)
        if (x->breakers[b][0] == 1 && x->breakers[b][1] == id) return true;
    return false;
}

/* Don't repeat yourself: a token that would prolong a repetition of the newest tokens loses
 * multiplier * base ^ (length of the longest such repetition - allowed). p holds that length meanwhile. */
static void dry(struct cands *c, const float *params, const struct sampler_context *x) {
    uint32_t n = window(params[3], x), allowed = params[2] > 0 ? (uint32_t)params[2] : 0;
    uint32_t *z = x->scratch, limit, left = 0, right = 0;
    const uint32_t *last = x->last + x->n_last - n;
    double most = params[1] > 1.000001f ? d_floor(88.7228391 / d_log(params[1])) : 0;
    struct cand *t;
    if (params[0] == 0 || params[1] < 1 || n <= allowed) return;
    limit = break_limit(last, n, x);
    if (limit < allowed) return;
    /* z[i]: how far the history ending i tokens ago agrees with its end (the Z function of the reversed history) */
    for (uint32_t i = 1; i < n; i++) {
        uint32_t k = i < right ? z[i - left] : 0;
        if (i < right && k > right - i) k = right - i;
        while (i + k < n && last[n - 1 - k] == last[n - 1 - i - k]) k++;
        if (i + k > right) left = i, right = i + k;
        z[i] = k;
    }
    for (uint32_t i = 1; i < n; i++)
        if ((t = find(c, last[n - i]))) t->p = -1;
    for (uint32_t i = 1; i < n; i++) {
        float length = (float)(z[i] < limit ? z[i] : limit);
        if (length >= (float)allowed && (t = find(c, last[n - i])) && length > t->p) t->p = length;
    }
    for (uint32_t i = 1; i < n; i++) {
        double exponent;
        if (!(t = find(c, last[n - i])) || t->p < 0 || is_breaker(t->id, x)) continue;
        exponent = t->p - allowed;
        if (most > 0 && exponent > most) exponent = most;
        t->logit -= params[0] * (float)d_pow(params[1], exponent);
        t->p = -1;
        c->sorted = false;
    }
}

/* ---- the list alone ------------------------------------------------------------------------------------------ */
/* Keeps what is no further than n standard deviations below the largest logit. */
static void sigma(struct cands *c, const float *params, const struct sampler_context *x) {
    float most = largest(c);
    double sum = 0, squares = 0;
    uint32_t valid = 0, kept = 0;
    (void)x;
    if (!(params[0] > 0) || c->n <= 1) return;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->list[i].logit > -__builtin_inff()) sum += c->list[i].logit, valid++;
    if (!valid) return;
    sum /= valid;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->list[i].logit > -__builtin_inff())
            squares += (c->list[i].logit - sum) * (c->list[i].logit - sum);
    most -= params[0] * (float)d_sqrt(squares / valid);
    for (uint32_t i = 0; i < c->n; i++)
        if (c->list[i].logit >= most) c->list[kept++] = c->list[i];
    c->n = kept;
    c->rest = 0;
}

static void top_k(struct cands *c, const float *params, const struct sampler_context *x) {
    (void)x;
    if (!(params[0] >= 1)) return;
    cands_keep(c, params[0] >= (float)c->n ? c->n : (uint32_t)params[0]);
    c->rest = 0;
}

static uint32_t min_keep(float keep) { return keep >= 1 ? (uint32_t)keep : 0; }

static void top_p(struct cands *c, const float *params, const struct sampler_context *x) {
    double sum = 0;
    uint32_t keep = min_keep(params[1]);
    (void)x;
    if (params[0] >= 1) return;
    cands_softmax(c);
    for (uint32_t i = 0; i < c->n; i++) {
        sum += c->list[i].p;
        if (sum >= params[0] && i + 1 >= keep) c->n = i + 1; /* ends the loop */
    }
    c->rest = 0;
}

static void min_p(struct cands *c, const float *params, const struct sampler_context *x) {
    float least;
    uint32_t kept = 0, keep = min_keep(params[1]);
    (void)x;
    if (!(params[0] > 0) || !c->n) return;
    least = largest(c) + (float)d_log(params[0]);
    for (uint32_t i = 0; i < c->n; i++) kept += c->list[i].logit >= least;
    if (kept < keep || kept == 0) {
        cands_keep(c, keep ? keep : 1);
    } else {
        kept = 0;
        for (uint32_t i = 0; i < c->n; i++)
            if (c->list[i].logit >= least) c->list[kept++] = c->list[i];
        c->n = kept;
    }
    c->rest = 0;
}

/* Locally typical sampling: keeps what is surprising to about the degree the distribution is on average.
 * Surprise rises along the sorted list, so what is kept is one stretch of it, grown from where it starts. */
static void typical(struct cands *c, const float *params, const struct sampler_context *x) {
    double entropy = 0, sum = 0;
    uint32_t keep = min_keep(params[1]), from = 0, to, n = c->n;
    (void)x;
    if (params[0] >= 1 || !n) return;
    cands_softmax(c);
    for (uint32_t i = 0; i < n; i++)
        if (c->list[i].p > 0) entropy -= c->list[i].p * d_log(c->list[i].p);
    while (from < n && -d_log(c->list[from].p) < entropy) from++;
    for (to = from; from > 0 || to < n;) {
        double before = from > 0 ? entropy + d_log(c->list[from - 1].p) : 0;
        double behind = to < n ? -d_log(c->list[to].p) - entropy : 0;
        uint32_t taken = to == n || (from > 0 && before <= behind) ? --from : to++;
        sum += c->list[taken].p;
        if (sum > params[0] && (keep == 0 || to - from >= keep)) break;
    }
    for (uint32_t i = from; i < to; i++) c->list[i - from] = c->list[i];
    c->n = to - from;
    c->rest = 0;
}

/* Excludes top choices: with the given probability drops all but the last of those above the threshold. */
static void xtc(struct cands *c, const float *params, const struct sampler_context *x) {
    uint32_t above = 0;
    if (!(params[0] > 0) || params[1] > 0.5f || c->n < 2 || x->random > params[0]) return;
    cands_softmax(c);
    while (above < c->n && c->list[above].p >= params[1]) above++;
    if (above < 2 || c->n - (above - 1) < min_keep(params[2])) return;
    for (uint32_t i = above - 1; i < c->n; i++) c->list[i - (above - 1)] = c->list[i];
    c->n -= above - 1;
}

static void temperature(struct cands *c, float t) {
    if (t > 0) {
        for (uint32_t i = 0; i < c->n; i++) c->list[i].logit /= t;
    } else if (c->n) { /* only the best remains */
        cands_keep(c, 1);
    }
    c->rest = 0;
}

static void temp(struct cands *c, const float *params, const struct sampler_context *x) {
    (void)x;
    temperature(c, params[0]);
}

/* A temperature between t - delta and t + delta, by the entropy of the distribution. */
static void temp_ext(struct cands *c, const float *params, const struct sampler_context *x) {
    float least = f_max(params[0] - params[1], 0), most = params[0] + params[1];
    double entropy = 0, relative;
    (void)x;
    if (!(params[1] > 0)) {
        temperature(c, params[0]);
        return;
    }
    if (c->n < 2) return;
    cands_softmax(c);
    for (uint32_t i = 0; i < c->n; i++)
        if (c->list[i].p > 0) entropy -= c->list[i].p * d_log(c->list[i].p);
    relative = entropy / d_log(c->n);
    relative = relative > 0 ? d_pow(relative, params[2]) : 0;
    temperature(c, least + (most - least) * (float)relative);
}

const struct sampler_kind sampler_kinds[SAMPLER_COUNT] = {
    [SAMPLER_PENALTIES] = {"penalties", 4, penalties},
    [SAMPLER_DRY] = {"dry", 4, dry},
    [SAMPLER_SIGMA] = {"top_n_sigma", 1, sigma},
    [SAMPLER_TOP_K] = {"top_k", 1, top_k},
    [SAMPLER_TYPICAL] = {"typical", 2, typical},
    [SAMPLER_TOP_P] = {"top_p", 2, top_p},
    [SAMPLER_MIN_P] = {"min_p", 2, min_p},
    [SAMPLER_XTC] = {"xtc", 3, xtc},
    [SAMPLER_TEMP] = {"temp", 1, temp},
    [SAMPLER_TEMP_EXT] = {"temp_ext", 3, temp_ext},
};
