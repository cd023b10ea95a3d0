/* Replays recorded tokenizations: ids, decoded text, pieces, attributes and special ids of many
 * vocabularies.
 *
 * The folder given holds vocab/NAME.gguf, cases/NAME.jsonl with cases/NAME.pieces.json,
 * pre/index.json and hf/NAME.jsonl below tokenizer/; what is absent is skipped and said. */
#include "../../tools/native_heap.h"
#include "../check.h"
#include "text/json.h"
#include "text/vocab.h"
#include <dirent.h>
#include <time.h>

static struct native_heap heap;

struct loaded {
    struct gguf *gguf;
    struct vocab *vocab;
};

static bool load(struct loaded *l, const void *bytes, size_t n) {
    struct fail f = {0};
    l->vocab = NULL;
    l->gguf = gguf_new(&heap.heap);
    if (gguf_push(l->gguf, bytes, n, &f) != SOTTO_OK ||
        vocab_open(&l->vocab, &heap.heap, l->gguf, &f) != SOTTO_OK)
        return CHECK(false, "%s", f.text);
    return true;
}

static void unload(struct loaded *l) {
    vocab_close(l->vocab);
    gguf_free(l->gguf);
}

static struct json *parse(const char *text, size_t n) {
    struct json *j = NULL;
    struct fail f = {0};
    CHECK(json_parse(&j, &heap.heap, text, n, &f) == SOTTO_OK, "%s", f.text);
    return j;
}

static bool same_ids(const struct json *wanted, const uint32_t *ids, size_t n) {
    const struct json *x;
    if (!wanted || wanted->kind != JSON_ARRAY || wanted->count != n) return false;
    x = wanted->first;
    for (size_t i = 0; i < n; i++, x = x->next)
        if (x->integer != ids[i]) return false;
    return true;
}

static void print_ids(const char *name, const struct json *wanted, const uint32_t *ids, size_t n) {
    size_t i = 0;
    printf("  %s got:", name);
    for (; i < n && i < 60; i++) printf(" %u", ids[i]);
    printf("\n  wanted:");
    i = 0;
    for (const struct json *x = wanted ? wanted->first : NULL; x && i < 60; x = x->next, i++)
        printf(" %lld", (long long)x->integer);
    printf("\n");
}

static long n_printed;

/* `other` are ids that are right as well, where two references disagree. */
static bool check_ids(const struct vocab *v, const struct json *line, const char *key,
                      unsigned flags) {
    const struct json *text = json_get(line, "text"), *wanted = json_get(line, key),
                      *other = json_get(json_get(line, "llama_cpp"), key);
    struct fail f = {0};
    uint32_t *ids;
    size_t n;
    bool ok =
        vocab_encode(v, &heap.heap, text->text, text->size, flags, &ids, &n, &f) == SOTTO_OK &&
        (same_ids(wanted, ids, n) || same_ids(other, ids, n));
    if (!ok && n_printed++ < 40) {
        printf("  text: %.*s\n", (int)(text->size < 300 ? text->size : 300), text->text);
        print_ids(key, wanted, ids, n);
    }
    heap_free(&heap.heap, ids, n * sizeof *ids);
    return ok;
}

static bool from_hex(struct sbuf *out, const struct json *hex) {
    for (uint32_t i = 0; i + 1 < hex->size; i += 2) {
        char two[3] = {hex->text[i], hex->text[i + 1], 0};
        sbuf_char(out, (char)strtol(two, NULL, 16));
    }
    return true;
}

static bool check_text(const struct vocab *v, const struct json *line, const char *ids_key,
                       const char *key, unsigned flags) {
    const struct json *ids = json_get(line, ids_key), *wanted = json_get(line, key);
    struct sbuf got = sbuf_new(&heap.heap), bytes = sbuf_new(&heap.heap);
    uint32_t *list = malloc((ids->count + 1) * sizeof *list), n = 0;
    char hex_key[64];
    bool ok;
    for (const struct json *x = ids->first; x; x = x->next) list[n++] = (uint32_t)x->integer;
    snprintf(hex_key, sizeof hex_key, "%s_hex", key);
    if (wanted)
        sbuf_add(&bytes, wanted->text, wanted->size);
    else if (json_get(line, hex_key))
        from_hex(&bytes, json_get(line, hex_key));
    vocab_decode(v, list, n, flags, &got);
    ok = got.size == bytes.size &&
         !memcmp(got.text ? got.text : "", bytes.text ? bytes.text : "", got.size);
    if (!ok && n_printed++ < 40)
        printf("  %s got: %.200s\n  wanted: %.200s\n", key, got.text ? got.text : "",
               bytes.text ? bytes.text : "");
    sbuf_free(&got);
    sbuf_free(&bytes);
    free(list);
    return ok;
}

static bool holds_any(const struct json *line, const char *const *names) {
    const struct json *text = json_get(line, "text");
    for (; *names; names++)
        for (uint32_t i = 0; i + strlen(*names) <= text->size; i++)
            if (!memcmp(text->text + i, *names, strlen(*names))) return true;
    return false;
}

/* One file of lines; prints how many passed. decode: texts are compared too. Lines with one of the
 * names in `not_with` are left out. */
static void check_lines(const struct vocab *v, const char *path, const char *name, bool decode,
                        const char *const *not_with) {
    size_t n;
    char *bytes = (char *)check_read(path, &n), *at = bytes;
    long passed = 0, total = 0, n_ids = 0, n_left = 0;
    if (!bytes) {
        check_skip("%s", path);
        return;
    }
    while (at && *at) {
        char *end = strchr(at, '\n');
        struct json *line = parse(at, end ? (size_t)(end - at) : strlen(at));
        bool ids, text;
        at = end ? end + 1 : NULL;
        if (not_with && holds_any(line, not_with)) {
            n_left++;
            json_free(&heap.heap, line);
            continue;
        }
        ids = check_ids(v, line, "ids", ENCODE_ADD_SPECIAL | ENCODE_PARSE_SPECIAL);
        ids &= check_ids(v, line, "ids_no_parse_special", ENCODE_ADD_SPECIAL);
        ids &= check_ids(v, line, "ids_no_add_special", ENCODE_PARSE_SPECIAL);
        text = true;
        if (decode) {
            text &= check_text(v, line, "ids_no_add_special", "detok", DECODE_SHOW_SPECIAL);
            text &= check_text(v, line, "ids", "detok_remove_special", DECODE_REMOVE_SPECIAL);
        }
        n_ids += ids;
        total++;
        passed += ids && text;
        CHECK(ids && text, "%s line %ld", name, total);
        json_free(&heap.heap, line);
    }
    printf("%-28s %ld of %ld (ids %ld)\n", name, passed, total, n_ids);
    if (n_left)
        check_skip("%s: %ld lines with tokens that the vocabulary here marks or names otherwise",
                   name, n_left);
    free(bytes);
}

static bool check_piece(const struct vocab *v, uint32_t id, bool special, const struct json *hex) {
    struct sbuf got = sbuf_new(&heap.heap), wanted = sbuf_new(&heap.heap);
    bool ok;
    if (!hex) return true;
    from_hex(&wanted, hex);
    vocab_piece(v, id, special, &got);
    ok = got.size == wanted.size &&
         !memcmp(got.text ? got.text : "", wanted.text ? wanted.text : "", got.size);
    sbuf_free(&got);
    sbuf_free(&wanted);
    return ok;
}

static bool id_is(const struct json *info, const char *key, uint32_t id) {
    const struct json *x = json_get(info, key);
    bool ok = x && (x->integer < 0 ? id == TOKEN_NONE : id == x->integer);
    if (!ok) printf("  %s: got %d, wanted %lld\n", key, (int)id, x ? (long long)x->integer : -2);
    return ok;
}

static void check_pieces(const struct vocab *v, const struct json *j, const char *name) {
    const struct json *info = json_get(j, "info"), *eog = json_get(info, "eog");
    struct vocab_special s = vocab_special(v);
    long n_eog = 0;
    const struct json *eot = json_get(info, "eot");
    /* Where several tokens may end a turn the reference takes the first of a hash table. */
    CHECK(vocab_is_eog(v, s.eot) ? vocab_is_eog(v, (uint32_t)eot->integer) : eot->integer < 0, "%s",
          name);
    CHECK(id_is(info, "bos", s.bos) & id_is(info, "eos", s.eos) & id_is(info, "sep", s.sep) &
              id_is(info, "pad", s.pad) & id_is(info, "mask", s.mask) &
              id_is(info, "add_bos", s.add_bos) & id_is(info, "add_eos", s.add_eos) &
              id_is(info, "add_sep", s.add_sep) & id_is(info, "n_tokens", vocab_size(v)) &
              id_is(info, "vocab_type", vocab_kind(v)),
          "%s", name);
    for (uint32_t id = 0; id < vocab_size(v); id++) n_eog += vocab_is_eog(v, id);
    CHECK_EQ(n_eog, eog->count);
    for (const struct json *x = eog->first; x; x = x->next)
        CHECK(vocab_is_eog(v, (uint32_t)x->integer), "%s: %lld ends a generation", name,
              (long long)x->integer);
    for (const struct json *p = json_get(j, "pieces")->first; p; p = p->next) {
        uint32_t id = (uint32_t)json_get(p, "id")->integer;
        CHECK(vocab_attr(v, id) == json_get(p, "attr")->integer,
              "%s token %u: attributes %u, wanted %lld", name, id, vocab_attr(v, id),
              (long long)json_get(p, "attr")->integer);
        CHECK(check_piece(v, id, true, json_get(p, "piece_special_hex")), "%s token %u", name, id);
        CHECK(check_piece(v, id, false, json_get(p, "piece_hex")), "%s token %u", name, id);
    }
}

/* The texts of a file of lines, one after the other, again and again until there is a megabyte. */
static void fill_with_texts(char *out, size_t size, const char *path) {
    size_t n, have = 0;
    char *bytes = (char *)check_read(path, &n), *at = bytes;
    while (at && *at && have < size) {
        char *end = strchr(at, '\n');
        struct json *line = parse(at, end ? (size_t)(end - at) : strlen(at));
        const struct json *text = json_get(line, "text");
        size_t part = text->size < size - have ? text->size : size - have;
        memcpy(out + have, text->text, part);
        have += part;
        at = end ? end + 1 : NULL;
        json_free(&heap.heap, line);
    }
    free(bytes);
    CHECK(have > 0, "%s has texts", path);
    for (size_t i = have; i < size; i++) out[i] = out[i - have];
}

#ifdef CLOCK_PROCESS_CPUTIME_ID
enum { HAS_PROCESSOR_CLOCK = 1 };
#else /* WASI */
enum { HAS_PROCESSOR_CLOCK = 0 };
#endif

static double processor_seconds(void) {
    struct timespec t;
#ifdef CLOCK_PROCESS_CPUTIME_ID
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A megabyte of mixed texts takes less than a second of processor time; one endless word stays linear. */
static void check_speed(const struct vocab *v, const char *path, const char *name) {
    static const char *const endless[] = {"", "a", " ", "\xe4\xb8\xad"};
    enum { SIZE = 1000000 };
    char *text = malloc(SIZE);
    double most = 0;
    for (size_t k = 0; k < sizeof endless / sizeof *endless; k++) {
        size_t unit = strlen(endless[k]), n;
        uint32_t *ids;
        struct fail f = {0};
        double seconds;
        if (!unit) fill_with_texts(text, SIZE, path);
        for (size_t i = 0; unit && i < SIZE; i++) text[i] = endless[k][i % unit];
        seconds = -processor_seconds();
        CHECK(vocab_encode(v, &heap.heap, text, SIZE, ENCODE_PARSE_SPECIAL, &ids, &n, &f) == SOTTO_OK,
              "%s: %s", name, f.text);
        seconds += processor_seconds();
        /* The endless word's bound leaves room for a slow machine: a quadratic merge takes minutes. */
        CHECK(seconds < (CHECK_SANITIZED ? 20 : unit || !HAS_PROCESSOR_CLOCK ? 3 : 1), "%s: %.2f s", name, seconds);
        if (seconds > most) most = seconds;
        heap_free(&heap.heap, ids, n * sizeof *ids);
    }
    free(text);
    printf("%-28s a megabyte in %.2f s\n", name, most);
}

static struct json *read_json(const char *path) {
    size_t n;
    uint8_t *bytes = check_read(path, &n);
    struct json *j = bytes ? parse((char *)bytes, n) : NULL;
    free(bytes);
    return j;
}

static void check_cases(const char *root) {
    char path[600], name[256];
    DIR *dir;
    struct dirent *entry;
    snprintf(path, sizeof path, "%s/tokenizer/cases", root);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        const char *dot = strstr(entry->d_name, ".pieces.json");
        struct loaded l = {0};
        struct json *pieces;
        const struct json *file;
        uint8_t *bytes;
        size_t n;
        if (!dot) continue;
        snprintf(name, sizeof name, "%.*s", (int)(dot - entry->d_name), entry->d_name);
        snprintf(path, sizeof path, "%s/tokenizer/cases/%s", root, entry->d_name);
        pieces = read_json(path);
        file = json_get(pieces, "vocab");
        snprintf(path, sizeof path, "%s/tokenizer/vocab/%.*s", root, (int)file->size, file->text);
        bytes = check_read(path, &n);
        if (CHECK(bytes != NULL, "%s", path) && load(&l, bytes, n)) {
            check_pieces(l.vocab, pieces, name);
            snprintf(path, sizeof path, "%s/tokenizer/cases/%s.jsonl", root, name);
            check_lines(l.vocab, path, name, true, NULL);
            check_speed(l.vocab, path, name);
        }
        unload(&l);
        free(bytes);
        json_free(&heap.heap, pieces);
    }
    if (dir)
        closedir(dir);
    else
        check_skip("%s", path);
}

/* The same vocabulary under another pre-tokenizer's name. */
static uint8_t *with_pre(const uint8_t *bytes, size_t n, const char *pre, size_t *now) {
    static const char key[] = "tokenizer.ggml.pre";
    size_t at = 0, from, to, size = strlen(pre);
    uint64_t old;
    uint8_t *copy = malloc(n + size);
    while (memcmp(bytes + at, key, sizeof key - 1)) at++;
    from = at + sizeof key - 1 + 4; /* key, type */
    memcpy(&old, bytes + from, 8);
    to = from + 8 + (size_t)old;
    memcpy(copy, bytes, from);
    old = size;
    memcpy(copy + from, &old, 8);
    memcpy(copy + from + 8, pre, size);
    memcpy(copy + from + 8 + size, bytes + to, n - to);
    *now = n - (to - from - 8) + size;
    return copy;
}

static void check_pre(const char *root) {
    char path[600], pre[128], name[160];
    struct json *index;
    const struct json *vocab;
    uint8_t *bytes;
    size_t n, now;
    snprintf(path, sizeof path, "%s/tokenizer/pre/index.json", root);
    index = read_json(path);
    vocab = json_get(index, "vocab");
    snprintf(path, sizeof path, "%s/tokenizer/%.*s", root, vocab ? (int)vocab->size : 0, vocab ? vocab->text : "");
    bytes = vocab ? check_read(path, &n) : NULL;
    if (!index || !bytes) {
        check_skip("%s/tokenizer/pre", root);
        return;
    }
    for (const struct json *x = json_get(index, "pre_to_file")->first; x; x = x->next) {
        const struct json *info;
        struct loaded l = {0};
        uint8_t *changed;
        snprintf(pre, sizeof pre, "%.*s", (int)x->key_size, x->key);
        snprintf(name, sizeof name, "pre %s", pre);
        snprintf(path, sizeof path, "%s/tokenizer/pre/%.*s", root, (int)x->size, x->text);
        changed = with_pre(bytes, n, pre, &now);
        info = json_get(json_get(index, "info"), pre);
        if (load(&l, changed, now)) {
            struct vocab_special s = vocab_special(l.vocab);
            CHECK(id_is(info, "add_bos", s.add_bos) & id_is(info, "add_eos", s.add_eos) &
                      id_is(info, "add_sep", s.add_sep),
                  "%s", name);
            check_lines(l.vocab, path, name, true, NULL);
        }
        unload(&l);
        free(changed);
    }
    free(bytes);
    json_free(&heap.heap, index);
}

/* Ids that the Hugging Face library gives; its decoding keeps spaces that llama.cpp's cleans up. */
static void check_hf(const char *root) {
    static const char *const gemma3[] = {"<end_of_image>", "<start_of_image>", NULL};
    static const char *const llama3[] = {"<|python_tag|>", "<|eom_id|>",
                                         "<|finetune_right_pad_id|>", NULL};
    static const char *const pairs[][2] = {{"mistral-7b-v0.1", "hf-vocab-mistral-7b-v0.1"},
                                           {"mistral-nemo", "hf-vocab-mistral-nemo"},
                                           {"gemma3", "real-vocab-gemma3-270m"},
                                           {"qwen2.5", "hf-vocab-qwen3"},
                                           {"qwen3", "hf-vocab-qwen3"},
                                           {"llama3.2", "ggml-vocab-llama-bpe"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char path[600], name[80];
        struct loaded l = {0};
        size_t n;
        uint8_t *bytes;
        snprintf(path, sizeof path, "%s/tokenizer/vocab/%s.gguf", root, pairs[i][1]);
        bytes = check_read(path, &n);
        if (!bytes) {
            check_skip("%s", path);
            continue;
        }
        snprintf(path, sizeof path, "%s/tokenizer/hf/%s.jsonl", root, pairs[i][0]);
        snprintf(name, sizeof name, "hf %s", pairs[i][0]);
        if (load(&l, bytes, n))
            check_lines(l.vocab, path, name, false,
                        strstr(name, "gemma3")   ? gemma3
                        : strstr(name, "llama3") ? llama3
                                                 : NULL);
        unload(&l);
        free(bytes);
    }
}

int main(int argc, char **argv) {
    const char *only = argc > 2 ? argv[2] : "";
    native_heap_init(&heap);
    if (argc < 2) {
        check_skip("recorded tokenizations: no folder given");
        CHECK_EQ(heap.heap.used, 0);
        return check_done();
    }
    if (!*only || !strcmp(only, "cases")) check_cases(argv[1]);
    if (!*only || !strcmp(only, "pre")) check_pre(argv[1]);
    if (!*only || !strcmp(only, "hf")) check_hf(argv[1]);
    CHECK_EQ(heap.heap.used, 0);
    return check_done();
}
