/* Headers: reading them, the figures a user wants before a download, exact memory need. */
#include "api/api_int.h"
#include <string.h>

sotto_header *sotto_header_new(struct heap *heap) {
    sotto_header *h = HEAP_ZERO(heap, struct sotto_header, 1);
    if (!h) return NULL;
    h->heap = heap;
    h->info = sbuf_new(heap);
    return h;
}

void sotto_header_free(sotto_header *h) {
    if (!h) return;
    for (uint32_t i = 0; i < MAX_PARTS; i++)
        if (h->g[i]) gguf_free(h->g[i]);
    sbuf_free(&h->info);
    HEAP_FREE(h->heap, h, 1);
}

int sotto_header_push(sotto_header *h, uint32_t part, const void *bytes, size_t n) {
    h->fail = (struct fail){0};
    if (part >= MAX_PARTS || (h->n_parts && part >= h->n_parts))
        return fail(&h->fail, SOTTO_EINVAL, FAIL_NOWHERE,
                    "part %u of a model of %u parts (at most %d)", part, h->n_parts, MAX_PARTS);
    if (h->complete[part]) return SOTTO_OK;
    if (!h->g[part] && !(h->g[part] = gguf_new(h->heap)))
        return fail(&h->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a header");
    int rc = gguf_push(h->g[part], bytes, n, &h->fail);
    if (rc) return rc;
    if (part == 0) {
        uint64_t count = gguf_u64(h->g[0], "split.count", 1);
        if (count > MAX_PARTS)
            return fail(&h->fail, SOTTO_LIMIT, FAIL_NOWHERE,
                        "split.count is %llu; this engine takes up to %d parts",
                        (unsigned long long)count, MAX_PARTS);
        h->n_parts = count ? (uint32_t)count : 1;
    }
    h->complete[part] = true, h->need = 0;
    return SOTTO_OK;
}

uint32_t sotto_header_parts(const sotto_header *h) {
    return h->n_parts;
}
const struct fail *sotto_header_fail(const sotto_header *h) {
    return &h->fail;
}

int api_options(struct model *m, const struct sotto_options *given, struct fail *f) {
    struct sotto_options o = given ? *given : (struct sotto_options){0};
    if (o.kv_type > SOTTO_KV_Q8_0 || o.arithmetic > SOTTO_EXACT || o.kernel_level > KERN_RELAXED)
        return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "an option has a value that does not exist");
    if (o.n_sequences > 256)
        return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "%u sequences; at most 256 are possible",
                    o.n_sequences);
    if (o.context_length > CONTEXT_MOST)
        return fail(f, SOTTO_EINVAL, FAIL_NOWHERE,
                    "a context of %u tokens; at most %u are possible", o.context_length,
                    CONTEXT_MOST);
    if (o.max_threads > POOL_MAX_THREADS) o.max_threads = POOL_MAX_THREADS;
    m->options = (struct run_options){
        .context = o.context_length,
        .n_sequences = o.n_sequences ? o.n_sequences : 1,
        .batch = o.batch,
        .max_threads = o.max_threads ? o.max_threads : 1,
        .kv_type = (enum kv_type)o.kv_type,
        .exact = o.arithmetic == SOTTO_EXACT,
    };
    m->kern = kern_get((enum kern_level)o.kernel_level);
    if (!m->kern)
        return fail(f, SOTTO_UNSUPPORTED, FAIL_NOWHERE, "this build does not have kernel level %u",
                    o.kernel_level);
    return SOTTO_OK;
}

int api_describe(struct model *m, sotto_header *h, const struct sotto_options *options,
                 struct fail *f) {
    memset(m, 0, sizeof *m);
    m->heap = h->heap;
    if (!h->n_parts) return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "the header is not complete");
    for (uint32_t i = 0; i < h->n_parts; i++) {
        if (!h->complete[i])
            return fail(f, SOTTO_EINVAL, FAIL_NOWHERE, "the header of part %u is not complete", i);
        m->g[i] = h->g[i];
    }
    m->parts = (struct parts){.g = m->g, .n = h->n_parts};
    int rc = api_options(m, options, f);
    return rc ? rc : model_describe(m, f);
}

/* Bytes beside the block that opening takes: plan, lists, vocabulary, and the header itself. */
static uint64_t beside(sotto_header *h, const struct sotto_options *options, struct fail *f) {
    struct heap *heap = h->heap;
    size_t used = heap->used, peak = heap->peak;
    struct model *m = HEAP_NEW(heap, struct model, 1);
    struct vocab *vocab = NULL;
    uint64_t need = 0;
    heap->peak = heap->used;
    int rc = m ? api_describe(m, h, options, f)
               : fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a model");
    if (!rc) {
        rc = vocab_open(&vocab, heap, h->g[0], f);
        need = heap->peak - used;
        vocab_close(vocab);
        model_forget(m);
    }
    if (m) HEAP_FREE(heap, m, 1);
    if (heap->peak < peak) heap->peak = peak;
    if (rc) return 0;
    for (uint32_t i = 0; i < h->n_parts;
         i++) /* the bytes kept, their index, and what growing them left behind */
        need += gguf_header_bytes(h->g[i]) * 5 / 4 + gguf_n_tensors(h->g[i]) * 256 +
                gguf_n_kv(h->g[i]) * 256 + 65536;
    return need + sizeof(struct sotto_model);
}

/* Bytes for the options without what is beside the block; m is described. */
static uint64_t block_need(struct model *m) {
    struct layout l = {0};
    model_choose_batch(m);
    model_layout(m, &l);
    return l.at + SPARE_BYTES + (uint64_t)m->hp.n_vocab * 16;
}

uint64_t sotto_header_memory(sotto_header *h, const struct sotto_options *options) {
    h->fail = (struct fail){0};
    if (h->need && options && !memcmp(options, &h->asked, sizeof h->asked)) return h->need;
    uint64_t other = beside(h, options, &h->fail);
    if (!other) return 0;
    struct model *m = HEAP_NEW(h->heap, struct model, 1);
    if (!m) return fail(&h->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a model"), 0;
    uint64_t need = 0;
    if (!api_describe(m, h, options, &h->fail)) {
        need = block_need(m) + other;
        model_forget(m);
    }
    HEAP_FREE(h->heap, m, 1);
    return need;
}

static void member(struct sbuf *b, const char *name, struct gguf_str text) {
    sbuf_fmt(b, ",\"%s\":", name);
    if (text.text)
        sbuf_json(b, text.text, text.size);
    else
        sbuf_str(b, "null");
}

static void bytes_by_type(struct sbuf *b, const sotto_header *h) {
    uint64_t bytes[DT_COUNT] = {0}, parameters = 0;
    for (uint32_t p = 0; p < h->n_parts; p++)
        for (size_t i = 0; i < gguf_n_tensors(h->g[p]); i++) {
            const struct gguf_tensor *t = gguf_tensor_at(h->g[p], i);
            if (t->type < DT_COUNT) bytes[t->type] += t->bytes;
            parameters += t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        }
    sbuf_fmt(b, ",\"parameters\":%llu,\"quantization\":{", (unsigned long long)parameters);
    bool first = true;
    for (uint32_t i = 0; i < DT_COUNT; i++) {
        if (!bytes[i] || !dtype_info(i)) continue;
        sbuf_fmt(b, "%s\"%s\":%llu", first ? "" : ",", dtype_info(i)->name,
                 (unsigned long long)bytes[i]);
        first = false;
    }
    sbuf_str(b, "}");
}

/* What the model's makers recommend, where the file says it. */
static void sampling(struct sbuf *b, const struct gguf *g) {
    static const char *const keys[][2] = {{"general.sampling.temp", "temperature"},
                                          {"general.sampling.top_k", "topK"},
                                          {"general.sampling.top_p", "topP"},
                                          {"general.sampling.min_p", "minP"},
                                          {"general.sampling.penalty_repeat", "repeatPenalty"}};
    bool any = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!gguf_find(g, keys[i][0])) continue;
        sbuf_fmt(b, "%s\"%s\":", any ? "," : ",\"sampling\":{", keys[i][1]);
        sbuf_double(b, gguf_f64(g, keys[i][0], 0));
        any = true;
    }
    if (any) sbuf_str(b, "}");
}

static void describe_memory(struct sbuf *b, const struct model *m, uint64_t need) {
    sbuf_fmt(b, ",\"contextLength\":%u,\"batch\":%u,\"kvType\":\"%s\",\"arithmetic\":\"%s\"",
             m->options.context, m->options.batch,
             m->options.kv_type == KV_F32    ? "f32"
             : m->options.kv_type == KV_Q8_0 ? "q8_0"
                                             : "f16",
             m->options.exact ? "exact" : "fast");
    sbuf_fmt(b, ",\"memory\":{\"need\":%llu,\"weights\":%llu,\"cache\":%llu,\"scratch\":%llu",
             (unsigned long long)need, (unsigned long long)m->weight_bytes,
             (unsigned long long)(kv_bytes(&m->kv) + states_bytes(&m->states)),
             (unsigned long long)m->scratch_bytes);
}

void api_info(struct sbuf *b, const sotto_header *h, const struct model *m, uint64_t need,
              const struct fail *why_not) {
    const struct gguf *g = h->g[0];
    struct gguf_str arch = gguf_string(g, "general.architecture");
    sbuf_str(b, "\"architecture\":");
    if (arch.text)
        sbuf_json(b, arch.text, arch.size);
    else
        sbuf_str(b, "null");
    member(b, "name", gguf_string(g, "general.name"));
    member(b, "license", gguf_string(g, "general.license"));
    bytes_by_type(b, h);
    sbuf_str(b, ",\"fileBytes\":[");
    for (uint32_t i = 0; i < h->n_parts; i++)
        sbuf_fmt(b, "%s%llu", i ? "," : "", (unsigned long long)gguf_file_bytes(h->g[i]));
    sbuf_str(b, "]");
    const struct gguf_kv *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    sbuf_fmt(b, ",\"vocabulary\":%llu",
             (unsigned long long)(tokens && tokens->type == GGUF_ARRAY ? tokens->count : 0));
    member(b, "tokenizer", gguf_string(g, "tokenizer.ggml.model"));
    member(b, "template", gguf_string(g, "tokenizer.chat_template"));
    sampling(b, g);
    sbuf_fmt(b, ",\"supported\":%s", need ? "true" : "false");
    if (!need) {
        sbuf_str(b, ",\"reason\":");
        sbuf_json(b, why_not->text, strlen(why_not->text));
        return;
    }
    sbuf_fmt(b, ",\"trainedContext\":%u,\"layers\":%u,\"embedding\":%u", m->hp.n_ctx_train,
             m->hp.n_layer, m->hp.n_embd);
    static const char *const poolings[] = {"null", "\"mean\"", "\"cls\"", "\"last\"", "\"rank\""};
    const struct plan *p = &m->plan;
    sbuf_fmt(b, ",\"encoder\":%s,\"pooling\":%s,\"vector\":%u,\"scores\":%u",
             m->hp.encoder ? "true" : "false", poolings[m->hp.pooling],
             p->pooled < 0 ? 0 : p->buffers[p->pooled].width,
             p->scores < 0 ? 0 : p->buffers[p->scores].width);
    api_cost(b, m);
    describe_memory(b, m, need);
}

enum { HOST_BYTES = 8 << 20 }; /* what the module itself, stacks and texts that cross take at most */

/* Need at other contexts, and the largest that stays below 4 GiB with everything else. */
static void contexts(struct sbuf *b, sotto_header *h, struct model *m,
                     const struct sotto_options *options, uint64_t other) {
    struct sotto_options o = options ? *options : (struct sotto_options){0};
    uint64_t limit = (4ull << 30) - HOST_BYTES;
    uint32_t low = 0, high = m->hp.n_ctx_train < CONTEXT_MOST ? m->hp.n_ctx_train : CONTEXT_MOST;
    sbuf_str(b, ",\"byContext\":[");
    bool first = true;
    for (uint32_t context = 2048; context <= 131072; context *= 4) {
        if (context > m->hp.n_ctx_train) break;
        api_options(m, &o, NULL);
        m->options.context = context;
        sbuf_fmt(b, "%s{\"contextLength\":%u,\"need\":%llu}", first ? "" : ",", context,
                 (unsigned long long)(block_need(m) + other));
        first = false;
    }
    while (low < high) { /* need grows with the context */
        uint32_t middle = low + (high - low + 1) / 2;
        api_options(m, &o, NULL);
        m->options.context = middle;
        if (block_need(m) + other <= limit)
            low = middle;
        else
            high = middle - 1;
    }
    sbuf_fmt(b, "],\"largestContext\":%u}", low);
    (void)h;
}

const char *sotto_header_info(sotto_header *h, const struct sotto_options *options) {
    h->fail = (struct fail){0};
    sbuf_free(&h->info);
    h->info = sbuf_new(h->heap);
    if (!h->n_parts)
        return fail(&h->fail, SOTTO_EINVAL, FAIL_NOWHERE, "the header is not complete"), NULL;
    struct sbuf *b = &h->info;
    struct fail why = {0};
    uint64_t other = beside(h, options, &why), need = 0;
    struct model *m = HEAP_ZERO(h->heap, struct model, 1);
    if (!m) return fail(&h->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for a model"), NULL;
    if (other && !api_describe(m, h, options, &why)) need = block_need(m) + other;
    sbuf_str(b, "{");
    api_info(b, h, m, need, &why);
    if (need && options) h->asked = *options, h->need = need;
    if (need) {
        contexts(b, h, m, options, other);
        model_forget(m);
    }
    sbuf_str(b, "}");
    HEAP_FREE(h->heap, m, 1);
    if (b->failed)
        return fail(&h->fail, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the description"), NULL;
    return b->text;
}
