/* printf without libc: integers, texts and (through fmt_digits) doubles. */
#include "base/fmt.h"
#include "base/fmt_digits.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sink {
    char *dst;
    size_t cap, size; /* size counts what did not fit as well */
};

struct spec {
    bool left, zero, alternate;
    int width, precision; /* precision -1: none given */
};

static void put(struct sink *s, char c) {
    if (s->size + 1 < s->cap) s->dst[s->size] = c;
    s->size++;
}

static void put_n(struct sink *s, char c, int n) {
    for (; n > 0; n--) put(s, c);
}

/* A sign and digits (or any text) padded to the width; zeros go between the sign and the rest. */
static void put_padded(struct sink *s, const struct spec *spec, const char *text, size_t n) {
    int pad = spec->width - (int)n;
    if (!spec->left && spec->zero && n && *text == '-') {
        put(s, *text++);
        n--;
    }
    if (!spec->left) put_n(s, spec->zero ? '0' : ' ', pad);
    for (size_t i = 0; i < n; i++) put(s, text[i]);
    if (spec->left) put_n(s, ' ', pad);
}

static void put_integer(struct sink *s, const struct spec *spec, uint64_t value, bool negative,
                        unsigned base) {
    char text[24], *end = text + sizeof text, *p = end;
    do {
        *--p = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative) *--p = '-';
    put_padded(s, spec, p, (size_t)(end - p));
}

/* %f with n decimals: digits are exact, so any magnitude prints in full. */
static void put_fixed(struct sink *s, const struct spec *spec, double value, int n) {
    char digits[FMT_DIGITS_MAX], text[FMT_DIGITS_MAX + 8];
    int exponent, count;
    size_t at = 0;
    bool negative = fmt_sign(value);
    if (n > 60) n = 60;
    count = fmt_digits_fixed(digits, &exponent, value, n);
    if (negative) text[at++] = '-';
    if (exponent <= 0) text[at++] = '0';
    for (int i = 0; i < exponent; i++) text[at++] = i < count ? digits[i] : '0';
    if (n > 0) text[at++] = '.';
    for (int i = exponent; i < exponent + n; i++)
        text[at++] = i >= 0 && i < count ? digits[i] : '0';
    put_padded(s, spec, text, at);
}

/* %g with n significant digits: trailing zeros dropped, an exponent outside 1e-4 .. 10^n. */
static size_t general(char *text, const char *digits, int count, int exponent, int n,
                      bool negative) {
    size_t at = 0;
    int e = exponent - 1;
    while (count > 1 && digits[count - 1] == '0') count--;
    if (negative) text[at++] = '-';
    if (e < -4 || e >= n) {
        text[at++] = digits[0];
        if (count > 1) text[at++] = '.';
        for (int i = 1; i < count; i++) text[at++] = digits[i];
        text[at++] = 'e';
        text[at++] = e < 0 ? '-' : '+';
        if (e < 0) e = -e;
        if (e >= 100) text[at++] = (char)('0' + e / 100);
        text[at++] = (char)('0' + e / 10 % 10);
        text[at++] = (char)('0' + e % 10);
        return at;
    }
    if (exponent <= 0) {
        text[at++] = '0';
        text[at++] = '.';
        for (int i = exponent; i < 0; i++) text[at++] = '0';
        for (int i = 0; i < count; i++) text[at++] = digits[i];
        return at;
    }
    for (int i = 0; i < count || i < exponent; i++) {
        if (i == exponent) text[at++] = '.';
        text[at++] = i < count ? digits[i] : '0';
    }
    return at;
}

static void put_double(struct sink *s, const struct spec *spec, double value, char kind) {
    int n = spec->precision < 0 ? 6 : spec->precision;
    struct spec plain = *spec;
    if (value != value || value - value != 0) {
        const char *name = value != value ? "nan" : value < 0 ? "-inf" : "inf";
        plain.zero = false;
        put_padded(s, &plain, name, strlen(name));
    } else if (kind == 'f') {
        put_fixed(s, spec, value, n);
    } else {
        char digits[64], text[80];
        int exponent, count;
        n = n < 1 ? 1 : n > 60 ? 60 : n;
        count = fmt_digits_round(digits, &exponent, value, n);
        put_padded(s, spec, text, general(text, digits, count, exponent, n, fmt_sign(value)));
    }
}

static void put_text(struct sink *s, const struct spec *spec, const char *text) {
    struct spec plain = *spec;
    size_t n = 0;
    if (!text) text = "(null)";
    while ((spec->precision < 0 || n < (size_t)spec->precision) && text[n]) n++;
    plain.zero = false;
    put_padded(s, &plain, text, n);
}

static const char *read_spec(struct spec *spec, const char *p, va_list *args) {
    *spec = (struct spec){.precision = -1};
    for (;; p++) {
        if (*p == '-')
            spec->left = true;
        else if (*p == '0')
            spec->zero = true;
        else
            break;
    }
    if (*p == '*') {
        spec->width = va_arg(*args, int);
        if (spec->width < 0) {
            spec->left = true;
            spec->width = -spec->width;
        }
        p++;
    } else {
        for (; *p >= '0' && *p <= '9'; p++) spec->width = spec->width * 10 + (*p - '0');
    }
    if (*p == '.') {
        if (*++p == '*') {
            spec->precision = va_arg(*args, int);
            p++;
        } else {
            for (spec->precision = 0; *p >= '0' && *p <= '9'; p++)
                spec->precision = spec->precision * 10 + (*p - '0');
        }
    }
    return p;
}

size_t fmt_v(char *dst, size_t cap, const char *format, va_list args_in) {
    struct sink s = {dst, cap, 0};
    va_list args;
    va_copy(args, args_in);
    for (const char *p = format; *p; p++) {
        struct spec spec;
        int size = 0; /* number of l; 3 stands for z */
        if (*p != '%') {
            put(&s, *p);
            continue;
        }
        p = read_spec(&spec, p + 1, &args);
        for (; *p == 'l'; p++) size++;
        if (*p == 'z') {
            size = 3;
            p++;
        }
        switch (*p) {
        case 'd':
        case 'i': {
            int64_t v = size == 0   ? va_arg(args, int)
                        : size == 1 ? va_arg(args, long)
                        : size == 2 ? va_arg(args, long long)
                                    : (int64_t)va_arg(args, ptrdiff_t);
            put_integer(&s, &spec, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0, 10);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t v = size == 0   ? va_arg(args, unsigned)
                         : size == 1 ? va_arg(args, unsigned long)
                         : size == 2 ? va_arg(args, unsigned long long)
                                     : (uint64_t)va_arg(args, size_t);
            put_integer(&s, &spec, v, false, *p == 'x' ? 16 : 10);
            break;
        }
        case 'c': {
            char c = (char)va_arg(args, int);
            put_padded(&s, &spec, &c, 1);
            break;
        }
        case 's':
            put_text(&s, &spec, va_arg(args, const char *));
            break;
        case 'g':
        case 'f':
            put_double(&s, &spec, va_arg(args, double), *p);
            break;
        case 0:
            p--;
            break; /* a lone % at the end */
        default:
            put(&s, *p);
            break;
        }
    }
    va_end(args);
    if (cap) dst[s.size < cap ? s.size : cap - 1] = 0;
    return s.size;
}

size_t fmt(char *dst, size_t cap, const char *format, ...) {
    va_list args;
    size_t n;
    va_start(args, format);
    n = fmt_v(dst, cap, format, args);
    va_end(args);
    return n;
}

size_t fmt_double(char *dst, double value) {
    char digits[32];
    int exponent, count;
    size_t n;
    if (value != value || value - value != 0) {
        memcpy(dst, "null", 5);
        return 4;
    }
    count = fmt_digits_shortest(digits, &exponent, value);
    n = general(dst, digits, count, exponent, 17, fmt_sign(value));
    dst[n] = 0;
    return n;
}
