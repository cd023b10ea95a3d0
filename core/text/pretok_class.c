/* The classes of characters that patterns of pre-tokenizers name by letters. */
#include "text/pretok_in.h"

#define L UC_LETTER
#define M UC_MARK
#define N UC_NUMBER
#define P UC_PUNCTUATION
#define S UC_SYMBOL
#define SPACE UC_SPACE

struct range {
    uint32_t first, last;
};

/* Letters of Latin, Greek, Cyrillic, Armenian, Georgian, Cherokee and others, as DeepSeek LLM lists
 * them. */
static const struct range western[] = {{'A', 'Z'},
                                       {'a', 'z'},
                                       {0xb5, 0xb5},
                                       {0xc0, 0xd6},
                                       {0xd8, 0xf6},
                                       {0xf8, 0x1ba},
                                       {0x1bc, 0x1bf},
                                       {0x1c4, 0x293},
                                       {0x295, 0x2af},
                                       {0x370, 0x373},
                                       {0x376, 0x377},
                                       {0x37b, 0x37d},
                                       {0x37f, 0x37f},
                                       {0x386, 0x386},
                                       {0x388, 0x38a},
                                       {0x38c, 0x38c},
                                       {0x38e, 0x3a1},
                                       {0x3a3, 0x3f5},
                                       {0x3f7, 0x481},
                                       {0x48a, 0x52f},
                                       {0x531, 0x556},
                                       {0x10a0, 0x10c5},
                                       {0x13a0, 0x13f5},
                                       {0x13f8, 0x13fd},
                                       {0x1c90, 0x1cba},
                                       {0x1cbd, 0x1cbf},
                                       {0x1d00, 0x1d2b},
                                       {0x1d6b, 0x1d77},
                                       {0x1d79, 0x1d9a},
                                       {0x1e00, 0x1f15},
                                       {0x1f18, 0x1f1d},
                                       {0x1f20, 0x1f45},
                                       {0x1f48, 0x1f4d},
                                       {0x1f50, 0x1f57},
                                       {0x1f59, 0x1f59},
                                       {0x1f5b, 0x1f5b},
                                       {0x1f5d, 0x1f5d},
                                       {0x1f5f, 0x1f7d},
                                       {0x1f80, 0x1fb4},
                                       {0x1fb6, 0x1fbc},
                                       {0x1fbe, 0x1fbe},
                                       {0x1fc2, 0x1fc4},
                                       {0x1fc6, 0x1fcc},
                                       {0x1fd0, 0x1fd3},
                                       {0x1fd6, 0x1fdb},
                                       {0x1fe0, 0x1fec},
                                       {0x1ff2, 0x1ff4},
                                       {0x1ff6, 0x1ffc},
                                       {0x2102, 0x2102},
                                       {0x2107, 0x2107},
                                       {0x210a, 0x2113},
                                       {0x2115, 0x2115},
                                       {0x2119, 0x211d},
                                       {0x2124, 0x2124},
                                       {0x2126, 0x2126},
                                       {0x2128, 0x2128},
                                       {0x212a, 0x212d},
                                       {0x212f, 0x2134},
                                       {0x2139, 0x2139},
                                       {0x213c, 0x213f},
                                       {0x2145, 0x2149},
                                       {0x214e, 0x214e},
                                       {0x2183, 0x2184},
                                       {0x2c00, 0x2c7b},
                                       {0x2c7e, 0x2ce4},
                                       {0x2ceb, 0x2cee},
                                       {0x2cf2, 0x2cf3},
                                       {0xa640, 0xa66d},
                                       {0xa680, 0xa69b},
                                       {0xa722, 0xa76f},
                                       {0xa771, 0xa787},
                                       {0xa78b, 0xa78e},
                                       {0xab70, 0xabbf},
                                       {0xfb00, 0xfb06},
                                       {0xfb13, 0xfb17},
                                       {0xff21, 0xff3a},
                                       {0xff41, 0xff5a},
                                       {0x10400, 0x1044f},
                                       {0x104b0, 0x104d3},
                                       {0x104d8, 0x104fb},
                                       {0x10c80, 0x10cb2},
                                       {0x10cc0, 0x10cf2},
                                       {0x118a0, 0x118df},
                                       {0x1e900, 0x1e943},
                                       {0, 0}};
static const struct range marks_and_signs[] = {
    {'!', '/'},       {':', '~'}, {0xff01, 0xff0f}, {0xff1a, 0xff5e}, {0x2018, 0x201f},
    {0x3000, 0x3002}, {0, 0}};
static const struct range east[] = {{0x4e00, 0x9fa5}, {0x800, 0x4e00}, {0xac00, 0xd7ff}, {0, 0}};
static const struct range han_kana[] = {
    {0x4e00, 0x9fa5}, {0x3040, 0x309f}, {0x30a0, 0x30ff}, {0, 0}};
static const struct range han[] = {{0x3400, 0x4dbf},
                                   {0x4e00, 0x9fff},
                                   {0xf900, 0xfaff},
                                   {0x20000, 0x2a6df},
                                   {0x2a700, 0x2ebef},
                                   {0x2f800, 0x2fa1f},
                                   {0, 0}};
static const struct range korean[] = {{0xac00, 0xd7a3}, {0x3131, 0x318e}, {0, 0}};
static const struct range east_punct[] = {
    {0xff01, 0xff01}, {0x2026, 0x2026}, {0x201c, 0x201d}, {0x2018, 0x2019}, {0x2014, 0x2014},
    {0xff1a, 0xff1b}, {0xff0c, 0xff0c}, {0x3001, 0x303f}, {0xfe30, 0xfe4f}, {0, 0}};
static const struct range bopomofo[] = {{0x3105, 0x312f}, {0, 0}};
static const struct range asian[] = {{0x3400, 0x4dbf}, {0x4e00, 0x9fff},
                                     {0x8c48, 0xfaff}, {0x3040, 0x30ff},
                                     {0xff65, 0xff9f}, {0x2f00, 0x2fdf},
                                     {0xe40, 0xeff},   {0x1780, 0x17ff},
                                     {0x1000, 0x109f}, {0xaa60, 0xaa7f},
                                     {0xa9e0, 0xa9ff}, {0xac00, 0xd7af},
                                     {0x1100, 0x11ff}, {0, 0}};
static const struct range stops[] = {{'(', ')'},       {'|', '|'},
                                     {'.', '.'},       {',', ','},
                                     {'!', '!'},       {'?', '?'},
                                     {0x2026, 0x2026}, {0x3002, 0x3002},
                                     {0xff0c, 0xff0c}, {0x3001, 0x3001},
                                     {0x964, 0x964},   {0x6d4, 0x6d4},
                                     {0x60c, 0x60c},   {0, 0}};

static bool in_ranges(const struct range *r, uint32_t cp) {
    for (; r->last; r++)
        if (cp >= r->first && cp <= r->last) return true;
    return false;
}

static unsigned ascii_flags(uint32_t cp) {
    if (cp >= 'a' && cp <= 'z') return L | LOWER;
    if (cp >= 'A' && cp <= 'Z') return L | UPPER;
    if (cp >= '0' && cp <= '9') return N | DIGIT;
    if (cp == '\n') return UC_CONTROL | SPACE | CR_LF | NEWLINE;
    if (cp == '\r') return UC_CONTROL | SPACE | CR_LF;
    return uc_flags(cp) | (cp > ' ' && cp < 0x7f ? ASCII_PUNCT : 0u);
}

struct character pretok_look(const char *text, size_t n, size_t at) {
    struct character c;
    if (!(text[at] & 0x80)) {
        c.cp = (uint32_t)text[at];
        c.flags = ascii_flags(c.cp);
        c.size = 1;
    } else {
        c.cp = uc_read(text + at, n - at, &c.size);
        c.flags = uc_flags(c.cp);
    }
    return c;
}

/* Ranges never hold white space outside ASCII: the reference reads it as a vertical tab there. */
static bool listed(const struct character *c, const struct range *r) {
    return !(c->cp >= 0x80 && (c->flags & SPACE)) && in_ranges(r, c->cp);
}

bool pretok_in_class(uint8_t letter, const struct character *c) {
    unsigned f = c->flags;
    switch (letter) {
    case ' ':
        return c->cp == ' ';
    case 'L': /* \p{L} */
        return f & L;
    case 'N': /* \p{N} */
        return f & N;
    case 'P': /* \p{P} */
        return f & P;
    case 'Q': /* [\p{P}\p{S}] */
        return f & (P | S);
    case 's': /* \s */
        return f & SPACE;
    case 'S': /* \S */
        return !(f & SPACE);
    case 'W': /* [\p{L}\p{M}] */
        return f & (L | M);
    case 'O': /* [^\s\p{L}\p{N}] */
        return !(f & (SPACE | L | N));
    case 'o': /* [^\s\p{L}\p{M}\p{N}] */
        return !(f & (SPACE | L | M | N));
    case 'X': /* [^\r\n\p{L}\p{N}] */
        return !(f & (CR_LF | L | N));
    case 'Y': /* [^\r\n\p{L}\p{P}\p{S}] */
        return !(f & (CR_LF | L | P | S));
    case 'U': /* \p{L} but a-z */
        return (f & L) && !(f & LOWER);
    case 'u': /* \p{L} but A-Z */
        return (f & L) && !(f & UPPER);
    case 'V': /* [\p{L}\p{M}] but a-z */
        return (f & (L | M)) && !(f & LOWER);
    case 'v': /* [\p{L}\p{M}] but A-Z */
        return (f & (L | M)) && !(f & UPPER);
    case 'A': /* [A-Za-z] */
        return f & (UPPER | LOWER);
    case 'D': /* [0-9] */
        return f & DIGIT;
    case 'p': /* ASCII punctuation */
        return f & ASCII_PUNCT;
    case 'q': /* \p{P} and ASCII punctuation */
        return f & (P | ASCII_PUNCT);
    case 'R': /* [\r\n] */
        return f & CR_LF;
    case 'r': /* [\r\n/] */
        return (f & CR_LF) || c->cp == '/';
    case 'n': /* \n */
        return f & NEWLINE;
    case 'z': /* [^\n] */
        return !(f & NEWLINE);
    case 'T': /* [\t\n] */
        return c->cp == '\t' || c->cp == '\n';
    case 'I': /* [A-I] */
        return c->cp >= 'A' && c->cp <= 'I';
    case 'F': /* \p{P} and ASCII \p{S} */
        return (f & P) || ((f & (S | ASCII_PUNCT)) == (S | ASCII_PUNCT));
    case 'f': /* the same but ` */
        return ((f & P) || ((f & (S | ASCII_PUNCT)) == (S | ASCII_PUNCT))) && c->cp != '`';
    case 'B': /* no \s, no stop */
        return !(f & SPACE) && !in_ranges(stops, c->cp);
    case 'C': /* ideographs and scripts east of Arabic */
        return listed(c, east);
    case 'J': /* ideographs, kana */
        return listed(c, han_kana);
    case 'H': /* Han blocks */
        return in_ranges(han, c->cp);
    case 'G': /* \p{L} but Han */
        return (f & L) && !in_ranges(han, c->cp);
    case 'E': /* western letters */
        return listed(c, western);
    case 'e': /* marks and signs */
        return listed(c, marks_and_signs);
    case 'h': /* Korean */
        return listed(c, korean);
    case 'i': /* East Asian punctuation */
        return listed(c, east_punct);
    case 'j': /* Bopomofo */
        return listed(c, bopomofo);
    case 'a': /* Asian scripts */
        return listed(c, asian);
    default:
        return false;
    }
}
