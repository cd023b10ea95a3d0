/* Draws a token from a row of logits: penalties on what was said, then the samplers of gen/cands.h, then chance.
 *
 * A whole row is never sorted: it is cut first to what can survive, which leaves the result as it is. Equal
 * seeds, rows and histories give equal tokens on every host.
 */
#ifndef SOTTO_GEN_SAMPLER_H
#define SOTTO_GEN_SAMPLER_H

#include "base/heap.h"
#include "base/status.h"
#include "gen/cands.h"
#include "kern/kern.h"

/* Zero means off. Order: penalties, dry, top_n_sigma, top_k, typical_p, top_p, min_p, xtc, temperature. */
struct sampling {
    float temperature;        /* 0: greedy, ties go to the lowest id */
    uint32_t top_k;
    float top_p, min_p, typical_p, top_n_sigma;
    float repeat_penalty;     /* 0 or 1: off */
    float frequency_penalty, presence_penalty;
    uint32_t penalty_last_n;  /* 0: 64 */
    float xtc_probability, xtc_threshold;
    float dry_multiplier, dry_base, dry_allowed;
    uint32_t dry_last_n;      /* 0: 1024 */
    uint64_t seed;
};

struct sampler; /* opaque */

/* Allocates all it will need. MEMORY, or EINVAL for a parameter that is not a number or out of range. */
int sampler_new(struct sampler **out, struct heap *heap, const struct kern *kern, const struct sampling *p,
                uint32_t n_vocab, struct fail *f);
void sampler_free(struct sampler *s);
void sampler_accept(struct sampler *s, uint32_t id); /* adds to the history */
/* Draws a token and accepts it. row is [n_vocab]; it is changed meanwhile and left as it was. *logprob (may be
 * NULL) gets the token's log-probability in the row itself. */
uint32_t sampler_pick(struct sampler *s, float *row, float *logprob);

#endif
