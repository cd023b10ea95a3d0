/* The searches that the encoders share: least squared error over a few dozen candidate scales. */
#ifndef SOTTO_DATA_QUANT_FIT_H
#define SOTTO_DATA_QUANT_FIT_H

#include "base/bytes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The nearest integer (ties to even) within [low, high]; any float is safe. Right for |x| < 2^22, and a clamp
 * of the float first makes it so. */
static inline int quant_nearest(float x, int low, int high) {
    x = x > (float)low ? x : (float)low; /* nan becomes low */
    x = x < (float)high ? x : (float)high;
    return (int)(float_bits(x + 0x1.8p23f) & 0x7fffff) - 0x400000;
}

/* The scale s for which x ~ s * q, q in [low, high], has the least error; 0 where x is zero. */
float quant_fit_scale(const float *x, int n, int low, int high);

/* The scale and minimum for which x ~ scale * q - min, q in [0, high], min >= 0. */
void quant_fit_affine(const float *x, int n, int high, float *scale, float *min);

/* Quantizes with x ~ scale * q - min and returns the squared error; q may be NULL. */
float quant_round(const float *x, int n, int low, int high, float scale, float min, int8_t *q);

#endif
