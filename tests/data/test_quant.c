/* Decoders against the recorded blocks of cases/quant: bit by bit. */
#include "../check.h"
#include "data/dtype.h"

static uint8_t *case_file(const char *folder, const char *type, const char *rest, size_t *n) {
    char path[600];
    snprintf(path, sizeof path, "%s/quant/%s.%s", folder, type, rest);
    return check_read(path, n);
}

static void decodes_to_the_same_bits(const char *folder, const struct dtype_info *info, const char *set,
                                     const char *reference) {
    size_t n_blocks, n_floats, n, bad = 0, first = 0;
    uint8_t *blocks = case_file(folder, info->name, set, &n_blocks);
    uint8_t *floats = case_file(folder, info->name, reference, &n_floats);
    float *got;
    if (CHECK(blocks && floats, "%s.%s", info->name, set)) {
        n = n_blocks / info->bytes * info->block;
        CHECK_EQ(n * 4, n_floats);
        got = malloc(n * 4);
        info->decode(got, blocks, n);
        for (size_t i = 0; i < n; i++) {
            float wanted;
            memcpy(&wanted, floats + 4 * i, 4);
            if (got[i] == wanted || (got[i] != got[i] && wanted != wanted)) continue;
            if (!bad++) first = i;
        }
        CHECK(bad == 0, "%s.%s: %zu of %zu differ, first %zu: %.9g", info->name, set, bad, n, first, (double)got[first]);
        free(got);
    }
    free(blocks);
    free(floats);
}

static void every_recorded_type_decodes(const char *folder) {
    int n_types = 0;
    for (uint32_t id = 0; id < DT_COUNT; id++) {
        const struct dtype_info *info = dtype_info(id);
        if (!info || id == DT_F32 || id == DT_F64 || (id >= DT_I8 && id <= DT_I64)) continue;
        decodes_to_the_same_bits(folder, info, "bits.bin", "bits.f32");
        decodes_to_the_same_bits(folder, info, "quant.bin", "dequant.f32");
        n_types++;
    }
    CHECK_EQ(n_types, 27);
}

static void sizes_follow_the_table(void) {
    CHECK_EQ(dtype_bytes(DT_Q4_K, 512), 288);
    CHECK_EQ(dtype_bytes(DT_Q4_K, 500), 0);
    CHECK_EQ(dtype_bytes(DT_F32, 3), 12);
    CHECK_EQ(dtype_bytes(4, 32), 0);
    CHECK_EQ(dtype_bytes(1000000, 32), 0);
    CHECK_EQ(dtype_bytes(DT_F32, SIZE_MAX / 2), 0);
    CHECK(dtype_info(DT_COUNT) == NULL && dtype_info(UINT32_MAX) == NULL && dtype_info(5) == NULL);
    CHECK_STR(dtype_info(DT_IQ2_XXS)->name, "IQ2_XXS");
}

static void plain_types_decode(void) {
    float f[2];
    const int16_t a[2] = {-5, 300};
    const int8_t b[2] = {-5, 7};
    const int32_t c[2] = {1 << 20, -1};
    const int64_t d[2] = {1, -2};
    const double e[2] = {0.5, -3};
    dtype_info(DT_I16)->decode(f, a, 2);
    CHECK(f[0] == -5 && f[1] == 300);
    dtype_info(DT_I8)->decode(f, b, 2);
    CHECK(f[0] == -5 && f[1] == 7);
    dtype_info(DT_I32)->decode(f, c, 2);
    CHECK(f[0] == 1048576 && f[1] == -1);
    dtype_info(DT_I64)->decode(f, d, 2);
    CHECK(f[0] == 1 && f[1] == -2);
    dtype_info(DT_F64)->decode(f, e, 2);
    CHECK(f[0] == 0.5f && f[1] == -3);
}

int main(int argc, char **argv) {
    sizes_follow_the_table();
    plain_types_decode();
    if (argc > 1) every_recorded_type_decodes(argv[1]);
    else check_skip("recorded blocks: no cases folder given");
    return check_done();
}
