/* JSON in one block: a first pass checks the text and counts, a second one builds what was counted.
 *
 * Invariant: both passes run the same code, so the second cannot need more than the first measured.
 * Nesting is kept on an explicit stack; nothing here recurses. */
#include "text/json.h"
#include "base/fmt_digits.h"
#include <string.h>

enum { MAX_LEVELS = 512 };

struct block {
    size_t total;
    struct json root; /* nodes[0] */
};

struct reader {
    const char *text;
    size_t n, at;
    struct json *nodes; /* NULL while counting */
    char *bytes;
    size_t n_nodes, n_bytes;
    struct fail *fail;
};

static int refuse(struct reader *r, size_t at, const char *what) {
    uint32_t line = 1, column = 1;
    int code = fail(r->fail, at >= r->n ? SOTTO_TRUNCATED : SOTTO_FORMAT, at, "JSON: %s", what);
    for (size_t i = 0; i < at && i < r->n; i++) {
        if (r->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((uint8_t)r->text[i] & 0xc0) != 0x80)
            column++;
    }
    if (r->fail) {
        r->fail->line = line;
        r->fail->column = column;
    }
    return code;
}

static void skip_space(struct reader *r) {
    while (r->at < r->n) {
        char c = r->text[r->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') break;
        r->at++;
    }
}

static void put(struct reader *r, const void *p, size_t n) {
    if (r->bytes) memcpy(r->bytes + r->n_bytes, p, n);
    r->n_bytes += n;
}

static void put_code_point(struct reader *r, uint32_t c) {
    uint8_t b[4];
    size_t n;
    if (c < 0x80)
        b[0] = (uint8_t)c, n = 1;
    else if (c < 0x800)
        b[0] = (uint8_t)(0xc0 | c >> 6), n = 2;
    else if (c < 0x10000)
        b[0] = (uint8_t)(0xe0 | c >> 12), n = 3;
    else
        b[0] = (uint8_t)(0xf0 | c >> 18), n = 4;
    for (size_t i = 1; i < n; i++) b[i] = (uint8_t)(0x80 | ((c >> 6 * (n - 1 - i)) & 63));
    put(r, b, n);
}

/* Four hex digits at r->at, or -1. */
static int32_t hex4(struct reader *r) {
    int32_t v = 0;
    if (r->n - r->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = r->text[r->at + (size_t)i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    r->at += 4;
    return v;
}

static int read_escape(struct reader *r) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int hit = 0;
    char c;
    if (r->at >= r->n) return refuse(r, r->n, "the text ends inside a string");
    c = r->text[r->at++];
    if (c == 'u') {
        size_t start = r->at - 2;
        int32_t u = hex4(r), low;
        if (u < 0) return refuse(r, start, "a \\u escape needs four hex digits");
        if (u >= 0xd800 && u < 0xdc00 && r->n - r->at >= 6 && r->text[r->at] == '\\' &&
            r->text[r->at + 1] == 'u') {
            size_t back = r->at;
            r->at += 2;
            low = hex4(r);
            if (low >= 0xdc00 && low < 0xe000)
                u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
            else
                r->at = back;
        }
        put_code_point(r, u >= 0xd800 && u < 0xe000 ? 0xfffd : (uint32_t)u); /* half a pair */
        return SOTTO_OK;
    }
    while (from[hit] && from[hit] != c) hit++;
    if (!from[hit]) return refuse(r, r->at - 2, "an unknown escape in a string");
    put(r, to + hit, 1);
    return SOTTO_OK;
}

/* A string at r->at (on its quote); where counting, *text stays NULL. */
static int read_string(struct reader *r, const char **text, uint32_t *size) {
    size_t start = r->n_bytes;
    r->at++;
    for (;;) {
        size_t from = r->at;
        while (r->at < r->n && r->text[r->at] != '"' && r->text[r->at] != '\\' &&
               (uint8_t)r->text[r->at] >= 0x20)
            r->at++;
        put(r, r->text + from, r->at - from);
        if (r->at >= r->n) return refuse(r, r->n, "the text ends inside a string");
        if (r->text[r->at] == '"') break;
        if (r->text[r->at] != '\\') return refuse(r, r->at, "a control character in a string");
        r->at++;
        int code = read_escape(r);
        if (code) return code;
    }
    r->at++;
    *text = r->bytes ? r->bytes + start : NULL;
    *size = (uint32_t)(r->n_bytes - start);
    return SOTTO_OK;
}

static int read_number(struct reader *r, struct json *v) {
    size_t start = r->at, i = r->at, digits;
    bool whole = true, negative = r->text[i] == '-', fits = true;
    uint64_t value = 0;
    i += negative;
    digits = i;
    while (i < r->n && r->text[i] >= '0' && r->text[i] <= '9') {
        fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
               !__builtin_add_overflow(value, (uint64_t)(r->text[i] - '0'), &value);
        i++;
    }
    if (i == digits) return refuse(r, i, "expected a value");
    if (i - digits > 1 && r->text[digits] == '0')
        return refuse(r, digits, "a number with a leading zero");
    if (i < r->n && r->text[i] == '.') {
        size_t from = ++i;
        whole = false;
        while (i < r->n && r->text[i] >= '0' && r->text[i] <= '9') i++;
        if (i == from) return refuse(r, i, "a number needs digits behind its point");
    }
    if (i < r->n && (r->text[i] == 'e' || r->text[i] == 'E')) {
        size_t from;
        whole = false;
        i++;
        if (i < r->n && (r->text[i] == '+' || r->text[i] == '-')) i++;
        from = i;
        while (i < r->n && r->text[i] >= '0' && r->text[i] <= '9') i++;
        if (i == from) return refuse(r, i, "a number needs digits in its exponent");
    }
    r->at = i;
    v->size = (uint32_t)(i - start);
    v->text = r->bytes ? r->bytes + r->n_bytes : NULL;
    put(r, r->text + start, i - start);
    if (!r->bytes) return SOTTO_OK;
    fmt_parse_double(&v->number, r->text + start, i - start);
    fits = fits && value <= (uint64_t)INT64_MAX + negative;
    v->kind = whole && fits ? JSON_INT : JSON_FLOAT;
    if (v->kind == JSON_INT) v->integer = (int64_t)(negative ? 0 - value : value);
    return SOTTO_OK;
}

static bool take_word(struct reader *r, const char *word) {
    size_t n = strlen(word);
    if (r->n - r->at < n || memcmp(r->text + r->at, word, n) != 0) return false;
    r->at += n;
    return true;
}

/* Reads what stands at r->at into *v; an opened container is left open. */
static int read_value(struct reader *r, struct json *v) {
    char c;
    if (r->at >= r->n) return refuse(r, r->n, "the text ends where a value is expected");
    c = r->text[r->at];
    if (c == '{' || c == '[') {
        r->at++;
        v->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        return SOTTO_OK;
    }
    if (c == '"') {
        v->kind = JSON_STRING;
        return read_string(r, &v->text, &v->size);
    }
    if (take_word(r, "null"))
        v->kind = JSON_NULL;
    else if (take_word(r, "true"))
        v->kind = JSON_TRUE;
    else if (take_word(r, "false"))
        v->kind = JSON_FALSE;
    else
        return read_number(r, v);
    return SOTTO_OK;
}

static int read_key(struct reader *r, struct json *v) {
    int code;
    skip_space(r);
    if (r->at >= r->n) return refuse(r, r->n, "the text ends inside an object");
    if (r->text[r->at] != '"') return refuse(r, r->at, "expected a key in quotes");
    code = read_string(r, &v->key, &v->key_size);
    if (code) return code;
    skip_space(r);
    if (r->at >= r->n) return refuse(r, r->n, "the text ends inside an object");
    if (r->text[r->at] != ':') return refuse(r, r->at, "expected ':' behind a key");
    r->at++;
    return SOTTO_OK;
}

/* One pass over the whole text. */
static int read_all(struct reader *r) {
    struct json *open[MAX_LEVELS], *last[MAX_LEVELS], scratch;
    uint8_t kind[MAX_LEVELS];
    uint32_t level = 0;
    bool fresh = true; /* just behind an opening bracket, or at the start */
    for (;;) {
        struct json *v;
        int code;
        skip_space(r);
        if (level && fresh && r->at < r->n &&
            r->text[r->at] == (kind[level - 1] == JSON_OBJECT ? '}' : ']')) {
            r->at++;
            level--;
        } else {
            v = r->nodes ? r->nodes + r->n_nodes : &scratch;
            r->n_nodes++;
            memset(v, 0, sizeof *v);
            if (level && kind[level - 1] == JSON_OBJECT && (code = read_key(r, v))) return code;
            skip_space(r);
            if ((code = read_value(r, v))) return code;
            if (level && r->nodes) {
                if (last[level - 1])
                    last[level - 1]->next = v;
                else
                    open[level - 1]->first = v;
                last[level - 1] = v;
                open[level - 1]->count++;
            }
            if (v->kind >= JSON_ARRAY) {
                if (level == MAX_LEVELS) return refuse(r, r->at - 1, "more than 512 levels");
                open[level] = v;
                last[level] = NULL;
                kind[level++] = v->kind;
                fresh = true;
                continue;
            }
        }
        /* a value is complete: close what ends here, and go on behind the next comma */
        for (fresh = false; level; level--) {
            char c;
            skip_space(r);
            if (r->at >= r->n) return refuse(r, r->n, "the text ends inside an array or object");
            c = r->text[r->at];
            if (c == ',') break;
            if (c != (kind[level - 1] == JSON_OBJECT ? '}' : ']'))
                return refuse(r, r->at, "expected ',' or the closing bracket");
            r->at++;
        }
        if (!level) break;
        r->at++;
    }
    skip_space(r);
    return r->at < r->n ? refuse(r, r->at, "something follows the value") : SOTTO_OK;
}

int json_parse(struct json **out, struct heap *heap, const char *text, size_t n, struct fail *f) {
    struct reader r = {.text = text, .n = n, .fail = f};
    struct block *block;
    size_t total;
    int code;
    *out = NULL;
    if (n > (size_t)1 << 31) return fail(f, SOTTO_LIMIT, FAIL_NOWHERE, "JSON: more than 2 GiB");
    code = read_all(&r);
    if (code) return code;
    total = heap_mul(r.n_nodes, sizeof(struct json));
    if (total > SIZE_MAX - r.n_bytes - sizeof *block)
        total = SIZE_MAX;
    else
        total += r.n_bytes + sizeof *block;
    block = heap_new(heap, total);
    if (!block)
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "JSON: no memory for a tree of %zu bytes",
                    total);
    block->total = total;
    r.nodes = &block->root;
    r.bytes = (char *)(r.nodes + r.n_nodes);
    r.at = r.n_nodes = r.n_bytes = 0;
    read_all(&r);
    *out = &block->root;
    return SOTTO_OK;
}

void json_free(struct heap *heap, struct json *root) {
    if (!root) return;
    struct block *block = (struct block *)(void *)((char *)root - offsetof(struct block, root));
    heap_free(heap, block, block->total);
}

const struct json *json_get(const struct json *object, const char *key) {
    size_t n = strlen(key);
    if (!object || object->kind != JSON_OBJECT) return NULL;
    for (const struct json *v = object->first; v; v = v->next)
        if (v->key_size == n && memcmp(v->key, key, n) == 0) return v;
    return NULL;
}
