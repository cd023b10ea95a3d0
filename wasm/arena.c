#include "arena.h"

#include <stdint.h>
#include <string.h>

/* Header of a block, ARENA_ALIGN bytes in front of what the caller gets. */
struct arena_block {
    size_t size;              /* with the header, a multiple of ARENA_ALIGN; 0 in the sentinel */
    struct arena_block *prev; /* the block in front, NULL for the first */
    struct arena_block *next_free, *prev_free;
    bool free;
};

_Static_assert(sizeof(struct arena_block) <= ARENA_ALIGN, "a header fills one unit");

static struct arena_block *behind(const struct arena_block *b) {
    return (struct arena_block *)((unsigned char *)b + b->size);
}

static void list_add(struct arena *a, struct arena_block *b) {
    b->free = true;
    b->prev_free = NULL;
    b->next_free = a->free;
    if (a->free) a->free->prev_free = b;
    a->free = b;
}

static void list_remove(struct arena *a, struct arena_block *b) {
    b->free = false;
    if (b->prev_free) b->prev_free->next_free = b->next_free;
    else a->free = b->next_free;
    if (b->next_free) b->next_free->prev_free = b->prev_free;
}

/* Bytes of block that a request needs, 0 where that overflows. */
static size_t block_size(size_t bytes) {
    if (bytes > SIZE_MAX - 3 * ARENA_ALIGN) return 0;
    size_t rounded = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    return rounded + ARENA_ALIGN;
}

bool arena_init(struct arena *a, void *base, size_t bytes) {
    size_t skip = (ARENA_ALIGN - (uintptr_t)base % ARENA_ALIGN) % ARENA_ALIGN;
    if (bytes < skip + 3 * ARENA_ALIGN) return false;
    size_t size = (bytes - skip) / ARENA_ALIGN * ARENA_ALIGN - ARENA_ALIGN;
    a->base = (unsigned char *)base + skip;
    a->sentinel = a->base + size;
    a->free = NULL;
    a->more = NULL;
    a->host = NULL;
    struct arena_block *first = (struct arena_block *)a->base;
    memset(first, 0, sizeof *first);
    first->size = size;
    struct arena_block *last = (struct arena_block *)a->sentinel;
    memset(last, 0, sizeof *last);
    last->prev = first;
    list_add(a, first);
    return true;
}

/* Cuts b, which is not in the list, down to size and frees the rest where it can hold a block. */
static void trim(struct arena *a, struct arena_block *b, size_t size) {
    if (b->size - size < 2 * ARENA_ALIGN) return;
    struct arena_block *rest = (struct arena_block *)((unsigned char *)b + size);
    rest->size = b->size - size;
    rest->prev = b;
    b->size = size;
    struct arena_block *next = behind(rest);
    if (next->free) {
        list_remove(a, next);
        rest->size += next->size;
        next = behind(rest);
    }
    next->prev = rest;
    list_add(a, rest);
}

static void release(struct arena *a, struct arena_block *b) {
    struct arena_block *next = behind(b);
    if (next->free) {
        list_remove(a, next);
        b->size += next->size;
    }
    if (b->prev && b->prev->free) {
        struct arena_block *front = b->prev;
        list_remove(a, front);
        front->size += b->size;
        b = front;
    }
    behind(b)->prev = b;
    list_add(a, b);
}

/* Turns fresh memory behind the sentinel into a free block. */
static bool grow(struct arena *a, size_t size) {
    if (!a->more) return false;
    struct arena_block *last = (struct arena_block *)a->sentinel;
    size_t have = last->prev->free ? last->prev->size : 0;
    size_t added = a->more(a->host, size - have) / ARENA_ALIGN * ARENA_ALIGN;
    if (added < 2 * ARENA_ALIGN) return false;
    last->size = added;
    a->sentinel += added;
    struct arena_block *end = (struct arena_block *)a->sentinel;
    memset(end, 0, sizeof *end);
    release(a, last);
    return true;
}

static struct arena_block *best_fit(const struct arena *a, size_t size) {
    struct arena_block *best = NULL;
    for (struct arena_block *b = a->free; b; b = b->next_free) {
        if (b->size < size || (best && best->size <= b->size)) continue;
        best = b;
        if (b->size == size) break;
    }
    return best;
}

static void *take(struct arena *a, size_t size) {
    struct arena_block *b = best_fit(a, size);
    if (!b && grow(a, size)) b = best_fit(a, size);
    if (!b) return NULL;
    list_remove(a, b);
    trim(a, b, size);
    return (unsigned char *)b + ARENA_ALIGN;
}

void *arena_resize(struct arena *a, void *p, size_t now) {
    struct arena_block *b = p ? (struct arena_block *)((unsigned char *)p - ARENA_ALIGN) : NULL;
    if (now == 0) {
        if (b) release(a, b);
        return NULL;
    }
    size_t size = block_size(now);
    if (!size) return NULL;
    if (!b) return take(a, size);
    if (size <= b->size) {
        trim(a, b, size);
        return p;
    }
    struct arena_block *next = behind(b);
    if ((unsigned char *)next == a->sentinel || (next->free && (unsigned char *)behind(next) == a->sentinel)) {
        size_t have = b->size + next->size; /* the sentinel's size is 0 */
        if (have < size && grow(a, size - b->size)) next = behind(b);
    }
    if (next->free && b->size + next->size >= size) {
        list_remove(a, next);
        b->size += next->size;
        behind(b)->prev = b;
        trim(a, b, size);
        return p;
    }
    void *fresh = take(a, size);
    if (!fresh) return NULL;
    memcpy(fresh, p, b->size - ARENA_ALIGN);
    release(a, b);
    return fresh;
}

size_t arena_largest(const struct arena *a) {
    size_t most = 0;
    for (const struct arena_block *b = a->free; b; b = b->next_free)
        if (b->size > most) most = b->size;
    return most ? most - ARENA_ALIGN : 0;
}

size_t arena_free_bytes(const struct arena *a) {
    size_t sum = 0;
    for (const struct arena_block *b = a->free; b; b = b->next_free) sum += b->size;
    return sum;
}

bool arena_check(const struct arena *a) {
    size_t n_free = 0, n_listed = 0;
    const struct arena_block *front = NULL;
    const struct arena_block *b = (const struct arena_block *)a->base;
    for (; (const unsigned char *)b != a->sentinel; b = behind(b)) {
        if ((const unsigned char *)b > a->sentinel || b->size < ARENA_ALIGN || b->size % ARENA_ALIGN)
            return false;
        if (b->prev != front || (front && front->free && b->free)) return false;
        n_free += b->free;
        front = b;
    }
    if (b->prev != front || b->free || b->size) return false;
    for (b = a->free; b; b = b->next_free, n_listed++)
        if (!b->free || n_listed > n_free || (b->next_free && b->next_free->prev_free != b)) return false;
    return n_listed == n_free;
}
