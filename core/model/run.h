/* Executor, internal: what a thread carries while all of them walk the plan together. */
#ifndef SOTTO_MODEL_RUN_H
#define SOTTO_MODEL_RUN_H

#include "model/model.h"

struct runner {
    struct model *m;
    struct pool *pool;
    uint32_t thread, n_threads;
    uint32_t phase;   /* of the job; numbers the barriers */
    uint8_t *scratch; /* this thread's own */
    bool paused;      /* one thread only: the budget ended inside a phase */
    bool worked;      /* a chunk was done in this call */
};

/* Takes units of the phase's total; false when none are left (or the runner paused). They come in order until the
 * thread is through with its own share and helps another. One thread takes size.most of them. */
bool run_take(struct runner *r, struct pieces size, uint32_t total, uint32_t *from, uint32_t *to);
/* At least `least` and at most an eighth. */
struct pieces run_pieces(uint32_t total, uint32_t least);

/* Tokens the op walks: those of the piece, its wanted rows, or the group's. */
uint32_t run_tokens(const struct model *m, const struct op *op);
float *run_in(const struct model *m, const struct op *op); /* first token's row, in_at included */
float *run_out(const struct model *m, const struct op *op);
static inline size_t run_stride(const struct model *m, int32_t buffer) {
    return m->plan.buffers[buffer].width;
}

void run_norm(const struct model *m, struct norm_spec norm, float *dst, const float *x, size_t n);
/* dst = act(gate) * up over n elements, or act(gate) where up is NULL. */
void run_act(const struct model *m, uint32_t act, const float *curve, float *dst, const float *gate,
             const float *up, size_t n);

/* Phases of an op, and one phase of it; phases of an op are separated by barriers. */
uint32_t run_phases(const struct model *m, const struct op *op);
void run_phase(struct runner *r, const struct op *op, uint32_t phase);

uint32_t linear_phases(const struct model *m, const struct op *op);
void linear_phase(struct runner *r, const struct op *op, uint32_t phase);
uint64_t linear_scratch(const struct model *m, const struct op *op);
uint64_t linear_acts(const struct model *m, const struct op *op, uint32_t n_tokens);

void heads_phase(struct runner *r, const struct op *op);
uint32_t attn_phases(const struct model *m, const struct op *op);
void attn_phase(struct runner *r, const struct op *op, uint32_t phase);
uint64_t attn_scratch(const struct model *m, const struct op *op);
uint64_t attn_partials(const struct model *m, const struct op *op);

uint32_t slices_phases(const struct model *m, const struct op *op);
void slices_phase(struct runner *r, const struct op *op, uint32_t phase);
uint64_t slices_scratch(const struct model *m, const struct op *op);
uint64_t slices_acts(const struct model *m, const struct op *op, uint32_t n_tokens);
void conv_phase(struct runner *r, const struct op *op);
void scan_phase(struct runner *r, const struct op *op);
void delta_phase(struct runner *r, const struct op *op);

uint32_t experts_phases(const struct op *op);
void experts_phase(struct runner *r, const struct op *op, uint32_t phase);
uint64_t experts_scratch(const struct model *m, const struct op *op);
uint64_t experts_acts(const struct model *m, const struct op *op);

static inline uint64_t align64(uint64_t n) {
    return (n + 63) & ~(uint64_t)63;
}

#endif
