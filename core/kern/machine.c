/* A short measurement of this machine: what reading memory and multiplying can reach. */
#include "kern/kern_table.h"

#include "base/sync.h"
#include "kern/mm_relaxed.h"

#include <string.h>

enum { ROWS = 64, COLUMNS = 512, TOKENS = 16 };

static uint32_t read_all(const char *p, size_t bytes) {
#ifdef KERN_SIMD128
    v128 a = v_zero(), b = v_zero(), c = v_zero(), d = v_zero();
    for (; bytes >= 64; bytes -= 64, p += 64) {
        a = v_xor(a, v_load(p));
        b = v_xor(b, v_load(p + 16));
        c = v_xor(c, v_load(p + 32));
        d = v_xor(d, v_load(p + 48));
    }
    a = v_xor(v_xor(a, b), v_xor(c, d));
    return (uint32_t)(vi_lane(a, 0) ^ vi_lane(a, 1) ^ vi_lane(a, 2) ^ vi_lane(a, 3));
#else
    uint64_t a = 0, word;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        memcpy(&word, p, 8);
        a ^= word;
    }
    return (uint32_t)(a ^ a >> 32);
#endif
}

/* Best of the parts of 4 MiB read until the time is over: other processes only ever make it slower.
 */
static double stream(const char *buffer, size_t bytes, double budget_ms) {
    size_t part = (size_t)4 << 20, at = 0;
    double start = clock_ms(), best = 0;
    volatile uint32_t keep = 0;
    if (bytes < part) return 0;
    for (;;) {
        double t0 = clock_ms(), t1;
        keep ^= read_all(buffer + at, part);
        t1 = clock_ms();
        if (t1 > t0 && (double)part / (t1 - t0) > best) best = (double)part / (t1 - t0);
        at = at + 2 * part <= bytes ? at + part : 0;
        if (t1 - start >= budget_ms) return best * 1e-6;
    }
}

static double dot(const struct kern *kern, char *buffer, size_t bytes, double budget_ms) {
    size_t weights = ROWS * dtype_bytes(DT_Q4_0, COLUMNS),
           act = kern_act_bytes(ACT_Q8, COLUMNS, TOKENS);
    size_t x = TOKENS * COLUMNS * sizeof(float), out = TOKENS * ROWS * sizeof(float);
    struct mm mm = {.dtype = DT_Q4_0,
                    .tiles = buffer,
                    .n_rows = ROWS,
                    .k = COLUMNS,
                    .n_tokens = TOKENS,
                    .out_stride = ROWS};
    double start = clock_ms(), best = 0;
    size_t scratch = kern_mm_scratch(&mm);
    if (bytes < weights + x + act + out + scratch) return 0;
    memset(buffer, 0x11, weights + x);
    mm.act = buffer + weights + x;
    mm.out = (float *)(void *)(buffer + weights + x + act);
    kern_act(kern, ACT_Q8, buffer + weights + x, (const float *)(const void *)(buffer + weights),
             COLUMNS, COLUMNS, TOKENS, 0, TOKENS);
    for (;;) {
        double t0 = clock_ms(), t1;
        int n = 8;
        for (int i = 0; i < n; i++)
            kern_mm(kern, &mm, 0, ROWS / TILE_ROWS, buffer + weights + x + act + out);
        t1 = clock_ms();
        double speed = t1 > t0 ? (double)n * ROWS * COLUMNS * TOKENS / (t1 - t0) : 0;
        if (speed > best) best = speed;
        if (t1 - start >= budget_ms) return best * 1e-6;
    }
}

void kern_measure(const struct kern *kern, struct kern_machine *out, void *buffer, size_t bytes,
                  double budget_ms) {
    double start = clock_ms();
    memset(out, 0, sizeof *out);
    out->level = kern->level;
    out->relaxed16 = kern_variant(2) == kern;
    memset(buffer, 1, bytes); /* a page that was never written reads as one shared page of zeros */
    out->stream_gbs = stream(buffer, bytes, budget_ms / 2);
    out->dot_gmacs = dot(kern, buffer, bytes, budget_ms / 2);
    out->ms = clock_ms() - start;
}
