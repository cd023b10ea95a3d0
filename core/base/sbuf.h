/* A growing byte string. Invariant: text[size] is NUL once anything was appended. An append that finds
 * no memory or would pass `limit` sets `failed` and drops the bytes; check it once at the end. */
#ifndef SOTTO_BASE_SBUF_H
#define SOTTO_BASE_SBUF_H

#include "base/heap.h"
#include <stdbool.h>
#include <stdint.h>

struct sbuf {
    struct heap *heap;
    char *text;
    size_t size, cap, limit; /* limit 0 means none */
    bool failed;
};

static inline struct sbuf sbuf_new(struct heap *h) { return (struct sbuf){.heap = h}; }
void sbuf_free(struct sbuf *b);
void sbuf_add(struct sbuf *b, const void *bytes, size_t n);
void sbuf_str(struct sbuf *b, const char *text);
void sbuf_char(struct sbuf *b, char c);
void sbuf_fmt(struct sbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sbuf_utf8(struct sbuf *b, uint32_t code_point);
/* Appends text as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
void sbuf_json(struct sbuf *b, const char *text, size_t n);
void sbuf_double(struct sbuf *b, double value); /* JSON number, null for nan and inf */

#endif
