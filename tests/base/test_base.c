/* Errors, the counted heap and the growing byte string. */
#include "../../tools/native_heap.h"
#include "../check.h"
#include "base/bytes.h"
#include "base/sbuf.h"
#include "base/status.h"
#include <math.h>

static void a_failure_keeps_code_place_and_sentence(void) {
    struct fail f;
    CHECK_EQ(fail(&f, SOTTO_FORMAT, 17, "key %s has %d", "a.b", 3), SOTTO_FORMAT);
    CHECK_EQ(f.code, SOTTO_FORMAT);
    CHECK_EQ(f.at, 17);
    CHECK_STR(f.text, "key a.b has 3");
    CHECK_EQ(fail(NULL, SOTTO_MEMORY, 0, "x"), SOTTO_MEMORY);
    CHECK_STR(sotto_code_name(SOTTO_WORKER_LOST), "WORKER_LOST");
    CHECK_STR(sotto_code_name(SOTTO_OK), "OK");
    CHECK_STR(sotto_code_name(99), "?");
}

static void a_long_sentence_is_cut_inside_the_record(void) {
    struct fail f;
    char name[600];
    memset(name, 'n', sizeof name);
    name[599] = 0;
    fail(&f, SOTTO_FORMAT, 0, "%s", name);
    CHECK_EQ(strlen(f.text), sizeof f.text - 1);
}

static void the_heap_counts_what_is_in_use(void) {
    struct native_heap n;
    struct heap *h = &n.heap;
    void *a, *b;
    native_heap_init(&n);
    a = heap_new(h, 100);
    b = heap_zero(h, 0);
    CHECK(a && b && a != b);
    CHECK_EQ((uintptr_t)a % 64, 0);
    CHECK_EQ(h->used, 101);
    memset(a, 7, 100);
    a = heap_grow(h, a, 100, 5000);
    CHECK(a && ((char *)a)[99] == 7);
    CHECK_EQ(h->used, 5001);
    heap_free(h, a, 5000);
    heap_free(h, b, 0);
    heap_free(h, NULL, 10);
    CHECK_EQ(h->used, 0);
    CHECK_EQ(h->peak, 5001);
    CHECK(heap_new(h, heap_mul(SIZE_MAX / 2, 3)) == NULL);
    CHECK(heap_mul(3, 5) == 15);
    CHECK_EQ(h->used, 0);
}

static void allocation_k_fails_when_asked_to(void) {
    struct native_heap n;
    void *a;
    native_heap_failing(&n, 1);
    a = heap_new(&n.heap, 8);
    CHECK(a != NULL);
    CHECK(heap_new(&n.heap, 8) == NULL);
    CHECK(heap_grow(&n.heap, a, 8, 16) == NULL);
    CHECK_EQ(n.heap.used, 8);
    heap_free(&n.heap, a, 8);
}

static void a_byte_string_grows_and_stays_terminated(void) {
    struct native_heap n;
    struct sbuf b;
    native_heap_init(&n);
    b = sbuf_new(&n.heap);
    for (int i = 0; i < 1000; i++) sbuf_char(&b, (char)('a' + i % 26));
    sbuf_str(&b, "-end");
    sbuf_fmt(&b, "%05d %s", 42, "x");
    CHECK_EQ(b.size, 1000 + 4 + 7);
    CHECK_STR(b.text + 1000, "-end00042 x");
    CHECK(!b.failed);
    sbuf_free(&b);
    CHECK_EQ(n.heap.used, 0);
}

static void a_byte_string_stops_at_its_limit_and_without_memory(void) {
    struct native_heap n;
    struct sbuf b;
    native_heap_init(&n);
    b = sbuf_new(&n.heap);
    b.limit = 5;
    sbuf_str(&b, "12345");
    CHECK(!b.failed);
    sbuf_str(&b, "6");
    CHECK(b.failed);
    sbuf_fmt(&b, "%d", 7);
    CHECK_STR(b.text, "12345");
    sbuf_free(&b);
    for (int k = 0; k < 3; k++) {
        native_heap_failing(&n, k);
        b = sbuf_new(&n.heap);
        for (int i = 0; i < 300; i++) sbuf_char(&b, 'x');
        CHECK(b.failed, "k %d", k);
        CHECK_EQ(b.size, k ? (size_t)(32 << k) - 1 : 0);
        sbuf_free(&b);
        CHECK_EQ(n.heap.used, 0);
    }
}

static void json_text_is_escaped(void) {
    struct native_heap n;
    struct sbuf b;
    native_heap_init(&n);
    b = sbuf_new(&n.heap);
    sbuf_json(&b, "a\"b\\c\n\t\r\x01z\xc3\xa9\xf0\x9f\x98\x80\xff\xed\xa0\x80\xc3", 25 - 5);
    CHECK_STR(b.text,
              "\"a\\\"b\\\\c\\n\\t\\r\\u0001z\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd"
              "\xef\xbf\xbd\xef\xbf\xbd\"");
    b.size = 0;
    sbuf_json(&b, "", 0);
    CHECK_STR(b.text, "\"\"");
    b.size = 0;
    sbuf_double(&b, 0.1);
    sbuf_char(&b, ',');
    sbuf_double(&b, NAN);
    CHECK_STR(b.text, "0.1,null");
    b.size = 0;
    sbuf_utf8(&b, 0x41);
    sbuf_utf8(&b, 0xe9);
    sbuf_utf8(&b, 0x20ac);
    sbuf_utf8(&b, 0x1f600);
    sbuf_utf8(&b, 0xd800);
    CHECK_STR(b.text, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd");
    sbuf_free(&b);
}

static void half_floats_convert_exactly(void) {
    long bad = 0;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = half_to_float((uint16_t)h);
        double e = (h & 0x7c00) ? ldexp(1024 + (h & 1023), (int)(h >> 10 & 31) - 25)
                                : ldexp(h & 1023, -24);
        bool nan = (h & 0x7c00) == 0x7c00 && (h & 1023);
        if ((h & 0x7c00) == 0x7c00) e = INFINITY;
        if (h & 0x8000) e = -e;
        if (nan ? !isnan(f) : f != (float)e) bad++;
        if (!nan && float_to_half(f) != h) bad++;
        if (!nan && !isinf(f) && (h & 0x7fff) < 0x7bff) { /* ties and their neighbours */
            float next = half_to_float((uint16_t)(h + 1)), middle = (f + next) / 2;
            if (float_to_half(middle) != ((h & 1) ? h + 1 : h)) bad++;
            if (float_to_half(nextafterf(middle, next)) != h + 1) bad++;
            if (float_to_half(nextafterf(middle, f)) != h) bad++;
        }
    }
    CHECK_EQ(bad, 0);
    CHECK_EQ(float_to_half(65519.0f), 0x7bff);
    CHECK_EQ(float_to_half(65520.0f), 0x7c00);
    CHECK(isnan(half_to_float(float_to_half(NAN))));
    CHECK_EQ(float_to_bf16(1.00390625f), 0x3f80); /* a tie goes to even */
    CHECK_EQ(float_to_bf16(1.01171875f), 0x3f82);
    CHECK(isnan(bf16_to_float(float_to_bf16(NAN))));
}

int main(void) {
    a_failure_keeps_code_place_and_sentence();
    a_long_sentence_is_cut_inside_the_record();
    the_heap_counts_what_is_in_use();
    allocation_k_fails_when_asked_to();
    a_byte_string_grows_and_stays_terminated();
    a_byte_string_stops_at_its_limit_and_without_memory();
    json_text_is_escaped();
    half_floats_convert_exactly();
    return check_done();
}
