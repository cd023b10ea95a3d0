/* Measuring: times of a model's ops, and of this machine without a model. */
#include "api/api_int.h"
#include "base/fmt.h"
#include <string.h>

void sotto_profile_start(sotto_model *s) {
    struct model *m = &s->m;
    memset(m->op_ms, 0, m->plan.n_ops * sizeof(double));
    m->profiling = true;
    m->profile_tokens = m->profile_rows = 0, m->profile_runs = 0;
}

/* Bytes and multiplications of an op's weights, once over all its rows. */
struct cost {
    const struct model *m;
    uint64_t bytes, macs;
    bool all; /* slices are used, not the chosen experts' alone */
};

static void add_cost(void *arg, int32_t w) {
    struct cost *c = arg;
    const struct weight *weight = &c->m->weights.list[w];
    if (weight->vector) return;
    uint32_t slices = weight->n_slices > 1 && !c->all ? c->m->hp.n_expert_used : weight->n_slices;
    c->bytes += (uint64_t)weight->rows * weight->row_bytes * slices;
    c->macs += (uint64_t)weight->rows * weight->k * slices;
}

static bool same_text(const char *a, const char *b) {
    size_t n = strlen(a);
    return n == strlen(b) && memcmp(a, b, n) == 0;
}

static bool first_of_label(const struct model *m, uint32_t op) {
    for (uint32_t i = 0; i < op; i++)
        if (same_text(m->plan.ops[i].label, m->plan.ops[op].label)) return false;
    return true;
}

/* One line per label: summed time, share, and what the products read and multiplied a millisecond.
 */
static void one_label(struct sbuf *b, const struct model *m, uint32_t op, double total,
                      double per_token) {
    const char *label = m->plan.ops[op].label;
    struct cost cost = {.m = m};
    double ms = 0;
    uint32_t n = 0;
    for (uint32_t i = op; i < m->plan.n_ops; i++) {
        if (!same_text(m->plan.ops[i].label, label)) continue;
        ms += m->op_ms[i], n++;
        cost.all = m->plan.ops[i].kind == OP_SLICES;
        if (m->plan.ops[i].kind != OP_EMBED) op_weights(&m->plan.ops[i], add_cost, &cost);
    }
    sbuf_fmt(b, "{\"op\":\"%s\",\"n\":%u,\"ms\":", label, n);
    sbuf_double(b, ms);
    sbuf_str(b, ",\"share\":");
    sbuf_double(b, total > 0 ? ms / total : 0);
    if (cost.macs) {
        sbuf_str(b, ",\"gbs\":");
        sbuf_double(b, ms > 0 ? (double)cost.bytes * m->profile_runs / ms / 1e6 : 0);
        sbuf_str(b, ",\"gmacs\":");
        sbuf_double(b, ms > 0 ? (double)cost.macs * per_token / ms / 1e6 : 0);
    }
    sbuf_str(b, "}");
}

const char *sotto_profile(sotto_model *s) {
    struct model *m = &s->m;
    struct sbuf *b = &s->text;
    double total = 0;
    bool first = true;
    sbuf_free(b);
    *b = sbuf_new(m->heap);
    for (uint32_t i = 0; i < m->plan.n_ops; i++) total += m->op_ms[i];
    sbuf_fmt(b, "{\"tokens\":%llu,\"walks\":%u,\"threads\":%u,\"ms\":",
             (unsigned long long)m->profile_tokens, m->profile_runs, m->n_threads);
    sbuf_double(b, total);
    sbuf_str(b, ",\"ops\":[");
    for (uint32_t i = 0; i < m->plan.n_ops; i++) {
        if (!first_of_label(m, i)) continue;
        if (!first) sbuf_str(b, ",");
        first = false;
        one_label(b, m, i, total,
                  i < m->plan.n_body ? (double)m->profile_tokens : (double)m->profile_rows);
    }
    sbuf_str(b, "]}");
    return b->failed ? NULL : b->text;
}

/* ---- the machine ---- */
enum { STREAM_BYTES = 32 << 20 };

size_t sotto_machine(struct heap *heap, double budget_ms, char *dst, size_t cap) {
    struct kern_machine found = {0};
    void *block = heap_new(heap, STREAM_BYTES);
    if (!block) return fmt(dst, cap, "{}");
    kern_measure(kern_get(KERN_BEST), &found, block, STREAM_BYTES, budget_ms);
    heap_free(heap, block, STREAM_BYTES);
    return fmt(dst, cap, "{\"stream_gbs\":%.4g,\"dot_gmacs\":%.4g,\"relaxed16\":%s,\"ms\":%.4g}",
               found.stream_gbs, found.dot_gmacs, found.relaxed16 ? "true" : "false", found.ms);
}
