/* From text to ids: special tokens are cut out first, the rest goes to the vocabulary's tokenizer.
 */
#include "text/vocab_in.h"

bool encoder_reserve(struct encoder *e, void **p, size_t *cap, size_t n, size_t size) {
    size_t now = *cap + *cap / 2 + 64;
    void *moved;
    if (e->failed) return false;
    if (n <= *cap) return true;
    if (now < n) now = n;
    moved = heap_grow(e->heap, *p, *cap * size, heap_mul(now, size));
    if (!moved) {
        e->failed = true;
        return false;
    }
    *p = moved;
    *cap = now;
    return true;
}

void encoder_put(struct encoder *e, uint32_t id) {
    if (e->n == e->cap && !encoder_reserve(e, (void **)&e->ids, &e->cap, e->n + 1, sizeof *e->ids))
        return;
    e->ids[e->n++] = id;
}

/* A stretch of text, or a token that was found in it. */
struct part {
    uint32_t at, size, id;
};
struct parts {
    struct part *all;
    size_t n, cap;
};

static void add_part(struct encoder *e, struct parts *p, struct part x) {
    if (p->n == p->cap && !encoder_reserve(e, (void **)&p->all, &p->cap, p->n + 1, sizeof *p->all))
        return;
    p->all[p->n++] = x;
}

/* The token of exactly `size` bytes at text, or TOKEN_NONE; with size 0, marks in *sizes the sizes
 * of all tokens that start there. */
static uint32_t special_at(const struct sorted *set, const char *text,
                           size_t n, uint32_t size, uint8_t *sizes) {
    uint32_t lo = 0, hi = set->n;
    if (n < size) return TOKEN_NONE;
    for (uint32_t depth = 0; depth < n; depth++) {
        if (!sorted_step(set, &lo, &hi, depth, (uint8_t)text[depth])) return TOKEN_NONE;
        if (set->at[lo].size != depth + 1) continue;
        if (depth + 1 == size) return set->at[lo].id;
        if (!size) sizes[depth >> 3] |= (uint8_t)(1u << (depth & 7));
    }
    return TOKEN_NONE;
}

static bool c_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cuts every token of `size` bytes out of one stretch. */
static void cut(struct encoder *e, const struct sorted *set, const char *text, struct part x,
                uint32_t size, struct parts *to) {
    uint32_t end = x.at + x.size, from = x.at, at = x.at;
    while (at < end && !e->failed) {
        uint32_t id = TOKEN_NONE, left;
        uint8_t c = (uint8_t)text[at];
        if (set->first[c] < set->first[c + 1])
            id = special_at(set, text + at, end - at, size, NULL);
        if (id == TOKEN_NONE) {
            at++;
            continue;
        }
        left = at - from;
        if (e->v->attr[id] & TOKEN_LSTRIP)
            while (left && c_space(text[from + left - 1])) left--;
        if (left) add_part(e, to, (struct part){from, left, TOKEN_NONE});
        add_part(e, to, (struct part){at, size, id});
        at += size;
        if (e->v->attr[id] & TOKEN_RSTRIP)
            while (at < end && c_space(text[at])) at++;
        from = at;
    }
    if (from < end) add_part(e, to, (struct part){from, end - from, TOKEN_NONE});
}

/* Longer tokens are found before shorter ones, wherever they stand, as llama.cpp does; so one pass
 * over the text for each size of token that occurs. */
static void partition(struct encoder *e, const struct sorted *set, const char *text, size_t n,
                      struct parts *parts) {
    uint8_t sizes[MAX_TOKEN_BYTES / 8] = {0};
    struct parts next = {0};
    add_part(e, parts, (struct part){0, (uint32_t)n, TOKEN_NONE});
    if (!set->n) return;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        if (set->first[c] < set->first[c + 1]) special_at(set, text + i, n - i, 0, sizes);
    }
    for (uint32_t size = MAX_TOKEN_BYTES; size && !e->failed; size--) {
        struct parts swap = *parts;
        if (!(sizes[(size - 1) >> 3] >> ((size - 1) & 7) & 1)) continue;
        next.n = 0;
        for (size_t i = 0; i < parts->n; i++) {
            if (parts->all[i].id != TOKEN_NONE)
                add_part(e, &next, parts->all[i]);
            else
                cut(e, set, text, parts->all[i], size, &next);
        }
        *parts = next;
        next = swap;
    }
    heap_free(e->heap, next.all, next.cap * sizeof *next.all);
}

static void encode_parts(struct encoder *e, const char *text, const struct parts *parts) {
    const struct vocab *v = e->v;
    bool after_special = true;
    for (size_t i = 0; i < parts->n && !e->failed; i++) {
        const char *s = text + parts->all[i].at;
        size_t n = parts->all[i].size;
        if (parts->all[i].id != TOKEN_NONE) {
            encoder_put(e, parts->all[i].id);
            after_special = true;
            continue;
        }
        switch (v->kind) {
        case VOCAB_BPE:
            bpe_encode(e, s, n);
            break;
        case VOCAB_SPM:
            spm_encode(e, s, n, v->add_space_prefix && after_special);
            break;
        case VOCAB_WPM:
            wpm_encode(e, s, n);
            break;
        case VOCAB_UGM:
            ugm_encode(e, s, n);
            break;
        case VOCAB_RWKV:
            rwkv_encode(e, s, n);
            break;
        case VOCAB_NONE:
            break;
        }
        after_special = false;
    }
}

int vocab_encode(const struct vocab *v, struct heap *heap, const char *text, size_t n,
                 unsigned flags, uint32_t **ids, size_t *n_ids, struct fail *f) {
    struct encoder e = {.v = v, .heap = heap};
    struct parts parts = {0};
    const struct vocab_special *s = &v->special;
    bool add = flags & ENCODE_ADD_SPECIAL, always = v->kind == VOCAB_WPM;
    *ids = NULL;
    *n_ids = 0;
    if (n > MAX_TEXT)
        return fail(f, SOTTO_LIMIT, FAIL_NOWHERE, "a text of %llu bytes is too long to tokenize",
                    (unsigned long long)n);
    if (add && (s->add_bos || always) && v->kind != VOCAB_RWKV && s->bos != TOKEN_NONE)
        encoder_put(&e, s->bos);
    if (n && v->n) {
        partition(&e, flags & ENCODE_PARSE_SPECIAL ? &v->marked : &v->user, text, n, &parts);
        encode_parts(&e, text, &parts);
    }
    if (add && always && s->sep != TOKEN_NONE) encoder_put(&e, s->sep);
    if (add && !always && s->add_eos && v->kind != VOCAB_RWKV && s->eos != TOKEN_NONE)
        encoder_put(&e, s->eos);
    heap_free(heap, parts.all, parts.cap * sizeof *parts.all);
    heap_free(heap, e.symbols, e.symbols_cap * sizeof *e.symbols);
    heap_free(heap, e.items, e.items_cap * sizeof *e.items);
    heap_free(heap, e.scratch, e.scratch_cap);
    heap_free(heap, e.word, e.word_cap);
    heap_free(heap, e.steps, e.steps_cap * sizeof *e.steps);
    heap_free(heap, e.ring, e.ring_cap * sizeof *e.ring);
    if (!e.failed) { /* the caller frees n_ids * 4 bytes */
        uint32_t *fit = heap_grow(heap, e.ids, e.cap * sizeof *e.ids, e.n * sizeof *e.ids);
        if (fit) {
            *ids = fit;
            *n_ids = e.n;
            return SOTTO_OK;
        }
    }
    heap_free(heap, e.ids, e.cap * sizeof *e.ids);
    return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory to tokenize %llu bytes",
                (unsigned long long)n);
}
