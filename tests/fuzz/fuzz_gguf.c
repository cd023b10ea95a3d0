/* GGUF headers from arbitrary bytes: cut by the first byte, then every accessor is called. */
#include "../../tools/native_heap.h"
#include "data/gguf.h"

static volatile double sink;

static void use(const struct gguf *g) {
    double sum = 0;
    for (size_t i = 0; i < gguf_n_kv(g); i++) {
        const struct gguf_kv *kv = gguf_kv_at(g, i);
        char key[64];
        if (kv->key.size < sizeof key) {
            memcpy(key, kv->key.text, kv->key.size);
            key[kv->key.size] = 0;
            if (strlen(key) == kv->key.size && gguf_find(g, key) != kv) abort();
            sum += (double)gguf_u64(g, key, 0) + gguf_f64(g, key, 0) + gguf_bool(g, key, false);
        }
        for (uint64_t k = 0; k < kv->count && k < 1000; k++) {
            struct gguf_str s = gguf_str_at(g, kv, k);
            for (size_t c = 0; c < s.size; c++) sum += s.text[c];
            sum += gguf_num_at(g, kv, k);
        }
    }
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        for (size_t c = 0; c < t->name.size; c++) sum += t->name.text[c];
        if (t->offset + t->bytes > gguf_file_bytes(g) || t->offset < gguf_data_offset(g)) abort();
    }
    sink = sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct native_heap h;
    struct fail f = {0};
    struct gguf *g;
    size_t step;
    int status = SOTTO_MORE;
    if (!size) return 0;
    step = data[0] ? data[0] : size;
    data++, size--;
    native_heap_init(&h);
    g = gguf_new(&h.heap);
    for (size_t i = 0; i < size && status == SOTTO_MORE; i += step)
        status = gguf_push(g, data + i, size - i < step ? size - i : step, &f);
    if (status == SOTTO_OK)
        use(g);
    else if (status != SOTTO_MORE && (!f.text[0] || f.code != status))
        abort();
    if (h.heap.peak > 400000 + 64 * size) abort(); /* memory only for what the bytes paid for */
    gguf_free(g);
    if (h.heap.used) abort();
    return 0;
}
