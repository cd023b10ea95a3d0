/* logits, perplexity, embed, info and bench. */
#include "base/fmath.h"
#include "base/sync.h"
#include "cli.h"

/* ---- logits ---------------------------------------------------------------------------------- */
struct rows {
    struct session *s;
    FILE *file;
    struct sha256 hash;
    uint32_t n, best;
};

/* Rows are written as they lie in memory: f32, little-endian on every machine that this runs on. */
static bool take_row(void *arg, const float *row, uint32_t position) {
    struct rows *r = arg;
    uint32_t n = sotto_n_vocab(r->s->model);
    (void)position;
    r->best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (row[i] > row[r->best]) r->best = i;
    sha256_add(&r->hash, row, n * sizeof *row);
    r->n++;
    if (r->file && fwrite(row, sizeof *row, n, r->file) != n)
        return say_error("writing the logits failed");
    return true;
}

int command_logits(const struct options *o) {
    struct session s;
    struct rows r = {.s = &s};
    size_t size = 0;
    uint32_t n = 0, *ids;
    char *text = o->tokens ? NULL : prompt_text(o, NULL, &size), hex[65];
    bool ok = false;
    struct dump *dump = NULL;
    int64_t steps = o->n > 0 ? o->n : 0;
    if (!text && !o->tokens) return o->file ? 1 : 2;
    if (!session_open(&s, o, 0, 0)) return 1;
    ids = tokens_of(&s, text, size,
                    (o->special ? SOTTO_ADD_SPECIAL : 0u) | (o->parse ? SOTTO_PARSE_SPECIAL : 0u),
                    &n);
    if (ids && o->out && !(r.file = fopen(o->out, "wb")))
        say_error("%s cannot be written", o->out);
    else if (ids && (!o->dump || (dump = dump_open(&s, o->dump)))) {
        struct sbuf b = sbuf_new(&s.heap.heap);
        sha256_init(&r.hash);
        sbuf_str(&b, "{\"tokens\":[");
        ok = evaluate(&s, ids, n, o->all ? SOTTO_WANT_ALL : SOTTO_WANT_LAST, take_row, &r);
        for (int64_t i = 0; ok && i < steps; i++) {
            uint32_t id = r.best;
            sbuf_fmt(&b, i ? ",%u" : "%u", id);
            ok = evaluate(&s, &id, 1, SOTTO_WANT_LAST, take_row, &r);
        }
        sha256_hex(&r.hash, hex);
        sbuf_fmt(
            &b,
            "],\"rows\":%u,\"vocabulary\":%u,\"next\":%u,\"threads\":%u,\"logitsSha256\":\"%s\"}",
            r.n, sotto_n_vocab(s.model), r.best, s.n_threads, hex);
        if (ok) print_json(&b);
        sbuf_free(&b);
    }
    if (!dump_close(dump)) ok = false;
    if (r.file && fclose(r.file)) ok = say_error("%s could not be written whole", o->out);
    free(ids);
    free(text);
    session_close(&s);
    return ok ? 0 : 1;
}

/* ---- perplexity ------------------------------------------------------------------------------ */
struct score {
    struct session *s;
    const uint32_t *ids;
    uint32_t n;
    double sum;
    float *logprob;
};

/* The probability of the next token under the softmax of a row. */
static bool take_score(void *arg, const float *row, uint32_t position) {
    struct score *c = arg;
    uint32_t n = sotto_n_vocab(c->s->model);
    double top = row[0], sum = 0, logprob;
    if (position + 1 >= c->n) return true;
    for (uint32_t i = 1; i < n; i++)
        if (row[i] > top) top = row[i];
    for (uint32_t i = 0; i < n; i++) sum += d_exp(row[i] - top);
    logprob = row[c->ids[position + 1]] - top - d_log(sum);
    c->logprob[position] = (float)logprob;
    c->sum -= logprob;
    return true;
}

int command_perplexity(const struct options *o) {
    struct session s;
    struct score c = {.s = &s};
    size_t size = 0;
    char *text;
    uint32_t *ids = NULL;
    bool ok = false;
    if (!o->file && !o->prompt) {
        say_error("perplexity wants a text: -f FILE");
        return 2;
    }
    text = prompt_text(o, NULL, &size);
    /* a text has at most one token a byte, and the special ones */
    if (!text ||
        !session_open(&s, o, size + 8 < 1u << 20 ? (uint32_t)size / 2 + 64 : 1u << 19, 0)) {
        free(text);
        return 1;
    }
    ids = tokens_of(&s, text, size, o->special ? SOTTO_ADD_SPECIAL : 0u, &c.n);
    c.ids = ids;
    if (ids && c.n < 2)
        say_error("the text is too short");
    else if (ids && (c.logprob = calloc(c.n, sizeof *c.logprob))) {
        double start = clock_ms();
        ok = true;
        for (uint32_t at = 0; ok && at < c.n; at += o->chunk) {
            ok = evaluate(&s, ids + at, c.n - at < o->chunk ? c.n - at : o->chunk, SOTTO_WANT_ALL,
                          take_score, &c);
            if (ok && !o->json && !o->quiet)
                fprintf(stderr, "\r%u of %u tokens", at + o->chunk < c.n ? at + o->chunk : c.n,
                        c.n);
        }
        if (ok && o->out) {
            FILE *file = fopen(o->out, "wb");
            ok = file && fwrite(c.logprob, sizeof *c.logprob, c.n - 1, file) == c.n - 1 &&
                 fclose(file) == 0;
            if (!ok) say_error("%s cannot be written", o->out);
        }
        if (ok) {
            double nll = c.sum / (c.n - 1), ms = clock_ms() - start;
            if (o->json)
                printf("{\"tokens\":%u,\"scored\":%u,\"meanNll\":%.9g,\"perplexity\":%.9g,\"ms\":%."
                       "0f}\n",
                       c.n, c.n - 1, nll, d_exp(nll), ms);
            else
                printf("\nperplexity %.4f (mean negative log-likelihood %.6f over %u tokens)\n",
                       d_exp(nll), nll, c.n - 1);
        }
    }
    free(c.logprob);
    free(ids);
    free(text);
    session_close(&s);
    return ok ? 0 : 1;
}

/* ---- info ------------------------------------------------------------------------------------ */
int command_info(const struct options *o) {
    struct native_heap heap;
    struct sotto_options so = {.context_length = o->context,
                               .kv_type = o->kv,
                               .arithmetic = o->arithmetic,
                               .max_threads = o->n_threads ? o->threads[0] : 1};
    sotto_header *h;
    const char *info;
    native_heap_init(&heap);
    h = read_headers(&heap.heap, o->model);
    if (!h) return 1;
    info = sotto_header_info(h, &so);
    if (!info)
        say_error("%s", sotto_header_fail(h)->text);
    else if (o->json)
        puts(info);
    else { /* one member of the outer object a line */
        int level = 0;
        bool string = false;
        for (const char *p = info; *p; p++) {
            if (string && *p == '\\')
                putchar(*p++);
            else if (*p == '"')
                string = !string;
            if (!string) level += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
            putchar(*p);
            if (!string && level == 1 && (*p == ',' || p == info)) fputs("\n  ", stdout);
        }
        putchar('\n');
    }
    sotto_header_free(h);
    return info ? 0 : 1;
}

/* ---- bench ----------------------------------------------------------------------------------- */
static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Token ids that are the same in every run and far from any pattern. */
static void fill(struct session *s, uint32_t *ids, uint32_t n) {
    uint32_t state = 12345, vocabulary = sotto_n_vocab(s->model);
    for (uint32_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        ids[i] = (state >> 8) % vocabulary;
    }
}

/* One measurement: prompt of n at depth, or n single tokens; tokens a second, negative on failure.
 */
static double measure(struct session *s, const uint32_t *ids, uint32_t n, uint32_t depth,
                      bool prompt) {
    double start;
    /* the depth is filled in anew: going back behind a window would evaluate it */
    if (model_failed(s, sotto_seq_fill(s->seq, depth))) return -1;
    start = clock_ms();
    if (prompt && !evaluate(s, ids, n, SOTTO_WANT_LAST, NULL, NULL)) return -1;
    for (uint32_t i = 0; !prompt && i < n; i++)
        if (!evaluate(s, ids + i, 1, SOTTO_WANT_LAST, NULL, NULL)) return -1;
    return n * 1000.0 / (clock_ms() - start);
}

static bool bench_one(struct session *s, const uint32_t *ids, uint32_t n, bool prompt) {
    const struct options *o = s->o;
    double speed[64];
    char test[48];
    uint32_t repeat = o->repeat > 64 ? 64 : o->repeat;
    int width = snprintf(test, sizeof test, prompt ? "pp%u" : "tg%u", n);
    if (o->depth) snprintf(test + width, sizeof test - (size_t)width, "@d%u", o->depth);
    if (measure(s, ids, prompt ? n : n < 4 ? n : 4, o->depth, prompt) < 0)
        return false; /* warm-up */
    if (o->profile) sotto_profile_start(s->model);
    for (uint32_t i = 0; i < repeat; i++)
        if ((speed[i] = measure(s, ids, n, o->depth, prompt)) < 0) return false;
    qsort(speed, repeat, sizeof *speed, by_size);
    if (o->json)
        printf("{\"engine\":\"sotto\",\"host\":\"native\",\"threads\":%u,\"test\":\"%s\","
               "\"median\":%.3f,\"min\":%.3f,\"max\":%.3f,\"unit\":\"tokens/s\"}\n",
               s->n_threads, test, speed[repeat / 2], speed[0], speed[repeat - 1]);
    else
        printf("%-14s %u threads  %10.2f tokens/s  (%.2f to %.2f)\n", test, s->n_threads,
               speed[repeat / 2], speed[0], speed[repeat - 1]);
    fflush(stdout);
    if (o->profile) {
        const char *profile = sotto_profile(s->model);
        puts(profile ? profile : "{}");
    }
    return true;
}

int command_bench(const struct options *o) {
    struct session s;
    uint32_t pp = o->pp < 0 ? 256 : (uint32_t)o->pp, tg = o->tg < 0 ? 64 : (uint32_t)o->tg,
             most = 1, longest;
    uint32_t *ids;
    bool ok;
    for (uint32_t i = 0; i < o->n_threads; i++) most = o->threads[i] > most ? o->threads[i] : most;
    longest = pp > tg ? pp : tg;
    if (!session_open(&s, o, o->depth + longest + 16, o->n_threads ? most : 0)) return 1;
    ids = malloc(((size_t)longest + 1) * sizeof *ids);
    ok = ids != NULL;
    if (ok) fill(&s, ids, longest);
    for (uint32_t i = 0; ok && i < (o->n_threads ? o->n_threads : 1); i++) {
        if (o->n_threads)
            ok = session_threads(&s, o->threads[i] < s.pool.n_joined + 1 ? o->threads[i]
                                                                         : s.pool.n_joined + 1);
        if (ok && pp) ok = bench_one(&s, ids, pp, true);
        if (ok && tg) ok = bench_one(&s, ids, tg, false);
    }
    free(ids);
    session_close(&s);
    return ok ? 0 : 1;
}
