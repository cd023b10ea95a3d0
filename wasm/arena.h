/* The allocator of a WebAssembly instance: one arena, 64-byte aligned blocks, neighbours coalesced.
 *
 * Made for few, mostly large and long-lived blocks: best fit over one list of free blocks. Invariant:
 * blocks lie back to back from `base` to the sentinel, no two free blocks touch, every free block is in
 * the list. No threads: callers take turns. Portable, so that the native tests check it.
 */
#ifndef SOTTO_WASM_ARENA_H
#define SOTTO_WASM_ARENA_H

#include <stdbool.h>
#include <stddef.h>

enum { ARENA_ALIGN = 64 };

struct arena {
    unsigned char *base;     /* first block, ARENA_ALIGN aligned */
    unsigned char *sentinel; /* header of the last, never free block of size 0 */
    struct arena_block *free;
    /* Asks the host for at least `bytes` more directly behind the sentinel; returns how many were added
     * (0: none). NULL where the arena never grows. */
    size_t (*more)(void *host, size_t bytes);
    void *host;
};

/* Takes [base, base + bytes); trims to alignment. False where it is too small for one block. */
bool arena_init(struct arena *a, void *base, size_t bytes);

/* As realloc: p NULL allocates, now 0 frees and gives NULL. NULL without memory (p stays valid). A block grows
 * in place where its neighbour is free. */
void *arena_resize(struct arena *a, void *p, size_t now);

/* Bytes of the largest block that arena_resize could still give without growing. */
size_t arena_largest(const struct arena *a);
/* Sum of all free bytes. */
size_t arena_free_bytes(const struct arena *a);

/* Walks all blocks; false where an invariant is broken (tests). */
bool arena_check(const struct arena *a);

#endif
