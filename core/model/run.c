/* The executor. A batch is cut into pieces; all threads walk the plan for a piece together, phase
 * by phase.
 *
 * Invariant: what decides the walk (op, rows, group) is written by the leader only between jobs,
 * and the decision to stop early is published before a barrier and read after it, in two slots used
 * in turn. With one thread a phase may also end in the middle: `cursor` then tells how many of its
 * units are done. */
#include "model/run.h"
#include <string.h>

enum { MOST_SPARED = 16 };
static const double LOOK_MS = 0.1;

static void set_deadline(struct walk *w, double budget_ms) {
    w->asked = w->spared = 0;
    w->looked = budget_ms > 0 ? clock_ms() : 0;
    w->deadline = budget_ms > 0 ? w->looked + budget_ms : 0;
}

/* Whether the time is up. Asked between chunks, which take a microsecond in one model and a millisecond in another.
 * The host's clock costs as much as a small one, so it is looked at when LOOK_MS should have passed as the chunks
 * before went; never much later than the last time, since clocks of browsers may stand still for a millisecond. */
static bool late(struct walk *w) {
    double now, passed, left;
    if (w->deadline <= 0 || w->asked++ < w->spared) return false;
    now = clock_ms();
    if (now >= w->deadline) return true;
    passed = now - w->looked, left = w->deadline - now;
    uint32_t most = 2 * w->asked < MOST_SPARED ? 2 * w->asked : MOST_SPARED;
    double fit = (left < LOOK_MS ? left : LOOK_MS) * w->asked;
    w->spared = passed * most > fit ? (uint32_t)(fit / passed) : most;
    w->looked = now, w->asked = 0;
    return false;
}

bool run_take(struct runner *r, struct pieces size, uint32_t total, uint32_t *from, uint32_t *to) {
    struct walk *w = &r->m->walk;
    if (r->n_threads > 1) return pool_take(r->pool, r->phase, r->thread, size, total, from, to);
    if (w->cursor >= total) return false;
    if (r->worked && (word_load(&r->m->abort) || late(w))) {
        r->paused = true;
        return false;
    }
    r->worked = true;
    *from = w->cursor;
    *to = w->cursor = total - *from < size.most ? total : *from + size.most;
    return true;
}

struct pieces run_pieces(uint32_t total, uint32_t least) {
    uint32_t part = total / 8;
    return (struct pieces){least, part > least ? part : least};
}

static void check_ready(void *arg, int32_t w) {
    struct model **m = arg;
    if (*m && !weight_ready(&(*m)->weights.list[w])) *m = NULL;
}

static bool op_ready(struct model *m, const struct op *op) {
    if (word_load(&m->feed.ready)) return true;
    struct model *still = m;
    op_weights(op, check_ready, &still);
    return still != NULL;
}

/* What the leader decides before op `next` of [.., end): a code to stop with, or OK to go on. */
static int decide(struct model *m, uint32_t next, uint32_t end) {
    struct walk *w = &m->walk;
    if (word_load(&m->abort)) return SOTTO_ABORTED;
    if (next >= end) return SOTTO_DONE;
    if (!op_ready(m, &m->plan.ops[next])) return SOTTO_NOT_READY;
    return late(w) ? SOTTO_MORE : SOTTO_OK;
}

static void note_time(struct model *m, uint32_t op) {
    if (!m->profiling) return;
    double now = clock_ms();
    m->op_ms[op] += now - m->profile_last;
    m->profile_last = now;
}

/* End of the stretch of ops that is walked next: the body, the tail for one group, the pooling, or
 * the heads of the texts. */
static uint32_t stretch_end(const struct model *m, uint32_t op) {
    const struct plan *p = &m->plan;
    return op < p->n_body     ? p->n_body
           : op < p->n_logits ? p->n_logits
           : op < p->n_pool   ? p->n_pool
           : op < p->n_dense  ? p->n_dense
                              : p->n_ops;
}

static bool has_phases(const struct model *m, const struct op *op) {
    return run_tokens(m, op) || op->kind == OP_ROWS;
}

static void job(void *arg, struct pool *pool, uint32_t thread) {
    struct model *m = arg;
    struct walk *w = &m->walk;
    struct runner r = {.m = m,
                       .pool = pool,
                       .thread = thread,
                       .n_threads = pool->n_threads,
                       .scratch = m->threads + thread * m->thread_bytes};
    uint32_t op = w->op, first = w->phase, end = stretch_end(m, op);
    for (;; op++, first = 0) {
        const struct op *o = &m->plan.ops[op];
        uint32_t n_phases = has_phases(m, o) ? run_phases(m, o) : 0;
        for (uint32_t phase = first; phase < n_phases; phase++) {
            run_phase(&r, o, phase);
            if (r.paused) { /* with one thread only */
                note_time(m, op);
                w->op = op, w->phase = phase;
                w->result = word_load(&m->abort) ? SOTTO_ABORTED : SOTTO_MORE;
                return;
            }
            bool last = phase + 1 == n_phases;
            uint32_t slot = r.phase & 1;
            if (last && thread == 0) {
                note_time(m, op);
                if (m->watch) m->watch(m->watch_arg, op);
                word_store(&w->stop[slot], (uint32_t)decide(m, op + 1, end));
            }
            if (r.n_threads == 1) w->cursor = 0;
            if (!pool_barrier(pool, r.phase++, thread)) return;
            if (!last) continue;
            uint32_t stop = word_load(&w->stop[slot]);
            if (stop == SOTTO_OK) break;
            if (thread == 0) w->op = op + 1, w->phase = 0, w->result = (int)stop;
            return;
        }
        if (!n_phases && op + 1 == end) { /* nothing wanted: the ops after OP_ROWS have no rows */
            if (thread == 0) w->op = op + 1, w->phase = 0, w->result = SOTTO_DONE;
            return;
        }
    }
}

/* ---- pieces
 * -------------------------------------------------------------------------------------------- */

static void want_row(struct walk *w, uint32_t token, uint32_t entry) {
    w->row_token[w->n_rows] = token, w->row_entry[w->n_rows++] = entry;
}

/* Chooses the tokens of the next piece, in the order of the entries. */
static int piece_begin(struct model *m) {
    struct walk *w = &m->walk;
    w->n_tokens = w->n_segments = w->n_rows = 0;
    w->group = w->n_group = w->rows_ready = 0;
    for (uint32_t i = 0; i < w->n_entries && w->n_tokens < m->options.batch; i++) {
        struct run_entry *e = &w->entries[i];
        uint32_t n = e->n_tokens - e->done, room = m->options.batch - w->n_tokens;
        if (n > room && m->hp.encoder) break; /* a text is walked whole */
        if (n > room) n = room;
        if (!n) continue;
        uint32_t position = e->seq->n_cached;
        if (m->states.floats) n = state_cut(position, n);
        if (!kv_prepare(&m->kv, &e->seq->kv, position, position + n))
            return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE, "the cache has no page left");
        if (!state_begin(&m->states, &e->seq->state, m->seqs, m->max_seqs))
            return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE, "the cache has no state left");
        w->segments[w->n_segments++] = (struct segment){
            .seq = e->seq, .entry = i, .first = w->n_tokens, .n_tokens = n, .position = position};
        for (uint32_t t = 0; t < n; t++) {
            uint32_t at = e->done + t;
            w->tokens[w->n_tokens] = e->tokens[at], w->positions[w->n_tokens] = position + t;
            w->types[w->n_tokens] = at >= e->second;
            bool wanted = e->want == ROWS_ALL     ? at >= e->skip
                          : e->want == ROWS_FIRST ? at == e->skip
                                                  : e->want == ROWS_LAST && at + 1 == e->n_tokens;
            if (wanted) want_row(w, w->n_tokens, i);
            w->n_tokens++;
        }
    }
    w->piece = w->n_tokens > 0;
    w->op = w->phase = w->cursor = 0;
    uint32_t present = word_load(&m->pool->n_joined) + 1;
    w->n_threads = m->n_threads < present ? m->n_threads : present;
    return SOTTO_OK;
}

static void piece_end(struct model *m) {
    struct walk *w = &m->walk;
    for (uint32_t i = 0; i < w->n_segments; i++) {
        const struct segment *s = &w->segments[i];
        struct run_entry *e = &w->entries[s->entry];
        memcpy(s->seq->tokens + s->position, w->tokens + s->first, s->n_tokens * sizeof *w->tokens);
        s->seq->n_cached = s->position + s->n_tokens;
        if (s->seq->n_tokens < s->seq->n_cached) s->seq->n_tokens = s->seq->n_cached;
        e->done += s->n_tokens;
        state_end(&m->states, &s->seq->state, s->position, s->position + s->n_tokens,
                  e->done == e->n_tokens);
        if (m->hp.encoder) { /* nothing can be continued: the sequence is empty again */
            kv_truncate(&m->kv, &s->seq->kv, 0);
            s->seq->n_tokens = s->seq->n_cached = 0;
        }
        kv_release_behind(&m->kv, &s->seq->kv, s->seq->n_cached);
    }
    w->walked += w->n_tokens;
    m->profile_runs++, m->profile_tokens += w->n_tokens, m->profile_rows += w->n_rows;
    w->piece = false;
    w->n_tokens = 0;
}

/* Drops the batch; the sequences stand where the last whole piece left them. */
static int give_up(struct model *m, int code) {
    run_clear(m);
    return code;
}

/* One job: from where the walk stands to the end of the stretch, or to where the leader stops. */
static int walk_on(struct model *m) {
    struct walk *w = &m->walk;
    int first = w->cursor || w->phase ? SOTTO_OK : decide(m, w->op, m->plan.n_ops);
    if (first == SOTTO_MORE) first = SOTTO_OK; /* even the smallest budget makes progress */
    if (first != SOTTO_OK) return first;
    /* a job without a barrier may not be: a late thread would read what the leader left behind */
    uint32_t op = w->op, end = stretch_end(m, op);
    while (op < end && !has_phases(m, &m->plan.ops[op])) op++;
    if (op == end) return w->op = end, SOTTO_DONE;
    w->result = SOTTO_WORKER_LOST;
    if (m->profiling) m->profile_last = clock_ms();
    int rc = pool_run(m->pool, w->n_threads, job, m);
    return rc ? rc : w->result;
}

/* The batch's last touch on finished rows of texts. */
static void finish_texts(struct model *m) {
    struct walk *w = &m->walk;
    w->rows_first = 0, w->rows_ready = w->n_entries, w->heads = w->active = false;
    for (uint32_t i = 0; i < w->n_entries; i++) {
        uint32_t n;
        float *row = (float *)(uintptr_t)run_row(m, i, &n); /* of the model's own block */
        if (w->kind == KIND_SCORES && m->hp.arch->head_softmax)
            kern_softmax(m->kern, row, row, n, 1);
        if (w->kind == KIND_POOLED && w->normalize) kern_l2_norm(m->kern, row, row, n, 1e-12f);
    }
}

static bool entries_left(const struct walk *w) {
    for (uint32_t i = 0; i < w->n_entries; i++)
        if (w->entries[i].done < w->entries[i].n_tokens) return true;
    return false;
}

/* After a stretch of a batch for embeddings; DONE: go on with w->op. */
static int embed_next(struct model *m) {
    struct walk *w = &m->walk;
    const struct plan *p = &m->plan;
    if (w->piece) {
        if (w->op == p->n_body) return w->op = p->n_logits, SOTTO_DONE;
        piece_end(m);
        bool more = entries_left(w);
        if (w->kind == KIND_STATES) {
            w->rows_first = 0, w->rows_ready = w->n_rows, w->active = more;
            return more ? SOTTO_MORE : SOTTO_OK;
        }
        if (more) return SOTTO_DONE;
        w->heads = true, w->phase = w->cursor = 0;
        w->op = w->kind == KIND_POOLED ? p->n_pool : p->n_dense;
        if (w->op < (w->kind == KIND_POOLED ? p->n_dense : p->n_ops)) return SOTTO_DONE;
    }
    finish_texts(m);
    return SOTTO_OK;
}

const float *run_row(const struct model *m, uint32_t i, uint32_t *width) {
    const struct walk *w = &m->walk;
    int32_t buffer = w->kind == KIND_LOGITS   ? BUFFER_LOGITS
                     : w->kind == KIND_STATES ? m->plan.states
                     : w->kind == KIND_POOLED ? m->plan.pooled
                                              : m->plan.scores;
    *width = m->plan.buffers[buffer].width;
    return i < w->rows_ready ? model_buffer(m, buffer) + (size_t)i * *width : NULL;
}

int run_continue(struct model *m, double budget_ms) {
    struct walk *w = &m->walk;
    if (!w->active) return SOTTO_OK;
    w->rows_ready = 0;
    set_deadline(w, budget_ms);
    for (bool begun = false;; begun = true) {
        if (!w->piece && !w->heads) {
            int rc = piece_begin(m);
            if (rc) return give_up(m, rc);
            if (!w->piece) return w->active = false, SOTTO_OK;
        }
        if (w->op == m->plan.n_body && w->kind == KIND_LOGITS) { /* the tail, group by group */
            if (w->group >= w->n_rows) {
                piece_end(m);
                continue;
            }
            w->n_group = w->n_rows - w->group < m->max_rows ? w->n_rows - w->group : m->max_rows;
        }
        if (begun && w->deadline > 0 && clock_ms() >= w->deadline) return SOTTO_MORE;
        int rc = walk_on(m);
        if (rc == SOTTO_DONE && w->kind != KIND_LOGITS) {
            rc = embed_next(m);
            if (rc != SOTTO_DONE) return rc;
        } else if (rc == SOTTO_DONE && w->op == m->plan.n_logits) {
            w->rows_first = w->group, w->rows_ready = w->n_group;
            w->group += w->n_group;
            w->op = m->plan.n_body;
            if (w->group < w->n_rows) return SOTTO_MORE;
            piece_end(m);
            w->active = entries_left(w);
            return w->active ? SOTTO_MORE : SOTTO_OK;
        }
        if (rc == SOTTO_DONE) continue;
        if (rc == SOTTO_MORE || rc == SOTTO_NOT_READY) return rc;
        if (rc == SOTTO_ABORTED)
            return give_up(m, fail(&m->fail, rc, FAIL_NOWHERE, "the run was stopped"));
        return give_up(
            m, fail(&m->fail, rc, FAIL_NOWHERE, "a thread of the pool did not answer in time"));
    }
}

double run_progress(const struct model *m) {
    const struct walk *w = &m->walk;
    double part = w->piece && m->plan.n_ops ? (double)w->op / m->plan.n_ops : 0;
    return w->walked + part * w->n_tokens;
}
