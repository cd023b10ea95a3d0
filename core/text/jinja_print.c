/* str() and repr() of values, as Python prints them. */
#include "text/jinja_impl.h"

static void repr_string(struct build *b, struct value v) {
    bool has_single = false, has_double = false;
    char quote, hex[12];
    for (uint32_t i = 0; i < v.n; i++) {
        has_single |= v.s[i] == '\'';
        has_double |= v.s[i] == '"';
    }
    quote = has_single && !has_double ? '"' : '\'';
    build_char(b, quote);
    for (size_t i = 0, from = 0; i < v.n && !b->j->failed; from = i) {
        uint32_t c = code_point(v.s, v.n, &i);
        if (c == '\n')
            build_text(b, "\\n");
        else if (c == '\r')
            build_text(b, "\\r");
        else if (c == '\t')
            build_text(b, "\\t");
        else if (c == '\\' || c == (uint8_t)quote) {
            build_char(b, '\\');
            build_char(b, (char)c);
        } else if (is_printable(c))
            build_add(b, v.s + from, i - from);
        else {
            fmt(hex, sizeof hex,
                c < 0x100     ? "\\x%02x"
                : c < 0x10000 ? "\\u%04x"
                              : "\\U%08x",
                (unsigned)c);
            build_text(b, hex);
        }
    }
    build_char(b, quote);
}

static void repr_items(struct build *b, const struct list *l, const char *open, const char *close) {
    build_text(b, open);
    for (uint32_t i = 0; i < l->n && !b->j->failed; i++) {
        if (i) build_text(b, ", ");
        build_repr(b, l->at[i]);
    }
    build_text(b, close);
}

static void repr_dict(struct build *b, const struct dict *d) {
    build_char(b, '{');
    for (uint32_t i = 0; i < d->n && !b->j->failed; i++) {
        if (i) build_text(b, ", ");
        build_repr(b, d->at[i].key);
        build_text(b, ": ");
        build_repr(b, d->at[i].value);
    }
    build_char(b, '}');
}

static void repr_range(struct build *b, const struct list *l) {
    char text[80];
    if (l->step == 1)
        fmt(text, sizeof text, "range(%lld, %lld)", (long long)l->start, (long long)l->stop);
    else
        fmt(text, sizeof text, "range(%lld, %lld, %lld)", (long long)l->start, (long long)l->stop,
            (long long)l->step);
    build_text(b, text);
}

void build_repr(struct build *b, struct value v) {
    char text[32];
    if (!jinja_deeper(b->j)) return;
    switch (v.kind) {
    case V_UNDEFINED:
        build_text(b, "Undefined");
        break;
    case V_NONE:
        build_text(b, "None");
        break;
    case V_BOOL:
        build_text(b, v.i ? "True" : "False");
        break;
    case V_INT:
        fmt(text, sizeof text, "%lld", (long long)v.i);
        build_text(b, text);
        break;
    case V_FLOAT:
        build_float(b, v.d);
        break;
    case V_BIG:
        build_add(b, v.s, v.n);
        break;
    case V_STRING:
        if (v.flag) build_text(b, "Markup(");
        repr_string(b, v);
        if (v.flag) build_char(b, ')');
        break;
    case V_LIST:
        repr_items(b, v.list, "[", "]");
        break;
    case V_TUPLE:
        repr_items(b, v.list, "(", v.list->n == 1 ? ",)" : ")");
        break;
    case V_RANGE:
        repr_range(b, v.list);
        break;
    case V_VIEW:
        repr_items(b, v.list,
                   v.flag == 'k'   ? "dict_keys(["
                   : v.flag == 'v' ? "dict_values(["
                                   : "dict_items([",
                   "])");
        break;
    case V_DICT:
        repr_dict(b, v.dict);
        break;
    case V_NAMESPACE:
        build_text(b, "<Namespace ");
        repr_dict(b, v.dict);
        build_char(b, '>');
        break;
    default:
        build_char(b, '<');
        build_text(b, type_name(v));
        build_char(b, '>');
    }
    b->j->depth--;
}

void build_value(struct build *b, struct value v) {
    if (v.kind == V_STRING)
        build_add(b, v.s, v.n);
    else if (v.kind != V_UNDEFINED)
        build_repr(b, v);
    else if (v.flag == UNSAFE)
        jinja_undefined_used(b->j, v);
}
