/* The GGUF reader: what it reads, how it refuses, and that no cutting of the input changes either.
 */
#include "../../tools/gguf_write.h"
#include "../../tools/native_heap.h"
#include "../check.h"
#include "base/bytes.h"
#include "base/sync.h"

/* A small file with every kind of value; *n without the tensor data. */
static uint8_t *sample(size_t *n) {
    struct gguf_out w;
    uint8_t *bytes;
    const float scores[3] = {0.5f, -1, 2};
    const int16_t shorts[2] = {-7, 300};
    const uint64_t ne[2] = {64, 3}, ne1[1] = {5};
    char item[16];
    gguf_out_init(&w);
    gguf_out_str(&w, "general.architecture", "llama");
    gguf_out_u32(&w, "a.u32", 4000000000u);
    gguf_out_i32(&w, "a.i32", -5);
    gguf_out_u64(&w, "a.u64", 1ull << 40);
    gguf_out_f32(&w, "a.f32", 0.25f);
    gguf_out_bool(&w, "a.bool", true);
    gguf_out_array(&w, "a.floats", GGUF_F32, scores, 3);
    gguf_out_array(&w, "a.shorts", GGUF_I16, shorts, 2);
    gguf_out_array(&w, "a.none", GGUF_U8, NULL, 0);
    gguf_out_strings(&w, "a.strings", 21);
    for (int i = 0; i < 21; i++)
        gguf_out_item(&w, item, (size_t)snprintf(item, sizeof item, "%0*d", i % 5, i));
    gguf_out_strings(&w, "a.nothing", 0);
    gguf_out_strings(&w, "b.strings", 1);
    gguf_out_item(&w, "last", 4);
    gguf_out_tensor(&w, "x.weight", DT_Q4_0, 2, ne);
    gguf_out_tensor(&w, "x.bias", DT_F32, 1, ne1);
    gguf_out_tensor(&w, "y.weight", DT_F16, 2, ne);
    bytes = gguf_out_header(&w, n);
    gguf_out_free(&w);
    return bytes;
}

static struct gguf *read_all(struct native_heap *h, const void *bytes, size_t n, int *status,
                             struct fail *f) {
    struct gguf *g = gguf_new(&h->heap);
    memset(f, 0, sizeof *f);
    *status = g ? gguf_push(g, bytes, n, f) : SOTTO_MEMORY;
    return g;
}

static void check_sample(const struct gguf *g) {
    const struct gguf_kv *kv;
    struct gguf_str s = gguf_string(g, "general.architecture");
    char wanted[16];
    CHECK(s.size == 5 && memcmp(s.text, "llama", 5) == 0);
    CHECK_EQ(gguf_version(g), 3);
    CHECK_EQ(gguf_n_kv(g), 12);
    CHECK_EQ(gguf_n_tensors(g), 3);
    CHECK_EQ(gguf_u64(g, "a.u32", 1), 4000000000u);
    CHECK_EQ(gguf_u64(g, "a.i32", 99), 99);
    CHECK(gguf_f64(g, "a.i32", 99) == -5);
    CHECK_EQ(gguf_u64(g, "a.u64", 1), 1ll << 40);
    CHECK(gguf_f64(g, "a.f32", 0) == 0.25);
    CHECK_EQ(gguf_u64(g, "a.f32", 7), 0);
    CHECK(gguf_bool(g, "a.bool", false) && !gguf_bool(g, "a.boo", false) &&
          gguf_bool(g, "general.architecture", true));
    CHECK_EQ(gguf_u64(g, "a.floats", 7), 7);
    CHECK(gguf_string(g, "a.u32").text == NULL && gguf_string(g, "").text == NULL);
    kv = gguf_find(g, "a.floats");
    CHECK(kv && kv->count == 3 && kv->elem_type == GGUF_F32);
    CHECK(gguf_num_at(g, kv, 0) == 0.5 && gguf_num_at(g, kv, 2) == 2 && gguf_num_at(g, kv, 3) == 0);
    CHECK(load_f32((const char *)gguf_raw(g, kv) + 4) == -1);
    CHECK(gguf_num_at(g, gguf_find(g, "a.shorts"), 0) == -7 &&
          gguf_num_at(g, gguf_find(g, "a.shorts"), 1) == 300);
    CHECK(gguf_num_at(g, gguf_find(g, "a.none"), 0) == 0);
    CHECK(gguf_num_at(g, gguf_find(g, "a.u32"), 0) == 4e9);
    kv = gguf_find(g, "a.strings");
    CHECK(kv && kv->count == 21 && gguf_num_at(g, kv, 1) == 0);
    for (int i = 0; i < 21; i++) {
        int n = snprintf(wanted, sizeof wanted, "%0*d", i % 5, i);
        s = gguf_str_at(g, kv, (uint64_t)i);
        CHECK(s.size == (size_t)n && memcmp(s.text, wanted, s.size) == 0, "string %d", i);
    }
    CHECK(gguf_str_at(g, kv, 21).text == NULL &&
          gguf_str_at(g, gguf_find(g, "a.nothing"), 0).text == NULL);
    s = gguf_str_at(g, gguf_find(g, "b.strings"), 0);
    CHECK(s.size == 4 && memcmp(s.text, "last", 4) == 0);
    CHECK_EQ(gguf_data_offset(g) % 32, 0);
    CHECK(gguf_header_bytes(g) <= gguf_data_offset(g) &&
          gguf_header_bytes(g) + 32 > gguf_data_offset(g));
    {
        const struct gguf_tensor *x = gguf_find_tensor(g, "x.weight"),
                                 *b = gguf_find_tensor(g, "x.bias"),
                                 *y = gguf_find_tensor(g, "y.weight");
        CHECK(x && b && y && x == gguf_tensor_at(g, 0) && !gguf_tensor_at(g, 3) &&
              !gguf_find_tensor(g, "z"));
        CHECK(x->type == DT_Q4_0 && x->n_dims == 2 && x->ne[0] == 64 && x->ne[1] == 3 &&
              x->ne[2] == 1);
        CHECK_EQ(x->bytes, 108);
        CHECK_EQ(x->offset, gguf_data_offset(g));
        CHECK_EQ(b->offset, x->offset + 128);
        CHECK_EQ(y->offset, b->offset + 32);
        CHECK_EQ(gguf_file_bytes(g), y->offset + 384);
    }
}

static void reads_keys_arrays_and_tensors(void) {
    struct native_heap h;
    struct fail f;
    size_t n;
    int status;
    uint8_t *bytes = sample(&n);
    struct gguf *g;
    native_heap_init(&h);
    g = read_all(&h, bytes, n, &status, &f);
    CHECK_EQ(status, SOTTO_OK);
    check_sample(g);
    CHECK_EQ(gguf_push(g, "more", 4, &f), SOTTO_OK);
    gguf_free(g);
    CHECK_EQ(h.heap.used, 0);
    free(bytes);
}

static void any_cutting_of_the_input_reads_the_same(void) {
    struct native_heap h;
    struct fail f;
    size_t n;
    uint8_t *bytes = sample(&n);
    native_heap_init(&h);
    for (size_t step = 1; step < 40; step += step < 8 ? 1 : 7) {
        struct gguf *g = gguf_new(&h.heap);
        int status = SOTTO_MORE;
        for (size_t i = 0; i < n; i += step)
            status = gguf_push(g, bytes + i, n - i < step ? n - i : step, &f);
        CHECK_EQ(status, SOTTO_OK);
        check_sample(g);
        gguf_free(g);
    }
    CHECK_EQ(h.heap.used, 0);
    free(bytes);
}

static void a_file_cut_at_any_byte_asks_for_more(void) {
    struct native_heap h;
    struct fail f;
    size_t n, header;
    int status;
    uint8_t *bytes = sample(&n);
    struct gguf *g;
    native_heap_init(&h);
    g = read_all(&h, bytes, n, &status, &f);
    header = (size_t)gguf_header_bytes(g);
    gguf_free(g);
    for (size_t cut = 0; cut < header; cut++) {
        uint8_t *copy = malloc(cut + !cut); /* so that a sanitizer sees a read behind the end */
        memcpy(copy, bytes, cut);
        g = read_all(&h, copy, cut, &status, &f);
        CHECK(status == SOTTO_MORE, "cut at %zu: %s", cut, f.text);
        gguf_free(g);
        free(copy);
    }
    CHECK_EQ(h.heap.used, 0);
    free(bytes);
}

static void any_allocation_may_fail(void) {
    size_t n;
    uint8_t *bytes = sample(&n);
    int k, status = SOTTO_MEMORY;
    for (k = 0; status != SOTTO_OK && k < 200; k++) {
        struct native_heap h;
        struct fail f;
        struct gguf *g;
        native_heap_failing(&h, k);
        g = read_all(&h, bytes, n, &status, &f);
        CHECK(status == SOTTO_MEMORY || status == SOTTO_OK, "allocation %d: %d %s", k, status,
              f.text);
        if (g && status) CHECK_EQ(gguf_push(g, bytes, n, &f), SOTTO_MEMORY);
        gguf_free(g);
        CHECK_EQ(h.heap.used, 0);
    }
    CHECK(k > 8 && status == SOTTO_OK, "%d allocations", k);
    free(bytes);
}

/* A header of one key with the given bytes after magic, version and counts. */
static void refuses(const char *what, uint64_t n_tensors, uint64_t n_kv, const void *rest,
                    size_t n_rest, int code, uint64_t at, const char *part) {
    struct native_heap h;
    struct fail f = {.text = ""};
    uint8_t bytes[3000] = "GGUF\3\0\0";
    int status;
    struct gguf *g;
    memcpy(bytes + 8, &n_tensors, 8);
    memcpy(bytes + 16, &n_kv, 8);
    memcpy(bytes + 24, rest, n_rest);
    native_heap_init(&h);
    g = read_all(&h, bytes, 24 + n_rest, &status, &f);
    CHECK(status == code && (at == FAIL_NOWHERE || f.at == at) && strstr(f.text, part),
          "%s: %d at %llu: %s", what, status, (unsigned long long)f.at, f.text);
    CHECK(h.heap.peak < 100000, "%s: %zu bytes", what, h.heap.peak);
    gguf_free(g);
    CHECK_EQ(h.heap.used, 0);
}

#define U32(v) (uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((v) >> 24)
#define U64(v) U32((uint64_t)(v)), U32((uint64_t)(v) >> 32)
#define REFUSES(n_tensors, n_kv, code, at, part, ...)                                              \
    do {                                                                                           \
        const uint8_t rest[] = {__VA_ARGS__};                                                      \
        refuses(part, n_tensors, n_kv, rest, sizeof rest, code, at, part);                         \
    } while (0)

static void hostile_counts_and_lengths_are_refused(void) {
    const uint64_t huge = UINT64_MAX;
    REFUSES(huge, 0, SOTTO_LIMIT, 8, "tensors", 0);
    REFUSES(0, huge, SOTTO_LIMIT, 16, "keys", 0);
    REFUSES(0, 1, SOTTO_FORMAT, 24, "key of", U64(0), 0);
    REFUSES(0, 1, SOTTO_FORMAT, 24, "key of", U64(huge), 0);
    REFUSES(0, 1, SOTTO_FORMAT, 24, "key of", U64(70000), 0);
    REFUSES(0, 1, SOTTO_FORMAT, 33, "value type 77", U64(1), 'k', U32(77), 0);
    REFUSES(0, 1, SOTTO_LIMIT, 45, "larger than", U64(1), 'k', U32(8), U64(huge));
    REFUSES(0, 1, SOTTO_LIMIT, 45, "larger than", U64(1), 'k', U32(8), U64(1u << 31));
    REFUSES(0, 1, SOTTO_UNSUPPORTED, 37, "arrays of arrays", U64(1), 'k', U32(9), U32(9), U64(1));
    REFUSES(0, 1, SOTTO_FORMAT, 37, "element type 13", U64(1), 'k', U32(9), U32(13), U64(1));
    REFUSES(0, 1, SOTTO_LIMIT, 41, "too long", U64(1), 'k', U32(9), U32(8), U64(huge));
    REFUSES(0, 1, SOTTO_LIMIT, 41, "too long", U64(1), 'k', U32(9), U32(4), U64(1ull << 62));
    REFUSES(0, 1, SOTTO_LIMIT, 57, "larger than", U64(1), 'k', U32(9), U32(8), U64(2), U64(huge));
    REFUSES(0, 2, SOTTO_FORMAT, 46, "key k occurs twice", U64(1), 'k', U32(0), 1, U64(1), 'k',
            U32(0), 1);
    REFUSES(0, 1, SOTTO_FORMAT, 53, "power of two", U64(17), 'g', 'e', 'n', 'e', 'r', 'a', 'l', '.',
            'a', 'l', 'i', 'g', 'n', 'm', 'e', 'n', 't', U32(4), U32(24));
    REFUSES(1, 0, SOTTO_FORMAT, 24, "tensor name", U64(2000), 0);
    REFUSES(1, 0, SOTTO_FORMAT, 33, "5 axes", U64(1), 't', U32(5), 0);
    REFUSES(1, 0, SOTTO_FORMAT, 37, "empty axis", U64(1), 't', U32(1), U64(0), U32(0), U64(0));
    REFUSES(1, 0, SOTTO_FORMAT, 37, "too many elements", U64(1), 't', U32(2), U64(1ull << 40),
            U64(1ull << 40), U32(0), U64(0));
    REFUSES(1, 0, SOTTO_FORMAT, 45, "no multiple of 32", U64(1), 't', U32(1), U64(33), U32(2),
            U64(0));
    REFUSES(1, 0, SOTTO_FORMAT, 49, "outside of any file", U64(1), 't', U32(1), U64(32), U32(2),
            U64(huge));
    REFUSES(1, 0, SOTTO_FORMAT, 32, "not aligned", U64(1), 't', U32(1), U64(32), U32(2), U64(8));
    REFUSES(2, 0, SOTTO_FORMAT, 65, "tensor t occurs twice", U64(1), 't', U32(1), U64(32), U32(2),
            U64(0), U64(1), 't', U32(1), U64(32), U32(2), U64(32));
    REFUSES(2, 0, SOTTO_FORMAT, FAIL_NOWHERE, "t and u overlap", U64(1), 't', U32(1), U64(320),
            U32(2), U64(0), U64(1), 'u', U32(1), U64(32), U32(2), U64(32));
}

static void unknown_types_are_kept_until_used(void) {
    const uint8_t bytes[] = {'G',    'G', 'U',    'F',     U32(3),  U64(1), U64(0),
                             U64(1), 't', U32(1), U64(33), U32(99), U64(64)};
    struct native_heap h;
    struct fail f;
    int status;
    struct gguf *g;
    native_heap_init(&h);
    g = read_all(&h, bytes, sizeof bytes, &status, &f);
    CHECK_EQ(status, SOTTO_OK);
    CHECK(gguf_tensor_at(g, 0)->type == 99 && gguf_tensor_at(g, 0)->bytes == 0);
    gguf_free(g);
}

static void other_formats_are_refused_with_a_sentence(void) {
    static const struct {
        const char bytes[9];
        int code;
        const char *part;
    } cases[] = {
        {"GGUF\0\0\0\3", SOTTO_UNSUPPORTED, "big-endian"},
        {"GGUF\1\0\0\0", SOTTO_UNSUPPORTED, "version 1"},
        {"GGUF\4\0\0\0", SOTTO_UNSUPPORTED, "version 4"},
        {"GGUF\0\0\0\0", SOTTO_UNSUPPORTED, "version 0"},
        {"<html>..", SOTTO_FORMAT, "not a GGUF"},
        {"GGML\1\0\0\0", SOTTO_FORMAT, "not a GGUF"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct native_heap h;
        struct fail f;
        int status;
        struct gguf *g;
        native_heap_init(&h);
        g = read_all(&h, cases[i].bytes, 8, &status, &f);
        CHECK(status == cases[i].code && strstr(f.text, cases[i].part), "%zu: %d %s", i, status,
              f.text);
        gguf_free(g);
    }
}

/* A vocabulary of 260,000 tokens, whole and in single bytes. */
static void a_large_vocabulary_takes_linear_time_and_little_memory(void) {
    struct native_heap h;
    struct gguf_out w;
    struct fail f;
    size_t n;
    uint8_t *bytes;
    int status = SOTTO_MORE;
    struct gguf *g;
    char item[32];
    double t;
    enum { N = 260000 };
    gguf_out_init(&w);
    gguf_out_strings(&w, "tokenizer.ggml.tokens", N);
    for (int i = 0; i < N; i++)
        gguf_out_item(&w, item, (size_t)snprintf(item, sizeof item, "token%d", i));
    bytes = gguf_out_header(&w, &n);
    gguf_out_free(&w);
    native_heap_init(&h);
    g = gguf_new(&h.heap);
    t = clock_ms();
    for (size_t i = 0; i < n && status == SOTTO_MORE; i++) status = gguf_push(g, bytes + i, 1, &f);
    t = clock_ms() - t;
    CHECK_EQ(status, SOTTO_OK);
    CHECK(t < 3000, "%.0f ms", t);
    CHECK(h.heap.used < n + 400000, "%zu bytes for %zu", h.heap.used, n);
    for (int i = 0; i < N; i += 997) {
        struct gguf_str s = gguf_str_at(g, gguf_kv_at(g, 0), (uint64_t)i);
        int size = snprintf(item, sizeof item, "token%d", i);
        CHECK(s.size == (size_t)size && memcmp(s.text, item, s.size) == 0, "token %d", i);
    }
    printf("260,000 tokens byte by byte: %.1f ms, %zu bytes kept of %zu\n", t, h.heap.used, n);
    gguf_free(g);
    free(bytes);
}

static void a_real_vocabulary_reads(const char *folder) {
    struct native_heap h;
    struct fail f;
    char path[600];
    size_t n = 0;
    int status;
    uint8_t *bytes;
    struct gguf *g;
    struct gguf_str s;
    snprintf(path, sizeof path, "%s/tokenizer/vocab/ggml-vocab-llama-bpe.gguf", folder);
    bytes = check_read(path, &n);
    if (!bytes) {
        check_skip("%s", path);
        return;
    }
    native_heap_init(&h);
    g = read_all(&h, bytes, n, &status, &f);
    CHECK(status == SOTTO_OK, "%s", f.text);
    CHECK_EQ(gguf_file_bytes(g), n);
    CHECK_EQ(gguf_find(g, "tokenizer.ggml.tokens")->count, 128256);
    s = gguf_str_at(g, gguf_find(g, "tokenizer.ggml.tokens"), 128000);
    CHECK(s.size == 17 && memcmp(s.text, "<|begin_of_text|>", 17) == 0);
    gguf_free(g);
    free(bytes);
}

/* A whole model file, its tensors' data included. */
static void a_model_file_reads(const char *folder) {
    struct native_heap h;
    struct fail f;
    char path[600];
    size_t n = 0;
    int status;
    uint8_t *bytes;
    struct gguf *g;
    snprintf(path, sizeof path, "%s/arch/gemma3/model.gguf", folder);
    bytes = check_read(path, &n);
    if (!CHECK(bytes != NULL, "%s", path)) return;
    native_heap_init(&h);
    g = read_all(&h, bytes, n, &status, &f);
    CHECK(status == SOTTO_OK, "%s", f.text);
    CHECK(gguf_file_bytes(g) <= n && gguf_file_bytes(g) + 32 > n);
    CHECK(h.heap.used < gguf_header_bytes(g) + 40000, "%zu bytes kept", h.heap.used);
    CHECK_EQ(gguf_u64(g, "gemma3.block_count", 0), 7);
    CHECK(gguf_find_tensor(g, "blk.6.post_ffw_norm.weight") != NULL);
    gguf_free(g);
    CHECK_EQ(h.heap.used, 0);
    free(bytes);
}

int main(int argc, char **argv) {
    reads_keys_arrays_and_tensors();
    any_cutting_of_the_input_reads_the_same();
    a_file_cut_at_any_byte_asks_for_more();
    any_allocation_may_fail();
    hostile_counts_and_lengths_are_refused();
    unknown_types_are_kept_until_used();
    other_formats_are_refused_with_a_sentence();
    a_large_vocabulary_takes_linear_time_and_little_memory();
    if (argc > 1) {
        a_model_file_reads(argv[1]);
        a_real_vocabulary_reads(argv[1]);
    } else {
        check_skip("whole files: no cases folder given");
    }
    return check_done();
}
