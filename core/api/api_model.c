/* Models: opening, feeding, closing. */
#include "api/api_int.h"
#include <string.h>

static void discard(sotto_model *s) {
    struct model *m = &s->m;
    sotto_header *h = s->header;
    if (m->vocab) vocab_close(m->vocab);
    if (m->block) heap_free(m->heap, m->block, (size_t)m->block_bytes);
    if (m->hp.layers) model_forget(m);
    sbuf_free(&s->text);
    HEAP_FREE(m->heap, s->ids, s->n_ids);
    HEAP_FREE(h->heap, s, 1);
    sotto_header_free(h);
}

static int open_model(sotto_model *s, struct pool *pool, const struct sotto_options *options,
                      struct fail *f) {
    struct model *m = &s->m;
    sotto_header *h = s->header;
    s->text = sbuf_new(h->heap);
    int rc = api_describe(m, h, options, f);
    if (rc) return rc;
    m->pool = pool;
    m->n_threads = 1;
    model_choose_batch(m);
    struct layout l = {0};
    model_layout(m, &l);
    m->block_bytes = l.at;
    if ((size_t)l.at != l.at)
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE,
                    "the model needs %llu bytes, more than this build can address",
                    (unsigned long long)l.at);
    m->block = heap_new(m->heap, (size_t)l.at);
    if (!m->block)
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE,
                    "no memory for %llu bytes of weights, cache and scratch",
                    (unsigned long long)l.at);
    l = (struct layout){.base = m->block};
    model_layout(m, &l);
    rc = model_start(m, f);
    return rc ? rc : vocab_open(&m->vocab, m->heap, h->g[0], f);
}

int sotto_model_open(sotto_model **out, sotto_header *h, struct pool *pool,
                     const struct sotto_options *options, struct fail *f) {
    *out = NULL;
    sotto_model *s = HEAP_ZERO(h->heap, struct sotto_model, 1);
    if (!s) {
        sotto_header_free(h);
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a model");
    }
    s->header = h, s->m.heap = h->heap;
    int rc = open_model(s, pool, options, f);
    if (rc)
        discard(s);
    else
        *out = s;
    return rc;
}

void sotto_model_close(sotto_model *s) {
    if (s) discard(s);
}

/* The loader has a record of its own, since it works beside the running thread. */
const struct fail *sotto_model_fail(const sotto_model *s) {
    return s->m.fail.code ? &s->m.fail : &s->m.feed.fail;
}

const char *sotto_model_info(sotto_model *s) {
    struct model *m = &s->m;
    struct sbuf *b = &s->header->info;
    sbuf_free(b);
    *b = sbuf_new(m->heap);
    sbuf_str(b, "{");
    api_info(b, s->header, m, m->block_bytes, &m->fail);
    sbuf_fmt(b, ",\"used\":%zu,\"peak\":%zu},\"threads\":%u}", m->heap->used, m->heap->peak,
             m->n_threads);
    if (b->failed)
        return fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the description"), NULL;
    return b->text;
}

int sotto_feed_range(const sotto_model *s, uint32_t i, struct sotto_range *r) {
    const struct model *m = &s->m;
    uint32_t at = 0,
             n = 0; /* ranges are runs of wanted weights that follow each other in the file */
    for (; at < m->weights.n; n++) {
        const struct weight *w = &m->weights.list[m->feed.wanted[at++]];
        struct sotto_range run = {.part = w->part, .offset = w->file_at, .bytes = w->file_bytes};
        for (; at < m->weights.n; at++) {
            const struct weight *next = &m->weights.list[m->feed.wanted[at]];
            if (next->part != run.part || next->file_at != run.offset + run.bytes) break;
            run.bytes += next->file_bytes;
        }
        if (n == i) return *r = run, SOTTO_OK;
    }
    return SOTTO_DONE;
}

void *sotto_feed_target(sotto_model *s, uint32_t part, uint64_t offset, size_t *bytes) {
    return feed_target(&s->m, part, offset, bytes);
}
int sotto_feed_commit(sotto_model *s, uint32_t part, uint64_t offset, size_t bytes) {
    return feed_commit(&s->m, part, offset, bytes, &s->m.feed.fail);
}
void sotto_feed_share(sotto_model *s) {
    feed_share(&s->m);
}
void sotto_feed_join(sotto_model *s) {
    feed_join(&s->m);
}
uint64_t sotto_feed_loaded(const sotto_model *s) {
    return __atomic_load_n(&s->m.feed.loaded, __ATOMIC_ACQUIRE);
}
bool sotto_feed_ready(const sotto_model *s) {
    return word_load(&s->m.feed.ready) != 0;
}

int sotto_set_threads(sotto_model *s, uint32_t n_threads) {
    struct model *m = &s->m;
    uint32_t present = word_load(&m->pool->n_joined) + 1;
    if (n_threads < 1 || n_threads > m->options.max_threads || n_threads > present)
        return fail(&m->fail, SOTTO_EINVAL, FAIL_NOWHERE, "%u threads; 1 to %u are possible here",
                    n_threads, present < m->options.max_threads ? present : m->options.max_threads);
    m->n_threads = n_threads;
    return SOTTO_OK;
}

void sotto_abort(sotto_model *s) {
    word_store(&s->m.abort, 1);
}
