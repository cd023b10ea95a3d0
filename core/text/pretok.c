/* Pre-tokenizers: text is cut into words before byte-pair merging.
 *
 * A row names a pre-tokenizer and the patterns that it applies one after the other, each to the
 * pieces that the one before left. Patterns say what the published regular expressions say, in a
 * notation that needs no regular expression engine: alternatives separated by |, tried in order at
 * each position. An alternative is a sequence of items. An item is one class of characters (a
 * letter of pretok_class.c, or \x for the character x) with an optional ? * + {n} or {m,n}, greedy,
 * or one of
 *
 * - K, k: an English contraction, in any case or in lower case ('s 't 're 've 'm 'll 'd)
 * - ~: an assertion that the piece ends here or white space follows
 * - $: an assertion that the piece ends here
 * - g: letters and marks, with single spaces between letters (EXAONE)
 *
 * The pattern % cuts runs of numbers into threes from the right, # does so with runs of ASCII
 * digits in pieces of numbers. Text between matches is a piece too. Matching is linear: each run of
 * a class is read a bounded number of times. The two searches that would not be (white space before
 * the end or before a line end) remember the run that they failed on.
 */
#include "text/pretok_in.h"
#include "text/vocab_in.h"

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
        struct character c = pretok_look(text, n, at);
        if (at && c.cp == ' ' && at + 1 < n) {
            at++;
            c = pretok_look(text, n, at);
        }
        if (!(c.flags & UC_LETTER)) break;
        at += c.size;
        while (at < n && (c = pretok_look(text, n, at)).flags & UC_MARK) at += c.size;
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
            if (at < n && (item->class == '$' || !(pretok_look(text, n, at).flags & UC_SPACE)))
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
        struct character c = pretok_look(text, n, at);
        if (item->literal ? c.cp != item->class : !pretok_in_class(item->class, &c)) break;
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
        while (end < n && (c = pretok_look(text, n, end)).flags & (behind ? UC_NUMBER : DIGIT)) {
            end += c.size;
            count++;
        }
        if (!count) {
            at += pretok_look(text, n, at).size;
            continue;
        }
        while (count) {
            size_t take = count % 3 ? count % 3 : 3;
            if (!behind && take == 3) {
                piece(p, step, text + from, at - from, word, e);
                from = at;
            }
            for (size_t i = 0; i < take; i++) at += pretok_look(text, n, at).size;
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
    while (at < n && (c = pretok_look(text, n, at)).flags & UC_SPACE) at += c.size;
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
            at += pretok_look(text, n, at).size;
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
