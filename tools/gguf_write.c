#include "gguf_write.h"
#include "data/gguf_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void gguf_out_init(struct gguf_out *w) {
    memset(w, 0, sizeof *w);
    w->alignment = 32;
}

void gguf_out_free(struct gguf_out *w) {
    if (w->file) fclose(w->file);
    free(w->kv.bytes);
    free(w->infos.bytes);
    free(w->sizes.bytes);
    memset(w, 0, sizeof *w);
}

static void out_error(struct gguf_out *w, const char *what, const char *name) {
    if (!w->error[0])
        snprintf(w->error, sizeof w->error, "%s%s%s", what, name ? ": " : "", name ? name : "");
}

static void put(struct gguf_out *w, struct gguf_out_buf *b, const void *bytes, size_t n) {
    if (w->error[0]) return;
    if (n > b->cap - b->size) {
        size_t cap = b->cap * 2 + n + 256;
        uint8_t *moved = realloc(b->bytes, cap);
        if (!moved) {
            out_error(w, "no memory", NULL);
            return;
        }
        b->bytes = moved;
        b->cap = cap;
    }
    if (n) memcpy(b->bytes + b->size, bytes, n);
    b->size += n;
}

static void put_u32(struct gguf_out *w, struct gguf_out_buf *b, uint32_t v) {
    put(w, b, &v, 4);
}
static void put_u64(struct gguf_out *w, struct gguf_out_buf *b, uint64_t v) {
    put(w, b, &v, 8);
}

static void put_str(struct gguf_out *w, struct gguf_out_buf *b, const char *text, size_t n) {
    put_u64(w, b, n);
    put(w, b, text, n);
}

static void begin_key(struct gguf_out *w, const char *key, size_t n, uint32_t type) {
    put_str(w, &w->kv, key, n);
    put_u32(w, &w->kv, type);
    w->n_kv++;
}

static void scalar(struct gguf_out *w, const char *key, uint32_t type, const void *v, size_t n) {
    begin_key(w, key, strlen(key), type);
    put(w, &w->kv, v, n);
    if (strcmp(key, "general.alignment") == 0 && type == GGUF_U32) memcpy(&w->alignment, v, 4);
}

void gguf_out_u32(struct gguf_out *w, const char *key, uint32_t v) {
    scalar(w, key, GGUF_U32, &v, 4);
}
void gguf_out_i32(struct gguf_out *w, const char *key, int32_t v) {
    scalar(w, key, GGUF_I32, &v, 4);
}
void gguf_out_u64(struct gguf_out *w, const char *key, uint64_t v) {
    scalar(w, key, GGUF_U64, &v, 8);
}
void gguf_out_f32(struct gguf_out *w, const char *key, float v) {
    scalar(w, key, GGUF_F32, &v, 4);
}

void gguf_out_bool(struct gguf_out *w, const char *key, bool v) {
    uint8_t byte = v;
    scalar(w, key, GGUF_BOOL, &byte, 1);
}

void gguf_out_str(struct gguf_out *w, const char *key, const char *text) {
    begin_key(w, key, strlen(key), GGUF_STRING);
    put_str(w, &w->kv, text, strlen(text));
}

void gguf_out_array(struct gguf_out *w, const char *key, uint32_t elem_type, const void *elements,
                    uint64_t count) {
    begin_key(w, key, strlen(key), GGUF_ARRAY);
    put_u32(w, &w->kv, elem_type);
    put_u64(w, &w->kv, count);
    put(w, &w->kv, elements, (size_t)count * gguf_type_bytes(elem_type));
}

void gguf_out_strings(struct gguf_out *w, const char *key, uint64_t count) {
    begin_key(w, key, strlen(key), GGUF_ARRAY);
    put_u32(w, &w->kv, GGUF_STRING);
    put_u64(w, &w->kv, count);
}

void gguf_out_item(struct gguf_out *w, const char *text, size_t n) {
    put_str(w, &w->kv, text, n);
}

void gguf_out_copy(struct gguf_out *w, const struct gguf *from, const struct gguf_kv *kv) {
    begin_key(w, kv->key.text, kv->key.size, kv->type);
    if (kv->type == GGUF_ARRAY) {
        put_u32(w, &w->kv, kv->elem_type);
        put_u64(w, &w->kv, kv->count);
    }
    if (kv->type == GGUF_STRING || (kv->type == GGUF_ARRAY && kv->elem_type == GGUF_STRING)) {
        for (uint64_t i = 0; i < kv->count; i++) {
            struct gguf_str s = gguf_str_at(from, kv, i);
            put_str(w, &w->kv, s.text, s.size);
        }
    } else {
        uint32_t type = kv->type == GGUF_ARRAY ? kv->elem_type : kv->type;
        put(w, &w->kv, gguf_raw(from, kv), (size_t)kv->count * gguf_type_bytes(type));
    }
    if (kv->key.size == 17 && memcmp(kv->key.text, "general.alignment", 17) == 0)
        w->alignment = (uint32_t)gguf_u64(from, "general.alignment", 32);
}

static uint64_t padded(const struct gguf_out *w, uint64_t n) {
    return (n + w->alignment - 1) / w->alignment * w->alignment;
}

uint64_t gguf_out_tensor(struct gguf_out *w, const char *name, uint32_t type, uint32_t n_dims,
                         const uint64_t *ne) {
    const struct dtype_info *info = dtype_info(type);
    uint64_t n = 1, bytes;
    for (uint32_t i = 0; i < n_dims; i++) n *= ne[i];
    if (!info || n_dims < 1 || n_dims > 4 || n == 0 || ne[0] % info->block) {
        out_error(w, "the type does not fit the shape of tensor", name);
        return 0;
    }
    bytes = n / info->block * info->bytes;
    put_str(w, &w->infos, name, strlen(name));
    put_u32(w, &w->infos, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) put_u64(w, &w->infos, ne[i]);
    put_u32(w, &w->infos, type);
    put_u64(w, &w->infos, w->data_size);
    put_u64(w, &w->sizes, bytes);
    w->data_size += padded(w, bytes);
    w->n_tensors++;
    return bytes;
}

uint8_t *gguf_out_header(struct gguf_out *w, size_t *n) {
    struct gguf_out_buf b = {NULL, 0, 0};
    static const uint8_t zeros[64];
    put(w, &b, "GGUF", 4);
    put_u32(w, &b, 3);
    put_u64(w, &b, w->n_tensors);
    put_u64(w, &b, w->n_kv);
    put(w, &b, w->kv.bytes, w->kv.size);
    put(w, &b, w->infos.bytes, w->infos.size);
    while (!w->error[0] && b.size % w->alignment) {
        size_t pad = (size_t)(padded(w, b.size) - b.size);
        put(w, &b, zeros, pad < sizeof zeros ? pad : sizeof zeros);
    }
    if (w->error[0]) {
        free(b.bytes);
        return NULL;
    }
    *n = b.size;
    return b.bytes;
}

static bool write_all(struct gguf_out *w, const void *bytes, size_t n) {
    if (!w->error[0] && n && fwrite(bytes, 1, n, w->file) != n)
        out_error(w, "cannot write", strerror(errno));
    return !w->error[0];
}

bool gguf_out_begin(struct gguf_out *w, const char *path) {
    size_t n = 0;
    uint8_t *header = gguf_out_header(w, &n);
    if (!header) return false;
    w->file = fopen(path, "wb");
    if (w->file)
        write_all(w, header, n);
    else
        out_error(w, strerror(errno), path);
    free(header);
    return !w->error[0];
}

bool gguf_out_data(struct gguf_out *w, const void *bytes, size_t n) {
    static const uint8_t zeros[64];
    uint64_t size;
    if (w->error[0]) return false;
    if (w->tensor >= w->n_tensors) {
        out_error(w, "more data than tensors", NULL);
        return false;
    }
    memcpy(&size, w->sizes.bytes + 8 * w->tensor, 8);
    if (n > size - w->at) {
        out_error(w, "more data than the tensor holds", NULL);
        return false;
    }
    if (!write_all(w, bytes, n)) return false;
    w->at += n;
    if (w->at < size) return true;
    for (uint64_t pad = padded(w, size) - size; pad;) {
        size_t part = pad < sizeof zeros ? (size_t)pad : sizeof zeros;
        if (!write_all(w, zeros, part)) return false;
        pad -= part;
    }
    w->tensor++;
    w->at = 0;
    return true;
}

bool gguf_out_end(struct gguf_out *w) {
    if (!w->error[0] && w->tensor != w->n_tensors)
        out_error(w, "data of a tensor are missing", NULL);
    if (w->file) {
        if (fclose(w->file) != 0) out_error(w, "cannot write", strerror(errno));
        w->file = NULL;
    }
    return !w->error[0];
}
