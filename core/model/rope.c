/* Rotation: frequencies per set (global layers, windowed layers) and the cos/sin rows of a piece.
 *
 * Sources: RoPE (Su et al. 2021), YaRN (Peng et al. 2023, eq. 15-25), LongRoPE factors as in Phi-3.
 * A frequency is base^(-2i/n) times a factor; per-tensor factors divide it when they have arrived.
 */
#include "base/fmath.h"
#include "model/model.h"

#define PI 3.14159265358979323846

static uint32_t set_rot(const struct hparams *hp, uint32_t set) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const struct layer_hp *l = &hp->layers[i];
        if (l->rope != ROPE_NONE && l->rope_set == set && l->n_rot > most) most = l->n_rot;
    }
    return most;
}

void rope_layout(struct model *m, struct layout *l) {
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t n = set_rot(&m->hp, i);
        m->rope[i].n_rot = (uint32_t)n;
        m->rope[i].inv_freq = layout_take(l, n / 2 * sizeof(double));
        m->rope[i].table = layout_take(l, n * sizeof(float) * m->options.batch);
    }
}

/* The pair whose wavelength turns `turns` times within the original context. */
static double pair_of_turns(const struct hparams *hp, double n_rot, double base, double turns) {
    return n_rot * d_log(hp->n_ctx_orig / (turns * 2 * PI)) / (2 * d_log(base));
}

static double clamp01(double x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* What cos and sin are multiplied with: the file's factor, and YaRN's 1 + 0.1 log(factor), which a
 * log multiplier divides by the same formula with the multiplier in it. */
static float gain(const struct hparams *hp, bool yarn) {
    double log_factor = hp->rope_scale < 1 ? d_log(1 / (double)hp->rope_scale) : 0, by = 1;
    if (yarn) by = 1 + 0.1 * log_factor;
    if (yarn && hp->yarn_log_mul != 0) by /= 1 + 0.1 * (double)hp->yarn_log_mul * log_factor;
    return (float)(by * (double)hp->rope_attn_factor);
}

void rope_start(struct model *m) {
    const struct hparams *hp = &m->hp;
    for (uint32_t s = 0; s < 2; s++) {
        struct rope_set *set = &m->rope[s];
        bool scaled = !(s == 1 && hp->local_unscaled), yarn = scaled && hp->yarn_ext_factor != 0;
        double base = s == 1 ? (double)hp->rope_base_local : (double)hp->rope_base, n = set->n_rot;
        double scale = scaled ? (double)hp->rope_scale : 1, low = 0, high = 0;
        set->mscale = scaled ? gain(hp, yarn) : 1;
        if (yarn && n > 0) {
            low = d_floor(pair_of_turns(hp, n, base, (double)hp->yarn_beta_fast));
            high = -d_floor(-pair_of_turns(hp, n, base, (double)hp->yarn_beta_slow));
            if (low < 0) low = 0;
            if (high > n - 1) high = n - 1;
        }
        for (uint32_t i = 0; i < set->n_rot / 2; i++) {
            double inv = d_pow(base, -2.0 * i / n), mix = 0;
            if (yarn)
                mix = (1 - clamp01((i - low) / (high - low > 0.001 ? high - low : 0.001))) *
                      (double)hp->yarn_ext_factor;
            set->inv_freq[i] = inv * (scale * (1 - mix) + mix);
        }
    }
}

void rope_token(struct model *m, const float *factors, uint32_t token, uint32_t position) {
    for (uint32_t s = 0; s < 2; s++) {
        struct rope_set *set = &m->rope[s];
        float *row = set->table + (size_t)token * set->n_rot;
        for (uint32_t i = 0; i < set->n_rot / 2; i++) {
            double theta = position * set->inv_freq[i];
            if (factors && s == 0) theta /= (double)factors[i];
            row[2 * i] = (float)d_cos(theta) * set->mscale;
            row[2 * i + 1] = (float)d_sin(theta) * set->mscale;
        }
    }
}
