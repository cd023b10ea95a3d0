/* Sorted token sets with exact prefix walks, for special tokens. */
#include "text/vocab_in.h"

static int compare(struct gguf_str a, struct gguf_str b) {
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.text, b.text, n) : 0;
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

/* Heap sort: in place, and bounded for any input. */
static void sift(const struct vocab *v, uint32_t *ids, uint32_t n, uint32_t i) {
    uint32_t x = ids[i];
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && compare(token_text(v, ids[child]), token_text(v, ids[child + 1])) < 0)
            child++;
        if (compare(token_text(v, x), token_text(v, ids[child])) >= 0) break;
        ids[i] = ids[child];
    }
    ids[i] = x;
}

int sorted_build(struct sorted *s, const struct vocab *v, unsigned with, unsigned without) {
    uint32_t n = 0;
    for (uint32_t id = 0; id < v->n; id++) n += v->attr[id] & with && !(v->attr[id] & without);
    s->n = 0;
    s->cap = n;
    s->ids = HEAP_NEW(v->heap, uint32_t, n);
    if (!s->ids) return SOTTO_MEMORY;
    for (uint32_t id = 0; id < v->n; id++) {
        struct gguf_str t;
        if (!(v->attr[id] & with) || v->attr[id] & without) continue;
        t = token_text(v, id);
        if (t.size && t.size <= MAX_TOKEN_BYTES) s->ids[s->n++] = id;
    }
    for (uint32_t i = s->n / 2; i--;) sift(v, s->ids, s->n, i);
    for (uint32_t i = s->n; i-- > 1;) {
        uint32_t x = s->ids[0];
        s->ids[0] = s->ids[i];
        s->ids[i] = x;
        sift(v, s->ids, i, 0);
    }
    for (uint32_t c = 0, i = 0; c <= 256; c++) {
        while (i < s->n && (uint8_t)token_text(v, s->ids[i]).text[0] < c) i++;
        s->first[c] = i;
    }
    return SOTTO_OK;
}

void sorted_free(struct sorted *s, struct heap *heap) {
    if (s->ids) HEAP_FREE(heap, s->ids, s->cap);
    s->ids = NULL;
}

/* Byte of a string at depth, -1 past its end: shorter strings sort first. */
static int byte_at(const struct vocab *v, uint32_t id, uint32_t depth) {
    struct gguf_str t = token_text(v, id);
    return depth < t.size ? (uint8_t)t.text[depth] : -1;
}

bool sorted_step(const struct sorted *s, const struct vocab *v, uint32_t *lo, uint32_t *hi,
                 uint32_t depth, uint8_t c) {
    uint32_t a, b;
    if (!depth) {
        *lo = s->first[c];
        *hi = s->first[c + 1];
        return *lo < *hi;
    }
    for (a = *lo, b = *hi; a < b;) { /* first string with a byte >= c */
        uint32_t mid = a + (b - a) / 2;
        if (byte_at(v, s->ids[mid], depth) < c)
            a = mid + 1;
        else
            b = mid;
    }
    *lo = a;
    for (b = *hi; a < b;) { /* first string with a byte > c */
        uint32_t mid = a + (b - a) / 2;
        if (byte_at(v, s->ids[mid], depth) <= c)
            a = mid + 1;
        else
            b = mid;
    }
    *hi = a;
    return *lo < *hi;
}
