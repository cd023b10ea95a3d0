/* Matrix products: every type at every level gives the scalar reference's bits, whatever the shape,
 * the cut or the batch; the reference agrees with sums of doubles; nothing is written outside the
 * buffers.
 *
 *     test_mm [CASES]            the checks
 *     test_mm --bench [--quick] [TYPE …]     GMAC/s by type, level and shape (one shape where
 * quick)
 */
#include "../check.h"

#include "base/bytes.h"
#include "kern/kern_table.h"

#include <math.h>

static uint32_t seed = 1;
static uint32_t next(void) {
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    return seed;
}
static float uniform(void) {
    return (float)(next() >> 8) / 16777216.0f * 2 - 1;
}

static void put_u16(uint8_t *p, uint16_t v) {
    memcpy(p, &v, 2);
}

/* A half-float a weight's scale may have: usual, now and then (not in the benchmark: they are slow)
 * zero, subnormal or large. */
static bool only_usual;
static uint16_t some_scale(void) {
    switch (only_usual ? 3 : next() % 16) {
    case 0:
        return (uint16_t)(next() & 0x8000);
    case 1:
        return (uint16_t)(next() & 0x83ff);
    case 2:
        return float_to_half(uniform() * 4);
    default:
        return float_to_half(uniform() * 0.05f + 0.06f);
    }
}

/* What all codes are made of, or any where it is negative. */
static int every_byte = -1;

/* Random blocks of a type: any codes, sane scales. False where the test does not know the type's
 * scales. */
static bool random_blocks(uint32_t dtype, uint8_t *to, size_t n) {
    const struct dtype_info *info = dtype_info(dtype);
    for (size_t i = 0; i < n; i++, to += info->bytes) {
        int at[2] = {-1, -1};
        for (size_t j = 0; j < info->bytes; j++) to[j] = (uint8_t)(every_byte < 0 ? (int)(next() >> 11) : every_byte);
        switch (dtype) {
        case DT_F32: {
            float v = uniform();
            memcpy(to, &v, 4);
            break;
        }
        case DT_F16:
            at[0] = 0;
            break;
        case DT_BF16:
            put_u16(to, float_to_bf16(uniform()));
            break;
        case DT_MXFP4:
            to[0] = (uint8_t)(next() % 32 ? 110 + next() % 16 : next() % 2);
            break;
        case DT_NVFP4:
            for (int j = 0; j < 4; j++) to[j] &= 0x3f;
            break;
        case DT_Q4_1:
        case DT_Q5_1:
        case DT_Q4_K:
        case DT_Q5_K:
            at[0] = 0, at[1] = 2;
            break;
        case DT_Q2_K:
            at[0] = 80, at[1] = 82;
            break;
        case DT_Q3_K:
            at[0] = 108;
            break;
        case DT_Q6_K:
            at[0] = 208;
            for (int j = 192; j < 208; j++) to[j] |= 1;
            break;
        case DT_TQ1_0:
            at[0] = 52;
            break;
        case DT_TQ2_0:
            at[0] = 64;
            break;
        case DT_IQ1_M: /* the scale is the high nibbles of four words */
            put_u16(to + 48, (uint16_t)(load_u16(to + 48) & 0x0fff));
            put_u16(to + 50, (uint16_t)(load_u16(to + 50) & 0x0fff));
            put_u16(to + 52, (uint16_t)((load_u16(to + 52) & 0x0fff) | 0x4000));
            put_u16(to + 54, (uint16_t)((load_u16(to + 54) & 0x0fff) | 0x2000));
            break;
        default:
            at[0] = 0;
        }
        for (int j = 0; j < 2; j++)
            if (at[j] >= 0) put_u16(to + at[j], some_scale());
    }
    return true;
}

/* ---- buffers with guards --------------------------------------------------------------------- */
enum { GUARD = 64 };
struct guarded {
    uint8_t *base, *p;
    size_t n;
};

static struct guarded guarded_new(size_t n) {
    struct guarded g = {malloc(n + 2 * GUARD + 16), NULL, n};
    g.p = g.base + GUARD;
    memset(g.base, 0xa5, n + 2 * GUARD);
    return g;
}
static bool guarded_intact(const struct guarded *g) {
    for (size_t i = 0; i < GUARD; i++)
        if (g->base[i] != 0xa5 || g->p[g->n + i] != 0xa5) return false;
    return true;
}

struct product {
    uint32_t dtype;
    bool exact, add, bias;
    size_t rows, k, tokens;
};

/* Runs a product at a level into out[tokens][rows + 3]; cut: one tile at a time, activations in two
 * parts. */
static void run(const struct kern *kern, const struct product *p, const void *tiles, const float *x,
                const float *bias, float *out, bool cut) {
    enum act_kind kind = kern_act_kind(p->dtype, p->exact);
    struct guarded act = guarded_new(kern_act_bytes(kind, p->k, p->tokens));
    size_t half = cut && p->tokens > 4 ? 4 : p->tokens, n_tiles = (p->rows + 7) / 8;
    kern_act(kern, kind, act.p, x, p->k + 1, p->k, p->tokens, 0, half);
    if (half < p->tokens)
        kern_act(kern, kind, act.p, x, p->k + 1, p->k, p->tokens, half, p->tokens);
    struct mm mm = {.dtype = p->dtype,
                    .exact = p->exact,
                    .add = p->add,
                    .tiles = tiles,
                    .n_rows = p->rows,
                    .k = p->k,
                    .act = act.p,
                    .n_tokens = p->tokens,
                    .bias = p->bias ? bias : NULL,
                    .out = out,
                    .out_stride = p->rows + 3};
    struct guarded scratch = guarded_new(kern_mm_scratch(&mm));
    for (size_t i = 0; i < n_tiles; i += cut ? 1 : n_tiles)
        kern_mm(kern, &mm, i, cut ? i + 1 : n_tiles, scratch.p);
    CHECK(guarded_intact(&act) && guarded_intact(&scratch), "%s k %zu rows %zu tokens %zu level %d",
          dtype_info(p->dtype)->name, p->k, p->rows, p->tokens, (int)kern->level);
    free(act.base);
    free(scratch.base);
}

/* The value of activation x[i] as the kind rounds it, in double. */
static void rounded(enum act_kind kind, double *to, const float *x, size_t k) {
    size_t n = kind == ACT_Q8 ? 32 : kind == ACT_Q8K ? 256 : k;
    for (size_t b = 0; b < k; b += n) {
        double amax = 0;
        for (size_t i = 0; i < n; i++) amax = fmax(amax, fabs((double)x[b + i]));
        for (size_t i = 0; i < n; i++)
            to[b + i] =
                kind == ACT_F32 ? (double)x[b + i]
                : amax > 1e-30
                    ? nearbyint((double)((float)(127.0f / (float)amax) * x[b + i])) * (amax / 127)
                    : 0;
    }
}

static void check_product(const struct product *p) {
    const struct dtype_info *info = dtype_info(p->dtype);
    size_t row_bytes = dtype_bytes(p->dtype, p->k), n_tiles = (p->rows + 7) / 8,
           stride = p->rows + 3;
    size_t out_bytes = p->tokens * stride * sizeof(float);
    uint8_t *file = malloc(row_bytes * p->rows);
    struct guarded tiles = guarded_new(n_tiles * 8 * row_bytes);
    float *x = calloc(p->tokens * (p->k + 1), sizeof *x), *bias = calloc(p->rows, sizeof *bias);
    float *row = calloc(p->k, sizeof *row), *wanted_row = calloc(p->k, sizeof *row);
    double *near = calloc(p->k * p->tokens, sizeof *near);
    void *scratch = malloc(8 * row_bytes);
    float *out[3];
    random_blocks(p->dtype, file, p->rows * p->k / info->block);
    memset(tiles.p, 0, tiles.n);
    memcpy(tiles.p, file, row_bytes * p->rows);
    for (size_t i = 0; i < n_tiles; i++)
        kern_pack(p->dtype, tiles.p + i * 8 * row_bytes, scratch, p->k);
    CHECK(guarded_intact(&tiles), "%s", info->name);
    uint8_t *weights = malloc(tiles.n); /* without a margin, so that a sanitizer sees a byte read too far */
    memcpy(weights, tiles.p, tiles.n);
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t i = 0; i < p->k; i++)
            x[t * (p->k + 1) + i] = (i / 32 + t) % 7 == 3 ? 0 : uniform() * (i % 97 == 5 ? 9 : 1);
    for (size_t r = 0; r < p->rows; r++) bias[r] = uniform();
    for (int i = 0; i < 3; i++) {
        out[i] = malloc(out_bytes);
        for (size_t j = 0; j < p->tokens * stride; j++) out[i][j] = (float)j;
    }
    run(kern_get(KERN_SCALAR), p, weights, x, bias, out[0], false);
    enum act_kind kind = kern_act_kind(p->dtype, p->exact);
    for (size_t t = 0; t < p->tokens; t++) rounded(kind, near + t * p->k, x + t * (p->k + 1), p->k);
    double worst = 0;
    for (size_t r = 0; r < p->rows; r++) {
        info->decode(wanted_row, file + r * row_bytes, p->k);
        kern_row(p->dtype, row, weights, p->k, r);
        CHECK(memcmp(row, wanted_row, p->k * sizeof *row) == 0, "%s row %zu of k %zu", info->name,
              r, p->k);
        for (size_t t = 0; t < p->tokens; t++) {
            double sum = 0, size = 1e-30, got = out[0][t * stride + r];
            for (size_t i = 0; i < p->k; i++) {
                sum += (double)row[i] * near[t * p->k + i];
                size += fabs((double)row[i] * near[t * p->k + i]);
            }
            if (p->bias) sum += (double)bias[r], size += fabs((double)bias[r]);
            if (p->add) sum += (double)(t * stride + r), size += (double)(t * stride + r);
            worst = fmax(worst, fabs(sum - got) / size);
        }
    }
    /* float sums of up to 64 terms, and minimums that cancel: a few dozen roundings of 6e-8 */
    CHECK(worst < 4e-6, "%s exact %d rows %zu k %zu tokens %zu: relative error %g", info->name,
          p->exact, p->rows, p->k, p->tokens, worst);
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t j = p->rows; j < stride; j++)
            CHECK(out[0][t * stride + j] == (float)(t * stride + j));
    for (size_t variant = 0; kern_variant(variant); variant++) {
        const struct kern *kern = kern_variant(variant);
        int level = (int)kern->level;
        for (int cut = 0; cut < 2; cut++) {
            for (size_t j = 0; j < p->tokens * stride; j++) out[1][j] = (float)j;
            run(kern, p, weights, x, bias, out[1], cut);
            CHECK(
                memcmp(out[0], out[1], out_bytes) == 0,
                "%s exact %d rows %zu k %zu tokens %zu level %d cut %d differs from the reference",
                info->name, p->exact, p->rows, p->k, p->tokens, level, cut);
        }
        struct product one = *p; /* a token alone gives the bits it has in the batch */
        one.tokens = 1;
        size_t t = p->tokens - 1;
        for (size_t j = 0; j < stride; j++) out[2][j] = (float)(t * stride + j);
        run(kern, &one, weights, x + t * (p->k + 1), bias, out[2], false);
        CHECK(memcmp(out[0] + t * stride, out[2], stride * sizeof(float)) == 0,
              "%s exact %d k %zu level %d: one token differs from the same in a batch of %zu",
              info->name, p->exact, p->k, level, p->tokens);
    }
    for (int i = 0; i < 3; i++) free(out[i]);
    free(file), free(tiles.base), free(weights), free(x), free(bias), free(row), free(wanted_row), free(near),
        free(scratch);
}

static void check_all(void) {
    static const size_t rows[] = {8, 1, 13, 24}, tokens[] = {1, 2, 4, 3, 9};
    int n_types = 0;
    for (uint32_t dtype = 0; dtype < DT_COUNT; dtype++) {
        if (!kern_supports(dtype)) continue;
        const struct dtype_info *info = dtype_info(dtype);
        n_types++;
        for (int i = 0; i < 12; i++) {
            struct product p = {.dtype = dtype,
                                .exact = i % 4 == 1,
                                .add = i % 3 == 1,
                                .bias = i % 5 > 2,
                                .rows = rows[i % 4],
                                .tokens = tokens[i % 5]};
            p.k = info->block == 1 ? (size_t)(i * 19 + 1)
                                   : info->block * (size_t)(i % 3 + 1 + (i == 7) * 5);
            check_product(&p);
        }
    }
    CHECK(n_types >= 13, "%d types", n_types);
}

/* Blocks of zeros, zero scales and values beyond all measure give zero or something not finite:
 * never a trap, and zero activations always give zero. */
static void check_extremes(void) {
    for (uint32_t dtype = 0; dtype < DT_COUNT; dtype++) {
        if (!kern_supports(dtype)) continue;
        for (int exact = 0; exact < 2; exact++)
            for (int kind = 0; kind < 4; kind++) {
                struct product p = {
                    .dtype = dtype, .exact = exact, .rows = 8, .k = 256, .tokens = 2};
                size_t bytes = 8 * dtype_bytes(dtype, p.k);
                uint8_t *tile = malloc(bytes), *scratch = malloc(bytes);
                float x[2 * 257], out[2][2 * 11];
                static const float values[] = {0, 1e-39f, 1e9f, 3e38f};
                random_blocks(dtype, tile, 8 * p.k / dtype_info(dtype)->block);
                kern_pack(dtype, tile, scratch, p.k);
                for (int i = 0; i < 2 * 257; i++) x[i] = i % 3 ? values[kind] : -values[kind];
                for (size_t variant = 0; kern_variant(variant); variant++) {
                    int level = (int)kern_variant(variant)->level;
                    memset(out[variant > 0], 0, sizeof out[0]);
                    run(kern_variant(variant), &p, tile, x, NULL, out[variant > 0], false);
                    bool same = true; /* signs and payloads of nan are the hardware's */
                    for (int i = 0; i < 2 * 11; i++) {
                        float a = out[0][i], b = out[variant > 0][i];
                        same &= memcmp(&a, &b, 4) == 0 || (a != a && b != b);
                        if (kind == 0)
                            CHECK(b == 0, "%s: zeros give %g", dtype_info(dtype)->name, (double)b);
                    }
                    CHECK(same, "%s level %d, activations of %g", dtype_info(dtype)->name, level,
                          (double)values[kind]);
                }
                free(tile), free(scratch);
            }
    }
}

/* All codes at one end of their range and all activations at one end of theirs: sums in int16 go as far as they can. */
static void check_ends(void) {
    static const size_t tokens[] = {1, 4};
    for (uint32_t dtype = 0; dtype < DT_COUNT; dtype++) {
        if (!kern_supports(dtype) || dtype_info(dtype)->block == 1) continue;
        for (int i = 0; i < 8; i++) {
            struct product p = {.dtype = dtype, .rows = 8, .k = 512, .tokens = tokens[i / 4]};
            size_t bytes = 8 * dtype_bytes(dtype, p.k);
            uint8_t *tile = malloc(bytes), *scratch = malloc(bytes);
            float x[4 * 513], out[2][4 * 11] = {{0}, {0}};
            every_byte = i % 2 ? 0xff : 0;
            random_blocks(dtype, tile, 8 * p.k / dtype_info(dtype)->block);
            every_byte = -1;
            kern_pack(dtype, tile, scratch, p.k);
            for (int j = 0; j < 4 * 513; j++) x[j] = i / 2 % 2 ? -1 : 1;
            run(kern_variant(0), &p, tile, x, NULL, out[0], false);
            for (size_t variant = 1; kern_variant(variant); variant++) {
                run(kern_variant(variant), &p, tile, x, NULL, out[1], false);
                for (int j = 0; j < 4 * 11; j++)
                    CHECK(memcmp(&out[0][j], &out[1][j], 4) == 0 || out[0][j] != out[0][j],
                          "%s level %d, codes of %s: %g instead of %g", dtype_info(dtype)->name,
                          (int)kern_variant(variant)->level, i % 2 ? "ones" : "zeros", (double)out[1][j],
                          (double)out[0][j]);
            }
            free(tile), free(scratch);
        }
    }
}

/* ---- bench ----------------------------------------------------------------------------------- */

/* Milliseconds of processor time, so that a busy machine does not blur the figures. */
#if defined(__wasi__)
__attribute__((import_module("wasi_snapshot_preview1"), import_name("clock_time_get")))
uint16_t wasi_cpu_time(uint32_t clock, uint64_t precision, uint64_t *time);
static double cpu_ms(void) {
    uint64_t ns = 0;
    wasi_cpu_time(2, 1000, &ns);
    return (double)ns * 1e-6;
}
#else
#include <time.h>
static double cpu_ms(void) {
    return (double)clock() * 1e3 / CLOCKS_PER_SEC;
}
#endif

/* Multiply-adds a second, in 1e9: best of 7 runs of some 12 ms (others on the machine only slow it
 * down). For one token the weights are cold: copies that together exceed the caches are taken in
 * turn. */
static double speed(const struct kern *kern, uint32_t dtype, bool exact, size_t rows, size_t k,
                    size_t tokens) {
    size_t bytes = rows * dtype_bytes(dtype, k),
           copies = tokens == 1 ? ((size_t)96 << 20) / bytes + 1 : 1;
    uint8_t *tiles = malloc(bytes * copies), *scratch = malloc(8 * dtype_bytes(dtype, k));
    float *x = malloc(tokens * k * 4), *out = malloc(tokens * rows * 4);
    random_blocks(dtype, tiles, rows * k / dtype_info(dtype)->block);
    for (size_t i = 0; i < rows / 8; i++)
        kern_pack(dtype, tiles + i * (bytes / (rows / 8)), scratch, k);
    for (size_t i = 1; i < copies; i++) memcpy(tiles + i * bytes, tiles, bytes);
    for (size_t i = 0; i < tokens * k; i++) x[i] = uniform();
    enum act_kind kind = kern_act_kind(dtype, exact);
    void *act = malloc(kern_act_bytes(kind, k, tokens));
    struct mm mm = {.dtype = dtype,
                    .exact = exact,
                    .tiles = tiles,
                    .n_rows = rows,
                    .k = k,
                    .act = act,
                    .n_tokens = tokens,
                    .out = out,
                    .out_stride = rows};
    void *work = malloc(kern_mm_scratch(&mm));
    double macs = (double)rows * (double)k * (double)tokens, best = 0;
    size_t copy = 0;
    for (int i = 0; i < 7; i++) {
        double start = cpu_ms(), now;
        size_t n = 0;
        do {
            mm.tiles = tiles + copy++ % copies * bytes;
            kern_act(kern, kind, act, x, k, k, tokens, 0, tokens);
            kern_mm(kern, &mm, 0, rows / 8, work);
            n++;
        } while ((now = cpu_ms()) - start < 12);
        best = fmax(best, (double)n * macs / ((now - start) * 1e6));
    }
    free(tiles), free(scratch), free(x), free(out), free(act), free(work);
    return best;
}

/* Bytes a second, in 1e9, that kern_pack lays out. */
static double pack_speed(uint32_t dtype, size_t k) {
    size_t bytes = 8 * dtype_bytes(dtype, k);
    uint8_t *tile = malloc(bytes), *scratch = malloc(bytes);
    double start, now, n = 0;
    random_blocks(dtype, tile, bytes / dtype_info(dtype)->bytes);
    start = cpu_ms();
    do {
        kern_pack(dtype, tile, scratch, k);
        n += (double)bytes;
    } while ((now = cpu_ms()) - start < 20);
    free(tile), free(scratch);
    return n / ((now - start) * 1e6);
}

static void bench(bool quick, int n_names, char **names) {
    static const size_t shapes[][2] = {{1536, 576}, {576, 576},   {49152, 576},
                                       {2048, 640}, {2048, 2048}, {640, 2048}};
    static const char *const levels[] = {"scalar", "simd", "relax16", "relax32"};
    struct kern_machine machine;
    only_usual = true;
    void *buffer = malloc((size_t)64 << 20);
    kern_measure(kern_get(KERN_BEST), &machine, buffer, (size_t)64 << 20, 200);
    printf("level %d%s: reads %.1f GB/s, Q4_0 product %.1f GMAC/s, measured in %.0f ms\n",
           (int)machine.level, machine.relaxed16 ? " (16-bit dots)" : "", machine.stream_gbs,
           machine.dot_gmacs, machine.ms);
    free(buffer);
    printf("%-9s%-9s%-13s%9s%9s%9s GMAC/s%9s GB/s\n", "type", "level", "rows x k", "1 token", "4",
           "256", "pack");
    for (uint32_t dtype = 0; dtype < DT_COUNT; dtype++) {
        if (!kern_supports(dtype)) continue;
        const char *name = dtype_info(dtype)->name;
        bool wanted = n_names == 0;
        for (int i = 0; i < n_names; i++) wanted |= strcmp(names[i], name) == 0;
        for (size_t level = 1; wanted && level < 4; level++)
            for (size_t s = 0; s < (quick ? 1 : sizeof shapes / sizeof *shapes); s++) {
                const struct kern *kern = kern_variant(level);
                size_t rows = shapes[s][0], k = shapes[s][1], block = dtype_info(dtype)->block;
                if (!kern) continue;
                k = (k + block - 1) / block * block;
                if (rows > 10000 && n_names == 0) continue;
                char shape[32];
                snprintf(shape, sizeof shape, "%zux%zu", rows, k);
                printf("%-9s%-9s%-13s%9.1f%9.1f%9.1f%16.2f\n", name, levels[level], shape,
                       speed(kern, dtype, false, rows, k, 1), speed(kern, dtype, false, rows, k, 4),
                       rows > 10000 ? 0 : speed(kern, dtype, false, rows, k, 256),
                       pack_speed(dtype, k));
                fflush(stdout);
            }
    }
}

/* The best table is one of this build's, and the one that was asked for. */
static void check_choice(void) {
    const struct kern *best = kern_get(KERN_BEST), *relaxed = kern_get(KERN_RELAXED);
    CHECK(best && best->level >= KERN_SIMD);
    CHECK_EQ(kern_get(KERN_SCALAR)->level, KERN_SCALAR);
    CHECK_EQ(kern_get(KERN_SIMD)->level, KERN_SIMD);
    CHECK(!relaxed || relaxed->level == KERN_RELAXED);
    if (relaxed) printf("relaxed dot: %s bits\n", relaxed == kern_variant(2) ? "16" : "32");
}

static void check_measure(void) {
    enum { BYTES = 8 << 20 };
    void *buffer = malloc(BYTES);
    struct kern_machine machine;
    kern_measure(kern_get(KERN_BEST), &machine, buffer, BYTES, 20);
    CHECK(machine.stream_gbs > 0.05 && machine.stream_gbs < 5000, "%g GB/s", machine.stream_gbs);
    CHECK(machine.dot_gmacs > 0.01 && machine.dot_gmacs < 5000, "%g GMAC/s", machine.dot_gmacs);
    kern_measure(kern_get(KERN_SCALAR), &machine, buffer, 1000, 1);
    CHECK(machine.stream_gbs == 0 && machine.dot_gmacs == 0);
    free(buffer);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bool quick = argc > 2 && strcmp(argv[2], "--quick") == 0;
        bench(quick, argc - 2 - quick, argv + 2 + quick);
        return 0;
    }
    check_choice();
    check_measure();
    check_all();
    check_extremes();
    check_ends();
    return check_done();
}
