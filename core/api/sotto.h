/* Sotto's C interface: the only header of core that the outside includes.
 *
 * Life of a model: sotto_header_new, push the first bytes of each file part until it is complete, ask for
 * info and memory, sotto_model_open with a heap that has that much, feed the tensor data in any order
 * (sotto_model_range tells the best), and run sequences. The library does no I/O and never prints.
 *
 * Threads: one thread at a time calls functions of one model, with three exceptions: sotto_pool_worker
 * (other threads, for the life of the pool), sotto_feed_* (one loader thread beside the running
 * one), sotto_abort (any thread). Functions return enum sotto_code and fill the `struct fail` of the
 * object they were called on (sotto_*_fail) unless said otherwise.
 */
#ifndef SOTTO_H
#define SOTTO_H

#include "base/heap.h"
#include "base/pool.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sotto_kv { SOTTO_KV_F16 = 0, SOTTO_KV_F32 = 1, SOTTO_KV_Q8_0 = 2 };
enum sotto_arithmetic { SOTTO_FAST = 0, SOTTO_EXACT = 1 };

struct sotto_options {       /* zero means default */
    uint32_t context_length; /* tokens of KV cache; 0: min(trained, 4096) */
    uint32_t n_sequences;    /* sequences of full context that fit at once; 0: 1 */
    uint32_t kv_type;        /* enum sotto_kv */
    uint32_t arithmetic;     /* enum sotto_arithmetic */
    uint32_t max_threads;    /* scratch is sized for so many; 0: 1 */
    uint32_t batch;          /* most prompt tokens walked at once; 0: chosen from memory (at most 512) */
    uint32_t kernel_level;   /* 0: best of the build, 1: scalar reference (tests) */
};

/* ---- headers -------------------------------------------------------------------------------------- */
typedef struct sotto_header sotto_header;

/* heap outlives everything made from it. NULL without memory. */
sotto_header *sotto_header_new(struct heap *heap);
void sotto_header_free(sotto_header *h);
/* The next n bytes of part 0.. of the file (a split model has several; each starts at its own byte 0).
 * OK: that part's header is complete. MORE: push more of it. */
int sotto_header_push(sotto_header *h, uint32_t part, const void *bytes, size_t n);
/* Number of parts the model consists of (split.count), known once part 0 is complete. */
uint32_t sotto_header_parts(const sotto_header *h);
/* Everything a user wants to know before the download, as JSON (see js/types for the fields):
 * name, architecture, parameters, quantization by tensor bytes, file bytes by part, context, vocabulary,
 * template, supported or the sentence why not, memory need for the options and for a row of contexts, the
 * largest context that fits 4 GiB. NUL-terminated, owned by h, valid until the next call. NULL on failure. */
const char *sotto_header_info(sotto_header *h, const struct sotto_options *options);
/* Bytes of heap that sotto_model_open and everything after it will use at most, vocabulary and header
 * included. 0 and a failure where the model is not supported. */
uint64_t sotto_header_memory(sotto_header *h, const struct sotto_options *options);
const struct fail *sotto_header_fail(const sotto_header *h);

/* ---- models --------------------------------------------------------------------------------------- */
typedef struct sotto_model sotto_model;

/* Takes h (frees it on failure too, after copying the failure to *f). Allocates all there will ever be:
 * weights, caches, scratch. pool may have no workers yet. */
int sotto_model_open(sotto_model **out, sotto_header *h, struct pool *pool,
                     const struct sotto_options *options, struct fail *f);
void sotto_model_close(sotto_model *m);
const struct fail *sotto_model_fail(const sotto_model *m);
const char *sotto_model_info(sotto_model *m); /* JSON as sotto_header_info plus memory in use; owned by m */

/* Feeding. The file's bytes go where sotto_feed_target says and are announced with sotto_feed_commit, which
 * packs every group of rows that became complete. Bytes outside tensors, or that came before, are taken and
 * ignored: target then gives a discard buffer. */
struct sotto_range { uint32_t part; uint64_t offset, bytes; };
/* Range i of the plan's order (i = 0 the embedding …); DONE past the last. Ranges cover all tensor data once. */
int sotto_feed_range(const sotto_model *m, uint32_t i, struct sotto_range *r);
/* Where to put the bytes of part at offset: *bytes is set to how many fit there contiguously (>= 1). */
void *sotto_feed_target(sotto_model *m, uint32_t part, uint64_t offset, size_t *bytes);
int sotto_feed_commit(sotto_model *m, uint32_t part, uint64_t offset, size_t bytes);
/* From here on idle workers of the pool help: they pack what is committed, which then may become ready later than
 * its commit returns, and touch memory ahead. sotto_feed_join ends that, and returns when all of it is packed. For a
 * source that is faster than packing, such as a disk. */
void sotto_feed_share(sotto_model *m);
void sotto_feed_join(sotto_model *m);
uint64_t sotto_feed_loaded(const sotto_model *m); /* tensor bytes packed */
bool sotto_feed_ready(const sotto_model *m);

/* Threads used by sotto_run from the next call on: 1..pool->n_joined + 1. */
int sotto_set_threads(sotto_model *m, uint32_t n_threads);
void sotto_abort(sotto_model *m); /* makes the running sotto_run return ABORTED soon; cleared by the next begin */

/* ---- text ----------------------------------------------------------------------------------------- */
enum { SOTTO_ADD_SPECIAL = 1, SOTTO_PARSE_SPECIAL = 2, SOTTO_FIT_CONTEXT = 4 /* cut what is too long */ };
enum { SOTTO_REMOVE_SPECIAL = 1, SOTTO_SHOW_SPECIAL = 2 };
/* Results are owned by m and valid until the next text call. */
int sotto_tokenize(sotto_model *m, const char *text, size_t n, unsigned flags, const uint32_t **ids, size_t *n_ids);
/* A query and a document as a reranker reads them: by the model's template for that, else with BOS, EOS and SEP
 * around them as its vocabulary says. flags: SOTTO_FIT_CONTEXT shortens the document (not in a template). */
int sotto_tokenize_pair(sotto_model *m, const char *query, size_t n_query, const char *document, size_t n_document,
                        unsigned flags, const uint32_t **ids, size_t *n_ids);
int sotto_detokenize(sotto_model *m, const uint32_t *ids, size_t n, unsigned flags, const char **text, size_t *size);
/* variables: JSON object {messages, tools, add_generation_prompt, …}; bos_token and eos_token are added.
 * template: NULL for the model's own. now: seconds since 1970. */
int sotto_template(sotto_model *m, const char *template_source, const char *variables, size_t n, double now,
                   const char **text, size_t *size);
uint32_t sotto_n_vocab(const sotto_model *m);
bool sotto_is_eog(const sotto_model *m, uint32_t id);

/* ---- sequences ------------------------------------------------------------------------------------ */
typedef struct sotto_seq sotto_seq;
int sotto_seq_new(sotto_model *m, sotto_seq **out);
void sotto_seq_free(sotto_seq *s);
int sotto_seq_fork(sotto_seq *s, sotto_seq **out); /* shares the pages until one of them writes */
int sotto_seq_truncate(sotto_seq *s, uint32_t n_tokens); /* keeps the first n_tokens */
uint32_t sotto_seq_length(const sotto_seq *s);
const uint32_t *sotto_seq_tokens(const sotto_seq *s); /* the ids evaluated so far, sotto_seq_length of them */

/* Saved states: tokens and cache as a stream of bytes, which the same model (of any context length that holds
 * them) takes up again with bit-identical logits. The sequence must not be used between open and close. */
typedef struct sotto_state sotto_state;
uint64_t sotto_state_bytes(const sotto_seq *s); /* of what s holds now */
/* Failures are the model's: NOT_READY until all weights have arrived, MEMORY. */
int sotto_state_open(sotto_seq *s, bool restore, sotto_state **out);
/* Saving: the next bytes, at most n of them; 0 at the end. */
size_t sotto_state_read(sotto_state *st, void *dst, size_t n);
/* Restoring: MORE until the last byte came, then OK. FORMAT for damaged bytes, UNSUPPORTED for another model's,
 * CONTEXT_FULL where they do not fit; the sequence is then empty, or unchanged where the header was refused. */
int sotto_state_write(sotto_state *st, const void *src, size_t n);
int sotto_state_close(sotto_state *st); /* TRUNCATED where bytes are missing; frees st */

/* ---- evaluation ----------------------------------------------------------------------------------- */
/* Logits of no, the last or every token; or the states of all tokens behind the final norm; or one row a text:
 * its vector as the file says (the mean where it says nothing), the mean of its states, the first or the last one,
 * or the scores of a reranker's head. One batch wants one kind of these three. SOTTO_NORMALIZE is added to those
 * that give a vector, and makes its length 1. Encoders give no logits, walk a text whole (their batch is the
 * context) and leave the sequence empty. */
enum sotto_want {
    SOTTO_WANT_NONE, SOTTO_WANT_LAST, SOTTO_WANT_ALL, SOTTO_WANT_STATES,
    SOTTO_WANT_POOLED, SOTTO_WANT_MEAN, SOTTO_WANT_CLS, SOTTO_WANT_END, SOTTO_WANT_SCORES,
    SOTTO_NORMALIZE = 16, SOTTO_PAIR = 32 /* what is behind the first SEP is the second text of a pair */
};
struct sotto_entry { sotto_seq *seq; const uint32_t *tokens; uint32_t n_tokens; uint32_t want; };

/* Starts a batch; tokens are copied. A batch longer than the model's batch size is walked in pieces.
 * CONTEXT_FULL before anything is changed when it does not fit. */
int sotto_run_begin(sotto_model *m, const struct sotto_entry *entries, uint32_t n_entries);
/* Works for about budget_ms (0: no limit): MORE when there is more to do or rows of logits wait to be taken,
 * OK when the batch is done, NOT_READY where weights are missing (call again later), ABORTED or another
 * failure after rolling the sequences back to their state at the last whole piece. */
int sotto_run(sotto_model *m, double budget_ms);
/* The rows finished by the last piece: n_vocab floats of logits each (or sotto_row_width ones), in batch order. Valid until the next
 * sotto_run; taking them is reading them. entry and position say which token each row belongs to. */
uint32_t sotto_n_rows(const sotto_model *m);
const float *sotto_row(sotto_model *m, uint32_t row, uint32_t *entry, uint32_t *position);
uint32_t sotto_row_width(const sotto_model *m); /* of the batch under way or last run */
double sotto_run_progress(const sotto_model *m); /* tokens of the batch walked so far, fractions by layer */

/* ---- sampling ------------------------------------------------------------------------------------- */
typedef struct sotto_sampler sotto_sampler;
struct sotto_sampling {       /* zero means off, except where said */
    float temperature;        /* 0: greedy, ties go to the lowest id */
    uint32_t top_k;
    float top_p;              /* 0 or >= 1: off */
    float min_p;
    float repeat_penalty;     /* 0 or 1: off; over the last penalty_last_n tokens */
    float frequency_penalty, presence_penalty;
    uint32_t penalty_last_n;  /* 0: 64 */
    uint64_t seed;            /* equal seeds give equal tokens on every host */
};
int sotto_sampler_new(sotto_model *m, const struct sotto_sampling *p, sotto_sampler **out);
void sotto_sampler_free(sotto_sampler *s);
void sotto_sampler_accept(sotto_sampler *s, uint32_t id); /* history, prompt tokens too */
/* Draws from row of the last run and accepts the token. logprob may be NULL. */
uint32_t sotto_sample(sotto_sampler *s, uint32_t row, float *logprob);

/* ---- generation: prompt, decode loop, stop strings, streaming text ---------------------------------- */
typedef struct sotto_gen sotto_gen;
struct sotto_gen_options {
    struct sotto_sampling sampling;
    uint32_t max_tokens;       /* 0: until the context is full */
    const char *const *stop;   /* texts that end the answer and are not part of it */
    uint32_t n_stop;
    bool ignore_eog;           /* go on past end-of-generation tokens (benchmarks) */
    bool shift;                /* a full context does not end the answer: the oldest tokens are dropped … */
    uint32_t shift_keep;       /* … behind so many first ones, and what stays is evaluated again. A prompt longer
                                  than the context is cut likewise */
};
enum sotto_finish { SOTTO_FINISH_NONE, SOTTO_FINISH_STOP, SOTTO_FINISH_LENGTH, SOTTO_FINISH_ABORT };
/* Continues seq with the prompt: keeps the longest common prefix of what seq holds (less one token),
 * truncates the rest and evaluates only what is new. Uses seq until freed; does not own it. */
int sotto_gen_new(sotto_seq *seq, const uint32_t *prompt, uint32_t n_prompt, const struct sotto_gen_options *o, sotto_gen **out);
void sotto_gen_free(sotto_gen *g); /* may be called at any point; seq keeps what was evaluated */
/* Works for about budget_ms, or to the first token: MORE (call again; text may be waiting), DONE (finished), NOT_READY,
 * or a failure. */
int sotto_gen_step(sotto_gen *g, double budget_ms);
/* Takes the text and tokens that became certain since the last call (whole UTF-8 characters, nothing that may
 * still become a stop string). Valid until the next step. */
void sotto_gen_take(sotto_gen *g, const char **text, size_t *size, const uint32_t **ids, size_t *n_ids);
struct sotto_gen_stats {
    uint32_t finish;            /* enum sotto_finish */
    uint32_t prompt_tokens, cached_tokens, completion_tokens;
    double prefill_ms, decode_ms, first_token_ms; /* working time; first_token from sotto_gen_new */
    uint32_t prefill_done;      /* prompt tokens evaluated so far */
    uint32_t shifted;           /* tokens dropped because the context was full */
};
void sotto_gen_stats(const sotto_gen *g, struct sotto_gen_stats *out);

/* ---- measuring ------------------------------------------------------------------------------------ */
/* Per-op times of the runs since sotto_profile_start, with GB/s and GMAC/s, as JSON; owned by m. */
void sotto_profile_start(sotto_model *m);
const char *sotto_profile(sotto_model *m);
/* What an op of the plan has written: n_rows rows of `width` floats, `stride` floats apart. */
struct sotto_op_rows {
    uint32_t op, layer;   /* layer: the number of blocks for what follows them */
    const char *label;
    uint32_t n_rows, width;
    size_t stride;
    const float *rows;
};
/* Calls see after every op of the runs that follow (NULL ends it). One thread only: the caller sets it. */
void sotto_watch(sotto_model *m, void (*see)(void *arg, const struct sotto_op_rows *rows), void *arg);
/* Fills s with n tokens and numbers without meaning in the cache, to measure at that depth. */
int sotto_seq_fill(sotto_seq *s, uint32_t n);
/* Short measurement of this machine without a model (for predictions before a download): JSON
 * {stream_gbs, dot_gmacs, relaxed16: bool, ms}. Fills dst, returns the length. */
size_t sotto_machine(struct heap *heap, double budget_ms, char *dst, size_t cap);

#endif
