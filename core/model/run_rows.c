/* Ops that walk rows: embedding, norms, additions, the choice of wanted rows; and elementwise
 * activations. */
#include "base/fmath.h"
#include "model/run.h"
#include <string.h>

enum { POOL_COLUMNS = 64 };

static bool in_tail(const struct model *m, const struct op *op) {
    return op >= m->plan.ops + m->plan.n_body && op < m->plan.ops + m->plan.n_logits;
}

uint32_t run_tokens(const struct model *m, const struct op *op) {
    const struct walk *w = &m->walk;
    if (op->walk == WALK_TOKENS) return w->n_tokens;
    if (op->walk == WALK_TEXTS) return w->kind < KIND_POOLED ? 0 : w->n_entries;
    return in_tail(m, op) ? w->n_group : w->n_rows;
}

static float *row_of(const struct model *m, const struct op *op, int32_t buffer, uint32_t at) {
    size_t first =
        in_tail(m, op) && buffer != BUFFER_LOGITS ? m->walk.group : 0; /* rows before are done */
    return model_buffer(m, buffer) + first * run_stride(m, buffer) + at;
}
float *run_in(const struct model *m, const struct op *op) {
    return row_of(m, op, op->in, op->in_at);
}
float *run_out(const struct model *m, const struct op *op) {
    return row_of(m, op, op->out, op->out_at);
}

void run_norm(const struct model *m, struct norm_spec norm, float *dst, const float *x, size_t n) {
    const float *w = model_floats(m, norm.w), *b = model_floats(m, norm.b);
    if (norm.groups > 1) { /* RMS only */
        size_t each = n / norm.groups;
        for (size_t at = 0; at < n; at += each)
            kern_rms_norm(m->kern, dst + at, x + at, w ? w + at : NULL, each, m->hp.norm_eps);
        return;
    }
    if (norm.kind == NORM_RMS) {
        kern_rms_norm(m->kern, dst, x, w, n, m->hp.norm_eps);
        if (b) kern_add(m->kern, dst, dst, b, n);
    } else
        kern_layer_norm(m->kern, dst, x, w, b, n, m->hp.norm_eps);
}

/* ggml_xielu: expm1 below zero, a parabola above. */
static float xielu(float x, const float *p) {
    float alpha_n = p[2] + (float)d_log(1 + d_exp((double)p[0])),
          alpha_p = (float)d_log(1 + d_exp((double)p[1]));
    if (x > 0) return alpha_p * x * x + p[2] * x;
    double low = x < p[3] ? (double)x : (double)p[3];
    return ((float)(d_exp(low) - 1) - x) * alpha_n + p[2] * x;
}

/* gpt-oss: swish with slope 1.702, both sides clamped to 7. */
static float oai(float gate, float up) {
    float g = gate < 7 ? gate : 7, u = up > 7 ? 7 : up < -7 ? -7 : up;
    return g / (1 + f_exp(-1.702f * g)) * (u + 1);
}

void run_act(const struct model *m, uint32_t act, const float *curve, float *dst, const float *gate,
             const float *up, size_t n) {
    static const uint8_t unary[] = {[FFN_SILU] = UN_SILU,
                                    [FFN_GELU] = UN_GELU,
                                    [FFN_GELU_ERF] = UN_GELU_ERF,
                                    [FFN_RELU] = UN_RELU,
                                    [FFN_RELU2] = UN_RELU2,
                                    [FFN_TANH] = UN_TANH};
    if (act == FFN_XIELU) {
        for (size_t i = 0; i < n; i++) dst[i] = xielu(gate[i], curve) * (up ? up[i] : 1);
    } else if (act == FFN_OAI) {
        for (size_t i = 0; i < n; i++) dst[i] = oai(gate[i], up ? up[i] : 0);
    } else if (up)
        kern_glu(m->kern, (enum unary)unary[act], dst, gate, up, n);
    else
        kern_unary(m->kern, (enum unary)unary[act], dst, gate, n);
}

static void embed(const struct runner *r, const struct op *op, uint32_t t) {
    const struct model *m = r->m;
    const struct walk *w = &m->walk;
    size_t n = op->width;
    float *x = run_out(m, op) + t * run_stride(m, op->out);
    if (!op->embed.again)
        rope_token((struct model *)m, model_floats(m, op->embed.factors), t, w->positions[t]);
    const struct weight *embd = model_weight(m, op->embed.w);
    kern_row(embd->dtype, x, embd->data, n, w->tokens[t]);
    if (op->embed.scale != 1) kern_scale(m->kern, x, x, op->embed.scale, n);
    if (op->embed.position_w >= 0) {
        const struct weight *position = model_weight(m, op->embed.position_w);
        float *row = (float *)(void *)r->scratch;
        uint32_t last = position->rows - 1;
        kern_row(position->dtype, row, position->data, n,
                 w->positions[t] < last ? w->positions[t] : last);
        kern_add(m->kern, x, x, row, n);
    }
    if (op->embed.type_w >= 0) {
        const struct weight *type = model_weight(m, op->embed.type_w);
        float *row = (float *)(void *)r->scratch;
        kern_row(type->dtype, row, type->data, n, type->rows > 1 ? w->types[t] : 0);
        kern_add(m->kern, x, x, row, n);
    }
}

static float sigmoid(float x) {
    return 1 / (1 + f_exp(-x));
}

static void one_row(const struct runner *r, const struct op *op, uint32_t t) {
    const struct model *m = r->m;
    size_t n = op->width;
    if (op->kind == OP_EMBED) {
        embed(r, op, t);
        return;
    }
    float *out = run_out(m, op) + t * run_stride(m, op->out);
    if (op->kind == OP_ROWS) {
        memcpy(out, run_in(m, op) + m->walk.row_token[t] * run_stride(m, op->in),
               n * sizeof(float));
        return;
    }
    const float *in = run_in(m, op) + t * run_stride(m, op->in);
    if (op->kind == OP_COPY) {
        for (uint32_t i = 0; i < op->copy.n_parts; i++)
            memcpy(out + (size_t)i * op->copy.out_stride, in + (size_t)i * op->copy.in_stride,
                   n * sizeof(float));
    } else if (op->kind == OP_GATE) {
        size_t dim = op->gate.dim;
        for (size_t at = 0; at < n; at += dim, in += op->gate.stride)
            kern_glu(m->kern, UN_SIGMOID, out + at, in, out + at, dim);
    } else if (op->kind == OP_NORM) {
        float *to = op->norm.add ? (float *)(void *)r->scratch : out;
        for (uint32_t i = 0; i < (op->norm.n_parts ? op->norm.n_parts : 1); i++) {
            if (op->norm.scale > 0) kern_scale(m->kern, to, in, op->norm.scale, n);
            run_norm(m, op->norm.norm, to, op->norm.scale > 0 ? to : in, n);
            if (op->norm.add) kern_add(m->kern, out, out, to, n);
            to += op->norm.add ? 0 : n, in += n, out += n;
        }
    } else if (op->kind == OP_MUL) {
        const float *w = model_floats(m, op->mul.w);
        if (w)
            kern_scale(m->kern, out, out, *w, n);
        else
            kern_mul(m->kern, out, out, in, n);
    } else { /* OP_ADD */
        float s = op->add.scale;
        if (op->add.gate_w >= 0) {
            const float *x = model_buffer(m, op->add.gate_in) + t * run_stride(m, op->add.gate_in);
            s *= sigmoid(kern_dot(m->kern, x, model_floats(m, op->add.gate_w),
                                  run_stride(m, op->add.gate_in)));
        }
        kern_axpy(m->kern, out, s, in, n);
    }
}

static void rows_phase(struct runner *r, const struct op *op) {
    uint32_t total = op->kind == OP_ROWS ? r->m->walk.n_rows : run_tokens(r->m, op), from, to;
    while (run_take(r, run_pieces(total, 1), total, &from, &to))
        for (; from < to; from++) one_row(r, op, from);
}

/* Columns [from, from + n) of a text's vector: its wanted rows of this piece, in their order. */
static void pool_unit(const struct model *m, const struct op *op, uint32_t text, uint32_t from,
                      uint32_t n) {
    const struct walk *w = &m->walk;
    float *out = model_buffer(m, op->out) + text * run_stride(m, op->out) + from;
    float share = 1 / (float)w->entries[text].n_rows;
    const float *in = run_in(m, op) + from;
    for (uint32_t i = 0; i < w->n_rows; i++)
        if (w->row_entry[i] == text)
            kern_axpy(m->kern, out, share, in + i * run_stride(m, op->in), n);
}

static void pool_phase(struct runner *r, const struct op *op) {
    uint32_t blocks = (op->width + POOL_COLUMNS - 1) / POOL_COLUMNS, from, to,
             total = run_tokens(r->m, op) * blocks;
    while (run_take(r, run_pieces(total, 1), total, &from, &to))
        for (; from < to; from++) {
            uint32_t at = from % blocks * POOL_COLUMNS, n = op->width - at;
            pool_unit(r->m, op, from / blocks, at, n < POOL_COLUMNS ? n : POOL_COLUMNS);
        }
}

uint32_t run_phases(const struct model *m, const struct op *op) {
    switch (op->kind) {
    case OP_LINEAR:
        return linear_phases(m, op);
    case OP_ATTN:
        return attn_phases(m, op);
    case OP_SLICES:
        return slices_phases(m, op);
    case OP_ROUTE:
    case OP_EXPERTS:
    case OP_EXPERTS_DOWN:
    case OP_MIX:
        return experts_phases(op);
    default:
        return 1;
    }
}

void run_phase(struct runner *r, const struct op *op, uint32_t phase) {
    switch (op->kind) {
    case OP_LINEAR:
        linear_phase(r, op, phase);
        break;
    case OP_HEADS:
        heads_phase(r, op);
        break;
    case OP_ATTN:
        attn_phase(r, op, phase);
        break;
    case OP_SLICES:
        slices_phase(r, op, phase);
        break;
    case OP_ROUTE:
    case OP_EXPERTS:
    case OP_EXPERTS_DOWN:
    case OP_MIX:
        experts_phase(r, op, phase);
        break;
    case OP_CONV:
        conv_phase(r, op);
        break;
    case OP_SCAN:
        scan_phase(r, op);
        break;
    case OP_DELTA:
        delta_phase(r, op);
        break;
    case OP_POOL:
        pool_phase(r, op);
        break;
    default:
        rows_phase(r, op);
        break;
    }
}
