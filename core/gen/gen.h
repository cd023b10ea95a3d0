/* Generation: a prompt, then one token after the other, as a machine that works in slices.
 *
 * It owns no sequence: it brings one to its prompt (keeping the longest common prefix) and extends it. Several
 * generations of one model take turns: one that finds the model busy with another's batch waits.
 */
#ifndef SOTTO_GEN_GEN_H
#define SOTTO_GEN_GEN_H

#include "gen/sampler.h"
#include "model/model.h"
#include "text/vocab.h"

enum gen_finish { GEN_RUNNING, GEN_STOP, GEN_LENGTH, GEN_ABORT };
enum gen_state { GEN_NEW /* the next tokens are not handed to the model yet */, GEN_WALKING, GEN_ENDED };

struct gen {
    struct heap *heap;
    struct model *m;
    struct seq *seq;
    struct sampler sampler;
    uint32_t max_tokens;
    bool ignore_eog;
    struct gguf_str *stops; uint32_t n_stops; char *stop_text; size_t stop_bytes; /* texts one after the other */
    uint32_t *prompt, n_prompt;       /* what is to be evaluated; after the prompt the one token drawn last */
    uint8_t state, finish;
    struct detok detok;
    struct sbuf text;                 /* generated text that was not taken yet */
    size_t certain, taken;            /* bytes of it that may be shown; that were shown by the last take */
    uint32_t *ids; uint32_t n_ids, cap_ids, ids_taken;
    uint32_t n_cached, n_total;       /* tokens of the prompt found in the sequence; all of the prompt */
    uint32_t n_done;                  /* tokens generated */
    double begin_ms, prefill_ms, decode_ms, first_ms;
};

struct gen_options {
    struct sampling sampling;
    uint32_t max_tokens;
    const char *const *stop; uint32_t n_stop;
    bool ignore_eog;
};

/* Copies everything. EINVAL, MEMORY, CONTEXT_FULL (into m->fail). */
int gen_new(struct gen **out, struct seq *seq, const uint32_t *prompt, uint32_t n_prompt, const struct gen_options *o);
void gen_free(struct gen *g);
int gen_step(struct gen *g, double budget_ms);
void gen_take(struct gen *g, const char **text, size_t *size, const uint32_t **ids, size_t *n_ids);

#endif
