/* The loader: bytes in any order and in odd pieces, ranges in the order of use, layers that arrive
 * during the prompt, split files. */
#define _POSIX_C_SOURCE 200809L
#include "data/gguf.h"
#include "model_case.h"

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Pieces of odd sizes in random order, some twice. */
static void any_order_of_bytes_gives_the_same_model(const struct input *in, uint32_t seed) {
    uint64_t want[1024] = {0}, got[1024] = {0};
    reference(in, SOTTO_FAST, want);
    sotto_header *h = sotto_header_new(&heap.heap);
    sotto_model *m = NULL;
    struct fail f = {0};
    struct sotto_options o = {.context_length = in->n_ctx};
    sotto_header_push(h, 0, in->file.data, in->file.size);
    CHECK_EQ(sotto_model_open(&m, h, &pool, &o, &f), SOTTO_OK);
    sotto_seq *s;
    sotto_seq_new(m, &s);
    struct sotto_entry e = {s, in->tokens, in->n, SOTTO_WANT_ALL};
    CHECK_EQ(sotto_run_begin(m, &e, 1), SOTTO_OK);
    CHECK_EQ(sotto_run(m, 0), SOTTO_NOT_READY);
    enum { PIECES = 300 };
    uint32_t order[PIECES], state = seed;
    for (uint32_t i = 0; i < PIECES; i++) order[i] = i;
    for (uint32_t i = PIECES - 1; i > 0; i--) {
        uint32_t j = next_random(&state) % (i + 1), swap = order[i];
        order[i] = order[j], order[j] = swap;
    }
    int rc = SOTTO_NOT_READY;
    for (uint32_t i = 0; i < PIECES; i++) {
        uint64_t from = in->file.size * order[i] / PIECES,
                 to = in->file.size * (order[i] + 1) / PIECES;
        if (i % 3 == 0 && from > 50) from -= 50; /* overlaps what may have come */
        while (from < to) {
            size_t n;
            char *at = sotto_feed_target(m, 0, from, &n);
            if (n > to - from) n = (size_t)(to - from);
            if (n > 7) n -= next_random(&state) % 5;
            memcpy(at, in->file.data + from, n);
            CHECK_EQ(sotto_feed_commit(m, 0, from, n), SOTTO_OK);
            from += n;
        }
        if (rc == SOTTO_NOT_READY && i + 1 < PIECES)
            rc = sotto_run(m, 0); /* goes on as far as it can */
    }
    CHECK(sotto_feed_ready(m), "all bytes came, but weights are missing");
    CHECK_EQ(drain(m, 0, got), SOTTO_OK);
    CHECK(!memcmp(want, got, in->n * sizeof *got),
          "logits differ after feeding in random order (seed %u)", seed);
    sotto_model_close(m);
}

static void ranges_cover_all_tensor_data_once(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){0});
    struct sotto_range r[512];
    uint32_t n = 0;
    uint64_t sum = 0;
    while (n < 512 && sotto_feed_range(m, n, &r[n]) == SOTTO_OK) sum += r[n++].bytes;
    CHECK(sum == sotto_feed_loaded(m), "ranges have %llu bytes, %llu were loaded",
          (unsigned long long)sum, (unsigned long long)sotto_feed_loaded(m));
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            CHECK(r[i].offset + r[i].bytes <= r[j].offset ||
                      r[j].offset + r[j].bytes <= r[i].offset,
                  "ranges %u and %u overlap", i, j);
    sotto_model_close(m);
}

static void the_prompt_runs_as_layers_arrive(const struct input *in) {
    uint64_t want[1024] = {0}, got[1024] = {0};
    reference(in, SOTTO_FAST, want);
    sotto_header *h = sotto_header_new(&heap.heap);
    sotto_model *m = NULL;
    struct sotto_options o = {.context_length = in->n_ctx};
    sotto_header_push(h, 0, in->file.data, in->file.size);
    sotto_model_open(&m, h, &pool, &o, NULL);
    sotto_seq *s;
    sotto_seq_new(m, &s);
    struct sotto_entry e = {s, in->tokens, in->n, SOTTO_WANT_ALL};
    sotto_run_begin(m, &e, 1);
    double before = 0;
    uint32_t grew = 0, i = 0;
    for (struct sotto_range r; sotto_feed_range(m, i, &r) == SOTTO_OK; i++) {
        for (uint64_t at = r.offset; at < r.offset + r.bytes;) {
            size_t n;
            void *to = sotto_feed_target(m, 0, at, &n);
            if (n > r.offset + r.bytes - at) n = (size_t)(r.offset + r.bytes - at);
            memcpy(to, in->file.data + at, n);
            sotto_feed_commit(m, 0, at, n);
            at += n;
        }
        if (sotto_feed_ready(m)) break;
        CHECK_EQ(sotto_run(m, 0), SOTTO_NOT_READY);
        double progress = sotto_run_progress(m);
        CHECK(progress >= before, "progress went back");
        grew += progress > before, before = progress;
    }
    CHECK_EQ(drain(m, 0, got), SOTTO_OK);
    CHECK(!memcmp(want, got, in->n * sizeof *got),
          "logits differ when layers arrive during the prompt");
    CHECK(i < 3 || grew > 0, "%u ranges came and the prompt did not move", i);
    sotto_model_close(m);
}

/* ---- split files ---- */
struct writer {
    char *data;
    size_t n;
};

static void put(struct writer *w, const void *bytes, size_t n) {
    memcpy(w->data + w->n, bytes, n);
    w->n += n;
}

static void put_start(struct writer *w, uint64_t n_tensors, uint64_t n_kv) {
    uint32_t version = 3;
    put(w, "GGUF", 4), put(w, &version, 4), put(w, &n_tensors, 8), put(w, &n_kv, 8);
}

static void put_u16(struct writer *w, const char *key, uint16_t value) {
    uint64_t n = strlen(key);
    uint32_t type = GGUF_U16;
    put(w, &n, 8), put(w, key, n), put(w, &type, 4), put(w, &value, 2);
}

static void pad(struct writer *w) {
    while (w->n % 32) w->data[w->n++] = 0;
}

/* Part 0 with the keys alone, part 1 with all tensors, as gguf-split can write them. */
static void split_files_give_the_same_model(const struct input *in) {
    uint64_t want[1024] = {0}, got[1024] = {0};
    reference(in, SOTTO_FAST, want);
    struct gguf *g = gguf_new(&heap.heap);
    gguf_push(g, in->file.data, in->file.size, NULL);
    struct gguf_str name = gguf_tensor_at(g, 0)->name;
    size_t infos = 24, header = (size_t)gguf_header_bytes(g);
    while (memcmp(in->file.data + infos + 8, name.text, name.size)) infos++;
    struct writer part[2] = {{malloc(in->file.size + 256), 0}, {malloc(in->file.size + 256), 0}};
    put_start(&part[0], 0, gguf_n_kv(g) + 1);
    put(&part[0], in->file.data + 24, infos - 24);
    put_u16(&part[0], "split.count", 2);
    pad(&part[0]);
    put_start(&part[1], gguf_n_tensors(g), 1);
    put_u16(&part[1], "split.no", 1);
    put(&part[1], in->file.data + infos, header - infos);
    pad(&part[1]);
    put(&part[1], in->file.data + gguf_data_offset(g), in->file.size - gguf_data_offset(g));
    gguf_free(g);

    sotto_header *h = sotto_header_new(&heap.heap);
    sotto_model *m = NULL;
    struct fail f = {0};
    struct sotto_options o = {.context_length = in->n_ctx};
    CHECK_EQ(sotto_header_push(h, 0, part[0].data, part[0].n), SOTTO_OK);
    CHECK_EQ(sotto_header_parts(h), 2);
    CHECK(sotto_header_memory(h, &o) == 0, "half a model was described");
    CHECK_EQ(sotto_header_push(h, 1, part[1].data, part[1].n), SOTTO_OK);
    CHECK_EQ(sotto_header_push(h, 2, part[1].data, part[1].n), SOTTO_EINVAL);
    CHECK(sotto_model_open(&m, h, &pool, &o, &f) == SOTTO_OK, "%s", f.text);
    if (m) {
        struct sotto_range r;
        for (uint32_t i = 0; sotto_feed_range(m, i, &r) == SOTTO_OK; i++)
            for (uint64_t at = r.offset; at < r.offset + r.bytes;) {
                size_t n;
                void *to = sotto_feed_target(m, r.part, at, &n);
                if (n > r.offset + r.bytes - at) n = (size_t)(r.offset + r.bytes - at);
                memcpy(to, part[r.part].data + at, n);
                CHECK_EQ(sotto_feed_commit(m, r.part, at, n), SOTTO_OK);
                at += n;
            }
        sotto_seq *s;
        sotto_seq_new(m, &s);
        CHECK_EQ(evaluate(m, s, in->tokens, in->n, SOTTO_WANT_ALL, 0, got), SOTTO_OK);
        CHECK(!memcmp(want, got, in->n * sizeof *got), "logits of a split model differ");
    }
    sotto_model_close(m);
    free(part[0].data), free(part[1].data);
}

int main(int argc, char **argv) {
    static const struct {
        const char *kind, *name;
    } some[] = {{"arch", "llama-gqa-tied-ropefreqs"},
                {"arch", "gemma3"},
                {"arch", "qwen3moe"},
                {"quantmodel", "mixtral-Q8_0"},
                {"quantmodel", "llama-k-mix"}};
    native_heap_init(&heap);
    pool_init(&pool);
    if (argc < 2) check_skip("no folder of cases was given");
    for (uint32_t i = 0; argc > 1 && i < sizeof some / sizeof *some; i++) {
        struct input in = load(argv[1], some[i].kind, some[i].name);
        if (in.tokens) {
            for (uint32_t seed = 1; seed < 4; seed++)
                any_order_of_bytes_gives_the_same_model(&in, seed + i);
            ranges_cover_all_tensor_data_once(&in);
            the_prompt_runs_as_layers_arrive(&in);
            split_files_give_the_same_model(&in);
        }
        unload(&in);
    }
    CHECK_EQ(heap.heap.used, 0);
    return check_done();
}
