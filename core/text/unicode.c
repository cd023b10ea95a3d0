/* Look-ups in the generated tables of unicode_tab.h. */
#include "text/unicode.h"
#include "text/unicode_tab.h"

static bool is_space(uint32_t cp) {
    if (cp < 0x80) return cp == ' ' || (cp >= 9 && cp <= 13);
    if (cp < 0x2000) return cp == 0x85 || cp == 0xa0 || cp == 0x1680;
    return cp <= 0x200a || cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f ||
           cp == 0x3000;
}

unsigned uc_flags(uint32_t cp) {
    unsigned page, nibbles, flags;
    if (cp >= 0x110000) return UC_NONE;
    page = category_page[cp >> 8];
    nibbles = category_nibbles[page * 128 + (cp >> 1 & 127)];
    flags = 1u << ((cp & 1 ? nibbles >> 4 : nibbles) & 7);
    return is_space(cp) ? flags | UC_SPACE : flags;
}

#define COUNT(table) (sizeof(table) / sizeof *(table))

uint32_t uc_lower(uint32_t cp) {
    size_t lo = 0, hi = COUNT(lowercase);
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    while (lo < hi) { /* the last run that starts at or before cp is at lo - 1 */
        size_t mid = (lo + hi) / 2;
        if (lowercase[mid].first <= cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* Runs with step 2 may enclose a single one, so look one further back. */
    for (size_t back = 1; back <= 2 && back <= lo; back++) {
        uint32_t step = lowercase[lo - back].step, from = cp - lowercase[lo - back].first;
        if (from % step == 0 && from / step < lowercase[lo - back].count)
            return (uint32_t)((int32_t)cp + lowercase[lo - back].delta);
    }
    return cp;
}

uint32_t uc_base(uint32_t cp) {
    size_t lo = 0, hi = COUNT(base_runs);
    if (cp < 0xc0) return cp;
    if (cp >= 0xac00 && cp < 0xd7a4) return 0x1100 + (cp - 0xac00) / 588; /* Hangul syllables */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (base_runs[mid].first <= cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo && cp - base_runs[lo - 1].first < base_runs[lo - 1].count) {
        uint32_t i = cp - base_runs[lo - 1].first, at = base_runs[lo - 1].at;
        return at & 0x8000 ? base_wide[(at & 0x7fff) + i] : base_narrow[at + i];
    }
    return cp;
}

uint32_t uc_read_strict(const char *text, size_t n, size_t *size, bool *valid) {
    const unsigned char *p = (const unsigned char *)text;
    size_t need = uc_size(p[0]);
    uint32_t cp;
    *size = 1;
    *valid = true;
    if (p[0] < 0x80) return p[0];
    if (p[0] < 0xc0 || p[0] >= 0xf8 || need > n) goto bad;
    cp = p[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) goto bad;
        cp = cp << 6 | (p[i] & 63);
    }
    *size = need;
    return cp < 0x110000 ? cp : 0xfffd;
bad:
    *valid = false;
    return 0xfffd;
}

uint32_t uc_read(const char *text, size_t n, size_t *size) {
    bool valid;
    return uc_read_strict(text, n, size, &valid);
}

size_t uc_write(char *dst, uint32_t cp) {
    if (cp < 0x80) {
        dst[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        dst[0] = (char)(0xc0 | cp >> 6);
        dst[1] = (char)(0x80 | (cp & 63));
        return 2;
    }
    if (cp < 0x10000) {
        dst[0] = (char)(0xe0 | cp >> 12);
        dst[1] = (char)(0x80 | (cp >> 6 & 63));
        dst[2] = (char)(0x80 | (cp & 63));
        return 3;
    }
    dst[0] = (char)(0xf0 | cp >> 18);
    dst[1] = (char)(0x80 | (cp >> 12 & 63));
    dst[2] = (char)(0x80 | (cp >> 6 & 63));
    dst[3] = (char)(0x80 | (cp & 63));
    return 4;
}
