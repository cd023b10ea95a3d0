/* Samplers: the reference's cases, one by one and in chains; the shortcuts of sampler.c against whole lists;
 * frequencies of what is drawn; speed is no subject here. */
#define _GNU_SOURCE /* dirent, in case_file.h */
#include "../check.h"
#include "../model/case_file.h"
#include "gen/sampler.h"
#include "kern/kern_table.h"
#include <math.h>

static uint32_t seed = 3;
static float rnd(void) { /* 0 .. 1 */
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 16777216.0f;
}

static int kind_of(const char *name) {
    for (int i = 0; i < SAMPLER_COUNT; i++)
        if (!strcmp(sampler_kinds[i].name, name)) return i;
    return -1;
}

struct breakers { uint32_t words[16][16]; const uint32_t *list[16]; uint32_t n; };

static void read_breakers(struct breakers *b, const struct json *array) {
    memset(b, 0, sizeof *b);
    for (const struct json *j = array ? array->first : NULL; j && b->n < 16; j = j->next, b->n++) {
        uint32_t n;
        uint32_t *ids = json_ids(j, &n);
        if (n > 15) n = 15;
        b->words[b->n][0] = n;
        memcpy(&b->words[b->n][1], ids, n * 4);
        b->list[b->n] = b->words[b->n];
        free(ids);
    }
}

/* Probability of id in what the chain left. */
static double left_over(const struct cands *c, uint32_t id) {
    double sum = 0, most = -INFINITY, found = 0;
    for (uint32_t i = 0; i < c->n; i++) most = fmax(most, c->list[i].logit);
    for (uint32_t i = 0; i < c->n; i++) {
        double p = exp(c->list[i].logit - most);
        sum += p;
        if (c->list[i].id == id) found = p;
    }
    return found / sum;
}

static void single_case(const struct json *j, struct cand *list) {
    char name[256];
    const struct json *params = json_get(j, "params"), *p = json_get(j, "probs");
    uint32_t n_last, scratch[64], n = 0;
    uint32_t *last = json_ids(json_get(j, "last_tokens"), &n_last);
    struct breakers breakers;
    float values[SAMPLER_PARAMS] = {0};
    snprintf(name, sizeof name, "%s", json_text(j, "sampler"));
    read_breakers(&breakers, json_get(params, "sequence_breakers"));
    struct sampler_context x = {.last = last, .n_last = n_last, .breakers = breakers.list, .n_breakers = breakers.n,
                                .scratch = scratch};
    static const struct { const char *sampler, *names[4]; } order[] = {
        {"temp", {"t"}}, {"temp_ext", {"t", "delta", "exponent"}}, {"top_k", {"k"}}, {"top_p", {"p"}},
        {"min_p", {"p"}}, {"typical", {"p"}}, {"xtc", {"probability", "threshold"}}, {"top_n_sigma", {"n"}},
        {"penalties", {"last_n", "repeat_penalty", "frequency", "presence"}},
        {"dry", {"multiplier", "base", "allowed_length", "last_n"}},
    };
    for (size_t o = 0; o < sizeof order / sizeof *order; o++)
        for (int i = 0; !strcmp(order[o].sampler, name) && i < 4 && order[o].names[i]; i++)
            values[i] = (float)json_num(json_get(params, order[o].names[i]), 0);
    struct cands c = {.list = list, .by_id = true};
    for (const struct json *q = p->first; q; q = q->next, n++)
        list[c.n++] = (struct cand){.id = n, .logit = (float)log(json_num(q, 0))};
    int kind = kind_of(name);
    if (!CHECK(kind >= 0, "sampler %s", name)) return;
    sampler_kinds[kind].apply(&c, values, &x);
    if (kind == SAMPLER_XTC || kind == SAMPLER_TYPICAL) cands_sort(&c); /* listed with their shares of the whole */
    else cands_softmax(&c);
    /* The reference lists some results by id and some by probability: both sides are sorted here, and where the
     * samplers keep all tokens, compared by id as well. */
    double want[64], off = 0;
    uint32_t n_want = 0;
    for (const struct json *q = json_get(j, "expected_probs")->first; q && n_want < 64; q = q->next)
        want[n_want++] = json_num(q, 0);
    if (kind == SAMPLER_PENALTIES || kind == SAMPLER_DRY)
        for (uint32_t i = 0; i < n_want; i++) off = fmax(off, fabs(left_over(&c, i) - want[i]));
    for (uint32_t i = 1; i < n_want; i++)
        for (uint32_t k = i; k > 0 && want[k] > want[k - 1]; k--) {
            double swap = want[k];
            want[k] = want[k - 1], want[k - 1] = swap;
        }
    for (uint32_t i = 0; i < n_want || i < c.n; i++)
        off = fmax(off, fabs((i < c.n ? list[i].p : 0) - (i < n_want ? want[i] : 0)));
    CHECK(off < 1.1e-5, "%s: off by %g", name, off);
    free(last);
}

static uint32_t n_undefined;

static void chain_case(const struct json *j, struct cand *list, uint32_t number) {
    uint32_t n_last, scratch[512], n = 0, matched = 0;
    uint32_t *last = json_ids(json_get(j, "last_tokens"), &n_last);
    struct breakers breakers;
    double worst = 0;
    read_breakers(&breakers, json_get(j, "dry_sequence_breakers"));
    struct sampler_context x = {.last = last, .n_last = n_last, .breakers = breakers.list, .n_breakers = breakers.n,
                                .scratch = scratch};
    struct cands c = {.list = list, .by_id = true};
    for (const struct json *q = json_get(j, "logits")->first; q; q = q->next, n++)
        list[c.n++] = (struct cand){.id = n, .logit = (float)json_num(q, 0)};
    bool sigma = false;
    for (const struct json *s = json_get(j, "chain")->first; s; s = s->next) {
        float values[SAMPLER_PARAMS] = {0};
        int i = 0;
        for (const struct json *v = json_get(s, "params")->first; v && i < 4; v = v->next)
            values[i++] = (float)json_num(v, 0);
        int kind = kind_of(json_text(s, "sampler"));
        /* The reference keeps what top_n_sigma drops with probability 0, whose share of the entropy is 0 * inf:
         * its typical then compares with no number, and what it keeps depends on its sorting. */
        if (kind == SAMPLER_TYPICAL && sigma) {
            n_undefined++;
            free(last);
            return;
        }
        sigma = sigma || kind == SAMPLER_SIGMA;
        if (CHECK(kind >= 0, "sampler %s", json_text(s, "sampler"))) sampler_kinds[kind].apply(&c, values, &x);
    }
    for (const struct json *q = json_get(j, "candidates")->first; q; q = q->next) {
        double p = json_num(q->first->next, 0);
        double got = left_over(&c, (uint32_t)json_num(q->first, 0));
        worst = fmax(worst, fabs(got - p));
        if (p > 0) matched++;
    }
    CHECK(worst < 1.1e-5 && c.n == matched, "chain %u: off by %g, %u of %u candidates", number, worst, c.n, matched);
    free(last);
}

static void test_cases(const char *dir) {
    struct native_heap heap;
    native_heap_init(&heap);
    static struct cand list[4096];
    uint32_t n = 0;
    char facts[1024];
    snprintf(facts, sizeof facts, "%s/facts", dir);
    struct json *a = read_json(&heap.heap, facts, "sampler.json"), *b = read_json(&heap.heap, facts, "sampler_random.json");
    if (!a || !b) {
        check_skip("no sampler cases at %s", facts);
        json_free(&heap.heap, a), json_free(&heap.heap, b);
        return;
    }
    for (const struct json *j = a->first; j; j = j->next) single_case(j, list);
    for (const struct json *j = b->first; j; j = j->next) chain_case(j, list, n++);
    CHECK(n_undefined < n / 10, "%u of %u chains left out", n_undefined, n);
    json_free(&heap.heap, a), json_free(&heap.heap, b);
}

/* ---- sampler.c ------------------------------------------------------------------------------------------------ */
enum { VOCAB = 2000 };

static void fill(float *row, int shape) {
    for (int i = 0; i < VOCAB; i++) {
        float u = rnd();
        row[i] = shape == 0   ? u * 30 - 15           /* flat at the top */
                 : shape == 1 ? -0.004f * (float)i    /* a slope */
                 : shape == 2 ? floorf(u * 8)         /* ties */
                 : shape == 3 ? (i % 500 ? -20 + u : u * 4) /* few matter */
                              : 0;                    /* all equal */
    }
    if (shape == 3) row[17] = row[18] = -INFINITY;
}

/* The order that all samplers see, applied to the whole list. */
static void whole_chain(const struct sampling *p, const float *row, struct cands *c) {
    struct sampler_context x = {0};
    c->n = 0, c->sorted = false, c->by_id = true, c->rest = 0;
    for (uint32_t i = 0; i < VOCAB; i++)
        if (row[i] > -INFINITY) c->list[c->n++] = (struct cand){.id = i, .logit = row[i]};
    if (p->top_k) sampler_kinds[SAMPLER_TOP_K].apply(c, (float[]){(float)p->top_k}, &x);
    if (p->top_p > 0 && p->top_p < 1) sampler_kinds[SAMPLER_TOP_P].apply(c, (float[]){p->top_p, 1}, &x);
    if (p->min_p > 0) sampler_kinds[SAMPLER_MIN_P].apply(c, (float[]){p->min_p, 1}, &x);
    sampler_kinds[SAMPLER_TEMP].apply(c, &p->temperature, &x);
    cands_softmax(c);
}

static void test_draws(void) {
    static const struct sampling params[] = {
        {.temperature = 1}, {.temperature = 0.8f, .top_p = 0.95f, .min_p = 0.05f}, {.temperature = 1, .top_p = 0.5f},
        {.temperature = 2, .top_p = 0.999f}, {.temperature = 0.7f, .min_p = 0.2f}, {.temperature = 1, .top_k = 1},
        {.temperature = 1, .top_k = 40}, {.temperature = 1.3f, .top_k = 700, .top_p = 0.9f},
        {.temperature = 1, .top_k = 20, .top_p = 0.8f, .min_p = 0.1f}, {.temperature = 1, .top_k = 100000},
        {.temperature = 1, .min_p = 1}, {.temperature = 1, .top_p = 1e-6f},
    };
    static float row[VOCAB], kept[VOCAB];
    static struct cand list[VOCAB];
    static uint32_t counts[VOCAB];
    struct native_heap heap;
    native_heap_init(&heap);
    for (int shape = 0; shape < 5; shape++) {
        fill(row, shape);
        memcpy(kept, row, sizeof row);
        for (size_t k = 0; k < sizeof params / sizeof *params; k++) {
            struct sampling p = params[k];
            struct sampler *s;
            struct cands c = {.list = list};
            enum { DRAWS = 800 };
            double chi = 0;
            uint32_t outside = 0, cells = 0;
            p.seed = k;
            whole_chain(&p, row, &c);
            CHECK_EQ(sampler_new(&s, &heap.heap, kern_get(KERN_BEST), &p, VOCAB, NULL), SOTTO_OK);
            memset(counts, 0, sizeof counts);
            for (int i = 0; i < DRAWS; i++) counts[sampler_pick(s, row, NULL)]++;
            sampler_free(s);
            CHECK(!memcmp(row, kept, sizeof row), "the row is left as it was");
            double rest = 0;
            uint32_t rest_count = 0;
            for (uint32_t i = 0; i < c.n; i++) {
                double want = c.list[i].p * (double)DRAWS;
                uint32_t got = counts[c.list[i].id];
                counts[c.list[i].id] = 0;
                if (want >= 5) chi += (got - want) * (got - want) / want, cells++;
                else rest += want, rest_count += got;
            }
            if (rest >= 5) chi += (rest_count - rest) * (rest_count - rest) / rest, cells++;
            for (uint32_t i = 0; i < VOCAB; i++) outside += counts[i];
            CHECK_EQ(outside, 0); /* nothing but what the whole chain leaves */
            /* chi square of n cells: mean n, deviation sqrt(2 n); fixed seeds, so this passes or fails for good */
            CHECK(chi < cells + 5 * sqrt(2.0 * cells) + 5, "shape %d params %zu: chi %g of %u cells", shape, k, chi, cells);
        }
    }
    CHECK_EQ(heap.heap.used, 0);
}

static void test_greedy(void) {
    static float row[VOCAB];
    struct native_heap heap;
    native_heap_init(&heap);
    struct sampler *s;
    struct sampling p = {.top_k = 3, .top_p = 0.1f, .seed = 9};
    sampler_new(&s, &heap.heap, kern_get(KERN_BEST), &p, VOCAB, NULL);
    for (int i = 0; i < VOCAB; i++) row[i] = rnd();
    row[77] = row[1900] = 2;
    float logprob = 1, sum = 0;
    CHECK_EQ(sampler_pick(s, row, &logprob), 77);
    for (int i = 0; i < VOCAB; i++) sum += expf(row[i] - 2);
    CHECK(fabs(logprob + logf(sum)) < 1e-4, "log-probability %g", logprob);
    for (int i = 0; i < VOCAB; i++) row[i] = NAN;
    CHECK_EQ(sampler_pick(s, row, NULL), 0);
    for (int i = 0; i < VOCAB; i++) row[i] = -INFINITY;
    CHECK_EQ(sampler_pick(s, row, NULL), 0);
    row[9] = INFINITY;
    CHECK_EQ(sampler_pick(s, row, NULL), 9);
    sampler_free(s);
    /* nonsense rows with chance: some token, nothing worse */
    for (int k = 0; k < 3; k++) {
        struct sampling hot = {.temperature = 1, .top_k = k == 1 ? 5 : 0, .top_p = k == 2 ? 0.9f : 0, .xtc_probability = 1,
                               .xtc_threshold = 0.1f, .typical_p = k == 0 ? 0.5f : 0, .top_n_sigma = k == 0 ? 1 : 0};
        CHECK_EQ(sampler_new(&s, &heap.heap, kern_get(KERN_BEST), &hot, VOCAB, NULL), SOTTO_OK);
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < VOCAB; i++)
                row[i] = round == 0 ? NAN : round == 1 ? -INFINITY : round == 2 ? INFINITY : i % 2 ? NAN : rnd();
            CHECK(sampler_pick(s, row, NULL) < VOCAB);
        }
        sampler_free(s);
    }
    CHECK_EQ(heap.heap.used, 0);
}

static void test_history(void) {
    static float row[VOCAB];
    struct native_heap heap;
    native_heap_init(&heap);
    struct sampler *s;
    struct sampling p = {.repeat_penalty = 2, .penalty_last_n = 3};
    sampler_new(&s, &heap.heap, kern_get(KERN_BEST), &p, VOCAB, NULL);
    for (int i = 0; i < 6; i++) row[10 + i] = 10 - 0.5f * (float)i;
    /* each best token is halved while it is among the last three */
    for (uint32_t i = 0; i < 20; i++) CHECK_EQ(sampler_pick(s, row, NULL), 10 + i % 4);
    CHECK_EQ(row[10], 10);
    sampler_free(s);
    struct sampling dry = {.dry_multiplier = 8, .dry_base = 2, .dry_allowed = 2};
    sampler_new(&s, &heap.heap, kern_get(KERN_BEST), &dry, VOCAB, NULL);
    static const uint32_t said[] = {1, 2, 3, 4, 1, 2};
    for (size_t i = 0; i < 6; i++) sampler_accept(s, said[i]);
    memset(row, 0, sizeof row);
    row[3] = 5, row[7] = 1;
    CHECK_EQ(sampler_pick(s, row, NULL), 7); /* 3 would go on repeating 1 2 3 */
    sampler_free(s);
    for (int k = 0; k < 100; k++) { /* every allocation may fail */
        heap.fail_after = k;
        int rc = sampler_new(&s, &heap.heap, kern_get(KERN_BEST), &dry, VOCAB, NULL);
        if (rc == SOTTO_OK) {
            sampler_free(s);
            break;
        }
        CHECK_EQ(rc, SOTTO_MEMORY);
    }
    CHECK_EQ(heap.heap.used, 0);
}

int main(int argc, char **argv) {
    test_cases(argc > 1 ? argv[1] : "tests/cases");
    test_draws();
    test_greedy();
    test_history();
    return check_done();
}
