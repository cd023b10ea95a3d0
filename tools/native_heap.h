/* The native heap behind `struct heap`: malloc with 64-byte alignment, for the command line and the tests.
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

/* The host pointer sits in front of each block, because free needs what malloc gave. */
static inline void *native_heap_resize(void *host, void *p, size_t old, size_t now) {
    struct native_heap *n = host;
    void *raw, **block, *copy;
    if (now == 0) {
        if (p) free(((void **)p)[-1]);
        return NULL;
    }
    n->n_asked++;
    if (n->fail_after == 0) return NULL;
    if (n->fail_after > 0) n->fail_after--;
    if (now > SIZE_MAX - 128) return NULL;
    /* sanitizers see an overrun only where the block ends with the memory asked for */
    raw = malloc(now + 64 + sizeof(void *));
    if (!raw) return NULL;
    copy = (void *)(((uintptr_t)raw + sizeof(void *) + 63) & ~(uintptr_t)63);
    block = (void **)copy - 1;
    *block = raw;
    if (p) {
        memcpy(copy, p, old < now ? old : now);
        free(((void **)p)[-1]);
    }
    return copy;
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
