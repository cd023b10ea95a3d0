#include "model/saved.h"
#include "base/bytes.h"
#include <string.h>

enum { SAMPLE_BYTES = 4096 };

/* A hash of 64-bit words: every step is a bijection of the state, so no single wrong word goes
 * unseen. */
struct hash {
    uint64_t h, word, n;
};

static uint64_t mix(uint64_t h, uint64_t word) {
    h ^= word * 0x9e3779b97f4a7c15u;
    return (h << 31 | h >> 33) * 0xbf58476d1ce4e5b9u;
}

static void hash_add(struct hash *h, const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    for (; n && h->n % 8; n--, p++) {
        h->word |= (uint64_t)*p << 8 * (h->n++ % 8);
        if (h->n % 8 == 0) h->h = mix(h->h, h->word), h->word = 0;
    }
    for (; n >= 8; n -= 8, p += 8, h->n += 8) h->h = mix(h->h, load_u64(p));
    for (; n; n--, p++) h->word |= (uint64_t)*p << 8 * (h->n++ % 8);
}

static uint64_t hash_end(const struct hash *h) {
    uint64_t v = mix(mix(h->h, h->word), h->n);
    return v ^ v >> 29;
}

uint64_t saved_hash(const void *bytes, size_t n) {
    struct hash h = {0};
    hash_add(&h, bytes, n);
    return hash_end(&h);
}

uint64_t saved_fingerprint(const struct model *m) {
    const struct hparams *hp = &m->hp;
    struct hash h = {0};
    /* LongRoPE rotates by other factors where the context is long (model_describe) */
    uint8_t long_rope =
        hp->scaling == SCALING_LONGROPE && (m->options.context + 255) / 256 * 256 > hp->n_ctx_orig;
    hash_add(&h, &long_rope, 1);
    for (uint32_t i = 0; i < m->parts.n; i++)
        hash_add(&h, gguf_bytes(m->g[i]), (size_t)gguf_header_bytes(m->g[i]));
    for (uint32_t i = 0; i < m->weights.n; i++) {
        const struct weight *w = &m->weights.list[i];
        uint64_t n = weight_bytes(w);
        hash_add(&h, w->data, n < SAMPLE_BYTES ? (size_t)n : SAMPLE_BYTES);
    }
    return hash_end(&h);
}

/* ---- the cache as a row of runs ---------------------------------------------------------------
 */

/* Of recurrent layers: nothing where nothing was evaluated. */
static uint64_t state_bytes(const struct model *m, uint32_t n_cached) {
    return n_cached ? (uint64_t)m->states.floats * sizeof(float) : 0;
}

static uint64_t size_of(const struct model *m, uint32_t n_tokens, uint32_t n_cached) {
    const struct kv *kv = &m->kv;
    uint64_t sum = SAVED_HEAD + SAVED_TAIL + (uint64_t)n_tokens * 4 + state_bytes(m, n_cached);
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        uint64_t rows = n_cached - (uint64_t)kv_first_page(&kv->groups[g], n_cached) * KV_PAGE;
        sum += kv->groups[g].page_bytes / KV_PAGE * rows;
    }
    return sum;
}

uint64_t saved_bytes(const struct seq *s) {
    return size_of(s->model, s->n_tokens, s->n_cached);
}

struct saved {
    struct model *m;
    struct seq *s;
    bool restore, done;
    int failed; /* code */
    uint32_t n_tokens, n_cached;
    uint64_t at, total, fingerprint;
    struct hash hash;
    uint8_t head[SAVED_HEAD], tail[SAVED_TAIL];
    /* The run under way: bytes of it done, and its place. */
    size_t done_bytes;
    uint64_t covered;                  /* bytes of the last page's layout */
    uint32_t group, page, layer, part; /* part: K of a head, V of that head, K of the next */
    enum { IN_HEAD, IN_TOKENS, IN_STATE, IN_CACHE, IN_TAIL, AT_END } where;
};

/* Goes to the first page of the first group, from st->group on, that has any. */
static void enter_group(struct saved *st) {
    const struct kv *kv = &st->m->kv;
    for (; st->group < kv->n_groups; st->group++) {
        st->page = kv_first_page(&kv->groups[st->group], st->n_cached);
        if (st->page * KV_PAGE < st->n_cached && kv->groups[st->group].page_bytes) return;
    }
    st->where = IN_TAIL;
}

/* Where the rows of the run's head begin in their page, and the bytes of one row. */
static uint64_t rows_of(const struct saved *st, size_t *row) {
    const struct kv_layer *l = &st->m->kv.layers[st->layer];
    bool value = st->part % 2;
    *row = value ? l->v_row : l->k_row;
    return kv_head_at(l, st->part / 2, value);
}

/* From the run's head on, to the next whose rows are not behind what was covered: layers of other
 * groups have none in this page, and layers may share theirs. */
static void next_rows(struct saved *st) {
    const struct kv *kv = &st->m->kv;
    for (; st->layer < kv->n_layers; st->layer++, st->part = 0) {
        if (kv->layers[st->layer].group != st->group) continue;
        size_t row;
        for (; st->part < 2 * st->m->hp.layers[st->layer].n_kv_head; st->part++)
            if (rows_of(st, &row) >= st->covered) return;
    }
}

static bool whole_page(const struct saved *st) {
    return st->n_cached - st->page * KV_PAGE >= KV_PAGE;
}

/* The run under way, NULL where there is none. */
static uint8_t *run_of(struct saved *st, size_t *n) {
    const struct kv *kv = &st->m->kv;
    switch (st->where) {
    case IN_HEAD:
        return *n = SAVED_HEAD, st->head;
    case IN_TOKENS:
        return *n = (size_t)st->n_tokens * 4, (uint8_t *)st->s->tokens;
    case IN_STATE: {
        *n = (size_t)state_bytes(st->m, st->n_cached);
        const struct states *states = &st->m->states;
        const struct state_seq *own = &st->s->state;
        return (uint8_t *)(st->restore ? state_to(states, own, 0)
                                       : (float *)(uintptr_t)state_from(states, own, 0));
    }
    case IN_TAIL:
        return *n = SAVED_TAIL, st->tail;
    case AT_END:
        return NULL;
    case IN_CACHE:
        break;
    }
    uint32_t page = st->s->kv.pages[st->group][st->page];
    if (page == KV_NO_PAGE) return NULL; /* the sequence changed */
    uint8_t *at = kv_page(kv, st->group, page);
    if (whole_page(st)) return *n = (size_t)kv->groups[st->group].page_bytes, at;
    size_t row;
    at += rows_of(st, &row);
    *n = (st->n_cached - st->page * KV_PAGE) * row;
    return at;
}

/* To the run behind the one that is done. */
static void next_run(struct saved *st) {
    st->done_bytes = 0;
    if (st->where == IN_HEAD)
        st->where = IN_TOKENS;
    else if (st->where == IN_TAIL)
        st->where = AT_END;
    else if (st->where == IN_TOKENS && state_bytes(st->m, st->n_cached))
        st->where = IN_STATE;
    else if (st->where == IN_TOKENS || st->where == IN_STATE) {
        st->where = IN_CACHE, st->group = 0;
        enter_group(st);
    } else if (whole_page(st)) {
        if (++st->page * KV_PAGE >= st->n_cached) st->group++, enter_group(st);
    } else {
        size_t row;
        st->covered = rows_of(st, &row) + KV_PAGE * row;
        st->part++;
        next_rows(st);
        if (st->layer < st->m->kv.n_layers) return;
        st->group++, enter_group(st);
    }
    if (st->where != IN_CACHE) return;
    st->covered = 0, st->layer = st->part = 0;
    next_rows(st);
}

/* ---- saving and restoring ---------------------------------------------------------------------
 */

static void put_u32(uint8_t *p, uint32_t v) {
    memcpy(p, &v, 4);
}
static void put_u64(uint8_t *p, uint64_t v) {
    memcpy(p, &v, 8);
}
static uint32_t kind_of(const struct model *m) {
    return (uint32_t)m->options.kv_type | (uint32_t)m->options.exact << 8;
}

static void make_head(struct saved *st) {
    st->n_tokens = st->s->n_tokens, st->n_cached = st->s->n_cached;
    st->total = saved_bytes(st->s);
    memcpy(st->head, "SOTTOSEQ", 8);
    put_u32(st->head + 8, SAVED_VERSION);
    put_u32(st->head + 12, kind_of(st->m));
    put_u64(st->head + 16, st->fingerprint);
    put_u32(st->head + 24, st->n_tokens);
    put_u32(st->head + 28, st->n_cached);
    put_u64(st->head + 32, st->total);
    put_u64(st->head + 40, saved_hash(st->head, 40));
}

int saved_open(struct saved **out, struct seq *s, bool restore) {
    struct model *m = s->model;
    *out = NULL;
    if (!word_load(&m->feed.ready))
        return fail(&m->fail, SOTTO_NOT_READY, FAIL_NOWHERE, "weights are missing");
    struct saved *st = HEAP_ZERO(m->heap, struct saved, 1);
    if (!st) return fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a saved state");
    st->m = m, st->s = s, st->restore = restore;
    st->fingerprint = saved_fingerprint(m);
    if (!restore) make_head(st);
    *out = st;
    return SOTTO_OK;
}

static bool change(struct saved *st) { /* of the sequence, meanwhile */
    const struct seq *s = st->s;
    return !s->open || s->n_tokens != (st->restore ? 0 : st->n_tokens) ||
           s->n_cached != (st->restore ? 0 : st->n_cached);
}

size_t saved_read(struct saved *st, void *dst, size_t n) {
    uint8_t *to = dst;
    while (n && !st->restore && st->where != AT_END && !change(st)) {
        size_t size = 0;
        const uint8_t *run = run_of(st, &size);
        if (!run) break;
        if (st->where == IN_TAIL) put_u64(st->tail, hash_end(&st->hash));
        size_t step = size - st->done_bytes < n ? size - st->done_bytes : n;
        memcpy(to, run + st->done_bytes, step);
        if (st->where != IN_TAIL) hash_add(&st->hash, to, step);
        to += step, n -= step, st->done_bytes += step, st->at += step;
        if (st->done_bytes == size) next_run(st);
    }
    st->done = st->where == AT_END;
    return (size_t)(to - (uint8_t *)dst);
}

/* Pages may be taken that the sequence does not count yet. */
static void empty(struct seq *s) {
    if (!s->open) return;
    seq_truncate(s, 0);
    state_give_up(&s->model->states, &s->state);
    kv_truncate(&s->model->kv, &s->kv, 0);
}

/* A failure at the place that was reached; the sequence is emptied where it was touched. */
static int refuse(struct saved *st, int code, const char *text) {
    st->failed = code;
    if (st->where != IN_HEAD) empty(st->s);
    return fail(&st->m->fail, code, st->at, "%s", text);
}

static int read_head(struct saved *st) {
    const struct model *m = st->m;
    const uint8_t *h = st->head;
    uint32_t kind = load_u32(h + 12);
    if (memcmp(h, "SOTTOSEQ", 8))
        return refuse(st, SOTTO_FORMAT, "these bytes are no saved sequence");
    if (load_u32(h + 8) != SAVED_VERSION)
        return refuse(st, SOTTO_UNSUPPORTED,
                      "the saved sequence has a version that this engine does not know");
    if (load_u64(h + 40) != saved_hash(h, 40))
        return refuse(st, SOTTO_FORMAT, "the header of the saved sequence is damaged");
    if (kind != kind_of(m))
        return refuse(st, SOTTO_UNSUPPORTED,
                      "the sequence was saved with another kind of cache or arithmetic than the "
                      "model has now");
    if (load_u64(h + 16) != st->fingerprint)
        return refuse(st, SOTTO_UNSUPPORTED, "the sequence was saved by another model");
    st->n_tokens = load_u32(h + 24), st->n_cached = load_u32(h + 28), st->total = load_u64(h + 32);
    if (st->n_tokens > m->options.context)
        return refuse(st, SOTTO_CONTEXT_FULL,
                      "the saved sequence is longer than the model's context");
    if (st->n_cached > st->n_tokens || st->total != size_of(m, st->n_tokens, st->n_cached))
        return refuse(st, SOTTO_FORMAT, "the header of the saved sequence contradicts itself");
    return SOTTO_OK;
}

/* Empties the sequence and takes what the cache and the state will be written to. */
static int take_pages(struct saved *st) {
    st->where = IN_TOKENS; /* from here on a failure empties the sequence */
    empty(st->s);
    if (!kv_take(&st->m->kv, &st->s->kv, st->n_cached))
        return refuse(st, SOTTO_CONTEXT_FULL,
                      "the cache has not enough pages left for the saved sequence");
    struct model *m = st->m;
    if (st->n_cached && !state_begin(&m->states, &st->s->state, m->seqs, m->max_seqs))
        return refuse(st, SOTTO_CONTEXT_FULL,
                      "the cache has not enough states left for the saved sequence");
    st->where = IN_HEAD;
    return SOTTO_OK;
}

static int check_tokens(struct saved *st) {
    for (uint32_t i = 0; i < st->n_tokens; i++)
        if (st->s->tokens[i] >= st->m->hp.n_vocab)
            return refuse(st, SOTTO_FORMAT,
                          "the saved sequence has a token that the model does not");
    return SOTTO_OK;
}

/* After a run is complete: what it means. */
static int finish_run(struct saved *st) {
    int rc = SOTTO_OK;
    if (st->where == IN_HEAD) {
        rc = read_head(st);
        if (!rc) rc = take_pages(st);
    } else if (st->where == IN_TOKENS)
        rc = check_tokens(st);
    else if (st->where == IN_TAIL && load_u64(st->tail) != hash_end(&st->hash))
        rc = refuse(st, SOTTO_FORMAT, "the saved sequence is damaged: its checksum is another");
    if (rc) return rc;
    next_run(st);
    if (st->where == AT_END) {
        st->s->n_tokens = st->n_tokens, st->s->n_cached = st->n_cached;
        if (st->n_cached) state_end(&st->m->states, &st->s->state, 0, st->n_cached, true);
        st->done = true;
    }
    return SOTTO_OK;
}

int saved_write(struct saved *st, const void *src, size_t n) {
    const uint8_t *from = src;
    if (st->failed || !st->restore)
        return fail(&st->m->fail, SOTTO_EINVAL, st->at,
                    "nothing can be written to this saved state");
    while (n) {
        if (st->done) {
            st->done = false;
            return refuse(st, SOTTO_FORMAT, "bytes follow the saved sequence");
        }
        size_t size = 0;
        uint8_t *run = st->where != IN_HEAD && change(st) ? NULL : run_of(st, &size);
        if (!run) return refuse(st, SOTTO_EINVAL, "the sequence was changed while it was restored");
        size_t step = size - st->done_bytes < n ? size - st->done_bytes : n;
        memcpy(run + st->done_bytes, from, step);
        if (st->where != IN_TAIL) hash_add(&st->hash, from, step);
        from += step, n -= step, st->done_bytes += step, st->at += step;
        while (st->where != AT_END && st->done_bytes == size) {
            int rc = finish_run(st);
            if (rc) return rc;
            if (!(run = run_of(st, &size))) size = SIZE_MAX;
        }
    }
    return st->done ? SOTTO_OK : SOTTO_MORE;
}

int saved_close(struct saved *st) {
    struct model *m = st->m;
    int rc = st->failed;
    if (!rc && !st->done) {
        uint64_t at = st->at, total = st->total;
        if (st->restore && st->where != IN_HEAD) empty(st->s);
        rc = fail(&m->fail, SOTTO_TRUNCATED, at, "the saved sequence ends after %llu of %llu bytes",
                  (unsigned long long)at, (unsigned long long)(total ? total : SAVED_HEAD));
    }
    HEAP_FREE(m->heap, st, 1);
    return rc;
}
