/* Names of keys and tensors: two hash tables that find them and refuse a second one of the same
 * name. */
#include "data/gguf_int.h"
#include <string.h>

/* FNV-1a */
static uint32_t hash_of(struct gguf_str name) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.size; i++) h = (h ^ (uint8_t)name.text[i]) * 16777619u;
    return h ^ h >> 15;
}

int gguf_no_memory(const struct gguf *g, struct fail *f) {
    return fail(f, SOTTO_MEMORY, g->pos, "no memory for the header of the file");
}

static struct gguf_str name_of(const struct gguf *g, bool tensor, uint32_t i) {
    struct gguf_str s;
    if (tensor) {
        s.text = (const char *)g->bytes + g->tensors[i].name_at;
        s.size = g->tensors[i].tensor.name.size;
    } else {
        s.text = (const char *)g->bytes + g->kv[i].key_at;
        s.size = g->kv[i].kv.key.size;
    }
    return s;
}

/* The slot of the name, or the free one where it belongs; NULL after too many probes. */
static uint32_t *find_slot(const struct gguf *g, const struct gguf_hash *hash, bool tensor,
                           struct gguf_str name) {
    uint32_t mask = hash->n_slots - 1, at = hash_of(name) & mask;
    for (int i = 0; i < PROBES_MAX; i++, at = (at + 1) & mask) {
        uint32_t *slot = &hash->slots[at];
        if (*slot) {
            struct gguf_str other = name_of(g, tensor, *slot - 1);
            if (other.size != name.size || memcmp(other.text, name.text, name.size)) continue;
        }
        return slot;
    }
    return NULL;
}

static int too_alike(struct fail *f, uint64_t at) {
    return fail(f, SOTTO_LIMIT, at, "too many names with the same hash");
}

/* Keeps the table at most half full. */
static int grow_hash(struct gguf *g, struct gguf_hash *hash, bool tensor, uint32_t n,
                     struct fail *f) {
    struct gguf_hash more = {NULL, hash->n_slots ? hash->n_slots * 2 : 64};
    if (n * 2 < hash->n_slots) return SOTTO_OK;
    more.slots = HEAP_ZERO(g->heap, uint32_t, more.n_slots);
    if (!more.slots) return gguf_no_memory(g, f);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *slot = find_slot(g, &more, tensor, name_of(g, tensor, i));
        if (!slot) {
            HEAP_FREE(g->heap, more.slots, more.n_slots);
            return too_alike(f, g->pos);
        }
        *slot = i + 1;
    }
    HEAP_FREE(g->heap, hash->slots, hash->n_slots);
    *hash = more;
    return SOTTO_OK;
}

int gguf_add_name(struct gguf *g, bool tensor, uint32_t at, size_t size, struct fail *f) {
    struct gguf_hash *hash = tensor ? &g->tensor_hash : &g->kv_hash;
    struct gguf_str name = {(const char *)g->bytes + at, size};
    uint32_t n = tensor ? g->n_tensors : g->n_kv, *slot;
    int shown = size > 80 ? 80 : (int)size, status = grow_hash(g, hash, tensor, n, f);
    if (status) return status;
    slot = find_slot(g, hash, tensor, name);
    if (!slot) return too_alike(f, at);
    if (*slot)
        return fail(f, SOTTO_FORMAT, at, "the %s %.*s occurs twice", tensor ? "tensor" : "key",
                    shown, name.text);
    *slot = n + 1;
    return SOTTO_OK;
}

/* Number of the entry plus 1, or 0. */
static uint32_t find(const struct gguf *g, bool tensor, const char *name) {
    const struct gguf_hash *hash = tensor ? &g->tensor_hash : &g->kv_hash;
    struct gguf_str s = {name, strlen(name)};
    uint32_t *slot = hash->n_slots ? find_slot(g, hash, tensor, s) : NULL;
    return slot ? *slot : 0;
}

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key) {
    uint32_t i = find(g, false, key);
    return i ? &g->kv[i - 1].kv : NULL;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name) {
    uint32_t i = find(g, true, name);
    return i ? &g->tensors[i - 1].tensor : NULL;
}
