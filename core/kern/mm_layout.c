/* Sizes of groups and panels, and which kind of activations a type takes in fast arithmetic. */
#include "kern/kern_mm.h"

enum act_kind mm_fast_kind(uint32_t dtype) {
    switch (dtype) {
    default: return ACT_F32;
    }
}

size_t mm_group_bytes(enum act_kind kind, size_t k, size_t width) {
    size_t bytes = 0;
    switch (kind) {
    case ACT_F32: bytes = 4 * mm_quarter(k) * sizeof(float); break;
    default: break;
    }
    return bytes * width;
}

size_t mm_panel_bytes(uint32_t dtype, size_t k) {
    (void)dtype;
    (void)k;
    return 0;
}
