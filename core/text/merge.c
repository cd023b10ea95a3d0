/* Pairwise merging by priority, shared by BPE (rank) and SPM (score): O(n log n) for n symbols. */
#include "text/vocab_in.h"

static bool before(const struct merge_item *a, const struct merge_item *b) {
    return a->key < b->key || (a->key == b->key && a->left < b->left);
}

static void sift_down(struct merge_item *items, size_t n, size_t i) {
    struct merge_item x = items[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&items[child + 1], &items[child])) child++;
        if (!before(&items[child], &x)) break;
        items[i] = items[child];
    }
    items[i] = x;
}

static void push(struct encoder *e, size_t *n, struct merge_item x) {
    size_t i = *n;
    if (*n == e->items_cap &&
        !encoder_reserve(e, (void **)&e->items, &e->items_cap, *n + 1, sizeof *e->items))
        return;
    for (*n += 1; i && before(&x, &e->items[(i - 1) / 2]); i = (i - 1) / 2)
        e->items[i] = e->items[(i - 1) / 2];
    e->items[i] = x;
}

static void join(struct encoder *e, const char *text, struct symbol *l) {
    struct symbol *r = &e->symbols[l->next];
    l->hash = hash_bytes(l->hash, text + r->at, r->size);
    l->size += r->size;
    r->size = 0;
    l->next = r->next;
    if (r->next != TOKEN_NONE) e->symbols[r->next].prev = (uint32_t)(l - e->symbols);
}

/* Few symbols: the keys of all pairs side by side, and a scan for the least. */
enum { FEW = 24 };
static void merge_few(struct encoder *e, const char *text, uint32_t n, merge_key key) {
    uint64_t keys[FEW]; /* of the pair that starts at a symbol; UINT64_MAX for none */
    struct symbol *s = e->symbols;
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t k;
        keys[i] = key(e->v, text, &s[i], &s[i + 1], &k) ? k : UINT64_MAX;
    }
    keys[n - 1] = UINT64_MAX;
    for (;;) {
        uint32_t best = 0, k;
        for (uint32_t i = 1; i < n; i++)
            if (keys[i] < keys[best]) best = i;
        if (keys[best] == UINT64_MAX) return;
        keys[s[best].next] = UINT64_MAX;
        join(e, text, &s[best]);
        keys[best] = s[best].next != TOKEN_NONE && key(e->v, text, &s[best], &s[s[best].next], &k)
                         ? k
                         : UINT64_MAX;
        if (s[best].prev != TOKEN_NONE)
            keys[s[best].prev] = key(e->v, text, &s[s[best].prev], &s[best], &k) ? k : UINT64_MAX;
    }
}

void merge_symbols(struct encoder *e, const char *text, uint32_t n, merge_key key) {
    struct symbol *s = e->symbols;
    size_t n_items = 0;
    for (uint32_t i = 0; i < n; i++) {
        s[i].prev = i ? i - 1 : TOKEN_NONE;
        s[i].next = i + 1 < n ? i + 1 : TOKEN_NONE;
    }
    if (n < 2) return;
    if (n <= FEW) {
        merge_few(e, text, n, key);
        return;
    }
    /* Room for the first pairs at once: growing by copies would take more. */
    encoder_reserve(e, (void **)&e->items, &e->items_cap, n, sizeof *e->items);
    for (uint32_t i = 0; i + 1 < n && !e->failed; i++) {
        struct merge_item x = {.left = i, .size = s[i].size + s[i + 1].size};
        if (key(e->v, text, &s[i], &s[i + 1], &x.key)) push(e, &n_items, x);
    }
    while (n_items && !e->failed) {
        struct merge_item x = e->items[0];
        struct symbol *l = &s[x.left];
        e->items[0] = e->items[--n_items];
        if (n_items) sift_down(e->items, n_items, 0);
        /* Either side may have grown or gone since the pair was found. */
        if (!l->size || l->next == TOKEN_NONE || l->size + s[l->next].size != x.size) continue;
        join(e, text, l);
        if (l->next != TOKEN_NONE) {
            x.size = l->size + s[l->next].size;
            if (key(e->v, text, l, &s[l->next], &x.key)) push(e, &n_items, x);
        }
        if (l->prev != TOKEN_NONE) {
            x.left = l->prev;
            x.size = s[l->prev].size + l->size;
            if (key(e->v, text, &s[l->prev], l, &x.key)) push(e, &n_items, x);
        }
    }
}
