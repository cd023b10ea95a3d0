/* Allocation through the host, counted. A block of 0 bytes is asked for as 1, so that NULL always
 * means failure. */
#include "base/heap.h"
#include <stdint.h>
#include <string.h>

static size_t at_least_one(size_t bytes) {
    return bytes ? bytes : 1;
}

size_t heap_mul(size_t n, size_t size) {
    size_t product;
    return __builtin_mul_overflow(n, size, &product) ? SIZE_MAX : product;
}

void *heap_grow(struct heap *h, void *p, size_t old, size_t now) {
    void *moved;
    if (now == SIZE_MAX) return NULL; /* an overflow that heap_mul reported */
    old = p ? at_least_one(old) : 0;
    now = at_least_one(now);
    moved = h->resize(h->host, p, old, now);
    if (!moved) return NULL;
    h->used += now - old;
    if (h->used > h->peak) h->peak = h->used;
    return moved;
}

void *heap_new(struct heap *h, size_t bytes) {
    return heap_grow(h, NULL, 0, bytes);
}

void *heap_zero(struct heap *h, size_t bytes) {
    void *p = heap_new(h, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void heap_free(struct heap *h, void *p, size_t bytes) {
    if (!p) return;
    h->resize(h->host, p, at_least_one(bytes), 0);
    h->used -= at_least_one(bytes);
}
