/* From ids to text: pieces, whole texts as llama.cpp gives them, and streams of whole characters.
 */
#include "text/unicode.h"
#include "text/vocab_in.h"

static int hex_value(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* <0xNN>; what strtol makes of other texts, where files have them. */
static uint8_t byte_of(struct gguf_str s) {
    int value = 0;
    for (size_t i = 3; i < s.size && i < 5 && hex_value(s.text[i]) >= 0; i++)
        value = value * 16 + hex_value(s.text[i]);
    return (uint8_t)value;
}

static void add_unescaped(struct sbuf *out, struct gguf_str s) {
    for (size_t i = 0; i < s.size; i++) {
        if (s.size - i >= 3 && !memcmp(s.text + i, "\xe2\x96\x81", 3)) {
            sbuf_char(out, ' ');
            i += 2;
        } else {
            sbuf_char(out, s.text[i]);
        }
    }
}

/* Spelled bytes; a character that spells none is shown as llama.cpp shows it. */
static void add_spelled(struct sbuf *out, struct gguf_str s) {
    for (size_t at = 0, step; at < s.size; at += step) {
        uint32_t cp = uc_read(s.text + at, s.size - at, &step);
        int byte = spelled_byte(cp);
        if (byte >= 0) {
            sbuf_char(out, (char)byte);
        } else {
            char form[4];
            size_t n = uc_write(form, cp);
            sbuf_str(out, "[UNK_BYTE_0x");
            for (size_t i = 0; i < n; i++) sbuf_fmt(out, "%02x", (unsigned)(uint8_t)form[i]);
            sbuf_add(out, s.text, s.size);
            sbuf_str(out, "]");
        }
    }
}

void vocab_piece(const struct vocab *v, uint32_t id, bool special, struct sbuf *out) {
    struct gguf_str s;
    unsigned attr;
    if (id >= v->n) return;
    attr = v->attr[id];
    if (!special && attr & (TOKEN_UNKNOWN | TOKEN_CONTROL)) return;
    s = token_text(v, id);
    if (!s.size) {
        if (attr & (TOKEN_NORMAL | TOKEN_UNKNOWN | TOKEN_CONTROL | TOKEN_USER_DEFINED))
            sbuf_fmt(out, "[EMPTY_%u]", (unsigned)id);
    } else if (v->kind == VOCAB_RWKV) {
        char plain[MAX_TOKEN_BYTES];
        if (s.size <= sizeof plain) sbuf_add(out, plain, rwkv_unescape(plain, s.text, s.size));
    } else if (attr & (TOKEN_UNKNOWN | TOKEN_CONTROL | TOKEN_USER_DEFINED)) {
        sbuf_add(out, s.text, s.size);
    } else if (attr & TOKEN_NORMAL) {
        if (v->kind == VOCAB_BPE && v->byte_level)
            add_spelled(out, s);
        else
            add_unescaped(out, s);
    } else if (attr & TOKEN_BYTE) {
        sbuf_char(out, (char)byte_of(s));
    }
}

/* A piece without its first space where `strip`. */
static void add_piece(const struct vocab *v, uint32_t id, bool special, bool strip,
                      struct sbuf *out) {
    size_t from = out->size;
    vocab_piece(v, id, special, out);
    if (strip && out->size > from && out->text[from] == ' ') {
        memmove(out->text + from, out->text + from + 1, out->size - from);
        out->size--;
    }
}

/* The clean-up of tokenization spaces in t[0 .. n), three passes over the whole text as llama.cpp
 * makes them, each comparing with the text as it is being rewritten; returns the new size. */
static size_t clean_up(char *t, size_t n) {
    size_t to, i;
    if (!n) return 0;
    for (to = 1, i = 1; i < n; i++) { /* " ?" " !" " ." " ," */
        char x = t[i];
        if (t[i - 1] == ' ' && (x == '?' || x == '!' || x == '.' || x == ',')) to--;
        t[to++] = x;
    }
    n = to;
    for (to = 1, i = 1; i < n; i++) { /* " ' " */
        char x = t[i];
        if (x == '\'' && i + 1 < n && t[i - 1] == ' ' && t[i + 1] == ' ') {
            to--;
            t[++i] = 0;
        }
        t[to++] = x;
    }
    n = to;
    for (to = 1, i = 1; i < n; i++) { /* " 's" " 'm" " 're" " 've" */
        char x = t[i];
        if (t[i - 1] == ' ' && x == '\'' && i + 1 < n) {
            char a = t[i + 1], b = i + 2 < n ? t[i + 2] : 0;
            if (a == 's' || a == 'm' || (b == 'e' && (a == 'r' || a == 'v'))) to--;
        }
        t[to++] = x;
    }
    return to;
}

void vocab_decode(const struct vocab *v, const uint32_t *ids, size_t n, unsigned flags,
                  struct sbuf *out) {
    size_t from = out->size;
    bool strip = v->add_space_prefix;
    if (flags & DECODE_REMOVE_SPECIAL) {
        if (v->special.add_bos && n && ids[0] == v->special.bos) {
            strip = false;
            ids++;
            n--;
        }
        if (v->special.add_eos && n && ids[n - 1] == v->special.eos) n--;
    }
    for (size_t i = 0; i < n; i++) {
        add_piece(v, ids[i], flags & DECODE_SHOW_SPECIAL, strip, out);
        strip = false;
    }
    if (v->clean_spaces && !out->failed && out->size > from) {
        out->size = from + clean_up(out->text + from, out->size - from);
        out->text[out->size] = 0;
    }
}

void detok_init(struct detok *d, const struct vocab *v, bool special) {
    *d = (struct detok){.vocab = v, .special = special};
}

/* What a byte may do to the characters held back, after Unicode's table 3-7. */
static bool continues(const uint8_t *held, uint32_t n, uint8_t c) {
    if (n > 1) return (c & 0xc0) == 0x80;
    switch (held[0]) {
    case 0xe0:
        return c >= 0xa0 && c <= 0xbf;
    case 0xed:
        return c >= 0x80 && c <= 0x9f;
    case 0xf0:
        return c >= 0x90 && c <= 0xbf;
    case 0xf4:
        return c >= 0x80 && c <= 0x8f;
    default:
        return (c & 0xc0) == 0x80;
    }
}

static void release(struct detok *d, struct sbuf *out) {
    if (d->n_held) sbuf_add(out, "\xef\xbf\xbd", 3);
    d->n_held = 0;
}

static void push_byte(struct detok *d, uint8_t c, struct sbuf *out) {
    if (d->n_held && continues(d->held, d->n_held, c)) {
        d->held[d->n_held++] = c;
        if (d->n_held == uc_size(d->held[0])) {
            sbuf_add(out, d->held, d->n_held);
            d->n_held = 0;
        }
        return;
    }
    release(d, out);
    if (c < 0x80) {
        sbuf_char(out, (char)c);
    } else if (c >= 0xc2 && c <= 0xf4) {
        d->held[d->n_held++] = c;
    } else {
        sbuf_add(out, "\xef\xbf\xbd", 3);
    }
}

/* Whether the bytes are whole characters. */
static bool is_whole(const uint8_t *p, size_t n) {
    for (size_t i = 0, size; i < n; i += size) {
        size = uc_size(p[i]);
        if (size == 1 ? p[i] >= 0x80 : p[i] < 0xc2 || p[i] > 0xf4 || size > n - i) return false;
        for (uint32_t k = 1; k < size; k++)
            if (!continues(p + i, k, p[i + k])) return false;
    }
    return true;
}

/* Pieces that need repair are moved out of the way within `out`, so that nothing is allocated
 * beside it: each byte becomes 3 at most, and 3 more where characters were held. */
void detok_push(struct detok *d, uint32_t id, struct sbuf *out) {
    static const char room[64];
    size_t from = out->size, size, away;
    add_piece(d->vocab, id, d->special, d->first && d->vocab->add_space_prefix, out);
    d->first = false;
    size = out->size - from;
    if (!size || (!d->n_held && is_whole((const uint8_t *)out->text + from, size))) return;
    away = 2 * size + 3;
    for (size_t n = away; n; n -= n < sizeof room ? n : sizeof room)
        sbuf_add(out, room, n < sizeof room ? n : sizeof room);
    if (out->failed) return;
    memmove(out->text + from + away, out->text + from, size);
    out->size = from;
    for (size_t i = 0; i < size; i++) push_byte(d, (uint8_t)out->text[from + away + i], out);
    out->text[out->size] = 0;
}

void detok_finish(struct detok *d, struct sbuf *out) {
    release(d, out);
}
