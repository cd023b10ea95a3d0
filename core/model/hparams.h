/* Hyperparameters: the numbers of a model, read from GGUF metadata by a table and checked.
 *
 * After hparams_read every number is within fixed bounds, so that products of two or three of them
 * fit 64 bits and a layout can be computed before anything is allocated.
 */
#ifndef SOTTO_MODEL_HPARAMS_H
#define SOTTO_MODEL_HPARAMS_H

#include "base/heap.h"
#include "base/status.h"
#include "model/arch.h"

enum { MAX_LAYERS = 512, MAX_EXPERTS = 512, MAX_HEAD_DIM = 1024, MAX_VOCAB = 1 << 22 };

struct layer_hp { /* what may differ from layer to layer */
    uint32_t n_head, n_kv_head /* 0: no attention */, dim_k, dim_v, n_ff;
    uint32_t n_rot;
    uint32_t window;  /* 0: sees everything */
    uint32_t kv_back; /* it reads K and V of the layer so many before it; 0: its own */
    uint8_t rope;     /* enum rope_kind */
    uint8_t rope_set; /* which of the model's cos/sin tables */
    bool v_in_k;      /* V is the leading dim_v elements of K: the cache keeps one row for both */
    float xielu[4];   /* alpha_n, alpha_p, beta, eps */
};

enum pooling { POOL_NONE, POOL_MEAN, POOL_CLS, POOL_LAST, POOL_RANK }; /* as files number them */

enum rope_scaling { SCALING_NONE, SCALING_LINEAR, SCALING_YARN, SCALING_LONGROPE };

struct hparams {
    const struct arch *arch;
    uint32_t n_shared_kv;  /* layers at the end without K and V of their own */
    uint32_t n_embd_layer; /* inputs of each layer beside the residual; 0: none */
    uint32_t n_layer_draft; /* more in the file, which only guess ahead; not in n_layer */
    uint32_t n_layer, n_embd, n_head, n_kv_head, n_vocab, n_ctx_train;
    uint32_t dim_k, dim_v, n_ff, act /* enum ffn_act */;
    float norm_eps;
    /* rope */
    uint32_t n_rot, n_ctx_orig, scaling;
    float rope_base, rope_base_local, rope_scale /* factor on positions, 1: none */;
    float rope_attn_factor, yarn_beta_fast, yarn_beta_slow, yarn_log_mul, yarn_ext_factor;
    bool local_unscaled;
    /* attention */
    uint32_t window, window_period;
    bool encoder; /* attention sees the whole text */
    uint32_t pooling, head_pooling; /* enum pooling: the file's, and of its reranking head */
    float attn_scale, attn_softcap, clamp_qkv, alibi_bias;
    uint32_t temperature_step;
    float temperature_scale;
    /* latent attention (MLA): elements of the compressed K and V, and of a head once decompressed;
     * dim_k_mla 0 with a latent: the file has k_b and v_b as one matrix */
    uint32_t n_latent, dim_k_mla, dim_v_mla;
    /* experts */
    uint32_t n_expert, n_expert_used, n_group, n_group_used, moe_gate;
    bool moe_norm;
    float moe_scale;
    /* recurrent layers; 0: none. ssm_rank is the time step's rank (Mamba) or the heads (Mamba-2) */
    uint32_t ssm_conv, ssm_inner, ssm_state, ssm_rank, ssm_group, short_conv;
    bool ssm_norms; /* time step, B and C are normalised */
    /* scales; 0: none */
    float embd_scale, residual_scale, logit_scale, logit_softcap;
    bool parallel;
    struct layer_hp *layers; /* [n_layer], owned */
};

/* Reads the keys of g's architecture; n_vocab is the number of rows of the embedding, 0 where it is
 * absent; allocates hp->layers. UNSUPPORTED names an unknown architecture and the nearest known,
 * FORMAT names the key that is missing or out of bounds. */
int hparams_read(struct hparams *hp, struct heap *heap, const struct gguf *g, uint64_t n_vocab,
                 struct fail *f);
/* True where layers may be recurrent: those without key/value heads are. */
static inline bool hparams_recurrent(const struct hparams *hp) {
    return hp->ssm_conv || hp->short_conv;
}
void hparams_free(struct hparams *hp, struct heap *heap);

#endif
