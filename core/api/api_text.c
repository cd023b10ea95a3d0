/* Text: tokens, templates, special ids. */
#include "api/api_int.h"
#include "text/jinja.h"
#include <string.h>

/* Leaves as many ids as fit the context; a special token at the end stays there. */
static size_t fit(const struct model *m, uint32_t *ids, size_t n) {
    size_t most = m->options.context;
    struct vocab_special special = vocab_special(m->vocab);
    if (n <= most) return n;
    if (ids[n - 1] == special.eos || ids[n - 1] == special.sep) ids[most - 1] = ids[n - 1];
    return most;
}

int sotto_tokenize(sotto_model *s, const char *text, size_t n, unsigned flags, const uint32_t **ids,
                   size_t *n_ids) {
    struct model *m = &s->m;
    HEAP_FREE(m->heap, s->ids, s->n_ids);
    s->ids = NULL, s->n_ids = 0;
    unsigned encode = (flags & SOTTO_ADD_SPECIAL ? ENCODE_ADD_SPECIAL : 0u) |
                      (flags & SOTTO_PARSE_SPECIAL ? ENCODE_PARSE_SPECIAL : 0u);
    int rc = vocab_encode(m->vocab, m->heap, text, n, encode, &s->ids, &s->n_ids, &m->fail);
    *ids = s->ids, *n_ids = s->n_ids;
    if (!rc && flags & SOTTO_FIT_CONTEXT) *n_ids = fit(m, s->ids, s->n_ids);
    return rc;
}

/* The pair as the model's own template puts it. */
static int template_pair(sotto_model *s, struct gguf_str source, const char *const *text,
                         const size_t *size) {
    static const char *const words[2] = {"{query}", "{document}"};
    struct sbuf all = sbuf_new(s->m.heap);
    for (size_t at = 0; at < source.size;) {
        size_t i = 0;
        while (i < 2 && (source.size - at < strlen(words[i]) ||
                         memcmp(source.text + at, words[i], strlen(words[i])) != 0))
            i++;
        if (i < 2)
            sbuf_add(&all, text[i], size[i]), at += strlen(words[i]);
        else
            sbuf_char(&all, source.text[at++]);
    }
    int rc = all.failed ? fail(&s->m.fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the text")
                        : vocab_encode(s->m.vocab, s->m.heap, all.text ? all.text : "", all.size,
                                       ENCODE_PARSE_SPECIAL, &s->ids, &s->n_ids, &s->m.fail);
    sbuf_free(&all);
    return rc;
}

/* BOS query EOS SEP document EOS, each where the vocabulary has it; cut: the document loses what
 * does not fit the context. */
static int join_pair(sotto_model *s, uint32_t *const *part, const size_t *n, bool cut) {
    struct model *m = &s->m;
    struct vocab_special v = vocab_special(m->vocab);
    bool pieces = vocab_kind(m->vocab) == VOCAB_WPM; /* BERT: CLS query SEP document SEP */
    uint32_t eos = v.eos == TOKEN_NONE ? v.sep : v.eos, head[1], middle[2], tail[1];
    size_t n_head = 0, n_middle = 0, n_tail = 0, document = n[1];
    if (v.add_bos || pieces) head[n_head++] = v.bos;
    if (v.add_eos && !pieces) middle[n_middle++] = eos;
    if (v.add_sep || pieces) middle[n_middle++] = v.sep;
    if (v.add_eos || pieces) tail[n_tail++] = pieces ? v.sep : eos;
    size_t others = n_head + n[0] + n_middle + n_tail, most = m->options.context;
    if (cut && others + document > most) document = others < most ? most - others : 0;
    s->n_ids = others + document;
    uint32_t *to = s->ids = HEAP_NEW(m->heap, uint32_t, s->n_ids);
    if (!to) return s->n_ids = 0, fail(&m->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for ids");
    const uint32_t *from[] = {head, part[0], middle, part[1], tail};
    const size_t sizes[] = {n_head, n[0], n_middle, document, n_tail};
    for (int i = 0; i < 5; to += sizes[i++])
        if (sizes[i]) memcpy(to, from[i], sizes[i] * sizeof *to);
    return SOTTO_OK;
}

int sotto_tokenize_pair(sotto_model *s, const char *query, size_t n_query, const char *document,
                        size_t n_document, unsigned flags, const uint32_t **ids, size_t *n_ids) {
    struct model *m = &s->m;
    const char *const text[2] = {query, document};
    const size_t size[2] = {n_query, n_document};
    struct gguf_str own = gguf_string(m->g[0], "tokenizer.chat_template.rerank");
    HEAP_FREE(m->heap, s->ids, s->n_ids);
    s->ids = NULL, s->n_ids = 0;
    int rc = own.text ? template_pair(s, own, text, size) : SOTTO_OK;
    if (!own.text) {
        uint32_t *part[2] = {NULL, NULL};
        size_t n[2] = {0, 0};
        for (int i = 0; i < 2 && !rc; i++)
            rc = vocab_encode(m->vocab, m->heap, text[i], size[i], 0, &part[i], &n[i], &m->fail);
        if (!rc) rc = join_pair(s, part, n, flags & SOTTO_FIT_CONTEXT);
        for (int i = 0; i < 2; i++) HEAP_FREE(m->heap, part[i], n[i]);
    }
    *ids = s->ids, *n_ids = s->n_ids;
    return rc;
}

static int take_text(sotto_model *s, const char **text, size_t *size) {
    if (s->text.failed)
        return fail(&s->m.fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the text");
    *text = s->text.text ? s->text.text : "", *size = s->text.size;
    return SOTTO_OK;
}

static void fresh_text(sotto_model *s) {
    sbuf_free(&s->text);
    s->text = sbuf_new(s->m.heap);
}

int sotto_detokenize(sotto_model *s, const uint32_t *ids, size_t n, unsigned flags,
                     const char **text, size_t *size) {
    fresh_text(s);
    unsigned decode = (flags & SOTTO_REMOVE_SPECIAL ? DECODE_REMOVE_SPECIAL : 0u) |
                      (flags & SOTTO_SHOW_SPECIAL ? DECODE_SHOW_SPECIAL : 0u);
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= vocab_size(s->m.vocab))
            return fail(&s->m.fail, SOTTO_EINVAL, i,
                        "token %u at index %zu is not in the vocabulary", ids[i], i);
    vocab_decode(s->m.vocab, ids, n, decode, &s->text);
    return take_text(s, text, size);
}

static void variable(struct json *v, const char *name, struct gguf_str text) {
    *v = (struct json){.kind = JSON_STRING,
                       .key = name,
                       .key_size = (uint32_t)strlen(name),
                       .text = text.text ? text.text : "",
                       .size = text.text ? (uint32_t)text.size : 0};
}

/* Text of a special token, as it stands in the vocabulary. */
static struct gguf_str token_text(const struct model *m, uint32_t id) {
    const struct gguf_kv *tokens = gguf_find(m->g[0], "tokenizer.ggml.tokens");
    return tokens && id != TOKEN_NONE ? gguf_str_at(m->g[0], tokens, id)
                                      : (struct gguf_str){NULL, 0};
}

int sotto_template(sotto_model *s, const char *source, const char *variables, size_t n, double now,
                   const char **text, size_t *size) {
    struct model *m = &s->m;
    struct gguf_str own = source ? (struct gguf_str){source, strlen(source)}
                                 : gguf_string(m->g[0], "tokenizer.chat_template");
    if (!own.text)
        return fail(&m->fail, SOTTO_TEMPLATE, FAIL_NOWHERE, "the model has no chat template");
    struct json *root;
    int rc = json_parse(&root, m->heap, variables, n, &m->fail);
    if (rc) return rc;
    if (root->kind != JSON_OBJECT) {
        json_free(m->heap, root);
        return fail(&m->fail, SOTTO_EINVAL, FAIL_NOWHERE,
                    "the variables of a template are a JSON object");
    }
    struct vocab_special special = vocab_special(m->vocab);
    struct json bos, eos, all = *root;
    variable(&bos, "bos_token", token_text(m, special.bos));
    variable(&eos, "eos_token", token_text(m, special.eos));
    if (!json_get(root, "eos_token")) eos.next = all.first, all.first = &eos, all.count++;
    if (!json_get(root, "bos_token")) bos.next = all.first, all.first = &bos, all.count++;
    fresh_text(s);
    rc = jinja_render(m->heap, own.text, own.size, &all, now, NULL, &s->text, &m->fail);
    json_free(m->heap, root);
    return rc ? rc : take_text(s, text, size);
}

uint32_t sotto_n_vocab(const sotto_model *s) {
    return s->m.hp.n_vocab;
}
bool sotto_is_eog(const sotto_model *s, uint32_t id) {
    return id < vocab_size(s->m.vocab) && vocab_is_eog(s->m.vocab, id);
}
