#include "gen/gen.h"
#include "gen/shift.h"

#include <string.h>

enum { WANT_LAST = 1, STOP_BYTES = 1 << 16 };

struct token { uint32_t id; size_t end; /* of its text in `text` */ };

struct gen {
    struct model *m;
    struct seq *seq;
    struct sampler *sampler;
    uint32_t *prompt;
    uint32_t n_prompt, max_tokens;
    bool ignore_eog;
    struct shift shift;
    uint32_t prompt_cap, dropped; /* by shifts after the prompt */
    uint32_t next;            /* drawn, not yet evaluated */
    struct gen_stats stats;
    double started;
    /* Text: bytes [taken, released) wait to be taken, [released, size) may become a stop text. */
    struct detok detok;
    struct sbuf text;
    size_t taken, released;
    struct token *tokens;     /* [cap_tokens], those whose text is not all taken */
    uint32_t n_tokens, cap_tokens, given;
    uint32_t *ids;            /* [cap_tokens] as handed out */
    char *stops;              /* [stop_bytes] NUL-terminated texts in a row */
    size_t stop_bytes;
};

static int refuse(struct gen *g, int code, const char *text) {
    return fail(&g->m->fail, code, FAIL_NOWHERE, "%s", text);
}

/* ---- beginning and end ----------------------------------------------------------------------------------- */
static int copy_stops(struct gen *g, const struct gen_options *o) {
    size_t at = 0;
    for (uint32_t i = 0; i < o->n_stop; i++) {
        size_t n = strlen(o->stop[i]);
        if (n > STOP_BYTES || g->stop_bytes > STOP_BYTES) return refuse(g, SOTTO_EINVAL, "stop texts of more than 64 KiB");
        if (n) g->stop_bytes += n + 1;
    }
    g->stops = heap_new(g->m->heap, g->stop_bytes);
    if (!g->stops) return refuse(g, SOTTO_MEMORY, "no memory for the stop texts");
    for (uint32_t i = 0; i < o->n_stop; i++) {
        size_t n = strlen(o->stop[i]);
        if (n) memcpy(g->stops + at, o->stop[i], n + 1), at += n + 1;
    }
    return SOTTO_OK;
}

/* Cuts seq to what it shares with the prompt. */
static int reuse(struct gen *g) {
    struct seq *s = g->seq;
    uint32_t same = 0;
    int rc;
    while (same < s->n_tokens && same + 1 < g->n_prompt && s->tokens[same] == g->prompt[same]) same++;
    rc = seq_truncate(s, same);
    g->stats.cached_tokens = g->stats.prefill_done = s->n_cached;
    return rc;
}

static int set_up(struct gen *g, const uint32_t *prompt, uint32_t n_prompt, const struct gen_options *o) {
    struct model *m = g->m;
    int rc;
    if (!g->seq->open || n_prompt == 0) return refuse(g, SOTTO_EINVAL, "a generation needs an open sequence and a prompt");
    if (o->shift && (rc = shift_init(&g->shift, m, o->shift_keep))) return rc;
    if (n_prompt > m->options.context && !o->shift)
        return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE, "a prompt of %u tokens does not fit a context of %u",
                    n_prompt, m->options.context);
    for (uint32_t i = 0; i < n_prompt; i++)
        if (prompt[i] >= m->hp.n_vocab)
            return fail(&m->fail, SOTTO_EINVAL, i, "token %u at index %u is not one of %u", prompt[i], i, m->hp.n_vocab);
    g->prompt = HEAP_NEW(m->heap, uint32_t, n_prompt);
    if (!g->prompt) return refuse(g, SOTTO_MEMORY, "no memory for the prompt");
    g->prompt_cap = n_prompt;
    memcpy(g->prompt, prompt, n_prompt * sizeof *prompt);
    if (n_prompt > m->options.context) {
        uint32_t left = shift_prompt(&g->shift, g->prompt, n_prompt);
        g->stats.shifted = n_prompt - left, n_prompt = left;
    }
    g->n_prompt = g->stats.prompt_tokens = n_prompt;
    g->max_tokens = o->max_tokens, g->ignore_eog = o->ignore_eog;
    rc = copy_stops(g, o);
    if (!rc) rc = sampler_new(&g->sampler, m->heap, m->kern, &o->sampling, m->hp.n_vocab, &m->fail);
    if (rc) return rc;
    for (uint32_t i = 0; i < n_prompt; i++) sampler_accept(g->sampler, g->prompt[i]);
    detok_init(&g->detok, m->vocab, false);
    g->detok.first = false; /* the text goes on where the prompt ends */
    return reuse(g);
}

int gen_new(struct gen **out, struct seq *seq, const uint32_t *prompt, uint32_t n_prompt, const struct gen_options *o) {
    struct gen *g = HEAP_ZERO(seq->model->heap, struct gen, 1);
    int rc;
    *out = NULL;
    if (!g) return fail(&seq->model->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a generation");
    g->m = seq->model, g->seq = seq, g->started = clock_ms();
    g->text = sbuf_new(g->m->heap);
    rc = set_up(g, prompt, n_prompt, o);
    word_store(&g->m->abort, 0); /* from here on a stop is meant for this generation */
    if (rc) gen_free(g);
    else *out = g;
    return rc;
}

void gen_free(struct gen *g) {
    struct heap *heap;
    if (!g) return;
    heap = g->m->heap;
    sampler_free(g->sampler);
    HEAP_FREE(heap, g->prompt, g->prompt_cap);
    shift_free(&g->shift, heap);
    HEAP_FREE(heap, g->tokens, g->cap_tokens);
    HEAP_FREE(heap, g->ids, g->cap_tokens);
    heap_free(heap, g->stops, g->stop_bytes);
    sbuf_free(&g->text);
    HEAP_FREE(heap, g, 1);
}

/* ---- text ---------------------------------------------------------------------------------------------------- */
/* Forgets what was taken. */
static void compact(struct gen *g) {
    uint32_t kept = 0;
    if (g->taken) {
        memmove(g->text.text, g->text.text + g->taken, g->text.size - g->taken);
        g->text.size -= g->taken;
        g->released -= g->taken;
    }
    for (uint32_t i = g->given; i < g->n_tokens; i++)
        g->tokens[kept++] = (struct token){g->tokens[i].id, g->tokens[i].end - g->taken};
    g->n_tokens = kept, g->given = 0, g->taken = 0;
}

static bool room_for_token(struct gen *g) {
    uint32_t cap = g->cap_tokens ? g->cap_tokens * 2 : 64;
    struct token *tokens;
    uint32_t *ids;
    if (g->n_tokens < g->cap_tokens) return true;
    tokens = HEAP_NEW(g->m->heap, struct token, cap);
    ids = HEAP_NEW(g->m->heap, uint32_t, cap);
    if (!tokens || !ids) {
        HEAP_FREE(g->m->heap, tokens, cap);
        HEAP_FREE(g->m->heap, ids, cap);
        return false;
    }
    if (g->n_tokens) memcpy(tokens, g->tokens, g->n_tokens * sizeof *tokens);
    HEAP_FREE(g->m->heap, g->tokens, g->cap_tokens);
    HEAP_FREE(g->m->heap, g->ids, g->cap_tokens);
    g->tokens = tokens, g->ids = ids, g->cap_tokens = cap;
    return true;
}

/* The first place in text[from ..) where stop stands, or size. */
static size_t find_stop(const struct sbuf *text, size_t from, const char *stop, size_t n) {
    for (size_t at = from; at + n <= text->size; at++)
        if (text->text[at] == stop[0] && memcmp(text->text + at, stop, n) == 0) return at;
    return text->size;
}

/* How much of the end of text may be the beginning of stop. */
static size_t begun_stop(const struct sbuf *text, size_t from, const char *stop, size_t n) {
    size_t most = text->size - from < n - 1 ? text->size - from : n - 1;
    for (size_t k = most; k > 0; k--)
        if (memcmp(text->text + text->size - k, stop, k) == 0) return k;
    return 0;
}

/* Releases what can no longer become a stop text; true where one stands there: the text ends before it. */
static bool release(struct gen *g) {
    size_t end = g->text.size, held = 0;
    for (size_t at = 0, n; at < g->stop_bytes; at += n + 1) {
        const char *stop = g->stops + at;
        n = strlen(stop);
        size_t found = find_stop(&g->text, g->released, stop, n), begun = begun_stop(&g->text, g->released, stop, n);
        if (found < end) end = found;
        if (begun > held) held = begun;
    }
    if (end == g->text.size) {
        g->released = g->text.size - held;
        return false;
    }
    g->text.size = g->released = end;
    while (g->n_tokens && (g->n_tokens > 1 ? g->tokens[g->n_tokens - 2].end : 0) >= end) g->n_tokens--;
    if (g->n_tokens && g->tokens[g->n_tokens - 1].end > end) g->tokens[g->n_tokens - 1].end = end;
    return true;
}

static int finish(struct gen *g, enum gen_finish why) {
    g->stats.finish = why;
    detok_finish(&g->detok, &g->text);
    g->released = g->text.size;
    return g->text.failed ? refuse(g, SOTTO_MEMORY, "no memory for the text") : SOTTO_DONE;
}

void gen_take(struct gen *g, const char **text, size_t *size, const uint32_t **ids, size_t *n_ids) {
    uint32_t n = 0;
    *text = g->text.text ? g->text.text + g->taken : "";
    *size = g->released - g->taken;
    g->taken = g->released;
    while (g->given < g->n_tokens && (g->stats.finish || g->tokens[g->given].end <= g->released))
        g->ids[n++] = g->tokens[g->given++].id;
    *ids = g->ids;
    *n_ids = n;
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */
static bool prefilling(const struct gen *g) {
    return !g->stats.completion_tokens && g->seq->n_cached < g->n_prompt;
}

/* Makes room in a full context. */
static int make_room(struct gen *g) {
    uint32_t dropped = 0;
    int rc = shift_begin(&g->shift, g->seq, g->next, &dropped);
    g->dropped += dropped, g->stats.shifted += dropped;
    return rc;
}

/* Puts what is to be evaluated next into the model's batch, unless it is there. */
static int begin(struct gen *g) {
    struct model *m = g->m;
    struct seq *s = g->seq;
    struct walk *w = &m->walk;
    uint32_t done = g->n_prompt + (g->stats.completion_tokens ? g->stats.completion_tokens - 1 : 0) - g->dropped;
    bool decode = g->stats.completion_tokens > 0;
    int rc;
    if (w->active && w->n_entries == 1 && w->entries[0].seq == s) return SOTTO_OK;
    if (!s->open || (g->shift.n ? false : decode ? s->n_tokens != done : s->n_tokens >= g->n_prompt))
        return refuse(g, SOTTO_EINVAL, "the sequence was changed while a generation used it");
    if (word_load(&m->abort)) return refuse(g, SOTTO_ABORTED, "the generation was stopped"); /* run_begin would forget it */
    if (decode && s->n_tokens == m->options.context) {
        if (!g->shift.on) return finish(g, GEN_LENGTH);
        if ((rc = make_room(g))) return rc;
    }
    run_clear(m);
    rc = g->shift.n ? shift_add(&g->shift, s, WANT_LAST) : decode ? run_add(m, s, &g->next, 1, WANT_LAST)
                : run_add(m, s, g->prompt + s->n_tokens, g->n_prompt - s->n_tokens, WANT_LAST);
    if (!rc) rc = run_begin(m);
    return rc == SOTTO_CONTEXT_FULL && decode ? finish(g, GEN_LENGTH) : rc;
}

/* Draws a token from the row that is ready. OK to go on, DONE or a failure. */
static int draw(struct gen *g) {
    struct model *m = g->m;
    g->next = sampler_pick(g->sampler, m->logits, NULL);
    g->shift.n = 0;
    if (!g->stats.completion_tokens) g->stats.first_token_ms = clock_ms() - g->started;
    if (!g->ignore_eog && vocab_is_eog(m->vocab, g->next)) return finish(g, GEN_STOP);
    if (!room_for_token(g)) return refuse(g, SOTTO_MEMORY, "no memory for the tokens");
    g->stats.completion_tokens++;
    detok_push(&g->detok, g->next, &g->text);
    if (g->text.failed) return refuse(g, SOTTO_MEMORY, "no memory for the text");
    g->tokens[g->n_tokens++] = (struct token){g->next, g->text.size};
    if (release(g)) {
        g->stats.finish = GEN_STOP;
        return SOTTO_DONE;
    }
    if (g->max_tokens && g->stats.completion_tokens >= g->max_tokens) return finish(g, GEN_LENGTH);
    return SOTTO_OK;
}

int gen_step(struct gen *g, double budget_ms) {
    struct model *m = g->m;
    double now = clock_ms(), deadline = now + budget_ms;
    bool waited_for = !g->stats.completion_tokens; /* the first token goes out at once */
    compact(g);
    for (;;) {
        double left = deadline - now, then;
        bool prefill;
        int rc;
        if (g->stats.finish) return SOTTO_DONE;
        rc = begin(g);
        if (rc == SOTTO_ABORTED) finish(g, GEN_ABORT);
        if (rc) return rc;
        prefill = prefilling(g);
        rc = run_continue(m, budget_ms > 0 ? left > 0.01 ? left : 0.01 : 0);
        if (prefill) g->stats.prefill_done = g->seq->n_cached < g->n_prompt ? g->seq->n_cached : g->n_prompt;
        if (rc == SOTTO_OK) rc = m->walk.rows_ready ? draw(g) : refuse(g, SOTTO_EINVAL, "the batch gave no logits");
        then = clock_ms();
        *(prefill ? &g->stats.prefill_ms : &g->stats.decode_ms) += then - now;
        now = then;
        if (rc == SOTTO_ABORTED) finish(g, GEN_ABORT);
        if (rc && rc != SOTTO_MORE) return rc;
        if (budget_ms > 0 && (now >= deadline || (waited_for && g->stats.completion_tokens))) return SOTTO_MORE;
    }
}

struct gen_stats gen_stats(const struct gen *g) { return g->stats; }
