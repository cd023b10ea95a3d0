/* Block codecs: any bytes decode without a read outside of them, any floats encode without undefined steps, and
 * what was encoded decodes to finite numbers where the floats were small enough. */
#include "base/bytes.h"
#include "data/dtype.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Blocks and floats lie in memory of exactly their size, so that a sanitizer sees every step outside. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct dtype_info *info;
    size_t n;
    if (size < 2) return 0;
    info = dtype_info(data[0] % DT_COUNT);
    if (!info) return 0;
    data++, size--;
    n = size / info->bytes * info->block;
    if (n) {
        uint8_t *blocks = malloc(n / info->block * info->bytes);
        float *x = malloc(n * sizeof *x);
        memcpy(blocks, data, n / info->block * info->bytes);
        info->decode(x, blocks, n);
        free(blocks);
        free(x);
    }
    n = size / 4 / info->block * info->block;
    if (n && info->encode) {
        uint8_t *blocks = malloc(n / info->block * info->bytes);
        float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
        int small = 1;
        memcpy(x, data, n * sizeof *x);
        for (size_t i = 0; i < n; i++) small &= x[i] > -1000 && x[i] < 1000;
        info->encode(blocks, x, n);
        info->decode(y, blocks, n);
        for (size_t i = 0; small && i < n; i++)
            if (!(y[i] > -10000 && y[i] < 10000)) abort();
        free(blocks);
        free(x);
        free(y);
    }
    return 0;
}
