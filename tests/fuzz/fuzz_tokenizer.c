/* Arbitrary small vocabularies of every kind, and arbitrary text through them.
 *
 * Input: kind, switches, index of a pre-tokenizer; then records ended by 0xff: tokens (first byte: type),
 * an empty record, the character map of Unigram, an empty record, and the text to the end.
 * SOTTO_FUZZ_KIND=0..5 holds the kind, for a run of one alone.
 * Checked: ids are tokens; streams are valid UTF-8; byte-level BPE with all bytes gives the text back.
 */
#include "../../tools/gguf_write.h"
#include "../../tools/native_heap.h"
#include "text/vocab.h"

static const char *const kinds[] = {"llama", "gpt2", "bert", "t5", "rwkv", "gemma4"};
static const char *const pres[] = {
    "default",   "llama3",     "deepseek-llm", "deepseek-coder", "deepseek-v3", "spark2_5",  "afmoe",
    "youtu",     "falcon",     "gpt-2",        "starcoder",      "qwen2",       "qwen35",    "bloom",
    "viking",    "tekken",     "gpt-4o",       "tiny_aya",       "kimi-k2",     "superbpe",  "chameleon",
    "minicpm5",  "jais-2",     "exaone-moe",   "laguna",         "seed-coder",  "bailingmoe",
    "ufakzeka",  "sarvam-moe", "gemma4",       "granite-embed-multi-97m",       "chatglm-bpe",
};
enum { N_PRES = sizeof pres / sizeof *pres, MAX_PIECES = 64 };

struct piece {
    const char *text;
    size_t n;
    int32_t type;
};

static size_t utf8(char *dst, unsigned cp) {
    if (cp < 0x80) {
        dst[0] = (char)cp;
        return 1;
    }
    dst[0] = (char)(0xc0 | cp >> 6);
    dst[1] = (char)(0x80 | (cp & 63));
    return 2;
}

static bool is_plain(unsigned b) { return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae; }

/* GPT-2's spelling of a byte, from its definition: unprintable bytes count up from U+0100. */
static size_t spell(char *dst, unsigned byte, unsigned *next) {
    return utf8(dst, is_plain(byte) ? byte : (*next)++);
}

static bool is_utf8(const char *text, size_t n) {
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0, size; i < n; i += size) {
        uint32_t cp = p[i];
        size = cp < 0x80 ? 1 : cp < 0xc2 ? 0 : cp < 0xe0 ? 2 : cp < 0xf0 ? 3 : cp < 0xf5 ? 4 : 0;
        if (!size || size > n - i) return false;
        if (size == 1) continue;
        cp &= 0xffu >> (size + 1);
        for (size_t k = 1; k < size; k++) {
            if ((p[i + k] & 0xc0) != 0x80) return false;
            cp = cp << 6 | (p[i + k] & 63);
        }
        if ((size == 3 && cp < 0x800) || (size == 4 && (cp < 0x10000 || cp > 0x10ffff))) return false;
        if (cp >= 0xd800 && cp < 0xe000) return false;
    }
    return true;
}

static void add_tokens(struct gguf_out *w, const struct piece *pieces, size_t n, bool bytes, bool spelled) {
    float scores[MAX_PIECES + 256];
    int32_t types[MAX_PIECES + 256];
    size_t total = n + (bytes ? 256 : 0);
    unsigned next = 256;
    gguf_out_strings(w, "tokenizer.ggml.tokens", total);
    for (size_t i = 0; i < total; i++) {
        char name[8];
        unsigned byte = (unsigned)(i - n);
        types[i] = i < n ? pieces[i].type : spelled ? 1 : 6;
        scores[i] = i < n ? -(float)((i * 7) % 13) : -100;
        if (i < n) gguf_out_item(w, pieces[i].text, pieces[i].n);
        else if (spelled) gguf_out_item(w, name, spell(name, byte, &next));
        else gguf_out_item(w, name, (size_t)snprintf(name, sizeof name, "<0x%02X>", byte));
    }
    gguf_out_array(w, "tokenizer.ggml.scores", GGUF_F32, scores, total);
    gguf_out_array(w, "tokenizer.ggml.token_type", GGUF_I32, types, total);
}

/* Each token of n bytes makes the merge of its first n / 2 bytes and the rest. */
static void add_merges(struct gguf_out *w, const struct piece *pieces, size_t n) {
    gguf_out_strings(w, "tokenizer.ggml.merges", n);
    for (size_t i = 0; i < n; i++) {
        char merge[300];
        size_t half = pieces[i].n / 2, rest = pieces[i].n - half;
        if (rest > 140) rest = 140;
        if (half > 140) half = 140;
        memcpy(merge, pieces[i].text, half);
        merge[half] = ' ';
        memcpy(merge + half + 1, pieces[i].text + half, rest);
        gguf_out_item(w, merge, half + 1 + rest);
    }
}

static void check_stream(const struct vocab *v, struct heap *h, const uint32_t *ids, size_t n, bool special) {
    struct detok d;
    struct sbuf out = sbuf_new(h), whole = sbuf_new(h);
    size_t seen = 0;
    detok_init(&d, v, special);
    for (size_t i = 0; i < n; i++) {
        vocab_piece(v, ids[i], special, &whole);
        detok_push(&d, ids[i], &out);
        if (out.size > seen && !is_utf8(out.text + seen, out.size - seen)) abort();
        seen = out.size;
    }
    detok_finish(&d, &out);
    if (out.size > seen && !is_utf8(out.text + seen, out.size - seen)) abort();
    if (is_utf8(whole.text, whole.size) && (out.size != whole.size || (out.size && memcmp(out.text, whole.text, out.size))))
        abort();
    sbuf_free(&out);
    sbuf_free(&whole);
}

static void check_text(const struct vocab *v, struct heap *h, const char *text, size_t n, bool exact) {
    for (unsigned flags = 0; flags < 4; flags++) {
        struct fail f = {0};
        struct sbuf out = sbuf_new(h);
        uint32_t *ids;
        size_t n_ids;
        if (vocab_encode(v, h, text, n, flags, &ids, &n_ids, &f) != SOTTO_OK) abort();
        for (size_t i = 0; i < n_ids; i++)
            if (ids[i] >= vocab_size(v)) abort();
        vocab_decode(v, ids, n_ids, DECODE_SHOW_SPECIAL, &out);
        if (exact && !(flags & ENCODE_ADD_SPECIAL) && (out.size != n || (n && memcmp(out.text, text, n)))) abort();
        out.size = 0;
        vocab_decode(v, ids, n_ids, DECODE_REMOVE_SPECIAL, &out);
        check_stream(v, h, ids, n_ids, flags & 1);
        sbuf_free(&out);
        heap_free(h, ids, n_ids * sizeof *ids);
    }
}

static unsigned kind_of(uint8_t byte) {
    const char *only = getenv("SOTTO_FUZZ_KIND");
    return (only ? (unsigned)atoi(only) : byte) % (sizeof kinds / sizeof *kinds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct piece pieces[MAX_PIECES];
    struct native_heap h;
    struct gguf_out w;
    struct gguf *g;
    struct vocab *v = NULL;
    struct fail f = {0};
    const char *at = (const char *)data + 3, *end = (const char *)data + size, *stop;
    const char *kind, *pre;
    size_t n = 0, n_header;
    unsigned switches;
    bool bpe, spelled;
    uint8_t *header;
    if (size < 4) return 0;
    kind = kinds[kind_of(data[0])];
    switches = data[1];
    pre = pres[data[2] % N_PRES];
    bpe = kind_of(data[0]) == 1;
    spelled = bpe && strcmp(pre, "gemma4") && strcmp(pre, "sarvam-moe");
    for (; at < end && n < MAX_PIECES; at = stop + 1) {
        stop = memchr(at, 0xff, (size_t)(end - at));
        if (!stop || stop == at) break;
        pieces[n++] = (struct piece){at + 1, (size_t)(stop - at - 1), at[0] % 7};
    }
    native_heap_init(&h);
    gguf_out_init(&w);
    gguf_out_str(&w, "tokenizer.ggml.model", kind);
    gguf_out_str(&w, "tokenizer.ggml.pre", pre);
    gguf_out_str(&w, "general.name", switches & 1 ? "Phi-3" : "model");
    if (switches & 2) gguf_out_bool(&w, "tokenizer.ggml.add_space_prefix", switches & 4);
    if (switches & 8) gguf_out_bool(&w, "tokenizer.ggml.remove_extra_whitespaces", switches & 16);
    gguf_out_u32(&w, "tokenizer.ggml.unknown_token_id", 0);
    add_tokens(&w, pieces, n, switches & 128, spelled);
    add_merges(&w, pieces, n);
    if (at < end) at++;
    stop = at < end ? memchr(at, 0xff, (size_t)(end - at)) : NULL;
    if (stop) {
        if (stop > at) gguf_out_array(&w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, at, (uint64_t)(stop - at));
        at = stop + 1;
    }
    if (at > end) at = end;
    header = gguf_out_header(&w, &n_header);
    g = gguf_new(&h.heap);
    if (!header || !g || gguf_push(g, header, n_header, &f) != SOTTO_OK) abort();
    if (vocab_open(&v, &h.heap, g, &f) == SOTTO_OK) {
        bool clean = !strcmp(pre, "qwen2") || !strcmp(pre, "smollm") || !strcmp(pre, "deepseek-v3");
        bool exact = spelled && clean && (switches & 129) == 128 && is_utf8(at, (size_t)(end - at));
        for (size_t i = 0; i < n; i++) {
            struct sbuf out = sbuf_new(&h.heap);
            exact = exact && pieces[i].type == 1 && pieces[i].n && is_utf8(pieces[i].text, pieces[i].n);
            vocab_piece(v, (uint32_t)i, switches & 32, &out);
            sbuf_free(&out);
            vocab_find(v, pieces[i].text, pieces[i].n);
        }
        check_text(v, &h.heap, at, (size_t)(end - at), exact);
        vocab_close(v);
    } else if (!f.text[0]) {
        abort();
    }
    gguf_free(g);
    if (h.heap.used) abort();
    free(header);
    gguf_out_free(&w);
    return 0;
}
