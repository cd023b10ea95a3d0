#include "gen/shift.h"
#include <string.h>

int shift_init(struct shift *sh, struct model *m, uint32_t keep) {
    uint32_t context = m->options.context;
    if (context < 2 || keep > context - 2)
        return fail(&m->fail, SOTTO_EINVAL, FAIL_NOWHERE,
                    "keeping %u tokens leaves nothing to shift in a context of %u", keep, context);
    sh->tokens = HEAP_NEW(m->heap, uint32_t, context);
    if (!sh->tokens)
        return fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for context shifts");
    sh->on = true, sh->keep = keep, sh->cap = context;
    return SOTTO_OK;
}

void shift_free(struct shift *sh, struct heap *heap) {
    HEAP_FREE(heap, sh->tokens, sh->cap);
}

/* Tokens that stay behind the kept ones: half of their room, so that shifts are rare. */
static uint32_t rest_of(const struct shift *sh) {
    return (sh->cap - sh->keep) / 2;
}

uint32_t shift_prompt(const struct shift *sh, uint32_t *tokens, uint32_t n) {
    uint32_t rest = rest_of(sh);
    memmove(tokens + sh->keep, tokens + n - rest, rest * sizeof *tokens);
    return sh->keep + rest;
}

int shift_begin(struct shift *sh, struct seq *s, uint32_t next, uint32_t *dropped) {
    uint32_t rest = rest_of(sh) - 1; /* and next */
    memcpy(sh->tokens, s->tokens + s->n_tokens - rest, rest * sizeof *sh->tokens);
    sh->tokens[rest] = next;
    sh->n = rest + 1;
    *dropped = s->n_tokens - sh->keep - rest;
    return seq_truncate(s, sh->keep);
}

int shift_add(const struct shift *sh, struct seq *s, uint32_t want) {
    if (s->n_tokens < sh->keep || s->n_tokens - sh->keep >= sh->n)
        return fail(&s->model->fail, SOTTO_EINVAL, FAIL_NOWHERE,
                    "the sequence was changed while a generation used it");
    uint32_t at = s->n_tokens - sh->keep;
    return run_add(s->model, s, sh->tokens + at, sh->n - at, want);
}
