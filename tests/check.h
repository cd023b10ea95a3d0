/* Checks for the C tests. Each test is one program: main() runs its cases, then `return
 * check_done();`.
 *
 *     CHECK(cond)                          counts a pass, or prints the condition and its place
 *     CHECK(cond, "format", …)             the same with what was seen
 *     CHECK_EQ(got, wanted)                integers; prints both sides
 *     CHECK_STR(got, wanted)               NUL-terminated texts; prints both sides
 *     check_skip("format", …)              says what was left out and why; counts neither way
 */
#ifndef SOTTO_TESTS_CHECK_H
#define SOTTO_TESTS_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sanitizer watches, which costs some ten times the time. */
#if defined __SANITIZE_ADDRESS__
#define CHECK_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define CHECK_SANITIZED 1
#endif
#endif
#ifndef CHECK_SANITIZED
#define CHECK_SANITIZED 0
#endif

static long check_n_passed, check_n_failed;

/* Prints at most 50 failures in full, so that a broken table does not bury the first one. */
__attribute__((unused, format(printf, 5, 6))) static bool
check_report(bool ok, const char *file, int line, const char *cond, const char *format, ...) {
    if (ok) {
        check_n_passed++;
        return true;
    }
    if (check_n_failed++ < 50) {
        printf("%s:%d: failed: %s", file, line, cond);
        if (format[1]) { /* CHECK puts one space in front */
            va_list args;
            printf(":");
            va_start(args, format);
            vprintf(format, args);
            va_end(args);
        }
        printf("\n");
    }
    return false;
}

#define CHECK(cond, ...) check_report((cond), __FILE__, __LINE__, #cond, " " __VA_ARGS__)
#define CHECK_EQ(got, wanted)                                                                      \
    check_eq((long long)(got), (long long)(wanted), __FILE__, __LINE__, #got " == " #wanted)
#define CHECK_STR(got, wanted) check_str((got), (wanted), __FILE__, __LINE__, #got)

__attribute__((unused)) static bool check_eq(long long got, long long wanted, const char *file,
                                             int line, const char *cond) {
    return check_report(got == wanted, file, line, cond, " got %lld, wanted %lld", got, wanted);
}

__attribute__((unused)) static bool check_str(const char *got, const char *wanted, const char *file,
                                              int line, const char *cond) {
    bool same = got == wanted || (got && wanted && strcmp(got, wanted) == 0);
    return check_report(same, file, line, cond, " got \"%s\", wanted \"%s\"", got ? got : "(null)",
                        wanted ? wanted : "(null)");
}

__attribute__((unused, format(printf, 1, 2))) static void check_skip(const char *format, ...) {
    va_list args;
    printf("skipped: ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* The last line of every test; 1 where anything failed or nothing was checked. */
__attribute__((unused)) static int check_done(void) {
    printf("%ld passed, %ld failed\n", check_n_passed, check_n_failed);
    return check_n_failed > 0 || check_n_passed == 0;
}

/* A whole file in memory from malloc with a NUL behind it; NULL where it cannot be read. */
__attribute__((unused)) static uint8_t *check_read(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long n;
    *size = 0;
    if (!file) return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (n = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0 &&
        (bytes = malloc((size_t)n + 1))) {
        if (fread(bytes, 1, (size_t)n, file) == (size_t)n) {
            bytes[n] = 0;
            *size = (size_t)n;
        } else {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

#endif
