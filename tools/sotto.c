/* The sotto command: reads the command line and calls one of the commands. Native and WASI are the
 * same program. */
#include "cli.h"
#include <math.h>
#include <stdarg.h>

static const struct {
    const char *name, *what, *uses;
    int (*run)(const struct options *o);
} commands[] = {
    {"run", "continue a prompt",
     "-p TEXT | -f FILE | --tokens IDS  [-n TOKENS] [--ignore-eog] [sampling]", command_run},
    {"chat", "talk with the model, one line a turn",
     "[-p TEXT] [--system TEXT] [-n TOKENS] [--template FILE] [sampling]", command_chat},
    {"tokenize", "text to token ids, or ids to text",
     "-p TEXT | -f FILE [--lines] [--no-special] [--no-parse] | --detokenize --tokens IDS",
     command_tokenize},
    {"logits", "logits of a prompt and of greedy tokens behind it",
     "-p TEXT | --tokens IDS [--all] [-n GREEDY] [--out FILE.f32] [--dump FILE|FOLDER]",
     command_logits},
    {"embed", "vectors of texts", "-p TEXT | -f FILE [--lines] [--pooling KIND] [--no-normalize]",
     command_embed},
    {"rerank", "how well each line answers a question", "-p QUESTION -f DOCUMENTS", command_rerank},
    {"perplexity", "how well the model predicts a text",
     "-f FILE [--chunk TOKENS] [--out FILE.f32]", command_perplexity},
    {"bench", "speed of prompt (pp) and generation (tg)",
     "[--pp N] [--tg N] [--depth N] [-r REPEATS] [-t 1,2] [--profile]", command_bench},
    {"info", "what a model file is and how much memory it needs", "[-c TOKENS] [--kv TYPE]",
     command_info},
    {"quantize", "write a model in another quantization",
     "--type Q8_0|Q4_0|Q4_K|Q6_K|Q2_K|TQ2_0 --out FILE.gguf", command_quantize},
};

static const char common[] =
    "Every command:\n"
    "  -m FILE            the model (GGUF; of a split model its first part)\n"
    "  -t N               threads                    -c N        tokens of context\n"
    "  --kv TYPE          f16, f32 or q8_0           --arithmetic fast|exact\n"
    "  --kernel scalar    the reference kernels      --json      one JSON line on standard output\n"
    "Sampling:\n"
    "  --temp X --top-k N --top-p X --min-p X --repeat-penalty X --seed N      (--temp 0: greedy)\n"
    "Exit code: 0, 1 where something failed, 2 where the command line is wrong.\n";

bool say_error(const char *format, ...) {
    va_list args;
    fflush(stdout);
    fputs("sotto: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

char *read_text(const char *path, size_t *n) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    char *text = NULL;
    size_t cap = 0, got;
    *n = 0;
    if (!file) {
        say_error("%s cannot be opened", path);
        return NULL;
    }
    do {
        if (*n + 65537 > cap) {
            char *more = realloc(text, cap = (*n + 65537) * 2);
            if (!more) {
                free(text);
                say_error("no memory for %s", path);
                text = NULL;
                break;
            }
            text = more;
        }
        got = fread(text + *n, 1, 65536, file);
        *n += got;
        text[*n] = 0;
    } while (got);
    if (!standard) fclose(file);
    return text;
}

char *prompt_text(const struct options *o, const char *otherwise, size_t *n) {
    const char *text = o->prompt ? o->prompt : otherwise;
    char *copy;
    if (!o->prompt && o->file) return read_text(o->file, n);
    if (!text) {
        say_error("the command wants a text: -p TEXT or -f FILE");
        return NULL;
    }
    *n = strlen(text);
    copy = malloc(*n + 1);
    if (copy) memcpy(copy, text, *n + 1);
    return copy;
}

void print_json(const struct sbuf *b) {
    fwrite(b->text, 1, b->size, stdout);
    fputc('\n', stdout);
    fflush(stdout);
}

/* ---- the command line ------------------------------------------------------------------------ */
enum kind { TEXT, FLAG, OFF, COUNT, NUMBER, LIST, SEED, NAME };

struct flag {
    const char *name;
    enum kind kind;
    void *to;
    const char *names; /* of a NAME: words with commas, the first is 0 */
};

static bool to_number(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return *text && !*end;
}

/* The place of word in a list with commas, -1 where it is not there. */
static int place(const char *list, const char *word) {
    size_t n = strlen(word);
    for (int i = 0; *list; i++) {
        size_t size = strcspn(list, ",");
        if (size == n && strncmp(list, word, n) == 0) return i;
        list += size + (list[size] == ',');
    }
    return -1;
}

static bool set(const struct flag *f, const char *value, struct options *o) {
    double v;
    switch (f->kind) {
    case TEXT:
        *(const char **)f->to = value;
        return true;
    case NUMBER:
        return to_number(value, (double *)f->to);
    case COUNT:
        if (!to_number(value, &v) || v < -1 || v > 1e9 || v != floor(v)) return false;
        *(int64_t *)f->to = (int64_t)v;
        return true;
    case SEED:
        o->has_seed = true;
        o->seed = strtoull(value, NULL, 10);
        return to_number(value, &v);
    case NAME: {
        int i = place(f->names, value);
        *(uint32_t *)f->to = (uint32_t)i;
        return i >= 0;
    }
    default: /* LIST: threads */
        for (o->n_threads = 0; *value && o->n_threads < MAX_LIST;) {
            char *end;
            long n = strtol(value, &end, 10);
            if (end == value || n < 1 || n > POOL_MAX_THREADS || (*end && *end != ','))
                return false;
            o->threads[o->n_threads++] = (uint32_t)n;
            value = end + (*end == ',');
        }
        return o->n_threads > 0 && !*value;
    }
}

/* False after telling what is wrong. */
static bool parse(struct options *o, int argc, char **argv) {
    int64_t context = 0, depth = 0, chunk = 256, repeat = 5;
    const struct flag flags[] = {{"-m", TEXT, &o->model, NULL},
                                 {"--model", TEXT, &o->model, NULL},
                                 {"-p", TEXT, &o->prompt, NULL},
                                 {"--prompt", TEXT, &o->prompt, NULL},
                                 {"-f", TEXT, &o->file, NULL},
                                 {"--file", TEXT, &o->file, NULL},
                                 {"--out", TEXT, &o->out, NULL},
                                 {"-o", TEXT, &o->out, NULL},
                                 {"--dump", TEXT, &o->dump, NULL},
                                 {"--system", TEXT, &o->system, NULL},
                                 {"--type", TEXT, &o->type, NULL},
                                 {"--template", TEXT, &o->template_file, NULL},
                                 {"--tokens", TEXT, &o->tokens, NULL},
                                 {"--pooling", NAME, &o->pooling, "model,mean,cls,last,rank"},
                                 {"-n", COUNT, &o->n, NULL},
                                 {"-c", COUNT, &context, NULL},
                                 {"--context", COUNT, &context, NULL},
                                 {"--depth", COUNT, &depth, NULL},
                                 {"--chunk", COUNT, &chunk, NULL},
                                 {"--pp", COUNT, &o->pp, NULL},
                                 {"--tg", COUNT, &o->tg, NULL},
                                 {"-r", COUNT, &repeat, NULL},
                                 {"-t", LIST, NULL, NULL},
                                 {"--threads", LIST, NULL, NULL},
                                 {"--kv", NAME, &o->kv, "f16,f32,q8_0"},
                                 {"--arithmetic", NAME, &o->arithmetic, "fast,exact"},
                                 {"--kernel", NAME, &o->kernel, "best,scalar,simd,relaxed"},
                                 {"--temp", NUMBER, &o->temperature, NULL},
                                 {"--top-k", NUMBER, &o->top_k, NULL},
                                 {"--top-p", NUMBER, &o->top_p, NULL},
                                 {"--min-p", NUMBER, &o->min_p, NULL},
                                 {"--repeat-penalty", NUMBER, &o->repeat_penalty, NULL},
                                 {"--seed", SEED, NULL, NULL},
                                 {"--json", FLAG, &o->json, NULL},
                                 {"--help", FLAG, &o->help, NULL},
                                 {"-h", FLAG, &o->help, NULL},
                                 {"--all", FLAG, &o->all, NULL},
                                 {"--no-special", OFF, &o->special, NULL},
                                 {"--no-parse", OFF, &o->parse, NULL},
                                 {"--profile", FLAG, &o->profile, NULL},
                                 {"--ignore-eog", FLAG, &o->ignore_eog, NULL},
                                 {"--quiet", FLAG, &o->quiet, NULL},
                                 {"--detokenize", FLAG, &o->detokenize, NULL},
                                 {"--lines", FLAG, &o->lines, NULL},
                                 {"--no-normalize", OFF, &o->normalize, NULL}};
    *o = (struct options){.n = -1,
                          .pp = -1,
                          .tg = -1,
                          .temperature = NAN,
                          .top_p = NAN,
                          .min_p = NAN,
                          .repeat_penalty = NAN,
                          .top_k = NAN,
                          .special = true,
                          .normalize = true,
                          .parse = true};
    if (argc > 1 && argv[1][0] != '-') o->command = argv[1];
    for (int i = o->command ? 2 : 1; i < argc; i++) {
        const struct flag *f = flags, *end = flags + sizeof flags / sizeof *flags;
        while (f < end && strcmp(f->name, argv[i]) != 0) f++;
        if (f == end) return say_error("unknown option %s (sotto --help tells all)", argv[i]);
        if (f->kind == FLAG || f->kind == OFF)
            *(bool *)f->to = f->kind == FLAG;
        else if (++i == argc)
            return say_error("%s wants a value", f->name);
        else if (!set(f, argv[i], o))
            return say_error("%s %s makes no sense%s%s", f->name, argv[i],
                             f->names ? "; it is one of " : "", f->names ? f->names : "");
    }
    if (context < 0 || depth < 0 || chunk < 1 || repeat < 1)
        return say_error("-c, --depth, --chunk and -r want positive numbers");
    o->context = (uint32_t)context;
    o->depth = (uint32_t)depth;
    o->chunk = (uint32_t)chunk;
    o->repeat = (uint32_t)repeat;
    return true;
}

static void help(FILE *to) {
    fputs("sotto COMMAND -m MODEL.gguf [OPTION …]: runs small language models.\n\nCommands:\n", to);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].what);
    fprintf(to, "\nsotto COMMAND --help tells a command's own options.\n\n%s", common);
}

int main(int argc, char **argv) {
    struct options o;
    if (!parse(&o, argc, argv)) return 2;
    for (size_t i = 0; o.command && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, o.command) != 0) continue;
        if (o.help) {
            printf("sotto %s -m MODEL.gguf %s\n%s.\n\n%s", o.command, commands[i].uses,
                   commands[i].what, common);
            return 0;
        }
        if (!o.model) {
            say_error("which model? -m FILE.gguf");
            return 2;
        }
        return commands[i].run(&o);
    }
    if (o.command) say_error("there is no command %s", o.command);
    help(o.help ? stdout : stderr);
    return o.help ? 0 : 2;
}
