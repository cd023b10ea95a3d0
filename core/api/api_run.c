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

int sotto_run_begin(sotto_model *s, const struct sotto_entry *entries, uint32_t n_entries) {
    struct model *m = &s->m;
    if (n_entries > m->max_seqs)
        return fail(&m->fail, SOTTO_EINVAL, FAIL_NOWHERE, "%u entries; this model has %u sequences",
                    n_entries, m->max_seqs);
    run_clear(m);
    for (uint32_t i = 0; i < n_entries; i++) {
        const struct sotto_entry *e = &entries[i];
        struct seq *seq = seq_of(e->seq);
        if (!seq || seq->model != m || !seq->open || e->want > SOTTO_WANT_ALL)
            return fail(&m->fail, SOTTO_EINVAL, i, "entry %u names no open sequence of this model",
                        i);
        int rc = run_add(m, seq, e->tokens, e->n_tokens, e->want);
        if (rc) return rc;
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
    uint32_t at = w->rows_first + row;
    if (entry) *entry = w->row_entry[at];
    if (position) *position = w->positions[w->row_token[at]];
    return m->logits + (size_t)row * m->hp.n_vocab;
}

double sotto_run_progress(const sotto_model *s) {
    return run_progress(&s->m);
}
