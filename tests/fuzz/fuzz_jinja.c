/* Templates: any bytes rendered with a conversation, under small bounds. Whatever follows a NUL
 * byte is the JSON of the variables instead. */
#include "../../tools/native_heap.h"
#include "text/jinja.h"

static const char usual[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be "
    "\\u00e9.\"},{\"role\":\"user\",\"content\":\" "
    "hi\\n\"},{\"role\":\"assistant\",\"content\":null,"
    "\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1,"
    "\"b\":[2.5,true,null]}}}]}],\"tools\":null,"
    "\"d\":{\"k\":\"v\",\"n\":-3,\"f\":1e300,\"big\":99999999999999999999},\"l\":[3,1,2],\"s\":\"a<"
    "b>&'c' \\ud83d\\ude00\",\"add_generation_prompt\":true,"
    "\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct jinja_limits limits = {
        .steps = 50000, .depth = 50, .output = 1 << 16, .memory = 1 << 21};
    struct native_heap h;
    struct json *root = NULL;
    struct fail f = {.code = 0};
    const uint8_t *split = size ? memchr(data, 0, size) : NULL;
    size_t n = split ? (size_t)(split - data) : size;
    native_heap_init(&h);
    if (split) json_parse(&root, &h.heap, (const char *)split + 1, size - n - 1, NULL);
    if (!root || root->kind != JSON_OBJECT) {
        json_free(&h.heap, root);
        json_parse(&root, &h.heap, usual, sizeof usual - 1, NULL);
    }
    struct sbuf out = sbuf_new(&h.heap);
    int code = jinja_render(&h.heap, (const char *)data, n, root, 1e9, &limits, &out, &f);
    /* a refusal is told with its place and leaves no output; its sentence is empty only where the
     * template's is */
    if (code != SOTTO_OK &&
        ((code != SOTTO_TEMPLATE && code != SOTTO_LIMIT) || !f.line || out.size))
        __builtin_trap();
    if (out.size > limits.output) __builtin_trap();
    sbuf_free(&out);
    json_free(&h.heap, root);
    if (h.heap.used) __builtin_trap();
    return 0;
}
