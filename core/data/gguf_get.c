/* Looking up what the reader has read. */
#include "base/bytes.h"
#include "data/gguf_int.h"

uint64_t gguf_header_bytes(const struct gguf *g) {
    return g->pos;
}
const void *gguf_bytes(const struct gguf *g) {
    return g->bytes;
}
uint64_t gguf_data_offset(const struct gguf *g) {
    return g->data_offset;
}
uint64_t gguf_file_bytes(const struct gguf *g) {
    return g->file_bytes;
}
uint32_t gguf_version(const struct gguf *g) {
    return g->version;
}
size_t gguf_n_kv(const struct gguf *g) {
    return g->n_kv;
}
size_t gguf_n_tensors(const struct gguf *g) {
    return g->n_tensors;
}

const struct gguf_kv *gguf_kv_at(const struct gguf *g, size_t i) {
    return i < g->n_kv ? &g->kv[i].kv : NULL;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i) {
    return i < g->n_tensors ? &g->tensors[i].tensor : NULL;
}

/* A number of any type: an integer with its sign, or a float. */
struct number {
    bool ok, is_float;
    int64_t i;
    uint64_t u;
    double f;
};

static struct number from_signed(int64_t v) {
    return (struct number){true, false, v, (uint64_t)v, (double)v};
}

static struct number from_unsigned(uint64_t v) {
    return (struct number){true, false, v > INT64_MAX ? INT64_MAX : (int64_t)v, v, (double)v};
}

static struct number from_float(double v) {
    return (struct number){true, true, 0, 0, v};
}

static struct number number_at(const uint8_t *p, uint32_t type) {
    double f;
    switch (type) {
    case GGUF_U8:
        return from_unsigned(*p);
    case GGUF_I8:
        return from_signed((int8_t)*p);
    case GGUF_BOOL:
        return from_unsigned(*p != 0);
    case GGUF_U16:
        return from_unsigned(load_u16(p));
    case GGUF_I16:
        return from_signed((int16_t)load_u16(p));
    case GGUF_U32:
        return from_unsigned(load_u32(p));
    case GGUF_I32:
        return from_signed((int32_t)load_u32(p));
    case GGUF_U64:
        return from_unsigned(load_u64(p));
    case GGUF_I64:
        return from_signed((int64_t)load_u64(p));
    case GGUF_F32:
        return from_float(load_f32(p));
    case GGUF_F64:
        memcpy(&f, p, 8);
        return from_float(f);
    default:
        return (struct number){false, false, 0, 0, 0};
    }
}

static struct number scalar(const struct gguf *g, const char *key) {
    const struct gguf_kv *kv = gguf_find(g, key);
    return kv ? number_at(g->bytes + kv->at, kv->type) : (struct number){false, false, 0, 0, 0};
}

uint64_t gguf_u64(const struct gguf *g, const char *key, uint64_t missing) {
    struct number v = scalar(g, key);
    if (!v.ok) return missing;
    if (v.is_float) return v.f >= 0 && v.f < 0x1p64 ? (uint64_t)v.f : missing;
    return v.i < 0 ? missing : v.u;
}

double gguf_f64(const struct gguf *g, const char *key, double missing) {
    struct number v = scalar(g, key);
    return v.ok ? v.f : missing;
}

bool gguf_bool(const struct gguf *g, const char *key, bool missing) {
    struct number v = scalar(g, key);
    return v.ok ? v.f != 0 : missing;
}

struct gguf_str gguf_string(const struct gguf *g, const char *key) {
    const struct gguf_kv *kv = gguf_find(g, key);
    return kv && kv->type == GGUF_STRING ? gguf_str_at(g, kv, 0) : (struct gguf_str){NULL, 0};
}

double gguf_num_at(const struct gguf *g, const struct gguf_kv *kv, uint64_t i) {
    uint32_t type;
    if (!kv || i >= kv->count) return 0;
    type = kv->type == GGUF_ARRAY ? kv->elem_type : kv->type;
    return number_at(g->bytes + kv->at + i * gguf_type_bytes(type), type).f;
}

struct gguf_str gguf_str_at(const struct gguf *g, const struct gguf_kv *kv, uint64_t i) {
    const struct gguf_kv_entry *e = (const struct gguf_kv_entry *)kv; /* kv is its first member */
    const uint8_t *p;
    if (!kv || i >= kv->count) return (struct gguf_str){NULL, 0};
    if (kv->type == GGUF_STRING) {
        p = g->bytes + kv->at;
    } else if (kv->type == GGUF_ARRAY && kv->elem_type == GGUF_STRING) {
        p = g->bytes + g->index[e->index_at + i / STRING_STEP];
        for (uint64_t k = i % STRING_STEP; k > 0; k--) p += 8 + load_u64(p);
    } else {
        return (struct gguf_str){NULL, 0};
    }
    return (struct gguf_str){(const char *)p + 8, (size_t)load_u64(p)};
}

const void *gguf_raw(const struct gguf *g, const struct gguf_kv *kv) {
    return kv ? g->bytes + kv->at : NULL;
}
