/* sotto logits --dump: what each op of the plan has written, to be compared with another program's.
 */
#include "cli.h"

struct dump {
    struct session *s;
    const char *folder; /* NULL: lines only */
    FILE *lines;
    bool *begun; /* by op: its file exists */
    uint32_t n_begun;
    bool failed;
};

static void write_rows(struct dump *d, const struct sotto_op_rows *r) {
    char path[4096], block[16] = "";
    if (r->op >= d->n_begun) {
        uint32_t n = r->op + 256;
        bool *more = realloc(d->begun, n);
        if (!more) {
            d->failed = true;
            return;
        }
        memset(more + d->n_begun, 0, n - d->n_begun);
        d->begun = more, d->n_begun = n;
    }
    snprintf(block, sizeof block, "%u", r->layer);
    snprintf(path, sizeof path, "%s/%04u-%s-%s.f32", d->folder, r->op, block, r->label);
    FILE *file = fopen(path, d->begun[r->op] ? "ab" : "wb"); /* a long prompt comes in pieces */
    d->begun[r->op] = true;
    bool ok = file != NULL;
    for (uint32_t i = 0; ok && i < r->n_rows; i++)
        ok = fwrite(r->rows + i * r->stride, sizeof(float), r->width, file) == r->width;
    if (file && fclose(file)) ok = false;
    d->failed = d->failed || !ok;
}

static void see(void *arg, const struct sotto_op_rows *r) {
    struct dump *d = arg;
    double sum = 0;
    for (uint32_t i = 0; i < r->n_rows; i++)
        for (uint32_t k = 0; k < r->width; k++) sum += (double)r->rows[i * r->stride + k];
    fprintf(d->lines, "%4u %3u %-16s %u x %u sum %.9g:", r->op, r->layer, r->label, r->n_rows,
            r->width, sum);
    for (uint32_t k = 0; r->n_rows && k < r->width && k < 4; k++)
        fprintf(d->lines, " %.7g", (double)r->rows[k]);
    if (r->n_rows && r->width > 4)
        fprintf(d->lines, " ... %.7g", (double)r->rows[(r->n_rows - 1) * r->stride + r->width - 1]);
    fputc('\n', d->lines);
    if (d->folder) write_rows(d, r);
}

struct dump *dump_open(struct session *s, const char *path) {
    char index[4096];
    struct dump *d = calloc(1, sizeof *d);
    if (!d) return say_error("no memory"), NULL;
    snprintf(index, sizeof index, "%s/index.txt", path);
    d->s = s;
    d->lines = fopen(index, "w");
    d->folder = d->lines ? path : NULL;
    if (!d->lines) d->lines = fopen(path, "w");
    if (!d->lines || !session_threads(s, 1)) {
        if (!d->lines) say_error("%s can be written neither as a file nor as a folder", path);
        dump_close(d);
        return NULL;
    }
    sotto_watch(s->model, see, d);
    return d;
}

bool dump_close(struct dump *d) {
    if (!d) return true;
    bool ok = !d->failed;
    sotto_watch(d->s->model, NULL, NULL);
    if (d->lines && fclose(d->lines)) ok = false;
    free(d->begun);
    free(d);
    return ok || say_error("the dump could not be written whole");
}
