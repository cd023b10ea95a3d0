/* Sequences: which tokens the cache holds for whom, and the batch they are put into. */
#include "model/model.h"
#include <string.h>

static struct seq *free_seq(struct model *m) {
    for (uint32_t i = 0; i < m->max_seqs; i++)
        if (!m->seqs[i].open) return &m->seqs[i];
    fail(&m->fail, SOTTO_LIMIT, FAIL_NOWHERE, "all %u sequences of the model are in use",
         m->max_seqs);
    return NULL;
}

int seq_new(struct model *m, struct seq **out) {
    struct seq *s = free_seq(m);
    if (!s) return SOTTO_LIMIT;
    s->open = true, s->n_tokens = s->n_cached = 0;
    *out = s;
    return SOTTO_OK;
}

static bool in_use(const struct seq *s) {
    const struct walk *w = &s->model->walk;
    for (uint32_t i = 0; w->active && i < w->n_entries; i++)
        if (w->entries[i].seq == s) return true;
    return false;
}

/* A batch that a sequence is part of cannot go on when the sequence changes under it. */
static void leave_batch(struct seq *s) {
    if (in_use(s)) run_clear(s->model);
}

void seq_free(struct seq *s) {
    leave_batch(s);
    kv_truncate(&s->model->kv, &s->kv, 0);
    state_truncate(&s->model->states, &s->state, 0);
    s->open = false, s->n_tokens = s->n_cached = 0;
}

int seq_fork(struct seq *s, struct seq **out) {
    int rc = seq_new(s->model, out);
    if (rc) return rc;
    (*out)->n_tokens = s->n_tokens, (*out)->n_cached = s->n_cached;
    memcpy((*out)->tokens, s->tokens, s->n_tokens * sizeof *s->tokens);
    kv_share(&s->model->kv, &(*out)->kv, &s->kv, s->n_cached);
    state_share(&s->model->states, &(*out)->state, &s->state);
    return SOTTO_OK;
}

int seq_truncate(struct seq *s, uint32_t n) {
    if (n > s->n_tokens)
        return fail(&s->model->fail, SOTTO_EINVAL, FAIL_NOWHERE,
                    "a sequence of %u tokens cannot be cut to %u", s->n_tokens, n);
    leave_batch(s);
    s->n_tokens = n;
    if (n < s->n_cached) {
        /* a window may have freed what later queries would see again: then everything is evaluated
         * anew; so is what comes after a recurrent state's checkpoint */
        struct states *states = &s->model->states;
        if (states->floats) n = state_truncate(states, &s->state, n);
        s->n_cached = kv_reachable(&s->model->kv, &s->kv, n) ? n : 0;
        if (s->n_cached < n) state_truncate(states, &s->state, 0);
        kv_truncate(&s->model->kv, &s->kv, s->n_cached);
    }
    return SOTTO_OK;
}

void run_clear(struct model *m) {
    struct walk *w = &m->walk;
    if (w->active)
        for (uint32_t i = 0; i < w->n_segments; i++) {
            kv_truncate(&m->kv, &w->segments[i].seq->kv, w->segments[i].seq->n_cached);
            state_give_up(&m->states, &w->segments[i].seq->state);
        }
    w->active = w->piece = w->heads = false;
    w->n_entries = w->total = w->walked = 0;
    w->n_rows = w->rows_ready = 0;
}

/* Whether the model gives what a batch of this kind asks for. */
static int check_kind(struct model *m, uint32_t n, enum walk_kind kind) {
    const struct walk *w = &m->walk;
    const char *name = m->hp.arch->name;
    if (w->n_entries && w->kind != (uint8_t)kind)
        return fail(&m->fail, SOTTO_EINVAL, w->n_entries,
                    "the entries of a batch want different kinds of results");
    if (kind == KIND_LOGITS && m->hp.encoder)
        return fail(&m->fail, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                    "the model (%s) is an encoder: it gives embeddings and continues no text",
                    name);
    if (kind == KIND_SCORES ? m->plan.scores < 0 : kind != KIND_LOGITS && m->plan.states < 0)
        return fail(&m->fail, SOTTO_UNSUPPORTED, FAIL_NOWHERE, "the model (%s) gives no %s", name,
                    kind == KIND_SCORES ? "scores: it has no reranking head" : "embeddings");
    if (kind != KIND_LOGITS && !n)
        return fail(&m->fail, SOTTO_EINVAL, w->n_entries, "text %u has no tokens", w->n_entries);
    return SOTTO_OK;
}

int run_add(struct model *m, struct seq *seq, const uint32_t *tokens, uint32_t n, uint32_t want) {
    struct walk *w = &m->walk;
    int rc = check_kind(m, n, (enum walk_kind)(want / WALK_KIND));
    if (rc) return rc;
    w->kind = (uint8_t)(want / WALK_KIND);
    want %= WALK_KIND;
    for (uint32_t i = 0; i < w->n_entries; i++)
        if (w->entries[i].seq == seq)
            return fail(&m->fail, SOTTO_EINVAL, i, "a sequence occurs twice in the batch");
    if (n > m->options.context - seq->n_tokens)
        return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE,
                    "%u tokens after %u do not fit a context of %u", n, seq->n_tokens,
                    m->options.context);
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] >= m->hp.n_vocab)
            return fail(&m->fail, SOTTO_EINVAL, i, "token %u at index %u is not one of %u",
                        tokens[i], i, m->hp.n_vocab);
    struct run_entry *e = &w->entries[w->n_entries++];
    uint32_t again = n ? seq->n_tokens - seq->n_cached : 0;
    memcpy(e->tokens, seq->tokens + seq->n_cached, again * sizeof *tokens);
    memcpy(e->tokens + again, tokens, n * sizeof *tokens);
    *e = (struct run_entry){.seq = seq,
                            .tokens = e->tokens,
                            .n_tokens = again + n,
                            .skip = again,
                            .want = want,
                            .second = UINT32_MAX,
                            .n_rows = want == ROWS_ALL ? n : want != ROWS_NONE};
    w->total += e->n_tokens;
    return SOTTO_OK;
}

/* Pages the whole batch takes from each group, at most; a windowed group reuses its own as the
 * batch goes on. */
static bool pages_suffice(const struct model *m) {
    const struct walk *w = &m->walk;
    for (uint32_t g = 0; g < m->kv.n_groups; g++) {
        const struct kv_group *group = &m->kv.groups[g];
        uint64_t need = 0;
        for (uint32_t i = 0; i < w->n_entries; i++) {
            const struct run_entry *e = &w->entries[i];
            uint32_t from = e->seq->n_cached, to = from + e->n_tokens;
            if (group->window && to > from + m->options.batch) to = from + m->options.batch;
            if (e->n_tokens) need += kv_need(&m->kv, &e->seq->kv, g, from, to);
        }
        if (need > group->n_free) return false;
    }
    return true;
}

int run_begin(struct model *m) {
    struct walk *w = &m->walk;
    if (!m->hp.encoder && !pages_suffice(m)) {
        run_clear(m);
        return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE,
                    "the cache has not enough pages left for %u tokens", w->total);
    }
    if (!states_suffice(m)) {
        run_clear(m);
        return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE,
                    "the cache has not enough states left for so many sequences");
    }
    if (w->kind >= KIND_POOLED) {
        int32_t sums = m->plan.ops[m->plan.n_pool - 1].out;
        memset(model_buffer(m, sums), 0,
               (size_t)w->n_entries * m->plan.buffers[sums].width * sizeof(float));
    }
    w->active = true;
    word_store(&m->abort, 0);
    return SOTTO_OK;
}
