/* The incremental parser. Bytes are appended to one buffer; `pos` moves over whole items, and
 * `need` says how many bytes the next attempt wants, so that any cutting of the input costs linear
 * time. */
#include "data/gguf.h"
#include "base/bytes.h"
#include "data/gguf_int.h"

uint32_t gguf_type_bytes(uint32_t type) {
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

struct gguf *gguf_new(struct heap *heap) {
    struct gguf *g = HEAP_ZERO(heap, struct gguf, 1);
    if (g) g->heap = heap;
    return g;
}

void gguf_free(struct gguf *g) {
    if (!g) return;
    heap_free(g->heap, g->bytes, g->cap);
    HEAP_FREE(g->heap, g->kv, g->cap_kv);
    HEAP_FREE(g->heap, g->tensors, g->cap_tensors);
    HEAP_FREE(g->heap, g->index, g->cap_index);
    HEAP_FREE(g->heap, g->kv_hash.slots, g->kv_hash.n_slots);
    HEAP_FREE(g->heap, g->tensor_hash.slots, g->tensor_hash.n_slots);
    HEAP_FREE(g->heap, g, 1);
}

/* OK where bytes [at, at + n) have arrived; MORE, with `need` set, or LIMIT. */
static int have(struct gguf *g, uint64_t at, uint64_t n, struct fail *f) {
    if (n > HEADER_MAX || at > HEADER_MAX - n)
        return fail(f, SOTTO_LIMIT, at, "the header would be larger than %d MiB", HEADER_MAX >> 20);
    if (at + n <= g->size) return SOTTO_OK;
    g->need = (uint32_t)(at + n);
    return SOTTO_MORE;
}

/* Makes room for one more element of a growing array. */
static bool grow(struct heap *heap, void *items, uint32_t n, uint32_t *cap, size_t size) {
    void *old, *moved;
    uint32_t more = *cap ? *cap * 2 : 16;
    if (n < *cap) return true;
    memcpy(&old, items, sizeof old);
    moved = heap_grow(heap, old, *cap * size, heap_mul(more, size));
    if (!moved) return false;
    memcpy(items, &moved, sizeof moved);
    *cap = more;
    return true;
}

static int read_head(struct gguf *g, struct fail *f) {
    int status = have(g, 0, 8, f);
    uint64_t n_tensors, n_kv;
    /* a wrong magic is told from the first bytes on, not after 8 */
    for (size_t i = 0; i < g->size && i < 4; i++)
        if (g->bytes[i] != (uint8_t)"GGUF"[i])
            return fail(f, SOTTO_FORMAT, i,
                        "not a GGUF file: it does not begin with the letters GGUF");
    if (status) return status;
    g->version = load_u32(g->bytes + 4);
    if (!(g->version & 0xffff) && g->version)
        return fail(f, SOTTO_UNSUPPORTED, 4,
                    "a big-endian GGUF file; only little-endian ones can be read");
    if (g->version == 1)
        return fail(f, SOTTO_UNSUPPORTED, 4,
                    "GGUF version 1 is too old; convert the file to version 3");
    if (g->version != 2 && g->version != 3)
        return fail(f, SOTTO_UNSUPPORTED, 4, "GGUF version %u is not known; versions 2 and 3 are",
                    g->version);
    if ((status = have(g, 8, 16, f))) return status;
    n_tensors = load_u64(g->bytes + 8);
    n_kv = load_u64(g->bytes + 16);
    if (n_tensors > TENSOR_MAX)
        return fail(f, SOTTO_LIMIT, 8, "%llu tensors; at most %d can be read",
                    (unsigned long long)n_tensors, TENSOR_MAX);
    if (n_kv > KV_MAX)
        return fail(f, SOTTO_LIMIT, 16, "%llu keys; at most %d can be read",
                    (unsigned long long)n_kv, KV_MAX);
    g->want_tensors = (uint32_t)n_tensors;
    g->want_kv = (uint32_t)n_kv;
    g->pos = 24;
    g->phase = PHASE_KV;
    return SOTTO_OK;
}

/* Sets *end behind the value at kv->at; for an array moves kv->at to its first element. An array of
 * strings ends at its first one here, PHASE_STRINGS goes on. */
static int read_value(struct gguf *g, struct gguf_kv *kv, uint64_t *end, struct fail *f) {
    uint64_t at = kv->at, size = gguf_type_bytes(kv->type);
    int status;
    kv->count = 1;
    if (size) {
        *end = at + size;
        return have(g, at, size, f);
    }
    if (kv->type == GGUF_STRING) {
        if ((status = have(g, at, 8, f))) return status;
        size = load_u64(g->bytes + at);
        *end = at + 8 + size; /* have() refuses a size for which this wraps */
        return have(g, at + 8, size, f);
    }
    if (kv->type != GGUF_ARRAY)
        return fail(f, SOTTO_FORMAT, at - 4, "value type %u is not known", kv->type);
    if ((status = have(g, at, 12, f))) return status;
    kv->elem_type = load_u32(g->bytes + at);
    kv->count = load_u64(g->bytes + at + 4);
    kv->at = *end = at + 12;
    if (kv->elem_type == GGUF_ARRAY)
        return fail(f, SOTTO_UNSUPPORTED, at, "arrays of arrays cannot be read");
    size = gguf_type_bytes(kv->elem_type);
    if (!size && kv->elem_type != GGUF_STRING)
        return fail(f, SOTTO_FORMAT, at, "array element type %u is not known", kv->elem_type);
    if (kv->count > HEADER_MAX / (size ? size : 8))
        return fail(f, SOTTO_LIMIT, at + 4, "an array of %llu elements is too long",
                    (unsigned long long)kv->count);
    *end += size * kv->count;
    return have(g, kv->at, size * kv->count, f);
}

static int read_kv(struct gguf *g, struct fail *f) {
    struct gguf_kv_entry e = {{{NULL, 0}, 0, 0, 0, 0}, g->pos + 8, g->n_index};
    uint64_t size, end = 0;
    int status;
    if (g->n_kv == g->want_kv) {
        g->phase = PHASE_TENSOR;
        return SOTTO_OK;
    }
    if ((status = have(g, g->pos, 8, f))) return status;
    size = load_u64(g->bytes + g->pos);
    if (size == 0 || size > KEY_MAX)
        return fail(f, SOTTO_FORMAT, g->pos, "a key of %llu bytes; 1 to %d are allowed",
                    (unsigned long long)size, KEY_MAX);
    if ((status = have(g, e.key_at, size + 4, f))) return status;
    e.kv.key.size = (size_t)size;
    e.kv.type = load_u32(g->bytes + e.key_at + size);
    e.kv.at = e.key_at + size + 4;
    if ((status = read_value(g, &e.kv, &end, f))) return status;
    if (!grow(g->heap, &g->kv, g->n_kv, &g->cap_kv, sizeof *g->kv)) return gguf_no_memory(g, f);
    if ((status = gguf_add_name(g, false, e.key_at, e.kv.key.size, f))) return status;
    g->kv[g->n_kv++] = e;
    g->pos = (uint32_t)end;
    if (e.kv.type == GGUF_ARRAY && e.kv.elem_type == GGUF_STRING) {
        g->strings_left = e.kv.count;
        g->phase = PHASE_STRINGS;
    }
    return SOTTO_OK;
}

static int read_strings(struct gguf *g, struct fail *f) {
    uint64_t count = g->kv[g->n_kv - 1].kv.count;
    int status;
    for (; g->strings_left; g->strings_left--) {
        uint64_t size;
        if ((status = have(g, g->pos, 8, f))) return status;
        size = load_u64(g->bytes + g->pos);
        if ((status = have(g, (uint64_t)g->pos + 8, size, f))) return status;
        if ((count - g->strings_left) % STRING_STEP == 0) {
            if (!grow(g->heap, &g->index, g->n_index, &g->cap_index, sizeof *g->index))
                return gguf_no_memory(g, f);
            g->index[g->n_index++] = g->pos;
        }
        g->pos += 8 + (uint32_t)size;
    }
    g->phase = PHASE_KV;
    return SOTTO_OK;
}

/* ne, bytes and offset of the tensor whose dimensions lie at `at`. */
static int read_shape(const struct gguf *g, struct gguf_tensor *t, uint64_t at, const char *name,
                      int shown, struct fail *f) {
    const struct dtype_info *info;
    uint64_t n = 1;
    for (uint32_t i = 0; i < 4; i++) {
        t->ne[i] = i < t->n_dims ? load_u64(g->bytes + at + 8 * i) : 1;
        if (t->ne[i] == 0)
            return fail(f, SOTTO_FORMAT, at + 8 * i, "tensor %.*s has an empty axis", shown, name);
        if (__builtin_mul_overflow(n, t->ne[i], &n) || n > (uint64_t)1 << 56)
            return fail(f, SOTTO_FORMAT, at, "tensor %.*s has too many elements", shown, name);
    }
    at += 8 * t->n_dims;
    t->type = load_u32(g->bytes + at);
    t->offset = load_u64(g->bytes + at + 4);
    if (t->offset > (uint64_t)1 << 62)
        return fail(f, SOTTO_FORMAT, at + 4, "the data of tensor %.*s lie outside of any file",
                    shown, name);
    info = dtype_info(t->type);
    if (!info) return SOTTO_OK;
    if (t->ne[0] % info->block)
        return fail(f, SOTTO_FORMAT, at,
                    "rows of tensor %.*s have %llu elements, no multiple of %u of %s", shown, name,
                    (unsigned long long)t->ne[0], info->block, info->name);
    t->bytes = n / info->block * info->bytes; /* at most 2^56 * 8 */
    return SOTTO_OK;
}

static int finish(struct gguf *g, struct fail *f);

static int read_tensor(struct gguf *g, struct fail *f) {
    struct gguf_tensor_entry e = {{{NULL, 0}, 0, 0, {1, 1, 1, 1}, 0, 0}, g->pos + 8};
    uint64_t size, at;
    const char *name;
    int status, shown;
    if (g->n_tensors == g->want_tensors) return finish(g, f);
    if ((status = have(g, g->pos, 8, f))) return status;
    size = load_u64(g->bytes + g->pos);
    if (size == 0 || size > NAME_MAX_BYTES)
        return fail(f, SOTTO_FORMAT, g->pos, "a tensor name of %llu bytes; 1 to %d are allowed",
                    (unsigned long long)size, NAME_MAX_BYTES);
    if ((status = have(g, e.name_at, size + 4, f))) return status;
    name = (const char *)g->bytes + e.name_at;
    shown = size > 80 ? 80 : (int)size;
    at = e.name_at + size;
    e.tensor.name.size = (size_t)size;
    e.tensor.n_dims = load_u32(g->bytes + at);
    if (e.tensor.n_dims > 4)
        return fail(f, SOTTO_FORMAT, at, "tensor %.*s has %u axes; at most 4 are allowed", shown,
                    name, e.tensor.n_dims);
    at += 4;
    if ((status = have(g, at, 8 * e.tensor.n_dims + 12, f))) return status;
    if ((status = read_shape(g, &e.tensor, at, name, shown, f))) return status;
    if (!grow(g->heap, &g->tensors, g->n_tensors, &g->cap_tensors, sizeof *g->tensors))
        return gguf_no_memory(g, f);
    if ((status = gguf_add_name(g, true, e.name_at, (size_t)size, f))) return status;
    g->tensors[g->n_tensors++] = e;
    g->pos = (uint32_t)(at + 8 * e.tensor.n_dims + 12);
    return SOTTO_OK;
}

/* Sorts tensor numbers by offset: heap sort, since the input is not to be trusted. */
static void sift(const struct gguf *g, uint32_t *order, uint32_t i, uint32_t n) {
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        uint32_t t;
        if (child + 1 < n &&
            g->tensors[order[child + 1]].tensor.offset > g->tensors[order[child]].tensor.offset)
            child++;
        if (g->tensors[order[i]].tensor.offset >= g->tensors[order[child]].tensor.offset) return;
        t = order[i];
        order[i] = order[child];
        order[child] = t;
    }
}

static void sort_by_offset(const struct gguf *g, uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n / 2; i-- > 0;) sift(g, order, i, n);
    for (uint32_t end = n; end-- > 1;) {
        uint32_t t = order[0];
        order[0] = order[end];
        order[end] = t;
        sift(g, order, 0, end);
    }
}

/* No two tensors may share bytes. */
static int check_overlap(struct gguf *g, struct fail *f) {
    uint32_t n = g->n_tensors, *order = HEAP_NEW(g->heap, uint32_t, n);
    int status = SOTTO_OK;
    if (!order) return gguf_no_memory(g, f);
    sort_by_offset(g, order, n);
    for (uint32_t i = 0; i + 1 < n && !status; i++) {
        const struct gguf_tensor *a = &g->tensors[order[i]].tensor,
                                 *b = &g->tensors[order[i + 1]].tensor;
        if (a->offset + a->bytes > b->offset)
            status = fail(f, SOTTO_FORMAT, b->offset, "the data of tensors %.*s and %.*s overlap",
                          (int)(a->name.size > 80 ? 80 : a->name.size), a->name.text,
                          (int)(b->name.size > 80 ? 80 : b->name.size), b->name.text);
    }
    HEAP_FREE(g->heap, order, n);
    return status;
}

static int finish(struct gguf *g, struct fail *f) {
    const struct gguf_kv *kv;
    uint64_t alignment = 32;
    uint8_t *trimmed = heap_grow(g->heap, g->bytes, g->cap, g->pos);
    if (trimmed) { /* else the larger block is kept */
        g->bytes = trimmed;
        g->cap = g->pos;
    }
    g->size = g->pos;
    for (uint32_t i = 0; i < g->n_kv; i++)
        g->kv[i].kv.key.text = (const char *)g->bytes + g->kv[i].key_at;
    for (uint32_t i = 0; i < g->n_tensors; i++)
        g->tensors[i].tensor.name.text = (const char *)g->bytes + g->tensors[i].name_at;
    kv = gguf_find(g, "general.alignment");
    if (kv) {
        alignment = gguf_u64(g, "general.alignment", 0);
        if (alignment == 0 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)))
            return fail(f, SOTTO_FORMAT, kv->at, "general.alignment is no power of two up to %d",
                        ALIGNMENT_MAX);
    }
    g->data_offset = (g->pos + alignment - 1) & ~(alignment - 1);
    g->file_bytes = g->n_tensors ? g->data_offset : g->pos;
    for (uint32_t i = 0; i < g->n_tensors; i++) {
        struct gguf_tensor *t = &g->tensors[i].tensor;
        if (t->offset % alignment)
            return fail(f, SOTTO_FORMAT, g->tensors[i].name_at,
                        "the offset of tensor %.*s is not aligned to %llu",
                        (int)(t->name.size > 80 ? 80 : t->name.size), t->name.text,
                        (unsigned long long)alignment);
        t->offset += g->data_offset;
        if (t->offset + t->bytes > g->file_bytes) g->file_bytes = t->offset + t->bytes;
    }
    g->phase = PHASE_DONE;
    return check_overlap(g, f);
}

/* Parses what has arrived. OK when the header is complete. */
static int advance(struct gguf *g, struct fail *f) {
    int status = SOTTO_OK;
    while (!status && g->phase != PHASE_DONE) {
        switch (g->phase) {
        case PHASE_HEAD:
            status = read_head(g, f);
            break;
        case PHASE_KV:
            status = read_kv(g, f);
            break;
        case PHASE_STRINGS:
            status = read_strings(g, f);
            break;
        default:
            status = read_tensor(g, f);
            break;
        }
    }
    return status;
}

static bool append(struct gguf *g, const void *bytes, size_t n) {
    if (n > g->cap - g->size) {
        size_t cap = g->cap + g->cap / 2 + 4096;
        uint8_t *moved;
        if (cap < g->size + n) cap = g->size + n;
        moved = heap_grow(g->heap, g->bytes, g->cap, cap);
        if (!moved) return false;
        g->bytes = moved;
        g->cap = cap;
    }
    memcpy(g->bytes + g->size, bytes, n);
    g->size += n;
    return true;
}

int gguf_push(struct gguf *g, const void *bytes, size_t n, struct fail *f) {
    const uint8_t *p = bytes;
    int status = SOTTO_MORE;
    if (g->phase == PHASE_DONE) return SOTTO_OK;
    if (g->phase == PHASE_FAILED) {
        if (f) *f = g->failed;
        return g->failed.code;
    }
    /* in slices: of a whole file pushed at once only the header is kept */
    while (status == SOTTO_MORE && n) {
        size_t slice = n < 65536 ? n : 65536;
        status = append(g, p, slice) ? SOTTO_MORE : gguf_no_memory(g, &g->failed);
        p += slice;
        n -= slice;
        if (status == SOTTO_MORE && (g->size >= g->need || g->phase == PHASE_HEAD))
            status = advance(g, &g->failed);
    }
    if (status > SOTTO_MORE) {
        g->phase = PHASE_FAILED;
        if (f) *f = g->failed;
    }
    return status;
}
