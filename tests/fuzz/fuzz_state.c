/* Saved states from arbitrary bytes, restored into a tiny model whose layers partly have a window.
 * The first bytes say how: as they come, or a state that was really saved with bytes of it changed;
 * with right checksums, so that what lies behind them is reached too. */
#include "../../tools/gguf_write.h"
#include "../../tools/native_heap.h"
#include "api/sotto.h"
#include "base/bytes.h"
#include "model/saved.h"
#include <stdlib.h>
#include <string.h>

enum { EMBD = 32, VOCAB = 16, LAYERS = 2, CONTEXT = 192, HELD = 150 };

static struct native_heap heap;
static struct pool pool;
static sotto_model *model[3]; /* by kv type */
static uint8_t *kept[3];
static size_t kept_bytes[3];

static void tensor(struct gguf_out *w, const char *format, int layer, uint64_t k, uint64_t rows) {
    char name[64];
    uint64_t ne[2] = {k, rows};
    snprintf(name, sizeof name, format, layer);
    gguf_out_tensor(w, name, DT_F32, rows > 1 ? 2 : 1, ne);
}

static uint8_t *make_file(size_t *n) {
    struct gguf_out w;
    gguf_out_init(&w);
    gguf_out_str(&w, "general.architecture", "gemma2"); /* every other layer has a window */
    gguf_out_u32(&w, "gemma2.context_length", CONTEXT);
    gguf_out_u32(&w, "gemma2.embedding_length", EMBD);
    gguf_out_u32(&w, "gemma2.block_count", LAYERS);
    gguf_out_u32(&w, "gemma2.feed_forward_length", EMBD);
    gguf_out_u32(&w, "gemma2.attention.head_count", 2);
    gguf_out_u32(&w, "gemma2.attention.head_count_kv", 1);
    gguf_out_u32(&w, "gemma2.attention.key_length", 16);
    gguf_out_u32(&w, "gemma2.attention.value_length", 16);
    gguf_out_u32(&w, "gemma2.attention.sliding_window", 20);
    gguf_out_f32(&w, "gemma2.attention.layer_norm_rms_epsilon", 1e-6f);
    gguf_out_str(&w, "tokenizer.ggml.model", "llama");
    gguf_out_strings(&w, "tokenizer.ggml.tokens", VOCAB);
    float scores[VOCAB] = {0};
    int32_t types[VOCAB];
    for (int i = 0; i < VOCAB; i++) {
        char text[2] = {(char)('a' + i), 0};
        gguf_out_item(&w, text, 1);
        types[i] = i ? 1 : 2;
    }
    gguf_out_array(&w, "tokenizer.ggml.scores", GGUF_F32, scores, VOCAB);
    gguf_out_array(&w, "tokenizer.ggml.token_type", GGUF_I32, types, VOCAB);
    tensor(&w, "token_embd.weight", 0, EMBD, VOCAB);
    tensor(&w, "output_norm.weight", 0, EMBD, 1);
    for (int i = 0; i < LAYERS; i++) {
        static const char *const norms[] = {
            "blk.%d.attn_norm.weight", "blk.%d.post_attention_norm.weight",
            "blk.%d.ffn_norm.weight", "blk.%d.post_ffw_norm.weight"};
        for (int k = 0; k < 4; k++) tensor(&w, norms[k], i, EMBD, 1);
        tensor(&w, "blk.%d.attn_q.weight", i, EMBD, 32);
        tensor(&w, "blk.%d.attn_k.weight", i, EMBD, 16);
        tensor(&w, "blk.%d.attn_v.weight", i, EMBD, 16);
        tensor(&w, "blk.%d.attn_output.weight", i, 32, EMBD);
        tensor(&w, "blk.%d.ffn_gate.weight", i, EMBD, EMBD);
        tensor(&w, "blk.%d.ffn_up.weight", i, EMBD, EMBD);
        tensor(&w, "blk.%d.ffn_down.weight", i, EMBD, EMBD);
    }
    size_t head;
    uint8_t *header = gguf_out_header(&w, &head), *file;
    *n = head + (size_t)w.data_size;
    file = realloc(header, *n);
    if (!header || !file || w.error[0]) abort();
    uint32_t state = 7;
    for (size_t at = head; at + 4 <= *n; at += 4) {
        state = state * 1664525 + 1013904223;
        float v = (float)(state >> 8) / (1 << 24) - 0.5f;
        memcpy(file + at, &v, 4);
    }
    gguf_out_free(&w);
    return file;
}

static int evaluate(sotto_model *m, sotto_seq *s, uint32_t n) {
    uint32_t tokens[HELD];
    for (uint32_t i = 0; i < n; i++) tokens[i] = i * 5 % VOCAB;
    struct sotto_entry e = {s, tokens, n, SOTTO_WANT_LAST};
    int rc = sotto_run_begin(m, &e, 1);
    while (!rc && (rc = sotto_run(m, 0)) == SOTTO_MORE) rc = 0;
    return rc;
}

static void set_up(void) {
    size_t n;
    native_heap_init(&heap);
    pool_init(&pool);
    uint8_t *file = make_file(&n);
    for (uint32_t kv = 0; kv < 3; kv++) {
        struct sotto_options o = {.kv_type = kv, .batch = 32};
        struct fail f = {0};
        sotto_header *h = sotto_header_new(&heap.heap);
        if (sotto_header_push(h, 0, file, n) || sotto_model_open(&model[kv], h, &pool, &o, &f))
            abort();
        for (uint64_t at = 0; at < n;) {
            size_t room;
            void *to = sotto_feed_target(model[kv], 0, at, &room);
            if (room > n - at) room = n - at;
            memcpy(to, file + at, room);
            if (sotto_feed_commit(model[kv], 0, at, room)) abort();
            at += room;
        }
        sotto_seq *s;
        sotto_state *st;
        if (sotto_seq_new(model[kv], &s) || evaluate(model[kv], s, HELD) ||
            sotto_state_open(s, false, &st))
            abort();
        kept[kv] = malloc(kept_bytes[kv] = (size_t)sotto_state_bytes(s));
        if (sotto_state_read(st, kept[kv], kept_bytes[kv]) != kept_bytes[kv] ||
            sotto_state_close(st))
            abort();
        sotto_seq_free(s);
    }
    free(file);
}

static void seal(uint8_t *bytes, size_t n) {
    uint64_t h;
    if (n < SAVED_HEAD + SAVED_TAIL) return;
    h = saved_hash(bytes, 40), memcpy(bytes + 40, &h, 8);
    h = saved_hash(bytes, n - SAVED_TAIL), memcpy(bytes + n - SAVED_TAIL, &h, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!model[0]) set_up();
    if (size < 2) return 0;
    uint32_t kv = data[0] % 3, step = data[1] ? data[1] * 16u : 1;
    bool changed = data[0] & 4, sealed = data[0] & 8, known = data[0] & 16;
    size_t n = changed ? kept_bytes[kv] : size - 2;
    uint8_t *bytes = malloc(n ? n : 1);
    if (changed) { /* each three bytes of input: a place and a value */
        memcpy(bytes, kept[kv], n);
        for (size_t i = 2; i + 3 <= size; i += 3) {
            size_t at = load_u16(data + i);
            bytes[i % 2 ? at % n : at % (SAVED_HEAD + HELD * 4)] ^= data[i + 2];
        }
        if (data[1] & 1) n -= data[1];
    } else if (n) {
        memcpy(bytes, data + 2, n);
        if (known && n >= 24) memcpy(bytes, kept[kv], 24);
    }
    if (sealed) seal(bytes, n);
    size_t used = heap.heap.used;
    sotto_seq *s;
    sotto_state *st;
    if (sotto_seq_new(model[kv], &s) || sotto_state_open(s, true, &st)) abort();
    int rc = SOTTO_MORE, closed;
    for (size_t at = 0; at < n && rc <= SOTTO_MORE; at += step)
        rc = sotto_state_write(st, bytes + at, n - at < step ? n - at : step);
    closed = sotto_state_close(st);
    if (rc == SOTTO_MORE) rc = closed;
    if (rc && (sotto_seq_length(s) || !sotto_model_fail(model[kv])->text[0])) abort();
    if (!rc && sotto_seq_length(s) + 2 < CONTEXT && evaluate(model[kv], s, 2)) abort();
    sotto_seq_free(s);
    /* whatever came, the whole cache is there for the next */
    if (heap.heap.used != used || sotto_seq_new(model[kv], &s) || sotto_seq_fill(s, CONTEXT))
        abort();
    sotto_seq_free(s);
    free(bytes);
    return 0;
}
