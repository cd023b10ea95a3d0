/* Hands the vector functions of kern.h to the table's entries. */
#include "kern/kern_vec.h"
#include "kern/kern_table.h"

void kern_rms_norm(const struct kern *kern, float *dst, const float *x, const float *weight,
                   size_t n, float eps) {
    kern->vec->rms_norm(dst, x, weight, n, eps);
}

void kern_layer_norm(const struct kern *kern, float *dst, const float *x, const float *weight,
                     const float *bias, size_t n, float eps) {
    kern->vec->layer_norm(dst, x, weight, bias, n, eps);
}

void kern_l2_norm(const struct kern *kern, float *dst, const float *x, size_t n, float eps) {
    kern->vec->l2_norm(dst, x, n, eps);
}

void kern_unary(const struct kern *kern, enum unary op, float *dst, const float *x, size_t n) {
    kern->vec->unary(op, dst, x, n);
}

void kern_glu(const struct kern *kern, enum unary op, float *dst, const float *gate, const float *up,
              size_t n) {
    kern->vec->glu(op, dst, gate, up, n);
}

void kern_add(const struct kern *kern, float *dst, const float *a, const float *b, size_t n) {
    kern->vec->add(dst, a, b, n);
}

void kern_mul(const struct kern *kern, float *dst, const float *a, const float *b, size_t n) {
    kern->vec->mul(dst, a, b, n);
}

void kern_scale(const struct kern *kern, float *dst, const float *a, float s, size_t n) {
    kern->vec->scale(dst, a, s, n);
}

void kern_axpy(const struct kern *kern, float *dst, float s, const float *x, size_t n) {
    kern->vec->axpy(dst, s, x, n);
}

float kern_dot(const struct kern *kern, const float *a, const float *b, size_t n) {
    return kern->vec->dot(a, b, n);
}

float kern_max(const struct kern *kern, const float *x, size_t n) { return kern->vec->max(x, n); }

size_t kern_argmax(const struct kern *kern, const float *x, size_t n) {
    return kern->vec->argmax(x, n);
}

float kern_exp_sum(const struct kern *kern, const float *x, size_t n, float most, float s) {
    return kern->vec->exp_sum(x, n, most, s);
}

void kern_softmax(const struct kern *kern, float *dst, const float *x, size_t n, float scale) {
    kern->vec->softmax(dst, x, n, scale);
}

void kern_softcap(const struct kern *kern, float *dst, const float *x, size_t n, float cap) {
    kern->vec->softcap(dst, x, n, cap);
}

void kern_rope(const struct kern *kern, float *x, const float *cos_sin, size_t n_rot, bool neox) {
    kern->vec->rope(x, cos_sin, n_rot, neox);
}
