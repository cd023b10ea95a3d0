/* Sampling and generation: the thin side of gen/. */
#include "api/api_int.h"
#include "gen/gen.h"
#include <string.h>

struct sotto_sampler {
    struct sampler s;         /* first */
    struct model *m;
};

static struct sampling sampling_of(const struct sotto_sampling *p) {
    return (struct sampling){.temperature = p->temperature, .top_k = p->top_k, .top_p = p->top_p, .min_p = p->min_p,
                             .repeat_penalty = p->repeat_penalty, .frequency_penalty = p->frequency_penalty,
                             .presence_penalty = p->presence_penalty, .penalty_last_n = p->penalty_last_n, .seed = p->seed};
}

int sotto_sampler_new(sotto_model *s, const struct sotto_sampling *p, sotto_sampler **out) {
    struct model *m = &s->m;
    struct sampling sampling = sampling_of(p);
    *out = NULL;
    sotto_sampler *sampler = HEAP_ZERO(m->heap, sotto_sampler, 1);
    if (!sampler) return fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a sampler");
    int rc = sampler_init(&sampler->s, m->heap, m->kern, m->hp.n_vocab, &sampling, &m->fail);
    if (rc) {
        heap_free(m->heap, sampler, sizeof *sampler);
        return rc;
    }
    sampler->m = m;
    *out = sampler;
    return SOTTO_OK;
}

void sotto_sampler_free(sotto_sampler *s) {
    if (!s) return;
    sampler_done(&s->s);
    heap_free(s->m->heap, s, sizeof *s);
}

void sotto_sampler_accept(sotto_sampler *s, uint32_t id) { sampler_accept(&s->s, id); }

uint32_t sotto_sample(sotto_sampler *s, uint32_t row, float *logprob) {
    struct model *m = s->m;
    if (row >= m->walk.rows_ready) return UINT32_MAX;
    return sampler_draw(&s->s, m->logits + (size_t)row * m->hp.n_vocab, logprob);
}

static struct gen *gen_of(sotto_gen *g) { return (struct gen *)(void *)g; }

int sotto_gen_new(sotto_seq *seq, const uint32_t *prompt, uint32_t n_prompt, const struct sotto_gen_options *o, sotto_gen **out) {
    struct gen_options options = {.sampling = sampling_of(&o->sampling), .max_tokens = o->max_tokens, .stop = o->stop,
                                  .n_stop = o->n_stop, .ignore_eog = o->ignore_eog};
    struct gen *g;
    int rc = gen_new(&g, seq_of(seq), prompt, n_prompt, &options);
    *out = rc ? NULL : (sotto_gen *)(void *)g;
    return rc;
}

void sotto_gen_free(sotto_gen *g) { gen_free(gen_of(g)); }
int sotto_gen_step(sotto_gen *g, double budget_ms) { return gen_step(gen_of(g), budget_ms); }

void sotto_gen_take(sotto_gen *g, const char **text, size_t *size, const uint32_t **ids, size_t *n_ids) {
    gen_take(gen_of(g), text, size, ids, n_ids);
}

void sotto_gen_stats(const sotto_gen *handle, struct sotto_gen_stats *out) {
    const struct gen *g = (const struct gen *)(const void *)handle;
    double walked = g->state == GEN_WALKING ? run_progress(g->m) : 0;
    *out = (struct sotto_gen_stats){.finish = g->finish, .prompt_tokens = g->n_total, .cached_tokens = g->n_cached,
                                    .completion_tokens = g->n_done, .prefill_ms = g->prefill_ms, .decode_ms = g->decode_ms,
                                    .first_token_ms = g->first_ms,
                                    .prefill_done = g->n_done ? g->n_total : g->n_cached + (uint32_t)walked};
}
