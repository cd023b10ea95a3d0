/* Sorted token sets with exact prefix walks, for special tokens. */
#include "text/vocab_in.h"

static int compare(const struct special *a, const struct special *b) {
    int c = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return c ? c : (a->size > b->size) - (a->size < b->size);
}

/* Heap sort: in place, and bounded for any input. */
static void sift(struct special *all, uint32_t n, uint32_t i) {
    struct special x = all[i];
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && compare(&all[child], &all[child + 1]) < 0) child++;
        if (compare(&x, &all[child]) >= 0) break;
        all[i] = all[child];
    }
    all[i] = x;
}

static bool wanted(const struct vocab *v, uint32_t id, unsigned with, unsigned without) {
    return v->attr[id] & with && !(v->attr[id] & without);
}

int sorted_build(struct sorted *s, const struct vocab *v, unsigned with, unsigned without) {
    uint32_t n = 0;
    for (uint32_t id = 0; id < v->n; id++) n += wanted(v, id, with, without);
    s->n = 0;
    s->cap = n;
    s->at = HEAP_NEW(v->heap, struct special, n);
    if (!s->at) return SOTTO_MEMORY;
    for (uint32_t id = 0; id < v->n; id++) {
        struct gguf_str t;
        if (!wanted(v, id, with, without)) continue;
        t = token_text(v, id);
        if (t.size && t.size <= MAX_TOKEN_BYTES)
            s->at[s->n++] = (struct special){t.text, (uint32_t)t.size, id};
    }
    for (uint32_t i = s->n / 2; i--;) sift(s->at, s->n, i);
    for (uint32_t i = s->n; i-- > 1;) {
        struct special x = s->at[0];
        s->at[0] = s->at[i];
        s->at[i] = x;
        sift(s->at, i, 0);
    }
    for (uint32_t c = 0, i = 0; c <= 256; c++) {
        while (i < s->n && (uint8_t)s->at[i].text[0] < c) i++;
        s->first[c] = i;
    }
    return SOTTO_OK;
}

void sorted_free(struct sorted *s, struct heap *heap) {
    if (s->at) HEAP_FREE(heap, s->at, s->cap);
    s->at = NULL;
}

/* Byte of a string at depth, -1 past its end: shorter strings sort first. */
static int byte_at(const struct sorted *s, uint32_t i, uint32_t depth) {
    return depth < s->at[i].size ? (uint8_t)s->at[i].text[depth] : -1;
}

bool sorted_step(const struct sorted *s, uint32_t *lo, uint32_t *hi, uint32_t depth, uint8_t c) {
    uint32_t a, b;
    if (!depth) {
        *lo = s->first[c];
        *hi = s->first[c + 1];
        return *lo < *hi;
    }
    if (s->at[*lo].size == depth) ++*lo; /* equal texts are rare; the search below passes them */
    if (*lo < *hi && byte_at(s, *lo, depth) == c && byte_at(s, *hi - 1, depth) == c) return true;
    for (a = *lo, b = *hi; a < b;) { /* first string with a byte >= c */
        uint32_t mid = a + (b - a) / 2;
        if (byte_at(s, mid, depth) < c) a = mid + 1;
        else b = mid;
    }
    *lo = a;
    for (b = *hi; a < b;) { /* first string with a byte > c */
        uint32_t mid = a + (b - a) / 2;
        if (byte_at(s, mid, depth) <= c) a = mid + 1;
        else b = mid;
    }
    *hi = a;
    return *lo < *hi;
}
