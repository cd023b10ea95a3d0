/* Sampling: a row of logits to one token.
 *
 * Order of the steps: penalties, top-k, top-p, min-p, temperature, draw; as llama.cpp's default chain. The row is put
 * back as it was, so that several samplers may draw from one row. Equal seeds give equal tokens on every host: sums
 * run in double in a fixed order and the generator is our own.
 */
#ifndef SOTTO_GEN_SAMPLER_H
#define SOTTO_GEN_SAMPLER_H

#include "base/heap.h"
#include "base/status.h"
#include "kern/kern.h"

struct sampling {             /* as sotto_sampling: zero means off */
    float temperature;
    uint32_t top_k;
    float top_p, min_p, repeat_penalty, frequency_penalty, presence_penalty;
    uint32_t penalty_last_n;  /* 0: 64 */
    uint64_t seed;
};

struct candidate { uint32_t id; float logit; };

struct sampler {
    struct heap *heap;
    const struct kern *kern;
    struct sampling p;
    uint32_t n_vocab;
    uint64_t state;               /* of the random generator */
    uint32_t *history, n_history; /* ring of the last penalty_last_n tokens; n_history counts all ever accepted */
    struct candidate *undo;       /* [penalty_last_n] logits before the penalties */
    struct candidate *list;       /* [cap] */
    uint32_t cap;
};

/* MEMORY, or EINVAL for parameters that mean nothing (negative, not a number). */
int sampler_init(struct sampler *s, struct heap *heap, const struct kern *kern, uint32_t n_vocab, const struct sampling *p, struct fail *f);
void sampler_done(struct sampler *s);
void sampler_accept(struct sampler *s, uint32_t id);
/* Draws from logits [n_vocab] and accepts the token. logprob: of the token under the unmodified row, or NULL. */
uint32_t sampler_draw(struct sampler *s, float *logits, float *logprob);

#endif
