/* The flat export layer: core/api/sotto.h for JavaScript, over one arena in one shared memory.
 *
 * Handles are pointers as u32, file sizes and offsets are f64, booleans and codes are i32. Structures cross
 * as arrays of u32 or f64 whose order is stated at each function and repeated in workers/instance.js. One
 * instance per thread on one memory: the engine's calls everything, compute workers only call worker_run,
 * the loader's only feed_*. The statics below live in that memory, so all instances see the same ones.
 */
#include "api/sotto.h"
#include "arena.h"

#include <string.h>

#ifdef __wasm64__
typedef uint64_t address;
#else
typedef uint32_t address;
#endif

/* `EXPORT(type, name)(parameters)`: the C name is x_name, so that it meets no name of core. */
#define EXPORT(type, name) __attribute__((export_name(#name), used)) type x_##name

extern unsigned char __heap_base[];

enum { WASM_PAGE = 65536, MAX_STOPS = 32 };

static struct arena arena;
static struct heap heap;
static struct pool pool;
static struct fail last_fail; /* of calls that have no object to keep it */

static address to_address(const void *p) { return (address)(uintptr_t)p; }

/* Doubles from JavaScript become sizes; what does not fit becomes one that nothing can serve. */
static size_t to_size(double v) { return v >= 0 && v < (double)SIZE_MAX ? (size_t)v : SIZE_MAX; }
static uint64_t to_offset(double v) { return v >= 0 && v < 0x1p53 ? (uint64_t)v : UINT64_MAX; }
static uint32_t to_u32(double v) { return v >= 0 && v < 0x1p32 ? (uint32_t)v : 0; }

/* ---- memory ----------------------------------------------------------------------------------------- */
static size_t more_pages(void *host, size_t bytes) {
    (void)host;
    size_t pages = bytes / WASM_PAGE + 1, want = pages < 16 ? 16 : pages;
    if (__builtin_wasm_memory_grow(0, want) == (size_t)-1) {
        want = pages;
        if (__builtin_wasm_memory_grow(0, want) == (size_t)-1) return 0;
    }
    return want * WASM_PAGE;
}

static void *heap_resize(void *host, void *p, size_t old, size_t now) {
    (void)old;
    return arena_resize(host, p, now);
}

/* Prepares the memory; once, by the engine's instance, before anything else. Returns 0 where the memory is
 * too small. Grows only where the memory was created with room to. */
EXPORT(int, start)(void) {
    size_t size = (size_t)__builtin_wasm_memory_size(0) * WASM_PAGE; /* 0 where it is the full 4 GiB */
    size_t room = size - (uintptr_t)__heap_base;
    if (!arena_init(&arena, __heap_base, room)) return 0;
    arena.more = more_pages;
    heap = (struct heap){.resize = heap_resize, .host = &arena};
    pool_init(&pool);
    return 1;
}

EXPORT(double, heap_base)(void) { return (double)(uintptr_t)__heap_base; }
EXPORT(double, heap_used)(void) { return (double)heap.used; }
EXPORT(double, heap_peak)(void) { return (double)heap.peak; }
EXPORT(address, alloc)(double bytes) { return to_address(arena_resize(&arena, NULL, to_size(bytes))); }
EXPORT(void, release)(address p) {
    if (p) arena_resize(&arena, (void *)(uintptr_t)p, 0);
}

/* Memory for the stack of another thread's instance; returns the value for its __stack_pointer, 0 without
 * memory. Never freed: it lives as long as the memory. */
EXPORT(address, stack_new)(double bytes) {
    unsigned char *p = arena_resize(&arena, NULL, to_size(bytes));
    return p ? to_address(p + to_size(bytes) / ARENA_ALIGN * ARENA_ALIGN) : 0;
}

/* ---- failures --------------------------------------------------------------------------------------- */
/* Of the last call without an object: model_open, new sequences, generations and samplers. */
EXPORT(address, open_fail)(void) { return to_address(&last_fail); }
EXPORT(int, fail_code)(address f) { return ((const struct fail *)(uintptr_t)f)->code; }
EXPORT(uint32_t, fail_line)(address f) { return ((const struct fail *)(uintptr_t)f)->line; }
EXPORT(uint32_t, fail_column)(address f) { return ((const struct fail *)(uintptr_t)f)->column; }
EXPORT(address, fail_text)(address f) { return to_address(((const struct fail *)(uintptr_t)f)->text); }
EXPORT(double, fail_at)(address f) { /* -1: nowhere */
    uint64_t at = ((const struct fail *)(uintptr_t)f)->at;
    return at == FAIL_NOWHERE ? -1.0 : (double)at;
}

/* ---- threads ---------------------------------------------------------------------------------------- */
/* Body of a compute worker: blocks until pool_stop. */
EXPORT(void, worker_run)(uint32_t thread) { pool_worker(&pool, thread); }
EXPORT(uint32_t, workers_joined)(void) { return word_load(&pool.n_joined); }
EXPORT(void, workers_stop)(void) { pool_stop(&pool); }
/* A worker is known to be dead: running and later calls fail at once with WORKER_LOST. */
EXPORT(void, workers_lost)(void) {
    pool_lose(&pool);
    word_store(&pool.abort, 1);
}

struct probe {
    const float *data;
    uint32_t n_chunks, chunk, rounds;
    float sums[POOL_MAX_THREADS * 16];
};

/* Some reading and arithmetic in chunks with a barrier a round, the rhythm of a decode step. */
static void probe_job(void *arg, struct pool *p, uint32_t thread) {
    struct probe *probe = arg;
    float sum = 0;
    for (uint32_t round = 0; round < probe->rounds; round++) {
        uint32_t from, to;
        while (pool_take(p, round, thread, ONE_BY_ONE, probe->n_chunks, &from, &to)) {
            const float *x = probe->data + (size_t)from * probe->chunk;
            float s[8] = {0};
            for (uint32_t i = 0; i + 8 <= probe->chunk; i += 8)
                for (uint32_t j = 0; j < 8; j++) s[j] += x[i + j] * x[i + j];
            for (uint32_t j = 0; j < 8; j++) sum += s[j];
        }
        if (!pool_barrier(p, round, thread)) return;
    }
    probe->sums[thread * 16] = sum;
}

/* Milliseconds that n_threads threads take for a fixed small job (about 1 ms on one thread), so that the
 * host can choose a number of threads. Negative where it cannot be measured. */
EXPORT(double, threads_probe)(uint32_t n_threads) {
    struct probe probe = {.n_chunks = 32, .chunk = 4096, .rounds = 16};
    size_t bytes = (size_t)probe.n_chunks * probe.chunk * sizeof(float);
    float *data = arena_resize(&arena, NULL, bytes);
    if (!data) return -1;
    memset(data, 0, bytes);
    probe.data = data;
    double begin = clock_ms();
    int code = pool_run(&pool, n_threads, probe_job, &probe);
    double took = clock_ms() - begin;
    arena_resize(&arena, data, 0);
    return code == SOTTO_OK ? took : -1;
}

/* ---- headers ---------------------------------------------------------------------------------------- */
_Static_assert(sizeof(struct sotto_options) == 7 * 4, "options cross as seven u32");

EXPORT(address, header_new)(void) { return to_address(sotto_header_new(&heap)); }
EXPORT(void, header_free)(sotto_header *h) { sotto_header_free(h); }
EXPORT(int, header_push)(sotto_header *h, uint32_t part, const void *bytes, double n) {
    return sotto_header_push(h, part, bytes, to_size(n));
}
EXPORT(uint32_t, header_parts)(sotto_header *h) { return sotto_header_parts(h); }
/* options: the seven u32 of struct sotto_options. */
EXPORT(address, header_info)(sotto_header *h, const struct sotto_options *options) {
    return to_address(sotto_header_info(h, options));
}
EXPORT(double, header_memory)(sotto_header *h, const struct sotto_options *options) {
    return (double)sotto_header_memory(h, options);
}
EXPORT(address, header_fail)(sotto_header *h) { return to_address(sotto_header_fail(h)); }

/* ---- models ----------------------------------------------------------------------------------------- */
/* Takes the header. 0 on failure (open_fail). */
EXPORT(address, model_open)(sotto_header *h, const struct sotto_options *options) {
    sotto_model *m = NULL;
    last_fail = (struct fail){.at = FAIL_NOWHERE};
    return sotto_model_open(&m, h, &pool, options, &last_fail) == SOTTO_OK ? to_address(m) : 0;
}
EXPORT(void, model_close)(sotto_model *m) { sotto_model_close(m); }
EXPORT(address, model_fail)(sotto_model *m) { return to_address(sotto_model_fail(m)); }
EXPORT(address, model_info)(sotto_model *m) { return to_address(sotto_model_info(m)); }
EXPORT(uint32_t, model_vocab)(sotto_model *m) { return sotto_n_vocab(m); }
EXPORT(int, set_threads)(sotto_model *m, uint32_t n) { return sotto_set_threads(m, n); }
EXPORT(void, model_abort)(sotto_model *m) { sotto_abort(m); }

/* out: part, offset, bytes as f64. */
EXPORT(int, feed_range)(sotto_model *m, uint32_t i, double *out) {
    struct sotto_range r = {0};
    int code = sotto_feed_range(m, i, &r);
    out[0] = r.part;
    out[1] = (double)r.offset;
    out[2] = (double)r.bytes;
    return code;
}
/* out: how many bytes fit, as f64. */
EXPORT(address, feed_target)(sotto_model *m, uint32_t part, double offset, double *out) {
    size_t bytes = 0;
    void *p = sotto_feed_target(m, part, to_offset(offset), &bytes);
    *out = (double)bytes;
    return to_address(p);
}
EXPORT(int, feed_commit)(sotto_model *m, uint32_t part, double offset, double bytes) {
    return sotto_feed_commit(m, part, to_offset(offset), to_size(bytes));
}
EXPORT(void, feed_share)(sotto_model *m) { sotto_feed_share(m); }
EXPORT(void, feed_join)(sotto_model *m) { sotto_feed_join(m); }
EXPORT(double, feed_loaded)(sotto_model *m) { return (double)sotto_feed_loaded(m); }
EXPORT(int, feed_ready)(sotto_model *m) { return sotto_feed_ready(m); }

/* ---- text: out is the address of the result and its length, as u32 ------------------------------------ */
EXPORT(int, tokenize)(sotto_model *m, const char *text, double n, uint32_t flags, uint32_t *out) {
    const uint32_t *ids = NULL;
    size_t n_ids = 0;
    int code = sotto_tokenize(m, text, to_size(n), flags, &ids, &n_ids);
    out[0] = (uint32_t)to_address(ids);
    out[1] = (uint32_t)n_ids;
    return code;
}
EXPORT(int, tokenize_pair)(sotto_model *m, const char *query, double n, const char *document, double n_document,
                          uint32_t flags, uint32_t *out) {
    const uint32_t *ids = NULL;
    size_t n_ids = 0;
    int code = sotto_tokenize_pair(m, query, to_size(n), document, to_size(n_document), flags, &ids, &n_ids);
    out[0] = (uint32_t)to_address(ids);
    out[1] = (uint32_t)n_ids;
    return code;
}
EXPORT(int, detokenize)(sotto_model *m, const uint32_t *ids, double n, uint32_t flags, uint32_t *out) {
    const char *text = NULL;
    size_t size = 0;
    int code = sotto_detokenize(m, ids, to_size(n), flags, &text, &size);
    out[0] = (uint32_t)to_address(text);
    out[1] = (uint32_t)size;
    return code;
}
/* source: NUL-terminated template or 0 for the model's own. now: seconds since 1970. */
EXPORT(int, render)(sotto_model *m, const char *source, const char *variables, double n, double now, uint32_t *out) {
    const char *text = NULL;
    size_t size = 0;
    int code = sotto_template(m, source, variables, to_size(n), now, &text, &size);
    out[0] = (uint32_t)to_address(text);
    out[1] = (uint32_t)size;
    return code;
}
EXPORT(int, is_eog)(sotto_model *m, uint32_t id) { return sotto_is_eog(m, id); }

/* ---- sequences and evaluation ------------------------------------------------------------------------ */
EXPORT(address, seq_new)(sotto_model *m) {
    sotto_seq *s = NULL;
    return sotto_seq_new(m, &s) == SOTTO_OK ? to_address(s) : 0;
}
EXPORT(void, seq_free)(sotto_seq *s) { sotto_seq_free(s); }
EXPORT(address, seq_fork)(sotto_seq *s) {
    sotto_seq *out = NULL;
    return sotto_seq_fork(s, &out) == SOTTO_OK ? to_address(out) : 0;
}
EXPORT(int, seq_truncate)(sotto_seq *s, uint32_t n) { return sotto_seq_truncate(s, n); }
EXPORT(int, seq_fill)(sotto_seq *s, uint32_t n) { return sotto_seq_fill(s, n); }
EXPORT(uint32_t, seq_length)(sotto_seq *s) { return sotto_seq_length(s); }
EXPORT(address, seq_tokens)(sotto_seq *s) { return to_address(sotto_seq_tokens(s)); }

/* 0 on failure (model_fail). */
EXPORT(address, state_open)(sotto_seq *s, int restore) {
    sotto_state *st = NULL;
    return sotto_state_open(s, restore, &st) == SOTTO_OK ? to_address(st) : 0;
}
EXPORT(double, state_bytes)(sotto_seq *s) { return (double)sotto_state_bytes(s); }
EXPORT(uint32_t, state_read)(sotto_state *st, void *dst, uint32_t n) { return (uint32_t)sotto_state_read(st, dst, n); }
EXPORT(int, state_write)(sotto_state *st, const void *src, uint32_t n) { return sotto_state_write(st, src, n); }
EXPORT(int, state_close)(sotto_state *st) { return sotto_state_close(st); }

/* One sequence's batch; want is enum sotto_want. */
EXPORT(int, run_begin)(sotto_model *m, sotto_seq *seq, const uint32_t *tokens, uint32_t n, uint32_t want) {
    struct sotto_entry entry = {.seq = seq, .tokens = tokens, .n_tokens = n, .want = want};
    return sotto_run_begin(m, &entry, 1);
}
#ifndef __wasm64__
_Static_assert(sizeof(struct sotto_entry) == 4 * 4, "entries cross as four u32");
#endif
/* Several sequences' batch: struct sotto_entry as four u32. */
EXPORT(int, run_begin_all)(sotto_model *m, const struct sotto_entry *entries, uint32_t n) {
    return sotto_run_begin(m, entries, n);
}
EXPORT(uint32_t, row_width)(sotto_model *m) { return sotto_row_width(m); }
EXPORT(int, run_step)(sotto_model *m, double budget_ms) { return sotto_run(m, budget_ms); }
EXPORT(uint32_t, run_rows)(sotto_model *m) { return sotto_n_rows(m); }
EXPORT(address, run_row)(sotto_model *m, uint32_t row) {
    uint32_t entry, position;
    return to_address(sotto_row(m, row, &entry, &position));
}
EXPORT(double, run_progress)(sotto_model *m) { return sotto_run_progress(m); }

/* ---- generation ------------------------------------------------------------------------------------- */
/* params, as f64: temperature, top_k, top_p, min_p, repeat_penalty, frequency_penalty, presence_penalty,
 * penalty_last_n, seed's low and high 32 bits, max_tokens, ignore_eog, tokens a context shift keeps (negative: no
 * shift). stops: n_stops NUL-terminated texts
 * one after the other, behind room for n_stops pointers. Tokens and stops stay where they are until gen_free.
 * 0 on failure (open_fail). */
EXPORT(address, gen_new)(sotto_seq *seq, const uint32_t *prompt, uint32_t n_prompt, const double *params,
                                const char **stops, uint32_t n_stops) {
    const char *text = (const char *)(stops + n_stops);
    if (n_stops > MAX_STOPS) {
        fail(&last_fail, SOTTO_EINVAL, FAIL_NOWHERE, "at most %d stop texts", MAX_STOPS);
        return 0;
    }
    for (uint32_t i = 0; i < n_stops; i++) {
        stops[i] = text;
        text += strlen(text) + 1;
    }
    struct sotto_gen_options o = {
        .sampling =
            {
                .temperature = (float)params[0],
                .top_k = to_u32(params[1]),
                .top_p = (float)params[2],
                .min_p = (float)params[3],
                .repeat_penalty = (float)params[4],
                .frequency_penalty = (float)params[5],
                .presence_penalty = (float)params[6],
                .penalty_last_n = to_u32(params[7]),
                .seed = (uint64_t)to_u32(params[9]) << 32 | to_u32(params[8]),
            },
        .max_tokens = to_u32(params[10]),
        .stop = stops,
        .n_stop = n_stops,
        .ignore_eog = params[11] != 0,
        .shift = params[12] >= 0,
        .shift_keep = to_u32(params[12]),
    };
    last_fail = (struct fail){.at = FAIL_NOWHERE};
    sotto_gen *g = NULL;
    return sotto_gen_new(seq, prompt, n_prompt, &o, &g) == SOTTO_OK ? to_address(g) : 0;
}
EXPORT(void, gen_free)(sotto_gen *g) { sotto_gen_free(g); }
EXPORT(int, gen_step)(sotto_gen *g, double budget_ms) { return sotto_gen_step(g, budget_ms); }
/* out: text, size, ids, number of ids, as u32. */
EXPORT(void, gen_take)(sotto_gen *g, uint32_t *out) {
    const char *text = NULL;
    const uint32_t *ids = NULL;
    size_t size = 0, n_ids = 0;
    sotto_gen_take(g, &text, &size, &ids, &n_ids);
    out[0] = (uint32_t)to_address(text);
    out[1] = (uint32_t)size;
    out[2] = (uint32_t)to_address(ids);
    out[3] = (uint32_t)n_ids;
}
/* out, as f64: finish, prompt, cached and completion tokens, prefill, decode and first-token milliseconds,
 * prompt tokens evaluated so far, tokens dropped by context shifts. */
EXPORT(void, gen_stats)(sotto_gen *g, double *out) {
    struct sotto_gen_stats s = {0};
    sotto_gen_stats(g, &s);
    out[0] = s.finish;
    out[1] = s.prompt_tokens;
    out[2] = s.cached_tokens;
    out[3] = s.completion_tokens;
    out[4] = s.prefill_ms;
    out[5] = s.decode_ms;
    out[6] = s.first_token_ms;
    out[7] = s.prefill_done;
    out[8] = s.shifted;
}

/* ---- measuring -------------------------------------------------------------------------------------- */
EXPORT(void, profile_start)(sotto_model *m) { sotto_profile_start(m); }
EXPORT(address, profile)(sotto_model *m) { return to_address(sotto_profile(m)); }
/* JSON text at the address returned (to be released), 0 without memory. */
EXPORT(address, machine)(double budget_ms) {
    enum { CAP = 1024 };
    char *text = arena_resize(&arena, NULL, CAP);
    if (!text) return 0;
    size_t n = sotto_machine(&heap, budget_ms, text, CAP);
    text[n < CAP ? n : CAP - 1] = 0;
    return to_address(text);
}
