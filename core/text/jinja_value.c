/* Values: the region they live in, building strings, containers, equality and order. */
#include "text/jinja_impl.h"

struct chunk {
    struct chunk *next;
    size_t bytes;
};

enum { ALIGN = 8, CHUNK_MIN = 16384, CHUNK_MAX = 1 << 20 };

/* ---- failure and bounds ---------------------------------------------------------------------- */
static void place(struct jinja *j) {
    if (!j->fail) return;
    j->fail->line = j->fail->column = 1;
    for (uint32_t i = 0; i < j->at && i < j->n; i++) {
        if (j->source[i] == '\n') {
            j->fail->line++;
            j->fail->column = 1;
        } else if (((uint8_t)j->source[i] & 0xc0) != 0x80)
            j->fail->column++;
    }
}

struct value jinja_fail(struct jinja *j, const char *format, ...) {
    if (!j->failed) {
        va_list args;
        char text[240];
        va_start(args, format);
        fmt_v(text, sizeof text, format, args);
        va_end(args);
        j->failed = true;
        for (size_t n = strlen(text), i = n;
             n == sizeof text - 1 && i-- > n - 4;) /* no torn character */
            if (((uint8_t)text[i] & 0xc0) != 0x80) {
                if ((uint8_t)text[i] >= 0xc0) text[i] = 0;
                break;
            }
        fail(j->fail, SOTTO_TEMPLATE, j->at, "%s", text);
        j->code = SOTTO_TEMPLATE;
        place(j);
    }
    return v_undefined();
}

struct value jinja_fail_code(struct jinja *j, int code, const char *what) {
    if (!j->failed) {
        j->failed = true;
        j->code = fail(j->fail, code, j->at, "the template %s", what);
        place(j);
    }
    return v_undefined();
}

bool jinja_steps(struct jinja *j, uint64_t n) {
    if (j->steps < n) {
        j->steps = 0;
        jinja_fail_code(j, SOTTO_LIMIT, "takes too many steps");
        return false;
    }
    j->steps -= n;
    return !j->failed;
}

/* ---- the region ------------------------------------------------------------------------------ */
static bool room(struct jinja *j, size_t bytes) {
    size_t want = j->taken < CHUNK_MIN ? CHUNK_MIN : j->taken > CHUNK_MAX ? CHUNK_MAX : j->taken;
    struct chunk *c;
    if (j->failed) return false;
    if (bytes > j->memory || j->taken > j->memory - bytes) {
        jinja_fail_code(j, SOTTO_LIMIT, "needs more memory than it may have");
        return false;
    }
    if (want < bytes + sizeof *c + ALIGN) want = bytes + sizeof *c + ALIGN;
    c = heap_new(j->heap, want);
    if (!c) {
        jinja_fail_code(j, SOTTO_MEMORY, "needs more memory than there is");
        return false;
    }
    *c = (struct chunk){j->chunks, want};
    j->chunks = c;
    j->taken += want;
    j->top = (char *)(c + 1);
    j->end = (char *)c + want;
    return true;
}

void *jinja_take(struct jinja *j, size_t bytes) {
    size_t skip = (size_t)(-(uintptr_t)j->top & (ALIGN - 1));
    void *p;
    if (j->failed) return NULL;
    if ((size_t)(j->end - j->top) < skip || (size_t)(j->end - j->top) - skip < bytes) {
        if (!room(j, bytes)) return NULL;
        skip = (size_t)(-(uintptr_t)j->top & (ALIGN - 1));
    }
    p = j->top + skip;
    j->top += skip + bytes;
    memset(p, 0, bytes);
    return p;
}

void jinja_release(struct jinja *j) {
    while (j->chunks) {
        struct chunk *c = j->chunks;
        j->chunks = c->next;
        heap_free(j->heap, c, c->bytes);
    }
    sbuf_free(&j->capture);
}

struct name *jinja_name(struct jinja *j, const char *s, size_t n) {
    uint32_t h = (uint32_t)n;
    struct name *m;
    for (size_t i = 0; i < n; i++) h = h * 31 + (uint8_t)s[i];
    for (m = j->names[h % N_BUCKETS]; m; m = m->next) {
        if (m->n == n && memcmp(m->s, s, n) == 0) return m;
        if (!jinja_steps(j, 1)) return NULL;
    }
    m = jinja_take(j, sizeof *m);
    if (!m) return NULL;
    *m = (struct name){.next = j->names[h % N_BUCKETS], .s = s, .n = (uint32_t)n};
    j->names[h % N_BUCKETS] = m;
    return m;
}

/* ---- strings --------------------------------------------------------------------------------- */
void build_add(struct build *b, const char *s, size_t n) {
    struct jinja *j = b->j;
    if (!jinja_steps(j, n / 64)) return;
    if (n > b->cap - b->n) {
        size_t more = n - (b->cap - b->n);
        if (b->s && b->s + b->cap == j->top && (size_t)(j->end - j->top) >= more) {
            j->top += more; /* grows in place: nothing was taken behind it */
            b->cap += more;
        } else {
            size_t cap = b->n + n + (b->n + n) / 2;
            if (b->n + n > UINT32_MAX / 2) {
                jinja_fail_code(j, SOTTO_LIMIT, "makes too long a text");
                return;
            }
            if (cap < 32) cap = 32;
            if ((size_t)(j->end - j->top) < cap && !room(j, cap)) return;
            if (b->n) memcpy(j->top, b->s, b->n);
            b->s = j->top;
            b->cap = cap;
            j->top += cap;
        }
    }
    if (n) memcpy(b->s + b->n, s, n);
    b->n += n;
}

struct value build_end(struct build *b) {
    if (b->j->failed) return v_undefined();
    if (b->s && b->s + b->cap == b->j->top) b->j->top = b->s + b->n;
    return v_str(b->s ? b->s : "", b->n);
}

void build_code_point(struct build *b, uint32_t c) {
    char s[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6) s[i] = (char)(0x80 | (c & 63));
    s[0] = (char)(lead[n] | c);
    build_add(b, s, n);
}

struct value jinja_str(struct jinja *j, struct value v) {
    struct build b = build_new(j);
    if (v.kind == V_STRING) return v;
    build_value(&b, v);
    return build_end(&b);
}

/* a where it is the last thing in the region grows in place, so `text = text + part` in a loop is
 * linear. */
struct value jinja_concat(struct jinja *j, struct value a, struct value b) {
    struct build out = {.j = j, .s = (char *)(uintptr_t)a.s, .n = a.n, .cap = a.n};
    struct value v;
    if (a.n == 0) return b;
    if (b.n == 0) return a;
    build_add(&out, b.s, b.n);
    v = build_end(&out);
    v.flag = a.flag;
    return v;
}

struct value jinja_escape(struct jinja *j, struct value v) {
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    struct build b = build_new(j);
    v = jinja_str(j, v);
    if (j->failed || v.flag) return v;
    for (uint32_t i = 0; i < v.n && !j->failed; i++) {
        int k = v.s[i] == '&'    ? 0
                : v.s[i] == '<'  ? 1
                : v.s[i] == '>'  ? 2
                : v.s[i] == '"'  ? 3
                : v.s[i] == '\'' ? 4
                                 : 5;
        if (k < 5)
            build_text(&b, names[k]);
        else
            build_char(&b, v.s[i]);
    }
    v = build_end(&b);
    v.flag = v.kind == V_STRING;
    return v;
}

/* ---- containers ------------------------------------------------------------------------------ */
/* An array of twice the size with the old content, or NULL. */
static void *twice(struct jinja *j, const void *old, uint32_t n, uint32_t *cap, size_t size) {
    uint32_t now = *cap ? *cap * 2 : 4;
    void *p = jinja_take(j, heap_mul(now, size));
    if (!p) return NULL;
    if (n) memcpy(p, old, n * size);
    *cap = now;
    return p;
}

struct value list_new(struct jinja *j, enum kind kind) {
    struct value v = {.kind = (uint8_t)kind};
    v.list = jinja_take(j, sizeof *v.list);
    return v.list ? v : v_undefined();
}

void list_add(struct jinja *j, struct list *l, struct value v) {
    if (j->failed || !jinja_steps(j, 1)) return;
    if (l->n == l->cap) {
        void *p = twice(j, l->at, l->n, &l->cap, sizeof *l->at);
        if (!p) return;
        l->at = p;
    }
    l->at[l->n++] = v;
}

struct value dict_new(struct jinja *j) {
    struct value v = {.kind = V_DICT};
    v.dict = jinja_take(j, sizeof *v.dict);
    return v.dict ? v : v_undefined();
}

struct value *dict_get(struct jinja *j, const struct dict *d, struct value key) {
    for (uint32_t i = 0; i < d->n; i++) {
        struct value *k = &d->at[i].key;
        if (k->kind == V_STRING && key.kind == V_STRING) {
            if (k->n == key.n && memcmp(k->s, key.s, key.n) == 0) return &d->at[i].value;
        } else if (jinja_equal(j, *k, key))
            return &d->at[i].value;
        if (i % 4 == 3 && !jinja_steps(j, 1)) return NULL;
    }
    return NULL;
}

void dict_set(struct jinja *j, struct dict *d, struct value key, struct value v) {
    struct value *old;
    if (key.kind == V_UNDEFINED ||
        (key.kind >= V_LIST && key.kind != V_TUPLE && key.kind <= V_DICT)) {
        jinja_fail(j, "unhashable type: '%s'", type_name(key));
        return;
    }
    old = dict_get(j, d, key);
    if (j->failed) return;
    if (old) {
        *old = v;
        return;
    }
    if (d->n == d->cap) {
        void *p = twice(j, d->at, d->n, &d->cap, sizeof *d->at);
        if (!p) return;
        d->at = p;
    }
    d->at[d->n++] = (struct entry){key, v};
}

bool jinja_items(struct jinja *j, struct value v, struct list *out) {
    *out = (struct list){0};
    if (j->failed) return false;
    if (is_sequence(v)) {
        if (v.kind == V_GENERATOR && v.list->cursor) return true;
        if (v.kind == V_GENERATOR) v.list->cursor = 1;
        *out = *v.list;
    } else if (v.kind == V_DICT) {
        for (uint32_t i = 0; i < v.dict->n; i++) list_add(j, out, v.dict->at[i].key);
    } else if (v.kind == V_STRING) {
        for (size_t i = 0, from = 0; i < v.n && !j->failed; from = i) {
            code_point(v.s, v.n, &i);
            list_add(j, out, v_str(v.s + from, i - from));
        }
    } else if (v.kind == V_UNDEFINED) {
        if (v.flag == UNSAFE) jinja_undefined_used(j, v);
    } else if (v.kind == V_LOOP) {
        jinja_fail(j, "a loop cannot be looped over");
    } else
        jinja_fail(j, "'%s' object is not iterable", type_name(v));
    return !j->failed;
}

/* ---- kinds, truth, equality, order ----------------------------------------------------------- */
const char *type_name(struct value v) {
    static const char *const names[] = {
        "Undefined",   "NoneType", "bool",     "int",       "float",     "int",  "str",
        "list",        "tuple",    "range",    "dict view", "generator", "dict", "Namespace",
        "LoopContext", "Macro",    "function", "method",    "Cycler"};
    return names[v.kind];
}

struct value jinja_undefined_used(struct jinja *j, struct value v) {
    if (v.flag == UNSAFE)
        return jinja_fail(j, "access to attribute '%.*s' is unsafe", (int)v.n, v.s);
    if (v.flag == 1 + V_NONE) return jinja_fail(j, "'None' has no attribute '%.*s'", (int)v.n, v.s);
    if (v.flag)
        return jinja_fail(j, "'%s object' has no attribute '%.*s'",
                          type_name((struct value){.kind = (uint8_t)(v.flag - 1)}), (int)v.n, v.s);
    return jinja_fail(j, "'%.*s' is undefined", (int)v.n, v.n ? v.s : "");
}

bool jinja_true(struct value v) {
    switch (v.kind) {
    case V_UNDEFINED:
    case V_NONE:
        return false;
    case V_BOOL:
    case V_INT:
        return v.i != 0;
    case V_FLOAT:
        return v.d != 0;
    case V_STRING:
        return v.n > 0;
    case V_LIST:
    case V_TUPLE:
    case V_RANGE:
    case V_VIEW:
        return v.list->n > 0;
    case V_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

bool jinja_deeper(struct jinja *j) {
    if (++j->depth > NATIVE_DEPTH) jinja_fail_code(j, SOTTO_LIMIT, "nests too deeply");
    return jinja_steps(j, 1);
}

static int order(double a, double b) {
    return a < b ? -1 : a > b;
}

static bool same_items(struct jinja *j, struct value a, struct value b) {
    bool same = a.list->n == b.list->n && jinja_deeper(j);
    if (same)
        for (uint32_t i = 0; i < a.list->n && same; i++)
            same = jinja_equal(j, a.list->at[i], b.list->at[i]);
    j->depth--;
    return same;
}

static bool same_dict(struct jinja *j, const struct dict *a, const struct dict *b) {
    bool same = a->n == b->n && jinja_deeper(j);
    for (uint32_t i = 0; i < a->n && same; i++) {
        const struct value *v = dict_get(j, b, a->at[i].key);
        same = v && jinja_equal(j, a->at[i].value, *v);
    }
    j->depth--;
    return same;
}

bool jinja_equal(struct jinja *j, struct value a, struct value b) {
    if (!jinja_steps(j, 1)) return false;
    if (is_number(a) && is_number(b))
        return is_int(a) && is_int(b) ? a.i == b.i : to_double(a) == to_double(b);
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case V_UNDEFINED:
    case V_NONE:
        return true;
    case V_BIG:
    case V_STRING:
        return a.n == b.n && jinja_steps(j, a.n / 64) && memcmp(a.s, b.s, a.n) == 0;
    case V_LIST:
    case V_TUPLE:
    case V_RANGE: {
        uint32_t depth = j->depth;
        bool same = a.list == b.list || same_items(j, a, b);
        j->depth = depth;
        return same;
    }
    case V_DICT: {
        uint32_t depth = j->depth;
        bool same = a.dict == b.dict || same_dict(j, a.dict, b.dict);
        j->depth = depth;
        return same;
    }
    default:
        return a.list == b.list;
    }
}

int jinja_compare(struct jinja *j, struct value a, struct value b) {
    if (!jinja_steps(j, 1)) return 0;
    if (is_int(a) && is_int(b)) return a.i < b.i ? -1 : a.i > b.i;
    if (is_number(a) && is_number(b)) return order(to_double(a), to_double(b));
    if (a.kind == V_STRING && b.kind == V_STRING) { /* UTF-8 sorts by bytes as by code points */
        uint32_t n = a.n < b.n ? a.n : b.n;
        int c = n && jinja_steps(j, n / 64) ? memcmp(a.s, b.s, n) : 0;
        return c ? (c < 0 ? -1 : 1) : a.n < b.n ? -1 : a.n > b.n;
    }
    if (a.kind == b.kind && (a.kind == V_LIST || a.kind == V_TUPLE)) {
        int c = 0;
        uint32_t depth = j->depth, n = a.list->n < b.list->n ? a.list->n : b.list->n;
        if (!jinja_deeper(j)) return 0;
        for (uint32_t i = 0; i < n && !c && !j->failed; i++)
            if (!jinja_equal(j, a.list->at[i], b.list->at[i]))
                c = jinja_compare(j, a.list->at[i], b.list->at[i]);
        j->depth = depth;
        return c ? c : a.list->n < b.list->n ? -1 : a.list->n > b.list->n;
    }
    if (a.kind == V_UNDEFINED) jinja_undefined_used(j, a);
    if (b.kind == V_UNDEFINED) jinja_undefined_used(j, b);
    jinja_fail(j, "'%s' and '%s' cannot be ordered", type_name(a), type_name(b));
    return 0;
}

bool jinja_contains(struct jinja *j, struct value in, struct value v) {
    struct list items;
    if (in.kind == V_STRING) {
        if (v.kind != V_STRING) {
            jinja_fail(j, "'in <string>' requires string as left operand, not %s", type_name(v));
            return false;
        }
        return jinja_steps(j, in.n / 16) && find_text(in, v, 0) != SIZE_MAX;
    }
    if (in.kind == V_DICT) return dict_get(j, in.dict, v) != NULL;
    if (!is_sequence(in) && in.kind != V_UNDEFINED) {
        jinja_fail(j, "argument of type '%s' is not iterable", type_name(in));
        return false;
    }
    if (!jinja_items(j, in, &items)) return false;
    for (uint32_t i = 0; i < items.n && !j->failed; i++)
        if (jinja_equal(j, items.at[i], v)) return true;
    return false;
}

int64_t jinja_length(struct jinja *j, struct value v) {
    if (v.kind == V_STRING) return jinja_steps(j, v.n / 64) ? (int64_t)n_chars(v.s, v.n) : 0;
    if (is_sequence(v) && v.kind != V_GENERATOR) return v.list->n;
    if (v.kind == V_DICT) return v.dict->n;
    if (v.kind == V_LOOP) return v.loop->n;
    if (v.kind == V_UNDEFINED && v.flag != UNSAFE) return 0;
    return -1;
}

/* ---- from JSON ------------------------------------------------------------------------------- */
struct value jinja_from_json(struct jinja *j, const struct json *v) {
    struct value out;
    switch (v->kind) {
    case JSON_NULL:
        return v_none();
    case JSON_FALSE:
    case JSON_TRUE:
        return v_bool(v->kind == JSON_TRUE);
    case JSON_INT:
        return v_int(v->integer);
    case JSON_FLOAT:
        for (uint32_t i = 0; i < v->size; i++)
            if (v->text[i] == '.' || v->text[i] == 'e' || v->text[i] == 'E')
                return v_float(v->number);
        return (struct value){.kind = V_BIG, .n = v->size, .s = v->text};
    case JSON_STRING:
        return v_str(v->text, v->size);
    default:
        break;
    }
    if (!jinja_deeper(j)) return v_undefined();
    out = v->kind == JSON_ARRAY ? list_new(j, V_LIST) : dict_new(j);
    for (const struct json *c = v->first; c && !j->failed; c = c->next) {
        struct value item = jinja_from_json(j, c);
        if (v->kind == JSON_ARRAY)
            list_add(j, out.list, item);
        else if (!j->failed)
            dict_set(j, out.dict, v_str(c->key, c->key_size), item);
    }
    j->depth--;
    return out;
}
