/* The native heap behind `struct heap`: posix_memalign with 64 bytes, for the command line and the tests.
 *
 * native_heap_failing makes allocation number k (counted from 0) and all later ones fail, which is how
 * the tests walk every out-of-memory path. */
#ifndef SOTTO_TOOLS_NATIVE_HEAP_H
#define SOTTO_TOOLS_NATIVE_HEAP_H

#include "base/heap.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct native_heap {
    struct heap heap;   /* first: hand out &n->heap */
    int64_t fail_after; /* allocations and growths still allowed; negative: no limit */
    int64_t n_asked;    /* allocations and growths so far */
};

/* Blocks are exactly as long as asked for, so that a sanitizer sees the first byte behind the end. */
static inline void *native_heap_resize(void *host, void *p, size_t old, size_t now) {
    struct native_heap *n = host;
    void *moved = NULL;
    if (now == 0) {
        free(p);
        return NULL;
    }
    n->n_asked++;
    if (n->fail_after == 0) return NULL;
    if (n->fail_after > 0) n->fail_after--;
    if (posix_memalign(&moved, 64, now)) return NULL;
    if (p) {
        memcpy(moved, p, old < now ? old : now);
        free(p);
    }
    return moved;
}

static inline void native_heap_init(struct native_heap *n) {
    *n = (struct native_heap){.fail_after = -1};
    n->heap.resize = native_heap_resize;
    n->heap.host = n;
}

/* The same, where the k-th allocation (from 0) and all that follow fail. */
static inline void native_heap_failing(struct native_heap *n, int64_t k) {
    native_heap_init(n);
    n->fail_after = k;
}

#endif
