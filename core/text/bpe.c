/* Byte-pair encoding (Sennrich et al. 2016) over the pieces of a pre-tokenizer. */
#include "text/unicode.h"
#include "text/vocab_in.h"

/* Printable bytes of Latin-1 spell themselves; the other 68 take U+0100 and up, in order. */
uint32_t byte_spelling(uint8_t byte) {
    if ((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad)) return byte;
    if (byte <= 0x20) return 256u + byte;
    if (byte < 0xa1) return 256u + 33 + (byte - 0x7fu);
    return 256 + 67; /* 0xad */
}

int spelled_byte(uint32_t cp) {
    if ((cp >= 0x21 && cp <= 0x7e) || (cp >= 0xa1 && cp <= 0xff && cp != 0xad)) return (int)cp;
    if (cp < 256 || cp > 256 + 67) return -1;
    if (cp <= 256 + 32) return (int)cp - 256;
    return cp == 256 + 67 ? 0xad : (int)cp - 256 - 33 + 0x7f;
}

static bool rank_key(const struct vocab *v, const char *text, const struct symbol *l,
                     const struct symbol *r, uint32_t *key) {
    int rank = merge_rank(v, text, l, r);
    *key = (uint32_t)rank;
    return rank >= 0;
}

static void put_bytes(struct encoder *e, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t id;
        if (e->v->byte_level) {
            id = token_of(e->v, text + i, 1);
        } else {
            static const char hex[] = "0123456789ABCDEF";
            uint8_t c = (uint8_t)text[i];
            char name[6] = {'<', '0', 'x', hex[c >> 4], hex[c & 15], '>'};
            id = token_of(e->v, name, sizeof name);
        }
        if (id != TOKEN_NONE) encoder_put(e, id);
    }
}

static bool all_newlines(const char *text, size_t n) {
    while (n && text[n - 1] == '\n') n--;
    return !n;
}

static void bpe_word(struct encoder *e, const char *text, size_t n) {
    const struct vocab *v = e->v;
    uint32_t n_symbols = 0;
    size_t n_characters = n; /* of the spelling; an upper bound for other text */
    if (v->byte_level) {
        size_t size = 0;
        if (!encoder_reserve(e, (void **)&e->word, &e->word_cap, 2 * n, 1)) return;
        for (size_t i = 0; i < n; i++)
            size += uc_write(e->word + size, byte_spelling((uint8_t)text[i]));
        text = e->word;
        n = size;
    }
    if (v->ignore_merges || (v->newline_words && all_newlines(text, n))) {
        uint32_t id = token_of(v, text, n);
        if (id != TOKEN_NONE) {
            encoder_put(e, id);
            return;
        }
    }
    if (!encoder_reserve(e, (void **)&e->symbols, &e->symbols_cap, n_characters,
                         sizeof *e->symbols))
        return;
    for (size_t at = 0; at < n;) {
        struct symbol *s = &e->symbols[n_symbols++];
        size_t size = uc_size((uint8_t)text[at]);
        if (size > n - at) size = n - at;
        s->at = (uint32_t)at;
        s->size = (uint32_t)size;
        s->hash = hash_bytes(HASH_START, text + at, size);
        at += size;
    }
    merge_symbols(e, text, n_symbols, rank_key);
    for (uint32_t i = n_symbols ? 0 : TOKEN_NONE; i != TOKEN_NONE && !e->failed;
         i = e->symbols[i].next) {
        const struct symbol *s = &e->symbols[i];
        uint32_t id = token_by_hash(v, s->hash, text + s->at, s->size);
        if (id != TOKEN_NONE)
            encoder_put(e, id);
        else
            put_bytes(e, text + s->at, s->size);
    }
}

/* Rewrites text as its code points, which only malformed or overlong input changes. */
static size_t clean(char *dst, const char *text, size_t n) {
    size_t size = 0;
    for (size_t at = 0, step; at < n; at += step) {
        uint32_t cp = uc_read(text + at, n - at, &step);
        size += uc_write(dst + size, cp);
    }
    return size;
}

static bool is_clean(const char *text, size_t n) {
    for (size_t at = 0, step; at < n; at += step) {
        char form[4];
        uint32_t cp;
        if (!(text[at] & 0x80)) {
            step = 1;
            continue;
        }
        cp = uc_read(text + at, n - at, &step);
        if (uc_write(form, cp) != step || memcmp(form, text + at, step)) return false;
    }
    return true;
}

void bpe_encode(struct encoder *e, const char *text, size_t n) {
    const struct vocab *v = e->v;
    if (v->escape_spaces || !is_clean(text, n)) {
        size_t size = 0;
        if (!encoder_reserve(e, (void **)&e->scratch, &e->scratch_cap, 3 * n, 1)) return;
        if (!v->escape_spaces) {
            size = clean(e->scratch, text, n);
        } else {
            for (size_t at = 0, step; at < n; at += step) {
                uint32_t cp = uc_read(text + at, n - at, &step);
                size += uc_write(e->scratch + size, cp == ' ' ? 0x2581 : cp);
            }
        }
        text = e->scratch;
        n = size;
    }
    pretok_split(v->pretok, text, n, bpe_word, e);
}
