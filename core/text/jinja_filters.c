/* The filters, and the table of their names. Arguments are named as Jinja2 names them. */
#include "base/fmath.h"
#include "base/fmt_digits.h"
#include "text/jinja_impl.h"

#define FILTER(name) static struct value name(struct jinja *j, struct value v, const struct args *a)
#define UNUSED (void)j, (void)v, (void)a

/* ---- arguments --------------------------------------------------------------------------------------- */
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

int64_t arg_int(struct jinja *j, const struct args *a, uint32_t i, const char *name, int64_t otherwise) {
    struct value v;
    if (!arg(a, i, name, &v) || v.kind == V_NONE) return otherwise;
    if (!is_int(v)) jinja_fail(j, "argument '%s' must be an integer, not %s", name, type_name(v));
    return is_int(v) ? v.i : 0;
}

struct value arg_text(struct jinja *j, const struct args *a, uint32_t i, const char *name, const char *otherwise) {
    struct value v;
    return arg(a, i, name, &v) ? jinja_str(j, v) : v_text(otherwise);
}

/* ---- attributes and order ---------------------------------------------------------------------------- */
/* attribute of v as make_attrgetter takes it: an integer, or names and integers with dots between. */
static struct value get_path(struct jinja *j, struct value v, struct value path) {
    if (path.kind != V_STRING) return jinja_item(j, v, path);
    for (uint32_t from = 0, i = 0; i <= path.n && !j->failed; i++) {
        int64_t index = 0;
        bool number = i > from;
        if (i < path.n && path.s[i] != '.') continue;
        for (uint32_t k = from; k < i; k++) {
            number = number && path.s[k] >= '0' && path.s[k] <= '9' && index < INT32_MAX;
            index = index * 10 + (path.s[k] - '0');
            if (!number) break;
        }
        v = jinja_item(j, v, number ? v_int(index) : v_str(path.s + from, i - from));
        from = i + 1;
    }
    return v;
}

struct order {
    struct value attribute;
    bool has_attribute, case_sensitive, reverse;
};

static struct value order_key(struct jinja *j, struct value v, const struct order *o) {
    if (o->has_attribute) v = get_path(j, v, o->attribute);
    if (!o->case_sensitive && v.kind == V_STRING) v = change_case(j, v, CASE_LOWER);
    return v;
}

/* Stable merge sort of n entries by key; spare has room for as many. */
static void sort(struct jinja *j, struct entry *at, struct entry *spare, uint32_t n, bool reverse) {
    for (uint32_t width = 1; width < n && !j->failed; width *= 2) {
        for (uint32_t from = 0; from < n && !j->failed; from += 2 * width) {
            uint32_t mid = from + width < n ? from + width : n, end = mid + width < n ? mid + width : n;
            uint32_t a = from, b = mid, to = from;
            while (a < mid || b < end) {
                bool right = a == mid;
                if (!right && b < end) {
                    int c = jinja_compare(j, at[b].key, at[a].key);
                    right = reverse ? c > 0 : c < 0;
                }
                spare[to++] = right ? at[b++] : at[a++];
            }
        }
        memcpy(at, spare, n * sizeof *at);
        if (width > UINT32_MAX / 4) break;
    }
}

/* The items of v sorted, as entries {key, item}. */
static struct entry *sorted(struct jinja *j, struct value v, const struct order *o, uint32_t *n) {
    struct list items;
    struct entry *at, *spare;
    if (!jinja_items(j, v, &items)) return NULL;
    *n = items.n;
    at = jinja_take(j, heap_mul(items.n, sizeof *at));
    spare = jinja_take(j, heap_mul(items.n, sizeof *spare));
    if (!spare) return NULL;
    for (uint32_t i = 0; i < items.n && !j->failed; i++) at[i] = (struct entry){order_key(j, items.at[i], o), items.at[i]};
    sort(j, at, spare, items.n, o->reverse);
    return j->failed ? NULL : at;
}

FILTER(f_sort) {
    struct order o = {.reverse = arg_true(a, 0, "reverse", false), .case_sensitive = arg_true(a, 1, "case_sensitive", false)};
    struct value out = list_new(j, V_LIST);
    uint32_t n = 0;
    struct entry *at;
    o.has_attribute = arg(a, 2, "attribute", &o.attribute) && o.attribute.kind != V_NONE;
    at = sorted(j, v, &o, &n);
    for (uint32_t i = 0; at && i < n; i++) list_add(j, out.list, at[i].value);
    return out;
}

static struct value pair(struct jinja *j, struct value a, struct value b) {
    struct value out = list_new(j, V_TUPLE);
    if (j->failed) return out;
    list_add(j, out.list, a);
    list_add(j, out.list, b);
    return out;
}

/* Items of a dict as pairs, in a list or a generator. */
static struct value pairs(struct jinja *j, struct value v, enum kind kind) {
    struct value out = list_new(j, kind);
    if (v.kind == V_UNDEFINED) return out;
    if (v.kind != V_DICT) return jinja_fail(j, "Can only get item pairs from a mapping.");
    for (uint32_t i = 0; i < v.dict->n && !j->failed; i++)
        list_add(j, out.list, pair(j, v.dict->at[i].key, v.dict->at[i].value));
    return out;
}

FILTER(f_items) { (void)a; return pairs(j, v, V_GENERATOR); }

FILTER(f_dictsort) {
    struct value by = arg_text(j, a, 1, "by", "key"), out = list_new(j, V_LIST);
    struct order o = {.case_sensitive = arg_true(a, 0, "case_sensitive", false), .reverse = arg_true(a, 2, "reverse", false),
                      .has_attribute = true, .attribute = v_int(v_is(by, "value"))};
    uint32_t n = 0;
    struct entry *at;
    if (v.kind == V_UNDEFINED) return jinja_undefined_used(j, v);
    at = sorted(j, pairs(j, v, V_LIST), &o, &n);
    for (uint32_t i = 0; at && i < n; i++) list_add(j, out.list, at[i].value);
    return out;
}

static struct value extreme(struct jinja *j, struct value v, const struct args *a, int sign) {
    struct order o = {.case_sensitive = arg_true(a, 0, "case_sensitive", false)};
    struct value best = v_undefined(), best_key = best;
    struct list items;
    o.has_attribute = arg(a, 1, "attribute", &o.attribute);
    if (!jinja_items(j, v, &items)) return best;
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        struct value key = order_key(j, items.at[i], &o);
        if (i && jinja_compare(j, key, best_key) * sign <= 0) continue;
        best = items.at[i];
        best_key = key;
    }
    return best;
}
FILTER(f_min_of) { return extreme(j, v, a, -1); }
FILTER(f_max_of) { return extreme(j, v, a, 1); }

FILTER(f_unique) {
    struct order o = {.case_sensitive = arg_true(a, 0, "case_sensitive", false)};
    struct value out = list_new(j, V_GENERATOR), seen = list_new(j, V_LIST);
    struct list items;
    o.has_attribute = arg(a, 1, "attribute", &o.attribute) && o.attribute.kind != V_NONE;
    if (!jinja_items(j, v, &items)) return out;
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        struct value key = order_key(j, items.at[i], &o);
        if (j->failed || jinja_contains(j, seen, key)) continue;
        list_add(j, seen.list, key);
        list_add(j, out.list, items.at[i]);
    }
    return out;
}

FILTER(f_groupby) {
    struct order o = {.case_sensitive = arg_true(a, 2, "case_sensitive", false), .has_attribute = true};
    struct value out = list_new(j, V_LIST), group = v_undefined(), otherwise;
    bool has_default = arg(a, 1, "default", &otherwise) && otherwise.kind != V_NONE;
    uint32_t n = 0;
    struct entry *at;
    if (!arg(a, 0, "attribute", &o.attribute)) return jinja_fail(j, "groupby wants an attribute");
    at = sorted(j, v, &o, &n);
    for (uint32_t i = 0; at && i < n && !j->failed; i++) {
        if (i == 0 || !jinja_equal(j, at[i].key, at[i - 1].key)) {
            struct value name = get_path(j, at[i].value, o.attribute);
            if (name.kind == V_UNDEFINED && has_default) name = otherwise;
            group = list_new(j, V_LIST);
            if (!j->failed) list_add(j, out.list, pair(j, name, group));
        }
        if (!j->failed) list_add(j, group.list, at[i].value);
    }
    return out;
}

/* ---- map, select, reject ------------------------------------------------------------------------------ */
static struct args rest_of(const struct args *a, uint32_t n) {
    if (n > a->n_positional) n = a->n_positional;
    return (struct args){a->at + n, a->names, a->n - n, a->n_positional - n};
}

/* The items of v; none where v counts as false, None included. */
static bool some_items(struct jinja *j, struct value v, struct list *items) {
    *items = (struct list){0};
    return jinja_true(v) ? jinja_items(j, v, items) : !j->failed;
}

FILTER(f_map) {
    struct value out = list_new(j, V_GENERATOR), name, otherwise = v_undefined();
    struct args rest = rest_of(a, 1);
    struct list items;
    builtin call = NULL;
    bool path = a->n_positional == 0;
    if (path) {
        if (!arg(a, 0, "attribute", &name)) return jinja_fail(j, "map wants a filter or an attribute");
        arg(a, UINT32_MAX, "default", &otherwise);
    } else {
        name = a->at[0];
        call = name.kind == V_STRING ? jinja_filter(name) : NULL;
        if (!call) return jinja_fail(j, "No filter named '%.*s'", name.kind == V_STRING ? (int)name.n : 0, name.s);
    }
    if (!some_items(j, v, &items)) return out;
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        struct value item = path ? get_path(j, items.at[i], name) : call(j, items.at[i], &rest);
        if (path && item.kind == V_UNDEFINED && otherwise.kind != V_UNDEFINED) item = otherwise;
        if (!j->failed) list_add(j, out.list, item);
    }
    return out;
}

static struct value choose(struct jinja *j, struct value v, const struct args *a, bool wanted, bool attribute) {
    struct value out = list_new(j, V_GENERATOR), name;
    struct args rest = rest_of(a, attribute + 1u);
    struct list items;
    builtin call = NULL;
    if (attribute && a->n_positional == 0) return jinja_fail(j, "missing the name of the attribute");
    if (a->n_positional > attribute) {
        name = a->at[attribute];
        call = name.kind == V_STRING ? jinja_test(name) : NULL;
        if (!call) return jinja_fail(j, "No test named '%.*s'", name.kind == V_STRING ? (int)name.n : 0, name.s);
    }
    if (!some_items(j, v, &items)) return out;
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        struct value x = attribute ? get_path(j, items.at[i], a->at[0]) : items.at[i];
        if (j->failed) break;
        if (call) x = call(j, x, &rest);
        if (!j->failed && jinja_true(x) == wanted) list_add(j, out.list, items.at[i]);
    }
    return out;
}
FILTER(f_select) { return choose(j, v, a, true, false); }
FILTER(f_reject) { return choose(j, v, a, false, false); }
FILTER(f_selectattr) { return choose(j, v, a, true, true); }
FILTER(f_rejectattr) { return choose(j, v, a, false, true); }

/* ---- sequences --------------------------------------------------------------------------------------- */
FILTER(f_length) {
    int64_t n = jinja_length(j, v);
    (void)a;
    return n >= 0 || j->failed ? v_int(n) : jinja_fail(j, "object of type '%s' has no len()", type_name(v));
}

FILTER(f_list) {
    struct value out = list_new(j, V_LIST);
    struct list items;
    (void)a;
    if (!jinja_items(j, v, &items)) return out;
    for (uint32_t i = 0; i < items.n; i++) list_add(j, out.list, items.at[i]);
    return out;
}

FILTER(f_first) {
    struct list items;
    (void)a;
    return jinja_items(j, v, &items) && items.n ? items.at[0] : v_undefined();
}

FILTER(f_last) {
    struct list items;
    (void)a;
    if (v.kind == V_GENERATOR) return jinja_fail(j, "'generator' object is not reversible");
    return jinja_items(j, v, &items) && items.n ? items.at[items.n - 1] : v_undefined();
}

FILTER(f_reverse) {
    struct value out = list_new(j, V_GENERATOR);
    struct build b = build_new(j);
    struct list items;
    (void)a;
    if (!jinja_items(j, v, &items)) return out;
    for (uint32_t i = items.n; i-- > 0 && !j->failed;) {
        if (v.kind == V_STRING) build_add(&b, items.at[i].s, items.at[i].n);
        else list_add(j, out.list, items.at[i]);
    }
    return v.kind == V_STRING ? build_end(&b) : out;
}

FILTER(f_join) {
    struct value between = arg_text(j, a, 0, "d", ""), attribute;
    struct build b = build_new(j);
    struct list items;
    bool path = arg(a, 1, "attribute", &attribute) && attribute.kind != V_NONE;
    if (!jinja_items(j, v, &items)) return v_undefined();
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        struct value item = path ? get_path(j, items.at[i], attribute) : items.at[i];
        if (i) build_add(&b, between.s, between.n);
        if (!j->failed) build_value(&b, item);
    }
    return build_end(&b);
}

FILTER(f_sum) {
    struct value attribute, total;
    struct list items;
    bool path = arg(a, 0, "attribute", &attribute) && attribute.kind != V_NONE;
    if (!arg(a, 1, "start", &total)) total = v_int(0);
    if (!jinja_items(j, v, &items)) return v_undefined();
    for (uint32_t i = 0; i < items.n && !j->failed; i++)
        total = jinja_binary(j, '+', total, path ? get_path(j, items.at[i], attribute) : items.at[i]);
    return total;
}

FILTER(f_batch) {
    struct value out = list_new(j, V_GENERATOR), row = v_undefined(), fill;
    int64_t n = arg_int(j, a, 0, "linecount", 0);
    bool has_fill = arg(a, 1, "fill_with", &fill) && fill.kind != V_NONE;
    struct list items;
    if (n < 1) return jinja_fail(j, "batch wants a positive count");
    if (!jinja_items(j, v, &items)) return out;
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        if (i % (uint64_t)n == 0) {
            row = list_new(j, V_LIST);
            if (!j->failed) list_add(j, out.list, row);
        }
        if (!j->failed) list_add(j, row.list, items.at[i]);
    }
    while (has_fill && items.n && !j->failed && row.list->n < n) list_add(j, row.list, fill);
    return out;
}

FILTER(f_slice) {
    struct value out = list_new(j, V_GENERATOR), fill;
    int64_t n = arg_int(j, a, 0, "slices", 0), at = 0;
    bool has_fill = arg(a, 1, "fill_with", &fill) && fill.kind != V_NONE;
    struct list items;
    if (n < 1) return jinja_fail(j, "slice wants a positive count");
    if (!jinja_items(j, v, &items)) return out;
    for (int64_t k = 0; k < n && !j->failed; k++) {
        struct value row = list_new(j, V_LIST);
        int64_t take = items.n / n + (k < items.n % n);
        for (int64_t i = 0; i < take && !j->failed; i++) list_add(j, row.list, items.at[at++]);
        if (has_fill && k >= items.n % n && items.n % n && !j->failed) list_add(j, row.list, fill);
        if (!j->failed) list_add(j, out.list, row);
    }
    return out;
}

/* ---- text -------------------------------------------------------------------------------------------- */
FILTER(f_upper) { (void)a; return change_case(j, v, CASE_UPPER); }
FILTER(f_lower) { (void)a; return change_case(j, v, CASE_LOWER); }
FILTER(f_capitalize) { (void)a; return change_case(j, v, CASE_CAPITALIZE); }
FILTER(f_string) { (void)a; return jinja_str(j, v); }
FILTER(f_escape) { (void)a; return jinja_escape(j, v); }

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

static struct value replace(struct jinja *j, struct value v, struct value from, struct value to, int64_t count) {
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
        if (width.i > 1000) return jinja_fail(j, "an indent of %lld is too wide", (long long)width.i);
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
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '.' || c == '-' || c == '~' || c == '/';
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

/* ---- numbers ----------------------------------------------------------------------------------------- */
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
        int c = v.s[i], d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10 : 99;
        if (d >= base || __builtin_mul_overflow(u, (uint64_t)base, &u) || __builtin_add_overflow(u, (uint64_t)d, &u) || u > INT64_MAX)
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

/* ---- the rest ---------------------------------------------------------------------------------------- */
FILTER(f_default) {
    struct value otherwise;
    if (!arg(a, 0, "default_value", &otherwise)) otherwise = v_text("");
    UNUSED;
    return v.kind == V_UNDEFINED || (arg_true(a, 1, "boolean", false) && !jinja_true(v)) ? otherwise : v;
}

FILTER(f_attr) {
    struct value name = arg_text(j, a, 0, "name", "");
    if (v.kind == V_DICT && dict_get(j, v.dict, name) && !jinja_method(v, name, &(bool){false})) return v_undefined();
    return jinja_attr(j, v, name);
}

builtin jinja_filter(struct value name) {
    static const struct row rows[] = {
        {"abs", f_absolute}, {"attr", f_attr}, {"batch", f_batch}, {"capitalize", f_capitalize}, {"count", f_length},
        {"d", f_default}, {"default", f_default}, {"dictsort", f_dictsort}, {"e", f_escape}, {"escape", f_escape},
        {"first", f_first}, {"float", f_float}, {"forceescape", f_forceescape}, {"format", f_format},
        {"groupby", f_groupby}, {"indent", f_indent}, {"int", f_int}, {"items", f_items}, {"join", f_join},
        {"last", f_last}, {"length", f_length}, {"list", f_list}, {"lower", f_lower}, {"map", f_map}, {"max", f_max_of},
        {"min", f_min_of}, {"reject", f_reject}, {"rejectattr", f_rejectattr}, {"replace", f_replace},
        {"reverse", f_reverse}, {"round", f_round}, {"safe", f_safe}, {"select", f_select},
        {"selectattr", f_selectattr}, {"slice", f_slice}, {"sort", f_sort}, {"string", f_string}, {"sum", f_sum},
        {"title", f_title}, {"tojson", f_tojson}, {"trim", f_trim}, {"truncate", f_truncate}, {"unique", f_unique},
        {"upper", f_upper}, {"urlencode", f_urlencode}, {"wordcount", f_wordcount},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (v_is(name, rows[i].name)) return rows[i].call;
    return NULL;
}
