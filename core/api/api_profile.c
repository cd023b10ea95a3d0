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
};

static void add_cost(void *arg, int32_t w) {
    struct cost *c = arg;
    const struct weight *weight = &c->m->weights.list[w];
    if (weight->vector) return;
    uint32_t slices = weight->n_slices > 1 ? c->m->hp.n_expert_used : 1;
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

/* ---- the machine
 * ---------------------------------------------------------------------------------------- */
enum { STREAM_BYTES = 32 << 20, DOT_ROWS = 512, DOT_K = 512, DOT_TOKENS = 64 };

/* Reads n bytes once in 64-bit words; the sum keeps the loads. */
static uint64_t read_all(const uint64_t *p, size_t n) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 4 <= n / 8; i += 4)
        a += p[i], b += p[i + 1], c += p[i + 2], d += p[i + 3];
    return a + b + c + d;
}

static double stream_gbs(const void *block, double budget_ms, volatile uint64_t *sink) {
    double start = clock_ms(), best = 0, now;
    do {
        double from = clock_ms();
        *sink += read_all(block, STREAM_BYTES);
        now = clock_ms();
        double gbs = now > from ? STREAM_BYTES / (now - from) / 1e6 : 0;
        if (gbs > best) best = gbs;
    } while (now - start < budget_ms);
    return best;
}

/* A product of Q4_0 tiles of zeros with a batch, in 8-bit arithmetic. */
static double dot_gmacs(const struct kern *kern, uint8_t *block, double budget_ms) {
    struct mm mm = {.dtype = DT_Q4_0,
                    .n_rows = DOT_ROWS,
                    .k = DOT_K,
                    .n_tokens = DOT_TOKENS,
                    .out_stride = DOT_ROWS,
                    .tiles = block};
    enum act_kind kind = kern_act_kind(mm.dtype, false);
    uint8_t *at = block + DOT_ROWS * dtype_bytes(DT_Q4_0, DOT_K);
    float *x = (float *)(void *)at;
    at += DOT_K * DOT_TOKENS * sizeof(float);
    mm.out = (float *)(void *)at;
    at += DOT_ROWS * DOT_TOKENS * sizeof(float);
    mm.act = at;
    kern_act(kern, kind, at, x, DOT_K, DOT_K, DOT_TOKENS, 0, DOT_TOKENS);
    at += (kern_act_bytes(kind, DOT_K, DOT_TOKENS) + 63) & ~(size_t)63;
    double start = clock_ms(), best = 0, now;
    do {
        double from = clock_ms();
        kern_mm(kern, &mm, 0, DOT_ROWS / TILE_ROWS, at);
        now = clock_ms();
        double gmacs = now > from ? (double)DOT_ROWS * DOT_K * DOT_TOKENS / (now - from) / 1e6 : 0;
        if (gmacs > best) best = gmacs;
    } while (now - start < budget_ms);
    return best;
}

size_t sotto_machine(struct heap *heap, double budget_ms, char *dst, size_t cap) {
    const struct kern *kern = kern_get(KERN_BEST);
    uint8_t *block = heap_zero(heap, STREAM_BYTES);
    if (!block) return fmt(dst, cap, "{}");
    volatile uint64_t sink = 0;
    double start = clock_ms(), dot = dot_gmacs(kern, block, budget_ms / 2),
           stream = stream_gbs(block, budget_ms / 2, &sink);
    heap_free(heap, block, STREAM_BYTES);
    return fmt(dst, cap, "{\"stream_gbs\":%.4g,\"dot_gmacs\":%.4g,\"relaxed16\":%s,\"ms\":%.4g}",
               stream, dot, kern_get(KERN_RELAXED) ? "true" : "false", clock_ms() - start);
}
