/* Sequences and evaluation: argument checks in front of model/seq.c and model/run.c. */
#include "api/api_int.h"
#include <string.h>

int sotto_seq_new(sotto_model *s, sotto_seq **out) {
    struct seq *seq;
    int rc = seq_new(&s->m, &seq);
    *out = rc ? NULL : as_seq(seq);
    return rc;
}

void sotto_seq_free(sotto_seq *s) {
    if (s) seq_free(seq_of(s));
}

int sotto_seq_fork(sotto_seq *s, sotto_seq **out) {
    struct seq *copy;
    int rc = seq_fork(seq_of(s), &copy);
    *out = rc ? NULL : as_seq(copy);
    return rc;
}

int sotto_seq_truncate(sotto_seq *s, uint32_t n_tokens) {
    return seq_truncate(seq_of(s), n_tokens);
}
int sotto_seq_fill(sotto_seq *s, uint32_t n) {
    return seq_fill(seq_of(s), n);
}
uint32_t sotto_seq_length(const sotto_seq *s) {
    return const_seq_of(s)->n_tokens;
}
const uint32_t *sotto_seq_tokens(const sotto_seq *s) {
    return const_seq_of(s)->tokens;
}

/* Rows of an entry and kind of the batch for what an entry wants; false where that is nothing. */
static bool resolve(const struct model *m, uint32_t want, uint32_t *rows, enum walk_kind *kind) {
    static const uint8_t plain[] = {ROWS_NONE, ROWS_LAST, ROWS_ALL, ROWS_ALL},
                         pooled[] = {ROWS_ALL, ROWS_ALL, ROWS_FIRST, ROWS_LAST};
    uint32_t pool = m->hp.pooling;
    *kind = want == SOTTO_WANT_STATES ? KIND_STATES : KIND_LOGITS;
    if (want <= SOTTO_WANT_STATES) return *rows = plain[want], true;
    if (want > SOTTO_WANT_SCORES) return false;
    if (want != SOTTO_WANT_POOLED) pool = want - SOTTO_WANT_POOLED;
    *kind = pool == POOL_RANK ? KIND_SCORES : KIND_POOLED;
    if (pool == POOL_RANK)
        pool = m->hp.head_pooling == POOL_MEAN ? POOL_MEAN : m->hp.encoder ? POOL_CLS : POOL_LAST;
    return *rows = pooled[pool], true;
}

int sotto_run_begin(sotto_model *s, const struct sotto_entry *entries, uint32_t n_entries) {
    struct model *m = &s->m;
    if (n_entries > m->max_seqs)
        return fail(&m->fail, SOTTO_EINVAL, FAIL_NOWHERE, "%u entries; this model has %u sequences",
                    n_entries, m->max_seqs);
    run_clear(m);
    for (uint32_t i = 0; i < n_entries; i++) {
        const struct sotto_entry *e = &entries[i];
        struct seq *seq = seq_of(e->seq);
        uint32_t want = e->want & ~(uint32_t)(SOTTO_NORMALIZE | SOTTO_PAIR), rows;
        enum walk_kind kind;
        if (!seq || seq->model != m || !seq->open || !resolve(m, want, &rows, &kind))
            return fail(&m->fail, SOTTO_EINVAL, i, "entry %u names no open sequence of this model",
                        i);
        m->walk.normalize = e->want & SOTTO_NORMALIZE;
        int rc = run_add(m, seq, e->tokens, e->n_tokens, rows + kind * WALK_KIND);
        if (rc) return rc;
        struct run_entry *own = &m->walk.entries[i];
        uint32_t sep = vocab_special(m->vocab).sep, at = 0;
        while (at < own->n_tokens && own->tokens[at] != sep) at++;
        if (e->want & SOTTO_PAIR) own->second = at + 1;
    }
    return run_begin(m);
}

int sotto_run(sotto_model *s, double budget_ms) {
    return run_continue(&s->m, budget_ms);
}
uint32_t sotto_n_rows(const sotto_model *s) {
    return s->m.walk.rows_ready;
}

const float *sotto_row(sotto_model *s, uint32_t row, uint32_t *entry, uint32_t *position) {
    const struct model *m = &s->m;
    const struct walk *w = &m->walk;
    if (row >= w->rows_ready) return NULL;
    uint32_t at = w->rows_first + row, width;
    bool text = w->kind >= KIND_POOLED;
    if (entry) *entry = text ? row : w->row_entry[at];
    if (position) *position = text ? 0 : w->positions[w->row_token[at]];
    return run_row(m, row, &width);
}

uint32_t sotto_row_width(const sotto_model *s) {
    uint32_t width;
    run_row(&s->m, 0, &width);
    return width;
}

double sotto_run_progress(const sotto_model *s) {
    return run_progress(&s->m);
}
