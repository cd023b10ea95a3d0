/* What the types look like: tile layouts, sizes of groups and panels, kinds of activations. */
#include "kern/mm_iq.h"
#include "kern/mm_tile.h"

/* The codebooks of IQ4 (llama.cpp's kvalues_iq4nl) and of 4-bit floats (OCP MX, doubled). */
static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
static const int8_t fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static const struct mm_layout layouts[DT_COUNT] = {
    [DT_Q4_0] = {.units = 1, .bits = 4, .head = 16, .zero = 8},
    [DT_Q4_1] = {.units = 1, .bits = 4, .head = 32, .min = true},
    [DT_Q5_0] = {.units = 1, .bits = 5, .head = 16, .zero = 16},
    [DT_Q5_1] = {.units = 1, .bits = 5, .head = 32, .min = true},
    [DT_Q8_0] = {.units = 1, .bits = 8, .head = 16},
    [DT_IQ4_NL] = {.units = 1, .bits = 4, .head = 16, .map = iq4_values},
    [DT_MXFP4] = {.units = 1, .bits = 4, .head = 8, .map = fp4_values},
    [DT_Q2_K] = {.units = 8, .bits = 2, .head = 32, .scales = MM_BYTE16, .min = true},
    [DT_Q3_K] = {.units = 8, .bits = 3, .head = 16, .scales = MM_SIX16, .zero = 4},
    [DT_Q4_K] = {.units = 8, .bits = 4, .head = 32, .scales = MM_SIX_MIN, .min = true},
    [DT_Q5_K] = {.units = 8, .bits = 5, .head = 32, .scales = MM_SIX_MIN, .min = true},
    [DT_Q6_K] = {.units = 8, .bits = 6, .head = 16, .scales = MM_BYTE16, .zero = 32},
    [DT_IQ4_XS] = {.units = 8, .bits = 4, .head = 16, .scales = MM_SIX, .map = iq4_values},
    [DT_TQ2_0] = {.units = 8, .bits = 2, .head = 16, .zero = 1},
};

const struct mm_layout *mm_layout(uint32_t dtype) {
    return dtype < DT_COUNT && layouts[dtype].units ? &layouts[dtype] : NULL;
}

bool mm_interleaved(uint32_t dtype) {
    return dtype == DT_F32 || dtype == DT_F16 || dtype == DT_BF16 || mm_layout(dtype);
}

enum act_kind mm_fast_kind(uint32_t dtype) {
    const struct mm_layout *l = mm_layout(dtype);
    if (mm_iq(dtype)) return ACT_Q8K;
    return !l ? ACT_F32 : l->units == 1 ? ACT_Q8 : ACT_Q8K;
}

size_t mm_group_bytes(enum act_kind kind, size_t k, size_t width) {
    switch (kind) {
    case ACT_Q8:
        return k / 32 * ((MM_Q8_BYTES + MM_Q8_WIDE) * width + (width == 1 ? MM_Q8_SPLIT : 0));
    case ACT_Q8K:
        return k / 256 * (MM_Q8K_BYTES + MM_Q8K_WIDE + MM_Q8K_ZERO) * width;
    default:
        return 4 * mm_quarter(k) * sizeof(float) * width;
    }
}

size_t mm_panel_bytes(uint32_t dtype, size_t k) {
    return mm_fast_kind(dtype) == ACT_Q8 ? k / 32 * MM_PANEL32 : k / 256 * MM_PANEL256;
}
