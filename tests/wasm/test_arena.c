#include "../../wasm/arena.h"
#include "../check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SPACE = 1 << 20, SLOTS = 64 };

static uint32_t random_state = 1;
static uint32_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* Memory behind the arena that `more` hands out, to the last byte. */
struct room { size_t left; };
static size_t more(void *host, size_t bytes) {
    struct room *room = host;
    size_t give = (bytes / 4096 + 1) * 4096;
    if (give > room->left) return 0;
    room->left -= give;
    return give;
}

static void test_random_use_keeps_contents_and_invariants(bool grows) {
    unsigned char *space = aligned_alloc(64, SPACE);
    struct room room = {SPACE - 8192};
    struct arena a;
    CHECK(arena_init(&a, space, grows ? 8192 : SPACE), "an arena starts");
    if (grows) a.more = more, a.host = &room;
    unsigned char *block[SLOTS] = {0};
    size_t size[SLOTS] = {0};
    int broken = 0, served = 0;
    for (int step = 0; step < 20000; step++) {
        uint32_t i = next_random() % SLOTS;
        size_t now = next_random() % 3 ? next_random() % 40000 : 0;
        unsigned char *p = arena_resize(&a, block[i], now);
        if (now && !p) continue; /* full: the block stays as it is */
        served++;
        size_t kept = now < size[i] ? now : size[i];
        for (size_t k = 0; k < kept; k++) broken += p[k] != (unsigned char)(i + 1);
        if (p) {
            memset(p, (int)i + 1, now);
            broken += (uintptr_t)p % 64 != 0 || p < space || p + now > space + SPACE;
        }
        block[i] = p;
        size[i] = now;
        if (step % 16 == 0) broken += !arena_check(&a);
    }
    CHECK(served > 5000, "most requests are served (%d)", served);
    CHECK(broken == 0, "%d contents or invariants broken", broken);
    for (int i = 0; i < SLOTS; i++) arena_resize(&a, block[i], 0);
    CHECK(arena_check(&a), "the arena is whole after everything was freed");
    size_t whole = (size_t)(a.sentinel - a.base);
    CHECK(arena_free_bytes(&a) == whole && arena_largest(&a) + 64 == whole, "all of %zu is one block again", whole);
    free(space);
}

static void test_the_last_block_grows_in_place(void) {
    unsigned char *space = aligned_alloc(64, SPACE);
    struct arena a;
    arena_init(&a, space, SPACE);
    unsigned char *p = arena_resize(&a, NULL, 100), *q = p;
    for (size_t n = 200; n < SPACE / 2; n *= 2) q = q ? arena_resize(&a, q, n) : q;
    CHECK(p == q, "growing with free space behind moves nothing");
    CHECK(!arena_resize(&a, q, SPACE), "more than there is fails");
    CHECK(arena_check(&a), "and changes nothing");
    CHECK(!arena_resize(&a, NULL, SIZE_MAX) && !arena_resize(&a, NULL, SIZE_MAX - 100), "an overflowing size fails");
    size_t largest = arena_largest(&a);
    CHECK(arena_resize(&a, NULL, largest) != NULL, "exactly the largest block (%zu) is served", largest);
    CHECK(!arena_resize(&a, NULL, 1), "then it is full");
    free(space);
}

static void test_a_tiny_arena_is_refused(void) {
    _Alignas(64) unsigned char space[256];
    struct arena a;
    CHECK(!arena_init(&a, space, 128), "too small for a block");
    CHECK(arena_init(&a, space + 1, 255), "unaligned base is trimmed");
    CHECK((uintptr_t)a.base % 64 == 0, "to alignment");
}

int main(void) {
    test_random_use_keeps_contents_and_invariants(false);
    test_random_use_keeps_contents_and_invariants(true);
    test_the_last_block_grows_in_place();
    test_a_tiny_arena_is_refused();
    return check_done();
}
