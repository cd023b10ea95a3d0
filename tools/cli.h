/* What the commands of the sotto program share: options, an open model, output.
 *
 * File access and threads live here and not in core. Commands return the exit code: 0, 1 (it
 * failed, a sentence is on standard error) or 2 (the command line is wrong). */
#ifndef SOTTO_TOOLS_CLI_H
#define SOTTO_TOOLS_CLI_H

#include "api/sotto.h"
#include "base/sbuf.h"
#include "native_heap.h"
#include <stdio.h>

enum { MAX_FILES = 64, MAX_LIST = 8 };

struct options {
    const char *command, *model, *prompt, *file, *out, *system, *type, *template_file;
    const char *tokens; /* ids with commas, instead of a prompt */
    int64_t n;          /* tokens to generate; -1: as the command sees fit */
    uint32_t threads[MAX_LIST], n_threads, context, depth, chunk, repeat;
    int64_t pp, tg; /* of bench; -1: default */
    uint32_t kv, arithmetic, kernel;
    double temperature, top_p, min_p, repeat_penalty, top_k; /* NaN: the model's or the default */
    uint64_t seed;
    bool has_seed, json, help, all, greedy, special, parse, profile, ignore_eog, quiet, detokenize,
        lines, normalize;
    const char *dump;
    uint32_t pooling; /* what SOTTO_WANT_POOLED is added to */
};

struct session {
    struct native_heap heap;
    struct pool pool;
    sotto_model *model;
    sotto_seq *seq;
    const struct options *o;
    uint32_t n_threads;
    double load_ms;
    void *threads; /* of the host, for session_close */
};

/* ---- cli_model.c ----------------------------------------------------------------------------- */
/* Opens and reads the model of o, with a context of at least `context` tokens where o names none
 * (0: the default), n_threads threads, and one sequence. False after telling why. */
bool session_open(struct session *s, const struct options *o, uint32_t context, uint32_t n_threads);
void session_close(struct session *s);
bool session_threads(struct session *s, uint32_t n);
/* The header alone; NULL after telling why. */
sotto_header *read_headers(struct heap *heap, const char *path);
/* Path of part i of n of a split model: the number in -00001-of-0000N.gguf replaced. */
void part_path(char *dst, size_t cap, const char *path, uint32_t part, uint32_t n);
/* Runs a batch of one sequence to its end; take(arg, row, position) for each row of logits. False
 * after telling why. */
bool evaluate(struct session *s, const uint32_t *ids, uint32_t n, uint32_t want,
              bool (*take)(void *arg, const float *row, uint32_t position), void *arg);
/* The ids of text (or of o->tokens), malloc'ed; NULL after telling why. */
uint32_t *tokens_of(struct session *s, const char *text, size_t n, unsigned flags, uint32_t *n_ids);
bool model_failed(const struct session *s,
                  int code); /* tells the failure where code is one; returns whether */
void sampling_of(struct session *s, struct sotto_sampling *out);

/* ---- sotto.c --------------------------------------------------------------------------------- */
bool say_error(const char *format, ...) __attribute__((format(printf, 1, 2))); /* returns false */
/* A whole file, or standard input for "-"; malloc'ed, NUL behind it. NULL after telling why. */
char *read_text(const char *path, size_t *n);
/* -p, else -f, else the text that is given. */
char *prompt_text(const struct options *o, const char *otherwise, size_t *n);
void print_json(const struct sbuf *b); /* one line on standard output */

/* ---- cli_dump.c ------------------------------------------------------------------------------ */
/* What every op of the plan writes: a line each in the file path, or, where path is a folder, in
 * path/index.txt beside the numbers as NNNN-LABEL.f32. NULL after telling why. */
struct dump;
struct dump *dump_open(struct session *s, const char *path);
bool dump_close(struct dump *d); /* NULL is fine */

/* ---- cli_sha256.c ---------------------------------------------------------------------------- */
struct sha256 {
    uint32_t state[8];
    uint64_t size;
    uint8_t block[64];
};
void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *bytes, size_t n);
void sha256_hex(struct sha256 *h, char hex[65]);

/* ---- the commands ---------------------------------------------------------------------------- */
int command_run(const struct options *o);
int command_chat(const struct options *o);
int command_tokenize(const struct options *o);
int command_logits(const struct options *o);
int command_embed(const struct options *o);
int command_rerank(const struct options *o);
int command_perplexity(const struct options *o);
int command_bench(const struct options *o);
int command_info(const struct options *o);
int command_quantize(const struct options *o);

#endif
