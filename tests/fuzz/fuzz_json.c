/* JSON: any bytes; the tree is walked, so that every pointer in it is used. */
#include "../../tools/native_heap.h"
#include "text/json.h"

static size_t walk(const struct json *v) {
    size_t sum = v->kind;
    for (uint32_t i = 0; i < v->size; i++) sum += (uint8_t)v->text[i];
    for (uint32_t i = 0; i < v->key_size; i++) sum += (uint8_t)v->key[i];
    for (const struct json *c = v->first; c; c = c->next) sum += walk(c);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct native_heap h;
    struct json *root;
    struct fail f = {.code = 0};
    native_heap_init(&h);
    if (json_parse(&root, &h.heap, (const char *)data, size, &f) == SOTTO_OK) {
        volatile size_t sum = walk(root);
        (void)sum;
    } else if (!f.text[0] || root)
        __builtin_trap();
    json_free(&h.heap, root);
    if (h.heap.used) __builtin_trap();
    return 0;
}
