/* Formatting against the C library's, which the tests may use. */
#include "../check.h"
#include "base/fmt.h"
#include "base/fmt_digits.h"
#include <math.h>

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char a[900], b[900];                                                                       \
        size_t n = fmt(a, sizeof a, __VA_ARGS__);                                                  \
        int m = snprintf(b, sizeof b, __VA_ARGS__);                                                \
        CHECK_STR(a, b);                                                                           \
        CHECK_EQ(n, m);                                                                            \
    } while (0)

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static double random_double(void) {
    double v;
    do {
        uint64_t u = next_random();
        memcpy(&v, &u, 8);
    } while (!isfinite(v));
    return v;
}

static void integers_and_texts_match_printf(void) {
    SAME("plain %% text");
    SAME("%d %i %u %x", -5, INT32_MIN, UINT32_MAX, 0xbeef);
    SAME("%ld %lu %lld %llu %llx %zu", -1L, 2UL, (long long)INT64_MIN, ~0ull, ~0ull, (size_t)9);
    SAME("[%5d] [%-5d] [%05d] [%05d] [%1d]", 42, 42, 42, -42, 12345);
    SAME("[%*d] [%*d]", 6, 1, -6, 2);
    SAME("[%s] [%.3s] [%.*s] [%8s] [%-8s] [%c]", "abc", "abcdef", 2, "xyz", "r", "l", 'q');
    SAME("%s", "");
    SAME("%08x|%-8x|", 0x1f, 0x2f);
}

static void doubles_match_printf(void) {
    const double values[] = {0,
                             1,
                             -1,
                             0.1,
                             0.5,
                             1.5,
                             2.5,
                             0.25,
                             1e22,
                             1e-5,
                             1e-4,
                             123456,
                             1234567,
                             999999.5,
                             9.9995,
                             0.99995,
                             5e-324,
                             1e308,
                             2.2250738585072014e-308,
                             1e15,
                             1e16,
                             1e17,
                             0.7,
                             0.05,
                             0.95,
                             9.5,
                             99.5,
                             0.00997,
                             1e-10,
                             1.7976931348623157e308};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double v = values[i];
        SAME("%g %.3g %.1g %.17g %.10g", v, v, v, v, v);
        SAME("%f %.0f %.1f %.2f %.10f", v, v, v, v, v);
        SAME("[%10.2f] [%-10.3g] [%010.1f]", -v, v, -v);
    }
    SAME("%g %f", INFINITY, -INFINITY);
    for (int i = 0; i < 20000; i++) {
        double v = random_double();
        double small = ldexp((double)(int64_t)next_random(), -50);
        SAME("%.9g %g", v, v);
        SAME("%.3f %.6f", small, small);
    }
}

static void a_short_buffer_is_cut_and_the_length_told(void) {
    char b[8] = "zzzzzzz";
    CHECK_EQ(fmt(b, 4, "%s", "abcdef"), 6);
    CHECK_STR(b, "abc");
    CHECK_EQ(b[4], 'z');
    CHECK_EQ(fmt(NULL, 0, "%d", 1234), 4);
    CHECK_EQ(fmt(b, 1, "%d", 1234), 4);
    CHECK_STR(b, "");
}

static void the_shortest_text_reads_back(void) {
    const double values[] = {
        0.1, 0.3,  1e23,     9007199254740993.0,   5e-324,  1.7976931348623157e308, 4.35,
        100, 1e21, 0.000001, 123456789012345680.0, 2.0 / 3, 9.5367431640625e-07};
    char a[32], b[40];
    for (int i = 0; i < 60000; i++) {
        double v = i < 13  ? values[i]
                   : i & 1 ? random_double()
                           : (double)(int64_t)next_random() / (double)(1 << (i % 30));
        size_t n = fmt_double(a, v);
        int p = 1;
        CHECK(strlen(a) == n && n < 32 && strtod(a, NULL) == v, "%s for %.17g", a, v);
        /* no shorter text reads back */
        do snprintf(b, sizeof b, "%.*e", p - 1, v);
        while (strtod(b, NULL) != v && ++p < 18);
        {
            char digits[32];
            int exponent, count = fmt_digits_shortest(digits, &exponent, v);
            CHECK(count <= p, "%.17g: %d digits, %d suffice", v, count, p);
        }
    }
    fmt_double(a, 0.1);
    CHECK_STR(a, "0.1");
    fmt_double(a, -0.0);
    CHECK_STR(a, "-0");
    fmt_double(a, 1e300);
    CHECK_STR(a, "1e+300");
    fmt_double(a, 2251799813685249.5);
    CHECK_STR(a, "2251799813685249.5");
    fmt_double(a, NAN);
    CHECK_STR(a, "null");
    fmt_double(a, INFINITY);
    CHECK_STR(a, "null");
}

static void check_parse(const char *text) {
    double v = -7, wanted;
    char *end;
    size_t n = fmt_parse_double(&v, text, strlen(text));
    wanted = strtod(text, &end);
    CHECK(n == (size_t)(end - text) && (n == 0 || memcmp(&v, &wanted, 8) == 0),
          "\"%.60s\": %.17g (%zu), wanted %.17g (%td)", text, v, n, wanted, end - text);
}

static void numbers_read_back_correctly_rounded(void) {
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "-1.5",
                                        "+2",
                                        "1e5",
                                        "1E-5",
                                        "1e",
                                        "1e+",
                                        "12x",
                                        ".5",
                                        "5.",
                                        "",
                                        "-",
                                        ".",
                                        "1e400",
                                        "-1e400",
                                        "1e-400",
                                        "4.9e-324",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "2.2250738585072011e-308",
                                        "2.2250738585072014e-308",
                                        "9007199254740993",
                                        "9007199254740993.0000000000000000001",
                                        "1.7976931348623158e308",
                                        "1.7976931348623159e308",
                                        "179769313486231580793728971405301e276",
                                        "0.000000000000000000000000000000000000000000001e45",
                                        "123456789012345678901234567890",
                                        "1e23",
                                        "8.5e22",
                                        "1e99999999999",
                                        "0e99999999",
                                        "1e-99999999999"};
    char text[1200];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_parse(texts[i]);
    for (int i = 0; i < 20000; i++) {
        double v = random_double();
        snprintf(text, sizeof text, "%.17g", v);
        check_parse(text);
        snprintf(text, sizeof text, "%.*e", 3 + i % 30, v);
        check_parse(text);
    }
    for (int i = 0; i < 300; i++) { /* exact ties between neighbours, and one digit more */
        double v = fabs(random_double()), next = nextafter(v, INFINITY);
        if (!isfinite(next)) continue;
        snprintf(text, sizeof text, "%.1100Lf", ((long double)v + (long double)next) / 2);
        if (v < 1e-300 || v > 1e30) continue;
        text[1100] = 0;
        check_parse(text);
        strcat(text, "1");
        check_parse(text);
    }
    check_parse(memset(text, '9', 1100));
}

int main(void) {
    integers_and_texts_match_printf();
    doubles_match_printf();
    a_short_buffer_is_cut_and_the_length_told();
    the_shortest_text_reads_back();
    numbers_read_back_correctly_rounded();
    return check_done();
}
