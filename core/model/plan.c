#include "model/plan.h"
#include "model/state.h"
#include <string.h>

static void *grow(struct builder *b, void *list, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap) return list;
    uint32_t more = *cap ? *cap * 2 : 64;
    void *grown = heap_grow(b->plan->heap, list, *cap * size, more * size);
    if (!grown) {
        b->rc = fail(b->f, SOTTO_MEMORY, FAIL_NOWHERE, "no memory for the plan");
        return list;
    }
    *cap = more;
    return grown;
}

int32_t build_buffer(struct builder *b, const char *name, uint64_t width) {
    struct plan *p = b->plan;
    if (!b->rc && width > 1u << 26)
        b->rc = fail(b->f, SOTTO_LIMIT, FAIL_NOWHERE,
                     "a row of %s has %llu elements, too many for this engine", name,
                     (unsigned long long)width);
    if (!b->rc) p->buffers = grow(b, p->buffers, p->n_buffers, &p->cap_buffers, sizeof *p->buffers);
    if (b->rc) return 0;
    p->buffers[p->n_buffers] =
        (struct plan_buffer){.name = name, .width = (uint32_t)width, .first = UINT32_MAX};
    return (int32_t)p->n_buffers++;
}

static void touch(struct plan *p, int32_t buffer, uint32_t op) {
    if (buffer < 0) return;
    struct plan_buffer *at = &p->buffers[buffer];
    if (at->first == UINT32_MAX) at->first = op;
    at->last = op;
}

void build_reads(struct builder *b, int32_t buffer) {
    if (!b->rc) touch(b->plan, buffer, b->plan->n_ops - 1);
}

struct op *build_op(struct builder *b, enum op_kind kind, const char *label, int32_t in,
                    int32_t out, uint32_t width) {
    struct plan *p = b->plan;
    if (!b->rc) p->ops = grow(b, p->ops, p->n_ops, &p->cap_ops, sizeof *p->ops);
    if (b->rc) return &b->unused;
    struct op *op = &p->ops[p->n_ops];
    memset(op, 0, sizeof *op);
    op->kind = (uint8_t)kind, op->walk = b->walk, op->layer = (uint16_t)b->layer, op->label = label;
    op->in = in, op->out = out, op->width = width;
    touch(p, in, p->n_ops), touch(p, out, p->n_ops);
    p->n_ops++;
    return op;
}

int32_t build_named(struct builder *b, uint32_t id, const char *name, bool required) {
    int32_t w = NO_WEIGHT;
    if (!b->rc)
        b->rc = weights_add(b->weights, b->parts, b->hp, id, b->layer, name, required, &w, b->f);
    return w;
}

int32_t build_weight(struct builder *b, uint32_t id, bool required) {
    return build_named(b, id, NULL, required);
}

struct op *build_linear(struct builder *b, const char *label, struct norm_spec norm, int32_t in,
                        int32_t out, const int32_t *w, const int32_t *bias, uint32_t n, bool add) {
    uint32_t k = 0, at = 0;
    struct op *op = build_op(b, OP_LINEAR, label, in, out, 0);
    if (b->rc) return op;
    struct op_linear *l = &op->linear;
    *l = (struct op_linear){.norm = norm, .n_items = n};
    for (uint32_t i = 0; i < n; i++) {
        const struct weight *weight = &b->weights->list[w[i]];
        k = weight->k;
        l->item[i] = (struct linear_item){
            .w = w[i], .bias = bias ? bias[i] : NO_WEIGHT, .out = out, .out_at = at, .add = add};
        l->kinds |= (uint8_t)(1u << kern_act_kind(weight->dtype, b->exact));
        at += weight->rows;
    }
    l->k = k;
    op->width = at;
    return op;
}

uint32_t build_state(struct builder *b, uint64_t n) {
    uint64_t at = b->plan->state_floats;
    if (!b->rc && n > STATE_FLOATS_MOST - at)
        b->rc = fail(b->f, SOTTO_LIMIT, FAIL_NOWHERE,
                     "the recurrent state has more than %llu elements, too many for this engine",
                     (unsigned long long)STATE_FLOATS_MOST);
    if (b->rc) return 0;
    b->plan->state_floats += (n + 15) & ~(uint64_t)15;
    return (uint32_t)at;
}

int plan_build(struct builder *b) {
    b->rc = SOTTO_OK;
    build_buffer(b, "logits", b->hp->n_vocab);
    if (b->rc) return b->rc;
    b->plan->buffers[BUFFER_LOGITS].tail = true;
    b->plan->states = b->plan->pooled = b->plan->scores = NO_BUFFER;
    int (*trunk)(struct builder *) = b->hp->arch->trunk ? b->hp->arch->trunk : trunk_decoder;
    int rc = trunk(b);
    struct plan *p = b->plan;
    if (p->states < 0) p->n_logits = p->n_pool = p->n_dense = p->n_ops; /* no embeddings */
    if (!rc) plan_place(p);
    return rc;
}

static uint32_t padded(uint32_t width) {
    return (width + 15u) & ~15u;
} /* rows of whole cache lines */

/* First fit over the buffers alive at the same time; n is a few hundred. */
void plan_place(struct plan *p) {
    p->token_floats = p->text_floats = 0;
    for (uint32_t i = 0; i < p->n_buffers; i++) {
        struct plan_buffer *own = &p->buffers[i];
        if (own->texts) own->at = p->text_floats, p->text_floats += padded(own->width);
        if (own->tail || own->texts || own->first == UINT32_MAX) continue;
        uint64_t at = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (uint32_t j = 0; j < i; j++) {
                const struct plan_buffer *other = &p->buffers[j];
                if (other->tail || other->texts || other->first == UINT32_MAX ||
                    other->last < own->first || own->last < other->first)
                    continue;
                if (at < other->at + padded(other->width) && other->at < at + padded(own->width))
                    at = other->at + padded(other->width), moved = true;
            }
        }
        own->at = at;
        if (at + padded(own->width) > p->token_floats) p->token_floats = at + padded(own->width);
    }
}

void plan_free(struct plan *p) {
    HEAP_FREE(p->heap, p->ops, p->cap_ops);
    HEAP_FREE(p->heap, p->buffers, p->cap_buffers);
    p->ops = NULL, p->buffers = NULL;
    p->n_ops = p->cap_ops = p->n_buffers = p->cap_buffers = 0;
}

void op_weights(const struct op *op, void (*visit)(void *arg, int32_t w), void *arg) {
    int32_t list[2 + 2 * LINEAR_ITEMS];
    uint32_t n = 0;
    switch (op->kind) {
    case OP_EMBED:
        list[n++] = op->embed.w, list[n++] = op->embed.position_w, list[n++] = op->embed.factors;
        list[n++] = op->embed.type_w;
        break;
    case OP_NORM:
        list[n++] = op->norm.norm.w, list[n++] = op->norm.norm.b;
        break;
    case OP_LINEAR:
        list[n++] = op->linear.norm.w, list[n++] = op->linear.norm.b;
        for (uint32_t i = 0; i < op->linear.n_items; i++)
            list[n++] = op->linear.item[i].w, list[n++] = op->linear.item[i].bias;
        break;
    case OP_HEADS:
        list[n++] = op->heads.q_norm, list[n++] = op->heads.k_norm;
        break;
    case OP_ATTN:
        list[n++] = op->attn.sinks, list[n++] = op->attn.bias;
        break;
    case OP_ADD:
        list[n++] = op->add.gate_w;
        break;
    case OP_ROUTE:
        list[n++] = op->route.bias;
        break;
    case OP_EXPERTS:
        list[n++] = op->experts.gate, list[n++] = op->experts.gate_b, list[n++] = op->experts.up,
        list[n++] = op->experts.up_b;
        break;
    case OP_EXPERTS_DOWN:
        list[n++] = op->experts.down, list[n++] = op->experts.down_b;
        break;
    case OP_MIX:
        list[n++] = op->mix.scale_w;
        break;
    case OP_MUL:
        list[n++] = op->mul.w;
        break;
    case OP_SLICES:
        list[n++] = op->slices.w;
        break;
    case OP_CONV:
        list[n++] = op->conv.w, list[n++] = op->conv.bias;
        break;
    case OP_SCAN:
        list[n++] = op->scan.a, list[n++] = op->scan.d;
        break;
    case OP_DELTA:
        list[n++] = op->delta.a, list[n++] = op->delta.bias, list[n++] = op->delta.norm;
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < n; i++)
        if (list[i] >= 0) visit(arg, list[i]);
}
