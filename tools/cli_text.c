/* run, chat and tokenize. */
#include "base/sync.h"
#include "cli.h"
#include <time.h>

static const char *finish_name(uint32_t finish) {
    return finish == SOTTO_FINISH_STOP     ? "stop"
           : finish == SOTTO_FINISH_LENGTH ? "length"
           : finish == SOTTO_FINISH_ABORT  ? "abort"
                                           : "none";
}

static void add_ids(struct sbuf *b, const uint32_t *ids, size_t n) {
    sbuf_char(b, '[');
    for (size_t i = 0; i < n; i++) sbuf_fmt(b, i ? ",%u" : "%u", ids[i]);
    sbuf_char(b, ']');
}

/* Generates behind the prompt; text and ids collect what came, and the text goes to standard output
 * as it comes where show is true. */
static bool generate(struct session *s, const uint32_t *prompt, uint32_t n, bool show,
                     struct sbuf *text, struct sbuf *ids, struct sotto_gen_stats *stats) {
    struct sotto_gen_options go = {.max_tokens = s->o->n > 0 ? (uint32_t)s->o->n : 0,
                                   .ignore_eog = s->o->ignore_eog};
    sotto_gen *g;
    int code;
    sampling_of(s, &go.sampling);
    if (model_failed(s, sotto_gen_new(s->seq, prompt, n, &go, &g))) return false;
    do {
        const char *part;
        const uint32_t *drawn;
        size_t size, n_drawn;
        code = sotto_gen_step(g, 50);
        sotto_gen_take(g, &part, &size, &drawn, &n_drawn);
        sbuf_add(text, part, size);
        for (size_t i = 0; i < n_drawn; i++) sbuf_fmt(ids, ids->size ? ",%u" : "%u", drawn[i]);
        if (show && size) {
            fwrite(part, 1, size, stdout);
            fflush(stdout);
        }
    } while (code == SOTTO_MORE);
    sotto_gen_stats(g, stats);
    sotto_gen_free(g);
    return code == SOTTO_DONE || code == SOTTO_OK || !model_failed(s, code);
}

static double per_second(uint32_t n, double ms) {
    return ms > 0 ? n * 1000.0 / ms : 0;
}

static void tell_speed(const struct session *s, const struct sotto_gen_stats *t) {
    uint32_t fresh = t->prompt_tokens - t->cached_tokens;
    if (s->o->quiet) return;
    fprintf(stderr,
            "\n[prompt %u tokens, %.1f/s; generated %u, %.1f/s; first after %.0f ms; loaded in "
            "%.0f ms; %u threads]\n",
            t->prompt_tokens, per_second(fresh, t->prefill_ms), t->completion_tokens,
            per_second(t->completion_tokens, t->decode_ms), t->first_token_ms, s->load_ms,
            s->n_threads);
}

static void print_answer(const struct session *s, const struct sbuf *text, const struct sbuf *ids,
                         const struct sotto_gen_stats *t) {
    struct native_heap heap = s->heap;
    struct sbuf b = sbuf_new(&heap.heap);
    sbuf_str(&b, "{\"text\":");
    sbuf_json(&b, text->text ? text->text : "", text->size);
    sbuf_fmt(&b, ",\"tokens\":[%s],\"finishReason\":\"%s\"", ids->text ? ids->text : "",
             finish_name(t->finish));
    sbuf_fmt(&b, ",\"usage\":{\"promptTokens\":%u,\"cachedTokens\":%u,\"completionTokens\":%u}",
             t->prompt_tokens, t->cached_tokens, t->completion_tokens);
    sbuf_fmt(&b,
             ",\"timings\":{\"loadMs\":%.1f,\"prefillMs\":%.1f,\"decodeMs\":%.1f,\"firstTokenMs\":%"
             ".1f},\"threads\":%u}",
             s->load_ms, t->prefill_ms, t->decode_ms, t->first_token_ms, s->n_threads);
    print_json(&b);
    sbuf_free(&b);
}

/* One prompt, one answer, told as the options ask. */
static bool answer(struct session *s, const uint32_t *prompt, uint32_t n, struct sbuf *text) {
    struct sbuf ids = sbuf_new(&s->heap.heap);
    struct sotto_gen_stats stats;
    bool ok = generate(s, prompt, n, !s->o->json, text, &ids, &stats);
    if (ok && s->o->json)
        print_answer(s, text, &ids, &stats);
    else if (ok) {
        putchar('\n');
        fflush(stdout);
        tell_speed(s, &stats);
    }
    sbuf_free(&ids);
    return ok;
}

int command_run(const struct options *o) {
    struct session s;
    size_t size = 0;
    uint32_t n = 0, *ids;
    bool ok = false;
    char *text = o->tokens ? NULL : prompt_text(o, NULL, &size);
    if (!text && !o->tokens) return o->file ? 1 : 2;
    if (!session_open(&s, o, 0, 0)) {
        free(text);
        return 1;
    }
    ids = tokens_of(&s, text, size,
                    (o->special ? SOTTO_ADD_SPECIAL : 0u) | (o->parse ? SOTTO_PARSE_SPECIAL : 0u),
                    &n);
    if (ids) {
        struct sbuf out = sbuf_new(&s.heap.heap);
        ok = answer(&s, ids, n, &out);
        sbuf_free(&out);
    }
    free(ids);
    free(text);
    session_close(&s);
    return ok ? 0 : 1;
}

/* ---- chat ------------------------------------------------------------------------------------ */
static void add_message(struct sbuf *b, const char *role, const char *text, size_t n) {
    sbuf_fmt(b, "%s{\"role\":\"%s\",\"content\":", b->size ? "," : "", role);
    sbuf_json(b, text, n);
    sbuf_char(b, '}');
}

/* Renders the messages, evaluates what is new of them and answers; the answer joins the messages.
 */
static bool turn(struct session *s, const char *template_text, struct sbuf *messages) {
    struct sbuf variables = sbuf_new(&s->heap.heap), text = sbuf_new(&s->heap.heap);
    const char *prompt;
    size_t size;
    uint32_t n = 0, *ids = NULL;
    bool ok;
    sbuf_fmt(&variables,
             "{\"messages\":[%s],\"add_generation_prompt\":true,\"tools\":null,\"documents\":null}",
             messages->text);
    ok = !model_failed(s, sotto_template(s->model, template_text, variables.text, variables.size,
                                         (double)time(NULL), &prompt, &size));
    if (ok) {
        char *copy = malloc(size + 1); /* the model's text is taken back by the next text call */
        if (copy) memcpy(copy, prompt, size);
        ids = copy ? tokens_of(s, copy, size, SOTTO_PARSE_SPECIAL, &n) : NULL;
        free(copy);
    }
    ok = ok && ids && answer(s, ids, n, &text);
    if (ok) add_message(messages, "assistant", text.text ? text.text : "", text.size);
    free(ids);
    sbuf_free(&text);
    sbuf_free(&variables);
    return ok;
}

/* A line of standard input without its newline; false at the end. */
static bool read_line(struct sbuf *line) {
    int c;
    line->size = 0;
    while ((c = getchar()) != EOF && c != '\n')
        if (c != '\r') sbuf_char(line, (char)c);
    return c != EOF || line->size;
}

int command_chat(const struct options *o) {
    struct session s;
    size_t n = 0, template_size;
    char *first = NULL, *template_text = NULL;
    bool ok = true;
    if (o->prompt || o->file) {
        first = prompt_text(o, NULL, &n);
        if (!first) return 1;
    }
    if (o->template_file && !(template_text = read_text(o->template_file, &template_size)))
        return 1;
    if (!session_open(&s, o, 0, 0)) return 1;
    struct sbuf messages = sbuf_new(&s.heap.heap), line = sbuf_new(&s.heap.heap);
    if (o->system) add_message(&messages, "system", o->system, strlen(o->system));
    if (first) {
        add_message(&messages, "user", first, n);
        ok = turn(&s, template_text, &messages);
    } else {
        for (;;) {
            if (!o->quiet) fputs("> ", stderr);
            if (!read_line(&line)) break;
            if (!line.size) continue;
            add_message(&messages, "user", line.text, line.size);
            if (!(ok = turn(&s, template_text, &messages))) break;
        }
    }
    free(first);
    free(template_text);
    sbuf_free(&messages);
    sbuf_free(&line);
    session_close(&s);
    return ok ? 0 : 1;
}

/* ---- tokenize -------------------------------------------------------------------------------- */
static bool print_tokens(struct session *s, const char *text, size_t n, unsigned flags) {
    struct sbuf b = sbuf_new(&s->heap.heap);
    const uint32_t *ids;
    size_t count;
    bool ok = !model_failed(s, sotto_tokenize(s->model, text, n, flags, &ids, &count));
    if (ok) {
        add_ids(&b, ids, count);
        print_json(&b);
    }
    sbuf_free(&b);
    return ok;
}

static bool print_text(struct session *s) {
    uint32_t n = 0, *ids = tokens_of(s, NULL, 0, 0, &n);
    const char *text = NULL;
    size_t size = 0;
    bool ok =
        ids &&
        !model_failed(s, sotto_detokenize(s->model, ids, n,
                                          s->o->special ? SOTTO_SHOW_SPECIAL : SOTTO_REMOVE_SPECIAL,
                                          &text, &size));
    if (ok) {
        fwrite(text, 1, size, stdout);
        putchar('\n');
    }
    free(ids);
    return ok;
}

int command_tokenize(const struct options *o) {
    struct session s;
    size_t n = 0;
    unsigned flags = (o->special ? SOTTO_ADD_SPECIAL : 0u) | (o->parse ? SOTTO_PARSE_SPECIAL : 0u);
    char *text = NULL;
    bool ok;
    if (o->detokenize && !o->tokens) {
        say_error("--detokenize wants --tokens IDS");
        return 2;
    }
    if (!o->detokenize && !(text = prompt_text(o, NULL, &n))) return o->file ? 1 : 2;
    if (!session_open(&s, o, 16, 1)) {
        free(text);
        return 1;
    }
    if (o->detokenize)
        ok = print_text(&s);
    else if (!o->lines)
        ok = print_tokens(&s, text, n, flags);
    else {
        ok = true;
        for (size_t from = 0, to; ok && from < n; from = to + 1) {
            for (to = from; to < n && text[to] != '\n';) to++;
            ok = print_tokens(&s, text + from, to - from, flags);
        }
    }
    free(text);
    session_close(&s);
    return ok ? 0 : 1;
}
