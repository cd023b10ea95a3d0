/* The table of types. */
#include "data/dtype.h"
#include "data/quant.h"

/* BOTH: this build writes the type as well */
#define ROW(id, text, block, bytes, name) [DT_##id] = {text, block, bytes, quant_##name##_decode, 0}
#define BOTH(id, text, block, bytes, name)                                                         \
    [DT_##id] = {text, block, bytes, quant_##name##_decode, quant_##name##_encode}

static const struct dtype_info table[DT_COUNT] = {
    BOTH(F32, "F32", 1, 4, f32),
    BOTH(F16, "F16", 1, 2, f16),
    BOTH(Q4_0, "Q4_0", 32, 18, q4_0),
    BOTH(Q4_1, "Q4_1", 32, 20, q4_1),
    BOTH(Q5_0, "Q5_0", 32, 22, q5_0),
    BOTH(Q5_1, "Q5_1", 32, 24, q5_1),
    BOTH(Q8_0, "Q8_0", 32, 34, q8_0),
    BOTH(Q2_K, "Q2_K", 256, 84, q2_k),
    BOTH(Q3_K, "Q3_K", 256, 110, q3_k),
    BOTH(Q4_K, "Q4_K", 256, 144, q4_k),
    BOTH(Q5_K, "Q5_K", 256, 176, q5_k),
    BOTH(Q6_K, "Q6_K", 256, 210, q6_k),
    ROW(IQ2_XXS, "IQ2_XXS", 256, 66, iq2_xxs),
    ROW(IQ2_XS, "IQ2_XS", 256, 74, iq2_xs),
    ROW(IQ3_XXS, "IQ3_XXS", 256, 98, iq3_xxs),
    ROW(IQ1_S, "IQ1_S", 256, 50, iq1_s),
    BOTH(IQ4_NL, "IQ4_NL", 32, 18, iq4_nl),
    ROW(IQ3_S, "IQ3_S", 256, 110, iq3_s),
    ROW(IQ2_S, "IQ2_S", 256, 82, iq2_s),
    ROW(IQ4_XS, "IQ4_XS", 256, 136, iq4_xs),
    ROW(I8, "I8", 1, 1, i8),
    ROW(I16, "I16", 1, 2, i16),
    ROW(I32, "I32", 1, 4, i32),
    ROW(I64, "I64", 1, 8, i64),
    ROW(F64, "F64", 1, 8, f64),
    ROW(IQ1_M, "IQ1_M", 256, 56, iq1_m),
    BOTH(BF16, "BF16", 1, 2, bf16),
    BOTH(TQ1_0, "TQ1_0", 256, 54, tq1_0),
    BOTH(TQ2_0, "TQ2_0", 256, 66, tq2_0),
    ROW(MXFP4, "MXFP4", 32, 17, mxfp4),
    ROW(NVFP4, "NVFP4", 64, 36, nvfp4),
    ROW(Q1_0, "Q1_0", 128, 18, q1_0),
    ROW(Q2_0, "Q2_0", 64, 18, q2_0),
};

const struct dtype_info *dtype_info(uint32_t id) {
    return id < DT_COUNT && table[id].name ? &table[id] : 0;
}

size_t dtype_bytes(uint32_t id, size_t n) {
    const struct dtype_info *info = dtype_info(id);
    size_t bytes;
    if (!info || n % info->block) return 0;
    return __builtin_mul_overflow(n / info->block, info->bytes, &bytes) ? 0 : bytes;
}
