/* Sampling and generation: argument checks in front of gen/. */
#include "api/api_int.h"
#include "gen/gen.h"

struct sotto_sampler {
    struct sampler *sampler;
    struct model *model;
};

static struct sampling sampling_of(const struct sotto_sampling *p) {
    return (struct sampling){
        .temperature = p->temperature, .top_k = p->top_k, .top_p = p->top_p, .min_p = p->min_p,
        .repeat_penalty = p->repeat_penalty, .frequency_penalty = p->frequency_penalty,
        .presence_penalty = p->presence_penalty, .penalty_last_n = p->penalty_last_n, .seed = p->seed,
    };
}

int sotto_sampler_new(sotto_model *s, const struct sotto_sampling *p, sotto_sampler **out) {
    struct model *m = &s->m;
    struct sampling sampling = sampling_of(p);
    sotto_sampler *sampler = HEAP_ZERO(m->heap, sotto_sampler, 1);
    int rc;
    *out = NULL;
    if (!sampler) return fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a sampler");
    sampler->model = m;
    rc = sampler_new(&sampler->sampler, m->heap, m->kern, &sampling, m->hp.n_vocab, &m->fail);
    if (rc) HEAP_FREE(m->heap, sampler, 1);
    else *out = sampler;
    return rc;
}

void sotto_sampler_free(sotto_sampler *s) {
    if (!s) return;
    sampler_free(s->sampler);
    HEAP_FREE(s->model->heap, s, 1);
}

void sotto_sampler_accept(sotto_sampler *s, uint32_t id) { sampler_accept(s->sampler, id); }

uint32_t sotto_sample(sotto_sampler *s, uint32_t row, float *logprob) {
    struct model *m = s->model;
    if (row >= m->walk.rows_ready || m->walk.kind != KIND_LOGITS) {
        fail(&m->fail, SOTTO_EINVAL, row, "row %u of logits was asked for, %u are ready", row, m->walk.rows_ready);
        return TOKEN_NONE;
    }
    return sampler_pick(s->sampler, m->logits + (size_t)row * m->hp.n_vocab, logprob);
}

/* A generation is a struct gen under another name. */
static struct gen *gen_of(sotto_gen *g) { return (struct gen *)(void *)g; }

int sotto_gen_new(sotto_seq *seq, const uint32_t *prompt, uint32_t n_prompt, const struct sotto_gen_options *o,
                  sotto_gen **out) {
    struct gen_options options = {
        .sampling = sampling_of(&o->sampling), .max_tokens = o->max_tokens, .stop = o->stop, .n_stop = o->n_stop,
        .ignore_eog = o->ignore_eog, .shift = o->shift, .shift_keep = o->shift_keep,
    };
    struct gen *g;
    int rc = gen_new(&g, seq_of(seq), prompt, n_prompt, &options);
    *out = (sotto_gen *)(void *)g;
    return rc;
}

void sotto_gen_free(sotto_gen *g) { gen_free(gen_of(g)); }
int sotto_gen_step(sotto_gen *g, double budget_ms) { return gen_step(gen_of(g), budget_ms); }

void sotto_gen_take(sotto_gen *g, const char **text, size_t *size, const uint32_t **ids, size_t *n_ids) {
    gen_take(gen_of(g), text, size, ids, n_ids);
}

void sotto_gen_stats(const sotto_gen *g, struct sotto_gen_stats *out) {
    struct gen_stats s = gen_stats((const struct gen *)(const void *)g);
    *out = (struct sotto_gen_stats){
        .finish = s.finish, .prompt_tokens = s.prompt_tokens, .cached_tokens = s.cached_tokens,
        .completion_tokens = s.completion_tokens, .prefill_ms = s.prefill_ms, .decode_ms = s.decode_ms,
        .first_token_ms = s.first_token_ms, .prefill_done = s.prefill_done, .shifted = s.shifted,
    };
}
