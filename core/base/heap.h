/* The one allocator interface. Core never allocates otherwise, so that a host decides where memory
 * comes from, a test can make allocation k fail, and use is counted.
 */
#ifndef SOTTO_BASE_HEAP_H
#define SOTTO_BASE_HEAP_H

#include <stddef.h>

struct heap {
    /* As realloc with the old size told: p NULL allocates, now 0 frees. NULL where there is no memory
     * (p stays valid). Memory is aligned to 64 bytes and not cleared. Called by one thread at a time. */
    void *(*resize)(void *host, void *p, size_t old, size_t now);
    void *host;
    size_t used, peak; /* bytes, as asked for */
};

void *heap_new(struct heap *h, size_t bytes);     /* NULL on failure; 0 bytes gives a valid pointer */
void *heap_zero(struct heap *h, size_t bytes);    /* the same, cleared */
void *heap_grow(struct heap *h, void *p, size_t old, size_t now);
void heap_free(struct heap *h, void *p, size_t bytes); /* p may be NULL */

/* n * size, or SIZE_MAX where that overflows (which no heap can serve). */
size_t heap_mul(size_t n, size_t size);

/* Typed forms: `float *x = HEAP_NEW(h, float, n);` */
#define HEAP_NEW(h, type, n) ((type *)heap_new((h), heap_mul((n), sizeof(type))))
#define HEAP_ZERO(h, type, n) ((type *)heap_zero((h), heap_mul((n), sizeof(type))))
#define HEAP_FREE(h, p, n) heap_free((h), (p), (n) * sizeof *(p))

#endif
