/* RWKV "world" vocabularies: the longest token at each position. Token texts are escaped like
 * Python literals, because tokens need not be UTF-8. */
#include "text/vocab_in.h"

static uint8_t hex_digit(char c) {
    return (uint8_t)(c >= 'a' ? c - 'a' + 10 : c - '0'); /* as the reference: lower case only */
}

size_t rwkv_unescape(char *dst, const char *text, size_t n) {
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c != '\\') {
            dst[size++] = c;
            continue;
        }
        if (++i == n) break;
        c = text[i];
        if (c == 'x') {
            if (n - i < 3) break;
            dst[size++] = (char)(uint8_t)((hex_digit(text[i + 1]) << 4) + hex_digit(text[i + 2]));
            i += 2;
        } else {
            dst[size++] = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
    }
    return size;
}

void rwkv_encode(struct encoder *e, const char *text, size_t n) {
    const struct vocab *v = e->v;
    for (size_t at = 0; at < n && !e->failed;) {
        uint32_t best = TOKEN_NONE, h = HASH_START;
        size_t size = 1;
        for (size_t i = 0; i < v->max_token && at + i < n; i++) {
            uint32_t id;
            h = hash_byte(h, (uint8_t)text[at + i]);
            if (!prefix_seen(v, h)) break;
            id = token_by_hash(v, h, text + at, i + 1);
            if (id == TOKEN_NONE) continue;
            best = id;
            size = i + 1;
        }
        if (best == TOKEN_NONE) best = v->special.unk;
        if (best != TOKEN_NONE) encoder_put(e, best);
        at += size;
    }
}
