/* The growing byte string. Capacity doubles, so appending n bytes one at a time costs O(n). */
#include "base/sbuf.h"
#include "base/fmt.h"
#include <string.h>

void sbuf_free(struct sbuf *b) {
    heap_free(b->heap, b->text, b->cap);
    *b = sbuf_new(b->heap);
}

/* Room for n more bytes and the NUL. */
static bool reserve(struct sbuf *b, size_t n) {
    size_t need, cap;
    char *text;
    if (b->failed) return false;
    if (n > SIZE_MAX / 2 - b->size - 1 ||
        (b->limit && (b->size > b->limit || n > b->limit - b->size))) {
        b->failed = true;
        return false;
    }
    need = b->size + n + 1;
    if (need <= b->cap) return true;
    cap = b->cap ? b->cap * 2 : 64;
    if (cap < need) cap = need;
    text = heap_grow(b->heap, b->text, b->cap, cap);
    if (!text) {
        b->failed = true;
        return false;
    }
    b->text = text;
    b->cap = cap;
    return true;
}

void sbuf_add(struct sbuf *b, const void *bytes, size_t n) {
    if (!reserve(b, n)) return;
    if (n) memcpy(b->text + b->size, bytes, n);
    b->size += n;
    b->text[b->size] = 0;
}

void sbuf_str(struct sbuf *b, const char *text) {
    sbuf_add(b, text, strlen(text));
}

void sbuf_char(struct sbuf *b, char c) {
    sbuf_add(b, &c, 1);
}

void sbuf_fmt(struct sbuf *b, const char *format, ...) {
    va_list args, again;
    size_t n;
    va_start(args, format);
    va_copy(again, args);
    n = fmt_v(NULL, 0, format, args);
    if (reserve(b, n)) {
        fmt_v(b->text + b->size, n + 1, format, again);
        b->size += n;
    }
    va_end(again);
    va_end(args);
}

void sbuf_utf8(struct sbuf *b, uint32_t c) {
    char bytes[4];
    size_t n;
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
    if (c < 0x80) {
        bytes[0] = (char)c;
        n = 1;
    } else if (c < 0x800) {
        bytes[0] = (char)(0xc0 | c >> 6);
        bytes[1] = (char)(0x80 | (c & 63));
        n = 2;
    } else if (c < 0x10000) {
        bytes[0] = (char)(0xe0 | c >> 12);
        bytes[1] = (char)(0x80 | (c >> 6 & 63));
        bytes[2] = (char)(0x80 | (c & 63));
        n = 3;
    } else {
        bytes[0] = (char)(0xf0 | c >> 18);
        bytes[1] = (char)(0x80 | (c >> 12 & 63));
        bytes[2] = (char)(0x80 | (c >> 6 & 63));
        bytes[3] = (char)(0x80 | (c & 63));
        n = 4;
    }
    sbuf_add(b, bytes, n);
}

/* Bytes of the well-formed UTF-8 sequence at p, 0 where there is none (Unicode 15, table 3-7). */
static size_t utf8_length(const uint8_t *p, size_t n) {
    uint8_t low = 0x80, high = 0xbf;
    size_t size;
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
    size = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n < size) return 0;
    if (p[0] == 0xe0) low = 0xa0;
    if (p[0] == 0xed) high = 0x9f;
    if (p[0] == 0xf0) low = 0x90;
    if (p[0] == 0xf4) high = 0x8f;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return size;
}

void sbuf_json(struct sbuf *b, const char *text, size_t n) {
    const uint8_t *p = (const uint8_t *)text;
    size_t plain = 0; /* bytes before i that go out as they are */
    sbuf_char(b, '"');
    for (size_t i = 0; i < n;) {
        size_t size = utf8_length(p + i, n - i);
        if (size && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
            i += size;
            plain += size;
            continue;
        }
        sbuf_add(b, text + i - plain, plain);
        plain = 0;
        if (!size)
            sbuf_str(b, "\xef\xbf\xbd");
        else if (p[i] == '\n')
            sbuf_str(b, "\\n");
        else if (p[i] == '\t')
            sbuf_str(b, "\\t");
        else if (p[i] == '\r')
            sbuf_str(b, "\\r");
        else if (p[i] < 0x20)
            sbuf_fmt(b, "\\u%04x", p[i]);
        else
            sbuf_fmt(b, "\\%c", p[i]);
        i++;
    }
    if (plain) sbuf_add(b, text + n - plain, plain);
    sbuf_char(b, '"');
}

void sbuf_double(struct sbuf *b, double value) {
    char text[32];
    sbuf_add(b, text, fmt_double(text, value));
}
