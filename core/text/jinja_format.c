/* Text out of values: Python's float notation, json.dumps, "%s" % x and "{}".format(x). */
#include "base/fmt_digits.h"
#include "text/jinja_impl.h"

/* repr(float): shortest digits; an exponent outside of 1e-4 <= |x| < 1e16. */
void build_float(struct build *b, double d) {
    char digits[FMT_DIGITS_MAX], text[16];
    int exponent, n;
    if (d != d) {
        build_text(b, "nan");
        return;
    }
    if (fmt_sign(d)) build_char(b, '-');
    if (d - d != 0) {
        build_text(b, "inf");
        return;
    }
    n = fmt_digits_shortest(digits, &exponent, d);
    if (exponent > 16 || exponent < -3) {
        build_add(b, digits, 1);
        if (n > 1) {
            build_char(b, '.');
            build_add(b, digits + 1, (size_t)n - 1);
        }
        exponent--;
        fmt(text, sizeof text, "e%c%02d", exponent < 0 ? '-' : '+',
            exponent < 0 ? -exponent : exponent);
        build_text(b, text);
        return;
    }
    if (exponent <= 0) build_text(b, "0.");
    for (int i = exponent; i < 0; i++) build_char(b, '0');
    for (int i = 0; i < n || i < exponent; i++) {
        if (i > 0 && i == exponent) build_char(b, '.');
        build_char(b, i < n ? digits[i] : '0');
    }
    if (n <= exponent) build_text(b, ".0");
}

/* ---- JSON ------------------------------------------------------------------------------------ */
struct json_style {
    struct value indent, item, key; /* indent: none or a string; separators */
    bool ascii, sort;
};

static void json_string(struct build *b, struct value v, bool ascii) {
    char hex[16];
    build_char(b, '"');
    for (size_t i = 0, from = 0; i < v.n && !b->j->failed; from = i) {
        uint32_t c = code_point(v.s, v.n, &i);
        static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
        int k = 0;
        while (special[k] && (uint8_t)special[k] != c) k++;
        if (special[k]) {
            build_char(b, '\\');
            build_char(b, letter[k]);
        } else if (c < 32 || (ascii && c >= 127 && c < 0x10000 && c != 127)) {
            fmt(hex, sizeof hex, "\\u%04x", (unsigned)c);
            build_text(b, hex);
        } else if (ascii && c >= 0x10000) {
            c -= 0x10000;
            fmt(hex, sizeof hex, "\\u%04x\\u%04x", (unsigned)(0xd800 + (c >> 10)),
                (unsigned)(0xdc00 + (c & 1023)));
            build_text(b, hex);
        } else
            build_add(b, v.s + from, i - from);
    }
    build_char(b, '"');
}

static void json_value(struct build *b, struct value v, const struct json_style *s, uint32_t level);

static void json_line(struct build *b, const struct json_style *s, uint32_t level) {
    if (s->indent.kind == V_NONE) return;
    build_char(b, '\n');
    for (uint32_t i = 0; i < level && !b->j->failed; i++) build_add(b, s->indent.s, s->indent.n);
}

static void json_key(struct build *b, struct value key, const struct json_style *s) {
    struct build text = build_new(b->j);
    if (key.kind == V_STRING) {
        json_string(b, key, s->ascii);
        return;
    }
    if (!is_number(key) && key.kind != V_NONE && key.kind != V_BIG) {
        jinja_fail(b->j, "keys must be str, int, float, bool or None, not %s", type_name(key));
        return;
    }
    json_value(&text, key, s, 0);
    json_string(b, build_end(&text), s->ascii);
}

static void json_dict(struct build *b, const struct dict *d, const struct json_style *s,
                      uint32_t level) {
    struct jinja *j = b->j;
    uint32_t *order = jinja_take(j, heap_mul(d->n, sizeof *order));
    if (!order) return;
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t k = i;
        for (; s->sort && k > 0 && !j->failed; k--) {
            if (jinja_compare(j, d->at[order[k - 1]].key, d->at[i].key) <= 0) break;
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    build_char(b, '{');
    for (uint32_t i = 0; i < d->n && !j->failed; i++) {
        if (i) build_add(b, s->item.s, s->item.n);
        json_line(b, s, level + 1);
        json_key(b, d->at[order[i]].key, s);
        build_add(b, s->key.s, s->key.n);
        json_value(b, d->at[order[i]].value, s, level + 1);
    }
    if (d->n) json_line(b, s, level);
    build_char(b, '}');
}

static void json_value(struct build *b, struct value v, const struct json_style *s,
                       uint32_t level) {
    struct jinja *j = b->j;
    if (++j->depth > NATIVE_DEPTH) jinja_fail_code(j, SOTTO_LIMIT, "nests too deeply");
    if (!jinja_steps(j, 1)) return;
    switch (v.kind) {
    case V_NONE:
        build_text(b, "null");
        break;
    case V_BOOL:
        build_text(b, v.i ? "true" : "false");
        break;
    case V_STRING:
        json_string(b, v, s->ascii);
        break;
    case V_FLOAT:
        if (v.d != v.d)
            build_text(b, "NaN");
        else if (v.d - v.d != 0)
            build_text(b, v.d < 0 ? "-Infinity" : "Infinity");
        else
            build_float(b, v.d);
        break;
    case V_INT:
    case V_BIG:
        build_repr(b, v);
        break;
    case V_DICT:
        json_dict(b, v.dict, s, level);
        break;
    case V_LIST:
    case V_TUPLE:
        build_char(b, '[');
        for (uint32_t i = 0; i < v.list->n && !j->failed; i++) {
            if (i) build_add(b, s->item.s, s->item.n);
            json_line(b, s, level + 1);
            json_value(b, v.list->at[i], s, level + 1);
        }
        if (v.list->n) json_line(b, s, level);
        build_char(b, ']');
        break;
    default:
        jinja_fail(j, "Object of type %s is not JSON serializable", type_name(v));
    }
    j->depth--;
}

/* Arguments: ensure_ascii, indent, separators, sort_keys. */
void build_json(struct build *b, struct value v, const struct args *a) {
    struct jinja *j = b->j;
    struct json_style s = {.item = v_text(", "), .key = v_text(": ")};
    struct value separators;
    s.ascii = arg_true(a, 0, "ensure_ascii", false);
    s.sort = arg_true(a, 3, "sort_keys", false);
    if (!arg(a, 1, "indent", &s.indent) || s.indent.kind == V_UNDEFINED) s.indent = v_none();
    if (s.indent.kind != V_NONE) s.item = v_text(",");
    if (is_int(s.indent)) {
        struct build spaces = build_new(j);
        if (s.indent.i > 1000)
            jinja_fail(j, "an indent of %lld is too wide", (long long)s.indent.i);
        for (int64_t i = 0; i < s.indent.i && !j->failed; i++) build_char(&spaces, ' ');
        s.indent = build_end(&spaces);
    }
    if (s.indent.kind != V_NONE && s.indent.kind != V_STRING)
        jinja_fail(j, "indent must be an integer or a string");
    if (arg(a, 2, "separators", &separators) && separators.kind != V_NONE) {
        if ((separators.kind != V_TUPLE && separators.kind != V_LIST) || separators.list->n != 2 ||
            separators.list->at[0].kind != V_STRING || separators.list->at[1].kind != V_STRING) {
            jinja_fail(j, "separators must be two strings");
            return;
        }
        s.item = separators.list->at[0];
        s.key = separators.list->at[1];
    }
    if (!j->failed) json_value(b, v, &s, 0);
}

/* ---- format specifications ------------------------------------------------------------------- */
struct spec {
    char align, sign, type, fill[4];
    uint8_t fill_size;
    bool alternate, zero, comma;
    int32_t width, precision;
};

static struct value pad(struct jinja *j, struct value text, const struct spec *s, char otherwise) {
    struct build b = build_new(j);
    char align = s->align ? s->align : otherwise;
    int64_t missing = s->width - (int64_t)n_chars(text.s, text.n), left;
    size_t head = 0;
    if (missing <= 0 || j->failed) return text;
    left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    if (align == '=') { /* behind sign and prefix */
        head = text.n && (text.s[0] == '-' || text.s[0] == '+' || text.s[0] == ' ');
        if (text.n - head > 1 && text.s[head] == '0' && s->alternate && s->type != 'd') head += 2;
        build_add(&b, text.s, head);
    }
    for (int64_t i = 0; i < left && !j->failed; i++) build_add(&b, s->fill, s->fill_size);
    build_add(&b, text.s + head, text.n - head);
    for (int64_t i = left; i < missing && !j->failed; i++) build_add(&b, s->fill, s->fill_size);
    return build_end(&b);
}

static void put_sign(struct build *b, bool negative, char sign) {
    if (negative)
        build_char(b, '-');
    else if (sign == '+' || sign == ' ')
        build_char(b, sign);
}

static void put_grouped(struct build *b, const char *digits, int n, bool comma) {
    for (int i = 0; i < n; i++) {
        if (comma && i && (n - i) % 3 == 0) build_char(b, ',');
        build_char(b, digits[i]);
    }
}

static struct value format_int(struct jinja *j, int64_t i, const struct spec *s) {
    struct build b = build_new(j);
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    char digits[72];
    int n = 0, base = s->type == 'x' || s->type == 'X' ? 16
                      : s->type == 'o'                 ? 8
                      : s->type == 'b'                 ? 2
                                                       : 10;
    do {
        digits[71 - n++] =
            (s->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % (uint64_t)base];
        u /= (uint64_t)base;
    } while (u);
    put_sign(&b, i < 0, s->sign);
    if (s->alternate && base != 10) {
        build_char(&b, '0');
        build_char(&b, s->type);
    }
    put_grouped(&b, digits + 72 - n, n, s->comma);
    return build_end(&b);
}

static void put_exponent(struct build *b, const char *digits, int n, int exponent, char letter) {
    char text[16];
    build_add(b, digits, 1);
    if (n > 1) {
        build_char(b, '.');
        build_add(b, digits + 1, (size_t)n - 1);
    }
    fmt(text, sizeof text, "%c%c%02d", letter, exponent < 0 ? '-' : '+',
        exponent < 0 ? -exponent : exponent);
    build_text(b, text);
}

static struct value format_float(struct jinja *j, double d, const struct spec *s) {
    struct build b = build_new(j);
    char digits[FMT_DIGITS_MAX];
    int exponent, n, precision = s->precision < 0 ? 6 : s->precision;
    put_sign(&b, fmt_sign(d), s->sign);
    if (d - d != 0) {
        build_text(&b, d != d ? "nan" : "inf");
        return build_end(&b);
    }
    if (precision > 60) return jinja_fail(j, "a precision of %d is too large", precision);
    if (s->type == '%') d *= 100;
    if (s->type == 'e' || s->type == 'E') {
        n = fmt_digits_round(digits, &exponent, d, precision + 1);
        while (n < precision + 1) digits[n++] = '0';
        put_exponent(&b, digits, n, d == 0 ? 0 : exponent - 1, s->type);
    } else if (s->type == 'g' || s->type == 'G') {
        if (precision == 0) precision = 1;
        n = fmt_digits_round(digits, &exponent, d, precision);
        while (n > 1 && digits[n - 1] == '0') n--;
        if (exponent > precision || exponent < -3)
            put_exponent(&b, digits, n, exponent - 1, s->type == 'g' ? 'e' : 'E');
        else {
            if (exponent <= 0) build_text(&b, "0.");
            for (int i = exponent; i < 0; i++) build_char(&b, '0');
            for (int i = 0; i < n || i < exponent; i++) {
                if (i && i == exponent) build_char(&b, '.');
                build_char(&b, i < n ? digits[i] : '0');
            }
        }
    } else {
        n = fmt_digits_fixed(digits, &exponent, d, precision);
        if (exponent <= 0) build_char(&b, '0');
        for (int i = 0; i < exponent; i++) {
            if (s->comma && i && (exponent - i) % 3 == 0) build_char(&b, ',');
            build_char(&b, i < n ? digits[i] : '0');
        }
        if (precision) build_char(&b, '.');
        for (int i = 0; i < precision; i++) {
            int k = exponent + i;
            build_char(&b, k >= 0 && k < n ? digits[k] : '0');
        }
        if (s->type == '%') build_char(&b, '%');
    }
    return build_end(&b);
}

static struct value apply(struct jinja *j, struct value v, struct spec *s) {
    if (!s->fill_size) {
        s->fill[0] = s->zero ? '0' : ' ';
        s->fill_size = 1;
    }
    if (s->zero && !s->align) s->align = '=';
    if (s->width > 10000) return jinja_fail(j, "a width of %d is too large", s->width);
    if (s->type == 's' || (!s->type && !is_number(v)) || (!s->type && v.kind == V_BOOL)) {
        v = jinja_str(j, v);
        if (s->precision >= 0 && !j->failed)
            v.n = (uint32_t)char_at(v.s, v.n, (size_t)s->precision);
        if (s->align == '=') s->align = '>', s->fill[0] = ' ';
        return pad(j, v, s, '<');
    }
    if (!is_number(v))
        return jinja_fail(j, "a number is required to format with '%c', not %s", s->type,
                          type_name(v));
    if (s->type == 'c') {
        struct build b = build_new(j);
        build_code_point(&b, v.i >= 0 && v.i < 0x110000 && is_int(v) ? (uint32_t)v.i : 0xfffd);
        return pad(j, build_end(&b), s, '<');
    }
    if (!s->type && v.kind == V_FLOAT && s->precision < 0) {
        struct build b = build_new(j);
        if (!fmt_sign(v.d)) put_sign(&b, false, s->sign);
        build_float(&b, v.d);
        return pad(j, build_end(&b), s, '>');
    }
    if (!s->type) s->type = v.kind == V_FLOAT ? 'g' : 'd';
    if (s->type == 'd' || s->type == 'x' || s->type == 'X' || s->type == 'o' || s->type == 'b') {
        if (v.kind == V_FLOAT) return jinja_fail(j, "format '%c' needs an integer", s->type);
        return pad(j, format_int(j, v.i, s), s, '>');
    }
    if (s->type == 'F') s->type = 'f';
    if (s->type != 'f' && s->type != 'e' && s->type != 'E' && s->type != 'g' && s->type != 'G' &&
        s->type != '%')
        return jinja_fail(j, "unknown format code '%c'", s->type);
    return pad(j, format_float(j, to_double(v), s), s, '>');
}

static size_t read_int(const char *s, size_t n, size_t i, int32_t *out) {
    int64_t v = 0;
    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++)
        if (v < 1000000) v = v * 10 + (s[i] - '0');
    *out = (int32_t)v;
    return i;
}

/* ---- "%s" % x -------------------------------------------------------------------------------- */
struct value format_percent(struct jinja *j, struct value format, const struct args *a) {
    struct build b = build_new(j);
    const char *s = format.s;
    size_t n = format.n, i = 0;
    uint32_t next = 0;
    while (i < n && !j->failed) {
        struct spec spec = {.precision = -1};
        struct value v;
        bool repr = false;
        size_t from = i;
        while (i < n && s[i] != '%') i++;
        build_add(&b, s + from, i - from);
        if (i++ >= n) break;
        if (i < n && s[i] == '%') {
            build_char(&b, '%');
            i++;
            continue;
        }
        if (i < n && s[i] == '(') { /* a key of the one dict given, or of the keywords */
            size_t key = ++i;
            while (i < n && s[i] != ')') i++;
            v = v_str(s + key, i - key);
            i++;
            if (a->n_positional == 1 && a->at[0].kind == V_DICT) {
                struct value *hit = dict_get(j, a->at[0].dict, v);
                if (!hit) return jinja_fail(j, "the format's key '%.*s' is missing", (int)v.n, v.s);
                v = *hit;
            } else {
                uint32_t k = a->n_positional;
                while (k < a->n && (a->names[k - a->n_positional]->n != v.n ||
                                    memcmp(a->names[k - a->n_positional]->s, v.s, v.n) != 0))
                    k++;
                if (k == a->n)
                    return jinja_fail(j, "the format's key '%.*s' is missing", (int)v.n, v.s);
                v = a->at[k];
            }
            next = a->n_positional;
        } else
            v.kind = V_LOOP;
        for (; i < n; i++) {
            if (s[i] == '-')
                spec.align = '<';
            else if (s[i] == '+' || s[i] == ' ')
                spec.sign = s[i];
            else if (s[i] == '0')
                spec.zero = true;
            else if (s[i] == '#')
                spec.alternate = true;
            else
                break;
        }
        i = read_int(s, n, i, &spec.width);
        if (i < n && s[i] == '.') i = read_int(s, n, i + 1, &spec.precision);
        if (i >= n) return jinja_fail(j, "incomplete format");
        spec.type = s[i++];
        if (v.kind == V_LOOP) {
            if (next >= a->n_positional)
                return jinja_fail(j, "not enough arguments for format string");
            v = a->at[next++];
        }
        if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
        if (spec.type == 'r' || spec.type == 'a') repr = true, spec.type = 's';
        if (spec.type == 'd' && v.kind == V_FLOAT)
            v = v_int((int64_t)(v.d > 9e18 ? 9e18 : v.d < -9e18 ? -9e18 : v.d == v.d ? v.d : 0));
        if (!spec.align) spec.align = spec.zero && spec.type != 's' ? '=' : '>';
        if (spec.align == '<') spec.zero = false;
        if (repr) {
            struct build text = build_new(j);
            build_repr(&text, v);
            v = build_end(&text);
        }
        v = apply(j, v, &spec);
        if (!j->failed) build_add(&b, v.s, v.n);
    }
    if (!j->failed && next < a->n_positional &&
        !(a->n_positional == 1 && (a->at[0].kind == V_DICT || a->at[0].kind == V_LIST)))
        return jinja_fail(j, "not all arguments converted during string formatting");
    format = build_end(&b);
    return format;
}

/* ---- "{}".format(x) -------------------------------------------------------------------------- */
static bool is_align(char c) {
    return c == '<' || c == '>' || c == '^' || c == '=';
}

static void read_spec(struct jinja *j, struct spec *spec, const char *s, size_t n) {
    size_t i = 0, first = 0;
    if (n) code_point(s, n, &first);
    if (first && first < n && first <= 4 && is_align(s[first])) {
        memcpy(spec->fill, s, first);
        spec->fill_size = (uint8_t)first;
        spec->align = s[first];
        i = first + 1;
    } else if (n && is_align(s[0]))
        spec->align = s[i++];
    if (i < n && (s[i] == '+' || s[i] == '-' || s[i] == ' ')) spec->sign = s[i++];
    if (i < n && s[i] == '#') spec->alternate = true, i++;
    if (i < n && s[i] == '0') spec->zero = true, i++;
    i = read_int(s, n, i, &spec->width);
    if (i < n && s[i] == ',') spec->comma = true, i++;
    if (i < n && s[i] == '.') i = read_int(s, n, i + 1, &spec->precision);
    if (i < n) spec->type = s[i++];
    if (i < n) jinja_fail(j, "invalid format specifier '%.*s'", (int)n, s);
}

/* The value a replacement field names: 0, name, name.attribute, 0[key]. */
static struct value field(struct jinja *j, const struct args *a, const char *s, size_t n,
                          uint32_t *next) {
    size_t i = 0;
    int32_t index;
    struct value v = v_undefined();
    while (i < n && s[i] != '.' && s[i] != '[') i++;
    if (i == 0 || (s[0] >= '0' && s[0] <= '9')) {
        if (i == 0)
            index = (int32_t)(*next)++;
        else
            read_int(s, i, 0, &index);
        if ((uint32_t)index >= a->n_positional)
            return jinja_fail(j, "the format refers to argument %d, which is not given", index);
        v = a->at[index];
    } else {
        uint32_t k = a->n_positional;
        while (k < a->n && (a->names[k - a->n_positional]->n != i ||
                            memcmp(a->names[k - a->n_positional]->s, s, i) != 0))
            k++;
        if (k == a->n)
            return jinja_fail(j, "the format refers to '%.*s', which is not given", (int)i, s);
        v = a->at[k];
    }
    while (i < n && !j->failed) {
        bool item = s[i++] == '[';
        size_t from = i;
        while (i < n && s[i] != ']' && (item || (s[i] != '.' && s[i] != '['))) i++;
        if (item && from < n && s[from] >= '0' && s[from] <= '9') {
            read_int(s, i, from, &index);
            v = jinja_item(j, v, v_int(index));
        } else
            v = item ? jinja_item(j, v, v_str(s + from, i - from))
                     : jinja_attr(j, v, v_str(s + from, i - from));
        if (item) i++;
    }
    return v;
}

struct value format_braces(struct jinja *j, struct value self, const struct args *a) {
    struct build b = build_new(j);
    const char *s = self.s;
    size_t n = self.n, i = 0;
    uint32_t next = 0;
    while (i < n && !j->failed) {
        struct spec spec = {.precision = -1};
        struct value v;
        size_t from = i, name, colon, end;
        char conversion = 0;
        while (i < n && s[i] != '{' && s[i] != '}') i++;
        build_add(&b, s + from, i - from);
        if (i >= n) break;
        if (i + 1 < n && s[i + 1] == s[i]) {
            build_char(&b, s[i]);
            i += 2;
            continue;
        }
        if (s[i] == '}') return jinja_fail(j, "Single '}' encountered in format string");
        name = ++i;
        while (i < n && s[i] != '}' && s[i] != '{') i++;
        if (i >= n || s[i] == '{') return jinja_fail(j, "expected '}' in format string");
        end = i++;
        colon = name;
        while (colon < end && s[colon] != ':' && s[colon] != '!') colon++;
        v = field(j, a, s + name, colon - name, &next);
        if (colon < end && s[colon] == '!' && colon + 1 < end) {
            conversion = s[colon + 1];
            colon += 2;
        }
        if (colon < end) read_spec(j, &spec, s + colon + 1, end - colon - 1);
        if (j->failed) break;
        if (conversion) {
            struct build text = build_new(j);
            if (conversion == 's')
                build_value(&text, v);
            else
                build_repr(&text, v);
            v = build_end(&text);
        }
        v = apply(j, v, &spec);
        if (!j->failed) build_add(&b, v.s, v.n);
    }
    return build_end(&b);
}
