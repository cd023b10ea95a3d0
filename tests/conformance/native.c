/* The native engine behind a pipe, for tests/conformance/run.mjs --native.
 *
 * A request is a line, "NAME NUMBER … BYTES …", and the bytes it announces; the answer is "CODE
 * BYTES", a newline and that many bytes: what was asked for where CODE is OK, else the sentence.
 * One model at a time. */
#include "../../tools/native_heap.h"
#include "api/sotto.h"
#include <stdio.h>

static struct native_heap heap;
static struct pool pool;
static sotto_model *model;
static sotto_seq *seq;

static int answer(int code, const void *bytes, size_t n) {
    printf("%s %zu\n", sotto_code_name(code), n);
    fwrite(bytes, 1, n, stdout);
    fflush(stdout);
    return code;
}

static int refuse(int code, const struct fail *f) {
    return answer(code, f->text, strlen(f->text));
}
static int refused(int code) {
    return code == SOTTO_OK ? 0 : refuse(code, sotto_model_fail(model));
}

static uint8_t *take(size_t n) {
    uint8_t *bytes = malloc(n + 1);
    if (!bytes || fread(bytes, 1, n, stdin) != n) exit(1);
    bytes[n] = 0;
    return bytes;
}

static void drop(void) {
    if (seq) sotto_seq_free(seq);
    if (model) sotto_model_close(model);
    seq = NULL;
    model = NULL;
}

static int feed(const uint8_t *bytes, size_t n) {
    struct sotto_range r;
    for (uint32_t i = 0; sotto_feed_range(model, i, &r) == SOTTO_OK; i++) {
        while (r.bytes) {
            size_t room;
            void *to = sotto_feed_target(model, 0, r.offset, &room);
            if (!to) return refuse(SOTTO_EINVAL, sotto_model_fail(model));
            if (room > r.bytes) room = (size_t)r.bytes;
            if (r.offset + room > n) return answer(SOTTO_TRUNCATED, "the file ends too early", 23);
            memcpy(to, bytes + r.offset, room);
            if (refused(sotto_feed_commit(model, 0, r.offset, room))) return 1;
            r.offset += room;
            r.bytes -= room;
        }
    }
    return SOTTO_OK;
}

static void open_model(const uint8_t *bytes, size_t n, const struct sotto_options *o) {
    sotto_header *h = sotto_header_new(&heap.heap);
    struct fail f = {.code = 0};
    uint32_t vocabulary;
    int code = sotto_header_push(h, 0, bytes, n);
    drop();
    if (code != SOTTO_OK) {
        refuse(code == SOTTO_MORE ? SOTTO_TRUNCATED : code, sotto_header_fail(h));
        sotto_header_free(h);
        return;
    }
    code = sotto_model_open(&model, h, &pool, o, &f);
    if (code != SOTTO_OK) {
        refuse(code, &f);
        return;
    }
    if (feed(bytes, n) || refused(sotto_seq_new(model, &seq))) {
        drop();
        return;
    }
    vocabulary = sotto_n_vocab(model);
    answer(SOTTO_OK, &vocabulary, sizeof vocabulary);
}

static void evaluate(const uint32_t *ids, size_t n, uint32_t want) {
    struct sotto_entry e = {.seq = seq, .tokens = ids, .n_tokens = (uint32_t)n, .want = want};
    int code = sotto_run_begin(model, &e, 1);
    size_t row = sotto_row_width(model) * sizeof(float), rows = 0,
           cap = (want == SOTTO_WANT_ALL || want == SOTTO_WANT_STATES ? n : 1) * row;
    uint8_t *out = malloc(cap ? cap : 1);
    if (!out) exit(1);
    while (code == SOTTO_OK || code == SOTTO_MORE) {
        code = sotto_run(model, 0);
        if (code != SOTTO_OK && code != SOTTO_MORE) break;
        for (uint32_t i = 0; i < sotto_n_rows(model) && (rows + 1) * row <= cap; i++, rows++)
            memcpy(out + rows * row, sotto_row(model, i, NULL, NULL), row);
        if (code == SOTTO_OK) {
            answer(SOTTO_OK, out, rows * row);
            free(out);
            return;
        }
    }
    free(out);
    refused(code);
}

int main(void) {
    char line[256], name[16];
    native_heap_init(&heap);
    pool_init(&pool);
    while (fgets(line, sizeof line, stdin)) {
        unsigned long long v[6] = {0};
        sscanf(line, "%15s %llu %llu %llu %llu %llu %llu", name, &v[0], &v[1], &v[2], &v[3], &v[4],
               &v[5]);
        if (strcmp(name, "open") == 0) {
            uint8_t *bytes = take((size_t)v[4]);
            struct sotto_options o = {.context_length = (uint32_t)v[0],
                                      .kv_type = (uint32_t)v[1],
                                      .arithmetic = (uint32_t)v[2],
                                      .batch = (uint32_t)v[3]};
            open_model(bytes, (size_t)v[4], &o);
            free(bytes);
        } else if (!model)
            answer(SOTTO_EINVAL, "no model is open", 16);
        else if (strcmp(name, "tokenize") == 0) {
            uint8_t *text = take((size_t)v[1]);
            const uint32_t *ids;
            size_t n;
            int code = sotto_tokenize(model, (char *)text, (size_t)v[1], (unsigned)v[0], &ids, &n);
            if (!refused(code)) answer(SOTTO_OK, ids, n * sizeof *ids);
            free(text);
        } else if (strcmp(name, "detokenize") == 0) {
            uint32_t *ids = (uint32_t *)(void *)take((size_t)v[1]);
            const char *text;
            size_t n;
            int code = sotto_detokenize(model, ids, (size_t)v[1] / 4, (unsigned)v[0], &text, &n);
            if (!refused(code)) answer(SOTTO_OK, text, n);
            free(ids);
        } else if (strcmp(name, "render") == 0) {
            uint8_t *source = take((size_t)v[1]), *variables = take((size_t)v[2]);
            const char *text;
            size_t n;
            int code = sotto_template(model, (char *)source, (char *)variables, (size_t)v[2],
                                      (double)v[0], &text, &n);
            if (!refused(code)) answer(SOTTO_OK, text, n);
            free(source);
            free(variables);
        } else if (strcmp(name, "evaluate") == 0) {
            uint32_t *ids = (uint32_t *)(void *)take((size_t)v[1]);
            evaluate(ids, (size_t)v[1] / 4, (uint32_t)v[0]);
            free(ids);
        } else if (strcmp(name, "eog") == 0) {
            uint8_t is = sotto_is_eog(model, (uint32_t)v[0]);
            answer(SOTTO_OK, &is, 1);
        } else if (strcmp(name, "reset") == 0) {
            if (!refused(sotto_seq_truncate(seq, 0))) answer(SOTTO_OK, "", 0);
        } else if (strcmp(name, "close") == 0) {
            drop();
            answer(SOTTO_OK, "", 0);
        } else
            answer(SOTTO_EINVAL, "unknown request", 15);
    }
    drop();
    return 0;
}
