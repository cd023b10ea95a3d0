/* Saved states: taken up again they give the same bits, in any pieces; what is cut, damaged or
 * another model's is refused with a sentence and leaves nothing behind. */
#include "model/saved.h"
#include "model_case.h"

struct blob {
    uint8_t *bytes;
    size_t n;
};

static struct blob save(sotto_model *m, sotto_seq *s, size_t step) {
    struct blob out = {.n = (size_t)sotto_state_bytes(s)};
    sotto_state *st;
    size_t at = 0;
    out.bytes = malloc(out.n + step);
    if (!CHECK(sotto_state_open(s, false, &st) == SOTTO_OK, "%s", sotto_model_fail(m)->text))
        exit(1);
    for (size_t n; (n = sotto_state_read(st, out.bytes + at, step)) > 0;) at += n;
    CHECK_EQ(at, out.n);
    CHECK_EQ(sotto_state_close(st), SOTTO_OK);
    return out;
}

/* The first code that is no MORE, that of closing included. */
static int restore(sotto_seq *s, const uint8_t *bytes, size_t n, size_t step) {
    sotto_state *st;
    int rc = sotto_state_open(s, true, &st);
    if (rc) return rc;
    rc = SOTTO_MORE;
    for (size_t at = 0; at < n && rc <= SOTTO_MORE; at += step)
        rc = sotto_state_write(st, bytes + at, n - at < step ? n - at : step);
    int closed = sotto_state_close(st);
    return rc == SOTTO_MORE ? closed : rc;
}

static sotto_seq *new_seq(sotto_model *m) {
    sotto_seq *s = NULL;
    CHECK(sotto_seq_new(m, &s) == SOTTO_OK, "%s", sotto_model_fail(m)->text);
    return s;
}

static void a_restored_sequence_goes_on_with_the_same_bits(const struct input *in, uint32_t kv_type,
                                                           uint32_t n) {
    uint64_t want[1024] = {0}, got[1024] = {0};
    uint32_t tokens[1024], end = n + 40;
    for (uint32_t i = 0; i < end; i++) tokens[i] = in->tokens[i % in->n];
    struct sotto_options o = {
        .kv_type = kv_type, .batch = 16, .context_length = end < in->n_ctx ? in->n_ctx : end};
    sotto_model *m = open_in(in, o);
    sotto_seq *s = new_seq(m);
    CHECK_EQ(evaluate(m, s, tokens, n, SOTTO_WANT_NONE, 0, NULL), SOTTO_OK);
    struct blob a = save(m, s, 1000), b = save(m, s, 7);
    CHECK(a.n == b.n && !memcmp(a.bytes, b.bytes, a.n), "the pieces it is read in change a state");
    CHECK_EQ(evaluate(m, s, tokens + n, 40, SOTTO_WANT_ALL, 0, want), SOTTO_OK);
    /* into the sequence itself, and into another model with another context */
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(restore(s, a.bytes, a.n, round ? 4096 : 13), SOTTO_OK);
        CHECK_EQ(sotto_seq_length(s), n);
        CHECK(!memcmp(sotto_seq_tokens(s), tokens, n * 4), "the tokens are others");
        CHECK_EQ(evaluate(m, s, tokens + n, 40, SOTTO_WANT_ALL, 0, got), SOTTO_OK);
        CHECK(!memcmp(want + n, got + n, 40 * sizeof *got),
              "kv %u, %u tokens, round %d: other bits", kv_type, n, round);
        struct blob again;
        sotto_seq_truncate(s, n);
        if (!round &&
            kv_type != SOTTO_KV_F32) { /* what lies behind its end does not get into a state */
            again = save(m, s, 4096);
            CHECK(again.n != a.n || !memcmp(a.bytes, again.bytes, a.n), "stale bytes in a state");
            free(again.bytes);
        }
        sotto_model_close(m);
        o.context_length += 100, o.kernel_level = 1;
        m = open_in(in, o);
        s = new_seq(m);
        memset(got, 0, sizeof got);
    }
    /* and an empty one */
    struct blob none = save(m, s, 64);
    CHECK_EQ(none.n, SAVED_HEAD + SAVED_TAIL);
    CHECK_EQ(restore(s, none.bytes, none.n, 1), SOTTO_OK);
    CHECK_EQ(sotto_seq_length(s), 0);
    free(a.bytes), free(b.bytes), free(none.bytes);
    sotto_model_close(m);
}

static void every_cut_and_every_wrong_byte_is_refused(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){.n_sequences = 2});
    sotto_seq *s = new_seq(m), *t = new_seq(m);
    CHECK_EQ(evaluate(m, s, in->tokens, 5, SOTTO_WANT_NONE, 0, NULL), SOTTO_OK);
    struct blob a = save(m, s, 4096);
    for (size_t n = 0; n < a.n; n++) {
        int rc = restore(t, a.bytes, n, 4096);
        CHECK(rc == SOTTO_TRUNCATED && sotto_seq_length(t) == 0, "cut at %zu of %zu: code %d", n,
              a.n, rc);
    }
    for (size_t i = 0; i < a.n; i++) {
        a.bytes[i] ^= (uint8_t)(1 + i * 7 % 255);
        int rc = restore(t, a.bytes, a.n, 4096);
        CHECK((rc == SOTTO_FORMAT || rc == SOTTO_UNSUPPORTED || rc == SOTTO_CONTEXT_FULL) &&
                  sotto_seq_length(t) == 0 && sotto_model_fail(m)->text[0],
              "byte %zu wrong: code %d", i, rc);
        a.bytes[i] ^= (uint8_t)(1 + i * 7 % 255);
    }
    uint8_t *longer = malloc(a.n + 1);
    memcpy(longer, a.bytes, a.n), longer[a.n] = 0;
    CHECK_EQ(restore(t, longer, a.n + 1, a.n + 1), SOTTO_FORMAT);
    CHECK_EQ(restore(t, longer, a.n + 1, a.n), SOTTO_FORMAT);
    CHECK_EQ(sotto_seq_length(t), 0);
    /* a header that is refused leaves the sequence as it was; the cache is whole after all of this
     */
    uint64_t want[8] = {0}, got[8] = {0};
    CHECK_EQ(restore(s, a.bytes, 20, 20), SOTTO_TRUNCATED);
    CHECK_EQ(sotto_seq_length(s), 5);
    CHECK_EQ(restore(t, a.bytes, a.n, 100), SOTTO_OK);
    CHECK_EQ(evaluate(m, s, in->tokens, 2, SOTTO_WANT_ALL, 0, want), SOTTO_OK);
    CHECK_EQ(evaluate(m, t, in->tokens, 2, SOTTO_WANT_ALL, 0, got), SOTTO_OK);
    CHECK(!memcmp(want, got, sizeof want), "other bits");
    free(a.bytes), free(longer);
    sotto_model_close(m);
}

static void other_models_and_options_are_refused(const struct input *in,
                                                 const struct input *other) {
    sotto_model *m = open_in(in, (struct sotto_options){0});
    sotto_seq *s = new_seq(m);
    CHECK_EQ(evaluate(m, s, in->tokens, 9, SOTTO_WANT_NONE, 0, NULL), SOTTO_OK);
    struct blob a = save(m, s, 4096);
    sotto_model_close(m);
    const struct sotto_options options[] = {
        {.kv_type = SOTTO_KV_F32}, {.arithmetic = SOTTO_EXACT}, {.context_length = 8}};
    for (size_t i = 0; i < 3; i++) {
        m = open_in(in, options[i]);
        s = new_seq(m);
        CHECK_EQ(restore(s, a.bytes, a.n, 4096), i < 2 ? SOTTO_UNSUPPORTED : SOTTO_CONTEXT_FULL);
        CHECK(strstr(sotto_model_fail(m)->text, i < 2 ? "kind of cache" : "context"), "%s",
              sotto_model_fail(m)->text);
        sotto_model_close(m);
    }
    m = open_in(other, (struct sotto_options){0});
    s = new_seq(m);
    CHECK_EQ(restore(s, a.bytes, a.n, 4096), SOTTO_UNSUPPORTED);
    CHECK(strstr(sotto_model_fail(m)->text, "another model"), "%s", sotto_model_fail(m)->text);
    sotto_model_close(m);
    /* the same header, one weight changed */
    struct input changed = *in;
    struct sotto_range r;
    changed.file.data = malloc(in->file.size);
    memcpy(changed.file.data, in->file.data, in->file.size);
    m = open_in(in, (struct sotto_options){0});
    CHECK_EQ(sotto_feed_range(m, 0, &r), SOTTO_OK);
    sotto_model_close(m);
    changed.file.data[r.offset] ^= 1;
    m = open_in(&changed, (struct sotto_options){0});
    s = new_seq(m);
    CHECK_EQ(restore(s, a.bytes, a.n, 4096), SOTTO_UNSUPPORTED);
    sotto_model_close(m);
    free(changed.file.data), free(a.bytes);
}

/* The pages of a failed restoring are free again, and one that finds too few pages says so. */
static void pages_come_back(const struct input *in) {
    sotto_model *m = open_in(in, (struct sotto_options){.context_length = 128});
    sotto_seq *s = new_seq(m), *t = new_seq(m);
    uint32_t tokens[128];
    for (uint32_t i = 0; i < 128; i++) tokens[i] = in->tokens[i % in->n];
    CHECK_EQ(evaluate(m, s, tokens, 100, SOTTO_WANT_NONE, 0, NULL), SOTTO_OK);
    struct blob a = save(m, s, 4096);
    CHECK_EQ(restore(t, a.bytes, a.n, 4096), SOTTO_CONTEXT_FULL);
    CHECK_EQ(sotto_seq_length(t), 0);
    for (int i = 0; i < 10; i++) CHECK_EQ(restore(s, a.bytes, a.n - 1, 4096), SOTTO_TRUNCATED);
    CHECK_EQ(restore(t, a.bytes, a.n, 4096), SOTTO_OK);
    CHECK_EQ(restore(s, a.bytes, a.n, 4096), SOTTO_CONTEXT_FULL);
    sotto_seq_free(t);
    CHECK_EQ(restore(s, a.bytes, a.n, 4096), SOTTO_OK);
    CHECK_EQ(evaluate(m, s, tokens + 100, 28, SOTTO_WANT_NONE, 0, NULL), SOTTO_OK);
    /* a sequence that goes on while it is saved or restored ends that, and nothing else */
    sotto_state *st;
    uint8_t some[64];
    CHECK_EQ(sotto_state_open(s, false, &st), SOTTO_OK);
    CHECK_EQ(sotto_state_read(st, some, 64), 64);
    sotto_seq_truncate(s, 3);
    CHECK_EQ(sotto_state_read(st, some, 64), 0);
    CHECK_EQ(sotto_state_close(st), SOTTO_TRUNCATED);
    CHECK_EQ(sotto_state_open(s, true, &st), SOTTO_OK);
    CHECK_EQ(sotto_state_write(st, a.bytes, 100), SOTTO_MORE);
    CHECK_EQ(evaluate(m, s, tokens, 2, SOTTO_WANT_NONE, 0, NULL), SOTTO_OK);
    CHECK_EQ(sotto_state_write(st, a.bytes + 100, 100), SOTTO_EINVAL);
    CHECK_EQ(sotto_state_close(st), SOTTO_EINVAL);
    free(a.bytes);
    sotto_model_close(m);
}

/* Other kinds of caches, where the engine has them: recurrent states, latent attention, shared
 * layers. */
static void other_caches_come_back_too(const char *cases) {
    static const char *const names[] = {"mamba",  "mamba2",    "jamba",      "granitehybrid",
                                        "lfm2",   "falcon-h1", "nemotron_h", "deepseek2-mla-yarn",
                                        "gemma4", "gpt-oss"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct input in = load(cases, "arch", names[i]);
        sotto_header *h = in.tokens ? sotto_header_new(&heap.heap) : NULL;
        struct sotto_options o = {0};
        if (h && !sotto_header_push(h, 0, in.file.data, in.file.size) &&
            sotto_header_memory(h, &o)) {
            a_restored_sequence_goes_on_with_the_same_bits(&in, SOTTO_KV_F16, 10);
            a_restored_sequence_goes_on_with_the_same_bits(&in, SOTTO_KV_Q8_0, 130);
            every_cut_and_every_wrong_byte_is_refused(&in);
        } else if (h)
            check_skip("%s: %s", names[i], sotto_header_fail(h)->text);
        sotto_header_free(h);
        unload(&in);
    }
}

int main(int argc, char **argv) {
    native_heap_init(&heap);
    pool_init(&pool);
    const char *cases = argc > 1 ? argv[1] : NULL;
    if (!cases) check_skip("no folder of cases was given");
    struct input in = cases ? load(cases, "arch", "llama-gqa-tied-ropefreqs") : (struct input){0};
    struct input windowed = cases ? load(cases, "arch", "gemma3") : (struct input){0};
    if (in.tokens && windowed.tokens) {
        for (uint32_t kv = SOTTO_KV_F16; kv <= SOTTO_KV_Q8_0; kv++) {
            a_restored_sequence_goes_on_with_the_same_bits(&in, kv, 10);
            a_restored_sequence_goes_on_with_the_same_bits(&in, kv, 128);
            a_restored_sequence_goes_on_with_the_same_bits(&windowed, kv, 150);
        }
        every_cut_and_every_wrong_byte_is_refused(&in);
        every_cut_and_every_wrong_byte_is_refused(&windowed);
        other_models_and_options_are_refused(&in, &windowed);
        pages_come_back(&in);
    }
    if (cases) other_caches_come_back_too(cases);
    unload(&in), unload(&windowed);
    CHECK_EQ(heap.heap.used, 0);
    return check_done();
}
