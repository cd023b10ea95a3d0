/* Methods of strings, lists and dicts, by Python's names. The sandbox refuses those that change a
 * value. */
#include "text/jinja_impl.h"

#define METHOD(name) static struct value name(struct jinja *j, struct value v, const struct args *a)

/* ---- strings --------------------------------------------------------------------------------- */
static struct value want_text(struct jinja *j, const struct args *a, uint32_t i, const char *name) {
    struct value v;
    if (!arg(a, i, name, &v)) return jinja_fail(j, "missing argument '%s'", name);
    if (v.kind != V_STRING)
        return jinja_fail(j, "argument '%s' must be str, not %s", name, type_name(v));
    return v;
}

METHOD(m_upper) {
    (void)a;
    return change_case(j, v, CASE_UPPER);
}
METHOD(m_lower) {
    (void)a;
    return change_case(j, v, CASE_LOWER);
}
METHOD(m_capitalize) {
    (void)a;
    return change_case(j, v, CASE_CAPITALIZE);
}
METHOD(m_title) {
    (void)a;
    return change_case(j, v, CASE_TITLE);
}
METHOD(m_swapcase) {
    (void)a;
    return change_case(j, v, CASE_SWAP);
}

static struct value stripped(struct jinja *j, struct value v, const struct args *a, int sides) {
    struct value chars;
    if (!arg(a, 0, "chars", &chars) || chars.kind == V_NONE) return strip(v, NULL, sides);
    if (chars.kind != V_STRING) return jinja_fail(j, "strip arg must be None or str");
    return jinja_steps(j, (uint64_t)v.n * chars.n / 256) ? strip(v, &chars, sides) : v;
}
METHOD(m_strip) {
    return stripped(j, v, a, 3);
}
METHOD(m_lstrip) {
    return stripped(j, v, a, 1);
}
METHOD(m_rstrip) {
    return stripped(j, v, a, 2);
}

static struct value part(struct value v, size_t from, size_t to) {
    v.s += from;
    v.n = (uint32_t)(to - from);
    return v;
}

/* At white space: as str.split() without a separator. */
static struct value split_blank(struct jinja *j, struct value v, int64_t max) {
    struct value out = list_new(j, V_LIST);
    while (!j->failed) {
        size_t i = 0;
        v = strip(v, NULL, 1);
        if (v.n == 0) break;
        if (max-- == 0) {
            list_add(j, out.list, v);
            break;
        }
        while (i < v.n) {
            size_t next = i;
            if (is_space(code_point(v.s, v.n, &next))) break;
            i = next;
        }
        list_add(j, out.list, part(v, 0, i));
        v = part(v, i, v.n);
    }
    return out;
}

METHOD(m_split) {
    struct value by, out;
    int64_t max = arg_int(j, a, 1, "maxsplit", -1);
    size_t at = 0, hit;
    if (!arg(a, 0, "sep", &by) || by.kind == V_NONE) return split_blank(j, v, max);
    if (by.kind != V_STRING || by.n == 0)
        return jinja_fail(j, "a separator must be a text, not empty");
    out = list_new(j, V_LIST);
    for (; max != 0 && !j->failed && (hit = find_text(v, by, at)) != SIZE_MAX; max--) {
        list_add(j, out.list, part(v, at, hit));
        at = hit + by.n;
    }
    if (!j->failed) list_add(j, out.list, part(v, at, v.n));
    return out;
}

/* The last place of needle that ends at or before `to`. */
static size_t find_last(struct value v, struct value needle, size_t to) {
    for (size_t i = to; i + 1 > needle.n; i--)
        if (memcmp(v.s + i - needle.n, needle.s, needle.n) == 0) return i - needle.n;
    return SIZE_MAX;
}

METHOD(m_rsplit) {
    struct value by, out;
    int64_t max = arg_int(j, a, 1, "maxsplit", -1);
    size_t to = v.n, hit;
    bool blank = !arg(a, 0, "sep", &by) || by.kind == V_NONE;
    if (blank && max < 0) return split_blank(j, v, -1);
    if (blank || by.kind != V_STRING || by.n == 0) return jinja_fail(j, "rsplit wants a separator");
    out = list_new(j, V_LIST);
    for (; max != 0 && !j->failed && jinja_steps(j, 1) && (hit = find_last(v, by, to)) != SIZE_MAX;
         max--) {
        list_add(j, out.list, part(v, hit + by.n, to));
        to = hit;
    }
    if (!j->failed) list_add(j, out.list, part(v, 0, to));
    for (uint32_t i = 0, k; !j->failed && i < out.list->n / 2; i++) {
        struct value swap = out.list->at[i];
        k = out.list->n - 1 - i;
        out.list->at[i] = out.list->at[k];
        out.list->at[k] = swap;
    }
    return out;
}

static struct value partitioned(struct jinja *j, struct value v, const struct args *a, bool last) {
    struct value by = want_text(j, a, 0, "sep"), out = list_new(j, V_TUPLE);
    size_t hit;
    if (j->failed) return out;
    if (by.n == 0) return jinja_fail(j, "empty separator");
    hit = last ? find_last(v, by, v.n) : find_text(v, by, 0);
    if (hit == SIZE_MAX) {
        list_add(j, out.list, last ? v_text("") : v);
        list_add(j, out.list, v_text(""));
        list_add(j, out.list, last ? v : v_text(""));
    } else {
        list_add(j, out.list, part(v, 0, hit));
        list_add(j, out.list, by);
        list_add(j, out.list, part(v, hit + by.n, v.n));
    }
    return out;
}
METHOD(m_partition) {
    return partitioned(j, v, a, false);
}
METHOD(m_rpartition) {
    return partitioned(j, v, a, true);
}

METHOD(m_splitlines) {
    return split_lines(j, v, arg_true(a, 0, "keepends", false));
}

/* v between the optional bounds start (argument i) and end; *from is where it begins in bytes. */
static struct value window(struct jinja *j, struct value v, const struct args *a, uint32_t i,
                           size_t *from) {
    struct value bounds[2];
    const char *s = v.s;
    if (!arg(a, i, "start", &bounds[0])) bounds[0] = v_none();
    if (!arg(a, i + 1, "end", &bounds[1])) bounds[1] = v_none();
    if (bounds[0].kind != V_NONE || bounds[1].kind != V_NONE)
        v = jinja_slice(j, v, bounds[0], bounds[1], v_none());
    *from = j->failed ? 0 : (size_t)(v.s - s);
    return v;
}

static struct value affix(struct jinja *j, struct value v, const struct args *a, bool end) {
    struct value w, *at = &w;
    uint32_t n = 1;
    size_t from;
    if (!arg(a, 0, end ? "suffix" : "prefix", &w)) return jinja_fail(j, "missing argument");
    v = window(j, v, a, 1, &from);
    if (w.kind == V_TUPLE) {
        n = w.list->n;
        at = w.list->at;
    }
    for (uint32_t i = 0; i < n && !j->failed; i++) {
        if (at[i].kind != V_STRING)
            return jinja_fail(j, "%s first arg must be str or a tuple of str, not %s",
                              end ? "endswith" : "startswith", type_name(at[i]));
        if (at[i].n <= v.n && memcmp(v.s + (end ? v.n - at[i].n : 0), at[i].s, at[i].n) == 0)
            return v_bool(true);
    }
    return v_bool(false);
}
METHOD(m_startswith) {
    return affix(j, v, a, false);
}
METHOD(m_endswith) {
    return affix(j, v, a, true);
}

static struct value without(struct jinja *j, struct value v, const struct args *a, bool end) {
    struct value w = want_text(j, a, 0, end ? "suffix" : "prefix");
    if (j->failed || w.n > v.n || memcmp(v.s + (end ? v.n - w.n : 0), w.s, w.n) != 0) return v;
    return part(v, end ? 0 : w.n, end ? v.n - w.n : v.n);
}
METHOD(m_removeprefix) {
    return without(j, v, a, false);
}
METHOD(m_removesuffix) {
    return without(j, v, a, true);
}

static struct value found(struct jinja *j, struct value v, const struct args *a, bool last,
                          bool must) {
    struct value w = want_text(j, a, 0, "sub"), all = v;
    size_t from, hit;
    v = window(j, v, a, 1, &from);
    if (j->failed || !jinja_steps(j, v.n / 64)) return v_undefined();
    hit = last ? (w.n <= v.n ? find_last(v, w, v.n) : SIZE_MAX) : find_text(v, w, 0);
    if (hit == SIZE_MAX) return must ? jinja_fail(j, "substring not found") : v_int(-1);
    return v_int((int64_t)n_chars(all.s, from + hit));
}
METHOD(m_find) {
    return found(j, v, a, false, false);
}
METHOD(m_rfind) {
    return found(j, v, a, true, false);
}
METHOD(m_index) {
    return found(j, v, a, false, true);
}
METHOD(m_rindex) {
    return found(j, v, a, true, true);
}

METHOD(m_count) {
    struct value w = want_text(j, a, 0, "sub");
    int64_t n = 0;
    size_t at = 0, from;
    v = window(j, v, a, 1, &from);
    if (!j->failed && w.n == 0) return v_int((int64_t)n_chars(v.s, v.n) + 1);
    while (!j->failed && jinja_steps(j, 1) && (at = find_text(v, w, at)) != SIZE_MAX) {
        at += w.n;
        n++;
    }
    return v_int(n);
}

METHOD(m_replace) {
    struct value from = want_text(j, a, 0, "old"), to = want_text(j, a, 1, "new");
    struct value both[3] = {from, to, v_none()};
    struct args args = {.at = both, .n = 3, .n_positional = 3};
    uint8_t flag = v.flag;
    arg(a, 2, "count", &both[2]);
    if (!j->failed && flag) both[1] = jinja_escape(j, to);
    if (j->failed) return from;
    v = jinja_filter(v_text("replace"))(j, v, &args);
    v.flag = flag && !j->failed;
    return v;
}

METHOD(m_join) {
    struct build b = build_new(j);
    struct list items;
    struct value list;
    if (!arg(a, 0, "iterable", &list)) return jinja_fail(j, "join wants the texts to join");
    if (!jinja_items(j, list, &items)) return v_undefined();
    for (uint32_t i = 0; i < items.n && !j->failed; i++) {
        if (items.at[i].kind != V_STRING)
            return jinja_fail(j, "sequence item %u: expected str instance, %s found", i,
                              type_name(items.at[i]));
        if (i) build_add(&b, v.s, v.n);
        build_add(&b, items.at[i].s, items.at[i].n);
    }
    return build_end(&b);
}

METHOD(m_format) {
    return format_braces(j, v, a);
}

enum class { IS_DIGIT, IS_ALPHA, IS_ALNUM, IS_SPACE };
static struct value all_of(struct value v, enum class what) {
    for (size_t i = 0; i < v.n;) {
        uint32_t c = code_point(v.s, v.n, &i);
        bool digit = c >= '0' && c <= '9', alpha = is_alpha(c);
        if (!(what == IS_DIGIT   ? digit
              : what == IS_ALPHA ? alpha
              : what == IS_ALNUM ? digit || alpha
                                 : is_space(c)))
            return v_bool(false);
    }
    return v_bool(v.n > 0);
}
#define CLASS(name, what)                                                                          \
    METHOD(name) {                                                                                 \
        (void)j, (void)a;                                                                          \
        return all_of(v, what);                                                                    \
    }
CLASS(m_isdigit, IS_DIGIT)
CLASS(m_isalpha, IS_ALPHA)
CLASS(m_isalnum, IS_ALNUM)
CLASS(m_isspace, IS_SPACE)
METHOD(m_isupper) {
    return jinja_test(v_text("upper"))(j, v, a);
}
METHOD(m_islower) {
    return jinja_test(v_text("lower"))(j, v, a);
}

static struct value padded(struct jinja *j, struct value v, const struct args *a, int side) {
    struct value fill = arg_text(j, a, 1, "fillchar", " ");
    int64_t missing = arg_int(j, a, 0, "width", 0) - (int64_t)n_chars(v.s, v.n), left;
    struct build b = build_new(j);
    if (j->failed || missing <= 0) return v;
    if (missing > 1 << 20) return jinja_fail(j, "a width of %lld is too large", (long long)missing);
    left = side == 'l'   ? 0
           : side == 'r' ? missing
                         : missing / 2 + (missing & (missing + (int64_t)n_chars(v.s, v.n)) & 1);
    for (int64_t i = 0; i < left; i++) build_add(&b, fill.s, fill.n);
    build_add(&b, v.s, v.n);
    for (int64_t i = left; i < missing && !j->failed; i++) build_add(&b, fill.s, fill.n);
    return build_end(&b);
}
METHOD(m_ljust) {
    return padded(j, v, a, 'l');
}
METHOD(m_rjust) {
    return padded(j, v, a, 'r');
}
METHOD(m_center) {
    return padded(j, v, a, 'c');
}

METHOD(m_zfill) {
    int64_t width = arg_int(j, a, 0, "width", 0), missing = width - (int64_t)n_chars(v.s, v.n);
    struct build b = build_new(j);
    size_t sign = v.n && (v.s[0] == '-' || v.s[0] == '+');
    if (j->failed || missing <= 0) return v;
    if (missing > 1 << 20) return jinja_fail(j, "a width of %lld is too large", (long long)width);
    build_add(&b, v.s, sign);
    for (; missing > 0; missing--) build_char(&b, '0');
    build_add(&b, v.s + sign, v.n - sign);
    return build_end(&b);
}

/* ---- lists ----------------------------------------------------------------------------------- */
METHOD(m_list_index) {
    struct value w;
    if (!arg(a, 0, "value", &w)) return jinja_fail(j, "index wants a value");
    for (uint32_t i = 0; i < v.list->n && !j->failed; i++)
        if (jinja_equal(j, v.list->at[i], w)) return v_int(i);
    return jinja_fail(j, "the value is not in the list");
}

METHOD(m_list_count) {
    struct value w;
    int64_t n = 0;
    if (!arg(a, 0, "value", &w)) return jinja_fail(j, "count wants a value");
    for (uint32_t i = 0; i < v.list->n && !j->failed; i++) n += jinja_equal(j, v.list->at[i], w);
    return v_int(n);
}

METHOD(m_list_copy) {
    return jinja_filter(v_text("list"))(j, v, a);
}

/* ---- dicts ----------------------------------------------------------------------------------- */
METHOD(m_get) {
    struct value key, otherwise = v_none();
    const struct value *hit;
    if (!arg(a, 0, "key", &key)) return jinja_fail(j, "get expected at least 1 argument, got 0");
    arg(a, 1, "default", &otherwise);
    hit = dict_get(j, v.dict, key);
    return hit ? *hit : otherwise;
}

static struct value view(struct jinja *j, struct value v, uint8_t what) {
    struct value out = list_new(j, V_VIEW);
    out.flag = what;
    for (uint32_t i = 0; i < v.dict->n && !j->failed; i++) {
        struct value item = what == 'k' ? v.dict->at[i].key : v.dict->at[i].value;
        if (what == 'i') {
            item = list_new(j, V_TUPLE);
            if (j->failed) break;
            list_add(j, item.list, v.dict->at[i].key);
            list_add(j, item.list, v.dict->at[i].value);
        }
        list_add(j, out.list, item);
    }
    return out;
}
METHOD(m_keys) {
    (void)a;
    return view(j, v, 'k');
}
METHOD(m_values) {
    (void)a;
    return view(j, v, 'v');
}
METHOD(m_items) {
    (void)a;
    return view(j, v, 'i');
}

METHOD(m_dict_copy) {
    struct value out = dict_new(j);
    (void)a;
    for (uint32_t i = 0; i < v.dict->n && !j->failed; i++)
        dict_set(j, out.dict, v.dict->at[i].key, v.dict->at[i].value);
    return out;
}

METHOD(m_next) {
    struct value item = v.list->at[v.list->cursor];
    (void)j, (void)a;
    v.list->cursor = (v.list->cursor + 1) % v.list->n;
    return item;
}
METHOD(m_reset) {
    (void)j, (void)a;
    v.list->cursor = 0;
    return v_none();
}

builtin jinja_method(struct value self, struct value name, bool *mutates) {
    static const struct row strings[] = {{"capitalize", m_capitalize},
                                         {"casefold", m_lower},
                                         {"center", m_center},
                                         {"count", m_count},
                                         {"endswith", m_endswith},
                                         {"find", m_find},
                                         {"format", m_format},
                                         {"index", m_index},
                                         {"isalnum", m_isalnum},
                                         {"isalpha", m_isalpha},
                                         {"isdecimal", m_isdigit},
                                         {"isdigit", m_isdigit},
                                         {"islower", m_islower},
                                         {"isnumeric", m_isdigit},
                                         {"isspace", m_isspace},
                                         {"isupper", m_isupper},
                                         {"join", m_join},
                                         {"ljust", m_ljust},
                                         {"lower", m_lower},
                                         {"lstrip", m_lstrip},
                                         {"partition", m_partition},
                                         {"removeprefix", m_removeprefix},
                                         {"removesuffix", m_removesuffix},
                                         {"replace", m_replace},
                                         {"rfind", m_rfind},
                                         {"rindex", m_rindex},
                                         {"rjust", m_rjust},
                                         {"rpartition", m_rpartition},
                                         {"rsplit", m_rsplit},
                                         {"rstrip", m_rstrip},
                                         {"split", m_split},
                                         {"splitlines", m_splitlines},
                                         {"startswith", m_startswith},
                                         {"strip", m_strip},
                                         {"swapcase", m_swapcase},
                                         {"title", m_title},
                                         {"upper", m_upper},
                                         {"zfill", m_zfill},
                                         {NULL, NULL}};
    static const struct row dicts[] = {
        {"copy", m_dict_copy}, {"get", m_get},   {"items", m_items}, {"keys", m_keys},
        {"values", m_values},  {"clear", NULL},  {"pop", NULL},      {"popitem", NULL},
        {"setdefault", NULL},  {"update", NULL}, {NULL, NULL}};
    static const struct row lists[] = {
        {"copy", m_list_copy}, {"count", m_list_count}, {"index", m_list_index}, {"append", NULL},
        {"clear", NULL},       {"extend", NULL},        {"insert", NULL},        {"pop", NULL},
        {"remove", NULL},      {"reverse", NULL},       {"sort", NULL},          {NULL, NULL}};
    static const struct row tuples[] = {
        {"count", m_list_count}, {"index", m_list_index}, {NULL, NULL}};
    static const struct row cyclers[] = {{"next", m_next}, {"reset", m_reset}, {NULL, NULL}};
    const struct row *row = self.kind == V_STRING                          ? strings
                            : self.kind == V_DICT                          ? dicts
                            : self.kind == V_LIST                          ? lists
                            : self.kind == V_TUPLE || self.kind == V_RANGE ? tuples
                            : self.kind == V_CYCLER                        ? cyclers
                                                                           : NULL;
    for (; row && row->name; row++) {
        if (!v_is(name, row->name)) continue;
        *mutates = !row->call;
        return row->call;
    }
    return NULL;
}
