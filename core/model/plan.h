/* The plan: a flat list of ops that a trunk builds once per model, independent of batch size.
 *
 * Ops read and write buffers: [tokens][width] floats, given memory by the ops between their first
 * and last use. Ops up to `n_body` walk all tokens of a piece (after OP_ROWS only the rows somebody
 * wants something of). What follows depends on what a batch is for: logits come from the ops up to
 * `n_logits`, which walk those rows in groups; embeddings from those up to `n_pool`, which make the
 * states of the rows and add them up by text, and then from those up to `n_dense`, or, for the
 * scores of a reranker, from there to the end; these walk the texts of the batch once. Norms and
 * activations that feed a product are part of its op, so that a token costs few barriers.
 */
#ifndef SOTTO_MODEL_PLAN_H
#define SOTTO_MODEL_PLAN_H

#include "base/sbuf.h"
#include "model/weights.h"

enum op_kind {
    OP_EMBED,  /* out = row of `w` by token id * scale (+ row of `position_w` by position); cos/sin
                  tables */
    OP_NORM,   /* out (+)= norm(in), in parts of the row where there are several */
    OP_LINEAR, /* up to three products of one prepared input, and what follows them */
    OP_HEADS,  /* clamp, norm, rotate q and k in place; K and V into the cache */
    OP_ATTN,
    OP_ADD,     /* out += in * scale (* sigmoid(gate)) */
    OP_ROWS,    /* out = the wanted rows of in; n_tokens becomes n_rows */
    OP_ROUTE,   /* router logits to chosen experts and weights, and the lists of tokens by expert */
    OP_EXPERTS, /* gate/up of chosen experts with their activation */
    OP_EXPERTS_DOWN, /* down of chosen experts */
    OP_MIX,          /* out += scale * sum over chosen experts of weight * in */
    OP_SLICES,       /* part i of out = slice i of the weight times part i of in */
    OP_MUL,          /* out *= in, or *= `w` where there is one */
    OP_COPY,         /* `width` floats from each part of in to each part of out */
    OP_CONV,         /* a causal convolution of each channel over the state and in */
    OP_SCAN,         /* a selective scan: in and the state to out */
    OP_DELTA,        /* a gated delta rule: in and the state to out */
    OP_GATE,         /* out *= sigmoid(in), head by head */
    OP_POOL,         /* out of a text += the mean of its wanted rows of in */
    OP_COUNT
};

struct norm_spec {
    int8_t kind;     /* enum norm_kind, -1: none */
    uint16_t groups; /* equal parts that are normalised each for itself; 0: one */
    int32_t w, b;
};

enum epilogue {
    EPI_NONE,
    EPI_GLU /* act(item 0) * item 1 into item 0's place */,
    EPI_ACT,
    EPI_LOGITS
};
enum { LINEAR_ITEMS = 3, NO_WEIGHT = -1, NO_BUFFER = -1 };

struct linear_item {
    int32_t w, bias, out;
    uint32_t out_at;
    bool add;
};
struct op_embed {
    int32_t w, position_w, type_w, factors /* of rope, or -1 */;
    float scale;
    bool again; /* further rows of the same tokens: the cos/sin tables are made */
};
struct op_norm {
    struct norm_spec norm;
    bool add;
    uint32_t n_parts; /* of `width` each; 0: one */
    float scale;      /* of in; 0: none */
};
struct op_linear {
    struct norm_spec norm; /* of the input, before it is prepared */
    uint32_t k, n_items;
    struct linear_item item[LINEAR_ITEMS];
    uint8_t epilogue, act; /* enum epilogue, enum ffn_act */
    uint8_t kinds;         /* activation kinds to prepare, one bit each */
    float scale, softcap;  /* EPI_LOGITS; 0: none */
    const float *curve;    /* FFN_XIELU: four numbers */
};
struct op_heads {
    uint32_t q_at, k_at, v_at;
    int32_t q_norm, k_norm;
    uint32_t rope_at; /* the rotated elements of a head start here */
    uint8_t norm_kind;
    bool v_norm, norm_each /* a weight per head */, after_rope, l2, temperature;
    int32_t from; /* buffer where queries lie at every other head's place, or NO_BUFFER */
};
struct op_attn {
    int32_t sinks, bias /* by distance */;
};
struct op_add {
    float scale;
    int32_t gate_w, gate_in; /* vector and its input buffer, or -1 */
};
struct op_route {
    int32_t bias;
};
struct op_experts {
    int32_t gate, gate_b, up, up_b, down, down_b, chosen;
    uint32_t k /* of the input */, n_ff;
    bool both; /* gate and up are one weight, the gate's n_ff rows first */
    uint8_t act, kinds;
};
struct op_mix {
    float scale;
    bool add, unweighted;
    int32_t chosen, scale_w; /* a factor per expert, or NO_WEIGHT */
};

struct op_slices {
    int32_t w;
    uint32_t in_stride, out_stride; /* floats from part to part */
};
struct op_mul {
    int32_t w; /* one number, or NO_WEIGHT */
};
struct op_copy {
    uint32_t n_parts, in_stride, out_stride;
};
struct op_conv { /* width channels; in_at, gate_at and post_at lie in the same row */
    int32_t w, bias;
    uint32_t taps, state_at; /* floats into the state */
    int32_t gate_at /* in is multiplied with it first, or -1 */, post_at /* and the sums, or -1 */;
    bool silu;
};
struct op_scan { /* width rows in heads of dim; one decay a head, or (dim 0) one a row and state */
    int32_t a, d;
    int32_t dt, bc, z; /* buffers; z may be NO_BUFFER */
    uint32_t dt_at, b_at, c_at, z_at, state_at;
    uint32_t n_state, dim, n_group;
};
struct op_delta { /* width values in heads of dim; queries and keys come first in the same row */
    int32_t a, bias, norm;
    int32_t z, ba; /* buffers */
    uint32_t z_at, state_at, n_state, dim, n_group;
    bool paired; /* heads of a group are neighbours, and so are their beta and alpha */
};
struct op_gate {
    uint32_t dim, stride; /* of a head in out and in */
};

enum op_walk { WALK_TOKENS, WALK_ROWS /* the wanted ones */, WALK_TEXTS };

struct op {
    uint8_t kind;
    uint8_t walk; /* enum op_walk */
    uint16_t layer;
    const char *label;      /* for profile and dump */
    int32_t in, out;        /* buffers */
    uint32_t in_at, out_at; /* floats into a token's row */
    uint32_t width;
    union {
        struct op_embed embed;
        struct op_norm norm;
        struct op_linear linear;
        struct op_heads heads;
        struct op_attn attn;
        struct op_add add;
        struct op_route route;
        struct op_experts experts;
        struct op_mix mix;
        struct op_slices slices;
        struct op_mul mul;
        struct op_copy copy;
        struct op_conv conv;
        struct op_scan scan;
        struct op_delta delta;
        struct op_gate gate;
    };
};

struct plan_buffer {
    const char *name;
    uint32_t width;
    uint32_t first, last;
    uint64_t at;
    bool tail, texts /* rows are the texts of a batch */;
};

enum { BUFFER_LOGITS = 0 }; /* of every plan; its rows are those of a group */

struct plan {
    struct heap *heap;
    struct op *ops;
    uint32_t n_ops, cap_ops, n_body, n_logits, n_pool, n_dense;
    int32_t states, pooled, scores; /* buffers with the results, or -1 */
    struct plan_buffer *buffers;
    uint32_t n_buffers, cap_buffers;
    uint64_t token_floats, text_floats; /* scratch per token and per text, after plan_place */
    uint64_t state_floats; /* of a sequence: what recurrent ops carry on */
};

/* What a trunk builds with: words that append ops, weights and buffers. After the first failure all
 * are silent. */
struct builder {
    const struct hparams *hp;
    const struct parts *parts;
    struct weights *weights;
    struct plan *plan;
    bool exact;     /* arithmetic: decides activation kinds */
    bool long_rope; /* LongRoPE: the long factors apply, not the short */
    int rc;
    struct fail *f;
    uint8_t walk; /* enum op_walk of the ops from now on */
    uint32_t layer;
    int32_t router_raw;    /* what a router with a norm of its own reads; 0: none */
    int32_t router_logits; /* made before attention; 0: none */
    struct op unused; /* what words return and fill after a failure */
};

int32_t build_buffer(struct builder *b, const char *name, uint64_t width);
struct op *build_op(struct builder *b, enum op_kind kind, const char *label, int32_t in,
                    int32_t out, uint32_t width);
void build_reads(struct builder *b, int32_t buffer); /* the last op reads this buffer too */
int32_t build_weight(struct builder *b, uint32_t id,
                     bool required); /* of the current layer; -1 where absent */
int32_t build_named(struct builder *b, uint32_t id, const char *name, bool required);
/* A product of in with up to three weights (-1 ends the list); items write into out one after the
 * other. */
struct op *build_linear(struct builder *b, const char *label, struct norm_spec norm, int32_t in,
                        int32_t out, const int32_t *w, const int32_t *bias, uint32_t n, bool add);

/* n floats of the state; LIMIT where it grows beyond bounds. */
uint32_t build_state(struct builder *b, uint64_t n);

/* Builds the plan of a model; plan and weights are empty and have their heap. */
int plan_build(struct builder *b);
/* Gives buffers memory by liveness. */
void plan_place(struct plan *p);
void plan_free(struct plan *p);
/* The golden text of tests/golden/plan. */
void plan_print(const struct plan *p, const struct weights *ws, const struct hparams *hp,
                struct sbuf *out);

int trunk_decoder(struct builder *b);
/* What gives embeddings and scores of the states in x (final norm not yet applied); the last words
 * of a trunk, after those for logits. */
void trunk_pool(struct builder *b, struct norm_spec norm, int32_t x);
/* The experts of the current layer: reads normed, adds to (or, add false, fills) out. */
void trunk_experts(struct builder *b, int32_t normed, int32_t out, bool add);
int32_t trunk_router(struct builder *b, int32_t in); /* its logits from in */
/* What each layer is given of a token beside the residual x: [tokens][layers][n_embd_layer]. */
int32_t trunk_layer_inputs(struct builder *b, int32_t x);
/* Adds the current layer's part of them, gated by x, to x. */
void trunk_layer_input(struct builder *b, int32_t x, int32_t inputs);
/* Latent attention (MLA) of the current layer from in, normalised by norm first. */
void trunk_latent(struct builder *b, struct norm_spec norm, int32_t in, int32_t out, bool add);

/* True where the current layer has a recurrent mixer, and that mixer: reads in (normalised by norm
 * first), adds to (or, add false, fills) out. */
bool trunk_has_recurrent(const struct builder *b);
void trunk_recurrent(struct builder *b, struct norm_spec norm, int32_t in, int32_t out, bool add);

/* Weights an op reads, for readiness and feed order: calls visit for each. */
void op_weights(const struct op *op, void (*visit)(void *arg, int32_t w), void *arg);

#endif
