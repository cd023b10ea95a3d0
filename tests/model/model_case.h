/* A case opened as a model in one heap and one pool, and its logits as one hash a position. */
#ifndef SOTTO_TESTS_MODEL_CASE_H
#define SOTTO_TESTS_MODEL_CASE_H

#include "../check.h"
#include "case_file.h"

enum { MOST_THREADS = 8 };

__attribute__((unused)) static struct pool pool;
static struct native_heap heap;

struct input {
    struct bytes file;
    uint32_t *tokens;
    uint32_t n, n_ctx;
};

static inline struct input load(const char *cases, const char *kind, const char *name) {
    char dir[1024];
    struct input in = {0};
    snprintf(dir, sizeof dir, "%s/%s/%s", cases, kind, name);
    struct json *c = read_json(&heap.heap, dir, "case.json"),
                *t = read_json(&heap.heap, dir, "tokens.json");
    in.file = read_bytes(dir, "model.gguf");
    if (in.file.data && c && t) {
        in.tokens = json_ids(json_get(t, "tokens"), &in.n);
        in.n_ctx = (uint32_t)json_num(json_get(c, "n_ctx"), 256);
    } else
        check_skip("%s is absent", dir);
    json_free(&heap.heap, c), json_free(&heap.heap, t);
    return in;
}

static inline void unload(struct input *in) {
    free(in->file.data), free(in->tokens);
}

static inline uint64_t hash(uint64_t h, const void *bytes, size_t n) { /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return h;
}

/* Runs what was begun to its end and hashes every row into hashes[position]. */
static inline int drain(sotto_model *m, double budget, uint64_t *hashes) {
    for (int i = 0; i < 100000; i++) {
        int rc = sotto_run(m, budget);
        for (uint32_t r = 0; r < sotto_n_rows(m); r++) {
            uint32_t position;
            const float *row = sotto_row(m, r, NULL, &position);
            if (hashes)
                hashes[position] = hash(14695981039346656037u, row, sotto_n_vocab(m) * sizeof *row);
        }
        if (rc != SOTTO_MORE) return rc;
    }
    return SOTTO_LIMIT;
}

static inline int evaluate(sotto_model *m, sotto_seq *s, const uint32_t *tokens, uint32_t n,
                           uint32_t want, double budget, uint64_t *hashes) {
    struct sotto_entry e = {s, tokens, n, want};
    int rc = sotto_run_begin(m, &e, 1);
    return rc ? rc : drain(m, budget, hashes);
}

static inline sotto_model *open_in(const struct input *in, struct sotto_options o) {
    struct fail f = {0};
    if (!o.context_length) o.context_length = in->n_ctx;
    o.max_threads = MOST_THREADS;
    sotto_model *m = open_fed(&heap.heap, &pool, in->file, &o, &f);
    if (!CHECK(m != NULL, "%s", f.text)) exit(1);
    return m;
}

/* Logits of every position in one walk, the measure for the other ways. */
static inline void reference(const struct input *in, uint32_t arithmetic, uint64_t *hashes) {
    sotto_model *m = open_in(in, (struct sotto_options){.arithmetic = arithmetic});
    sotto_seq *s;
    CHECK_EQ(sotto_seq_new(m, &s), SOTTO_OK);
    CHECK_EQ(evaluate(m, s, in->tokens, in->n, SOTTO_WANT_ALL, 0, hashes), SOTTO_OK);
    sotto_model_close(m);
}

/* Opens the file with `n` bytes behind `name` (skip bytes after it) replaced; the failure's
 * sentence must hold `word`. */
static inline void lie(const struct input *in, const char *name, size_t skip, const void *value,
                       size_t n, int code, const char *word) {
    struct input copy = *in;
    struct fail f = {0};
    struct sotto_options o = {.context_length = 64};
    char *at = NULL;
    copy.file.data = malloc(in->file.size);
    memcpy(copy.file.data, in->file.data, in->file.size);
    for (size_t i = 0; !at && i + strlen(name) < in->file.size; i++)
        if (!memcmp(copy.file.data + i, name, strlen(name))) at = copy.file.data + i + strlen(name);
    if (CHECK(at != NULL, "%s does not occur in the file", name)) {
        memcpy(at + skip, value, n);
        sotto_model *m = open_fed(&heap.heap, &pool, copy.file, &o, &f);
        CHECK(!m && f.code == code && strstr(f.text, word), "%s changed: code %d, \"%s\"", name,
              f.code, f.text);
        sotto_model_close(m);
    }
    free(copy.file.data);
}

#endif
