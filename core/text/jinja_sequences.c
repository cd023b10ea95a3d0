/* Filters of sequences and mappings: sorting, grouping, choosing, joining. */
#include "text/jinja_impl.h"

/* ---- attributes and order -------------------------------------------------------------------- */
/* attribute of v as make_attrgetter takes it: an integer, or names and integers with dots between.
 */
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
    bool several; /* the attribute may be a list with commas; the key is a list then */
};

static struct value plain_key(struct jinja *j, struct value v, const struct order *o) {
    if (!o->case_sensitive && v.kind == V_STRING) v = change_case(j, v, CASE_LOWER);
    return v;
}

static struct value order_key(struct jinja *j, struct value v, const struct order *o) {
    struct value keys, path = o->attribute;
    if (!o->has_attribute) return plain_key(j, v, o);
    if (!o->several) return plain_key(j, get_path(j, v, path), o);
    keys = list_new(j, V_LIST);
    for (uint32_t from = 0, i = 0; !j->failed && (path.kind != V_STRING || i <= path.n); i++) {
        if (path.kind == V_STRING && i < path.n && path.s[i] != ',') continue;
        if (path.kind == V_STRING) path = v_str(o->attribute.s + from, i - from);
        list_add(j, keys.list, plain_key(j, get_path(j, v, path), o));
        if (path.kind != V_STRING) break;
        path = o->attribute;
        from = i + 1;
    }
    return keys;
}

/* Stable merge sort of n entries by key; spare has room for as many. */
static void sort(struct jinja *j, struct entry *at, struct entry *spare, uint32_t n, bool reverse) {
    for (uint32_t width = 1; width < n && !j->failed; width *= 2) {
        for (uint32_t from = 0; from < n && !j->failed; from += 2 * width) {
            uint32_t mid = from + width < n ? from + width : n,
                     end = mid + width < n ? mid + width : n;
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
    for (uint32_t i = 0; i < items.n && !j->failed; i++)
        at[i] = (struct entry){order_key(j, items.at[i], o), items.at[i]};
    sort(j, at, spare, items.n, o->reverse);
    return j->failed ? NULL : at;
}

FILTER(f_sort) {
    struct order o = {.reverse = arg_true(a, 0, "reverse", false),
                      .case_sensitive = arg_true(a, 1, "case_sensitive", false)};
    struct value out = list_new(j, V_LIST);
    uint32_t n = 0;
    struct entry *at;
    o.has_attribute = arg(a, 2, "attribute", &o.attribute) && o.attribute.kind != V_NONE;
    o.several = o.has_attribute;
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

FILTER(f_items) {
    (void)a;
    return pairs(j, v, V_GENERATOR);
}

FILTER(f_dictsort) {
    struct value by = arg_text(j, a, 1, "by", "key"), out = list_new(j, V_LIST);
    struct order o = {.case_sensitive = arg_true(a, 0, "case_sensitive", false),
                      .reverse = arg_true(a, 2, "reverse", false),
                      .has_attribute = true,
                      .attribute = v_int(v_is(by, "value"))};
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
FILTER(f_min_of) {
    return extreme(j, v, a, -1);
}
FILTER(f_max_of) {
    return extreme(j, v, a, 1);
}

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
    struct order o = {.case_sensitive = arg_true(a, 2, "case_sensitive", false),
                      .has_attribute = true};
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

/* ---- map, select, reject --------------------------------------------------------------------- */
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
        if (!arg(a, 0, "attribute", &name))
            return jinja_fail(j, "map wants a filter or an attribute");
        arg(a, UINT32_MAX, "default", &otherwise);
    } else {
        name = a->at[0];
        call = name.kind == V_STRING ? jinja_filter(name) : NULL;
        if (!call)
            return jinja_fail(j, "No filter named '%.*s'", name.kind == V_STRING ? (int)name.n : 0,
                              name.s);
    }
    if (!some_items(j, v, &items)) return out;
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        struct value item = path ? get_path(j, items.at[i], name) : call(j, items.at[i], &rest);
        if (path && item.kind == V_UNDEFINED && otherwise.kind != V_UNDEFINED) item = otherwise;
        if (!j->failed) list_add(j, out.list, item);
    }
    return out;
}

static struct value choose(struct jinja *j, struct value v, const struct args *a, bool wanted,
                           bool attribute) {
    struct value out = list_new(j, V_GENERATOR), name;
    struct args rest = rest_of(a, attribute + 1u);
    struct list items;
    builtin call = NULL;
    if (attribute && a->n_positional == 0)
        return jinja_fail(j, "missing the name of the attribute");
    if (a->n_positional > attribute) {
        name = a->at[attribute];
        call = name.kind == V_STRING ? jinja_test(name) : NULL;
        if (!call)
            return jinja_fail(j, "No test named '%.*s'", name.kind == V_STRING ? (int)name.n : 0,
                              name.s);
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
FILTER(f_select) {
    return choose(j, v, a, true, false);
}
FILTER(f_reject) {
    return choose(j, v, a, false, false);
}
FILTER(f_selectattr) {
    return choose(j, v, a, true, true);
}
FILTER(f_rejectattr) {
    return choose(j, v, a, false, true);
}

/* ---- sequences ------------------------------------------------------------------------------- */
FILTER(f_length) {
    int64_t n = jinja_length(j, v);
    (void)a;
    return n >= 0 || j->failed ? v_int(n)
                               : jinja_fail(j, "object of type '%s' has no len()", type_name(v));
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
        if (v.kind == V_STRING)
            build_add(&b, items.at[i].s, items.at[i].n);
        else
            list_add(j, out.list, items.at[i]);
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
        total =
            jinja_binary(j, '+', total, path ? get_path(j, items.at[i], attribute) : items.at[i]);
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

builtin jinja_sequence_filter(struct value name) {
    static const struct row rows[] = {
        {"batch", f_batch},     {"count", f_length},    {"dictsort", f_dictsort},
        {"first", f_first},     {"groupby", f_groupby}, {"items", f_items},
        {"join", f_join},       {"last", f_last},       {"length", f_length},
        {"list", f_list},       {"map", f_map},         {"max", f_max_of},
        {"min", f_min_of},      {"reject", f_reject},   {"rejectattr", f_rejectattr},
        {"reverse", f_reverse}, {"select", f_select},   {"selectattr", f_selectattr},
        {"slice", f_slice},     {"sort", f_sort},       {"sum", f_sum},
        {"unique", f_unique}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (v_is(name, rows[i].name)) return rows[i].call;
    return NULL;
}
