/* Characters for templates: white space, case, stripping, searching, lines.
 *
 * Case covers ASCII, Latin, Greek, Cyrillic, Armenian and full-width letters by ranges, not the
 * whole of Unicode: templates change the case of roles, types and keys. */
#include "text/jinja_impl.h"

uint32_t code_point(const char *s, size_t n, size_t *i) {
    const uint8_t *p = (const uint8_t *)s + *i;
    size_t left = n - *i, k = p[0] < 0x80   ? 1
                              : p[0] < 0xc2 ? 0
                              : p[0] < 0xe0 ? 2
                              : p[0] < 0xf0 ? 3
                              : p[0] < 0xf5 ? 4
                                            : 0;
    uint32_t c = p[0];
    if (k == 1) {
        ++*i;
        return c;
    }
    if (k && k <= left) {
        c &= 0x7fu >> k;
        for (size_t m = 1; m < k; m++) {
            if ((p[m] & 0xc0) != 0x80) k = 0;
            c = c << 6 | (p[m] & 63);
        }
    } else
        k = 0;
    *i += k ? k : 1;
    return k ? c : 0xfffd;
}

bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool is_printable(uint32_t c) {
    if (c < 0xa1) return c >= 32 && c < 127;
    if (is_space(c) || c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e))
        return false;
    return !((c >= 0x2060 && c <= 0x206f) || (c >= 0xd800 && c <= 0xf8ff) || c == 0xfeff ||
             c >= 0xe0000);
}

/* Ranges of letters where upper and lower case stand at a fixed distance, or alternate (distance
 * 1). */
static const struct {
    uint16_t first, last;
    int16_t to_lower;
} cases[] = {
    {'A', 'Z', 32},     {0xc0, 0xd6, 32},    {0xd8, 0xde, 32},    {0x100, 0x12e, 1},
    {0x132, 0x136, 1},  {0x139, 0x147, 1},   {0x14a, 0x176, 1},   {0x178, 0x178, -121},
    {0x179, 0x17d, 1},  {0x386, 0x386, 38},  {0x388, 0x38a, 37},  {0x38c, 0x38c, 64},
    {0x38e, 0x38f, 63}, {0x391, 0x3a1, 32},  {0x3a3, 0x3ab, 32},  {0x400, 0x40f, 80},
    {0x410, 0x42f, 32}, {0x460, 0x480, 1},   {0x48a, 0x4be, 1},   {0x4d0, 0x52e, 1},
    {0x531, 0x556, 48}, {0x1e00, 0x1e94, 1}, {0x1ea0, 0x1efe, 1}, {0xff21, 0xff3a, 32},
};

uint32_t to_lower(uint32_t c) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (c >= cases[i].first && c <= cases[i].last)
            return cases[i].to_lower == 1 && (c - cases[i].first) % 2
                       ? c
                       : (uint32_t)((int32_t)c + cases[i].to_lower);
    return c;
}

uint32_t to_upper(uint32_t c) {
    if (c == 0x3c2) return 0x3a3; /* final sigma */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t u = (uint32_t)((int32_t)c - cases[i].to_lower);
        if (u >= cases[i].first && u <= cases[i].last &&
            (cases[i].to_lower != 1 || (u - cases[i].first) % 2 == 0))
            return u;
    }
    return c;
}

bool is_upper(uint32_t c) {
    return to_lower(c) != c;
}
bool is_lower(uint32_t c) {
    return to_upper(c) != c || c == 0xdf;
}
bool is_alpha(uint32_t c) {
    if (c < 0x80) return is_upper(c) || is_lower(c);
    return is_printable(c) && c != 0xd7 && c != 0xf7 && c >= 0xaa && (c < 0x2000 || c >= 0x2c00) &&
           !(c >= 0x3000 && c <= 0x3004) && !(c >= 0x3008 && c <= 0x3030) &&
           !(c >= 0xff01 && c <= 0xff20) && !(c >= 0x1f000 && c < 0x20000) &&
           (c >= 0xc0 || c == 0xaa || c == 0xb5 || c == 0xba);
}

size_t n_chars(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((uint8_t)s[i] & 0xc0) != 0x80;
    return count;
}

size_t char_at(const char *s, size_t n, size_t k) {
    for (size_t i = 0; i < n; i++)
        if (((uint8_t)s[i] & 0xc0) != 0x80 && k-- == 0) return i;
    return n;
}

static bool one_of(uint32_t c, const struct value *chars) {
    if (!chars) return is_space(c);
    for (size_t i = 0; i < chars->n;)
        if (code_point(chars->s, chars->n, &i) == c) return true;
    return false;
}

struct value strip(struct value text, const struct value *chars, int sides) {
    size_t from = 0, to = text.n;
    while ((sides & 1) && from < to) {
        size_t i = from;
        if (!one_of(code_point(text.s, to, &i), chars)) break;
        from = i;
    }
    while ((sides & 2) && to > from) {
        size_t i = to - 1, last;
        while (i > from && to - i < 4 && ((uint8_t)text.s[i] & 0xc0) == 0x80) i--;
        last = i;
        if (!one_of(code_point(text.s, to, &i), chars)) break;
        to = i == to ? last : to - 1;
    }
    text.s += from;
    text.n = (uint32_t)(to - from);
    return text;
}

size_t find_text(struct value text, struct value needle, size_t from) {
    if (needle.n > text.n) return SIZE_MAX;
    for (size_t i = from; i + needle.n <= text.n; i++)
        if (needle.n == 0 ||
            (text.s[i] == needle.s[0] && memcmp(text.s + i, needle.s, needle.n) == 0))
            return i;
    return SIZE_MAX;
}

struct value change_case(struct jinja *j, struct value v, enum text_case how) {
    struct build b = build_new(j);
    bool start = true;
    uint8_t flag;
    v = jinja_str(j, v);
    flag = v.flag;
    for (size_t i = 0; i < v.n && !j->failed;) {
        uint32_t c = code_point(v.s, v.n, &i);
        bool up = how == CASE_UPPER || (start && (how == CASE_CAPITALIZE || how == CASE_TITLE)) ||
                  (how == CASE_SWAP && is_lower(c));
        if (up && c == 0xdf)
            build_text(&b, how == CASE_UPPER || how == CASE_SWAP ? "SS" : "Ss");
        else
            build_code_point(&b, up ? to_upper(c) : to_lower(c));
        start = how == CASE_TITLE && !is_alpha(c);
    }
    v = build_end(&b);
    v.flag = flag;
    return v;
}

static bool ends_line(uint32_t c) {
    return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

struct value split_lines(struct jinja *j, struct value v, bool keep) {
    struct value out = list_new(j, V_LIST);
    size_t from = 0;
    for (size_t i = 0; i < v.n && !j->failed;) {
        size_t at = i;
        uint32_t c = code_point(v.s, v.n, &i);
        if (!ends_line(c)) continue;
        if (c == '\r' && i < v.n && v.s[i] == '\n') i++;
        list_add(j, out.list, v_str(v.s + from, (keep ? i : at) - from));
        from = i;
    }
    if (!j->failed && from < v.n) list_add(j, out.list, v_str(v.s + from, v.n - from));
    return out;
}
