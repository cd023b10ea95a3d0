/* Opening a vocabulary: what the metadata says, what llama.cpp adds by name, and the tables. */
#include "text/vocab_in.h"

#define KEY(name) "tokenizer.ggml." name

static bool str_is(struct gguf_str s, const char *text) {
    size_t n = strlen(text);
    return s.size == n && !memcmp(s.text, text, n);
}

static bool contains(struct gguf_str s, const char *text, bool fold) {
    size_t n = strlen(text), k;
    for (size_t i = 0; i + n <= s.size; i++) {
        for (k = 0; k < n; k++) {
            char c = s.text[i + k];
            if (fold && c >= 'A' && c <= 'Z') c |= 0x20;
            if (c != text[k]) break;
        }
        if (k == n) return true;
    }
    return false;
}

/* The kinds, their default special ids and switches. */
static const struct model {
    const char *name;
    enum vocab_kind kind;
    uint32_t bos, eos, unk, sep, pad, mask;
    bool add_space_prefix, clean_spaces, add_bos, add_eos, add_sep;
} models[] = {
    {"llama", VOCAB_SPM, 1, 2, 0, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, true, false, true, false,
     false},
    {"gpt2", VOCAB_BPE, 11, 11, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, false, true, false,
     false, false},
    {"gemma4", VOCAB_BPE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE,
     false, true, false, false, false},
    {"bert", VOCAB_WPM, 101, TOKEN_NONE, 100, 102, 0, 103, false, true, true, false, true},
    {"t5", VOCAB_UGM, TOKEN_NONE, 1, 2, TOKEN_NONE, 0, TOKEN_NONE, false, false, false, true,
     false},
    {"rwkv", VOCAB_RWKV, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE,
     false, false, false, false, false},
};

static int read_model(struct vocab *v, struct fail *f) {
    struct gguf_str name = gguf_string(v->gguf, KEY("model")),
                    pre = gguf_string(v->gguf, KEY("pre"));
    const struct model *m = NULL;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (str_is(name, models[i].name)) m = &models[i];
    if (!m)
        return fail(f, SOTTO_UNSUPPORTED, FAIL_NOWHERE, "tokenizer '%.*s' is not supported",
                    (int)(name.size < 64 ? name.size : 64), name.text ? name.text : "");
    v->kind = m->kind;
    v->special = (struct vocab_special){.bos = m->bos,
                                        .eos = m->eos,
                                        .eot = TOKEN_NONE,
                                        .unk = m->unk,
                                        .sep = m->sep,
                                        .pad = m->pad,
                                        .mask = m->mask,
                                        .add_bos = m->add_bos,
                                        .add_eos = m->add_eos,
                                        .add_sep = m->add_sep};
    v->eom = TOKEN_NONE;
    v->add_space_prefix = m->add_space_prefix;
    v->clean_spaces = m->clean_spaces;
    v->escape_spaces = m->kind != VOCAB_BPE;
    if (m->kind == VOCAB_BPE) {
        const struct pretok_row *row;
        if (str_is(name, "gemma4")) pre = name;
        row = pretok_find(pre);
        if (!row)
            return fail(f, SOTTO_UNSUPPORTED, FAIL_NOWHERE, "pre-tokenizer '%.*s' is not supported",
                        (int)(pre.size < 64 ? pre.size : 64), pre.text);
        v->clean_spaces = row->flags & PRE_CLEAN;
        v->ignore_merges = row->flags & PRE_IGNORE_MERGES;
        v->escape_spaces = row->flags & PRE_ESCAPE;
        v->byte_level = !v->escape_spaces;
        v->newline_words = row->flags & PRE_NEWLINES;
        v->special.add_bos = row->flags & PRE_ADD_BOS;
        v->special.add_sep = row->flags & PRE_ADD_SEP;
        if (row->flags & PRE_NO_BOS) v->special.bos = TOKEN_NONE;
        v->pretok = pretok_new(v->heap, row);
        if (!v->pretok)
            return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the pre-tokenizer");
    }
    v->add_space_prefix = gguf_bool(v->gguf, KEY("add_space_prefix"), v->add_space_prefix);
    v->remove_extra_spaces = gguf_bool(v->gguf, KEY("remove_extra_whitespaces"), false);
    v->lowercase = gguf_bool(v->gguf, KEY("normalizer.lowercase"), true);
    v->strip_accents = gguf_bool(v->gguf, KEY("normalizer.strip_accents"), v->lowercase);
    return SOTTO_OK;
}

static int array_error(struct fail *f, const struct gguf_kv *kv, const char *what) {
    return fail(f, SOTTO_FORMAT, kv->at, "%.*s %s", (int)(kv->key.size < 64 ? kv->key.size : 64),
                kv->key.text, what);
}

static int read_arrays(struct vocab *v, struct fail *f) {
    const struct gguf_kv *types = gguf_find(v->gguf, KEY("token_type"));
    v->merges = gguf_find(v->gguf, KEY("merges"));
    v->scores = gguf_find(v->gguf, KEY("scores"));
    if (v->tokens->type != GGUF_ARRAY || v->tokens->elem_type != GGUF_STRING)
        return array_error(f, v->tokens, "is no array of strings");
    if (v->tokens->count >= MAX_TOKENS) return array_error(f, v->tokens, "has too many tokens");
    v->n = (uint32_t)v->tokens->count;
    if (v->kind == VOCAB_BPE && v->merges) {
        if (v->merges->type != GGUF_ARRAY || v->merges->elem_type != GGUF_STRING)
            return array_error(f, v->merges, "is no array of strings");
        if (v->merges->count >= MAX_TOKENS) return array_error(f, v->merges, "has too many merges");
    }
    if (v->scores && (v->scores->type != GGUF_ARRAY ||
                      (v->scores->elem_type != GGUF_F32 && v->scores->elem_type != GGUF_I32)))
        return array_error(f, v->scores, "is no array of 32-bit numbers");
    if (v->scores && v->scores->count < v->n)
        return array_error(f, v->scores, "has fewer elements than there are tokens");
    if (types && (types->type != GGUF_ARRAY ||
                  (types->elem_type != GGUF_I32 && types->elem_type != GGUF_U32)))
        return array_error(f, types, "is no array of 32-bit integers");
    if (types && types->count < v->n)
        return array_error(f, types, "has fewer elements than there are tokens");
    v->attr = HEAP_NEW(v->heap, uint16_t, v->n);
    if (!v->attr) return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for %u tokens", v->n);
    for (uint32_t id = 0; id < v->n; id++) {
        static const uint8_t by_type[7] = {
            0,         TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED,
            TOKEN_BYTE};
        double type = types ? gguf_num_at(v->gguf, types, id) : 1;
        v->attr[id] = type >= 0 && type <= 6 ? by_type[(int)type] : 0;
    }
    return SOTTO_OK;
}

static void read_id(const struct vocab *v, const char *key, uint32_t *id) {
    uint64_t value = gguf_u64(v->gguf, key, UINT64_MAX);
    if (*id != TOKEN_NONE && *id >= v->n) *id = TOKEN_NONE;
    if (value < v->n) *id = (uint32_t)value;
}

/* Tokens known by name, because files often do not say what they are. */
enum { EOT = 1, EOM = 2, FIM = 4, FIM_END = 8, EOG = 16, SHOWN = 32 };
static const struct named {
    const char *text;
    uint8_t what, fim; /* fim: which of the six roles; the first name found takes a role */
} named[] = {
    {"<|eot_id|>", EOT | EOG, 0},
    {"<|im_end|>", EOT | EOG, 0},
    {"<|end|>", EOT | EOG, 0},
    {"<end_of_turn>", EOT | EOG, 0},
    {"<|endoftext|>", EOT | EOG, 0},
    {"<|end_of_text|>", EOT | EOG, 0},
    {"<EOT>", EOT | EOG, 0},
    {"_<EOT>", EOT | EOG, 0},
    {"[EOT]", EOT | EOG, 0},
    {"<｜end▁of▁sentence｜>", EOT | EOG, 0},
    {"<end_of_utterance>", EOT | EOG, 0},
    {"<|eom_id|>", EOM | EOG, 0},
    {"<|return|>", EOG, 0},
    {"<|call|>", EOG, 0},
    {"<|flush|>", EOG, 0},
    {"<|calls|>", EOG, 0},
    {"</s>", EOG, 0},
    {"[EOS]", EOG, 0},
    {"<eos>", EOG, 0},
    {"<turn|>", EOG, 0},
    {"<|tool_response>", EOG, 0},
    {"[e~[", EOG, 0},
    {"<|fim_prefix|>", FIM, 0},
    {"<fim-prefix>", FIM, 0},
    {"<fim_prefix>", FIM, 0},
    {"<｜fim▁begin｜>", FIM, 0},
    {"<PRE>", FIM, 0},
    {"▁<PRE>", FIM, 0},
    {"<|code_prefix|>", FIM, 0},
    {"<|prefix|>", FIM, 0},
    {"<|fim_suffix|>", FIM, 1},
    {"<fim-suffix>", FIM, 1},
    {"<fim_suffix>", FIM, 1},
    {"<｜fim▁hole｜>", FIM, 1},
    {"<SUF>", FIM, 1},
    {"▁<SUF>", FIM, 1},
    {"<|code_suffix|>", FIM, 1},
    {"<|suffix|>", FIM, 1},
    {"<|fim_middle|>", FIM, 2},
    {"<fim-middle>", FIM, 2},
    {"<fim_middle>", FIM, 2},
    {"<｜fim▁end｜>", FIM, 2},
    {"<MID>", FIM, 2},
    {"▁<MID>", FIM, 2},
    {"<|code_middle|>", FIM, 2},
    {"<|middle|>", FIM, 2},
    {"<|fim_pad|>", FIM | FIM_END, 3},
    {"<fim-pad>", FIM | FIM_END, 3},
    {"<fim_pad>", FIM | FIM_END, 3},
    {"<PAD>", FIM | FIM_END, 3},
    {"[PAD]", FIM | FIM_END, 3},
    {"<|fim_repo|>", FIM | FIM_END, 4},
    {"<|repo_name|>", FIM | FIM_END, 4},
    {"<fim-repo>", FIM | FIM_END, 4},
    {"<REPO>", FIM | FIM_END, 4},
    {"<reponame>", FIM | FIM_END, 4},
    {"<|file_sep|>", FIM | FIM_END, 5},
    {"<|channel|>", SHOWN, 0},
    {"<|message|>", SHOWN, 0},
    {"<|start|>", SHOWN, 0},
    {"<|constrain|>", SHOWN, 0},
};

static uint32_t find_name(const struct vocab *v, const char *text) {
    return vocab_find(v, text, strlen(text));
}

static void set_eog(struct vocab *v, uint32_t id) {
    if (id != TOKEN_NONE) v->attr[id] |= TOKEN_EOG;
}

static bool ends(const struct vocab *v, const char *text) {
    uint32_t id = find_name(v, text);
    return id != TOKEN_NONE && v->attr[id] & TOKEN_EOG;
}

static void read_special(struct vocab *v) {
    static const char *const fim_keys[6][2] = {{KEY("fim_pre_token_id"), KEY("prefix_token_id")},
                                               {KEY("fim_suf_token_id"), KEY("suffix_token_id")},
                                               {KEY("fim_mid_token_id"), KEY("middle_token_id")},
                                               {KEY("fim_pad_token_id"), NULL},
                                               {KEY("fim_rep_token_id"), NULL},
                                               {KEY("fim_sep_token_id"), NULL}};
    uint32_t fim[6];
    struct vocab_special *s = &v->special;
    read_id(v, KEY("bos_token_id"), &s->bos);
    read_id(v, KEY("eos_token_id"), &s->eos);
    read_id(v, KEY("eot_token_id"), &s->eot);
    read_id(v, KEY("eom_token_id"), &v->eom);
    read_id(v, KEY("unknown_token_id"), &s->unk);
    read_id(v, KEY("seperator_token_id"), &s->sep); /* so spelled in the format */
    read_id(v, KEY("padding_token_id"), &s->pad);
    read_id(v, KEY("mask_token_id"), &s->mask);
    s->add_bos = gguf_bool(v->gguf, KEY("add_bos_token"), s->add_bos) || v->newline_words;
    s->add_eos = gguf_bool(v->gguf, KEY("add_eos_token"), s->add_eos);
    s->add_sep = gguf_bool(v->gguf, KEY("add_sep_token"), s->add_sep);
    for (unsigned i = 0; i < 6; i++) {
        fim[i] = TOKEN_NONE;
        read_id(v, fim_keys[i][0], &fim[i]);
        if (fim_keys[i][1]) read_id(v, fim_keys[i][1], &fim[i]);
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        uint32_t id = find_name(v, named[i].text);
        uint8_t what = named[i].what;
        if (id == TOKEN_NONE) continue;
        if (what & EOT && s->eot == TOKEN_NONE) s->eot = id;
        if (what & EOM && v->eom == TOKEN_NONE) v->eom = id;
        if (what & FIM && fim[named[i].fim] == TOKEN_NONE) {
            fim[named[i].fim] = id;
            v->attr[id] |= TOKEN_CONTROL;
        }
        if (what & EOG) v->attr[id] |= TOKEN_CONTROL | TOKEN_EOG;
    }
    for (uint32_t id = 0; id < v->n; id++)
        if (v->attr[id] & TOKEN_CONTROL && contains(token_text(v, id), "unused", false))
            v->attr[id] |= TOKEN_UNUSED;
    for (unsigned i = 3; i < 6; i++) set_eog(v, fim[i]);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        uint32_t id = named[i].what & SHOWN ? find_name(v, named[i].text) : TOKEN_NONE;
        if (id != TOKEN_NONE) v->attr[id] = TOKEN_USER_DEFINED | (v->attr[id] & TOKEN_EOG);
    }
    set_eog(v, s->eos);
    set_eog(v, s->eot);
    set_eog(v, v->eom);
    /* gpt-oss and Solar: <|end|> ends a message, not the answer. */
    if (ends(v, "<|end|>") && (ends(v, "<|call|>") || ends(v, "<|calls|>")) &&
        (ends(v, "<|return|>") || ends(v, "<|flush|>")))
        v->attr[find_name(v, "<|end|>")] = TOKEN_USER_DEFINED;
    /* Gemma 4 has an ordinary </s>. */
    if (ends(v, "</s>") && ends(v, "<|tool_response>"))
        v->attr[find_name(v, "</s>")] = TOKEN_NORMAL;
}

static void set_strip(struct vocab *v, const char *text, uint16_t bit, bool on) {
    uint32_t id = find_name(v, text);
    if (id != TOKEN_NONE) v->attr[id] = (uint16_t)(on ? v->attr[id] | bit : v->attr[id] & ~bit);
}

/* Which special tokens swallow white space beside them: known by the model's name only. */
static void read_strips(struct vocab *v) {
    struct gguf_str pre = gguf_string(v->gguf, KEY("pre")),
                    name = gguf_string(v->gguf, "general.name"),
                    arch = gguf_string(v->gguf, "general.architecture");
    if (contains(pre, "jina-v2-de", false) || contains(pre, "jina-v2-es", false) ||
        contains(pre, "jina-v2-code", false) || contains(arch, "nomic-bert-moe", false) ||
        contains(arch, "jina-bert-v3", false)) {
        set_strip(v, "<mask>", TOKEN_LSTRIP, true);
    } else if (contains(name, "phi-3", true) || contains(name, "phi3", true)) {
        for (uint32_t id = 0; id < v->n; id++)
            if (v->attr[id] & (TOKEN_CONTROL | TOKEN_USER_DEFINED | TOKEN_UNKNOWN))
                v->attr[id] |= TOKEN_RSTRIP;
        set_strip(v, "</s>", TOKEN_RSTRIP, true);
        set_strip(v, "<unk>", TOKEN_RSTRIP, false);
        set_strip(v, "<s>", TOKEN_RSTRIP, false);
        set_strip(v, "<|endoftext|>", TOKEN_RSTRIP, false);
    } else if (contains(name, "modern-bert", true)) {
        set_strip(v, "[MASK]", TOKEN_LSTRIP, true);
    }
}

static int build(struct vocab *v, struct fail *f) {
    int code;
    if ((code = read_model(v, f)) || (code = read_arrays(v, f)) ||
        (code = vocab_index_tokens(v, f)))
        return code;
    if (v->kind == VOCAB_BPE)
        code = vocab_index_merges(v, f);
    else
        code = vocab_index_prefixes(v, f);
    if (code) return code;
    if (v->kind == VOCAB_UGM && (code = ugm_open(v, f))) return code;
    read_special(v);
    read_strips(v);
    if (sorted_build(&v->marked, v, TOKEN_CONTROL | TOKEN_UNKNOWN | TOKEN_USER_DEFINED, 0) ||
        sorted_build(&v->user, v, TOKEN_USER_DEFINED, TOKEN_CONTROL | TOKEN_UNKNOWN))
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the special tokens");
    return SOTTO_OK;
}

int vocab_open(struct vocab **out, struct heap *heap, const struct gguf *g, struct fail *f) {
    struct vocab *v = HEAP_ZERO(heap, struct vocab, 1);
    struct gguf_str model = gguf_string(g, KEY("model"));
    int code;
    *out = NULL;
    if (!v) return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a vocabulary");
    v->heap = heap;
    v->gguf = g;
    v->tokens = gguf_find(g, KEY("tokens"));
    if (!v->tokens || str_is(model, "none") || str_is(model, "no_vocab")) {
        v->kind = VOCAB_NONE;
        v->special =
            (struct vocab_special){TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE,
                                   TOKEN_NONE, TOKEN_NONE, false,      false,      false};
        *out = v;
        return SOTTO_OK;
    }
    code = build(v, f);
    if (code) {
        vocab_close(v);
        return code;
    }
    *out = v;
    return SOTTO_OK;
}

void vocab_close(struct vocab *v) {
    struct heap *heap;
    if (!v) return;
    heap = v->heap;
    if (v->attr) HEAP_FREE(heap, v->attr, v->n);
    if (v->prefixes) heap_free(heap, v->prefixes, ((size_t)v->prefix_mask + 1) / 8);
    index_free(&v->by_text, heap);
    index_free(&v->by_merge, heap);
    sorted_free(&v->marked, heap);
    sorted_free(&v->user, heap);
    pretok_free(v->pretok, heap);
    HEAP_FREE(heap, v, 1);
}

enum vocab_kind vocab_kind(const struct vocab *v) {
    return v->kind;
}
uint32_t vocab_size(const struct vocab *v) {
    return v->n;
}
struct vocab_special vocab_special(const struct vocab *v) {
    return v->special;
}
bool vocab_is_eog(const struct vocab *v, uint32_t id) {
    return id < v->n && v->attr[id] & TOKEN_EOG;
}
uint32_t vocab_attr(const struct vocab *v, uint32_t id) {
    return id < v->n ? v->attr[id] & ~TOKEN_EOG & 0xffff : 0;
}

uint32_t vocab_find(const struct vocab *v, const char *text, size_t n) {
    if (!n || !v->n) return TOKEN_NONE;
    if (v->kind != VOCAB_RWKV && n <= MAX_TOKEN_BYTES) return token_of(v, text, n);
    for (uint32_t id = v->n; id--;) { /* RWKV tokens are indexed by their unescaped bytes */
        struct gguf_str s = token_text(v, id);
        if (s.size == n && !memcmp(s.text, text, n)) return id;
    }
    return TOKEN_NONE;
}
