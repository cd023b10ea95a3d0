/* SentencePiece-style merging by score (Kudo and Richardson 2018, as llama.cpp runs it). */
#include "text/unicode.h"
#include "text/vocab_in.h"

/* Higher scores merge first: an order-preserving key of the float, reversed. */
static uint32_t score_key(const struct vocab *v, uint32_t id) {
    float score = token_score(v, id);
    uint32_t u = float_bits(score == 0 ? 0.0f : score); /* -0 is 0 */
    return ~(u & 0x80000000u ? ~u : u | 0x80000000u);
}

static bool spm_key(const struct vocab *v, const char *text, const struct symbol *l,
                    const struct symbol *r, uint32_t *key) {
    uint32_t id, size = l->size + r->size;
    if (size > v->max_token) return false;
    id = token_by_hash(v, hash_bytes(l->hash, text + r->at, r->size), text + l->at, size);
    if (id == TOKEN_NONE) return false;
    *key = score_key(v, id);
    return true;
}

static void run(struct encoder *e, const char *text, uint32_t n) {
    const struct vocab *v = e->v;
    merge_symbols(e, text, n, spm_key);
    for (uint32_t i = 0; i != TOKEN_NONE && !e->failed; i = e->symbols[i].next) {
        const struct symbol *s = &e->symbols[i];
        uint32_t id = token_by_hash(v, s->hash, text + s->at, s->size);
        if (id != TOKEN_NONE) {
            encoder_put(e, id);
            continue;
        }
        for (uint32_t k = 0; k < s->size; k++) {
            id = token_of_byte(v, (uint8_t)text[s->at + k]);
            if (id == TOKEN_NONE) id = v->special.unk;
            if (id != TOKEN_NONE) encoder_put(e, id);
        }
    }
}

/* Symbols that no token joins to their right neighbour end a run: what lies on both sides cannot
 * interact, so runs are merged apart, in little memory. */
static bool joined(const struct vocab *v, const char *text, const struct symbol *l,
                   const struct symbol *r) {
    return prefix_seen(v, hash_bytes(l->hash, text + r->at, r->size));
}

void spm_encode(struct encoder *e, const char *text, size_t n, bool add_space) {
    const struct vocab *v = e->v;
    size_t size = 0;
    uint32_t n_symbols = 0;
    if (!encoder_reserve(e, (void **)&e->scratch, &e->scratch_cap, 3 * n + 3, 1)) return;
    if (add_space) size += uc_write(e->scratch, 0x2581);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ')
            size += uc_write(e->scratch + size, 0x2581);
        else
            e->scratch[size++] = text[i];
    }
    text = e->scratch;
    for (size_t at = 0; at < size && !e->failed;) {
        struct symbol s = {.at = (uint32_t)at};
        size_t step = uc_size((uint8_t)text[at]);
        if (step > size - at) step = size - at;
        s.size = (uint32_t)step;
        s.hash = hash_bytes(HASH_START, text + at, step);
        if (n_symbols && !joined(v, text, &e->symbols[n_symbols - 1], &s)) {
            run(e, text, n_symbols);
            n_symbols = 0;
        }
        if (n_symbols == e->symbols_cap &&
            !encoder_reserve(e, (void **)&e->symbols, &e->symbols_cap, (size_t)n_symbols + 1,
                             sizeof *e->symbols))
            return;
        e->symbols[n_symbols++] = s;
        at += step;
    }
    if (n_symbols && !e->failed) run(e, text, n_symbols);
}
