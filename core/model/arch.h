/* Architectures as constant records: what differs from Llama, and nothing else.
 *
 * Zero means Llama's choice. Whatever a file shows by itself (biases, q/k norms, experts, a fused
 * q/k/v, an absent output matrix, norms after instead of before) is found by presence in trunk.c
 * and needs no trait; numbers come from metadata (hparams.c). Generic code asks about traits, never
 * which architecture it has.
 */
#ifndef SOTTO_MODEL_ARCH_H
#define SOTTO_MODEL_ARCH_H

#include "data/gguf.h"
#include <stdbool.h>
#include <stdint.h>

enum norm_kind { NORM_RMS, NORM_LAYER, NORM_LAYER_PLAIN /* neither weight nor bias */ };
enum rope_kind { ROPE_PAIRS /* (x0,x1), (x2,x3) … */, ROPE_NEOX /* (x0,x[n/2]) … */, ROPE_NONE };
enum ffn_act {
    FFN_SILU,
    FFN_GELU,
    FFN_GELU_ERF,
    FFN_RELU,
    FFN_RELU2,
    FFN_XIELU, /* apertus: its own curve, four numbers a layer */
    FFN_OAI,   /* gpt-oss: clamped swish gate times (up + 1) */
    FFN_TANH,  /* heads of rerankers */
};
enum moe_gate {
    MOE_SOFTMAX,
    MOE_SIGMOID,
    MOE_SOFTMAX_CHOSEN /* over the chosen experts' logits */
};
enum layer_set { LAYERS_NONE, LAYERS_GLOBAL /* those without a window */, LAYERS_EVERY_FOURTH };

struct hparams;
struct builder;

struct arch {
    const char *name;
    enum norm_kind norm;
    enum rope_kind rope;
    enum ffn_act act;
    enum ffn_act act_ungated;   /* of an FFN without a gate; 0: act */
    const char *tensors;        /* what stands before the names of its tensors, or NULL */

    /* norms and residuals */
    const char *ffn_norm; /* tensor of the norm before the FFN; NULL: "ffn_norm" */
    bool parallel_by_key; /* use_parallel_residual decides (missing: parallel) */
    bool qk_norm_after_rope;
    bool v_norm;   /* an RMS norm without weights on each head of V … */
    bool v_from_k; /* … which is K (before its norm) in layers without a V matrix */

    /* attention */
    bool encoder;          /* sees the whole text, and gives its vectors instead of a next token */
    uint8_t window_period; /* every n-th layer sees all, the others a window; 0: the file's window
                              is not used */
    bool window_global_first; /* the first of a period sees all, not the last */
    bool window_all;       /* every layer has the window */
    bool window_from_file; /* without the key there is no window (instead of window_default) */
    uint32_t window_default;
    float local_rope_base;    /* > 0: windowed layers rotate with this base and without scaling */
    bool local_rope_unscaled; /* windowed layers rotate without scaling */
    enum layer_set no_rope;
    bool rope_by_key; /* rope.scaling.finetuned false: no layer rotates */
    uint32_t attn_scale_layers; /* files of so many blocks scale queries by 1/sqrt(embd / heads) */
    bool alibi;                 /* a slope per head instead of rotation */
    float alibi_default;        /* max bias where the file has no key */
    bool attn_unscaled;         /* scores are not divided by the root of the head size */
    const char *attn_out;       /* tensor of the output product; NULL: "attn_output" */
    bool kq_l2_norm; /* q and k normalised without weights, after rope, in rotated layers */
    uint32_t temperature_step;  /* queries scaled by 1 + a log(1 + floor((p + offset) / step)):
                                   default step, … */
    float temperature_scale;    /* … a (the file's keys come first) … */
    uint8_t temperature_offset; /* … and offset */
    bool temperature_no_rope;   /* only in layers without rope */

    uint8_t attention_period;   /* every n-th layer attends, the others are recurrent (the file's
                                   keys come first); 0: those with key/value heads do */

    /* experts */
    enum moe_gate moe_gate;
    bool moe_raw_weights;  /* weights of the chosen experts are not normalised to 1 */
    bool moe_early;        /* the router reads what the block reads, before attention */
    bool moe_weight_input; /* the weight scales the expert's input, not its output */

    /* scales */
    bool embd_scale_sqrt;     /* embeddings times sqrt(n_embd) */
    bool logit_scale_divides; /* logits / logit_scale instead of times */

    /* reranking heads */
    enum ffn_act head_act; /* 0: tanh */
    bool head_mean;        /* read the mean of a text where the file has no key, not one token */
    bool head_softmax;     /* the scores are probabilities */

    /* fills defaults that are formulas of other numbers, after the keys were read; may be NULL */
    void (*derive)(struct hparams *hp);
    /* builds the plan; NULL: the decoder of trunk.c */
    int (*trunk)(struct builder *b);
};

/* The record of a name, NULL where there is none. */
const struct arch *arch_find(struct gguf_str name);
/* Record i of the list, NULL past the end. */
const struct arch *arch_at(uint32_t i);
/* Writes the known names nearest to name (edit distance), one to three of them, as "a, b and c". */
void arch_nearest(struct gguf_str name, char *dst, size_t cap);

#endif
