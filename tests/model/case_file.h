/* Opens cases of the conformance folders for the C tests: files, JSON, a fed model. */
#ifndef SOTTO_TESTS_CASE_FILE_H
#define SOTTO_TESTS_CASE_FILE_H

#include "api/sotto.h"
#include "base/fmt.h"
#include "text/json.h"
#include "tools/native_heap.h"
#include <dirent.h>
#include <stdio.h>

struct bytes {
    char *data;
    size_t size;
};

static inline struct bytes read_bytes(const char *dir, const char *name) {
    char path[2048];
    struct bytes b = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f) return b;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    fseek(f, 0, SEEK_SET);
    if (size >= 0 && (b.data = malloc((size_t)size + 1))) {
        b.size = fread(b.data, 1, (size_t)size, f);
        b.data[b.size] = 0;
    }
    fclose(f);
    return b;
}

static inline struct json *read_json(struct heap *heap, const char *dir, const char *name) {
    struct bytes b = read_bytes(dir, name);
    struct json *root = NULL;
    if (b.data) json_parse(&root, heap, b.data, b.size, NULL);
    free(b.data);
    return root;
}

static inline const struct json *json_path(const struct json *j, const char *a, const char *b) {
    j = j ? json_get(j, a) : NULL;
    return j && b ? json_get(j, b) : j;
}
static inline double json_num(const struct json *j, double missing) {
    return !j                      ? missing
           : j->kind == JSON_INT   ? (double)j->integer
           : j->kind == JSON_FLOAT ? j->number
                                   : missing;
}

/* A member's text, cut to 255 bytes; "" where it is absent. */
static inline const char *json_text(const struct json *j, const char *key) {
    static char text[256];
    const struct json *v = json_get(j, key);
    fmt(text, sizeof text, "%.*s", v && v->kind == JSON_STRING ? (int)v->size : 0,
        v && v->text ? v->text : "");
    return text;
}

/* Numbers of an array as u32; *n is their count. */
static inline uint32_t *json_ids(const struct json *array, uint32_t *n) {
    *n = array ? array->count : 0;
    uint32_t *ids = malloc((*n + 1) * sizeof *ids), i = 0;
    for (const struct json *j = array ? array->first : NULL; j; j = j->next)
        ids[i++] = (uint32_t)json_num(j, 0);
    return ids;
}

/* A model with all of its bytes fed; NULL with the failure in *f. */
static inline sotto_model *open_fed(struct heap *heap, struct pool *pool, struct bytes file,
                                    const struct sotto_options *o, struct fail *f) {
    sotto_model *m = NULL;
    sotto_header *h = sotto_header_new(heap);
    if (!h) return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory"), NULL;
    int rc = sotto_header_push(h, 0, file.data, file.size);
    if (rc) {
        if (rc == SOTTO_MORE)
            fail(f, SOTTO_TRUNCATED, FAIL_NOWHERE, "the header is cut short");
        else
            *f = *sotto_header_fail(h);
        sotto_header_free(h);
        return NULL;
    }
    if (sotto_model_open(&m, h, pool, o, f)) return NULL;
    for (uint64_t at = 0; at < file.size;) {
        size_t n;
        void *to = sotto_feed_target(m, 0, at, &n);
        if (n > file.size - at) n = file.size - at;
        memcpy(to, file.data + at, n);
        if (sotto_feed_commit(m, 0, at, n)) break;
        at += n;
    }
    return m;
}

#endif
