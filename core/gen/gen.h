/* Generation: a prompt is evaluated, tokens are drawn and evaluated one by one, their text comes out in whole
 * characters and free of stop texts.
 *
 * A generation uses its sequence between gen_new and gen_free; evaluating another batch of the model meanwhile
 * costs it the piece under way, no more. Equal inputs give equal tokens however the time is sliced.
 */
#ifndef SOTTO_GEN_GEN_H
#define SOTTO_GEN_GEN_H

#include "gen/sampler.h"
#include "model/model.h"

struct gen_options {
    struct sampling sampling;
    uint32_t max_tokens;      /* 0: until the context is full */
    const char *const *stop;  /* [n_stop] copied; empty ones mean nothing */
    uint32_t n_stop;
    bool ignore_eog;
    bool shift;               /* instead of ending where the context is full: shift.h */
    uint32_t shift_keep;      /* first tokens that are never dropped */
};

enum gen_finish { GEN_GOING, GEN_STOP, GEN_LENGTH, GEN_ABORT };

struct gen_stats {
    uint32_t finish, prompt_tokens, cached_tokens, completion_tokens;
    double prefill_ms, decode_ms, first_token_ms;
    uint32_t prefill_done;    /* prompt tokens in the cache, the reused ones included */
    uint32_t shifted;         /* tokens dropped by context shifts */
};

struct gen; /* opaque */

/* Keeps the longest prefix that seq shares with the prompt (at least one prompt token is evaluated), cuts the
 * rest off seq and copies the prompt. Failures (EINVAL, CONTEXT_FULL, MEMORY) are in the model's fail. */
int gen_new(struct gen **out, struct seq *seq, const uint32_t *prompt, uint32_t n_prompt, const struct gen_options *o);
void gen_free(struct gen *g);
/* Works for about budget_ms (0: to the end), or to the first token. MORE, DONE, NOT_READY, ABORTED or another failure. */
int gen_step(struct gen *g, double budget_ms);
/* What became certain since the last call; valid until the next step. */
void gen_take(struct gen *g, const char **text, size_t *size, const uint32_t **ids, size_t *n_ids);
struct gen_stats gen_stats(const struct gen *g);

#endif
