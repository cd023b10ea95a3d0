/* The two real models of the cases against the reference: greedy tokens until a near-tie, the best
 * logits of a text. argv: the folder of cases, and one with the models' files (else
 * $HOME/.cache/sotto/models). */
#define _POSIX_C_SOURCE 200809L
#include "../check.h"
#include "case_file.h"
#include <math.h>

enum {
    EXACT_PROMPTS = 1,
    EXACT_TOKENS = 4,
    FAST_PROMPTS = 3,
    TOP_TOKENS = 40
}; /* exact arithmetic is for checking and slow natively */

static uint32_t best_of(const float *x, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* Decodes greedily; returns how many tokens agree before the first that differs, at most n. */
static uint32_t follow(sotto_model *m, const uint32_t *prompt, uint32_t n_prompt,
                       const uint32_t *want, uint32_t n) {
    sotto_seq *s;
    uint32_t agreed = 0, next = 0;
    if (sotto_seq_new(m, &s)) return 0;
    struct sotto_entry e = {s, prompt, n_prompt, SOTTO_WANT_LAST};
    for (; agreed < n; agreed++) {
        if (sotto_run_begin(m, &e, 1) || sotto_run(m, 0) || sotto_n_rows(m) != 1) break;
        next = best_of(sotto_row(m, 0, NULL, NULL), sotto_n_vocab(m));
        if (next != want[agreed]) break;
        e.tokens = &next, e.n_tokens = 1;
    }
    sotto_seq_free(s);
    return agreed;
}

static void greedy(sotto_model *m, struct heap *heap, const char *dir, bool exact) {
    struct json *root = read_json(heap, dir, "greedy.json");
    const struct json *list = json_get(root, "cases");
    uint32_t i = 0;
    CHECK(list && list->count, "%s/greedy.json not readable", dir);
    uint32_t most = exact ? EXACT_PROMPTS : FAST_PROMPTS; /* the conformance run takes all */
    for (const struct json *c = list ? list->first : NULL; c && i < most; c = c->next, i++) {
        uint32_t n_prompt, n, firm = 0;
        uint32_t *prompt = json_ids(json_get(c, "tokens"), &n_prompt);
        const struct json *ids = json_get(c, exact ? "greedy_dequantised_f32" : "greedy");
        const struct json *margins = json_get(c, exact ? "margin_dequantised_f32" : "margin");
        uint32_t *want = json_ids(ids, &n);
        for (const struct json *j = margins ? margins->first : NULL;
             j && json_num(j, 0) >= (exact ? 1e-3 : 0.6); j = j->next)
            firm++;
        if (firm > n) firm = n;
        if (exact && firm > EXACT_TOKENS) firm = EXACT_TOKENS;
        uint32_t agreed = follow(m, prompt, n_prompt, want, firm);
        CHECK(agreed == firm, "%s, prompt %u (%s): %u of %u tokens agree", dir, i,
              exact ? "exact" : "fast", agreed, firm);
        free(prompt), free(want);
    }
    json_free(heap, root);
}

/* The 20 best logits at each listed position of the text. */
static void top20(sotto_model *m, struct heap *heap, const char *dir) {
    struct json *root = read_json(heap, dir, "top20.json");
    const struct json *positions = json_get(root, "positions_dequantised_f32");
    uint32_t n;
    uint32_t *tokens = json_ids(json_get(root, "tokens"), &n);
    double worst = 0;
    uint32_t seen = 0, wanted = 0;
    sotto_seq *s = NULL;
    if (n > TOP_TOKENS) n = TOP_TOKENS;
    if (!CHECK(positions && !sotto_seq_new(m, &s), "%s/top20.json not readable", dir)) return;
    for (const struct json *p = positions->first; p; p = p->next)
        wanted += json_num(json_get(p, "pos"), 1e9) < n;
    struct sotto_entry e = {s, tokens, n, SOTTO_WANT_ALL};
    int rc = sotto_run_begin(m, &e, 1);
    for (rc = rc ? rc : SOTTO_MORE; rc == SOTTO_MORE;) {
        rc = sotto_run(m, 0);
        for (uint32_t r = 0; r < sotto_n_rows(m); r++) {
            uint32_t position;
            const float *row = sotto_row(m, r, NULL, &position);
            for (const struct json *p = positions->first; p; p = p->next) {
                if ((uint32_t)json_num(json_get(p, "pos"), -1) != position) continue;
                const struct json *list = json_get(p, "top");
                for (const struct json *j = list ? list->first : NULL; j; j = j->next, seen++) {
                    double d = fabs((double)row[(uint32_t)json_num(j->first, 0)] -
                                    json_num(j->first->next, 0));
                    if (!(d <= worst)) worst = d;
                }
            }
        }
    }
    CHECK(rc == SOTTO_OK && wanted > 0 && seen == wanted * 20 && worst <= 1e-3,
          "%s: %u logits seen, largest difference %.3g", dir, seen, worst);
    sotto_seq_free(s);
    free(tokens), json_free(heap, root);
}

static void one_model(const char *cases, const char *name, const char *models, const char *file) {
    char dir[1024];
    struct bytes bytes = read_bytes(models, file);
    if (!bytes.data) {
        check_skip("%s/%s is absent", models, file);
        return;
    }
    snprintf(dir, sizeof dir, "%s/real/%s", cases, name);
    for (int exact = 1; exact >= 0; exact--) {
        struct native_heap heap;
        struct pool pool;
        struct fail f = {0};
        native_heap_init(&heap);
        pool_init(&pool);
        struct sotto_options o = {.context_length = 2048,
                                  .kv_type = SOTTO_KV_F32,
                                  .arithmetic = exact ? SOTTO_EXACT : SOTTO_FAST};
        sotto_model *m = open_fed(&heap.heap, &pool, bytes, &o, &f);
        if (CHECK(m && sotto_feed_ready(m), "%s: %s", name, f.text)) {
            greedy(m, &heap.heap, dir, exact);
            if (exact) top20(m, &heap.heap, dir);
        }
        sotto_model_close(m);
        CHECK(heap.heap.used == 0, "%s: %zu bytes were not given back", name, heap.heap.used);
    }
    free(bytes.data);
}

int main(int argc, char **argv) {
    char models[1024];
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *home = getenv("HOME");
    snprintf(models, sizeof models, "%s", argc > 2 ? argv[2] : "");
    if (argc <= 2) snprintf(models, sizeof models, "%s/.cache/sotto/models", home ? home : ".");
    if (argc < 2)
        check_skip("no folder of cases was given");
    else {
        one_model(argv[1], "smollm2-135m-q4_1", models, "smollm2-135m-instruct-q4_1.gguf");
        one_model(argv[1], "gemma3-270m-q4_k_m", models, "gemma-3-270m-q4_k_m.gguf");
    }
    return check_done();
}
