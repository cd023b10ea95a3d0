/* embed and rerank. */
#include "cli.h"

struct line {
    struct session *s;
    uint32_t n_tokens;
    const char *name;
};

/* A row of floats as they are printed: nine digits give each back exactly. */
static bool take_row(void *arg, const float *row, uint32_t position) {
    const struct line *line = arg;
    bool json = line->s->o->json;
    uint32_t n = sotto_row_width(line->s->model);
    (void)position;
    if (json) printf("{\"tokens\":%u,\"%s\":[", line->n_tokens, line->name);
    for (uint32_t i = 0; i < n; i++) printf("%s%.9g", i ? json ? "," : " " : "", (double)row[i]);
    fputs(json ? "]}\n" : "\n", stdout);
    return true;
}

static bool embed_ids(struct session *s, const uint32_t *ids, uint32_t n, const char *name) {
    uint32_t want = SOTTO_WANT_POOLED + s->o->pooling;
    if (strcmp(s->o->command, "rerank") == 0) want |= SOTTO_PAIR;
    struct line line = {s, n, name};
    if (s->o->normalize && (want & 15) != SOTTO_WANT_SCORES) want |= SOTTO_NORMALIZE;
    return evaluate(s, ids, n, want, take_row, &line) && !sotto_seq_truncate(s->seq, 0);
}

static bool embed_text(struct session *s, const char *text, size_t size) {
    uint32_t n = 0;
    uint32_t *ids = tokens_of(
        s, s->o->tokens ? NULL : text, size,
        (s->o->special ? SOTTO_ADD_SPECIAL : 0u) | (s->o->parse ? SOTTO_PARSE_SPECIAL : 0u), &n);
    bool ok = ids && embed_ids(s, ids, n, "embedding");
    free(ids);
    return ok;
}

static bool rank_text(struct session *s, const char *text, size_t size) {
    const uint32_t *ids;
    size_t n;
    return !model_failed(s, sotto_tokenize_pair(s->model, s->o->prompt, strlen(s->o->prompt), text,
                                                size, 0, &ids, &n)) &&
           embed_ids(s, ids, (uint32_t)n, "scores");
}

/* One line of the text after the other, or the whole of it. */
static int each(const struct options *o, bool lines, char *text, size_t n,
                bool (*one)(struct session *s, const char *text, size_t size)) {
    struct session s;
    bool ok = true;
    if (!session_open(&s, o, 0, 0)) {
        free(text);
        return 1;
    }
    if (!lines) ok = one(&s, text, n);
    for (size_t from = 0, to; lines && ok && from < n; from = to + 1) {
        for (to = from; to < n && text[to] != '\n';) to++;
        if (to > from) ok = one(&s, text + from, to - from);
    }
    free(text);
    session_close(&s);
    return ok ? 0 : 1;
}

int command_embed(const struct options *o) {
    size_t n = 0;
    char *text = o->tokens ? calloc(1, 1) : prompt_text(o, NULL, &n);
    if (!text) return o->file ? 1 : 2;
    return each(o, o->lines, text, n, embed_text);
}

int command_rerank(const struct options *o) {
    struct options scores = *o;
    size_t n = 0;
    char *text;
    if (!o->prompt || !o->file) {
        say_error("rerank wants a question and documents: -p TEXT -f FILE");
        return 2;
    }
    if (!(text = read_text(o->file, &n))) return 1;
    scores.pooling = SOTTO_WANT_SCORES - SOTTO_WANT_POOLED;
    return each(&scores, true, text, n, rank_text);
}
