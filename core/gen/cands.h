/* Lists of candidate tokens, and the samplers that thin them out: one row of a table each.
 *
 * A list may stand for a larger one whose other members are known to be lost: `rest` is the sum of
 * exp(logit - largest logit) over those, so that probabilities are still those of the whole row. A sampler
 * that changes what is left (or the temperature) sets it to 0. Orders, bounds and ties are llama.cpp's.
 */
#ifndef SOTTO_GEN_CANDS_H
#define SOTTO_GEN_CANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cand { uint32_t id; float logit, p; };
struct cands {
    struct cand *list;
    uint32_t n;
    bool sorted; /* by falling logit, ties by rising id */
    bool by_id;  /* ids rise (and logits may be in any order) */
    double rest;
};

/* What samplers may look at besides the list. */
struct sampler_context {
    const uint32_t *last; /* history, oldest first */
    uint32_t n_last;
    const uint32_t *const *breakers; /* of dry: [n_breakers] sequences, each its length and then the ids in order */
    uint32_t n_breakers;
    double random;        /* in [0, 1), for xtc */
    uint32_t *scratch;    /* n_last words, for dry */
};

enum { SAMPLER_PARAMS = 4 };
struct sampler_kind {
    const char *name;
    uint32_t n_params;
    void (*apply)(struct cands *c, const float *params, const struct sampler_context *x);
};

/* penalties last_n, repeat, frequency, presence; dry multiplier, base, allowed_length, last_n (negative: all);
 * top_n_sigma n; top_k k; typical p, min_keep; top_p p, min_keep; min_p p, min_keep; xtc probability,
 * threshold, min_keep; temp t; temp_ext t, delta, exponent. */
enum sampler_id { SAMPLER_PENALTIES, SAMPLER_DRY, SAMPLER_SIGMA, SAMPLER_TOP_K, SAMPLER_TYPICAL, SAMPLER_TOP_P,
                  SAMPLER_MIN_P, SAMPLER_XTC, SAMPLER_TEMP, SAMPLER_TEMP_EXT, SAMPLER_COUNT };
extern const struct sampler_kind sampler_kinds[SAMPLER_COUNT];

/* Sorts by falling logit, ties by rising id. Not a number sorts last. */
void cands_sort(struct cands *c);
/* Moves the k first of that order to the front, sorted, and drops the others. */
void cands_keep(struct cands *c, uint32_t k);
/* Fills p and sorts. */
void cands_softmax(struct cands *c);

#endif
