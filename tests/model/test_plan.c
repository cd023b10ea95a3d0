/* The plan of every case as text against tests/golden/plan, so that a change in how an architecture
 * is built is seen. With UPDATE_GOLDEN set in the environment the files are written instead. */
#define _POSIX_C_SOURCE 200809L
#include "../check.h"
#include "api/api_int.h"
#include "case_file.h"

/* rest below the folder of the tests */
static void tests_path(char *dst, size_t cap, const char *rest) {
    const char *file = __FILE__, *slash = strrchr(file, '/');
    snprintf(dst, cap, "%.*s/../%s", slash ? (int)(slash - file) : 1, slash ? file : ".", rest);
}

static void one_case(const char *cases, const char *golden, const char *name) {
    char dir[1024], path[2048];
    struct native_heap heap;
    struct fail f = {0};
    native_heap_init(&heap);
    snprintf(dir, sizeof dir, "%s/arch/%s", cases, name);
    struct bytes file = read_bytes(dir, "model.gguf");
    struct json *c = read_json(&heap.heap, dir, "case.json");
    sotto_header *h = sotto_header_new(&heap.heap);
    struct model *m = calloc(1, sizeof *m);
    struct sotto_options o = {.context_length = (uint32_t)json_num(json_get(c, "n_ctx"), 256)};
    CHECK(sotto_header_push(h, 0, file.data, file.size) == SOTTO_OK, "%s: %s", name,
          sotto_header_fail(h)->text);
    if (!api_describe(m, h, &o, &f)) {
        struct sbuf text = sbuf_new(&heap.heap);
        plan_print(&m->plan, &m->weights, &m->hp, &text);
        snprintf(path, sizeof path, "%s/%s.txt", golden, name);
        if (getenv("UPDATE_GOLDEN")) {
            FILE *out = fopen(path, "wb");
            if (CHECK(out != NULL, "%s cannot be written", path))
                fwrite(text.text, 1, text.size, out), fclose(out);
        } else {
            struct bytes want = {0};
            FILE *in = fopen(path, "rb");
            if (in)
                want.data = calloc(1, text.size + 2),
                want.size = fread(want.data, 1, text.size + 1, in), fclose(in);
            size_t at = 0;
            while (at < want.size && at < text.size && want.data[at] == text.text[at]) at++;
            CHECK(in != NULL, "%s is absent (UPDATE_GOLDEN=1 writes it)", path);
            CHECK(want.size == text.size && at == text.size, "%s differs at byte %zu: \"%.60s\"",
                  path, at, text.text + at);
            free(want.data);
        }
        sbuf_free(&text);
        model_forget(m);
    } else
        CHECK(f.code == SOTTO_UNSUPPORTED, "%s: %s", name, f.text);
    sotto_header_free(h);
    json_free(&heap.heap, c);
    CHECK(heap.heap.used == 0, "%s: %zu bytes were not given back", name, heap.heap.used);
    free(m), free(file.data);
}

static void all_cases(const char *cases, const char *golden) {
    char dir[1024];
    snprintf(dir, sizeof dir, "%s/arch", cases);
    DIR *d = opendir(dir);
    if (!CHECK(d != NULL, "%s cannot be read", dir)) return;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') one_case(cases, golden, e->d_name);
    closedir(d);
}

/* The repository's own cases, then the full set, whose golden files lie a folder further up. */
int main(int argc, char **argv) {
    char cases[1024], golden[1024];
    tests_path(cases, sizeof cases, "cases"), tests_path(golden, sizeof golden, "golden/plan/own");
    all_cases(cases, golden);
    tests_path(golden, sizeof golden, "golden/plan");
    if (argc > 1 && !strstr(argv[1], "tests/cases")) all_cases(argv[1], golden);
    return check_done();
}
