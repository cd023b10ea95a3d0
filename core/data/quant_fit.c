/* Fits of scales. For fixed codes q the best scale is a quotient of sums (linear least squares), so
 * each candidate only has to propose codes. */
#include "data/quant_fit.h"
#include "base/fmath.h"

float quant_fit_scale(const float *x, int n, int low, int high) {
    float largest = 0, best = 0, scale = 0;
    for (int i = 0; i < n; i++)
        if (f_abs(x[i]) > f_abs(largest)) largest = x[i];
    if (!(f_abs(largest) > 1e-30f)) return 0;
    /* the largest value goes to either end of the range, or a little beyond */
    for (int k = 0; k < 40; k++) {
        float inverse =
            ((k < 20 ? (float)low : (float)high) + 0.1f * (float)(k % 20 - 9)) / largest;
        float xq = 0, qq = 0;
        for (int i = 0; i < n; i++) {
            float q = (float)quant_nearest(x[i] * inverse, low, high);
            xq += x[i] * q;
            qq += q * q;
        }
        /* error = sum x^2 - xq^2 / qq */
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            scale = xq / qq;
        }
    }
    return scale;
}

void quant_fit_affine(const float *x, int n, int high, float *scale, float *min) {
    float low = 0, top = x[0];
    double sum = 0, best = 0;
    bool any = false;
    for (int i = 0; i < n; i++) {
        low = f_min(low, x[i]);
        top = f_max(top, x[i]);
        sum += (double)x[i];
    }
    *scale = 0;
    *min = -low;
    if (!(top - low > 1e-30f)) return;
    for (int k = -9; k <= 10; k++) {
        float inverse = ((float)high + 0.1f * (float)k) / (top - low);
        double xq = 0, qq = 0, q1 = 0, s, b, error, det;
        if (inverse <= 0) continue;
        for (int i = 0; i < n; i++) {
            double q = quant_nearest((x[i] - low) * inverse, 0, high);
            xq += (double)x[i] * q;
            qq += q * q;
            q1 += q;
        }
        det = n * qq - q1 * q1;
        if (det <= 0) continue;
        s = (n * xq - q1 * sum) / det;
        b = (sum - s * q1) / n;
        if (b > 0) { /* a minimum below zero cannot be stored */
            b = 0;
            s = xq / qq;
        }
        if (s <= 0) continue;
        error = s * s * qq + n * b * b + 2 * s * b * q1 - 2 * s * xq -
                2 * b * sum; /* less the sum of x^2 */
        if (any && error >= best) continue;
        any = true;
        best = error;
        *scale = (float)s;
        *min = (float)-b;
    }
    if (!any) *scale = (top - low) / (float)high; /* one value all over: any scale does */
}

float quant_round(const float *x, int n, int low, int high, float scale, float min, int8_t *q) {
    float inverse = scale != 0 ? 1 / scale : 0, error = 0;
    for (int i = 0; i < n; i++) {
        int v = quant_nearest((x[i] + min) * inverse, low, high);
        float e = x[i] + min - scale * (float)v;
        error += e * e;
        if (q) q[i] = (int8_t)v;
    }
    return error;
}
