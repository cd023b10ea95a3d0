/* The model behind sotto.h: the same bits however work is split, sequences that fork and shrink,
 * memory that runs out, files that lie. */
#define _POSIX_C_SOURCE 200809L
#include "model_case.h"
#include <pthread.h>

static void *worker(void *arg) {
    pool_worker(&pool, (uint32_t)(uintptr_t)arg);
    return NULL;
}

static void the_same_bits_however_work_is_split(const struct input *in, const char *name,
                                                uint32_t arithmetic) {
    uint64_t want[1024] = {0}, got[1024];
    reference(in, arithmetic, want);
    static const uint32_t some[] = {1, 2, 3, MOST_THREADS}, batches[] = {1, 13, 64};
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = some[i] > 2; j < (some[i] > 2 ? 2 : 3); j++) /* many threads: one batch */
            for (uint32_t level = some[i] == 1 ? 1 : 0; level <= (some[i] == 1 ? 2 : 0); level++)
                for (int slices = 0; slices < (some[i] < 3 ? 2 : 1); slices++) {
                    uint32_t threads = some[i], batch = batches[j];
                    sotto_model *m = open_in(in, (struct sotto_options){.arithmetic = arithmetic,
                                                                        .batch = batch,
                                                                        .kernel_level = level});
                    sotto_seq *s;
                    memset(got, 0, sizeof got);
                    sotto_seq_new(m, &s);
                    CHECK_EQ(sotto_set_threads(m, threads), SOTTO_OK);
                    int rc =
                        evaluate(m, s, in->tokens, in->n, SOTTO_WANT_ALL, slices ? 0.001 : 0, got);
                    CHECK(!rc && !memcmp(want, got, in->n * sizeof *got),
                          "%s: %u threads, batch %u, level %u, %s: %s", name, threads, batch, level,
                          slices ? "in slices" : "at once", sotto_model_fail(m)->text);
                    sotto_model_close(m);
                }
}

static void forks_and_truncations_continue_as_if_fresh(const struct input *in, uint32_t kv_type) {
    sotto_model *m =
        open_in(in, (struct sotto_options){.n_sequences = 3, .batch = 8, .kv_type = kv_type});
    uint64_t want[1024] = {0}, got[1024] = {0};
    uint32_t n = in->n, half = n / 2 + 3;
    sotto_seq *a, *b, *c;
    sotto_seq_new(m, &a);
    CHECK_EQ(evaluate(m, a, in->tokens, n, SOTTO_WANT_ALL, 0, want), SOTTO_OK);
    CHECK_EQ(sotto_seq_truncate(a, half), SOTTO_OK);
    CHECK_EQ(sotto_seq_fork(a, &b), SOTTO_OK);
    CHECK_EQ(sotto_seq_fork(b, &c), SOTTO_OK);
    CHECK_EQ(sotto_seq_length(b), half);
    CHECK(!memcmp(sotto_seq_tokens(b), in->tokens, half * 4), "the fork's tokens are others");
    /* b goes its own way, which must not touch a and c */
    uint32_t other[4] = {in->tokens[0], in->tokens[1], in->tokens[0], in->tokens[2]};
    CHECK_EQ(evaluate(m, b, other, 4, SOTTO_WANT_NONE, 0, NULL), SOTTO_OK);
    struct sotto_entry both[2] = {{a, in->tokens + half, n - half, SOTTO_WANT_ALL},
                                  {c, in->tokens + half, n - half, SOTTO_WANT_NONE}};
    CHECK_EQ(sotto_run_begin(m, both, 2), SOTTO_OK);
    CHECK_EQ(drain(m, 0, got), SOTTO_OK);
    CHECK(!memcmp(want + half, got + half, (n - half) * sizeof *got),
          "a differs after a truncation beside its forks");
    CHECK_EQ(sotto_seq_truncate(c, 1), SOTTO_OK);
    memset(got, 0, sizeof got);
    CHECK_EQ(evaluate(m, c, in->tokens + 1, n - 1, SOTTO_WANT_ALL, 0, got), SOTTO_OK);
    CHECK(!memcmp(want + 1, got + 1, (n - 1) * sizeof *got),
          "c differs after a truncation to one token");
    sotto_seq_free(a), sotto_seq_free(b), sotto_seq_free(c);
    sotto_model_close(m);
}

/* Sequences of one batch do not see each other. */
static void sequences_of_a_batch_are_independent(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){.n_sequences = 8, .batch = 16});
    uint64_t want[1024] = {0}, got[1024] = {0};
    sotto_seq *s[8];
    struct sotto_entry e[8];
    for (uint32_t i = 0; i < 8; i++) {
        sotto_seq_new(m, &s[i]);
        e[i] = (struct sotto_entry){s[i], in->tokens + i, 5 + i, SOTTO_WANT_LAST};
    }
    sotto_run_begin(m, e, 8);
    uint32_t rows = 0;
    uint64_t last[8] = {0};
    for (int rc = SOTTO_MORE; rc == SOTTO_MORE;) {
        rc = sotto_run(m, 0);
        for (uint32_t r = 0; r < sotto_n_rows(m); r++, rows++) {
            uint32_t entry, position;
            const float *row = sotto_row(m, r, &entry, &position);
            CHECK_EQ(position, 4 + entry);
            last[entry & 7] = hash(14695981039346656037u, row, sotto_n_vocab(m) * sizeof *row);
        }
    }
    CHECK_EQ(rows, 8);
    for (uint32_t i = 0; i < 8; i++) {
        sotto_seq_truncate(s[i], 0);
        CHECK_EQ(evaluate(m, s[i], in->tokens + i, 5 + i, SOTTO_WANT_LAST, 0, want), SOTTO_OK);
        CHECK(want[4 + i] == last[i], "sequence %u of 8 differs from itself alone", i);
    }
    (void)got;
    sotto_model_close(m);
}

/* Long enough that a window of 16 frees pages; then back behind the window. */
static void windows_free_pages_and_prefill_again(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){.batch = 16});
    uint64_t want[1024] = {0}, got[1024] = {0};
    uint32_t tokens[256], n = in->n_ctx < 256 ? in->n_ctx : 256;
    for (uint32_t i = 0; i < n; i++) tokens[i] = in->tokens[i % in->n];
    sotto_seq *s;
    sotto_seq_new(m, &s);
    CHECK_EQ(evaluate(m, s, tokens, n, SOTTO_WANT_ALL, 0, want), SOTTO_OK);
    for (uint32_t back = n - 1; back > 30; back -= 47) {
        CHECK_EQ(sotto_seq_truncate(s, back), SOTTO_OK);
        CHECK_EQ(evaluate(m, s, tokens + back, n - back, SOTTO_WANT_ALL, 0, got), SOTTO_OK);
        CHECK(!memcmp(want + back, got + back, (n - back) * sizeof *got),
              "logits differ after a truncation to %u", back);
    }
    struct sotto_entry e = {s, tokens, 1, SOTTO_WANT_LAST};
    CHECK_EQ(sotto_run_begin(m, &e, 1), SOTTO_CONTEXT_FULL);
    CHECK_EQ(sotto_seq_length(s), n);
    sotto_model_close(m);
}

static void an_abort_leaves_whole_pieces(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){.batch = 4});
    uint64_t want[1024] = {0}, got[1024] = {0};
    reference(in, SOTTO_FAST, want);
    sotto_seq *s;
    sotto_seq_new(m, &s);
    struct sotto_entry e = {s, in->tokens, in->n, SOTTO_WANT_ALL};
    sotto_run_begin(m, &e, 1);
    CHECK_EQ(sotto_run(m, 0), SOTTO_MORE);
    sotto_run(m, 0.001);
    sotto_abort(m);
    CHECK_EQ(sotto_run(m, 0), SOTTO_ABORTED);
    uint32_t done = sotto_seq_length(s);
    CHECK(done % 4 == 0 && done > 0 && done < in->n, "%u tokens are done after an abort", done);
    CHECK_EQ(evaluate(m, s, in->tokens + done, in->n - done, SOTTO_WANT_ALL, 0, got), SOTTO_OK);
    CHECK(!memcmp(want + done, got + done, (in->n - done) * sizeof *got),
          "logits differ after an abort");
    sotto_model_close(m);
}

static void memory_stays_below_what_was_said(const struct input *in) {
    struct native_heap own;
    native_heap_init(&own);
    sotto_header *h = sotto_header_new(&own.heap);
    struct sotto_options o = {.context_length = in->n_ctx, .max_threads = 2};
    sotto_header_push(h, 0, in->file.data, in->file.size);
    uint64_t need = sotto_header_memory(h, &o);
    CHECK(need > 0, "%s", sotto_header_fail(h)->text);
    CHECK(sotto_header_info(h, &o) != NULL, "no description");
    sotto_header_free(h);
    CHECK_EQ(own.heap.used, 0);
    own.heap.peak = 0;
    struct fail f = {0};
    sotto_model *m = open_fed(&own.heap, &pool, in->file, &o, &f);
    size_t at_open = own.heap.used;
    sotto_seq *s, *t;
    sotto_seq_new(m, &s);
    CHECK_EQ(evaluate(m, s, in->tokens, in->n, SOTTO_WANT_ALL, 0, NULL), SOTTO_OK);
    sotto_seq_fork(s, &t);
    CHECK_EQ(own.heap.used, at_open);
    CHECK(own.heap.peak <= need, "%zu bytes were used, %llu said", own.heap.peak,
          (unsigned long long)need);
    const char *info = sotto_model_info(m);
    CHECK(info && strstr(info, "\"memory\":{\"need\":"), "%s", info ? info : "no description");
    sotto_model_close(m);
    CHECK_EQ(own.heap.used, 0);
}

static void every_failing_allocation_is_reported(const struct input *in) {
    for (int64_t k = 0;; k++) {
        struct native_heap own;
        struct fail f = {0};
        struct sotto_options o = {.context_length = 64};
        native_heap_failing(&own, k);
        sotto_model *m = open_fed(&own.heap, &pool, in->file, &o, &f);
        if (!m) CHECK(f.code == SOTTO_MEMORY, "allocation %lld failed: %s", (long long)k, f.text);
        sotto_model_close(m);
        CHECK(own.heap.used == 0, "allocation %lld failed: %zu bytes were not given back",
              (long long)k, own.heap.used);
        if (m) break;
        if (!CHECK(k < 10000, "no end of allocations")) break;
    }
    for (int64_t k = 0; k < 400; k++) { /* the same for the description */
        struct native_heap own;
        native_heap_init(&own);
        sotto_header *h = sotto_header_new(&own.heap);
        struct sotto_options o = {.context_length = 64};
        sotto_header_push(h, 0, in->file.data, in->file.size);
        own.fail_after = k;
        const char *info = sotto_header_info(h, &o);
        own.fail_after = own.fail_after > 0 ? -1 : 0;
        bool all = own.fail_after < 0;
        if (!info)
            CHECK(sotto_header_fail(h)->code == SOTTO_MEMORY, "allocation %lld: %s", (long long)k,
                  sotto_header_fail(h)->text);
        sotto_header_free(h);
        CHECK_EQ(own.heap.used, 0);
        if (all) break;
    }
}

static void a_cut_header_asks_for_more(const struct input *in, size_t step) {
    for (size_t n = 0; n < in->file.size; n += step) {
        sotto_header *h = sotto_header_new(&heap.heap);
        int rc = sotto_header_push(h, 0, in->file.data, n);
        if (rc == SOTTO_OK) {
            sotto_header_free(h);
            return;
        }
        CHECK(rc == SOTTO_MORE, "%zu bytes of a header: %s", n, sotto_header_fail(h)->text);
        CHECK(sotto_header_memory(h, NULL) == 0 && sotto_header_info(h, NULL) == NULL,
              "half a header was described");
        sotto_header_free(h);
    }
}

static void lies_get_a_sentence(const struct input *in) {
    const uint32_t zero = 0, huge = 0xffffffffu, seven = 7;
    const uint64_t wide = 45;
    lie(in, "llama.attention.head_count", 4, &zero, 4, SOTTO_FORMAT, "attention.head_count");
    lie(in, "llama.block_count", 4, &huge, 4, SOTTO_FORMAT, "llama.block_count");
    lie(in, "llama.block_count", 4, &zero, 4, SOTTO_FORMAT, "llama.block_count");
    lie(in, "llama.block_count", 4, &seven, 4, SOTTO_FORMAT, "blk.2");
    lie(in, "llama.embedding_length", 4, &huge, 4, SOTTO_FORMAT, "llama.embedding_length");
    lie(in, "llama.embedding_length", 4, &wide, 4, SOTTO_FORMAT, "rope.dimension_count");
    lie(in, "llama.attention.head_count_kv", 4, &seven, 4, SOTTO_FORMAT, "head_count_kv");
    lie(in, "llama.rope.dimension_count", 4, &seven, 4, SOTTO_FORMAT, "rope.dimension_count");
    lie(in, "llama.feed_forward_length", 4, &seven, 4, SOTTO_FORMAT, "ffn_");
    lie(in, "blk.1.attn_q.weight", 4, &wide, 8, SOTTO_FORMAT, "");
    lie(in, "blk.1.ffn_down.weigh", 0, "x", 1, SOTTO_FORMAT, "blk.1.ffn_down.weight is missing");
    lie(in, "output_norm.weigh", 0, "x", 1, SOTTO_FORMAT, "output_norm.weight is missing");
    lie(in, "general.architecture", 12, "llamb", 5, SOTTO_UNSUPPORTED, "nearest it knows: llama");
}

static void lies_about_latents_and_sharing(const struct input *latent,
                                           const struct input *sharing) {
    const uint32_t zero = 0, one = 1, six = 6, seven = 7;
    lie(latent, "attention.kv_lora_ran", 0, "x", 1, SOTTO_FORMAT, "attn_q.weight is missing");
    lie(latent, "deepseek2.attention.kv_lora_rank", 4, &seven, 4, SOTTO_FORMAT, "attn_kv_a_mqa");
    lie(latent, "deepseek2.attention.key_length_mla", 4, &seven, 4, SOTTO_FORMAT, "latent");
    lie(latent, "deepseek2.attention.value_length_mla", 4, &zero, 4, SOTTO_FORMAT, "latent");
    lie(latent, "deepseek2.rope.dimension_count", 4, &zero, 4, SOTTO_FORMAT, "attn_kv_a_mqa");
    lie(sharing, "gemma4.attention.shared_kv_layers", 4, &one, 4, SOTTO_FORMAT, "shares keys");
    lie(sharing, "gemma4.attention.shared_kv_layers", 4, &six, 4, SOTTO_FORMAT, "shares keys");
    lie(sharing, "blk.0.inp_gate.weigh", 0, "x", 1, SOTTO_FORMAT, "inp_gate.weight is missing");
}

static void misuse_is_refused(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){.context_length = 32});
    sotto_seq *s, *t = NULL;
    uint32_t bad = sotto_n_vocab(m);
    sotto_seq_new(m, &s);
    struct sotto_entry e = {s, &bad, 1, SOTTO_WANT_LAST},
                       twice[2] = {{s, in->tokens, 1, 0}, {s, in->tokens, 1, 0}};
    CHECK_EQ(sotto_run_begin(m, &e, 1), SOTTO_EINVAL);
    CHECK_EQ(sotto_run_begin(m, twice, 2), SOTTO_EINVAL);
    CHECK_EQ(sotto_seq_truncate(s, 1), SOTTO_EINVAL);
    CHECK_EQ(sotto_set_threads(m, 0), SOTTO_EINVAL);
    CHECK_EQ(sotto_set_threads(m, MOST_THREADS + 1), SOTTO_EINVAL);
    int n = 0;
    for (sotto_seq *one; sotto_seq_new(m, &one) == SOTTO_OK && n < 100000; n++) t = one;
    CHECK(n >= 1 && n < 100000, "%d sequences could be made", n);
    uint32_t many[40];
    for (int i = 0; i < 40; i++) many[i] = in->tokens[0];
    e = (struct sotto_entry){s, many, 33, SOTTO_WANT_LAST};
    CHECK_EQ(sotto_run_begin(m, &e, 1), SOTTO_CONTEXT_FULL);
    e.n_tokens = 32;
    CHECK_EQ(sotto_run_begin(m, &e, 1), SOTTO_OK);
    CHECK_EQ(drain(m, 0, NULL), SOTTO_OK);
    struct sotto_entry nothing = {t, many, 1, SOTTO_WANT_LAST};
    CHECK_EQ(sotto_run_begin(m, &nothing, 1),
             SOTTO_CONTEXT_FULL); /* the one sequence's pages are taken */
    sotto_model_close(m);
}

/* The loader goes on while workers pack; a job may come in between. */
static void workers_that_pack_give_the_same_model(const struct input *in) {
    uint64_t want[1024] = {0}, got[1024] = {0};
    reference(in, SOTTO_FAST, want);
    for (uint32_t round = 0; round < 20; round++) {
        sotto_header *h = sotto_header_new(&heap.heap);
        sotto_model *m = NULL;
        struct fail f = {0};
        struct sotto_options o = {.context_length = in->n_ctx, .max_threads = MOST_THREADS};
        sotto_header_push(h, 0, in->file.data, in->file.size);
        CHECK_EQ(sotto_model_open(&m, h, &pool, &o, &f), SOTTO_OK);
        CHECK_EQ(sotto_set_threads(m, 1 + round % MOST_THREADS), SOTTO_OK);
        sotto_seq *s;
        sotto_seq_new(m, &s);
        struct sotto_entry e = {s, in->tokens, in->n, SOTTO_WANT_ALL};
        CHECK_EQ(sotto_run_begin(m, &e, 1), SOTTO_OK);
        sotto_feed_share(m);
        int rc = SOTTO_NOT_READY;
        for (uint64_t at = 0; at < in->file.size;) {
            size_t n;
            char *to = sotto_feed_target(m, 0, at, &n);
            if (n > in->file.size - at) n = (size_t)(in->file.size - at);
            if (n > 1000u * (round + 1)) n = 1000u * (round + 1);
            memcpy(to, in->file.data + at, n);
            CHECK_EQ(sotto_feed_commit(m, 0, at, n), SOTTO_OK);
            at += n;
            if (rc == SOTTO_NOT_READY && round % 2) rc = sotto_run(m, 0);
        }
        sotto_feed_join(m);
        CHECK(sotto_feed_ready(m), "everything is packed, but weights are missing");
        CHECK_EQ(drain(m, 0, got), SOTTO_OK);
        CHECK(!memcmp(want, got, in->n * sizeof *got), "logits differ in round %u", round);
        sotto_model_close(m);
    }
}

int main(int argc, char **argv) {
    pthread_t threads[MOST_THREADS];
    setvbuf(stdout, NULL, _IOLBF, 0);
    native_heap_init(&heap);
    pool_init(&pool);
    for (uint32_t i = 1; i < MOST_THREADS; i++)
        pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i);
    while (word_load(&pool.n_joined) < MOST_THREADS - 1) {
    }
    static const struct {
        const char *kind, *name;
    } split[] = {{"arch", "llama-gqa-tied-ropefreqs"},
                 {"arch", "gemma3"},
                 {"arch", "qwen3moe"},
                 {"arch", "gpt-oss"},
                 {"arch", "gemma4-shared-kv"},
                 {"arch", "deepseek2-absorbed"},
                 {"arch", "mamba"},
                 {"arch", "mamba2"},
                 {"arch", "lfm2"},
                 {"quantmodel", "llama-Q4_K_M-mix"},
                 {"quantmodel", "mixtral-Q8_0"}};
    const char *cases = argc > 1 ? argv[1] : NULL;
    if (!cases) check_skip("no folder of cases was given");
    for (size_t i = 0; cases && i < sizeof split / sizeof *split; i++) {
        struct input in = load(cases, split[i].kind, split[i].name);
        if (in.tokens) {
            the_same_bits_however_work_is_split(&in, split[i].name, SOTTO_FAST);
            if (i == 0) the_same_bits_however_work_is_split(&in, split[i].name, SOTTO_EXACT);
            forks_and_truncations_continue_as_if_fresh(&in, SOTTO_KV_F16);
            memory_stays_below_what_was_said(&in);
            workers_that_pack_give_the_same_model(&in);
        }
        unload(&in);
    }
    struct input in = cases ? load(cases, "arch", "llama-gqa-tied-ropefreqs") : (struct input){0};
    if (in.tokens) {
        forks_and_truncations_continue_as_if_fresh(&in, SOTTO_KV_F32);
        forks_and_truncations_continue_as_if_fresh(&in, SOTTO_KV_Q8_0);
        sequences_of_a_batch_are_independent(&in);
        windows_free_pages_and_prefill_again(&in);
        an_abort_leaves_whole_pieces(&in);
        every_failing_allocation_is_reported(&in);
        a_cut_header_asks_for_more(&in, 61);
        lies_get_a_sentence(&in);
        misuse_is_refused(&in);
    }
    unload(&in);
    in = cases ? load(cases, "arch", "mamba") : (struct input){0};
    if (in.tokens) {
        sequences_of_a_batch_are_independent(&in);
        an_abort_leaves_whole_pieces(&in);
        every_failing_allocation_is_reported(&in);
    }
    unload(&in);
    in = cases ? load(cases, "arch", "gemma3") : (struct input){0};
    if (in.tokens) windows_free_pages_and_prefill_again(&in);
    unload(&in);
    in = cases ? load(cases, "arch", "deepseek2-absorbed") : (struct input){0};
    struct input sharing =
        cases ? load(cases, "arch", "gemma4-shared-kv") : (struct input){0};
    if (in.tokens && sharing.tokens) lies_about_latents_and_sharing(&in, &sharing);
    unload(&in), unload(&sharing);
    CHECK_EQ(heap.heap.used, 0);
    pool_stop(&pool);
    for (uint32_t i = 1; i < MOST_THREADS; i++) pthread_join(threads[i], NULL);
    return check_done();
}
