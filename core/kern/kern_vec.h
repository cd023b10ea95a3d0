/* The vector part of the kernel table: one entry per function of kern.h's "vectors" section, with the
 * same arguments less the table.
 *
 * Both levels give the same bits. A sum keeps eight lanes, lane i % 8 adding its terms in order, and
 * ends as vec_lanes_sum says; maxima do not depend on the order; the rest is element by element.
 */
#ifndef SOTTO_KERN_KERN_VEC_H
#define SOTTO_KERN_KERN_VEC_H

#include "kern/kern.h"

struct kern_vec_table {
    void (*rms_norm)(float *dst, const float *x, const float *weight, size_t n, float eps);
    void (*layer_norm)(float *dst, const float *x, const float *weight, const float *bias, size_t n,
                       float eps);
    void (*l2_norm)(float *dst, const float *x, size_t n, float eps);
    void (*unary)(enum unary op, float *dst, const float *x, size_t n);
    void (*glu)(enum unary op, float *dst, const float *gate, const float *up, size_t n);
    void (*add)(float *dst, const float *a, const float *b, size_t n);
    void (*mul)(float *dst, const float *a, const float *b, size_t n);
    void (*scale)(float *dst, const float *a, float s, size_t n);
    void (*axpy)(float *dst, float s, const float *x, size_t n);
    float (*dot)(const float *a, const float *b, size_t n);
    float (*max)(const float *x, size_t n);
    size_t (*argmax)(const float *x, size_t n);
    float (*exp_sum)(const float *x, size_t n, float most, float s);
    void (*softmax)(float *dst, const float *x, size_t n, float scale);
    void (*softcap)(float *dst, const float *x, size_t n, float cap);
    void (*rope)(float *x, const float *cos_sin, size_t n_rot, bool neox);
};

extern const struct kern_vec_table kern_vec_scalar, kern_vec_simd;

static inline float vec_lanes_sum(const float lane[8]) {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* One element of a unary op: the definition for every level. */
float vec_unary_one(enum unary op, float x);

#endif
