/* The JSON reader: values, refusals with their place, cut texts, no memory. */
#include "../../tools/native_heap.h"
#include "../check.h"
#include "text/json.h"

static const char whole[] =
    "\n {\"a\": [1, -2.5e3, true, false, null, {}], \"b\\u00e9\\ud83d\\ude00\\n\": "
    "\"x\\\"\\\\\\/\\ud800\", \"c\": {\"d\": [[]]}, \"e\": 12345678901234567890}\t";

static struct json *parse(struct native_heap *h, const char *text, size_t n, struct fail *f,
                          int *code) {
    struct json *root = NULL;
    *code = json_parse(&root, &h->heap, text, n, f);
    return root;
}

static void a_text_becomes_a_tree(void) {
    struct native_heap h;
    int code;
    native_heap_init(&h);
    struct json *root = parse(&h, whole, strlen(whole), NULL, &code);
    const struct json *a = json_get(root, "a"), *v = a ? a->first : NULL;
    if (!CHECK(code == SOTTO_OK && v)) return;
    CHECK_EQ(root->kind, JSON_OBJECT);
    CHECK_EQ(root->count, 4);
    CHECK_EQ(a->count, 6);
    CHECK(v->kind == JSON_INT && v->integer == 1);
    v = v->next;
    CHECK(v->kind == JSON_FLOAT && v->number == -2500 && v->size == 6 &&
          memcmp(v->text, "-2.5e3", 6) == 0);
    v = v->next;
    CHECK_EQ(v->kind, JSON_TRUE);
    CHECK_EQ(v->next->kind, JSON_FALSE);
    CHECK_EQ(v->next->next->kind, JSON_NULL);
    v = v->next->next->next;
    CHECK(v->kind == JSON_OBJECT && v->count == 0 && !v->next);
    v = json_get(root, "b\u00e9\U0001F600\n");
    CHECK(v && v->kind == JSON_STRING && v->size == 7 &&
          memcmp(v->text, "x\"\\/\xef\xbf\xbd", 7) == 0);
    v = json_get(json_get(root, "c"), "d");
    CHECK(v && v->count == 1 && v->first->kind == JSON_ARRAY && v->first->count == 0);
    v = json_get(root, "e");
    CHECK(v && v->kind == JSON_FLOAT && v->size == 20, "beyond 64 bits");
    CHECK(json_get(root, "nothing") == NULL && json_get(v, "a") == NULL);
    json_free(&h.heap, root);
    CHECK_EQ(h.heap.used, 0);
}

static void numbers_keep_their_kind(void) {
    static const struct {
        const char *text;
        int kind;
        int64_t i;
        double d;
    } rows[] = {{"0", JSON_INT, 0, 0},
                {"-0", JSON_INT, 0, 0},
                {"9223372036854775807", JSON_INT, INT64_MAX, 0x1p63},
                {"-9223372036854775808", JSON_INT, INT64_MIN, -0x1p63},
                {"9223372036854775808", JSON_FLOAT, 0, 0x1p63},
                {"1.0", JSON_FLOAT, 0, 1},
                {"0.1", JSON_FLOAT, 0, 0.1},
                {"1e400", JSON_FLOAT, 0, __builtin_inf()},
                {"5e-324", JSON_FLOAT, 0, 5e-324},
                {"123456789.123456789e-3", JSON_FLOAT, 0, 123456.789123456789}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct native_heap h;
        int code;
        native_heap_init(&h);
        struct json *v = parse(&h, rows[i].text, strlen(rows[i].text), NULL, &code);
        if (CHECK(v && v->kind == rows[i].kind, "%s", rows[i].text)) {
            if (v->kind == JSON_INT)
                CHECK_EQ(v->integer, rows[i].i);
            else
                CHECK(v->number == rows[i].d, "%s gave %.17g", rows[i].text, v->number);
        }
        json_free(&h.heap, v);
    }
}

static void what_is_not_json_is_refused_with_its_place(void) {
    static const struct {
        const char *text;
        uint32_t line, column;
    } rows[] = {
        {"", 1, 1},          {"{", 1, 2},           {"[1,]", 1, 4},       {"[1 2]", 1, 4},
        {"{\"a\" 1}", 1, 6}, {"{a: 1}", 1, 2},      {"01", 1, 1},         {"1.", 1, 3},
        {"1e", 1, 3},        {"-", 1, 2},           {"+1", 1, 1},         {"\"a", 1, 3},
        {"\"\\x\"", 1, 2},   {"\"\\u12g4\"", 1, 2}, {"\"\n\"", 1, 2},     {"[\n\n  tru]", 3, 3},
        {"1 1", 1, 3},       {"[}", 1, 2},          {"{\"a\":1,}", 1, 8}, {"nul", 1, 1},
        {"NaN", 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct native_heap h;
        struct fail f = {.code = 0};
        int code;
        native_heap_init(&h);
        struct json *v = parse(&h, rows[i].text, strlen(rows[i].text), &f, &code);
        CHECK(!v && (code == SOTTO_FORMAT || code == SOTTO_TRUNCATED) && f.text[0], "%s: %d",
              rows[i].text, code);
        CHECK(f.line == rows[i].line && f.column == rows[i].column, "%s: %u:%u", rows[i].text,
              f.line, f.column);
        CHECK_EQ(h.heap.used, 0);
    }
}

static void depth_is_bounded(void) {
    for (int levels = 511; levels < 514; levels++) {
        struct native_heap h;
        char text[1100];
        int code;
        native_heap_init(&h);
        memset(text, '[', (size_t)levels);
        memset(text + levels, ']', (size_t)levels);
        json_free(&h.heap, parse(&h, text, 2 * (size_t)levels, NULL, &code));
        CHECK_EQ(code == SOTTO_OK, levels <= 512);
    }
}

static void every_prefix_is_refused_and_no_memory_is_told(void) {
    struct native_heap h;
    int code;
    size_t n = strlen(whole) - 1;
    native_heap_init(&h);
    for (size_t i = 0; i < n; i++) {
        char *exact = malloc(i ? i : 1);
        memcpy(exact, whole, i);
        CHECK(!parse(&h, exact, i, NULL, &code) &&
                  (code == SOTTO_TRUNCATED || code == SOTTO_FORMAT),
              "%zu bytes: %d", i, code);
        free(exact);
    }
    native_heap_failing(&h, 0);
    CHECK(!parse(&h, whole, n, NULL, &code) && code == SOTTO_MEMORY);
    CHECK_EQ(h.heap.used, 0);
}

int main(void) {
    a_text_becomes_a_tree();
    numbers_keep_their_kind();
    what_is_not_json_is_refused_with_its_place();
    depth_is_bounded();
    every_prefix_is_refused_and_no_memory_is_told();
    return check_done();
}
