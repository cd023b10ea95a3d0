/* Generation over a small real model of the cases: slices, reuse of the prompt's prefix, stop texts, limits. */
#define _GNU_SOURCE /* memmem */
#include "../check.h"
#include "../model/case_file.h"

struct world {
    struct native_heap heap;
    struct pool pool;
    struct bytes file;
    sotto_model *m;
    uint32_t *prompt, n_prompt;
};

static bool open_world(struct world *w, const char *dir, uint32_t context) {
    struct fail f = {0};
    struct sotto_options o = {.context_length = context, .kv_type = SOTTO_KV_F32, .arithmetic = SOTTO_EXACT,
                              .n_sequences = 2};
    struct json *t;
    memset(w, 0, sizeof *w);
    native_heap_init(&w->heap);
    pool_init(&w->pool);
    w->file = read_bytes(dir, "model.gguf");
    t = read_json(&w->heap.heap, dir, "tokens.json");
    if (!w->file.data || !t) return false;
    w->prompt = json_ids(json_get(t, "tokens"), &w->n_prompt);
    json_free(&w->heap.heap, t);
    w->m = open_fed(&w->heap.heap, &w->pool, w->file, &o, &f);
    return CHECK(w->m, "%s", f.text);
}

static void close_world(struct world *w) {
    sotto_model_close(w->m);
    CHECK_EQ(w->heap.heap.used, 0);
    free(w->prompt), free(w->file.data);
}

struct answer {
    char text[4096];
    uint32_t ids[512];
    size_t size, n_ids;
    struct sotto_gen_stats stats;
    int code;
    uint32_t steps;
};

/* Runs a generation to its end in steps of budget_ms, at most n_steps of them where that is not 0. */
static void run(sotto_seq *seq, const uint32_t *prompt, uint32_t n, const struct sotto_gen_options *o, double budget,
                struct answer *a) {
    sotto_gen *g;
    memset(a, 0, sizeof *a);
    a->code = sotto_gen_new(seq, prompt, n, o, &g);
    if (a->code) return;
    do {
        const char *text;
        const uint32_t *ids;
        size_t size, n_ids;
        a->code = sotto_gen_step(g, budget);
        a->steps++;
        sotto_gen_take(g, &text, &size, &ids, &n_ids);
        if (a->size + size < sizeof a->text && a->n_ids + n_ids <= 512) {
            if (size) memcpy(a->text + a->size, text, size);
            if (n_ids) memcpy(a->ids + a->n_ids, ids, n_ids * 4);
            a->size += size, a->n_ids += n_ids;
        }
    } while (a->code == SOTTO_MORE && a->steps < 100000);
    sotto_gen_stats(g, &a->stats);
    sotto_gen_free(g);
}

static bool same(const struct answer *a, const struct answer *b) {
    return a->n_ids == b->n_ids && a->size == b->size && !memcmp(a->ids, b->ids, a->n_ids * 4) &&
           !memcmp(a->text, b->text, a->size);
}

/* The greedy continuation, step by step through the plain calls. */
static uint32_t greedy(struct world *w, uint32_t *ids, uint32_t n) {
    sotto_seq *s;
    sotto_seq_new(w->m, &s);
    struct sotto_entry e = {s, w->prompt, w->n_prompt, SOTTO_WANT_LAST};
    uint32_t made = 0;
    for (; made < n; made++) {
        if (sotto_run_begin(w->m, &e, 1) || sotto_run(w->m, 0)) break;
        const float *row = sotto_row(w->m, 0, NULL, NULL);
        uint32_t best = 0;
        for (uint32_t i = 1; i < sotto_n_vocab(w->m); i++) best = row[i] > row[best] ? i : best;
        ids[made] = best;
        e = (struct sotto_entry){s, &ids[made], 1, SOTTO_WANT_LAST};
    }
    sotto_seq_free(s);
    return made;
}

static void test_generation(const char *dir) {
    struct world w;
    static struct answer whole, sliced, again, stopped;
    uint32_t want[24];
    sotto_seq *s, *t;
    if (!open_world(&w, dir, 256)) return;
    CHECK_EQ(greedy(&w, want, 24), 24);
    sotto_seq_new(w.m, &s);
    struct sotto_gen_options o = {.max_tokens = 24, .ignore_eog = true};
    run(s, w.prompt, w.n_prompt, &o, 0, &whole);
    CHECK_EQ(whole.code, SOTTO_DONE);
    CHECK_EQ(whole.stats.finish, SOTTO_FINISH_LENGTH);
    CHECK_EQ(whole.n_ids, 24);
    CHECK(!memcmp(whole.ids, want, sizeof want), "greedy tokens are those of the plain calls");
    CHECK_EQ(whole.stats.prompt_tokens, w.n_prompt);
    CHECK_EQ(whole.stats.cached_tokens, 0);
    CHECK_EQ(whole.stats.completion_tokens, 24);
    CHECK_EQ(whole.stats.prefill_done, w.n_prompt);
    CHECK(whole.stats.first_token_ms > 0 && whole.stats.decode_ms > 0 && whole.stats.prefill_ms > 0);
    CHECK_EQ(sotto_seq_length(s), w.n_prompt + 23);

    /* The tiniest slices change nothing but the number of steps. */
    sotto_seq_new(w.m, &t);
    run(t, w.prompt, w.n_prompt, &o, 1e-6, &sliced);
    CHECK(same(&sliced, &whole) && sliced.steps > 24, "%u steps", sliced.steps);

    /* The same prompt again: all of it but one token is there. */
    run(s, w.prompt, w.n_prompt, &o, 0, &again);
    CHECK(same(&again, &whole));
    CHECK_EQ(again.stats.cached_tokens, w.n_prompt - 1);
    /* The next turn: prompt, answer and two more tokens. */
    uint32_t turn[512], n = w.n_prompt;
    memcpy(turn, w.prompt, n * 4);
    memcpy(turn + n, whole.ids, 24 * 4);
    n += 24;
    turn[n++] = 5, turn[n++] = 6;
    run(s, turn, n, &o, 0, &again);
    CHECK_EQ(again.stats.cached_tokens, w.n_prompt + 23);
    sotto_seq_truncate(t, 0);
    run(t, turn, n, &o, 0, &sliced);
    CHECK(same(&again, &sliced), "a reused prefix gives what a fresh sequence gives");

    /* Every stretch of the text as a stop text: the answer ends before its first place. */
    for (size_t from = 0; from + 3 < whole.size && from < 24; from++) {
        for (size_t length = 1; length <= 7 && from + length <= whole.size; length += 3) {
            char stop[16] = {0}, *found;
            const char *stops[] = {"never to be found", stop, ""};
            memcpy(stop, whole.text + from, length);
            if (strlen(stop) < length) continue; /* a NUL in the text */
            found = memmem(whole.text, whole.size, stop, length);
            struct sotto_gen_options so = {.max_tokens = 24, .ignore_eog = true, .stop = stops, .n_stop = 3};
            run(t, w.prompt, w.n_prompt, &so, from % 2 ? 1e-6 : 0, &stopped);
            CHECK_EQ(stopped.size, found - whole.text);
            CHECK(!memcmp(stopped.text, whole.text, stopped.size), "stop at %zu", from);
            CHECK_EQ(stopped.stats.finish, SOTTO_FINISH_STOP);
            CHECK(stopped.n_ids <= 24 && !memcmp(stopped.ids, whole.ids, stopped.n_ids * 4));
        }
    }
    /* A stop text that nearly appears holds text back only for a while. */
    {
        char stop[32] = {0};
        const char *stops[] = {stop};
        memcpy(stop, whole.text, whole.size < 9 ? whole.size : 9);
        strcat(stop, "\x01");
        struct sotto_gen_options so = {.max_tokens = 24, .ignore_eog = true, .stop = stops, .n_stop = 1};
        run(t, w.prompt, w.n_prompt, &so, 1e-6, &stopped);
        CHECK(same(&stopped, &whole));
    }
    /* A seed repeats; other seeds differ. */
    struct sotto_gen_options r = {.max_tokens = 24, .ignore_eog = true,
                                  .sampling = {.temperature = 1.5f, .top_p = 0.95f, .min_p = 0.01f, .seed = 42}};
    run(s, w.prompt, w.n_prompt, &r, 0, &again);
    run(t, w.prompt, w.n_prompt, &r, 1e-6, &sliced);
    CHECK(same(&again, &sliced), "equal seeds, equal tokens");
    r.sampling.seed = 43;
    run(t, w.prompt, w.n_prompt, &r, 0, &sliced);
    CHECK(!same(&again, &sliced), "another seed, other tokens");

    /* Misuse. */
    run(s, w.prompt, 0, &o, 0, &again);
    CHECK_EQ(again.code, SOTTO_EINVAL);
    uint32_t bad[2] = {1, sotto_n_vocab(w.m)};
    run(s, bad, 2, &o, 0, &again);
    CHECK_EQ(again.code, SOTTO_EINVAL);
    CHECK(strlen(sotto_model_fail(w.m)->text) > 10);
    r.sampling.temperature = -1;
    run(s, w.prompt, w.n_prompt, &r, 0, &again);
    CHECK_EQ(again.code, SOTTO_EINVAL);
    r.sampling.temperature = 0.0f / (float)(again.size * 0);
    run(s, w.prompt, w.n_prompt, &r, 0, &again);
    CHECK_EQ(again.code, SOTTO_EINVAL);

    sotto_seq_free(s), sotto_seq_free(t);
    close_world(&w);
}

static void test_two_at_once(const char *dir) {
    struct world w;
    static struct answer a, b;
    sotto_seq *s, *t;
    sotto_gen *g, *h;
    struct sotto_gen_options o = {.max_tokens = 12, .ignore_eog = true};
    const char *text;
    const uint32_t *ids;
    size_t size, n;
    int x = SOTTO_MORE, y = SOTTO_MORE;
    if (!open_world(&w, dir, 128)) return;
    sotto_seq_new(w.m, &s), sotto_seq_new(w.m, &t);
    run(s, w.prompt, w.n_prompt, &o, 0, &a);
    run(t, w.prompt, w.n_prompt - 1, &o, 0, &b);
    sotto_seq_truncate(s, 0), sotto_seq_truncate(t, 0);
    CHECK_EQ(sotto_gen_new(s, w.prompt, w.n_prompt, &o, &g), SOTTO_OK);
    CHECK_EQ(sotto_gen_new(t, w.prompt, w.n_prompt - 1, &o, &h), SOTTO_OK);
    size_t na = 0, nb = 0;
    for (int i = 0; i < 1000 && (x == SOTTO_MORE || y == SOTTO_MORE); i++) {
        x = sotto_gen_step(g, 20);
        sotto_gen_take(g, &text, &size, &ids, &n);
        for (size_t k = 0; k < n; k++) CHECK_EQ(ids[k], a.ids[na++]);
        y = sotto_gen_step(h, 20);
        sotto_gen_take(h, &text, &size, &ids, &n);
        for (size_t k = 0; k < n; k++) CHECK_EQ(ids[k], b.ids[nb++]);
    }
    CHECK_EQ(na, 12), CHECK_EQ(nb, 12);
    /* A stop between two tokens is not lost. */
    sotto_gen_free(g);
    CHECK_EQ(sotto_gen_new(s, w.prompt, w.n_prompt, &o, &g), SOTTO_OK);
    CHECK_EQ(sotto_gen_step(g, 1e-6), SOTTO_MORE);
    sotto_abort(w.m);
    x = sotto_gen_step(g, 0);
    CHECK_EQ(x, SOTTO_ABORTED);
    struct sotto_gen_stats stats;
    sotto_gen_stats(g, &stats);
    CHECK_EQ(stats.finish, SOTTO_FINISH_ABORT);
    CHECK_EQ(sotto_gen_step(g, 0), SOTTO_DONE);
    sotto_gen_free(g), sotto_gen_free(h);
    /* A sequence changed under its generation is noticed. */
    CHECK_EQ(sotto_gen_new(s, w.prompt, w.n_prompt, &o, &g), SOTTO_OK);
    for (int i = 0; i < 1000; i++) {
        sotto_gen_stats(g, &stats);
        if (stats.completion_tokens >= 2) break;
        sotto_gen_step(g, 1e-6);
    }
    sotto_seq_truncate(s, 3);
    CHECK_EQ(sotto_gen_step(g, 0), SOTTO_EINVAL);
    sotto_gen_free(g);
    sotto_seq_free(s), sotto_seq_free(t);
    close_world(&w);
}

static void test_full_context(const char *dir) {
    struct world w;
    static struct answer a;
    static uint32_t prompt[200];
    sotto_seq *s;
    if (!open_world(&w, dir, 64)) return;
    sotto_seq_new(w.m, &s);
    for (uint32_t i = 0; i < 200; i++) prompt[i] = i % 50 + 3;
    struct sotto_gen_options o = {.ignore_eog = true};
    run(s, prompt, 60, &o, 0, &a);
    CHECK_EQ(a.stats.finish, SOTTO_FINISH_LENGTH);
    CHECK_EQ(a.n_ids, 5); /* 4 that fit, and the one drawn from the last of them */
    CHECK_EQ(sotto_seq_length(s), 64);
    run(s, prompt, 64, &o, 0, &a);
    CHECK_EQ(a.n_ids, 1);
    run(s, prompt, 65, &o, 0, &a);
    CHECK_EQ(a.code, SOTTO_CONTEXT_FULL);
    sotto_seq_free(s);
    close_world(&w);
}

/* A full context with shifts: what comes after each is what a fresh sequence of the kept and the remaining tokens
 * gives, however the time is sliced. */
static void test_shift(const char *dir, uint32_t keep) {
    enum { CONTEXT = 64, N = 150 };
    struct world w;
    static struct answer a, sliced;
    static uint32_t prompt[200], held[CONTEXT + 1], want[N];
    uint32_t n = 40, made = 0, dropped = 0, rest = (CONTEXT - keep) / 2;
    sotto_seq *s, *t;
    if (!open_world(&w, dir, CONTEXT)) return;
    sotto_seq_new(w.m, &s), sotto_seq_new(w.m, &t);
    for (uint32_t i = 0; i < 200; i++) prompt[i] = i % 50 + 3;
    memcpy(held, prompt, n * 4);
    struct sotto_entry e = {t, held, n, SOTTO_WANT_LAST};
    for (; made < N; made++) {
        if (!CHECK(!sotto_run_begin(w.m, &e, 1) && !sotto_run(w.m, 0), "%s", sotto_model_fail(w.m)->text)) break;
        const float *row = sotto_row(w.m, 0, NULL, NULL);
        uint32_t best = 0;
        for (uint32_t i = 1; i < sotto_n_vocab(w.m); i++) best = row[i] > row[best] ? i : best;
        want[made] = held[n++] = best;
        if (n <= CONTEXT)
            e = (struct sotto_entry){t, held + n - 1, 1, SOTTO_WANT_LAST};
        else { /* the same tokens in a sequence that never held others */
            memmove(held + keep, held + n - rest, rest * 4);
            if (made + 1 < N) dropped += n - rest - keep;
            n = keep + rest;
            sotto_seq_truncate(t, 0);
            e = (struct sotto_entry){t, held, n, SOTTO_WANT_LAST};
        }
    }
    struct sotto_gen_options o = {.max_tokens = N, .ignore_eog = true, .shift = true, .shift_keep = keep};
    run(s, prompt, 40, &o, 0, &a);
    CHECK_EQ(a.code, SOTTO_DONE);
    CHECK_EQ(a.n_ids, N);
    for (uint32_t i = 0; i < N; i++)
        if (!CHECK(a.ids[i] == want[i], "keep %u: token %u is %u, wanted %u", keep, i, a.ids[i], want[i])) break;
    CHECK_EQ(a.stats.finish, SOTTO_FINISH_LENGTH);
    CHECK_EQ(a.stats.shifted, dropped);
    CHECK_EQ(a.stats.prompt_tokens, 40);
    CHECK_EQ(a.stats.prefill_done, 40);
    sotto_seq_truncate(s, 0);
    run(s, prompt, 40, &o, 1e-6, &sliced);
    CHECK(same(&a, &sliced) && sliced.stats.shifted == dropped, "slices change a shift");

    /* A prompt longer than the context keeps its beginning and its end. */
    memcpy(held, prompt, keep * 4);
    memcpy(held + keep, prompt + 200 - rest, rest * 4);
    o.max_tokens = 8;
    run(s, prompt, 200, &o, 0, &a);
    run(t, held, keep + rest, &o, 0, &sliced);
    CHECK(a.code == SOTTO_DONE && same(&a, &sliced), "a long prompt is cut");
    CHECK_EQ(a.stats.shifted - sliced.stats.shifted, 200 - keep - rest);
    o.shift_keep = CONTEXT - 1;
    run(s, prompt, 10, &o, 0, &a);
    CHECK_EQ(a.code, SOTTO_EINVAL);
    sotto_seq_free(s), sotto_seq_free(t);
    close_world(&w);
}

/* Every allocation of a generation may fail: MEMORY, nothing leaks, and the next one works. */
static void test_allocations(const char *dir) {
    struct world w;
    sotto_seq *s;
    const char *stops[] = {"zzzz"};
    struct sotto_gen_options o = {.max_tokens = 4, .ignore_eog = true, .stop = stops, .n_stop = 1,
                                  .sampling = {.temperature = 1, .top_k = 40, .repeat_penalty = 1.1f}};
    if (!open_world(&w, dir, 64)) return;
    sotto_seq_new(w.m, &s);
    bool done = false;
    for (int k = 0; k < 100 && !done; k++) {
        size_t before = w.heap.heap.used;
        sotto_gen *g = NULL;
        int rc;
        w.heap.fail_after = k;
        rc = sotto_gen_new(s, w.prompt, w.n_prompt < 20 ? w.n_prompt : 20, &o, &g);
        if (!rc) rc = sotto_gen_step(g, 0);
        sotto_gen_free(g);
        w.heap.fail_after = -1;
        CHECK(rc == SOTTO_DONE || rc == SOTTO_MEMORY, "allocation %d fails: code %d", k, rc);
        CHECK_EQ(w.heap.heap.used, before);
        done = rc == SOTTO_DONE;
    }
    CHECK(done);
    sotto_seq_free(s);
    close_world(&w);
}

int main(int argc, char **argv) {
    char dir[1024];
    struct bytes probe;
    snprintf(dir, sizeof dir, "%s/arch/%s", argc > 1 ? argv[1] : "tests/cases", "llama-spm-untied");
    probe = read_bytes(dir, "tokens.json");
    if (!probe.data) {
        check_skip("no cases at %s", dir);
        CHECK(true);
        return check_done();
    }
    free(probe.data);
    test_generation(dir);
    test_two_at_once(dir);
    test_full_context(dir);
    test_shift(dir, 4), test_shift(dir, 0), test_shift(dir, 21), test_shift(dir, 62);
    snprintf(dir, sizeof dir, "%s/arch/gemma3", argc > 1 ? argv[1] : "tests/cases"); /* windows free pages */
    test_shift(dir, 4);
    snprintf(dir, sizeof dir, "%s/arch/llama-spm-untied", argc > 1 ? argv[1] : "tests/cases");
    test_allocations(dir);
    return check_done();
}
