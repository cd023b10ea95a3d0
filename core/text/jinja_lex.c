/* Template text to tokens, with white-space control done here: trim_blocks, lstrip_blocks, '-' and
 * '+'.
 *
 * The tokens are a list that ends with T_END; data tokens are ranges of the source. */
#include "base/fmt_digits.h"
#include "text/jinja_impl.h"

struct lexer {
    struct jinja *j;
    const char *s;
    size_t n, at;
    struct token *head, **tail;
    bool line_start; /* the last tag ended with a newline, or nothing came before */
};

static struct token *add(struct lexer *l, int kind, size_t at) {
    struct token *t = jinja_take(l->j, sizeof *t);
    if (!t || !jinja_steps(l->j, 1)) return NULL;
    t->kind = (uint8_t)kind;
    t->at = (uint32_t)at;
    *l->tail = t;
    l->tail = &t->next;
    return t;
}

static void refuse(struct lexer *l, size_t at, const char *what) {
    l->j->at = (uint32_t)at;
    jinja_fail(l->j, "%s", what);
}

static void add_data(struct lexer *l, size_t from, size_t to) {
    struct token *t;
    if (to <= from) return;
    t = add(l, T_DATA, from);
    if (t) t->v = v_str(l->s + from, to - from);
}

static bool starts(const struct lexer *l, size_t at, const char *text) {
    size_t n = strlen(text);
    return l->n - at >= n && memcmp(l->s + at, text, n) == 0;
}

static size_t skip_space(const struct lexer *l, size_t at) {
    struct value rest = v_str(l->s + at, l->n - at);
    return at + (rest.n - strip(rest, NULL, 1).n);
}

/* Where the text [from, to) before a tag ends: '-' strips it, lstrip_blocks takes the blanks of the
 * line. */
static size_t text_end(const struct lexer *l, size_t from, size_t to, char sign, bool print) {
    size_t line = to;
    if (sign == '-') return from + strip(v_str(l->s + from, to - from), NULL, 2).n;
    if (sign == '+' || print) return to;
    while (line > from && l->s[line - 1] != '\n') line--;
    if (line == from && !l->line_start) return to;
    return strip(v_str(l->s + line, to - line), NULL, 1).n == 0 ? line : to;
}

/* Moves behind a tag's end at l->at ("%}" or "#}"), and what trim_blocks or '-' takes behind it. */
static void after_tag(struct lexer *l, char sign, bool trim) {
    l->at += 2;
    if (sign == '-')
        l->at = skip_space(l, l->at);
    else if (trim && sign != '+' && l->at < l->n && l->s[l->at] == '\n')
        l->at++;
    l->line_start = l->s[l->at - 1] == '\n';
}

static size_t find(const struct lexer *l, size_t from, const char *text) {
    while (from < l->n && !starts(l, from, text)) from++;
    return from;
}

static void comment(struct lexer *l, size_t begin) {
    size_t end = find(l, l->at, "#}");
    char sign = 0;
    if (end >= l->n) {
        refuse(l, begin, "a comment is not closed with '#}'");
        return;
    }
    if (end > l->at) sign = l->s[end - 1];
    l->at = end;
    after_tag(l, sign, true);
}

/* Behind "{%", at `at`: the word and its "%}" at once, as raw and endraw must be written; 0 where
 * it is not. */
static size_t tag_word(const struct lexer *l, size_t at, const char *word, char *sign) {
    at = skip_space(l, at);
    if (!starts(l, at, word)) return 0;
    at = skip_space(l, at + strlen(word));
    *sign = 0;
    if (at < l->n && (l->s[at] == '-' || l->s[at] == '+')) *sign = l->s[at++];
    return starts(l, at, "%}") ? at : 0;
}

static void raw(struct lexer *l, size_t begin) {
    size_t from = l->at, end = from;
    for (;; end += 2) {
        char sign = 0, last;
        size_t close;
        end = find(l, end, "{%");
        if (end >= l->n) break;
        close = end + 2;
        if (close < l->n && (l->s[close] == '-' || l->s[close] == '+')) sign = l->s[close++];
        if (!(close = tag_word(l, close, "endraw", &last))) continue;
        add_data(l, from, text_end(l, from, end, sign, false));
        l->at = close;
        after_tag(l, last, true);
        return;
    }
    refuse(l, begin, "a raw block is not closed with 'endraw'");
}

/* ---- inside of tags -------------------------------------------------------------------------- */
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c) ||
           (uint8_t)c >= 0x80;
}

static int hex_value(char c) {
    return is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
}

/* The text of a string literal between its quotes, with Python's escapes. */
static struct value unescape(struct lexer *l, size_t from, size_t to) {
    static const char letter[] = "\\'\"abfnrtv", meaning[] = "\\'\"\a\b\f\n\r\t\v";
    struct build b = build_new(l->j);
    size_t i = from;
    while (i < to && l->s[i] != '\\') i++;
    if (i == to) return v_str(l->s + from, to - from);
    build_add(&b, l->s + from, i - from);
    while (i < to && !l->j->failed) {
        int k = 0, digits;
        uint32_t c = 0;
        if (l->s[i] != '\\' || i + 1 == to) {
            build_char(&b, l->s[i++]);
            continue;
        }
        char e = l->s[++i];
        i++;
        if (e == '\n') continue;
        while (letter[k] && letter[k] != e) k++;
        if (letter[k]) {
            build_char(&b, meaning[k]);
            continue;
        }
        digits = e == 'x' ? 2 : e == 'u' ? 4 : e == 'U' ? 8 : 0;
        if (digits) {
            for (k = 0; k < digits; k++, i++) {
                if (i >= to || hex_value(l->s[i]) > 15) {
                    refuse(l, i, "an escape in a string needs more hex digits");
                    return v_undefined();
                }
                c = c << 4 | (uint32_t)hex_value(l->s[i]);
            }
            build_code_point(&b, c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c);
        } else if (e >= '0' && e <= '7') {
            for (c = (uint32_t)(e - '0'), k = 1;
                 k < 3 && i < to && l->s[i] >= '0' && l->s[i] <= '7'; k++)
                c = c * 8 + (uint32_t)(l->s[i++] - '0');
            build_code_point(&b, c);
        } else {
            build_char(&b, '\\');
            build_char(&b, e);
        }
    }
    return build_end(&b);
}

static void string(struct lexer *l) {
    size_t from = l->at, i = from + 1;
    struct token *t;
    while (i < l->n && l->s[i] != l->s[from]) i += l->s[i] == '\\' ? 2 : 1;
    if (i >= l->n) {
        refuse(l, from, "a string is not closed");
        return;
    }
    t = add(l, T_STRING, from);
    if (t) t->v = unescape(l, from + 1, i);
    l->at = i + 1;
}

static size_t digits_end(const struct lexer *l, size_t i) {
    while (i < l->n &&
           (is_digit(l->s[i]) || (l->s[i] == '_' && i + 1 < l->n && is_digit(l->s[i + 1]))))
        i++;
    return i;
}

static void number(struct lexer *l) {
    char text[64];
    size_t from = l->at, i = digits_end(l, from), used = 0;
    bool real = false, after_dot = from > 0 && l->s[from - 1] == '.';
    uint64_t u = 0;
    struct token *t;
    uint32_t base = 10;
    if (l->s[from] == '0' && from + 1 < l->n) {
        char c = l->s[from + 1] | 32;
        base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
        if (base != 10) i = from + 2;
        while (base != 10 && i < l->n && (l->s[i] == '_' || (uint32_t)hex_value(l->s[i]) < base))
            i++;
    }
    if (!after_dot && base == 10) {
        if (i + 1 < l->n && l->s[i] == '.' && is_digit(l->s[i + 1])) {
            real = true;
            i = digits_end(l, i + 1);
        }
        if (i + 1 < l->n && (l->s[i] | 32) == 'e') {
            size_t e = i + 1 + (l->s[i + 1] == '+' || l->s[i + 1] == '-');
            if (e < l->n && is_digit(l->s[e])) {
                real = true;
                i = digits_end(l, e);
            }
        }
    }
    t = add(l, real ? T_FLOAT : T_INT, from);
    l->at = i;
    if (!t) return;
    for (size_t k = from + (base == 10 ? 0 : 2); k < i; k++) {
        if (l->s[k] == '_') continue;
        if (used < sizeof text - 1) text[used++] = l->s[k];
        if (!real &&
            (__builtin_mul_overflow(u, base, &u) ||
             __builtin_add_overflow(u, (uint64_t)hex_value(l->s[k]), &u) || u > INT64_MAX)) {
            refuse(l, from, "an integer is too large");
            return;
        }
    }
    t->v = v_int((int64_t)u);
    if (real) {
        t->v = v_float(0);
        fmt_parse_double(&t->v.d, text, used);
    }
}

static void operators(struct lexer *l, char *open, uint32_t *n_open) {
    static const char two[] = "==!=<=>=//**", one[] = "+-/*%~[](){}<>=.:|,;";
    const char *s = l->s + l->at;
    struct token *t;
    int k = 0;
    t = add(l, T_OPERATOR, l->at);
    if (!t) return;
    while (l->at + 1 < l->n && two[k] && (two[k] != s[0] || two[k + 1] != s[1])) k += 2;
    if (l->at + 1 < l->n && two[k]) {
        t->op = (uint16_t)OP2(s[0], s[1]);
        l->at += 2;
        return;
    }
    for (k = 0; one[k] && one[k] != s[0];) k++;
    if (!one[k]) {
        refuse(l, l->at, "an unexpected character in a tag");
        return;
    }
    if (s[0] == '(' || s[0] == '[' || s[0] == '{') {
        if (*n_open == PARSE_DEPTH) {
            refuse(l, l->at, "brackets nest too deeply");
            return;
        }
        open[(*n_open)++] = s[0] == '(' ? ')' : s[0] == '[' ? ']' : '}';
    } else if (s[0] == ')' || s[0] == ']' || s[0] == '}') {
        if (!*n_open || open[--*n_open] != s[0]) {
            refuse(l, l->at, "a closing bracket without its opening one");
            return;
        }
    }
    t->op = (uint8_t)s[0];
    l->at++;
}

/* The tokens of a tag up to and with its end. */
static void tag(struct lexer *l, size_t begin, bool print) {
    char open[PARSE_DEPTH];
    uint32_t n_open = 0;
    const char *close = print ? "}}" : "%}";
    while (!l->j->failed) {
        size_t at = l->at = skip_space(l, l->at);
        char sign = 0;
        if (at >= l->n) {
            refuse(l, begin,
                   print ? "a tag is not closed with '}}'" : "a tag is not closed with '%}'");
            return;
        }
        if (n_open == 0) {
            if ((l->s[at] == '-' || (!print && l->s[at] == '+')) && starts(l, at + 1, close))
                sign = l->s[at++];
            if (starts(l, at, close)) {
                add(l, print ? T_PRINT_END : T_BLOCK_END, at);
                l->at = at;
                after_tag(l, sign, !print);
                return;
            }
        }
        if (is_digit(l->s[l->at]))
            number(l);
        else if (in_name(l->s[l->at])) {
            size_t from = l->at;
            struct token *t = add(l, T_NAME, from);
            while (l->at < l->n && in_name(l->s[l->at])) l->at++;
            if (t) t->v = v_str(l->s + from, l->at - from);
        } else if (l->s[l->at] == '"' || l->s[l->at] == '\'')
            string(l);
        else
            operators(l, open, &n_open);
    }
}

struct token *jinja_lex(struct jinja *j) {
    struct lexer l = {.j = j, .s = j->source, .n = j->n, .line_start = true};
    l.tail = &l.head;
    while (l.at < l.n && !j->failed) {
        size_t from = l.at, begin = from, word;
        char sign = 0, what, last;
        while (begin < l.n &&
               !(l.s[begin] == '{' && begin + 1 < l.n &&
                 (l.s[begin + 1] == '{' || l.s[begin + 1] == '%' || l.s[begin + 1] == '#')))
            begin++;
        if (begin >= l.n) {
            add_data(&l, from, l.n);
            break;
        }
        what = l.s[begin + 1];
        l.at = begin + 2;
        if (l.at < l.n && (l.s[l.at] == '-' || l.s[l.at] == '+')) sign = l.s[l.at++];
        add_data(&l, from, text_end(&l, from, begin, sign, what == '{'));
        if (what == '#')
            comment(&l, begin);
        else if (what == '%' && (word = tag_word(&l, l.at, "raw", &last)) && last != '+') {
            l.at = word;
            after_tag(&l, last, false);
            raw(&l, begin);
        } else {
            add(&l, what == '{' ? T_PRINT_BEGIN : T_BLOCK_BEGIN, begin);
            tag(&l, begin, what == '{');
        }
    }
    add(&l, T_END, l.n);
    return j->failed ? NULL : l.head;
}
