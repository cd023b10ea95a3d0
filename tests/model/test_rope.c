/* Rotation tables against the formulas in the C library's double precision: every scaling kind,
 * factors, the windowed layers' own set; and which factors of LongRoPE a context takes. */
#define _POSIX_C_SOURCE 200809L
#include "../check.h"
#include "api/api_int.h"
#include "case_file.h"
#include <math.h>

enum { N_ROT = 32 };
static const double pi = 3.14159265358979323846;

struct rope_case {
    const char *name;
    uint32_t scaling, n_ctx_orig;
    float base, factor, attn_factor, log_mul, ext;
    bool factors, local, local_unscaled;
};

/* YaRN (Peng et al. 2023): pairs that turn often within the original context keep their frequency,
 * those that turn less than once are interpolated, a ramp lies between. */
static double yarn_keep(const struct rope_case *c, int i) {
    double d = N_ROT, low = floor(d * log(c->n_ctx_orig / (32 * 2 * pi)) / (2 * log(c->base))),
           high = ceil(d * log(c->n_ctx_orig / (1 * 2 * pi)) / (2 * log(c->base)));
    low = fmax(low, 0), high = fmin(high, d - 1);
    double ramp = (i - low) / fmax(high - low, 0.001);
    return 1 - fmin(fmax(ramp, 0), 1);
}

static void one(const struct rope_case *c) {
    static struct model m;
    struct layer_hp layers[2] = {{.n_rot = N_ROT}, {.n_rot = N_ROT, .rope_set = 1, .window = 8}};
    memset(&m, 0, sizeof m);
    m.hp = (struct hparams){.n_layer = 2,
                            .layers = layers,
                            .scaling = c->scaling,
                            .n_ctx_orig = c->n_ctx_orig,
                            .rope_base = c->base,
                            .rope_base_local = 10000,
                            .rope_scale = 1 / c->factor,
                            .rope_attn_factor = c->attn_factor,
                            .yarn_beta_fast = 32,
                            .yarn_beta_slow = 1,
                            .yarn_log_mul = c->log_mul,
                            .yarn_ext_factor = c->ext,
                            .local_unscaled = c->local_unscaled};
    m.options.batch = 2;
    struct layout l = {0};
    rope_layout(&m, &l);
    uint8_t *block = aligned_alloc(64, (l.at + 63) / 64 * 64);
    l = (struct layout){.base = block};
    rope_layout(&m, &l);
    rope_start(&m);
    float factors[N_ROT / 2];
    for (int i = 0; i < N_ROT / 2; i++) factors[i] = 1 + 0.25f * (float)i;
    static const uint32_t positions[] = {0, 1, 63, 64, 65, 4095, 100000};
    double worst = 0;
    for (size_t p = 0; p < sizeof positions / sizeof *positions; p++) {
        rope_token(&m, c->factors ? factors : NULL, 1, positions[p]);
        for (int set = 0; set < 2; set++)
            for (int i = 0; i < N_ROT / 2; i++) {
                double base = set ? 10000 : (double)c->base, scale = 1, gain = 1,
                       log_f = log((double)c->factor);
                bool scaled = !(set && c->local_unscaled);
                if (scaled) scale = (double)(1 / c->factor), gain = (double)c->attn_factor;
                if (scaled && c->ext != 0) {
                    struct rope_case own = *c;
                    own.base = (float)base;
                    double keep = yarn_keep(&own, i) * (double)c->ext;
                    scale = scale * (1 - keep) + keep;
                    gain *= 1 + 0.1 * log_f;
                    if (c->log_mul != 0) gain /= 1 + 0.1 * (double)c->log_mul * log_f;
                }
                double theta = positions[p] * pow(base, -2.0 * i / N_ROT) * scale;
                if (c->factors && !set) theta /= (double)factors[i];
                const float *got = m.rope[set].table + N_ROT + 2 * i; /* of token 1 */
                worst = fmax(worst, fmax(fabs((double)got[0] - cos(theta) * gain),
                                         fabs((double)got[1] - sin(theta) * gain)));
            }
    }
    /* a float of about 1, and a double angle of up to 1e5 whose base is a float */
    CHECK(worst < 3e-7, "%s: off by %.3g", c->name, worst);
    free(block);
}

static const struct rope_case cases[] = {
    {"none", SCALING_NONE, 64, 10000, 1, 1, 0, 0, false, false, false},
    {"a base of its own (NTK)", SCALING_NONE, 64, 4000000, 1, 1, 0, 0, false, false, false},
    {"linear", SCALING_LINEAR, 64, 10000, 4, 1, 0, 0, false, false, false},
    {"linear, windowed layers without", SCALING_LINEAR, 64, 1000000, 8, 1, 0, 0, false, true, true},
    {"yarn", SCALING_YARN, 4096, 10000, 4, 1, 0, 1, false, false, false},
    {"yarn of a short context", SCALING_YARN, 64, 10000, 40, 1, 0, 1, false, false, false},
    {"yarn with a log multiplier", SCALING_YARN, 4096, 1000000, 16, 1.5f, 0.7f, 1, false, false,
     false},
    {"half of yarn", SCALING_YARN, 4096, 500000, 16, 1, 0, 0.5f, false, false, false},
    {"factors (Llama 3)", SCALING_LINEAR, 8192, 500000, 1, 1, 0, 0, true, false, false},
    {"factors and a gain (LongRoPE)", SCALING_LONGROPE, 4096, 10000, 1, 1.19f, 0, 0, true, false,
     false},
};

/* The tensor of rope factors that the plan of a context reads, "" where there is none. */
static void factors_of(const struct bytes *file, uint32_t context, char *dst, size_t cap) {
    struct native_heap heap;
    struct fail f = {0};
    native_heap_init(&heap);
    sotto_header *h = sotto_header_new(&heap.heap);
    struct model *m = calloc(1, sizeof *m);
    struct sotto_options o = {.context_length = context};
    CHECK_EQ(sotto_header_push(h, 0, file->data, file->size), SOTTO_OK);
    dst[0] = 0;
    if (CHECK(!api_describe(m, h, &o, &f), "%s", f.text)) {
        int32_t w = m->plan.ops[0].embed.factors;
        if (w >= 0)
            snprintf(dst, cap, "%.*s", (int)m->weights.list[w].name.size,
                     m->weights.list[w].name.text);
        model_forget(m);
    }
    sotto_header_free(h);
    free(m);
}

static void longrope_changes_its_factors_behind_the_original_context(const char *dir) {
    char path[1024], name[96];
    snprintf(path, sizeof path, "%s/arch/phi3-longrope-short", dir);
    struct bytes file = read_bytes(path, "model.gguf");
    if (!file.data) {
        check_skip("%s is absent", path);
        return;
    }
    /* The case's own original context of 64 is below the 256 that contexts are rounded up to. */
    const char *key = "rope.scaling.original_context_length";
    const uint32_t original = 512, contexts[] = {100, 511, 512, 513, 2048};
    char *at = NULL;
    for (size_t i = 0; !at && i + 64 < file.size; i++)
        if (!memcmp(file.data + i, key, strlen(key))) at = file.data + i + strlen(key);
    if (CHECK(at != NULL, "%s does not occur in the file", key)) memcpy(at + 4, &original, 4);
    for (int i = 0; i < 5 && at; i++) {
        factors_of(&file, contexts[i], name, sizeof name);
        CHECK_STR(name, contexts[i] <= original ? "rope_factors_short.weight"
                                                : "rope_factors_long.weight");
    }
    free(file.data);
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) one(&cases[i]);
    if (argc > 1)
        longrope_changes_its_factors_behind_the_original_context(argv[1]);
    else
        check_skip("no folder of cases was given");
    return check_done();
}
