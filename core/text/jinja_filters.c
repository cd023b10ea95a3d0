/* Filters of texts, numbers and any value, and the arguments of builtins, named as Jinja2 names
 * them. */
#include "base/fmath.h"
#include "base/fmt_digits.h"
#include "text/jinja_impl.h"

#define UNUSED (void)j, (void)v, (void)a

/* ---- arguments ------------------------------------------------------------------------------- */
bool arg(const struct args *a, uint32_t i, const char *name, struct value *out) {
    size_t n = strlen(name);
    if (i < a->n_positional) {
        *out = a->at[i];
        return true;
    }
    for (uint32_t k = a->n_positional; k < a->n; k++) {
        const struct name *m = a->names[k - a->n_positional];
        if (m->n != n || memcmp(m->s, name, n) != 0) continue;
        *out = a->at[k];
        return true;
    }
    return false;
}

bool arg_true(const struct args *a, uint32_t i, const char *name, bool otherwise) {
    struct value v;
    return arg(a, i, name, &v) ? jinja_true(v) : otherwise;
}

int64_t arg_int(struct jinja *j, const struct args *a, uint32_t i, const char *name,
                int64_t otherwise) {
    struct value v;
    if (!arg(a, i, name, &v) || v.kind == V_NONE) return otherwise;
    if (!is_int(v)) jinja_fail(j, "argument '%s' must be an integer, not %s", name, type_name(v));
    return is_int(v) ? v.i : 0;
}

struct value arg_text(struct jinja *j, const struct args *a, uint32_t i, const char *name,
                      const char *otherwise) {
    struct value v;
    return arg(a, i, name, &v) ? jinja_str(j, v) : v_text(otherwise);
}

/* ---- text ------------------------------------------------------------------------------------ */
FILTER(f_upper) {
    (void)a;
    return change_case(j, v, CASE_UPPER);
}
FILTER(f_lower) {
    (void)a;
    return change_case(j, v, CASE_LOWER);
}
FILTER(f_capitalize) {
    (void)a;
    return change_case(j, v, CASE_CAPITALIZE);
}
FILTER(f_string) {
    (void)a;
    return jinja_str(j, v);
}
FILTER(f_escape) {
    (void)a;
    return jinja_escape(j, v);
}

/* Upper case behind blanks, '-' and opening brackets; lower case elsewhere. */
FILTER(f_title) {
    struct build b = build_new(j);
    bool start = true;
    (void)a;
    v = jinja_str(j, v);
    for (size_t i = 0; !j->failed && i < v.n;) {
        uint32_t c = code_point(v.s, v.n, &i);
        build_code_point(&b, start ? to_upper(c) : to_lower(c));
        start = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    }
    return build_end(&b);
}

FILTER(f_safe) {
    (void)a;
    v = jinja_str(j, v);
    v.flag = v.kind == V_STRING;
    return v;
}

FILTER(f_forceescape) {
    (void)a;
    v = jinja_str(j, v);
    if (j->failed) return v;
    v.flag = 0;
    return jinja_escape(j, v);
}

FILTER(f_trim) {
    struct value chars;
    bool given = arg(a, 0, "chars", &chars) && chars.kind == V_STRING;
    v = jinja_str(j, v);
    return j->failed ? v : strip(v, given ? &chars : NULL, 3);
}

static struct value replace(struct jinja *j, struct value v, struct value from, struct value to,
                            int64_t count) {
    struct build b = build_new(j);
    size_t at = 0, hit;
    if (j->failed) return v;
    for (; count != 0 && !j->failed && jinja_steps(j, 1); count--) {
        hit = find_text(v, from, at);
        if (hit == SIZE_MAX) break;
        build_add(&b, v.s + at, hit - at);
        build_add(&b, to.s, to.n);
        at = hit + from.n;
        if (from.n == 0) { /* between all characters */
            size_t next = at;
            if (at == v.n) return build_end(&b);
            code_point(v.s, v.n, &next);
            build_add(&b, v.s + at, next - at);
            at = next;
        }
    }
    build_add(&b, v.s + at, v.n - at);
    return build_end(&b);
}

FILTER(f_replace) {
    struct value from = arg_text(j, a, 0, "old", ""), to = arg_text(j, a, 1, "new", "");
    v = jinja_str(j, v);
    return replace(j, v, from, to, arg_int(j, a, 2, "count", -1));
}

FILTER(f_indent) {
    struct value width, lines;
    struct build b = build_new(j), spaces = build_new(j);
    bool first = arg_true(a, 1, "first", false), blank = arg_true(a, 2, "blank", false);
    if (!arg(a, 0, "width", &width)) width = v_int(4);
    if (is_int(width)) {
        if (width.i > 1000)
            return jinja_fail(j, "an indent of %lld is too wide", (long long)width.i);
        for (int64_t i = 0; i < width.i && !j->failed; i++) build_char(&spaces, ' ');
        width = build_end(&spaces);
    }
    if (v.kind != V_STRING || width.kind != V_STRING) return jinja_fail(j, "indent wants a text");
    lines = split_lines(j, v, false);
    if (j->failed) return lines;
    /* a newline at the end of v leaves an empty last line behind it */
    if (v.n == 0 || (v.s[v.n - 1] >= 10 && v.s[v.n - 1] <= 13)) list_add(j, lines.list, v_text(""));
    for (uint32_t i = 0; !j->failed && i < lines.list->n; i++) {
        struct value line = lines.list->at[i];
        if (i) build_char(&b, '\n');
        if (i ? blank || line.n : first) build_add(&b, width.s, width.n);
        build_add(&b, line.s, line.n);
    }
    return build_end(&b);
}

FILTER(f_truncate) {
    int64_t n = arg_int(j, a, 0, "length", 255), leeway = arg_int(j, a, 3, "leeway", 5), size;
    struct value end = arg_text(j, a, 2, "end", "...");
    struct build b = build_new(j);
    size_t cut;
    v = jinja_str(j, v);
    if (j->failed) return v;
    size = (int64_t)n_chars(v.s, v.n);
    if (size <= n + leeway) return v;
    n -= (int64_t)n_chars(end.s, end.n);
    if (n < 0) return jinja_fail(j, "truncate wants a length of at least its end's");
    cut = char_at(v.s, v.n, (size_t)n);
    if (!arg_true(a, 1, "killwords", false)) {
        size_t space = cut;
        while (space > 0 && v.s[space - 1] != ' ') space--;
        if (space > 0) cut = space - 1;
    }
    build_add(&b, v.s, cut);
    build_add(&b, end.s, end.n);
    return build_end(&b);
}

FILTER(f_center) {
    struct value width = v_int(arg_int(j, a, 0, "width", 80));
    const struct args given = {.at = &width, .n = 1, .n_positional = 1};
    bool mutates;
    v = jinja_str(j, v);
    return j->failed ? v : jinja_method(v, v_text("center"), &mutates)(j, v, &given);
}

FILTER(f_wordcount) {
    int64_t n = 0;
    bool inside = false;
    (void)a;
    v = jinja_str(j, v);
    for (size_t i = 0; !j->failed && i < v.n;) {
        uint32_t c = code_point(v.s, v.n, &i);
        bool word = c == '_' || (c >= '0' && c <= '9') || is_alpha(c);
        n += word && !inside;
        inside = word;
    }
    return v_int(n);
}

FILTER(f_urlencode) {
    static const char hex[] = "0123456789ABCDEF";
    struct build b = build_new(j);
    (void)a;
    v = jinja_str(j, v);
    for (size_t i = 0; !j->failed && i < v.n; i++) {
        uint8_t c = (uint8_t)v.s[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' ||
                     c == '.' || c == '-' || c == '~' || c == '/';
        build_char(&b, plain ? (char)c : '%');
        if (plain) continue;
        build_char(&b, hex[c >> 4]);
        build_char(&b, hex[c & 15]);
    }
    return build_end(&b);
}

FILTER(f_format) {
    v = jinja_str(j, v);
    return j->failed ? v : format_percent(j, v, a);
}

FILTER(f_tojson) {
    struct build b = build_new(j);
    build_json(&b, v, a);
    return build_end(&b);
}

/* ---- numbers --------------------------------------------------------------------------------- */
FILTER(f_absolute) {
    (void)a;
    if (!is_number(v)) return jinja_fail(j, "bad operand type for abs(): '%s'", type_name(v));
    if (is_int(v)) return v.i < 0 ? jinja_binary(j, '-', v_int(0), v) : v_int(v.i);
    return v_float(v.d < 0 ? -v.d : v.d);
}

/* Reads a whole text as a number: with a point or exponent only where real is true. */
static bool parse_number(struct value v, bool real, int64_t base, struct value *out) {
    bool negative;
    uint64_t u = 0;
    size_t i;
    v = strip(v, NULL, 3);
    if (real) {
        *out = v_float(0);
        if (v.n > 1 && v.s[0] == '+') v.s++, v.n--;
        return v.n && v.s[0] != '+' && fmt_parse_double(&out->d, v.s, v.n) == v.n;
    }
    negative = v.n && v.s[0] == '-';
    i = v.n && (negative || v.s[0] == '+');
    if (base == 16 && v.n - i > 2 && v.s[i] == '0' && (v.s[i + 1] | 32) == 'x') i += 2;
    if (i == v.n) return false;
    for (; i < v.n; i++) {
        int c = v.s[i], d = c >= '0' && c <= '9'                 ? c - '0'
                            : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10
                                                                 : 99;
        if (d >= base || __builtin_mul_overflow(u, (uint64_t)base, &u) ||
            __builtin_add_overflow(u, (uint64_t)d, &u) || u > INT64_MAX)
            return false;
    }
    *out = v_int(negative ? -(int64_t)u : (int64_t)u);
    return true;
}

FILTER(f_int) {
    struct value otherwise, out;
    int64_t base = arg_int(j, a, 1, "base", 10);
    if (!arg(a, 0, "default", &otherwise)) otherwise = v_int(0);
    if (v.kind == V_UNDEFINED) return jinja_undefined_used(j, v);
    if (is_int(v)) return v_int(v.i);
    if (v.kind == V_STRING) {
        if (base < 2 || base > 36) return otherwise;
        if (parse_number(v, false, base, &out)) return out;
        if (!parse_number(v, true, 10, &v)) return otherwise;
    }
    if (v.kind != V_FLOAT || !(v.d > -9.2e18 && v.d < 9.2e18)) return otherwise;
    return v_int((int64_t)v.d);
}

FILTER(f_float) {
    struct value otherwise, out;
    if (!arg(a, 0, "default", &otherwise)) otherwise = v_float(0);
    if (v.kind == V_UNDEFINED) return jinja_undefined_used(j, v);
    if (is_number(v)) return v_float(to_double(v));
    return v.kind == V_STRING && parse_number(v, true, 10, &out) ? out : otherwise;
}

FILTER(f_round) {
    int64_t precision = arg_int(j, a, 0, "precision", 0);
    struct value method = arg_text(j, a, 1, "method", "common");
    char digits[FMT_DIGITS_MAX], text[FMT_DIGITS_MAX + 16];
    int exponent, n;
    double scale = 1, d;
    if (!is_number(v)) return jinja_fail(j, "a number is required to round, not %s", type_name(v));
    if (is_int(v) && precision >= 0 && v_is(method, "common")) return v_int(v.i);
    d = to_double(v);
    if (d - d != 0 || precision > 40 || precision < -40) return v_float(d);
    for (int64_t i = precision < 0 ? -precision : precision; i > 0; i--) scale *= 10;
    if (precision < 0) scale = 1 / scale;
    if (v_is(method, "ceil")) return v_float(-d_floor(-d * scale) / scale);
    if (v_is(method, "floor")) return v_float(d_floor(d * scale) / scale);
    if (!v_is(method, "common")) return jinja_fail(j, "round's method is common, ceil or floor");
    if (precision < 0) {
        double r = d_floor(d * scale + 0.5);
        return v_float((r - d * scale == 0.5 && d_floor(r / 2) * 2 != r ? r - 1 : r) / scale);
    }
    n = fmt_digits_fixed(digits, &exponent, d, (int)precision);
    text[0] = fmt_sign(d) ? '-' : '+';
    memcpy(text + 1, digits, (size_t)n);
    fmt(text + 1 + n, 16, "e%d", exponent - n);
    fmt_parse_double(&d, text, strlen(text));
    return v_float(d);
}

/* ---- the rest -------------------------------------------------------------------------------- */
FILTER(f_default) {
    struct value otherwise;
    if (!arg(a, 0, "default_value", &otherwise)) otherwise = v_text("");
    UNUSED;
    return v.kind == V_UNDEFINED || (arg_true(a, 1, "boolean", false) && !jinja_true(v)) ? otherwise
                                                                                         : v;
}

FILTER(f_attr) {
    struct value name = arg_text(j, a, 0, "name", "");
    if (v.kind == V_DICT && dict_get(j, v.dict, name) && !jinja_method(v, name, &(bool){false}))
        return v_undefined();
    return jinja_attr(j, v, name);
}

builtin jinja_filter(struct value name) {
    static const struct row rows[] = {{"abs", f_absolute},
                                      {"attr", f_attr},
                                      {"capitalize", f_capitalize},
                                      {"center", f_center},
                                      {"d", f_default},
                                      {"default", f_default},
                                      {"e", f_escape},
                                      {"escape", f_escape},
                                      {"float", f_float},
                                      {"forceescape", f_forceescape},
                                      {"format", f_format},
                                      {"indent", f_indent},
                                      {"int", f_int},
                                      {"lower", f_lower},
                                      {"replace", f_replace},
                                      {"round", f_round},
                                      {"safe", f_safe},
                                      {"string", f_string},
                                      {"title", f_title},
                                      {"tojson", f_tojson},
                                      {"trim", f_trim},
                                      {"truncate", f_truncate},
                                      {"upper", f_upper},
                                      {"urlencode", f_urlencode},
                                      {"wordcount", f_wordcount}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (v_is(name, rows[i].name)) return rows[i].call;
    return jinja_sequence_filter(name);
}
