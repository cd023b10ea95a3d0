/* Reads the keys by one table, then fills what varies by layer. */
#include "model/hparams.h"
#include "base/fmath.h"
#include "base/fmt.h"
#include <stddef.h>
#include <string.h>

/* One key: where it goes, what it may be. */
struct key_row {
    const char *key; /* without the architecture's prefix */
    uint16_t at;     /* offset in struct hparams */
    bool real, required;
    double missing, low, high;
};
#define U32(key, field, required, missing, low, high)                                              \
    {key, offsetof(struct hparams, field), false, required, missing, low, high}
#define F32(key, field, missing, low, high)                                                        \
    {key, offsetof(struct hparams, field), true, false, missing, low, high}

static const struct key_row rows[] = {
    U32("block_count", n_layer, true, 0, 1, MAX_LAYERS),
    U32("embedding_length", n_embd, true, 0, 1, 1 << 16),
    U32("nextn_predict_layers", n_layer_draft, false, 0, 0, MAX_LAYERS),
    U32("attention.shared_kv_layers", n_shared_kv, false, 0, 0, MAX_LAYERS),
    U32("embedding_length_per_layer_input", n_embd_layer, false, 0, 0, 1 << 12),
    U32("context_length", n_ctx_train, true, 0, 1, 1 << 30),
    F32("rope.freq_base", rope_base, 10000, 1, 1e12),
    F32("rope.freq_base_swa", rope_base_local, 0, 0, 1e12),
    F32("rope.scaling.attn_factor", rope_attn_factor, 1, 0, 1e4),
    U32("rope.scaling.original_context_length", n_ctx_orig, false, 0, 0, 1 << 30),
    F32("rope.scaling.yarn_log_multiplier", yarn_log_mul, 0, -1e4, 1e4),
    F32("rope.scaling.yarn_ext_factor", yarn_ext_factor, -1, -1e4, 1e4),
    F32("rope.scaling.yarn_beta_fast", yarn_beta_fast, 32, 1e-3, 1e6),
    F32("rope.scaling.yarn_beta_slow", yarn_beta_slow, 1, 1e-3, 1e6),
    U32("attention.sliding_window", window, false, 0, 0, 1 << 30),
    F32("attention.scale", attn_scale, 0, 0, 1e4),
    F32("attn_logit_softcapping", attn_softcap, 0, 0, 1e6),
    F32("final_logit_softcapping", logit_softcap, 0, 0, 1e6),
    F32("attention.clamp_kqv", clamp_qkv, 0, 0, 1e6),
    F32("attention.max_alibi_bias", alibi_bias, 0, 0, 1e4),
    U32("attention.temperature_length", temperature_step, false, 0, 0, 1 << 30),
    F32("attention.temperature_scale", temperature_scale, 0, 0, 1e4),
    U32("attention.kv_lora_rank", n_latent, false, 0, 0, MAX_HEAD_DIM),
    U32("attention.key_length_mla", dim_k_mla, false, 0, 0, MAX_HEAD_DIM),
    U32("attention.value_length_mla", dim_v_mla, false, 0, 0, MAX_HEAD_DIM),
    U32("expert_count", n_expert, false, 0, 0, MAX_EXPERTS),
    U32("expert_used_count", n_expert_used, false, 0, 0, MAX_EXPERTS),
    U32("expert_group_count", n_group, false, 0, 0, MAX_EXPERTS),
    U32("expert_group_used_count", n_group_used, false, 0, 0, MAX_EXPERTS),
    F32("expert_weights_scale", moe_scale, 0, 0, 1e6),
    U32("ssm.conv_kernel", ssm_conv, false, 0, 0, 16),
    U32("ssm.inner_size", ssm_inner, false, 0, 0, 1 << 17),
    U32("ssm.state_size", ssm_state, false, 0, 0, 1 << 12),
    U32("ssm.time_step_rank", ssm_rank, false, 0, 0, 1 << 16),
    U32("ssm.group_count", ssm_group, false, 1, 0, 1 << 12),
    U32("shortconv.l_cache", short_conv, false, 0, 0, 16),
    F32("embedding_scale", embd_scale, 0, 0, 1e6),
    F32("residual_scale", residual_scale, 0, 0, 1e6),
    F32("logit_scale", logit_scale, 0, 0, 1e6),
};

struct reader {
    const struct gguf *g;
    struct fail *f;
    struct gguf_str arch;
    char key[160];
};

/* arch.name as a key, in r->key. */
static const char *full_key(struct reader *r, const char *name) {
    fmt(r->key, sizeof r->key, "%.*s.%s", (int)r->arch.size, r->arch.text, name);
    return r->key;
}

static int read_row(struct reader *r, struct hparams *hp, const struct key_row *row) {
    const char *key = full_key(r, row->key);
    const struct gguf_kv *kv = gguf_find(r->g, key);
    if (!kv && row->required)
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE, "the key %s is missing", key);
    double v = kv ? gguf_f64(r->g, key, row->missing) : row->missing;
    if (kv && kv->type == GGUF_ARRAY && kv->count) v = gguf_num_at(r->g, kv, 0);
    if (kv && !(v >= row->low && v <= row->high))
        return fail(r->f, SOTTO_FORMAT, kv->at, "%s is %g; this engine takes %g to %g", key, v,
                    row->low, row->high);
    uint8_t *to = (uint8_t *)hp + row->at;
    uint32_t u = row->real ? 0 : (uint32_t)v;
    float real = (float)v;
    memcpy(to, row->real ? (void *)&real : (void *)&u, 4);
    return SOTTO_OK;
}

/* Value of a key that may be one number or one a layer. */
static int read_layered(struct reader *r, const struct hparams *hp, const char *name,
                        uint32_t layer, bool required, uint32_t missing, uint32_t low,
                        uint32_t high, uint32_t *out) {
    const char *key = full_key(r, name);
    const struct gguf_kv *kv = gguf_find(r->g, key);
    *out = missing;
    if (!kv)
        return required ? fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE, "the key %s is missing", key)
                        : SOTTO_OK;
    double v;
    if (kv->type == GGUF_ARRAY) {
        if (kv->count < hp->n_layer)
            return fail(r->f, SOTTO_FORMAT, kv->at, "%s has %llu entries for %u blocks", key,
                        (unsigned long long)kv->count, hp->n_layer);
        v = gguf_num_at(r->g, kv, layer);
    } else
        v = gguf_f64(r->g, key, missing);
    if (!(v >= low && v <= high))
        return fail(r->f, SOTTO_FORMAT, kv->at, "%s is %g; this engine takes %u to %u", key, v, low,
                    high);
    *out = (uint32_t)v;
    return SOTTO_OK;
}

static int read_rope(struct reader *r, struct hparams *hp) {
    float factor = (float)gguf_f64(r->g, full_key(r, "rope.scaling.factor"), 0);
    if (factor == 0) factor = (float)gguf_f64(r->g, full_key(r, "rope.scale_linear"), 0);
    if (!(factor >= 0 && factor <= 1e6f))
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE, "%s is %g; this engine takes 0 to 1000000",
                    full_key(r, "rope.scaling.factor"), (double)factor);
    hp->rope_scale = factor == 0 ? 1 : 1 / factor;
    struct gguf_str kind = gguf_string(r->g, full_key(r, "rope.scaling.type"));
    static const struct {
        const char *name;
        uint32_t scaling;
    } kinds[] = {{"none", SCALING_NONE},
                 {"linear", SCALING_LINEAR},
                 {"yarn", SCALING_YARN},
                 {"longrope", SCALING_LONGROPE}};
    hp->scaling = SCALING_LINEAR;
    bool known = !kind.text;
    for (size_t i = 0; kind.text && i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == kind.size && !memcmp(kinds[i].name, kind.text, kind.size))
            hp->scaling = kinds[i].scaling, known = true;
    if (!known)
        return fail(r->f, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                    "rope scaling \"%.*s\" is not known to this engine",
                    (int)(kind.size < 40 ? kind.size : 40), kind.text);
    if (hp->scaling == SCALING_NONE) hp->rope_scale = 1;
    if (!hp->n_ctx_orig) hp->n_ctx_orig = hp->n_ctx_train;
    if (hp->yarn_ext_factor < 0) hp->yarn_ext_factor = hp->scaling == SCALING_YARN ? 1 : 0;
    hp->local_unscaled = hp->arch->local_rope_unscaled || hp->arch->local_rope_base > 0;
    if (hp->rope_base_local == 0)
        hp->rope_base_local =
            hp->arch->local_rope_base > 0 ? hp->arch->local_rope_base : hp->rope_base;
    return SOTTO_OK;
}

static int read_norm(struct reader *r, struct hparams *hp) {
    const char *own = hp->arch->norm == NORM_RMS ? "attention.layer_norm_rms_epsilon"
                                                 : "attention.layer_norm_epsilon";
    const char *other = hp->arch->norm == NORM_RMS ? "attention.layer_norm_epsilon"
                                                   : "attention.layer_norm_rms_epsilon";
    double eps = gguf_f64(r->g, full_key(r, own), -1);
    if (eps < 0) eps = gguf_f64(r->g, full_key(r, other), 1e-5);
    if (!(eps >= 0 && eps < 1))
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE, "%s is %g; it must be at least 0 and below 1",
                    full_key(r, own), eps);
    hp->norm_eps = (float)eps;
    return SOTTO_OK;
}

static bool is_windowed(struct reader *r, const struct hparams *hp, uint32_t layer) {
    if (!hp->window) return false;
    if (hp->arch->window_all) return true;
    const struct gguf_kv *each = gguf_find(r->g, full_key(r, "attention.sliding_window_pattern"));
    if (each && each->type == GGUF_ARRAY && layer < each->count)
        return gguf_num_at(r->g, each, layer) != 0;
    uint32_t global = hp->arch->window_global_first ? 0 : hp->window_period - 1;
    return hp->window_period && layer % hp->window_period != global;
}

/* Latent attention: with k_b and v_b apart the cache holds one head of latent and rotated part;
 * without, as many heads of keys as of queries. */
static int read_latent(struct reader *r, const struct hparams *hp, struct layer_hp *l) {
    uint32_t dim_k = hp->dim_k_mla ? hp->dim_k_mla : l->dim_k;
    if (!hp->dim_k_mla != !hp->dim_v_mla || l->n_rot >= dim_k)
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "heads of %u with %u rotated elements and values of %u fit no latent attention",
                    dim_k, l->n_rot, hp->dim_k_mla ? hp->dim_v_mla : l->dim_v);
    if (hp->dim_k_mla)
        l->n_kv_head = 1, l->dim_k = hp->n_latent + l->n_rot, l->dim_v = hp->n_latent,
        l->v_in_k = true;
    else
        l->n_kv_head = l->n_head;
    return SOTTO_OK;
}

/* Sizes that windowed layers may have for themselves. */
static int read_window_sizes(struct reader *r, const struct hparams *hp, uint32_t i) {
    struct layer_hp *l = &hp->layers[i];
    int rc = read_layered(r, hp, "attention.key_length_swa", i, false, l->dim_k, 1, MAX_HEAD_DIM,
                          &l->dim_k);
    if (!rc)
        rc = read_layered(r, hp, "attention.value_length_swa", i, false, l->dim_v, 1, MAX_HEAD_DIM,
                          &l->dim_v);
    if (!rc)
        rc = read_layered(r, hp, "rope.dimension_count_swa", i, false, l->n_rot, 0, MAX_HEAD_DIM,
                          &l->n_rot);
    return rc;
}

/* The last layers read K and V of the last windowed or global one before them, which are the two
 * right before. */
static int share_kv(struct reader *r, const struct hparams *hp, uint32_t i) {
    struct layer_hp *l = &hp->layers[i];
    uint32_t first = hp->n_shared_kv + 2 <= hp->n_layer ? hp->n_layer - hp->n_shared_kv : 0;
    if (i < first) return SOTTO_OK;
    const struct layer_hp *from = first ? &hp->layers[first - (l->window ? 2 : 1)] : l;
    if (!first || from->window != l->window || from->dim_k != l->dim_k || from->dim_v != l->dim_v ||
        from->n_kv_head != l->n_kv_head)
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "block %u shares keys and values with none of its kind before the last "
                    "%u of %u",
                    i, hp->n_shared_kv, hp->n_layer);
    l->kv_back = (uint32_t)(l - from);
    return SOTTO_OK;
}

/* False where the record or the file makes layer i recurrent though it names key/value heads. */
static bool attends(struct reader *r, const struct hparams *hp, uint32_t i) {
    if (!hp->arch->attention_period) return true;
    const struct gguf_kv *list = gguf_find(r->g, full_key(r, "attention.recurrent_layers"));
    if (list && list->type == GGUF_ARRAY && i < list->count) return gguf_num_at(r->g, list, i) == 0;
    uint64_t period =
        gguf_u64(r->g, full_key(r, "full_attention_interval"), hp->arch->attention_period);
    return period && (i + 1) % period == 0;
}

static int read_layer(struct reader *r, struct hparams *hp, uint32_t i) {
    struct layer_hp *l = &hp->layers[i];
    bool recurrent = hparams_recurrent(hp); /* layers may be without attention */
    uint32_t least = recurrent ? 0 : 1;
    int rc = read_layered(r, hp, "attention.head_count", i, !recurrent, 0, least, 1024, &l->n_head);
    if (!rc)
        rc = read_layered(r, hp, "attention.head_count_kv", i, false, l->n_head, least, 1024,
                          &l->n_kv_head);
    if (!rc && !l->n_head)
        rc = read_layered(r, hp, "feed_forward_length", i, false, 0, 0, 1 << 20, &l->n_ff);
    if (rc || !l->n_head) return l->n_kv_head = 0, l->rope = ROPE_NONE, rc;
    uint32_t head = hp->n_embd / l->n_head;
    l->window = is_windowed(r, hp, i) ? hp->window : 0;
    rc = read_layered(r, hp, "attention.key_length", i, false, head, 1, MAX_HEAD_DIM, &l->dim_k);
    if (!rc)
        rc = read_layered(r, hp, "attention.value_length", i, false, head, 1, MAX_HEAD_DIM,
                          &l->dim_v);
    if (!rc) rc = read_layered(r, hp, "feed_forward_length", i, false, 0, 0, 1 << 20, &l->n_ff);
    if (!rc)
        rc = read_layered(r, hp, "rope.dimension_count", i, false, l->dim_k, 0, MAX_HEAD_DIM,
                          &l->n_rot);
    if (!rc && l->window) rc = read_window_sizes(r, hp, i);
    if (rc) return rc;
    if (hp->n_latent && (rc = read_latent(r, hp, l))) return rc;
    if (!l->dim_k || l->dim_k > MAX_HEAD_DIM || !l->dim_v || l->dim_v > MAX_HEAD_DIM)
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "%u embeddings over %u heads give heads of %u; 1 to %d are possible",
                    hp->n_embd, l->n_head, l->dim_k, MAX_HEAD_DIM);
    if (l->n_kv_head && l->n_head % l->n_kv_head)
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "attention.head_count %u is no multiple of attention.head_count_kv %u",
                    l->n_head, l->n_kv_head);
    if (!attends(r, hp, i)) l->n_kv_head = 0;
    if (hp->arch->rope != ROPE_NONE && (l->n_rot > l->dim_k || l->n_rot % 2))
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "rope.dimension_count %u does not fit heads of %u", l->n_rot, l->dim_k);
    if (hp->n_shared_kv && (rc = share_kv(r, hp, i))) return rc;
    bool still = hp->arch->no_rope == LAYERS_EVERY_FOURTH ? i % 4 == 3
                 : hp->arch->no_rope == LAYERS_GLOBAL     ? hp->window && !l->window
                                                          : false;
    if (hp->arch->rope_by_key && !gguf_bool(r->g, full_key(r, "rope.scaling.finetuned"), true))
        still = true;
    l->rope = (uint8_t)(still || !l->n_rot ? ROPE_NONE : hp->arch->rope);
    l->rope_set = l->window && (hp->local_unscaled || hp->rope_base_local != hp->rope_base);
    return SOTTO_OK;
}

/* Layers of a set share its cos/sin table, so they rotate as many elements; the file's factors are
 * for the first set, whose size n_rot becomes. */
static int check_rope_sets(struct reader *r, struct hparams *hp) {
    uint32_t n_rot[2] = {0};
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const struct layer_hp *l = &hp->layers[i];
        uint32_t *n = &n_rot[l->rope_set];
        if (l->rope != ROPE_NONE && *n && *n != l->n_rot)
            return fail(r->f, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                        "block %u rotates %u elements where others of its kind rotate %u", i,
                        l->n_rot, *n);
        if (l->rope != ROPE_NONE) *n = l->n_rot;
    }
    if (n_rot[0]) hp->n_rot = n_rot[0];
    return SOTTO_OK;
}

static uint32_t read_pooling(struct reader *r, const char *name, uint32_t missing) {
    uint64_t kind = gguf_u64(r->g, full_key(r, name), missing);
    return kind <= POOL_RANK ? (uint32_t)kind : missing;
}

/* What encoders differ in, and how a text's states become one vector. */
static int read_encoder(struct reader *r, struct hparams *hp) {
    const struct arch *a = hp->arch;
    hp->encoder = !gguf_bool(r->g, full_key(r, "attention.causal"), !a->encoder) || a->encoder;
    hp->pooling = read_pooling(r, "pooling_type", POOL_NONE);
    hp->head_pooling =
        read_pooling(r, "classifier.pooling_type", a->head_mean ? POOL_MEAN : POOL_NONE);
    hp->act = a->act;
    struct gguf_str act = gguf_string(r->g, full_key(r, "hidden_activation"));
    static const struct {
        const char *name;
        uint32_t act;
    } acts[] = {{"gelu", FFN_GELU}, {"geglu", FFN_GELU},   {"silu", FFN_SILU}, {"swish", FFN_SILU},
                {"relu", FFN_RELU}, {"swiglu", FFN_SILU}, {"reglu", FFN_RELU}};
    if (!a->encoder || !act.text) return SOTTO_OK;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strlen(acts[i].name) == act.size && !memcmp(acts[i].name, act.text, act.size))
            return hp->act = acts[i].act, SOTTO_OK;
    return fail(r->f, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                "the activation \"%.*s\" is not known to this engine",
                (int)(act.size < 40 ? act.size : 40), act.text);
}

static int read_xielu(struct reader *r, struct hparams *hp) {
    static const char *const keys[4] = {"xielu.alpha_n", "xielu.alpha_p", "xielu.beta",
                                        "xielu.eps"};
    for (int k = 0; k < 4; k++) {
        const struct gguf_kv *kv = gguf_find(r->g, keys[k]);
        if (!kv) return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE, "the key %s is missing", keys[k]);
        for (uint32_t i = 0; i < hp->n_layer; i++)
            hp->layers[i].xielu[k] = (float)gguf_num_at(r->g, kv, kv->type == GGUF_ARRAY ? i : 0);
    }
    return SOTTO_OK;
}

static int read_experts(struct reader *r, struct hparams *hp) {
    if (hp->n_expert && (!hp->n_expert_used || hp->n_expert_used > hp->n_expert))
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE, "expert_used_count is %u of %u experts",
                    hp->n_expert_used, hp->n_expert);
    if (hp->n_group > 1 &&
        (hp->n_expert % hp->n_group || !hp->n_group_used || hp->n_group_used > hp->n_group))
        return fail(r->f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "expert_group_count %u with %u used does not divide %u experts", hp->n_group,
                    hp->n_group_used, hp->n_expert);
    hp->moe_norm = gguf_bool(r->g, full_key(r, "expert_weights_norm"), !hp->arch->moe_raw_weights);
    uint64_t gate = gguf_u64(r->g, full_key(r, "expert_gating_func"), 0);
    static const uint8_t gates[] = {0, MOE_SOFTMAX, MOE_SIGMOID, MOE_SOFTMAX_CHOSEN};
    if (gate >= sizeof gates)
        return fail(r->f, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                    "expert_gating_func %llu is not known to this engine",
                    (unsigned long long)gate);
    hp->moe_gate = gate ? gates[gate] : (uint32_t)hp->arch->moe_gate;
    if (hp->moe_scale == 0) hp->moe_scale = 1;
    return SOTTO_OK;
}

int hparams_read(struct hparams *hp, struct heap *heap, const struct gguf *g, uint64_t n_vocab,
                 struct fail *f) {
    struct reader r = {.g = g, .f = f, .arch = gguf_string(g, "general.architecture")};
    *hp = (struct hparams){0};
    if (!r.arch.text)
        return fail(f, SOTTO_FORMAT, FAIL_NOWHERE, "the key general.architecture is missing");
    hp->arch = arch_find(r.arch);
    if (!hp->arch) {
        char near[100];
        arch_nearest(r.arch, near, sizeof near);
        return fail(f, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                    "architecture \"%.*s\" is not known to this engine; the nearest it knows: %s",
                    (int)(r.arch.size < 60 ? r.arch.size : 60), r.arch.text, near);
    }
    int rc = SOTTO_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !rc; i++) rc = read_row(&r, hp, &rows[i]);
    if (rc) return rc;
    if (hp->n_layer_draft >= hp->n_layer)
        return fail(f, SOTTO_FORMAT, FAIL_NOWHERE, "%s is %u of %u blocks",
                    full_key(&r, "nextn_predict_layers"), hp->n_layer_draft, hp->n_layer);
    hp->n_layer -= hp->n_layer_draft;
    if (!n_vocab)
        return fail(f, SOTTO_FORMAT, FAIL_NOWHERE, "the tensor token_embd.weight is missing");
    if (n_vocab > MAX_VOCAB)
        return fail(f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "token_embd.weight has %llu rows; this engine takes 1 to %d tokens",
                    (unsigned long long)n_vocab, MAX_VOCAB);
    hp->n_vocab = (uint32_t)n_vocab;
    if (!hp->n_latent) hp->dim_k_mla = hp->dim_v_mla = 0; /* sizes of what is not there */

    const struct arch *a = hp->arch;
    bool has_window = a->window_period || a->window_all;
    if (!has_window)
        hp->window = 0;
    else if (!hp->window && !a->window_from_file)
        hp->window = a->window_default;
    uint64_t period =
        gguf_u64(g, full_key(&r, "attention.sliding_window_pattern"), a->window_period);
    hp->window_period = period >= 1 && period <= MAX_LAYERS ? (uint32_t)period : a->window_period;
    if (!hp->ssm_group) hp->ssm_group = 1;
    hp->ssm_norms = gguf_bool(g, full_key(&r, "ssm.dt_b_c_rms"), false);
    hp->parallel = a->parallel_by_key && gguf_bool(g, full_key(&r, "use_parallel_residual"), true);
    if (a->embd_scale_sqrt) hp->embd_scale = f_sqrt((float)hp->n_embd);
    if (a->temperature_scale > 0 && hp->temperature_scale == 0)
        hp->temperature_scale = a->temperature_scale;
    if (!hp->temperature_step) hp->temperature_step = a->temperature_step;
    if (a->alibi && hp->alibi_bias == 0) hp->alibi_bias = a->alibi_default;
    if (!a->alibi) hp->alibi_bias = 0;

    if ((rc = read_rope(&r, hp)) || (rc = read_norm(&r, hp)) || (rc = read_experts(&r, hp)) ||
        (rc = read_encoder(&r, hp)))
        return rc;
    if (hp->temperature_scale > 0 && !hp->temperature_step) hp->temperature_step = hp->n_ctx_orig;
    hp->layers = HEAP_ZERO(heap, struct layer_hp, hp->n_layer);
    if (!hp->layers)
        return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for %u blocks", hp->n_layer);
    for (uint32_t i = 0; i < hp->n_layer && !rc; i++) rc = read_layer(&r, hp, i);
    if (!rc && a->act == FFN_XIELU) rc = read_xielu(&r, hp);
    if (!rc) {
        const struct layer_hp *l = hp->layers; /* the first with attention, if any */
        while (l + 1 < hp->layers + hp->n_layer && !l->n_kv_head) l++;
        if (!l->n_kv_head) l = hp->layers;
        hp->n_head = l->n_head, hp->n_kv_head = l->n_kv_head;
        hp->dim_k = l->dim_k, hp->dim_v = l->dim_v;
        hp->n_rot = l->n_rot, hp->n_ff = hp->layers[0].n_ff;
        if ((rc = check_rope_sets(&r, hp))) return hparams_free(hp, heap), rc;
        if (hp->attn_scale == 0 && hp->n_head) {
            uint32_t n = a->attn_scale_layers == hp->n_layer ? hp->n_embd / hp->n_head : hp->dim_k;
            hp->attn_scale = a->attn_unscaled ? 1 : 1 / f_sqrt((float)n);
        }
        if (a->derive) a->derive(hp);
    }
    if (rc) hparams_free(hp, heap);
    return rc;
}

void hparams_free(struct hparams *hp, struct heap *heap) {
    HEAP_FREE(heap, hp->layers, hp->n_layer);
    hp->layers = NULL;
}
