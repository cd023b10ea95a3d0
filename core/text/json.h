/* A bounded JSON reader into a flat tree, shared by templates, tools and the conformance runner. */
#ifndef SOTTO_TEXT_JSON_H
#define SOTTO_TEXT_JSON_H

#include "base/heap.h"
#include "base/status.h"
#include <stdbool.h>

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_INT, JSON_FLOAT, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    uint8_t kind;
    uint32_t count;            /* elements of an array, members of an object */
    struct json *first, *next; /* children in order; members have a key */
    const char *key; uint32_t key_size;
    const char *text; uint32_t size; /* decoded UTF-8 of a string (not NUL-terminated); the literal of a number */
    int64_t integer;
    double number;
};

/* Reads one JSON text (RFC 8259) of at most 2^31 bytes and 512 levels. The tree is one block owned by
 * the caller and freed with json_free; it borrows nothing from text. FORMAT with line and column. */
int json_parse(struct json **out, struct heap *heap, const char *text, size_t n, struct fail *f);
void json_free(struct heap *heap, struct json *root);
const struct json *json_get(const struct json *object, const char *key); /* NULL if absent or not an object */

#endif
