/* quantize: writes a model again with its matrices in another type, tensor by tensor. */
#include "cli.h"
#include "gguf_write.h"
#include <sys/types.h>

struct job {
    const struct options *o;
    struct gguf *in;
    struct gguf_out out;
    FILE *file;
    uint32_t target;
    uint64_t done, total;
};

/* llama.cpp's general.file_type of a model that is mostly of that type. */
static const struct {
    uint32_t type, file_type, fallback;
} targets[] = {{DT_F32, 0, DT_F32},    {DT_F16, 1, DT_F16},    {DT_BF16, 32, DT_BF16},
               {DT_Q4_0, 2, DT_Q4_0},  {DT_Q4_1, 3, DT_Q4_1},  {DT_Q8_0, 7, DT_Q8_0},
               {DT_Q5_0, 8, DT_Q5_0},  {DT_Q5_1, 9, DT_Q5_1},  {DT_Q2_K, 10, DT_Q4_0},
               {DT_Q4_K, 15, DT_Q5_0}, {DT_Q6_K, 18, DT_Q8_0}, {DT_TQ2_0, 37, DT_Q4_0}};

static size_t target_row(uint32_t type) {
    size_t i = 0;
    while (i < sizeof targets / sizeof *targets && targets[i].type != type) i++;
    return i;
}

static bool ends_with(struct gguf_str s, const char *end) {
    size_t n = strlen(end);
    return s.size >= n && memcmp(s.text + s.size - n, end, n) == 0;
}

static bool contains(struct gguf_str s, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= s.size; i++)
        if (memcmp(s.text + i, part, n) == 0) return true;
    return false;
}

/* The type a tensor is written in: matrices in the target, output and embedding with more bits
 * where that is a type of few, rows that are no multiple of the block in a type of smaller blocks;
 * all else as it is. */
static uint32_t type_of(const struct job *j, const struct gguf_tensor *t) {
    uint32_t type = j->target;
    bool output = contains(t->name, "output.weight") && !contains(t->name, "attn");
    if (t->n_dims < 2 || !ends_with(t->name, ".weight") || contains(t->name, "norm") ||
        contains(t->name, "rope_freqs") || contains(t->name, "ffn_gate_inp") ||
        contains(t->name, "ssm_conv1d") || contains(t->name, "shortconv.conv."))
        return t->type;
    if (t->ne[1] == 1) return t->type;
    if (output || contains(t->name, "token_embd")) {
        if (type == DT_Q4_K || type == DT_Q4_0 || type == DT_Q2_K || type == DT_TQ2_0)
            type = output ? DT_Q6_K : type == DT_TQ2_0 ? DT_Q4_K : type;
    }
    if (t->ne[0] % dtype_info(type)->block) type = targets[target_row(type)].fallback;
    if (t->ne[0] % dtype_info(type)->block) type = DT_F16;
    return type;
}

static bool write_rows(struct job *j, const struct gguf_tensor *t, const struct dtype_info *from,
                       const struct dtype_info *to, uint64_t data) {
    uint64_t rows = t->ne[1] * t->ne[2] * t->ne[3];
    size_t n = (size_t)t->ne[0], in_bytes = dtype_bytes(t->type, n),
           out_bytes = n / to->block * to->bytes;
    uint8_t *in = malloc(in_bytes), *out = malloc(out_bytes);
    float *row = malloc(n * sizeof *row);
    bool ok = in && out && row && fseeko(j->file, (off_t)data, SEEK_SET) == 0;
    for (uint64_t i = 0; ok && i < rows; i++) {
        ok = fread(in, 1, in_bytes, j->file) == in_bytes;
        if (!ok) break;
        if (from == to)
            ok = gguf_out_data(&j->out, in, in_bytes);
        else {
            from->decode(row, in, n);
            to->encode(out, row, n);
            ok = gguf_out_data(&j->out, out, out_bytes);
        }
        j->done += in_bytes;
        if (!j->o->quiet && !j->o->json && (i + 1) % 4096 == 0)
            fprintf(stderr, "\r%3.0f %%", 100.0 * (double)j->done / (double)j->total);
    }
    free(in);
    free(out);
    free(row);
    return ok || say_error("%.*s: %s", (int)t->name.size, t->name.text,
                           j->out.error[0] ? j->out.error : "the file ends too early");
}

static bool plan(struct job *j) {
    size_t row = target_row(j->target);
    for (size_t i = 0; i < gguf_n_kv(j->in); i++) {
        const struct gguf_kv *kv = gguf_kv_at(j->in, i);
        if (!contains(kv->key, "general.file_type") &&
            !contains(kv->key, "general.quantization_version"))
            gguf_out_copy(&j->out, j->in, kv);
    }
    gguf_out_u32(&j->out, "general.file_type", targets[row].file_type);
    gguf_out_u32(&j->out, "general.quantization_version", 2);
    for (size_t i = 0; i < gguf_n_tensors(j->in); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(j->in, i);
        const struct dtype_info *from = dtype_info(t->type), *to;
        char name[256];
        if (!from)
            return say_error("%.*s has a type (%u) that this build does not read",
                             (int)t->name.size, t->name.text, t->type);
        to = dtype_info(type_of(j, t));
        if (from != to && (!to || !to->encode))
            return say_error("this build does not write %s", to ? to->name : "that type");
        if (from != to && !from->decode)
            return say_error("this build does not read %s", from->name);
        snprintf(name, sizeof name, "%.*s", (int)t->name.size, t->name.text);
        gguf_out_tensor(&j->out, name, type_of(j, t), t->n_dims, t->ne);
        j->total += t->bytes;
    }
    return true;
}

static bool convert(struct job *j) {
    if (!plan(j)) return false;
    if (!gguf_out_begin(&j->out, j->o->out)) return say_error("%s", j->out.error);
    for (size_t i = 0; i < gguf_n_tensors(j->in); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(j->in, i);
        if (!write_rows(j, t, dtype_info(t->type), dtype_info(type_of(j, t)), t->offset))
            return false;
        if (!j->o->quiet && !j->o->json)
            fprintf(stderr, "\r%3.0f %%  %-40.*s", 100.0 * (double)j->done / (double)j->total,
                    (int)t->name.size, t->name.text);
    }
    if (!gguf_out_end(&j->out)) return say_error("%s", j->out.error);
    if (j->o->json)
        printf("{\"file\":\"%s\",\"dataBytes\":%llu}\n", j->o->out,
               (unsigned long long)j->out.data_size);
    else if (!j->o->quiet)
        fprintf(stderr, "\r%s: %.1f MB of tensors, %.1f before\n", j->o->out,
                (double)j->out.data_size / 1e6, (double)j->total / 1e6);
    return true;
}

static bool read_in(struct job *j, struct heap *heap) {
    size_t cap = 1 << 18, n;
    char *buffer = malloc(cap);
    struct fail f = {.code = 0};
    int code = SOTTO_MORE;
    j->file = fopen(j->o->model, "rb");
    if (!j->file) say_error("%s cannot be opened", j->o->model);
    j->in = gguf_new(heap);
    while (j->file && j->in && buffer && code == SOTTO_MORE &&
           (n = fread(buffer, 1, cap, j->file)) > 0)
        code = gguf_push(j->in, buffer, n, &f);
    free(buffer);
    if (!j->file || code == SOTTO_OK) return j->file != NULL;
    return say_error("%s: %s", j->o->model,
                     code == SOTTO_MORE ? "the file ends inside its header" : f.text);
}

int command_quantize(const struct options *o) {
    struct job j = {.o = o, .target = DT_COUNT};
    struct native_heap heap;
    bool ok;
    for (uint32_t i = 0; o->type && i < DT_COUNT; i++)
        if (dtype_info(i) && strcmp(dtype_info(i)->name, o->type) == 0) j.target = i;
    if (!o->out || target_row(j.target) == sizeof targets / sizeof *targets ||
        !dtype_info(j.target)->encode) {
        say_error("quantize wants --out FILE and --type, one of:");
        for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
            if (dtype_info(targets[i].type) && dtype_info(targets[i].type)->encode)
                fprintf(stderr, "  %s\n", dtype_info(targets[i].type)->name);
        return 2;
    }
    if (strcmp(o->out, o->model) == 0) {
        say_error("the file cannot be written over itself");
        return 2;
    }
    native_heap_init(&heap);
    gguf_out_init(&j.out);
    ok = read_in(&j, &heap.heap) && convert(&j);
    gguf_out_free(&j.out);
    if (j.in) gguf_free(j.in);
    if (j.file) fclose(j.file);
    return ok ? 0 : 1;
}
