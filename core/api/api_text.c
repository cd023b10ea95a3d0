/* Text: tokens, templates, special ids. */
#include "api/api_int.h"
#include "text/jinja.h"
#include <string.h>

int sotto_tokenize(sotto_model *s, const char *text, size_t n, unsigned flags, const uint32_t **ids,
                   size_t *n_ids) {
    struct model *m = &s->m;
    HEAP_FREE(m->heap, s->ids, s->n_ids);
    s->ids = NULL, s->n_ids = 0;
    unsigned encode = (flags & SOTTO_ADD_SPECIAL ? ENCODE_ADD_SPECIAL : 0u) |
                      (flags & SOTTO_PARSE_SPECIAL ? ENCODE_PARSE_SPECIAL : 0u);
    int rc = vocab_encode(m->vocab, m->heap, text, n, encode, &s->ids, &s->n_ids, &m->fail);
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
