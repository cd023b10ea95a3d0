/* Embeddings and scores behind sotto.h: the same bits however work is split and whatever else is in
 * the batch, texts that are walked whole, and what a model refuses. */
#define _POSIX_C_SOURCE 200809L
#include "model_case.h"
#include <pthread.h>

enum { TEXTS = 5, WIDTH_MOST = 128 };

static void *worker(void *arg) {
    pool_worker(&pool, (uint32_t)(uintptr_t)arg);
    return NULL;
}

/* Texts of several lengths out of the case's ids, which are few and come again. */
static uint32_t text_at(const struct input *in, uint32_t i, const uint32_t **ids) {
    static const uint32_t from[TEXTS] = {0, 3, 7, 0, 11}, n[TEXTS] = {9, 1, 20, 24, 13};
    static uint32_t texts[TEXTS][24];
    for (uint32_t k = 0; k < n[i]; k++) texts[i][k] = in->tokens[(from[i] + k) % in->n];
    *ids = texts[i];
    return n[i];
}

/* Vectors of texts [first, first + n) in one batch, WIDTH_MOST floats each. */
static int embed(sotto_model *m, const struct input *in, uint32_t first, uint32_t n, uint32_t want,
                 double budget, float *out) {
    struct sotto_entry e[TEXTS] = {0};
    int rc = SOTTO_OK;
    for (uint32_t i = 0; i < n; i++) {
        CHECK_EQ(sotto_seq_new(m, &e[i].seq), SOTTO_OK);
        e[i].n_tokens = text_at(in, first + i, &e[i].tokens), e[i].want = want;
    }
    rc = sotto_run_begin(m, e, n);
    for (int i = 0; !rc && i < 100000; i++) {
        rc = sotto_run(m, budget);
        uint32_t width = sotto_row_width(m);
        for (uint32_t r = 0; r < sotto_n_rows(m) && width <= WIDTH_MOST; r++) {
            uint32_t entry;
            const float *row = sotto_row(m, r, &entry, NULL);
            memcpy(out + entry * WIDTH_MOST, row, width * sizeof *row);
        }
        if (rc != SOTTO_MORE) break;
        rc = SOTTO_OK;
    }
    for (uint32_t i = 0; i < n; i++) sotto_seq_free(e[i].seq);
    return rc;
}

static void the_same_bits_however_work_is_split(const struct input *in, const char *name,
                                                uint32_t want, bool batches) {
    static float alone[TEXTS * WIDTH_MOST], got[TEXTS * WIDTH_MOST];
    sotto_model *m = open_in(in, (struct sotto_options){.kernel_level = 1, .n_sequences = 2});
    memset(alone, 0, sizeof alone);
    for (uint32_t i = 0; i < TEXTS; i++)
        CHECK_EQ(embed(m, in, i, 1, want, 0, alone + i * WIDTH_MOST), SOTTO_OK);
    sotto_model_close(m);
    for (uint32_t threads = 1; threads <= MOST_THREADS; threads *= 2)
        for (uint32_t batch = 0; batch <= (batches ? 14 : 0); batch += 7) {
            m = open_in(in, (struct sotto_options){.batch = batch, .n_sequences = 2});
            CHECK_EQ(sotto_set_threads(m, threads), SOTTO_OK);
            memset(got, 0, sizeof got);
            int rc = embed(m, in, 0, TEXTS, want, threads == 1 ? 0.001 : 0, got);
            CHECK(!rc && !memcmp(alone, got, sizeof got), "%s, want %u: %u threads, batch %u: %s",
                  name, want, threads, batch, sotto_model_fail(m)->text);
            sotto_model_close(m);
        }
}

static void vectors_have_length_one(const struct input *in) {
    float plain[WIDTH_MOST], unit[WIDTH_MOST];
    double sum = 0, product = 0, power = 0;
    sotto_model *m = open_in(in, (struct sotto_options){0});
    CHECK_EQ(embed(m, in, 2, 1, SOTTO_WANT_MEAN, 0, plain), SOTTO_OK);
    CHECK_EQ(embed(m, in, 2, 1, SOTTO_WANT_MEAN | SOTTO_NORMALIZE, 0, unit), SOTTO_OK);
    for (uint32_t i = 0; i < sotto_row_width(m); i++)
        sum += (double)unit[i] * (double)unit[i], product += (double)unit[i] * (double)plain[i],
            power += (double)plain[i] * (double)plain[i];
    CHECK(sum > 1 - 1e-5 && sum < 1 + 1e-5, "the square of the length is %.9g", sum);
    CHECK(product * product > power * (1 - 1e-5), "another direction: %.9g of %.9g",
          product * product, power);
    sotto_model_close(m);
}

static int begin(sotto_model *m, sotto_seq *s, const uint32_t *ids, uint32_t n, uint32_t want) {
    struct sotto_entry e = {s, ids, n, want};
    return sotto_run_begin(m, &e, 1);
}

static void an_encoder_refuses_what_it_cannot_do(const struct input *in, bool must_rank) {
    sotto_model *m = open_in(in, (struct sotto_options){0});
    bool ranks = !strstr(sotto_model_info(m), "\"scores\":0"); /* the file has a head for it */
    CHECK(ranks || !must_rank, "the head that gives scores is not seen");
    uint32_t *ids = calloc(in->n_ctx + 1, sizeof *ids);
    sotto_seq *a, *b;
    sotto_seq_new(m, &a), sotto_seq_new(m, &b);
    for (uint32_t want = SOTTO_WANT_NONE; want <= SOTTO_WANT_ALL; want++)
        CHECK_EQ(begin(m, a, ids, 4, want), SOTTO_UNSUPPORTED);
    CHECK_EQ(begin(m, a, ids, 0, SOTTO_WANT_MEAN), SOTTO_EINVAL);
    CHECK_EQ(begin(m, a, ids, in->n_ctx + 1, SOTTO_WANT_MEAN), SOTTO_CONTEXT_FULL);
    CHECK_EQ(begin(m, a, ids, 4, SOTTO_WANT_SCORES + 1), SOTTO_EINVAL);
    CHECK_EQ(begin(m, a, ids, 4, SOTTO_WANT_SCORES), ranks ? SOTTO_OK : SOTTO_UNSUPPORTED);
    struct sotto_entry mixed[2] = {{a, ids, 4, SOTTO_WANT_MEAN}, {b, ids, 4, SOTTO_WANT_STATES}};
    CHECK_EQ(sotto_run_begin(m, mixed, 2), SOTTO_EINVAL);
    /* a text as long as the context, and the sequence is empty again */
    CHECK_EQ(begin(m, a, ids, in->n_ctx, SOTTO_WANT_CLS), SOTTO_OK);
    CHECK_EQ(sotto_run(m, 0), SOTTO_OK);
    CHECK_EQ(sotto_n_rows(m), 1);
    CHECK_EQ(sotto_seq_length(a), 0);
    /* given up in the middle, and begun anew */
    CHECK_EQ(begin(m, a, ids, 4, SOTTO_WANT_MEAN), SOTTO_OK);
    sotto_abort(m);
    CHECK_EQ(sotto_run(m, 0), SOTTO_ABORTED);
    CHECK_EQ(begin(m, a, ids, 4, SOTTO_WANT_MEAN), SOTTO_OK);
    CHECK_EQ(sotto_run(m, 0), SOTTO_OK);
    struct sotto_sampling none = {0};
    sotto_sampler *sampler;
    CHECK_EQ(sotto_sampler_new(m, &none, &sampler), SOTTO_OK);
    CHECK_EQ(sotto_sample(sampler, 0, NULL), UINT32_MAX); /* no logits to draw from */
    sotto_sampler_free(sampler);
    free(ids);
    sotto_model_close(m);
}

static void pairs_and_long_texts_keep_their_special_tokens(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){0});
    const uint32_t *ids;
    size_t n;
    char text[600];
    memset(text, 'a', sizeof text);
    for (size_t i = 1; i < sizeof text; i += 2) text[i] = ' ';
    CHECK_EQ(sotto_tokenize_pair(m, "the a", 5, "b", 1, 0, &ids, &n), SOTTO_OK);
    CHECK(n == 6 && ids[0] == 2 && ids[3] == 3 && ids[5] == 3, "%zu ids, %u … %u", n, ids[0],
          ids[n - 1]);
    CHECK_EQ(sotto_tokenize(m, text, sizeof text, SOTTO_ADD_SPECIAL, &ids, &n), SOTTO_OK);
    CHECK_EQ(n, 302);
    CHECK_EQ(sotto_tokenize(m, text, sizeof text, SOTTO_ADD_SPECIAL | SOTTO_FIT_CONTEXT, &ids, &n),
             SOTTO_OK);
    CHECK(n == in->n_ctx && ids[0] == 2 && ids[n - 1] == 3, "%zu ids, the last is %u", n,
          ids[n - 1]);
    CHECK_EQ(sotto_tokenize_pair(m, "a", 1, text, sizeof text, SOTTO_FIT_CONTEXT, &ids, &n),
             SOTTO_OK);
    CHECK(n == in->n_ctx && ids[2] == 3 && ids[n - 1] == 3, "%zu ids, the last is %u", n,
          ids[n - 1]);
    sotto_model_close(m);
}

static void memory_stays_below_what_was_said(const struct input *in) {
    struct native_heap own;
    native_heap_init(&own);
    sotto_header *h = sotto_header_new(&own.heap);
    struct sotto_options o = {.max_threads = MOST_THREADS};
    uint32_t *ids = calloc(in->n_ctx, sizeof *ids);
    sotto_header_push(h, 0, in->file.data, in->file.size);
    uint64_t need = sotto_header_memory(h, &o);
    sotto_header_free(h);
    own.heap.peak = 0;
    struct fail f = {0};
    sotto_model *m = open_fed(&own.heap, &pool, in->file, &o, &f);
    CHECK_EQ(sotto_set_threads(m, MOST_THREADS), SOTTO_OK);
    sotto_seq *s;
    sotto_seq_new(m, &s);
    size_t at_open = own.heap.used;
    CHECK_EQ(begin(m, s, ids, in->n_ctx, SOTTO_WANT_STATES), SOTTO_OK);
    CHECK_EQ(sotto_run(m, 0), SOTTO_OK);
    CHECK_EQ(sotto_n_rows(m), in->n_ctx);
    CHECK_EQ(own.heap.used, at_open);
    CHECK(need && own.heap.peak <= need, "%zu bytes were used, %llu said", own.heap.peak,
          (unsigned long long)need);
    sotto_model_close(m);
    CHECK_EQ(own.heap.used, 0);
    free(ids);
}

static void every_failing_allocation_is_reported(const struct input *in) {
    for (int64_t k = 0; k < 10000; k++) {
        struct native_heap own;
        struct fail f = {0};
        struct sotto_options o = {0};
        const uint32_t *ids;
        size_t n;
        native_heap_failing(&own, k);
        sotto_model *m = open_fed(&own.heap, &pool, in->file, &o, &f);
        int rc = m ? sotto_tokenize_pair(m, "the a", 5, "b c", 3, 0, &ids, &n) : f.code;
        CHECK(!rc || rc == SOTTO_MEMORY, "allocation %lld failed: %s", (long long)k,
              m ? sotto_model_fail(m)->text : f.text);
        sotto_model_close(m);
        CHECK(own.heap.used == 0, "allocation %lld failed: %zu bytes were not given back",
              (long long)k, own.heap.used);
        if (!rc) return;
    }
    CHECK(false, "no end of allocations");
}

int main(int argc, char **argv) {
    static pthread_t threads[MOST_THREADS];
    const char *cases = argc > 1 ? argv[1] : NULL;
    if (!cases) {
        check_skip("no folder of cases was given");
        return check_done();
    }
    native_heap_init(&heap);
    pool_init(&pool);
    for (uint32_t i = 1; i < MOST_THREADS; i++)
        pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i);
    while (word_load(&pool.n_joined) < MOST_THREADS - 1) {}
    static const struct {
        const char *name;
        bool encoder, ranks, words;
    } models[] = {{"bert-rank", true, true, true},
                  {"modern-bert", true, false, false},
                  {"jina-bert-v2", true, false, true},
                  {"t5encoder", true, false, false},
                  {"gemma3", false, false, false},
                  {"qwen2", false, false, false}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct input in = load(cases, "arch", models[i].name);
        if (!in.file.data) continue;
        for (uint32_t want = SOTTO_WANT_POOLED; want < SOTTO_WANT_SCORES; want++)
            the_same_bits_however_work_is_split(&in, models[i].name, want, !models[i].encoder);
        vectors_have_length_one(&in);
        if (models[i].encoder) an_encoder_refuses_what_it_cannot_do(&in, models[i].ranks);
        if (models[i].encoder) memory_stays_below_what_was_said(&in);
        if (models[i].words) pairs_and_long_texts_keep_their_special_tokens(&in);
        if (models[i].words) every_failing_allocation_is_reported(&in);
        unload(&in);
    }
    pool_stop(&pool);
    for (uint32_t i = 1; i < MOST_THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(heap.heap.used == 0, "%zu bytes were not given back", heap.heap.used);
    return check_done();
}
