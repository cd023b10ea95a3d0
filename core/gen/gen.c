#include "gen/gen.h"
#include <string.h>

static int copy_stops(struct gen *g, const struct gen_options *o) {
    for (uint32_t i = 0; i < o->n_stop; i++) g->stop_bytes += strlen(o->stop[i]);
    g->n_stops = o->n_stop;
    g->stops = HEAP_NEW(g->heap, struct gguf_str, o->n_stop);
    g->stop_text = HEAP_NEW(g->heap, char, g->stop_bytes);
    if (!g->stops || !g->stop_text) return SOTTO_MEMORY;
    char *at = g->stop_text;
    for (uint32_t i = 0; i < o->n_stop; i++) {
        size_t n = strlen(o->stop[i]);
        memcpy(at, o->stop[i], n);
        g->stops[i] = (struct gguf_str){at, n};
        at += n;
    }
    return SOTTO_OK;
}

int gen_new(struct gen **out, struct seq *seq, const uint32_t *prompt, uint32_t n_prompt, const struct gen_options *o) {
    struct model *m = seq->model;
    *out = NULL;
    if (!n_prompt) return fail(&m->fail, SOTTO_EINVAL, FAIL_NOWHERE, "the prompt is empty");
    if (n_prompt > m->options.context)
        return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE, "a prompt of %u tokens does not fit a context of %u", n_prompt, m->options.context);
    struct gen *g = HEAP_ZERO(m->heap, struct gen, 1);
    if (!g) return fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a generation");
    *g = (struct gen){.heap = m->heap, .m = m, .seq = seq, .max_tokens = o->max_tokens, .ignore_eog = o->ignore_eog,
                      .n_total = n_prompt, .begin_ms = clock_ms(), .text = sbuf_new(m->heap)};
    int rc = sampler_init(&g->sampler, m->heap, m->kern, m->hp.n_vocab, &o->sampling, &m->fail);
    if (!rc && copy_stops(g, o)) rc = fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the stop texts");
    uint32_t common = 0;
    while (common + 1 < n_prompt && common < seq->n_tokens && seq->tokens[common] == prompt[common]) common++;
    g->n_cached = common;
    g->n_prompt = n_prompt - common;
    if (!rc && !(g->prompt = HEAP_NEW(m->heap, uint32_t, g->n_prompt))) rc = fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the prompt");
    for (uint32_t i = 0; i < n_prompt && !rc; i++)
        if (prompt[i] >= m->hp.n_vocab)
            rc = fail(&m->fail, SOTTO_EINVAL, i, "token %u at index %u is not one of %u", prompt[i], i, m->hp.n_vocab);
    if (!rc) rc = seq_truncate(seq, common);
    if (rc) {
        gen_free(g);
        return rc;
    }
    memcpy(g->prompt, prompt + common, g->n_prompt * sizeof *prompt);
    for (uint32_t i = 0; i < n_prompt; i++) sampler_accept(&g->sampler, prompt[i]);
    detok_init(&g->detok, m->vocab, false);
    g->detok.first = false; /* what is generated continues a text: its first space belongs to it */
    *out = g;
    return SOTTO_OK;
}

static uint32_t prompt_room(const struct gen *g) { return g->n_total - g->n_cached; }

void gen_free(struct gen *g) {
    if (!g) return;
    if (g->state == GEN_WALKING) run_clear(g->m);
    sampler_done(&g->sampler);
    HEAP_FREE(g->heap, g->stops, g->n_stops);
    HEAP_FREE(g->heap, g->stop_text, g->stop_bytes);
    HEAP_FREE(g->heap, g->prompt, prompt_room(g));
    HEAP_FREE(g->heap, g->ids, g->cap_ids);
    sbuf_free(&g->text);
    heap_free(g->heap, g, sizeof *g);
}

static void end(struct gen *g, enum gen_finish why) {
    g->state = GEN_ENDED;
    g->finish = (uint8_t)why;
    detok_finish(&g->detok, &g->text);
    g->certain = g->text.size;
}

/* Where the earliest stop text begins at or after `from`; text.size where there is none. */
static size_t find_stop(const struct gen *g, size_t from) {
    for (size_t at = from; at < g->text.size; at++)
        for (uint32_t i = 0; i < g->n_stops; i++) {
            struct gguf_str s = g->stops[i];
            if (s.size && s.size <= g->text.size - at && !memcmp(g->text.text + at, s.text, s.size)) return at;
        }
    return g->text.size;
}

/* Where the longest end of the text begins that may still become a stop text. */
static size_t find_possible(const struct gen *g, size_t from) {
    for (size_t at = from; at < g->text.size; at++)
        for (uint32_t i = 0; i < g->n_stops; i++) {
            size_t n = g->text.size - at;
            if (n < g->stops[i].size && !memcmp(g->text.text + at, g->stops[i].text, n)) return at;
        }
    return g->text.size;
}

static int note_token(struct gen *g, uint32_t id) {
    if (g->n_ids == g->cap_ids) {
        uint32_t cap = g->cap_ids ? g->cap_ids * 2 : 64;
        uint32_t *grown = heap_grow(g->heap, g->ids, g->cap_ids * sizeof *g->ids, cap * sizeof *g->ids);
        if (!grown) return SOTTO_MEMORY;
        g->ids = grown, g->cap_ids = cap;
    }
    g->ids[g->n_ids++] = id;
    g->n_done++;
    detok_push(&g->detok, id, &g->text);
    return g->text.failed ? SOTTO_MEMORY : SOTTO_OK;
}

/* What the token just drawn means: text, the end, or the next one to evaluate. */
static int take_token(struct gen *g, uint32_t id) {
    struct model *m = g->m;
    if (note_token(g, id)) return fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the generated text");
    if (!g->ignore_eog && vocab_is_eog(m->vocab, id)) {
        end(g, GEN_STOP);
        return SOTTO_OK;
    }
    size_t stop = find_stop(g, g->certain);
    if (stop < g->text.size) {
        g->text.size = g->certain = stop;
        g->state = GEN_ENDED, g->finish = GEN_STOP;
        return SOTTO_OK;
    }
    g->certain = find_possible(g, g->certain);
    if ((g->max_tokens && g->n_done >= g->max_tokens) || g->seq->n_tokens >= m->options.context) end(g, GEN_LENGTH);
    g->prompt[0] = id;
    g->n_prompt = 1;
    return SOTTO_OK;
}

/* Hands the next tokens to the model. MORE where it is busy with somebody else's batch. */
static int begin(struct gen *g) {
    struct model *m = g->m;
    if (m->walk.active) return SOTTO_MORE;
    run_clear(m);
    int rc = run_add(m, g->seq, g->prompt, g->n_prompt, 1);
    if (!rc) rc = run_begin(m);
    if (!rc) g->state = GEN_WALKING;
    return rc;
}

int gen_step(struct gen *g, double budget_ms) {
    struct model *m = g->m;
    double start = clock_ms(), now = start;
    if (g->taken) { /* what was shown is forgotten */
        memmove(g->text.text, g->text.text + g->taken, g->text.size - g->taken);
        g->text.size -= g->taken, g->certain -= g->taken, g->taken = 0;
    }
    if (g->ids_taken) {
        memmove(g->ids, g->ids + g->ids_taken, (g->n_ids - g->ids_taken) * sizeof *g->ids);
        g->n_ids -= g->ids_taken, g->ids_taken = 0;
    }
    while (g->state != GEN_ENDED) {
        double left = budget_ms > 0 ? budget_ms - (now - start) : 0;
        if (budget_ms > 0 && left <= 0) return SOTTO_MORE;
        int rc = g->state == GEN_NEW ? begin(g) : SOTTO_OK;
        if (rc) return rc;
        double since = now;
        rc = run_continue(m, left);
        if (rc == SOTTO_OK) {
            g->state = GEN_NEW;
            uint32_t id = sampler_draw(&g->sampler, m->logits, NULL);
            bool first = g->n_done == 0;
            int taken = take_token(g, id);
            now = clock_ms();
            if (first) g->first_ms = now - g->begin_ms, g->prefill_ms += now - since;
            else g->decode_ms += now - since;
            if (taken) return taken;
            continue;
        }
        now = clock_ms();
        if (g->n_done == 0) g->prefill_ms += now - since;
        else g->decode_ms += now - since;
        if (rc == SOTTO_MORE) continue;
        if (rc == SOTTO_NOT_READY) return rc;
        end(g, GEN_ABORT);
        return rc;
    }
    return SOTTO_DONE;
}

void gen_take(struct gen *g, const char **text, size_t *size, const uint32_t **ids, size_t *n_ids) {
    *text = g->text.text ? g->text.text + g->taken : "";
    *size = g->certain - g->taken;
    *ids = g->ids + g->ids_taken;
    *n_ids = g->n_ids - g->ids_taken;
    g->taken = g->certain;
    g->ids_taken = g->n_ids;
}
