/* The model: everything one open model owns, and the layout of its memory.
 *
 * All memory but the vocabulary, the header and the plan is one block, taken at open after
 * model_layout has computed its size; the same function places the parts in it, so that the figure
 * is exact.
 */
#ifndef SOTTO_MODEL_MODEL_H
#define SOTTO_MODEL_MODEL_H

#include "base/pool.h"
#include "model/kv.h"
#include "model/plan.h"
#include "model/state.h"
#include "text/vocab.h"

enum {
    SMALL_BATCH =
        4, /* tokens whose activations every thread prepares for itself, without a barrier */
    FEED_DISCARD = 1 << 16,
    FEED_INTERVALS = 4096,
    FEED_TASKS = 256,            /* a power of two */
    FEED_TASK_BYTES = 128 << 10, /* packed at a time */
    MAX_PARTS = 64,
    PARTIALS_MOST = 1 << 30,
    BATCH_MOST = 512,
    BATCH_DEFAULT = 256,
    LOGITS_BYTES = 4 << 20,    /* rows of logits alive at once */
    SCRATCH_TARGET = 32 << 20, /* what weights and caches may be exceeded by */
    SPARE_BYTES = 3 << 20,     /* kept for text, samplers and answers of the API */
};

struct run_options { /* resolved: no zeros that mean default */
    uint32_t context, n_sequences, batch, max_threads;
    enum kv_type kv_type;
    bool exact;
};

struct seq {
    struct model *model;
    bool open;
    uint32_t n_tokens; /* of tokens */
    uint32_t n_cached; /* leading positions in the cache; fewer than n_tokens only after a
                          truncation behind a window */
    uint32_t *tokens;  /* [context] */
    struct kv_seq kv;
    struct state_seq state;
};

struct segment {
    struct seq *seq;
    uint32_t entry, first, n_tokens, position;
}; /* consecutive tokens of a piece */

struct run_entry {
    struct seq *seq;
    uint32_t *tokens;
    uint32_t n_tokens, done, skip /* leading ones re-evaluated */;
    uint32_t want, n_rows /* wanted of it */;
    uint32_t second; /* index of the first token of the second type, beyond the last where none is */
};

/* What rows of an entry are wanted, and what a batch makes of them. */
enum rows_wanted { ROWS_NONE, ROWS_LAST, ROWS_ALL, ROWS_FIRST };
enum walk_kind { KIND_LOGITS, KIND_STATES, KIND_POOLED, KIND_SCORES };
enum { WALK_KIND = 16 };

/* The batch under way and the piece of it being walked. */
struct walk {
    bool active;
    uint8_t kind;   /* enum walk_kind */
    bool normalize; /* pooled vectors to length 1 */
    bool heads;     /* the pieces are done, the texts are walked */
    uint32_t n_entries;
    struct run_entry *entries;             /* [max_seqs] */
    uint32_t total, walked;                /* tokens */
    uint32_t n_tokens, n_segments, n_rows; /* of the piece */
    struct segment *segments;              /* [batch] */
    uint32_t *tokens, *positions;          /* [batch] */
    uint8_t *types;                        /* [batch] of tokens, as encoders tell two texts apart */
    uint32_t *row_token, *row_entry;       /* [batch] wanted rows */
    bool piece;                            /* a piece is under way */
    uint32_t n_threads;                    /* of the piece */
    uint32_t op, phase, cursor; /* where it is; cursor: units of the phase done, one thread only */
    uint32_t group, n_group;    /* first row and number of rows of the group in the tail */
    uint32_t rows_ready;        /* finished rows in the logits buffer … */
    uint32_t rows_first;        /* … the first of which is this wanted row */
    atomic_word stop[2];        /* the leader's decision at the end of a phase, by parity */
    double deadline;            /* 0: none */
    double looked;              /* at the clock */
    uint32_t asked, spared;     /* times it was asked for since then, of which so many without a look */
    int result;
};

struct rope_set {
    double *inv_freq; /* [n_rot / 2] */
    float mscale;
    float *table; /* [batch][n_rot / 2][2] */
    uint32_t n_rot;
};

struct interval {
    uint64_t from, to;
    uint32_t part;
};

struct pack_task { /* tiles [from, to) of a slice, which are all there */
    uint32_t weight, slice, from, to;
};

struct feed {
    struct interval *list;
    uint32_t n;                 /* [FEED_INTERVALS] sorted by part and offset, disjoint */
    uint32_t *order;            /* [n_weights] weights sorted by part and file offset */
    uint32_t *wanted;           /* [n_weights] weights by first use in the plan */
    uint8_t *discard, *scratch; /* scratch holds one tile */
    uint64_t loaded, total;     /* file bytes; loaded is read and, where work is shared, added to by others */
    atomic_word ready;
    struct pack_task *tasks;       /* [FEED_TASKS] a ring: the feeding thread puts, all take */
    atomic_word put, taken, packed; /* counts of tasks */
    atomic_word lock;               /* of those who take */
    atomic_word touched;           /* pieces of memory that were touched ahead, from the end */
    bool shared;
    struct fail fail; /* the loader's own */
};

struct model {
    struct heap *heap;
    struct pool *pool;
    const struct kern *kern;
    const struct gguf *g[MAX_PARTS];
    struct parts parts;
    struct hparams hp;
    struct weights weights;
    struct plan plan;
    struct run_options options;
    struct kv kv;
    struct states states;
    struct vocab *vocab;
    /* parts of the block */
    uint8_t *block;
    uint64_t block_bytes;
    uint64_t weight_bytes, scratch_bytes;
    float *scratch; /* token_floats * batch */
    float *logits;  /* [max_rows][n_vocab] */
    uint32_t max_rows;
    float *texts; /* text_floats * max_seqs */
    uint8_t *acts;
    uint64_t acts_bytes; /* prepared activations of a long batch */
    uint8_t *partials;
    uint64_t partials_bytes; /* of attention */
    uint8_t *threads;
    uint64_t thread_bytes; /* private scratch, one after the other */
    uint32_t *lists;       /* experts: see run_moe.c */
    float *alibi;          /* [n_head] slopes or NULL */
    uint8_t bucket[2 * ATTN_FAR + 1]; /* of distances, where a bias is by them */
    struct rope_set rope[2];
    struct seq *seqs;
    uint32_t max_seqs;
    struct walk walk;
    struct feed feed;
    uint32_t n_threads;
    atomic_word abort;
    void (*watch)(void *arg, uint32_t op); /* called after each op of a walk with one thread */
    void *watch_arg;
    bool profiling;
    double *op_ms, profile_last;
    uint32_t profile_runs;
    uint64_t profile_tokens, profile_rows;
    struct fail fail;
};

/* Reads hyperparameters and builds plan and weights of the header's parts; m is zeroed, with heap,
 * parts and options set (batch may be 0). Undone by model_forget. */
int model_describe(struct model *m, struct fail *f);
void model_forget(struct model *m);
/* Computes all sizes, and (l->base set) places them. Chooses options.batch where it is 0. */
void model_layout(struct model *m, struct layout *l);
void model_choose_batch(struct model *m);
/* Prepares what lies in the block after it was placed. */
int model_start(struct model *m, struct fail *f);
/* A number of wanted rows that one group of the tail holds. */
uint32_t model_max_rows(const struct hparams *hp, uint32_t batch);

static inline float *model_buffer(const struct model *m, int32_t buffer) {
    const struct plan_buffer *b = &m->plan.buffers[buffer];
    return buffer == BUFFER_LOGITS ? m->logits
           : b->texts              ? m->texts + b->at * m->max_seqs
                                   : m->scratch + b->at * m->options.batch;
}
/* The most rows an op walks at once. */
static inline uint32_t op_tokens_most(const struct model *m, const struct op *op) {
    return op->walk == WALK_TEXTS ? m->max_seqs : m->options.batch;
}
static inline const struct weight *model_weight(const struct model *m, int32_t w) {
    return &m->weights.list[w];
}
static inline const float *model_floats(const struct model *m, int32_t w) {
    return w < 0 ? NULL : weight_floats(&m->weights.list[w]);
}

/* run.c */
int run_continue(struct model *m, double budget_ms);
double run_progress(const struct model *m);
/* The i-th finished row and its width; NULL where there is none. */
const float *run_row(const struct model *m, uint32_t i, uint32_t *width);

/* seq.c. A batch: clear, add entries, begin. */
int seq_new(struct model *m, struct seq **out);
void seq_free(struct seq *s);
int seq_fork(struct seq *s, struct seq **out);
int seq_truncate(struct seq *s, uint32_t n);
int seq_fill(struct seq *s, uint32_t n); /* fill.c: n tokens and cache rows without meaning */
void run_clear(struct model *m); /* drops the batch; sequences keep their whole pieces */
/* want: enum rows_wanted of this entry, plus enum walk_kind of the whole batch times WALK_KIND. */
int run_add(struct model *m, struct seq *seq, const uint32_t *tokens, uint32_t n, uint32_t want);
int run_begin(struct model *m); /* CONTEXT_FULL where the cache has not enough pages */

/* feed.c */
int feed_start(struct model *m, struct fail *f); /* FORMAT where two tensors overlap */
uint8_t *feed_target(struct model *m, uint32_t part, uint64_t offset, size_t *bytes);
int feed_commit(struct model *m, uint32_t part, uint64_t offset, size_t bytes, struct fail *f);
/* From here on what is committed may be packed by idle workers of the pool, which also touch the memory that will
 * be filled; until feed_join, which returns when all of it is packed. */
void feed_share(struct model *m);
void feed_join(struct model *m);

/* rope.c */
void rope_layout(struct model *m, struct layout *l);
void rope_start(struct model *m);
/* cos/sin of a position into every set's table at token. factors: of the frequencies, or NULL. */
void rope_token(struct model *m, const float *factors, uint32_t token, uint32_t position);

#endif
