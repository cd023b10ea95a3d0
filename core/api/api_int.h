/* What the files of api/ share: the objects behind sotto.h's opaque names. */
#ifndef SOTTO_API_INT_H
#define SOTTO_API_INT_H

#include "api/sotto.h"
#include "base/sbuf.h"
#include "model/model.h"

enum { CONTEXT_MOST = 1 << 26 };

struct sotto_header {
    struct heap *heap;
    struct gguf *g[MAX_PARTS];
    bool complete[MAX_PARTS];
    uint32_t n_parts; /* 0 until part 0 is complete */
    struct sbuf info;
    struct fail fail;
    struct sotto_options asked; /* of the last sotto_header_info … */
    uint64_t need;              /* … and what it found; 0: nothing */
};

struct sotto_model {
    struct model m; /* first */
    struct sotto_header *header;
    struct sbuf text; /* of the last text call */
    uint32_t *ids;
    size_t n_ids;
    void (*see)(void *arg, const struct sotto_op_rows *rows);
    void *see_arg;
};

/* A sequence is a struct seq of the model's block. */
static inline struct seq *seq_of(sotto_seq *s) {
    return (struct seq *)(void *)s;
}
static inline const struct seq *const_seq_of(const sotto_seq *s) {
    return (const struct seq *)(const void *)s;
}
static inline sotto_seq *as_seq(struct seq *s) {
    return (sotto_seq *)(void *)s;
}
static inline sotto_model *model_of(struct model *m) {
    return (sotto_model *)(void *)m;
}

/* options with defaults filled in, into m->options (batch and context may stay 0: model_describe
 * and model_choose_batch know). EINVAL for what no model can have. */
int api_options(struct model *m, const struct sotto_options *options, struct fail *f);
/* Describes the header's model with the options; m is zeroed first. Undone by model_forget. */
int api_describe(struct model *m, sotto_header *h, const struct sotto_options *options,
                 struct fail *f);
/* Appends the members that header and model share (no braces). need: bytes for the options, 0 where
 * unsupported. */
void api_info(struct sbuf *b, const sotto_header *h, const struct model *m, uint64_t need,
              const struct fail *why_not);
/* Appends the member "cost" of a described and laid out model. */
void api_cost(struct sbuf *b, const struct model *m);

#endif
