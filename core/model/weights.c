#include "model/weights.h"
#include "base/fmt.h"
#include "data/dtype.h"
#include <string.h>

/* Symbolic axes; AX_ANY takes what the file has (within bounds), AX_NONE is no axis. */
enum axis {
    AX_NONE,
    AX_ANY,
    AX_EMBD,
    AX_VOCAB,
    AX_CTX,
    AX_Q,
    AX_K,
    AX_V,
    AX_ATTN,
    AX_HEADS,
    AX_ROT2,
    AX_FF,
    AX_EXPERTS,
    AX_ONE_LAYER,
    AX_ALL_LAYERS,
    AX_LATENT,
    AX_KV_A,
    AX_KV_B,
    AX_NOPE,
    AX_V_MLA,
    AX_INNER,
    AX_STATE,
    AX_RANK,
    AX_TAPS,
    AX_SHORT_TAPS,
    AX_Q2
};
enum { VECTOR = 1 };

struct weight_row {
    const char *name;
    uint8_t axes[3];
    uint8_t flags;
};

/* Names without ".weight" / ".bias"; "blk.%u." in front of those of a layer. */
static const struct weight_row table[W_COUNT] = {
    [W_TOKEN_EMBD] = {"token_embd.weight", {AX_EMBD, AX_VOCAB}, 0},
    [W_POSITION_EMBD] = {"position_embd.weight", {AX_EMBD, AX_ANY}, 0},
    [W_TOKEN_TYPES] = {"token_types.weight", {AX_EMBD, AX_ANY}, 0},
    [W_TOKEN_NORM] = {"token_embd_norm.weight", {AX_EMBD}, VECTOR},
    [W_TOKEN_NORM_B] = {"token_embd_norm.bias", {AX_EMBD}, VECTOR},
    [W_OUTPUT_NORM] = {"output_norm.weight", {AX_EMBD}, VECTOR},
    [W_OUTPUT_NORM_B] = {"output_norm.bias", {AX_EMBD}, VECTOR},
    [W_OUTPUT] = {"output.weight", {AX_EMBD, AX_VOCAB}, 0},
    [W_OUTPUT_B] = {"output.bias", {AX_VOCAB}, VECTOR},
    [W_LAYER_EMBD] = {"per_layer_token_embd.weight", {AX_ALL_LAYERS, AX_VOCAB}, 0},
    [W_LAYER_PROJ] = {"per_layer_model_proj.weight", {AX_EMBD, AX_ALL_LAYERS}, 0},
    [W_LAYER_PROJ_NORM] = {"per_layer_proj_norm.weight", {AX_ONE_LAYER}, VECTOR},
    [W_ROPE_FREQS] = {"rope_freqs.weight", {AX_ROT2}, VECTOR},
    [W_ROPE_LONG] = {"rope_factors_long.weight", {AX_ROT2}, VECTOR},
    [W_ROPE_SHORT] = {"rope_factors_short.weight", {AX_ROT2}, VECTOR},
    [W_ATTN_NORM] = {"blk.%u.attn_norm.weight", {AX_EMBD}, VECTOR},
    [W_ATTN_NORM_B] = {"blk.%u.attn_norm.bias", {AX_EMBD}, VECTOR},
    [W_ATTN_NORM_2] = {"blk.%u.attn_norm_2.weight", {AX_EMBD}, VECTOR},
    [W_ATTN_NORM_2_B] = {"blk.%u.attn_norm_2.bias", {AX_EMBD}, VECTOR},
    [W_Q] = {"blk.%u.attn_q.weight", {AX_EMBD, AX_Q}, 0},
    [W_Q_B] = {"blk.%u.attn_q.bias", {AX_Q}, VECTOR},
    [W_K] = {"blk.%u.attn_k.weight", {AX_EMBD, AX_K}, 0},
    [W_K_B] = {"blk.%u.attn_k.bias", {AX_K}, VECTOR},
    [W_V] = {"blk.%u.attn_v.weight", {AX_EMBD, AX_V}, 0},
    [W_V_B] = {"blk.%u.attn_v.bias", {AX_V}, VECTOR},
    [W_QKV] = {"blk.%u.attn_qkv.weight", {AX_EMBD, AX_ANY}, 0},
    [W_QKV_B] = {"blk.%u.attn_qkv.bias", {AX_ANY}, VECTOR},
    [W_Q_NORM] = {"blk.%u.attn_q_norm.weight", {AX_ANY, AX_ANY}, VECTOR},
    [W_Q_NORM_B] = {"blk.%u.attn_q_norm.bias", {AX_ANY, AX_ANY}, VECTOR},
    [W_K_NORM] = {"blk.%u.attn_k_norm.weight", {AX_ANY, AX_ANY}, VECTOR},
    [W_K_NORM_B] = {"blk.%u.attn_k_norm.bias", {AX_ANY, AX_ANY}, VECTOR},
    [W_ATTN_SINKS] = {"blk.%u.attn_sinks.weight", {AX_HEADS}, VECTOR},
    [W_Q_A] = {"blk.%u.attn_q_a.weight", {AX_EMBD, AX_ANY}, 0},
    [W_Q_A_NORM] = {"blk.%u.attn_q_a_norm.weight", {AX_ANY}, VECTOR},
    [W_Q_UP] = {"blk.%u.attn_q_b.weight", {AX_ANY, AX_Q}, 0},
    [W_KV_A] = {"blk.%u.attn_kv_a_mqa.weight", {AX_EMBD, AX_KV_A}, 0},
    [W_KV_A_NORM] = {"blk.%u.attn_kv_a_norm.weight", {AX_LATENT}, VECTOR},
    [W_KV_UP] = {"blk.%u.attn_kv_b.weight", {AX_LATENT, AX_KV_B}, 0},
    [W_K_UP] = {"blk.%u.attn_k_b.weight", {AX_NOPE, AX_LATENT, AX_HEADS}, 0},
    [W_V_UP] = {"blk.%u.attn_v_b.weight", {AX_LATENT, AX_V_MLA, AX_HEADS}, 0},
    [W_ATTN_REL_B] = {"blk.%u.attn_rel_b.weight", {AX_HEADS, AX_ANY}, VECTOR},
    [W_ATTN_OUT] = {"blk.%u.attn_output.weight", {AX_ATTN, AX_EMBD}, 0},
    [W_ATTN_OUT_B] = {"blk.%u.attn_output.bias", {AX_EMBD}, VECTOR},
    [W_ATTN_OUT_NORM] = {"blk.%u.attn_output_norm.weight", {AX_EMBD}, VECTOR},
    [W_ATTN_OUT_NORM_B] = {"blk.%u.attn_output_norm.bias", {AX_EMBD}, VECTOR},
    [W_LAYER_OUT_NORM] = {"blk.%u.layer_output_norm.weight", {AX_EMBD}, VECTOR},
    [W_LAYER_OUT_NORM_B] = {"blk.%u.layer_output_norm.bias", {AX_EMBD}, VECTOR},
    [W_POST_ATTN_NORM] = {"blk.%u.post_attention_norm.weight", {AX_EMBD}, VECTOR},
    [W_POST_FFN_NORM] = {"blk.%u.post_ffw_norm.weight", {AX_EMBD}, VECTOR},
    [W_FFN_NORM] = {"blk.%u.ffn_norm.weight", {AX_EMBD}, VECTOR},
    [W_FFN_NORM_B] = {"blk.%u.ffn_norm.bias", {AX_EMBD}, VECTOR},
    [W_INPUT_GATE] = {"blk.%u.inp_gate.weight", {AX_EMBD, AX_ONE_LAYER}, 0},
    [W_INPUT_PROJ] = {"blk.%u.proj.weight", {AX_ONE_LAYER, AX_EMBD}, 0},
    [W_INPUT_NORM] = {"blk.%u.post_norm.weight", {AX_EMBD}, VECTOR},
    [W_LAYER_SCALE] = {"blk.%u.layer_output_scale.weight", {AX_NONE}, VECTOR},
    [W_GATE] = {"blk.%u.ffn_gate.weight", {AX_EMBD, AX_FF}, 0},
    [W_GATE_B] = {"blk.%u.ffn_gate.bias", {AX_FF}, VECTOR},
    [W_UP] = {"blk.%u.ffn_up.weight", {AX_EMBD, AX_FF}, 0},
    [W_UP_B] = {"blk.%u.ffn_up.bias", {AX_FF}, VECTOR},
    [W_DOWN] = {"blk.%u.ffn_down.weight", {AX_FF, AX_EMBD}, 0},
    [W_DOWN_B] = {"blk.%u.ffn_down.bias", {AX_EMBD}, VECTOR},
    [W_ROUTER] = {"blk.%u.ffn_gate_inp.weight", {AX_EMBD, AX_EXPERTS}, 0},
    [W_ROUTER_B] = {"blk.%u.ffn_gate_inp.bias", {AX_EXPERTS}, VECTOR},
    [W_ROUTER_BIAS] = {"blk.%u.exp_probs_b.bias", {AX_EXPERTS}, VECTOR},
    [W_ROUTER_SCALE] = {"blk.%u.ffn_gate_inp.scale", {AX_EMBD}, VECTOR},
    [W_EXPERTS_NORM] = {"blk.%u.pre_ffw_norm_2.weight", {AX_EMBD}, VECTOR},
    [W_POST_DENSE_NORM] = {"blk.%u.post_ffw_norm_1.weight", {AX_EMBD}, VECTOR},
    [W_POST_EXPERTS_NORM] = {"blk.%u.post_ffw_norm_2.weight", {AX_EMBD}, VECTOR},
    [W_GATE_UP_EXPS] = {"blk.%u.ffn_gate_up_exps.weight", {AX_EMBD, AX_ANY, AX_EXPERTS}, 0},
    [W_DOWN_EXPS_SCALE] = {"blk.%u.ffn_down_exps.scale", {AX_EXPERTS}, VECTOR},
    [W_GATE_EXPS] = {"blk.%u.ffn_gate_exps.weight", {AX_EMBD, AX_ANY, AX_EXPERTS}, 0},
    [W_GATE_EXPS_B] = {"blk.%u.ffn_gate_exps.bias", {AX_ANY, AX_EXPERTS}, VECTOR},
    [W_UP_EXPS] = {"blk.%u.ffn_up_exps.weight", {AX_EMBD, AX_ANY, AX_EXPERTS}, 0},
    [W_UP_EXPS_B] = {"blk.%u.ffn_up_exps.bias", {AX_ANY, AX_EXPERTS}, VECTOR},
    [W_DOWN_EXPS] = {"blk.%u.ffn_down_exps.weight", {AX_ANY, AX_EMBD, AX_EXPERTS}, 0},
    [W_DOWN_EXPS_B] = {"blk.%u.ffn_down_exps.bias", {AX_EMBD, AX_EXPERTS}, VECTOR},
    [W_GATE_SHARED] = {"blk.%u.ffn_gate_shexp.weight", {AX_EMBD, AX_ANY}, 0},
    [W_UP_SHARED] = {"blk.%u.ffn_up_shexp.weight", {AX_EMBD, AX_ANY}, 0},
    [W_DOWN_SHARED] = {"blk.%u.ffn_down_shexp.weight", {AX_ANY, AX_EMBD}, 0},
    [W_SHARED_GATE] = {"blk.%u.ffn_gate_inp_shexp.weight", {AX_EMBD}, VECTOR},
    [W_SSM_IN] = {"blk.%u.ssm_in.weight", {AX_EMBD, AX_ANY}, 0},
    [W_SSM_CONV] = {"blk.%u.ssm_conv1d.weight", {AX_TAPS, AX_ANY}, VECTOR},
    [W_SSM_CONV_B] = {"blk.%u.ssm_conv1d.bias", {AX_ANY}, VECTOR},
    [W_SSM_X] = {"blk.%u.ssm_x.weight", {AX_INNER, AX_ANY}, 0},
    [W_SSM_DT_NORM] = {"blk.%u.ssm_dt_norm.weight", {AX_RANK}, VECTOR},
    [W_SSM_B_NORM] = {"blk.%u.ssm_b_norm.weight", {AX_STATE}, VECTOR},
    [W_SSM_C_NORM] = {"blk.%u.ssm_c_norm.weight", {AX_STATE}, VECTOR},
    [W_SSM_DT] = {"blk.%u.ssm_dt.weight", {AX_RANK, AX_INNER}, 0},
    [W_SSM_DT_B] = {"blk.%u.ssm_dt.bias", {AX_ANY}, VECTOR},
    [W_SSM_A] = {"blk.%u.ssm_a", {AX_ANY, AX_ANY}, VECTOR},
    [W_SSM_D] = {"blk.%u.ssm_d", {AX_ANY, AX_ANY}, VECTOR},
    [W_SSM_NORM] = {"blk.%u.ssm_norm.weight", {AX_ANY, AX_ANY}, VECTOR},
    [W_SSM_OUT] = {"blk.%u.ssm_out.weight", {AX_INNER, AX_EMBD}, 0},
    [W_SHORT_IN] = {"blk.%u.shortconv.in_proj.weight", {AX_EMBD, AX_ANY}, 0},
    [W_SHORT_CONV] = {"blk.%u.shortconv.conv.weight", {AX_SHORT_TAPS, AX_EMBD}, VECTOR},
    [W_SHORT_OUT] = {"blk.%u.shortconv.out_proj.weight", {AX_EMBD, AX_EMBD}, 0},
    [W_Q_GATED] = {"blk.%u.attn_q.weight", {AX_EMBD, AX_Q2}, 0},
    [W_DELTA_GATE] = {"blk.%u.attn_gate.weight", {AX_EMBD, AX_INNER}, 0},
    [W_DELTA_BA] = {"blk.%u.ssm_ba.weight", {AX_EMBD, AX_ANY}, 0},
    [W_DELTA_BETA] = {"blk.%u.ssm_beta.weight", {AX_EMBD, AX_RANK}, 0},
    [W_DELTA_ALPHA] = {"blk.%u.ssm_alpha.weight", {AX_EMBD, AX_RANK}, 0},
    [W_DENSE_2] = {"dense_2.weight", {AX_EMBD, AX_ANY}, 0},
    [W_DENSE_2_B] = {"dense_2.bias", {AX_ANY}, VECTOR},
    [W_DENSE_3] = {"dense_3.weight", {AX_ANY, AX_ANY}, 0},
    [W_DENSE_3_B] = {"dense_3.bias", {AX_ANY}, VECTOR},
    [W_CLS] = {"cls.weight", {AX_EMBD, AX_ANY}, 0},
    [W_CLS_B] = {"cls.bias", {AX_ANY}, VECTOR},
    [W_CLS_NORM] = {"cls.norm.weight", {AX_EMBD}, VECTOR},
    [W_CLS_NORM_B] = {"cls.norm.bias", {AX_EMBD}, VECTOR},
    [W_CLS_OUT] = {"cls.output.weight", {AX_ANY, AX_ANY}, 0},
    [W_CLS_OUT_B] = {"cls.output.bias", {AX_ANY}, VECTOR},
};

enum { MAX_ROWS = 1 << 22 };

static uint64_t axis_size(const struct hparams *hp, uint32_t layer, uint8_t axis,
                          uint64_t in_file) {
    const struct layer_hp *l = &hp->layers[layer < hp->n_layer ? layer : 0];
    switch (axis) {
    case AX_EMBD:
        return hp->n_embd;
    case AX_VOCAB:
        return hp->n_vocab;
    case AX_CTX:
        return hp->n_ctx_train;
    case AX_Q:
        return (uint64_t)l->n_head * (hp->dim_k_mla ? hp->dim_k_mla : l->dim_k);
    case AX_Q2:
        return 2 * (uint64_t)l->n_head * l->dim_k;
    case AX_K:
        return (uint64_t)l->n_kv_head * l->dim_k;
    case AX_V:
        return (uint64_t)l->n_kv_head * l->dim_v;
    case AX_ATTN:
        return (uint64_t)l->n_head * (hp->dim_v_mla ? hp->dim_v_mla : l->dim_v);
    case AX_HEADS:
        return l->n_head;
    case AX_ROT2:
        return hp->n_rot / 2;
    case AX_FF:
        return l->n_ff;
    case AX_EXPERTS:
        return hp->n_expert;
    case AX_ONE_LAYER:
        return hp->n_embd_layer;
    case AX_ALL_LAYERS:
        return (uint64_t)hp->n_embd_layer * hp->n_layer;
    case AX_LATENT:
        return hp->n_latent;
    case AX_KV_A:
        return hp->n_latent + l->n_rot;
    case AX_KV_B:
        return (uint64_t)l->n_head * (l->dim_k - l->n_rot + l->dim_v);
    case AX_NOPE:
        return hp->dim_k_mla - l->n_rot;
    case AX_V_MLA:
        return hp->dim_v_mla;
    case AX_INNER:
        return hp->ssm_inner;
    case AX_STATE:
        return hp->ssm_state;
    case AX_RANK:
        return hp->ssm_rank;
    case AX_TAPS:
        return hp->ssm_conv;
    case AX_SHORT_TAPS:
        return hp->short_conv;
    case AX_ANY:
        return in_file;
    default:
        return 1;
    }
}

/* Writes the tensor's name; name replaces what stands between "blk.N." and ".weight" or ".bias". */
static void tensor_name(char *dst, size_t cap, uint32_t id, uint32_t layer, const char *name) {
    const char *pattern = table[id].name;
    if (name) {
        size_t n = strlen(pattern);
        bool bias = n > 5 && !memcmp(pattern + n - 5, ".bias", 5);
        fmt(dst, cap, "blk.%u.%s%s", layer, name, bias ? ".bias" : ".weight");
    } else if (pattern[0] == 'b' && pattern[1] == 'l')
        fmt(dst, cap, "blk.%u%s", layer, pattern + strlen("blk.%u"));
    else
        fmt(dst, cap, "%s", pattern);
}

/* Some files leave ".weight" out of a name here and there. */
static const struct gguf_tensor *find(const struct parts *parts, const char *name, uint32_t *part) {
    char bare[96];
    size_t n = fmt(bare, sizeof bare, "%s", name), end = strlen(".weight");
    if (n > end && !memcmp(bare + n - end, ".weight", end)) bare[n - end] = 0;
    char prefixed[112];
    fmt(prefixed, sizeof prefixed, "%s%s", parts->prefix ? parts->prefix : "", name);
    for (uint32_t i = 0; i < parts->n; i++) {
        const struct gguf_tensor *t = gguf_find_tensor(parts->g[i], prefixed);
        if (!t && parts->prefix) t = gguf_find_tensor(parts->g[i], name);
        if (!t) t = gguf_find_tensor(parts->g[i], bare);
        if (t) return *part = i, t;
    }
    return NULL;
}

bool weights_has(const struct parts *parts, uint32_t id, uint32_t layer, const char *name) {
    char text[96];
    uint32_t part;
    tensor_name(text, sizeof text, id, layer, name);
    return find(parts, text, &part) != NULL;
}

uint64_t weights_axis(const struct parts *parts, uint32_t id, uint32_t layer, const char *name,
                      uint32_t axis) {
    char text[96];
    uint32_t part;
    tensor_name(text, sizeof text, id, layer, name);
    const struct gguf_tensor *t = find(parts, text, &part);
    return t && axis < 4 ? t->ne[axis] : 0;
}

/* The tensor of id, checked; *t NULL where it is absent and not required. fused_rows > 0: instead
 * of the table's last axis. */
static int locate(const struct parts *parts, const struct hparams *hp, uint32_t id, uint32_t layer,
                  const char *name, bool required, uint64_t fused_rows,
                  const struct gguf_tensor **t, uint32_t *part, struct fail *f) {
    const struct weight_row *row = &table[id];
    char text[96];
    tensor_name(text, sizeof text, id, layer, name);
    *t = find(parts, text, part);
    if (!*t)
        return required ? fail(f, SOTTO_FORMAT, FAIL_NOWHERE, "the tensor %s is missing", text)
                        : SOTTO_OK;
    const uint64_t *ne = (*t)->ne;
    uint64_t want[3];
    bool same = ne[3] == 1;
    for (int i = 0; i < 3; i++) {
        want[i] = axis_size(hp, layer, row->axes[i], ne[i]);
        if (fused_rows && i == (row->flags & VECTOR ? 0 : 1)) want[i] = fused_rows;
        same = same && ne[i] == want[i] && ne[i] >= 1 && ne[i] <= MAX_ROWS;
    }
    if (!same)
        return fail(f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "the tensor %s has the shape %llu x %llu x %llu x %llu; the metadata ask for "
                    "%llu x %llu x %llu x 1",
                    text, (unsigned long long)ne[0], (unsigned long long)ne[1],
                    (unsigned long long)ne[2], (unsigned long long)ne[3],
                    (unsigned long long)want[0], (unsigned long long)want[1],
                    (unsigned long long)want[2]);
    uint32_t type = (*t)->type;
    const struct dtype_info *info = dtype_info(type);
    bool vector = row->flags & VECTOR;
    bool ok = info &&
              (vector ? type == DT_F32 || type == DT_F16 || type == DT_BF16 : kern_supports(type));
    if (!ok)
        return fail(f, SOTTO_UNSUPPORTED, FAIL_NOWHERE,
                    "the tensor %s has the type %s (%u), which this engine cannot use %s", text,
                    info ? info->name : "?", type, vector ? "for a vector" : "for a matrix");
    if (ne[0] % info->block)
        return fail(f, SOTTO_FORMAT, FAIL_NOWHERE,
                    "the tensor %s has rows of %llu elements, no multiple of the %u of %s", text,
                    (unsigned long long)ne[0], (unsigned)info->block, info->name);
    return SOTTO_OK;
}

static int append(struct weights *ws, const struct weight *w, int32_t *out, struct fail *f) {
    if (ws->n == ws->cap) {
        uint32_t cap = ws->cap ? ws->cap * 2 : 64;
        void *grown = heap_grow(ws->heap, ws->list, ws->cap * sizeof *w, cap * sizeof *w);
        if (!grown) return fail(f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the list of weights");
        ws->list = grown, ws->cap = cap;
    }
    ws->list[ws->n] = *w;
    *out = (int32_t)ws->n++;
    return SOTTO_OK;
}

static struct weight describe(const struct gguf_tensor *t, uint32_t part, uint32_t id) {
    struct weight w = {.name = t->name,
                       .dtype = t->type,
                       .part = part,
                       .vector = table[id].flags & VECTOR,
                       .file_at = t->offset,
                       .file_bytes = t->bytes};
    if (w.vector) {
        w.k = (uint32_t)(t->ne[0] * t->ne[1]), w.rows = 1, w.n_slices = 1;
        w.row_bytes = dtype_bytes(t->type, w.k);
        w.slice_bytes = (uint64_t)w.k * sizeof(float);
    } else {
        w.k = (uint32_t)t->ne[0], w.rows = (uint32_t)t->ne[1], w.n_slices = (uint32_t)t->ne[2];
        w.row_bytes = dtype_bytes(t->type, w.k);
        w.slice_bytes = (w.rows + TILE_ROWS - 1) / TILE_ROWS * (uint64_t)TILE_ROWS * w.row_bytes;
    }
    return w;
}

int weights_add(struct weights *ws, const struct parts *parts, const struct hparams *hp,
                uint32_t id, uint32_t layer, const char *name, bool required, int32_t *out,
                struct fail *f) {
    const struct gguf_tensor *t;
    uint32_t part = 0;
    *out = -1;
    int rc = locate(parts, hp, id, layer, name, required, 0, &t, &part, f);
    if (rc || !t) return rc;
    struct weight w = describe(t, part, id);
    return append(ws, &w, out, f);
}

int weights_add_fused(struct weights *ws, const struct parts *parts, const struct hparams *hp,
                      uint32_t id, uint32_t layer, const uint32_t *rows, uint32_t n, int32_t *out,
                      struct fail *f) {
    const struct gguf_tensor *t;
    uint32_t part = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += rows[i], out[i] = -1;
    int rc = locate(parts, hp, id, layer, NULL, false, sum, &t, &part, f);
    if (rc || !t) return rc;
    struct weight whole = describe(t, part, id);
    uint64_t at = whole.file_at;
    for (uint32_t i = 0; i < n && !rc; i++) {
        struct weight w = whole;
        if (w.vector) {
            w.k = rows[i];
            w.row_bytes = dtype_bytes(w.dtype, w.k), w.slice_bytes = (uint64_t)w.k * sizeof(float);
            w.file_bytes = w.row_bytes;
        } else {
            w.rows = rows[i];
            w.slice_bytes =
                (w.rows + TILE_ROWS - 1) / TILE_ROWS * (uint64_t)TILE_ROWS * w.row_bytes;
            w.file_bytes = (uint64_t)w.rows * w.row_bytes;
        }
        w.file_at = at;
        at += w.file_bytes;
        rc = append(ws, &w, &out[i], f);
    }
    return rc;
}

void weights_free(struct weights *ws) {
    HEAP_FREE(ws->heap, ws->list, ws->cap);
    ws->list = NULL, ws->n = ws->cap = 0;
}
