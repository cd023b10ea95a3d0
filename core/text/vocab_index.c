/* The hash tables of a vocabulary. Keys stay in the GGUF header: slots hold ids and a few hash
 * bits. */
#include "text/unicode.h"
#include "text/vocab_in.h"

bool index_new(struct index *x, struct heap *heap, uint32_t n) {
    uint32_t slots = 16;
    while (slots < n + n / 2) slots *= 2;
    x->value_bits = 1;
    while (n >> x->value_bits) x->value_bits++;
    x->mask = slots - 1;
    x->slots = HEAP_ZERO(heap, uint32_t, slots);
    return x->slots != NULL;
}

void index_free(struct index *x, struct heap *heap) {
    if (x->slots) HEAP_FREE(heap, x->slots, (size_t)x->mask + 1);
    x->slots = NULL;
}

/* The tag takes the bits of the mix that the address uses least. */
static uint32_t tag_of(const struct index *x, uint32_t mix) {
    return mix >> x->value_bits << x->value_bits;
}
static uint32_t value_of(const struct index *x, uint32_t slot) {
    return (slot & ((1u << x->value_bits) - 1)) - 1;
}

int index_add(struct index *x, uint32_t hash, uint32_t value, const void *key, index_same same,
              bool replace) {
    uint32_t mix = hash_mix(hash), tag = tag_of(x, mix);
    for (uint32_t probe = 0; probe < MAX_PROBES; probe++) {
        uint32_t *slot = &x->slots[(mix + probe) & x->mask];
        bool empty = !*slot;
        if (!empty && (tag_of(x, *slot) != tag || !same(key, value_of(x, *slot)))) continue;
        if (empty || replace) *slot = tag | (value + 1);
        return 0;
    }
    return -1;
}

struct gguf_str token_text(const struct vocab *v, uint32_t id) {
    return gguf_str_at(v->gguf, v->tokens, id);
}

/* Compares without unescaping into memory; text of RWKV tokens is escaped like a Python literal. */
static bool token_is(const struct vocab *v, uint32_t id, const char *text, size_t n) {
    struct gguf_str s = token_text(v, id);
    if (v->kind == VOCAB_RWKV && s.size <= MAX_TOKEN_BYTES) {
        char plain[MAX_TOKEN_BYTES];
        return rwkv_unescape(plain, s.text, s.size) == n && !memcmp(plain, text, n);
    }
    return s.size == n && !memcmp(s.text, text, n);
}

uint32_t token_by_hash(const struct vocab *v, uint32_t hash, const char *text, size_t n) {
    const struct index *x = &v->by_text;
    uint32_t mix = hash_mix(hash), tag = tag_of(x, mix);
    for (uint32_t i = mix; i - mix < MAX_PROBES; i++) {
        uint32_t slot = x->slots[i & x->mask];
        if (!slot) break;
        if (tag_of(x, slot) == tag && token_is(v, value_of(x, slot), text, n))
            return value_of(x, slot);
    }
    return TOKEN_NONE;
}

uint32_t token_of(const struct vocab *v, const char *text, size_t n) {
    if (n > v->max_token) return TOKEN_NONE;
    return token_by_hash(v, hash_bytes(HASH_START, text, n), text, n);
}

uint32_t token_of_byte(const struct vocab *v, uint8_t byte) {
    static const char hex[] = "0123456789ABCDEF";
    char name[6] = {'<', '0', 'x', hex[byte >> 4], hex[byte & 15], '>'};
    uint32_t id = token_of(v, name, sizeof name);
    return id != TOKEN_NONE ? id : token_of(v, (const char *)&byte, 1);
}

struct token_key {
    const struct vocab *v;
    const char *text;
    size_t n;
};

static bool same_token(const void *key, uint32_t id) {
    const struct token_key *k = key;
    return token_is(k->v, id, k->text, k->n);
}

static int collide(struct fail *f, const char *what, uint32_t i) {
    return fail(f, SOTTO_FORMAT, FAIL_NOWHERE, "%s %u: too many strings with the same hash", what,
                i);
}

int vocab_index_tokens(struct vocab *v, struct fail *f) {
    char plain[MAX_TOKEN_BYTES];
    if (!index_new(&v->by_text, v->heap, v->n)) goto memory;
    for (uint32_t id = 0; id < v->n; id++) {
        struct gguf_str s = token_text(v, id);
        struct token_key key = {v, s.text, s.size};
        if (!s.size || s.size > MAX_TOKEN_BYTES) continue;
        if (v->kind == VOCAB_RWKV) {
            key.text = plain;
            key.n = rwkv_unescape(plain, s.text, s.size);
            if (!key.n) continue;
        }
        if (key.n > v->max_token) v->max_token = (uint32_t)key.n;
        /* A text that occurs twice means its last id. */
        if (index_add(&v->by_text, hash_bytes(HASH_START, key.text, key.n), id, &key, same_token,
                      true))
            return collide(f, "token", id);
    }
    return SOTTO_OK;
memory:
    return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the index of %u tokens", v->n);
}

/* The two halves of "left right": the split is the first space after the first byte. */
static size_t merge_split(struct gguf_str s) {
    size_t i = 1;
    while (i < s.size && s.text[i] != ' ') i++;
    return i < s.size ? i : 0;
}

static uint32_t pair_hash(uint32_t left, uint32_t right) {
    return hash_mix(left) * 0x9e3779b1u + right;
}

struct merge_text {
    const struct vocab *v;
    struct gguf_str s;
};

static bool same_merge(const void *key, uint32_t rank) {
    const struct merge_text *k = key;
    struct gguf_str s = gguf_str_at(k->v->gguf, k->v->merges, rank);
    return s.size == k->s.size && !memcmp(s.text, k->s.text, s.size);
}

int vocab_index_merges(struct vocab *v, struct fail *f) {
    uint32_t n = v->merges ? (uint32_t)v->merges->count : 0;
    if (!index_new(&v->by_merge, v->heap, n))
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the index of %u merges", n);
    for (uint32_t rank = 0; rank < n; rank++) {
        struct merge_text key = {v, gguf_str_at(v->gguf, v->merges, rank)};
        size_t split = merge_split(key.s);
        uint32_t left, right;
        if (!split || key.s.size > 2 * MAX_TOKEN_BYTES) continue;
        left = hash_bytes(HASH_START, key.s.text, split);
        right = hash_bytes(HASH_START, key.s.text + split + 1, key.s.size - split - 1);
        if (index_add(&v->by_merge, pair_hash(left, right), rank, &key, same_merge, false))
            return collide(f, "merge", rank);
    }
    return SOTTO_OK;
}

int merge_rank(const struct vocab *v, const char *text, const struct symbol *l,
               const struct symbol *r) {
    const struct index *x = &v->by_merge;
    uint32_t mix = hash_mix(pair_hash(l->hash, r->hash)), tag = tag_of(x, mix);
    for (uint32_t i = mix; i - mix < MAX_PROBES; i++) {
        uint32_t slot = x->slots[i & x->mask];
        struct gguf_str s;
        if (!slot) break;
        if (tag_of(x, slot) != tag) continue;
        s = gguf_str_at(v->gguf, v->merges, value_of(x, slot));
        if (s.size == (size_t)l->size + 1 + r->size && s.text[l->size] == ' ' &&
            !memcmp(s.text, text + l->at, l->size) &&
            !memcmp(s.text + l->size + 1, text + r->at, r->size))
            return (int)value_of(x, slot);
    }
    return -1;
}

float token_score(const struct vocab *v, uint32_t id) {
    return v->scores ? (float)gguf_num_at(v->gguf, v->scores, id) : 0.0f;
}

static void mark(struct vocab *v, uint32_t hash) {
    uint32_t bit = hash_mix(hash) & v->prefix_mask;
    v->prefixes[bit >> 5] |= 1u << (bit & 31);
}

static void mark_prefixes(struct vocab *v, const char *text, size_t n) {
    uint32_t h = HASH_START;
    for (size_t i = 0; i < n; i++) mark(v, h = hash_byte(h, (uint8_t)text[i]));
}

static void mark_neighbours(struct vocab *v, const char *text, size_t n) {
    size_t last = 0, last_size = 0;
    for (size_t at = 0, size; at < n; last = at, last_size = size, at += size) {
        size = uc_size((uint8_t)text[at]);
        if (size > n - at) size = n - at;
        if (at) mark(v, hash_bytes(HASH_START, text + last, last_size + size));
    }
}

int vocab_index_prefixes(struct vocab *v, struct fail *f) {
    char plain[MAX_TOKEN_BYTES];
    uint64_t total = 0, bits = 1024;
    for (uint32_t id = 0; id < v->n; id++) total += token_text(v, id).size;
    while (bits < 4 * total && bits < (uint64_t)1 << 23) bits *= 2;
    v->prefix_mask = (uint32_t)bits - 1;
    v->prefixes = HEAP_ZERO(v->heap, uint32_t, bits / 32);
    if (!v->prefixes)
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the prefixes of %u tokens", v->n);
    for (uint32_t id = 0; id < v->n; id++) {
        struct gguf_str s = token_text(v, id);
        if (s.size > MAX_TOKEN_BYTES) continue;
        if (v->kind == VOCAB_RWKV) {
            s.size = rwkv_unescape(plain, s.text, s.size);
            s.text = plain;
        }
        if (v->kind == VOCAB_SPM)
            mark_neighbours(v, s.text, s.size);
        else
            mark_prefixes(v, s.text, s.size);
    }
    return SOTTO_OK;
}
