/* Inputs of each layer's own (Gemma 3n and 4): a second embedding of the token, a part for every
 * layer, averaged with a projection of the first; a layer adds its part to the residual after its
 * FFN, gated by the residual. */
#include "base/fmath.h"
#include "model/plan.h"

static const struct norm_spec no_norm = {.kind = -1, .w = NO_WEIGHT, .b = NO_WEIGHT};

int32_t trunk_layer_inputs(struct builder *b, int32_t x) {
    const struct hparams *hp = b->hp;
    uint32_t n = hp->n_embd_layer * hp->n_layer;
    int32_t inputs = build_buffer(b, "inputs", n), proj = build_buffer(b, "inputs_proj", n);
    struct op *op = build_op(b, OP_EMBED, "layer_embed", NO_BUFFER, inputs, n);
    /* sqrt(width) as the embedding's own scale, sqrt(1/2) of the average */
    op->embed = (struct op_embed){.w = build_weight(b, W_LAYER_EMBD, true),
                                  .type_w = NO_WEIGHT,
                                  .position_w = NO_WEIGHT,
                                  .factors = NO_WEIGHT,
                                  .scale = f_sqrt((float)hp->n_embd_layer / 2),
                                  .again = true};
    int32_t w = build_weight(b, W_LAYER_PROJ, true),
            norm = build_weight(b, W_LAYER_PROJ_NORM, true);
    build_linear(b, "layer_proj", no_norm, x, proj, &w, NULL, 1, false);
    op = build_op(b, OP_NORM, "layer_proj_norm", proj, proj, hp->n_embd_layer);
    op->norm = (struct op_norm){.norm = {.kind = NORM_RMS, .w = norm, .b = NO_WEIGHT},
                                .n_parts = hp->n_layer,
                                .scale = 1 / f_sqrt((float)hp->n_embd)};
    op = build_op(b, OP_ADD, "layer_inputs", proj, inputs, n);
    op->add = (struct op_add){.scale = f_sqrt(0.5f), .gate_w = NO_WEIGHT, .gate_in = NO_BUFFER};
    return inputs;
}

void trunk_layer_input(struct builder *b, int32_t x, int32_t inputs) {
    const struct hparams *hp = b->hp;
    int32_t gate = build_weight(b, W_INPUT_GATE, true), proj = build_weight(b, W_INPUT_PROJ, true);
    int32_t h = build_buffer(b, "gated_input", hp->n_embd_layer),
            y = build_buffer(b, "input_branch", hp->n_embd);
    struct op *op = build_linear(b, "input_gate", no_norm, x, h, &gate, NULL, 1, false);
    op->linear.epilogue = EPI_ACT, op->linear.act = (uint8_t)hp->act;
    op = build_op(b, OP_MUL, "input_gated", inputs, h, hp->n_embd_layer);
    op->in_at = b->layer * hp->n_embd_layer, op->mul.w = NO_WEIGHT;
    build_linear(b, "input_proj", no_norm, h, y, &proj, NULL, 1, false);
    op = build_op(b, OP_NORM, "input_norm", y, x, hp->n_embd);
    op->norm = (struct op_norm){
        .norm = {.kind = NORM_RMS, .w = build_weight(b, W_INPUT_NORM, true), .b = NO_WEIGHT},
        .add = true};
}
