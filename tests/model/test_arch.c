/* Logits of every architecture case against the reference, in exact arithmetic with an F32 cache:
 * whole prompt in one batch, then the greedy tokens that are decided. */
#define _POSIX_C_SOURCE 200809L /* strdup, dirent */
#include "../check.h"
#include "case_file.h"
#include <math.h>

struct verdict {
    double max_abs, nmse;
    bool near, greedy;
};

/* Runs the prompt and compares with the reference file. */
static struct verdict compare(sotto_model *m, const uint32_t *tokens, uint32_t n,
                              const struct json *c, const struct json *part, const char *dir,
                              const char *file) {
    struct verdict v = {.max_abs = INFINITY, .nmse = INFINITY};
    struct bytes ref = read_bytes(dir, file);
    const float *want = (const float *)(void *)ref.data;
    uint32_t n_vocab = sotto_n_vocab(m), n_rows, n_greedy, seen = 0;
    uint32_t *rows = json_ids(json_path(c, "logits", "positions"), &n_rows);
    if (!n_rows) { /* all positions */
        free(rows);
        rows = malloc(n * sizeof *rows);
        for (n_rows = 0; n_rows < n; n_rows++) rows[n_rows] = n_rows;
    }
    uint32_t *greedy = json_ids(json_get(part, "greedy"), &n_greedy);
    uint32_t checked = (uint32_t)json_num(json_get(part, "greedy_checked"), 0), next = 0;
    double worst = 0, error = 0, power = 0;
    sotto_seq *s;
    sotto_seq_new(m, &s);
    struct sotto_entry e = {s, tokens, n, SOTTO_WANT_ALL};
    int rc = sotto_run_begin(m, &e, 1);
    while (!rc || rc == SOTTO_MORE) {
        rc = sotto_run(m, 0);
        for (uint32_t i = 0; i < sotto_n_rows(m); i++) {
            uint32_t entry, position;
            const float *got = sotto_row(m, i, &entry, &position);
            if (position + 1 == n)
                for (uint32_t t = next = 0; t < n_vocab; t++)
                    if (got[t] > got[next]) next = t;
            for (uint32_t r = 0; r < n_rows; r++) {
                if (rows[r] != position || (r + 1) * (size_t)n_vocab * 4 > ref.size) continue;
                for (uint32_t t = 0; t < n_vocab; t++) {
                    double w = (double)want[(size_t)r * n_vocab + t], d = (double)got[t] - w;
                    if (!(fabs(d) <= worst)) worst = fabs(d);
                    error += d * d, power += w * w;
                }
                seen++;
            }
        }
        if (rc != SOTTO_MORE) break;
    }
    if (rc == SOTTO_OK && seen == n_rows && n_rows) v.max_abs = worst, v.nmse = error / power;
    v.near = v.max_abs <= json_num(json_path(part, "tolerance", "max_abs"), 0) &&
             v.nmse <= json_num(json_path(part, "tolerance", "nmse"), 0);
    v.greedy = rc == SOTTO_OK;
    for (uint32_t i = 0; i < checked && i < n_greedy && v.greedy; i++) {
        v.greedy = next == greedy[i];
        struct sotto_entry one = {s, &next, 1, SOTTO_WANT_LAST};
        if (sotto_run_begin(m, &one, 1) || sotto_run(m, 0)) break;
        const float *got = sotto_row(m, 0, NULL, NULL);
        for (uint32_t t = next = 0; t < n_vocab; t++)
            if (got[t] > got[next]) next = t;
    }
    sotto_seq_free(s);
    free(rows), free(greedy), free(ref.data);
    return v;
}

/* Runs the tokens for rows of the kind wanted; the floats of all rows, malloc'ed, *n of them. */
static float *embedded(sotto_model *m, const uint32_t *tokens, uint32_t n_tokens, uint32_t want,
                       size_t *n) {
    sotto_seq *s;
    float *out = NULL;
    *n = 0;
    if (sotto_seq_new(m, &s)) return NULL;
    struct sotto_entry e = {s, tokens, n_tokens, want};
    int rc = sotto_run_begin(m, &e, 1);
    while (!rc || rc == SOTTO_MORE) {
        rc = sotto_run(m, 0);
        size_t width = sotto_row_width(m);
        for (uint32_t i = 0; i < sotto_n_rows(m); i++) {
            out = realloc(out, (*n + width) * sizeof *out);
            memcpy(out + *n, sotto_row(m, i, NULL, NULL), width * sizeof *out);
            *n += width;
        }
        if (rc != SOTTO_MORE) break;
    }
    if (rc) *n = 0;
    sotto_seq_free(s);
    return out;
}

/* The states of all tokens and the pooled vector against the reference with the exact GELU, or the
 * other where there is only one. */
static void compare_embeddings(sotto_model *m, const uint32_t *tokens, uint32_t n,
                               const struct json *c, const char *dir, const char *name) {
    static const char *const parts[] = {"embd_tokens", "embd_pooled"};
    bool precise = json_get(c, "embd_tokens_precise") != NULL;
    const struct json *tolerance =
        precise ? json_path(c, "embd_tokens_precise", "tolerance") : json_get(c, "tolerance");
    for (int i = 0; i < 2; i++) {
        char file[64];
        size_t n_got;
        snprintf(file, sizeof file, "%s%s.f32", parts[i], precise ? "_precise" : "");
        struct bytes ref = read_bytes(dir, file);
        const float *want = (const float *)(void *)ref.data;
        float *got = embedded(m, tokens, n, i ? SOTTO_WANT_POOLED : SOTTO_WANT_STATES, &n_got);
        double most = 0, error = 0, power = 0;
        for (size_t k = 0; k < n_got && 4 * n_got == ref.size; k++) {
            double d = (double)got[k] - (double)want[k];
            if (!(fabs(d) <= most)) most = fabs(d);
            error += d * d, power += (double)want[k] * (double)want[k];
        }
        CHECK(n_got && 4 * n_got == ref.size &&
                  most <= json_num(json_get(tolerance, "max_abs"), 0) &&
                  error / power <= json_num(json_get(tolerance, "nmse"), 0),
              "%s %s: %zu of %zu numbers, max_abs %.3g nmse %.3g: %s", name, file, n_got,
              ref.size / 4, most, error / power, sotto_model_fail(m)->text);
        free(got), free(ref.data);
    }
}

static long n_unsupported;

static void one_case(const char *dir, const char *name, bool exact) {
    struct native_heap heap;
    native_heap_init(&heap);
    struct json *c = read_json(&heap.heap, dir, "case.json"),
                *t = read_json(&heap.heap, dir, "tokens.json");
    struct bytes file = read_bytes(dir, "model.gguf");
    if (!CHECK(c && t && file.data, "%s: case not readable", name)) return;
    struct pool pool;
    pool_init(&pool);
    struct sotto_options o = {.context_length = (uint32_t)json_num(json_get(c, "n_ctx"), 256),
                              .kv_type = SOTTO_KV_F32,
                              .arithmetic = exact ? SOTTO_EXACT : SOTTO_FAST};
    struct fail f = {0};
    uint32_t n;
    uint32_t *tokens = json_ids(json_get(t, "tokens"), &n);
    sotto_model *m = open_fed(&heap.heap, &pool, file, &o, &f);
    if (!m && f.code == SOTTO_UNSUPPORTED) {
        n_unsupported++;
        printf("not supported: %s: %s\n", name, f.text);
    } else if (m && !strcmp(json_text(c, "kind"), "embedding")) {
        compare_embeddings(m, tokens, n, c, dir, name);
    } else if (CHECK(m != NULL, "%s: %s", name, f.text) &&
               CHECK(sotto_feed_ready(m), "%s: bytes are missing", name)) {
        const struct json *precise = json_get(c, "logits_precise"),
                          *dequant = json_get(c, "logits_dequant");
        struct verdict v;
        if (dequant && exact)
            v = compare(m, tokens, n, c, dequant, dir, "logits_dequant.f32");
        else if (precise)
            v = compare(m, tokens, n, c, precise, dir, "logits_precise.f32");
        else
            v = compare(m, tokens, n, c, c, dir, "logits.f32");
        /* 8-bit activations may flip a choice of experts, which moves single logits far: then the
         * mean decides */
        if (!exact && json_path(c, "metadata", "expert_count"))
            v.near = v.nmse <= json_num(json_path(c, "tolerance", "nmse"), 0);
        CHECK(v.near && v.greedy, "%s (%s): max_abs %.3g nmse %.3g, greedy %s: %s", name,
              exact ? "exact" : "fast", v.max_abs, v.nmse, v.greedy ? "same" : "differs",
              sotto_model_fail(m)->text);
    }
    sotto_model_close(m);
    json_free(&heap.heap, c), json_free(&heap.heap, t);
    CHECK(heap.heap.used == 0, "%s: %zu bytes were not given back", name, heap.heap.used);
    free(tokens), free(file.data);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Runs every case folder below cases/kind, or the one called only. */
static void all_cases(const char *cases, const char *kind, const char *only) {
    char dir[1024], *names[512];
    int n = 0;
    snprintf(dir, sizeof dir, "%s/%s", cases, kind);
    DIR *d = opendir(dir);
    if (!d) {
        check_skip("%s: no such folder", dir);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) && n < 512;)
        if (e->d_name[0] != '.' && (!only || strstr(e->d_name, only)))
            names[n++] = strdup(e->d_name);
    closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) {
        snprintf(dir, sizeof dir, "%s/%s/%s", cases, kind, names[i]);
        one_case(dir, names[i], true);
        if (!strcmp(kind, "quantmodel")) one_case(dir, names[i], false);
        free(names[i]);
    }
}

int main(int argc, char **argv) {
    if (argc < 2)
        check_skip("no folder of cases was given");
    else {
        all_cases(argv[1], "arch", argc > 3 ? argv[3] : NULL);
        all_cases(argv[1], "quantmodel", argc > 3 ? argv[3] : NULL);
        printf("not supported: %ld cases\n", n_unsupported);
    }
    return check_done();
}
