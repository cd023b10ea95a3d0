/* Models from arbitrary headers: described, opened where the memory is small, fed with bytes of the
 * input over and over, run for a few tokens. */
#include "../../tools/native_heap.h"
#include "api/sotto.h"

enum { MOST_BYTES = 24 << 20 };

/* A heap that has only so much: a header may ask for any context. */
static void *bounded(void *host, void *p, size_t old, size_t now) {
    struct native_heap *n = host;
    if (now > old && n->heap.used + (now - old) > MOST_BYTES) return NULL;
    return native_heap_resize(host, p, old, now);
}

static void feed(sotto_model *m, const uint8_t *data, size_t size) {
    struct sotto_range r;
    for (uint32_t i = 0; i < 4096 && sotto_feed_range(m, i, &r) == SOTTO_OK; i++)
        for (uint64_t at = r.offset; at < r.offset + r.bytes;) {
            size_t n;
            uint8_t *to = sotto_feed_target(m, r.part, at, &n);
            if (n > r.offset + r.bytes - at) n = (size_t)(r.offset + r.bytes - at);
            for (size_t k = 0; k < n; k++) to[k] = data[(at + k) % size];
            if (sotto_feed_commit(m, r.part, at, n)) return;
            at += n;
        }
}

static void run(sotto_model *m) {
    sotto_seq *s;
    uint32_t tokens[6] = {0};
    if (sotto_seq_new(m, &s)) return;
    for (uint32_t i = 1; i < 6; i++) tokens[i] = i % sotto_n_vocab(m);
    for (uint32_t want = SOTTO_WANT_ALL; want <= SOTTO_WANT_SCORES; want++) {
        struct sotto_entry e = {s, tokens, 6, want};
        if (want > SOTTO_WANT_STATES) e.want |= SOTTO_NORMALIZE | SOTTO_PAIR;
        if (sotto_run_begin(m, &e, 1)) continue;
        float sum = 0;
        for (int i = 0, rc = SOTTO_MORE; i < 100 && rc == SOTTO_MORE; i++) {
            rc = sotto_run(m, 0);
            for (uint32_t r = 0; r < sotto_n_rows(m); r++)
                for (uint32_t k = 0; k < sotto_row_width(m); k++)
                    sum += sotto_row(m, r, NULL, NULL)[k];
        }
        tokens[0] = sum > 0;
        sotto_seq_truncate(s, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct native_heap h;
    struct pool pool;
    struct fail f = {0};
    if (!size) return 0;
    native_heap_init(&h);
    h.heap.resize = bounded;
    pool_init(&pool);
    sotto_header *header = sotto_header_new(&h.heap);
    struct sotto_options o = {
        .context_length = 32, .batch = 4, .kv_type = data[0] % 3, .arithmetic = data[0] / 3 % 2};
    int rc = sotto_header_push(header, 0, data + 1, size - 1);
    if (rc == SOTTO_OK && sotto_header_parts(header) == 1) {
        uint64_t need = sotto_header_memory(header, &o);
        if (!need && !sotto_header_fail(header)->text[0]) abort();
        if (!sotto_header_info(header, &o) && sotto_header_fail(header)->code != SOTTO_MEMORY)
            abort();
        sotto_model *m = NULL;
        rc = sotto_model_open(&m, header, &pool, &o, &f);
        header = NULL;
        if (rc && (!f.text[0] || f.code != rc)) abort();
        if (!rc && sotto_feed_loaded(m) == 0) feed(m, data, size), run(m);
        sotto_model_close(m);
    }
    sotto_header_free(header);
    if (h.heap.used) abort();
    return 0;
}
