/* Pre-tokenizers: text is cut into words before byte-pair merging.
 *
 * A row names a pre-tokenizer and the patterns that it applies one after the other, each to the
 * pieces that the one before left. Patterns say what the published regular expressions say, in a
 * notation that is matched without an engine: alternatives separated by |, tried in order at each
 * position; an alternative is a sequence of items; an item is one class of characters (a letter of
 * the table in `in_class`, or \x for the character x) with an optional ? * + or {m,n}, greedy, or
 * one of K k   an English contraction, in any case or in lower case ('s 't 're 've 'm 'll 'd) ~ an
 * assertion: the piece ends here or white space follows $     an assertion: the piece ends here g
 * letters and marks, with single spaces between letters (EXAONE) A pattern that starts with % cuts
 * runs of numbers into threes from the right, one that starts with # does so for ASCII digits in
 * pieces of numbers. Text between matches is a piece too. Matching is linear: each run of a class
 * is read a bounded number of times. The two searches that would not be (white space before the end
 * or before a line end) remember the run that they failed on.
 */
#include "text/unicode.h"
#include "text/vocab_in.h"

/* Flags of a character beside those of unicode.h. */
enum {
    CR_LF = 1 << 9,
    UPPER = 1 << 10, /* A-Z */
    LOWER = 1 << 11, /* a-z */
    DIGIT = 1 << 12, /* 0-9 */
    ASCII_PUNCT = 1 << 13,
    NEWLINE = 1 << 14
};
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

struct item {
    uint8_t class;      /* letter, or a literal where `literal` */
    bool literal, last; /* last of its alternative */
    uint16_t min, max;
};

enum { MAX_ITEMS = 96, MAX_STEPS = 6, UNBOUNDED = UINT16_MAX };

struct pretok {
    struct item items[MAX_ITEMS];
    uint16_t step_at[MAX_STEPS + 1]; /* items of step i are step_at[i] .. step_at[i + 1] */
    uint8_t n_steps;
};

struct character {
    uint32_t cp;
    unsigned flags;
    size_t size;
};

static unsigned ascii_flags(uint32_t cp) {
    if (cp >= 'a' && cp <= 'z') return L | LOWER;
    if (cp >= 'A' && cp <= 'Z') return L | UPPER;
    if (cp >= '0' && cp <= '9') return N | DIGIT;
    if (cp == '\n') return UC_CONTROL | SPACE | CR_LF | NEWLINE;
    if (cp == '\r') return UC_CONTROL | SPACE | CR_LF;
    return uc_flags(cp) | (cp > ' ' && cp < 0x7f ? ASCII_PUNCT : 0u);
}

static struct character look(const char *text, size_t n, size_t at) {
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

static bool in_class(const struct item *item, const struct character *c) {
    unsigned f = c->flags;
    if (item->literal) return c->cp == item->class;
    switch (item->class) {
    case ' ':
        return c->cp == ' ';
    case 'L':
        return f & L;
    case 'N':
        return f & N;
    case 'P':
        return f & P;
    case 'Q':
        return f & (P | S);
    case 's':
        return f & SPACE;
    case 'S':
        return !(f & SPACE);
    case 'W':
        return f & (L | M);
    case 'O':
        return !(f & (SPACE | L | N));
    case 'o':
        return !(f & (SPACE | L | M | N));
    case 'X':
        return !(f & (CR_LF | L | N));
    case 'Y':
        return !(f & (CR_LF | L | P | S));
    case 'U':
        return (f & L) && !(f & LOWER);
    case 'u':
        return (f & L) && !(f & UPPER);
    case 'V':
        return (f & (L | M)) && !(f & LOWER);
    case 'v':
        return (f & (L | M)) && !(f & UPPER);
    case 'A':
        return f & (UPPER | LOWER);
    case 'D':
        return f & DIGIT;
    case 'p':
        return f & ASCII_PUNCT;
    case 'q':
        return f & (P | ASCII_PUNCT);
    case 'R':
        return f & CR_LF;
    case 'r':
        return (f & CR_LF) || c->cp == '/';
    case 'n':
        return f & NEWLINE;
    case 'z':
        return !(f & NEWLINE);
    case 'T':
        return c->cp == '\t' || c->cp == '\n';
    case 'I':
        return c->cp >= 'A' && c->cp <= 'I';
    case 'F':
        return (f & P) || ((f & (S | ASCII_PUNCT)) == (S | ASCII_PUNCT));
    case 'f':
        return ((f & P) || ((f & (S | ASCII_PUNCT)) == (S | ASCII_PUNCT))) && c->cp != '`';
    case 'B':
        return !(f & SPACE) && !in_ranges(stops, c->cp);
    case 'C':
        return listed(c, east);
    case 'J':
        return listed(c, han_kana);
    case 'H':
        return in_ranges(han, c->cp);
    case 'G':
        return (f & L) && !in_ranges(han, c->cp);
    case 'E':
        return listed(c, western);
    case 'e':
        return listed(c, marks_and_signs);
    case 'h':
        return listed(c, korean);
    case 'i':
        return listed(c, east_punct);
    case 'j':
        return listed(c, bopomofo);
    case 'a':
        return listed(c, asian);
    default:
        return false;
    }
}

/* Bytes of a contraction at the start of text, 0 for none. */
static size_t contraction(const char *text, size_t n, bool any_case) {
    char fold = any_case ? 0x20 : 0, a, b;
    if (n < 2 || text[0] != '\'') return 0;
    a = text[1];
    if (a >= 'A' && a <= 'Z') a |= fold;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (n < 3) return 0;
    b = text[2];
    if (b >= 'A' && b <= 'Z') b |= fold;
    return (b == 'e' && (a == 'r' || a == 'v')) || (a == 'l' && b == 'l') ? 3 : 0;
}

/* Letters each followed by marks, with single spaces before letters: L M* ( ?L M*)* */
static size_t spaced_word(const char *text, size_t n) {
    size_t end = 0, at = 0;
    while (at < n) {
        struct character c = look(text, n, at);
        if (at && c.cp == ' ' && at + 1 < n) {
            at++;
            c = look(text, n, at);
        }
        if (!(c.flags & L)) break;
        at += c.size;
        while (at < n && (c = look(text, n, at)).flags & M) at += c.size;
        end = at;
    }
    return end;
}

/* Start of the character that ends at `at`; the text is well-formed. */
static size_t back(const char *text, size_t at) {
    for (at--; (text[at] & 0xc0) == 0x80; at--);
    return at;
}

#define NO_MATCH SIZE_MAX
/* The end of a match of the items from `item` on, or NO_MATCH. Recursion is as deep as a pattern is
 * long. */
static size_t match(const struct item *item, const char *text, size_t n, size_t at) {
    size_t floor = at, count = 0, max = item->max == UNBOUNDED ? SIZE_MAX : item->max, end;
    if (!item->literal) {
        switch (item->class) {
        case '~':
        case '$':
            if (at < n && (item->class == '$' || !(look(text, n, at).flags & SPACE)))
                return NO_MATCH;
            return item->last ? at : match(item + 1, text, n, at);
        case 'K':
        case 'k':
        case 'g':
            count = item->class == 'g' ? spaced_word(text + at, n - at)
                                       : contraction(text + at, n - at, item->class == 'K');
            if (!count && item->min) return NO_MATCH;
            return item->last ? at + count : match(item + 1, text, n, at + count);
        }
    }
    while (count < max && at < n) {
        struct character c = look(text, n, at);
        if (!in_class(item, &c)) break;
        at += c.size;
        count++;
        if (count == item->min) floor = at;
    }
    if (count < item->min) return NO_MATCH;
    if (item->last) return at;
    while ((end = match(item + 1, text, n, at)) == NO_MATCH) {
        if (at <= floor) return NO_MATCH;
        at = back(text, at);
    }
    return end;
}

static void split_step(const struct pretok *p, unsigned step, const char *text, size_t n,
                       pretok_word word, struct encoder *e);

static void piece(const struct pretok *p, unsigned step, const char *text, size_t n,
                  pretok_word word, struct encoder *e) {
    if (n) split_step(p, step + 1, text, n, word, e);
}

/* Runs of numbers, cut into threes from the right. % cuts behind each group, so that what stands
 * before a run belongs to its first group; # (ASCII digits only) cuts before each full group. */
static void split_threes(const struct pretok *p, unsigned step, const char *text, size_t n,
                         bool behind, pretok_word word, struct encoder *e) {
    size_t from = 0, at = 0;
    while (at < n) {
        size_t count = 0, end = at;
        struct character c;
        while (end < n && (c = look(text, n, end)).flags & (behind ? N : DIGIT)) {
            end += c.size;
            count++;
        }
        if (!count) {
            at += look(text, n, at).size;
            continue;
        }
        while (count) {
            size_t take = count % 3 ? count % 3 : 3;
            if (!behind && take == 3) {
                piece(p, step, text + from, at - from, word, e);
                from = at;
            }
            for (size_t i = 0; i < take; i++) at += look(text, n, at).size;
            count -= take;
            if (behind) {
                piece(p, step, text + from, at - from, word, e);
                from = at;
            }
        }
    }
    piece(p, step, text + from, n - from, word, e);
}

static size_t end_of_space(const char *text, size_t n, size_t at) {
    struct character c;
    while (at < n && (c = look(text, n, at)).flags & SPACE) at += c.size;
    return at;
}

static void split_step(const struct pretok *p, unsigned step, const char *text, size_t n,
                       pretok_word word, struct encoder *e) {
    const struct item *first, *end;
    size_t from = 0, at = 0, no_line_before = 0;
    if (e->failed) return;
    if (step == p->n_steps) {
        word(e, text, n);
        return;
    }
    first = &p->items[p->step_at[step]];
    end = &p->items[p->step_at[step + 1]];
    if (first->class == '%' || first->class == '#') {
        split_threes(p, step, text, n, first->class == '%', word, e);
        return;
    }
    while (at < n) {
        size_t to = NO_MATCH;
        for (const struct item *alt = first; alt < end && to == NO_MATCH; alt++) {
            bool line = alt->class == 's' && !alt->min && !alt->last && alt[1].class == 'R';
            if (!line || at >= no_line_before) {
                to = match(alt, text, n, at);
                if (to == at) to = NO_MATCH;
                if (line && to == NO_MATCH) no_line_before = end_of_space(text, n, at);
            }
            while (!alt->last) alt++;
        }
        if (to != NO_MATCH) {
            piece(p, step, text + from, at - from, word, e);
            piece(p, step, text + at, to - at, word, e);
            from = at = to;
        } else if (first->class == 's' && !first->last && first[1].class == '$' &&
                   end_of_space(text, n, at) > at) {
            at = end_of_space(text, n, at); /* not at the end, so no part of it is */
        } else {
            at += look(text, n, at).size;
        }
    }
    piece(p, step, text + from, n - from, word, e);
}

void pretok_split(const struct pretok *p, const char *text, size_t n, pretok_word word,
                  struct encoder *e) {
    if (n) split_step(p, 0, text, n, word, e);
}

static const char *parse_count(const char *s, uint16_t *value) {
    for (*value = 0; *s >= '0' && *s <= '9'; s++) *value = (uint16_t)(*value * 10 + (*s - '0'));
    return s;
}

/* Patterns are constants of pretok_rows.h, so they are trusted to be well-formed. */
static const char *parse_item(struct item *item, const char *s) {
    *item = (struct item){.min = 1, .max = 1};
    if (*s == '\\') {
        item->literal = true;
        s++;
    }
    item->class = (uint8_t)*s++;
    if (*s == '?') {
        item->min = 0;
        s++;
    } else if (*s == '*' || *s == '+') {
        item->min = *s == '+';
        item->max = UNBOUNDED;
        s++;
    } else if (*s == '{') {
        s = parse_count(s + 1, &item->min);
        item->max = item->min;
        if (*s == ',') s = parse_count(s + 1, &item->max);
        s++;
    }
    item->last = !*s || *s == '|';
    return *s == '|' ? s + 1 : s;
}

struct pretok *pretok_new(struct heap *heap, const struct pretok_row *row) {
    struct pretok *p = HEAP_ZERO(heap, struct pretok, 1);
    unsigned n = 0;
    if (!p) return NULL;
    while (p->n_steps < MAX_STEPS && row->steps[p->n_steps]) {
        for (const char *s = row->steps[p->n_steps]; *s && n < MAX_ITEMS;)
            s = parse_item(&p->items[n++], s);
        p->step_at[++p->n_steps] = (uint16_t)n;
    }
    return p;
}

void pretok_free(struct pretok *p, struct heap *heap) {
    if (p) HEAP_FREE(heap, p, 1);
}
