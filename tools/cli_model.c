/* Models for the command line: reading files into the engine, threads, batches, sampling defaults.
 */
#include "base/sync.h"
#include "cli.h"
#include "text/json.h"
#include <math.h>
#include <sys/types.h>
#ifndef __wasi__
#include <pthread.h>
#include <unistd.h>
#endif

/* ---- threads --------------------------------------------------------------------------------- */
#ifdef __wasi__
static uint32_t default_threads(void) {
    return 1;
}
static uint32_t start_threads(struct session *s, uint32_t n) {
    (void)s, (void)n;
    return 1;
}
static void stop_threads(struct session *s) {
    (void)s;
}
#else
struct worker {
    pthread_t thread;
    struct pool *pool;
    uint32_t index;
};

static uint32_t default_threads(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 8 ? 8 : (uint32_t)n;
}

static void *work(void *arg) {
    struct worker *w = arg;
    pool_worker(w->pool, w->index);
    return NULL;
}

/* Starts n - 1 workers and waits until they have joined; returns how many threads there are. */
static uint32_t start_threads(struct session *s, uint32_t n) {
    struct worker *w = calloc(POOL_MAX_THREADS, sizeof *w);
    uint32_t started = 1;
    if (!w) return 1;
    s->threads = w;
    for (uint32_t i = 1; i < n; i++) {
        w[i] = (struct worker){.pool = &s->pool, .index = i};
        if (pthread_create(&w[i].thread, NULL, work, &w[i])) break;
        started++;
    }
    for (int tries = 0; word_load(&s->pool.n_joined) + 1 < started && tries < 10000; tries++)
        usleep(100);
    return word_load(&s->pool.n_joined) + 1;
}

static void stop_threads(struct session *s) {
    struct worker *w = s->threads;
    pool_stop(&s->pool);
    for (uint32_t i = 1; w && i < POOL_MAX_THREADS; i++)
        if (w[i].pool) pthread_join(w[i].thread, NULL);
    free(w);
}
#endif

/* ---- files ----------------------------------------------------------------------------------- */
void part_path(char *dst, size_t cap, const char *path, uint32_t part, uint32_t n) {
    size_t size = strlen(path), tail = strlen("-00001-of-00001.gguf");
    snprintf(dst, cap, "%s", path);
    if (n < 2 || size < tail || size >= cap || strncmp(path + size - tail, "-00001-of-", 10) != 0)
        return;
    snprintf(dst + size - tail, cap - (size - tail), "-%05u-of-%05u.gguf", part + 1, n);
}

static bool read_header(sotto_header *h, const char *path, uint32_t part) {
    char name[4096];
    FILE *file;
    int code = SOTTO_MORE;
    size_t cap = 1 << 18, n;
    char *buffer;
    part_path(name, sizeof name, path, part, part ? sotto_header_parts(h) : 1);
    file = fopen(name, "rb");
    if (!file) return say_error("%s cannot be opened", name);
    buffer = malloc(cap);
    while (buffer && code == SOTTO_MORE && (n = fread(buffer, 1, cap, file)) > 0)
        code = sotto_header_push(h, part, buffer, n);
    free(buffer);
    fclose(file);
    if (code == SOTTO_OK) return true;
    if (code == SOTTO_MORE) return say_error("%s: the file ends inside its header", name);
    return say_error("%s: %s", name, sotto_header_fail(h)->text);
}

sotto_header *read_headers(struct heap *heap, const char *path) {
    sotto_header *h = sotto_header_new(heap);
    bool ok = h && read_header(h, path, 0);
    for (uint32_t i = 1; ok && i < sotto_header_parts(h); i++) ok = read_header(h, path, i);
    if (ok) return h;
    if (h)
        sotto_header_free(h);
    else
        say_error("no memory");
    return NULL;
}

/* The bytes of one range, straight to where the engine wants them. */
static bool feed_range(struct session *s, FILE *file, const char *name, struct sotto_range r) {
    if (fseeko(file, (off_t)r.offset, SEEK_SET))
        return say_error("%s: cannot seek to %llu", name, (unsigned long long)r.offset);
    while (r.bytes) {
        size_t room = 0;
        void *to = sotto_feed_target(s->model, r.part, r.offset, &room);
        if (!to || !room) return say_error("%s", sotto_model_fail(s->model)->text);
        if (room > r.bytes) room = (size_t)r.bytes;
        if (room > 1 << 22) room = 1 << 22;
        if (fread(to, 1, room, file) != room) return say_error("%s: the file ends too early", name);
        if (model_failed(s, sotto_feed_commit(s->model, r.part, r.offset, room))) return false;
        r.offset += room;
        r.bytes -= room;
    }
    return true;
}

static bool feed_all(struct session *s, const char *path, uint32_t n_parts) {
    FILE *files[MAX_FILES] = {NULL};
    char name[4096];
    struct sotto_range r;
    bool ok = true;
    for (uint32_t i = 0; ok && sotto_feed_range(s->model, i, &r) == SOTTO_OK; i++) {
        part_path(name, sizeof name, path, r.part, n_parts);
        if (r.part >= MAX_FILES)
            ok = say_error("a model of more than %d files", MAX_FILES);
        else if (!files[r.part] && !(files[r.part] = fopen(name, "rb")))
            ok = say_error("%s cannot be opened", name);
        else
            ok = feed_range(s, files[r.part], name, r);
    }
    for (int i = 0; i < MAX_FILES; i++)
        if (files[i]) fclose(files[i]);
    if (ok && !sotto_feed_ready(s->model)) ok = say_error("%s: some tensors did not arrive", path);
    return ok;
}

bool session_threads(struct session *s, uint32_t n) {
    s->n_threads = n;
    return !model_failed(s, sotto_set_threads(s->model, n));
}

bool session_open(struct session *s, const struct options *o, uint32_t context,
                  uint32_t n_threads) {
    struct sotto_options so = {.context_length = o->context ? o->context : context,
                               .kv_type = o->kv,
                               .arithmetic = o->arithmetic,
                               .kernel_level = o->kernel};
    struct fail f = {.code = 0};
    double start = clock_ms();
    sotto_header *h;
    uint32_t n_parts;
    if (!n_threads) n_threads = o->n_threads ? o->threads[0] : default_threads();
    *s = (struct session){.o = o};
    native_heap_init(&s->heap);
    pool_init(&s->pool);
    h = read_headers(&s->heap.heap, o->model);
    if (!h) return false;
    n_parts = sotto_header_parts(h);
    n_threads = start_threads(s, n_threads);
    so.max_threads = n_threads;
    if (o->command && strcmp(o->command, "perplexity") == 0) so.batch = o->chunk;
    if (sotto_model_open(&s->model, h, &s->pool, &so, &f)) {
        say_error("%s: %s", o->model, f.text);
        stop_threads(s);
        return false;
    }
    if (!feed_all(s, o->model, n_parts) || !session_threads(s, n_threads) ||
        model_failed(s, sotto_seq_new(s->model, &s->seq))) {
        session_close(s);
        return false;
    }
    s->load_ms = clock_ms() - start;
    return true;
}

void session_close(struct session *s) {
    if (s->seq) sotto_seq_free(s->seq);
    if (s->model) sotto_model_close(s->model);
    stop_threads(s);
}

bool model_failed(const struct session *s, int code) {
    const struct fail *f = sotto_model_fail(s->model);
    if (code == SOTTO_OK) return false;
    if (f->line)
        say_error("%s (line %u, column %u)", f->text, f->line, f->column);
    else
        say_error("%s", f->text[0] ? f->text : sotto_code_name(code));
    return true;
}

/* ---- batches and text ------------------------------------------------------------------------ */
bool evaluate(struct session *s, const uint32_t *ids, uint32_t n, uint32_t want,
              bool (*take)(void *arg, const float *row, uint32_t position), void *arg) {
    struct sotto_entry e = {.seq = s->seq, .tokens = ids, .n_tokens = n, .want = want};
    int code = sotto_run_begin(s->model, &e, 1);
    while (code == SOTTO_OK || code == SOTTO_MORE) {
        uint32_t rows, position;
        code = sotto_run(s->model, 0);
        if (code != SOTTO_OK && code != SOTTO_MORE) break;
        rows = sotto_n_rows(s->model);
        for (uint32_t i = 0; i < rows && take; i++) {
            const float *row = sotto_row(s->model, i, NULL, &position);
            if (!take(arg, row, position)) return false;
        }
        if (code == SOTTO_OK) return true;
    }
    return !model_failed(s, code);
}

static uint32_t *listed_tokens(const char *list, uint32_t *n) {
    uint32_t *ids = malloc((strlen(list) + 1) * sizeof *ids);
    for (*n = 0; ids && *list; (*n)++) {
        char *end;
        ids[*n] = (uint32_t)strtoul(list, &end, 10);
        if (end == list || (*end && *end != ',')) {
            say_error("--tokens wants numbers with commas between them");
            free(ids);
            return NULL;
        }
        list = end + (*end == ',');
    }
    return ids;
}

uint32_t *tokens_of(struct session *s, const char *text, size_t n, unsigned flags,
                    uint32_t *n_ids) {
    const uint32_t *ids;
    size_t count;
    uint32_t *copy;
    if (!text) return listed_tokens(s->o->tokens, n_ids);
    if (model_failed(s, sotto_tokenize(s->model, text, n, flags, &ids, &count))) return NULL;
    copy = malloc(count ? count * sizeof *copy : 1);
    if (!copy) {
        say_error("no memory for %zu tokens", count);
        return NULL;
    }
    if (count) memcpy(copy, ids, count * sizeof *copy);
    *n_ids = (uint32_t)count;
    return copy;
}

/* The model's own recommendation, else the defaults; the command line above both. */
void sampling_of(struct session *s, struct sotto_sampling *out) {
    const struct options *o = s->o;
    const char *info = sotto_model_info(s->model);
    struct json *root = NULL;
    const struct json *own = NULL;
    double v[5] = {0.8, 0, 0.95, 0.05, 0};
    static const char *const names[] = {"temperature", "topK", "topP", "minP", "repeatPenalty"};
    const double given[5] = {o->temperature, o->top_k, o->top_p, o->min_p, o->repeat_penalty};
    if (info && json_parse(&root, &s->heap.heap, info, strlen(info), NULL) == SOTTO_OK)
        own = json_get(root, "sampling");
    if (own) memset(v, 0, sizeof v), v[0] = 0.8;
    for (int i = 0; i < 5; i++) {
        const struct json *number = own ? json_get(own, names[i]) : NULL;
        if (number) v[i] = number->number;
        if (!isnan(given[i])) v[i] = given[i];
    }
    json_free(&s->heap.heap, root);
    *out = (struct sotto_sampling){.temperature = (float)v[0],
                                   .top_k = v[1] > 0 ? (uint32_t)v[1] : 0,
                                   .top_p = (float)v[2],
                                   .min_p = (float)v[3],
                                   .repeat_penalty = (float)v[4]};
    out->seed = o->has_seed ? o->seed : (uint64_t)(clock_ms() * 1e3) ^ (uintptr_t)&root;
}
