/* Context shift: when a sequence fills its context, the oldest tokens behind the first `keep` are
 * dropped and what stays is evaluated again, at its new positions. Keys in the cache are never
 * rotated in place: a quantized one would lose bits each time. Keeping the very first tokens is
 * what keeps attention stable (attention sinks, Xiao et al. 2023, "Efficient Streaming Language
 * Models with Attention Sinks"). */
#ifndef SOTTO_GEN_SHIFT_H
#define SOTTO_GEN_SHIFT_H

#include "model/model.h"

struct shift {
    bool on;
    uint32_t keep;
    uint32_t *tokens, cap; /* [context], owned */
    uint32_t n; /* tokens to be evaluated behind the kept ones; 0 where no shift is under way */
};

/* Prepares shifts of a model's sequences; EINVAL where keep leaves no room to generate, MEMORY. */
int shift_init(struct shift *sh, struct model *m, uint32_t keep);
void shift_free(struct shift *sh, struct heap *heap);
/* Cuts the kept and the newest tokens out of n of a prompt that is longer than the context, in
 * place; returns how many are left. */
uint32_t shift_prompt(const struct shift *sh, uint32_t *tokens, uint32_t n);
/* Cuts s, which is full, to the kept tokens, and takes down the newer half of the rest and `next`
 * to be evaluated; *dropped is how many tokens went. */
int shift_begin(struct shift *sh, struct seq *s, uint32_t next, uint32_t *dropped);
/* Puts what is still to be evaluated into the model's batch. EINVAL where the sequence was changed
 * meanwhile. */
int shift_add(const struct shift *sh, struct seq *s, uint32_t want);

#endif
