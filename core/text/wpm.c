/* WordPiece of BERT: normalized words, each cut greedily into its longest tokens. */
#include "text/unicode.h"
#include "text/vocab_in.h"

static bool
is_chinese(uint32_t cp) { /* the blocks that the Hugging Face normalizer lists, its slip included */
    return (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0x3400 && cp <= 0x4dbf) ||
           (cp >= 0x20000 && cp <= 0x2a6df) || (cp >= 0x2a700 && cp <= 0x2b73f) ||
           (cp >= 0x2b740 && cp <= 0x2b81f) || (cp >= 0x2b920 && cp <= 0x2ceaf) ||
           (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x2f800 && cp <= 0x2fa1f);
}

/* e->word holds U+2581 and then the word. A word with a part that no token covers is unknown as a
 * whole. */
static void put_word(struct encoder *e, size_t n) {
    const struct vocab *v = e->v;
    size_t start = e->n;
    if (n <= 3) return;
    for (size_t at = 0; at < n && !e->failed;) {
        uint32_t best = TOKEN_NONE, h = HASH_START;
        size_t size = 0;
        for (size_t i = 0; i < v->max_token && at + i < n; i++) {
            uint32_t id;
            h = hash_byte(h, (uint8_t)e->word[at + i]);
            if (!prefix_seen(v, h)) break;
            id = token_by_hash(v, h, e->word + at, i + 1);
            if (id == TOKEN_NONE) continue;
            best = id;
            size = i + 1;
        }
        if (best == TOKEN_NONE) {
            e->n = start;
            break;
        }
        encoder_put(e, best);
        at += size;
    }
    if (e->n == start && v->special.unk != TOKEN_NONE) encoder_put(e, v->special.unk);
}

void wpm_encode(struct encoder *e, const char *text, size_t n) {
    const struct vocab *v = e->v;
    size_t size;
    /* Malformed bytes are dropped below, and a lower case form takes at most 3 bytes for 2. */
    if (!encoder_reserve(e, (void **)&e->word, &e->word_cap, 3 + 2 * n + 4, 1)) return;
    size = uc_write(e->word, 0x2581);
    for (size_t at = 0, step; at < n && !e->failed; at += step) {
        uint32_t cp = uc_read(text + at, n - at, &step);
        unsigned flags;
        if (v->strip_accents) cp = uc_base(cp);
        flags = uc_flags(cp);
        if (flags & UC_SPACE) {
            put_word(e, size);
            size = 3;
            continue;
        }
        if (!cp || cp == 0xfffd || (flags & UC_CONTROL)) continue;
        if (v->strip_accents && (flags & UC_MARK)) continue;
        if ((flags & UC_PUNCTUATION) || (cp < 0x7f && (flags & UC_SYMBOL)) || is_chinese(cp)) {
            put_word(e, size);
            size = 3 + uc_write(e->word + 3, v->lowercase ? uc_lower(cp) : cp);
            put_word(e, size);
            size = 3;
        } else {
            size += uc_write(e->word + size, v->lowercase ? uc_lower(cp) : cp);
        }
    }
    put_word(e, size);
}
