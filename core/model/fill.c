/* A cache filled without evaluating anything, to measure at a depth that would take minutes to
 * reach. */
#include "model/model.h"
#include <string.h>

/* Numbers of a page's size and spread, different in every row. */
static void fill_page(const struct model *m, uint32_t g, uint8_t *page) {
    uint32_t state = 12345;
    float row[MAX_HEAD_DIM];
    for (uint32_t i = 0; i < m->kv.n_layers; i++) {
        const struct kv_layer *l = &m->kv.layers[i];
        const struct layer_hp *h = &m->hp.layers[i];
        if (l->group != g) continue;
        for (uint32_t part = 0; part < 2 * h->n_kv_head; part++) {
            bool v = part % 2;
            if (v && l->v_at == l->k_at) continue; /* values are a part of the keys */
            uint8_t *rows = page + kv_head_at(l, part / 2, v);
            size_t bytes = v ? l->v_row : l->k_row;
            uint32_t dim = v ? h->dim_v : h->dim_k;
            for (uint32_t n = 0; n < KV_PAGE; n++) {
                for (uint32_t d = 0; d < dim; d++) {
                    state = state * 1664525 + 1013904223;
                    row[d] = (float)(int32_t)state * 0x1p-31f;
                }
                kern_kv_store(m->kern, m->kv.type, rows + n * bytes, row, dim);
            }
        }
    }
}

int seq_fill(struct seq *s, uint32_t n) {
    struct model *m = s->model;
    if (n > m->options.context)
        return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE,
                    "%u tokens do not fit a context of %u", n, m->options.context);
    seq_truncate(s, 0);
    if (!kv_take(&m->kv, &s->kv, n)) {
        kv_truncate(&m->kv, &s->kv, 0);
        return fail(&m->fail, SOTTO_CONTEXT_FULL, FAIL_NOWHERE,
                    "the cache has no pages left for %u tokens", n);
    }
    for (uint32_t g = 0; n && g < m->kv.n_groups; g++) {
        uint32_t first = kv_first_page(&m->kv.groups[g], n);
        const uint8_t *model_page = kv_page(&m->kv, g, s->kv.pages[g][first]);
        fill_page(m, g, kv_page(&m->kv, g, s->kv.pages[g][first]));
        for (uint32_t i = first + 1; i * KV_PAGE < n; i++)
            memcpy(kv_page(&m->kv, g, s->kv.pages[g][i]), model_page,
                   (size_t)m->kv.groups[g].page_bytes);
    }
    for (uint32_t i = 0; i < n; i++) s->tokens[i] = i % m->hp.n_vocab;
    s->n_tokens = s->n_cached = n;
    return SOTTO_OK;
}
