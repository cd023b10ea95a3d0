/* Vocabularies made here, small enough to tokenize by hand: each kind, special tokens, decoding, streams,
 * hostile metadata, and every allocation failing in turn. */
#include "../../tools/gguf_write.h"
#include "../../tools/native_heap.h"
#include "../check.h"
#include "text/vocab.h"
#include <time.h>

static struct native_heap heap;

struct token {
    const char *text;
    float score;
    int32_t type; /* 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte */
};

struct world {
    struct gguf *gguf;
    struct vocab *vocab;
    uint8_t *header;
    size_t size;
};

static void put_tokens(struct gguf_out *w, const struct token *t, size_t n) {
    float *scores = malloc(n * sizeof *scores);
    int32_t *types = malloc(n * sizeof *types);
    gguf_out_strings(w, "tokenizer.ggml.tokens", n);
    for (size_t i = 0; i < n; i++) {
        gguf_out_item(w, t[i].text, strlen(t[i].text));
        scores[i] = t[i].score;
        types[i] = t[i].type;
    }
    gguf_out_array(w, "tokenizer.ggml.scores", GGUF_F32, scores, n);
    gguf_out_array(w, "tokenizer.ggml.token_type", GGUF_I32, types, n);
    free(scores);
    free(types);
}

static void put_strings(struct gguf_out *w, const char *key, const char *const *list) {
    size_t n = 0;
    while (list[n]) n++;
    gguf_out_strings(w, key, n);
    for (size_t i = 0; i < n; i++) gguf_out_item(w, list[i], strlen(list[i]));
}

/* Takes what was written; NULL for a vocabulary that is refused. */
static struct world open_world(struct gguf_out *w, struct fail *f) {
    struct world x = {0};
    memset(f, 0, sizeof *f);
    x.header = gguf_out_header(w, &x.size);
    gguf_out_free(w);
    x.gguf = gguf_new(&heap.heap);
    CHECK_EQ(gguf_push(x.gguf, x.header, x.size, f), SOTTO_OK);
    if (vocab_open(&x.vocab, &heap.heap, x.gguf, f) != SOTTO_OK) x.vocab = NULL;
    return x;
}

static void close_world(struct world *x) {
    vocab_close(x->vocab);
    gguf_free(x->gguf);
    free(x->header);
    CHECK_EQ(heap.heap.used, 0);
}

/* Compares ids with a list ended by -1. */
static void expect_bytes(const struct vocab *v, const char *text, size_t n, unsigned flags, const int *wanted) {
    struct fail f;
    uint32_t *ids;
    size_t n_ids, n_wanted = 0;
    char got[400] = "";
    bool same;
    while (wanted[n_wanted] >= 0) n_wanted++;
    CHECK_EQ(vocab_encode(v, &heap.heap, text, n, flags, &ids, &n_ids, &f), SOTTO_OK);
    same = n_ids == n_wanted;
    for (size_t i = 0; same && i < n_ids; i++) same = ids[i] == (uint32_t)wanted[i];
    for (size_t i = 0; i < n_ids && i < 30; i++) sprintf(got + strlen(got), " %u", ids[i]);
    CHECK(same, "\"%s\" (flags %u) gave%s", text, flags, got);
    heap_free(&heap.heap, ids, n_ids * sizeof *ids);
}

#define EXPECT(v, text, flags, ...)                                                                \
    expect_bytes(v, text, strlen(text), flags, (const int[]){__VA_ARGS__, -1})

static void expect_text(const struct vocab *v, unsigned flags, const char *wanted, const uint32_t *ids, size_t n) {
    struct sbuf out = sbuf_new(&heap.heap);
    sbuf_str(&out, "");
    vocab_decode(v, ids, n, flags, &out);
    CHECK_STR(out.text, wanted);
    sbuf_free(&out);
}

#define EXPECT_TEXT(v, flags, wanted, ...)                                                         \
    expect_text(v, flags, wanted, (const uint32_t[]){__VA_ARGS__},                                 \
                sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static const struct token spm_tokens[] = {
    {"<unk>", 0, 2},  {"<s>", 0, 3},      {"</s>", 0, 3},     {"<0x0A>", 0, 6},   {"<0xC3>", 0, 6},
    {"<0xA9>", 0, 6}, {"a", -1, 1},       {"b", -1, 1},       {"▁", -1, 1},     {"ab", -5, 1},
    {"▁a", -4, 1},  {"ba", -3, 1},      {"<tool>", 0, 4},   {"▁ab", -9, 1},   {"中", -2, 1},
    {"<0x21>", 0, 6}};

static void begin_spm(struct gguf_out *w) {
    gguf_out_init(w);
    gguf_out_str(w, "tokenizer.ggml.model", "llama");
    put_tokens(w, spm_tokens, sizeof spm_tokens / sizeof *spm_tokens);
}

static void test_spm(void) {
    struct gguf_out w;
    struct fail f;
    struct world x;
    begin_spm(&w);
    x = open_world(&w, &f);
    CHECK_EQ(vocab_kind(x.vocab), VOCAB_SPM);
    CHECK_EQ(vocab_size(x.vocab), 16);
    CHECK_EQ(vocab_special(x.vocab).bos, 1);
    CHECK(vocab_special(x.vocab).add_bos && !vocab_special(x.vocab).add_eos);
    CHECK(vocab_is_eog(x.vocab, 2) && !vocab_is_eog(x.vocab, 1) && !vocab_is_eog(x.vocab, 99));
    CHECK_EQ(vocab_find(x.vocab, "ab", 2), 9);
    CHECK_EQ(vocab_find(x.vocab, "abc", 3), TOKEN_NONE);
    CHECK_EQ(vocab_attr(x.vocab, 12), TOKEN_USER_DEFINED);
    /* A space is put in front; the best score merges first, the leftmost among equals. */
    EXPECT(x.vocab, "a", 0, 10);
    EXPECT(x.vocab, "ab", 0, 13);        /* ▁a (-4), which then joins b; not ab (-5) */
    EXPECT(x.vocab, "abab", 0, 10, 11, 7); /* ba (-3) is first of all */
    EXPECT(x.vocab, "bab", 0, 8, 11, 7); /* ba (-3) before ab */
    EXPECT(x.vocab, "ab", ENCODE_ADD_SPECIAL, 1, 13);
    EXPECT(x.vocab, "", ENCODE_ADD_SPECIAL, 1);
    EXPECT(x.vocab, "中", 0, 8, 14);
    /* Bytes where there is no token, unknown where there is no byte either. */
    EXPECT(x.vocab, "é\n!?", 0, 8, 4, 5, 3, 15, 0);
    /* Control tokens are text unless asked for, user-defined ones always count; a space follows them. */
    EXPECT(x.vocab, "a</s>b", ENCODE_PARSE_SPECIAL, 10, 2, 8, 7);
    EXPECT(x.vocab, "<tool>a", 0, 12, 10);
    CHECK_EQ(vocab_attr(x.vocab, 77), 0);
    EXPECT_TEXT(x.vocab, 0, "ab", 10, 7); /* the leading space goes */
    EXPECT_TEXT(x.vocab, DECODE_REMOVE_SPECIAL, " ab", 1, 10, 7); /* not behind a removed <s> */
    EXPECT_TEXT(x.vocab, 0, "a", 10, 2);
    EXPECT_TEXT(x.vocab, DECODE_SHOW_SPECIAL, "a</s>é", 10, 2, 4, 5);
    EXPECT_TEXT(x.vocab, DECODE_SHOW_SPECIAL, "a<tool>", 10, 12, 999);
    close_world(&x);
    /* Metadata has the last word. */
    begin_spm(&w);
    gguf_out_bool(&w, "tokenizer.ggml.add_space_prefix", false);
    gguf_out_bool(&w, "tokenizer.ggml.add_bos_token", false);
    gguf_out_bool(&w, "tokenizer.ggml.add_eos_token", true);
    gguf_out_u32(&w, "tokenizer.ggml.eos_token_id", 12);
    gguf_out_u32(&w, "tokenizer.ggml.bos_token_id", 1000); /* not a token: the default stays */
    x = open_world(&w, &f);
    CHECK_EQ(vocab_special(x.vocab).bos, 1);
    EXPECT(x.vocab, "ab", ENCODE_ADD_SPECIAL, 9, 12);
    CHECK(vocab_is_eog(x.vocab, 12));
    EXPECT_TEXT(x.vocab, 0, " ab", 10, 7);
    close_world(&x);
}

/* Byte-level: all bytes that the texts below use, then merges. Ġ spells a space, Ċ a line feed. */
static const struct token bpe_tokens[] = {
    {"a", 0, 1},   {"b", 0, 1},   {"Ġ", 0, 1},  {"Ċ", 0, 1},  {"ab", 0, 1},  {"Ġa", 0, 1}, {"bb", 0, 1},
    {"abb", 0, 1}, {"<|end|>", 0, 3}, {"1", 0, 1}, {"11", 0, 1}, {"'", 0, 1}, {"s", 0, 1}, {"'s", 0, 1},
    {"Ã", 0, 1},  {"©", 0, 1},  {"ï", 0, 1},  {"¿", 0, 1},  {"½", 0, 1},  {".", 0, 1},  {"Ġ.", 0, 1},
    {"<|x|>", 0, 4}, {"<|x|><|x|>", 0, 4}};
static const char *const bpe_merges[] = {"b b", "a b", "Ġ a", "a bb", "1 1", "' s", "Ġ .", NULL};

static struct world bpe_world(const char *pre) {
    struct gguf_out w;
    struct fail f;
    gguf_out_init(&w);
    gguf_out_str(&w, "tokenizer.ggml.model", "gpt2");
    gguf_out_str(&w, "tokenizer.ggml.pre", pre);
    put_tokens(&w, bpe_tokens, sizeof bpe_tokens / sizeof *bpe_tokens);
    put_strings(&w, "tokenizer.ggml.merges", bpe_merges);
    return open_world(&w, &f);
}

static void test_bpe(void) {
    struct world x = bpe_world("gpt-2");
    struct vocab *v = x.vocab;
    CHECK_EQ(vocab_kind(v), VOCAB_BPE);
    EXPECT(v, "abb", 0, 7);         /* b b comes first, then a bb */
    EXPECT(v, "abbb", 0, 7, 1);     /* the leftmost b b */
    EXPECT(v, "ab ab", 0, 4, 2, 4); /* a b comes before Ġ a */
    EXPECT(v, " a\n", 0, 5, 3);
    EXPECT(v, "a's", 0, 0, 13);
    EXPECT(v, "11111", 0, 10, 10, 9);
    EXPECT(v, "é", 0, 14, 15);
    EXPECT(v, "\x80", 0, 16, 17, 18); /* a stray byte is U+FFFD */
    EXPECT(v, "\xc1\xa1", 0, 0);      /* an overlong a is a */
    EXPECT(v, "azb", 0, 0, 1);        /* bytes that no token spells are dropped, as in llama.cpp */
    EXPECT(v, "a<|end|>b", ENCODE_PARSE_SPECIAL, 0, 8, 1);
    EXPECT(v, "<|end|>a", 0, 0);
    EXPECT(v, "<|x|><|x|><|x|>", 0, 22, 21); /* longer tokens first */
    EXPECT(v, "a", ENCODE_ADD_SPECIAL, 0);
    CHECK(vocab_is_eog(v, 8) && vocab_special(v).eot == 8);
    EXPECT_TEXT(v, 0, "a b", 0, 2, 1);
    EXPECT_TEXT(v, 0, "a.", 0, 20); /* the space goes before punctuation and contractions */
    EXPECT_TEXT(v, 0, "a's", 0, 2, 13);
    EXPECT_TEXT(v, DECODE_SHOW_SPECIAL, "a<|end|>", 0, 8);
    EXPECT_TEXT(v, 0, "é", 14, 15);
    expect_bytes(v, "a\0b", 3, 0, (const int[]){0, 1, -1}); /* NUL is text; no token spells it here */
    close_world(&x);
    x = bpe_world("smollm");
    EXPECT(x.vocab, "11a", 0, 9, 9, 0); /* digits stand alone */
    EXPECT_TEXT(x.vocab, 0, "a .", 0, 20);
    close_world(&x);
    x = bpe_world("llama-bpe");
    CHECK(vocab_special(x.vocab).add_bos);
    close_world(&x);
}

static void test_wpm(void) {
    static const struct token tokens[] = {
        {"[UNK]", 0, 2}, {"[CLS]", 0, 3}, {"[SEP]", 0, 3},   {"▁hello", 0, 1}, {"▁he", 0, 1},
        {"llo", 0, 1},   {"▁!", 0, 1},  {"▁cafe", 0, 1}, {"y", 0, 1}};
    struct gguf_out w;
    struct fail f;
    struct world x;
    gguf_out_init(&w);
    gguf_out_str(&w, "tokenizer.ggml.model", "bert");
    gguf_out_u32(&w, "tokenizer.ggml.unknown_token_id", 0);
    gguf_out_u32(&w, "tokenizer.ggml.bos_token_id", 1);
    gguf_out_u32(&w, "tokenizer.ggml.seperator_token_id", 2);
    put_tokens(&w, tokens, 9);
    x = open_world(&w, &f);
    EXPECT(x.vocab, "Hello CAFÉ!", ENCODE_ADD_SPECIAL, 1, 3, 7, 6, 2);
    EXPECT(x.vocab, "hey  hexx\thellohe", 0, 4, 8, 0, 0); /* a word with an unknown part is unknown */
    EXPECT(x.vocab, "hello中", 0, 3, 0);
    EXPECT(x.vocab, "", ENCODE_ADD_SPECIAL, 1, 2);
    EXPECT_TEXT(x.vocab, 0, " hello!", 3, 6);
    close_world(&x);
}

static void test_ugm(void) {
    static const struct token tokens[] = {
        {"<pad>", 0, 3}, {"</s>", 0, 3}, {"<unk>", 0, 2},  {"▁a", -1, 1}, {"b", -2, 1}, {"▁", -3, 1},
        {"a", -2, 1},    {"ab", -1.5f, 1}, {"▁ab", -4, 1}, {"<u>", 0, 4}};
    /* One node for the byte A below the root, which maps it to "a": see Kanda 2018 for the packing. */
    static const uint32_t nodes[4] = {1u << 10, 0, 0, 0};
    uint8_t map[4 + 4 * 256 + 2] = {0};
    struct gguf_out w;
    struct fail f;
    struct world x;
    uint32_t size = 4 * 256, leaf = 'A' | 1u << 8 | 2u << 10, value = 0x80000000u;
    memcpy(map, &size, 4);
    memcpy(map + 4, nodes, 4);
    memcpy(map + 4 + 4 * (1 ^ 'A'), &leaf, 4);                  /* root base 1, xor the byte */
    memcpy(map + 4 + 4 * ((1 ^ 'A') ^ 2), &value, 4);           /* base 2: the value node, offset 0 */
    memcpy(map + 4 + 4 * 256, "a", 2);
    for (int cut = 0; cut < 2; cut++) {
        gguf_out_init(&w);
        gguf_out_str(&w, "tokenizer.ggml.model", "t5");
        gguf_out_bool(&w, "tokenizer.ggml.add_space_prefix", true);
        gguf_out_bool(&w, "tokenizer.ggml.remove_extra_whitespaces", true);
        gguf_out_array(&w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, map, cut ? 600 : sizeof map);
        put_tokens(&w, tokens, 10);
        x = open_world(&w, &f);
        if (cut) {
            CHECK(!x.vocab && f.code == SOTTO_FORMAT, "%s", f.text);
        } else {
            EXPECT(x.vocab, "ab", ENCODE_ADD_SPECIAL, 3, 4, 1); /* -1 - 2 beats -4 and -3 - 1.5 */
            EXPECT(x.vocab, "Ab   b", 0, 3, 4, 5, 4);
            EXPECT(x.vocab, "zzb", 0, 5, 2, 4); /* neighbouring unknowns are one */
            EXPECT(x.vocab, "a<u>", 0, 3, 9);
        }
        close_world(&x);
    }
}

static void test_rwkv(void) {
    static const struct token tokens[] = {{"<s>", 0, 1},  {"a", 0, 1},      {"ab", 0, 1},
                                          {"\\n", 0, 1}, {"\\x80", 0, 1}, {"abcd", 0, 1}, {"\\\\", 0, 1}};
    struct gguf_out w;
    struct fail f;
    struct world x;
    gguf_out_init(&w);
    gguf_out_str(&w, "tokenizer.ggml.model", "rwkv");
    gguf_out_u32(&w, "tokenizer.ggml.unknown_token_id", 0);
    put_tokens(&w, tokens, 7);
    x = open_world(&w, &f);
    EXPECT(x.vocab, "abcdab\n\x80\\", 0, 5, 2, 3, 4, 6);
    EXPECT(x.vocab, "abca", 0, 2, 0, 1); /* abc begins a token and is none */
    CHECK_EQ(vocab_find(x.vocab, "\\n", 2), 3);
    EXPECT_TEXT(x.vocab, 0, "ab\n\\", 2, 3, 6);
    close_world(&x);
}

static void test_streams(void) {
    struct world x = bpe_world("gpt-2");
    struct detok d;
    struct sbuf out = sbuf_new(&heap.heap);
    sbuf_str(&out, "");
    detok_init(&d, x.vocab, false);
    detok_push(&d, 14, &out);
    CHECK_STR(out.text, ""); /* half a character waits */
    detok_push(&d, 15, &out);
    CHECK_STR(out.text, "é");
    detok_push(&d, 8, &out); /* control tokens are silent */
    detok_push(&d, 14, &out);
    detok_push(&d, 0, &out); /* what cannot go on is replaced */
    CHECK_STR(out.text, "é\xef\xbf\xbd" "a");
    detok_push(&d, 16, &out);
    detok_finish(&d, &out);
    CHECK_STR(out.text, "é\xef\xbf\xbd" "a\xef\xbf\xbd");
    out.size = 0;
    detok_init(&d, x.vocab, true);
    detok_push(&d, 8, &out);
    CHECK_STR(out.text, "<|end|>");
    sbuf_free(&out);
    close_world(&x);
}

/* Metadata that cannot be a vocabulary. */
static void refuse(void (*write)(struct gguf_out *), int code, const char *part) {
    struct gguf_out w;
    struct fail f;
    struct world x;
    gguf_out_init(&w);
    write(&w);
    x = open_world(&w, &f);
    CHECK(!x.vocab && f.code == code && strstr(f.text, part), "code %d, \"%s\", wanted %d, \"%s\"", f.code, f.text,
          code, part);
    close_world(&x);
}

static void unknown_model(struct gguf_out *w) {
    gguf_out_str(w, "tokenizer.ggml.model", "telepathy");
    put_tokens(w, spm_tokens, 3);
}
static void unknown_pre(struct gguf_out *w) {
    gguf_out_str(w, "tokenizer.ggml.model", "gpt2");
    gguf_out_str(w, "tokenizer.ggml.pre", "gpt-99");
    put_tokens(w, spm_tokens, 3);
}
static void tokens_are_numbers(struct gguf_out *w) {
    gguf_out_str(w, "tokenizer.ggml.model", "llama");
    gguf_out_array(w, "tokenizer.ggml.tokens", GGUF_F32, (const float[]){1, 2}, 2);
}
static void merges_are_numbers(struct gguf_out *w) {
    gguf_out_str(w, "tokenizer.ggml.model", "gpt2");
    put_tokens(w, spm_tokens, 3);
    gguf_out_u32(w, "tokenizer.ggml.merges", 3);
}
static void few_scores(struct gguf_out *w) {
    gguf_out_str(w, "tokenizer.ggml.model", "llama");
    gguf_out_strings(w, "tokenizer.ggml.tokens", 2);
    gguf_out_item(w, "a", 1);
    gguf_out_item(w, "b", 1);
    gguf_out_array(w, "tokenizer.ggml.scores", GGUF_F32, (const float[]){1}, 1);
}
static void types_are_text(struct gguf_out *w) {
    gguf_out_str(w, "tokenizer.ggml.model", "llama");
    gguf_out_strings(w, "tokenizer.ggml.tokens", 1);
    gguf_out_item(w, "a", 1);
    gguf_out_str(w, "tokenizer.ggml.token_type", "3");
}

static void test_hostile(void) {
    struct gguf_out w;
    struct fail f;
    struct world x;
    refuse(unknown_model, SOTTO_UNSUPPORTED, "telepathy");
    refuse(unknown_pre, SOTTO_UNSUPPORTED, "gpt-99");
    refuse(tokens_are_numbers, SOTTO_FORMAT, "tokens");
    refuse(merges_are_numbers, SOTTO_FORMAT, "merges");
    refuse(few_scores, SOTTO_FORMAT, "scores");
    refuse(types_are_text, SOTTO_FORMAT, "token_type");
    /* No vocabulary at all is one of nothing. */
    gguf_out_init(&w);
    gguf_out_str(&w, "general.architecture", "llama");
    x = open_world(&w, &f);
    CHECK(x.vocab && vocab_kind(x.vocab) == VOCAB_NONE && vocab_size(x.vocab) == 0);
    expect_bytes(x.vocab, "abc", 3, 3, (const int[]){-1});
    CHECK_EQ(vocab_find(x.vocab, "a", 1), TOKEN_NONE);
    close_world(&x);
    /* Empty tokens, equal tokens, an empty list. */
    gguf_out_init(&w);
    gguf_out_str(&w, "tokenizer.ggml.model", "llama");
    gguf_out_strings(&w, "tokenizer.ggml.tokens", 4);
    for (int i = 0; i < 4; i++) gguf_out_item(&w, "aa", i & 1 ? 1 : 0);
    x = open_world(&w, &f);
    EXPECT(x.vocab, "a", 0, 0, 0, 0, 3); /* the space has no token: three bytes, each unknown; the last a wins */
    EXPECT_TEXT(x.vocab, 0, "[EMPTY_2]", 2);
    close_world(&x);
    gguf_out_init(&w);
    gguf_out_str(&w, "tokenizer.ggml.model", "gpt2");
    gguf_out_strings(&w, "tokenizer.ggml.tokens", 0);
    x = open_world(&w, &f);
    CHECK(x.vocab && vocab_special(x.vocab).bos == TOKEN_NONE);
    expect_bytes(x.vocab, "abc", 3, 3, (const int[]){-1});
    close_world(&x);
}

/* Every allocation of opening and encoding fails once: MEMORY, and nothing is lost. */
static void test_memory(void) {
    struct gguf_out w;
    struct fail f;
    struct world x;
    char text[400];
    bool done = false;
    memset(text, 'a', sizeof text);
    text[200] = ' ';
    begin_spm(&w);
    x = open_world(&w, &f);
    vocab_close(x.vocab);
    x.vocab = NULL;
    for (int64_t k = 0; !done && k < 100; k++) {
        size_t before = heap.heap.used;
        struct vocab *v = NULL;
        int code;
        heap.fail_after = k;
        code = vocab_open(&v, &heap.heap, x.gguf, &f);
        heap.fail_after = -1;
        done = code == SOTTO_OK;
        CHECK(done || (code == SOTTO_MEMORY && !v), "allocation %d: %d", (int)k, code);
        vocab_close(v);
        CHECK_EQ(heap.heap.used, before);
    }
    CHECK(done);
    close_world(&x);
    x = bpe_world("gpt-2");
    done = false;
    for (int64_t k = 0; !done && k < 100; k++) {
        size_t before = heap.heap.used, n;
        uint32_t *ids = NULL;
        int code;
        heap.fail_after = k;
        code = vocab_encode(x.vocab, &heap.heap, text, sizeof text, 3, &ids, &n, &f);
        heap.fail_after = -1;
        done = code == SOTTO_OK;
        CHECK(done || (code == SOTTO_MEMORY && !ids), "allocation %d: %d", (int)k, code);
        heap_free(&heap.heap, ids, n * sizeof *ids);
        CHECK_EQ(heap.heap.used, before);
    }
    CHECK(done);
    close_world(&x);
}

/* What would be quadratic in a careless merge, search or partition. Linear work takes a second or two; a
 * quadratic step here takes minutes for each text, so the bound leaves room for a very slow machine. */
static void test_long_texts(void) {
    time_t start = time(NULL);
    static const char *const units[] = {"a", " ", "1", "'", "<|x|>", "<|", "\n ", "é", "ab ", "\x80"};
    static const char *const pres[] = {"default", "deepseek-llm", "jais-2", "superbpe", "tekken", "exaone-moe"};
    enum { SIZE = 150000 };
    char *text = malloc(SIZE);
    for (size_t p = 0; p < sizeof pres / sizeof *pres; p++) {
        struct world x = bpe_world(pres[p]);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t unit = strlen(units[u]), n;
            uint32_t *ids;
            struct fail f;
            for (size_t i = 0; i < SIZE; i++) text[i] = units[u][i % unit];
            CHECK_EQ(vocab_encode(x.vocab, &heap.heap, text, SIZE, 3, &ids, &n, &f), SOTTO_OK);
            CHECK(n > 1000 || *units[u] == '\'' || units[u][1] == '|', "%s: %zu tokens of \"%s\"", pres[p], n, units[u]);
            heap_free(&heap.heap, ids, n * sizeof *ids);
        }
        close_world(&x);
    }
    free(text);
    CHECK(time(NULL) - start < 200, "%ld s", (long)(time(NULL) - start));
}

int main(void) {
    native_heap_init(&heap);
    test_spm();
    test_bpe();
    test_wpm();
    test_ugm();
    test_rwkv();
    test_streams();
    test_hostile();
    test_memory();
    test_long_texts();
    return check_done();
}
