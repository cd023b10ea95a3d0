/* Decoders against the recorded blocks of cases/quant: bit by bit. */
#include "../check.h"
#include "data/dtype.h"

static uint8_t *case_file(const char *folder, const char *type, const char *rest, size_t *n) {
    char path[600];
    snprintf(path, sizeof path, "%s/quant/%s.%s", folder, type, rest);
    return check_read(path, n);
}

static void decodes_to_the_same_bits(const char *folder, const struct dtype_info *info,
                                     const char *set, const char *reference) {
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
        CHECK(bad == 0, "%s.%s: %zu of %zu differ, first %zu: %.9g", info->name, set, bad, n, first,
              (double)got[first]);
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

static double squared_error(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* Row by row, since the rows are of very different kinds. The bound leaves room for the rows that
 * another trade-off (ggml weighs large values more) happens to suit. */
static void encoders_are_as_good_as_the_recorded_ones(const char *folder) {
    size_t n_source, n_floats;
    uint8_t *source = case_file(folder, "source", "f32", &n_source);
    enum { ROW_SIZE = 512, ROWS_MAX = 10 };
    int n_rows = (int)(n_source / 4 / ROW_SIZE);
    static float src[ROW_SIZE * ROWS_MAX], ours[ROW_SIZE], theirs[ROW_SIZE];
    static uint8_t blocks[ROW_SIZE * 4 + 1];
    if (!CHECK(source && n_rows > 0 && n_source <= sizeof src, "source.f32")) return;
    memcpy(src, source, n_source);
    for (uint32_t id = 0; id < DT_COUNT; id++) {
        const struct dtype_info *info = dtype_info(id);
        double worst = 0, total = 0, total_theirs = 0;
        uint8_t *floats;
        if (!info || !info->encode || id == DT_F32) continue;
        floats = case_file(folder, info->name, "dequant.f32", &n_floats);
        if (!CHECK(floats && n_floats == n_source, "%s", info->name)) continue;
        for (int r = 0; r < n_rows; r++) {
            const float *x = src + r * ROW_SIZE;
            size_t bytes = dtype_bytes(id, ROW_SIZE);
            double a, b, power = 0;
            for (int i = 0; i < ROW_SIZE; i++) power += (double)x[i] * (double)x[i];
            blocks[bytes] = 0xa5;
            info->encode(blocks, x, ROW_SIZE);
            CHECK_EQ(blocks[bytes], 0xa5);
            info->decode(ours, blocks, ROW_SIZE);
            memcpy(theirs, floats + (size_t)r * sizeof theirs, sizeof theirs);
            a = squared_error(x, ours, ROW_SIZE);
            b = squared_error(x, theirs, ROW_SIZE);
            CHECK(a <= 1.1 * b + 1e-9 * power, "%s row %d: error %g, recorded %g", info->name, r, a,
                  b);
            if (power > 0) total += a / power, total_theirs += b / power;
            if (b > 1e-9 * power && a / b > worst) worst = a / b;
        }
        printf("%-7s error against the recorded encoder: %.3f, worst row %.3f\n", info->name,
               total / total_theirs, worst);
        free(floats);
    }
    free(source);
}

static void encoders_survive_any_floats(void) {
    float x[256];
    uint8_t blocks[1024];
    const float values[] = {0,
                            -0.0f,
                            1e38f,
                            -1e38f,
                            1e-40f,
                            __builtin_inff(),
                            -__builtin_inff(),
                            __builtin_nanf(""),
                            65504,
                            1};
    for (uint32_t id = 0; id < DT_COUNT; id++) {
        const struct dtype_info *info = dtype_info(id);
        if (!info || !info->encode) continue;
        for (int k = 0; k < 100; k++) {
            for (int i = 0; i < 256; i++)
                x[i] = values[(i * (k % 10 + 1) + k / 10 * (i / 16)) % 10];
            info->encode(blocks, x, 256);
            info->decode(x, blocks, 256);
        }
        for (int i = 0; i < 256; i++) x[i] = 0;
        info->encode(blocks, x, 256);
        info->decode(x, blocks, 256);
        for (int i = 0; i < 256; i++) CHECK(x[i] == 0, "%s", info->name);
    }
}

/* A row that the type can hold exactly comes back with the same values. */
static void decoded_blocks_encode_to_the_same_values(const char *folder) {
    static const uint32_t exact[] = {DT_Q8_0, DT_TQ1_0, DT_TQ2_0, DT_F16, DT_BF16};
    for (size_t k = 0; k < sizeof exact / sizeof *exact; k++) {
        const struct dtype_info *info = dtype_info(exact[k]);
        size_t n, bad = 0;
        uint8_t *floats = case_file(folder, info->name, "dequant.f32", &n);
        static float x[512], y[512];
        static uint8_t blocks[2048];
        if (!CHECK(floats && n >= sizeof x)) continue;
        memcpy(x, floats, sizeof x);
        info->encode(blocks, x, 512);
        info->decode(y, blocks, 512);
        for (int i = 0; i < 512; i++) bad += x[i] - y[i] > 1e-3f * 4 || y[i] - x[i] > 1e-3f * 4;
        CHECK(bad == 0, "%s: %zu", info->name, bad);
        free(floats);
    }
}

int main(int argc, char **argv) {
    sizes_follow_the_table();
    plain_types_decode();
    encoders_survive_any_floats();
    if (argc > 1) {
        every_recorded_type_decodes(argv[1]);
        decoded_blocks_encode_to_the_same_values(argv[1]);
        encoders_are_as_good_as_the_recorded_ones(argv[1]);
    } else {
        check_skip("recorded blocks: no cases folder given");
    }
    return check_done();
}
