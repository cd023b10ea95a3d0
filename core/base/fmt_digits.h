/* Decimal digits of doubles and back, exact: big integers instead of tables.
 *
 * All digit functions write ASCII digits without a NUL, set *exponent so that the value is
 * 0.d1d2d3… * 10^exponent, ignore the sign and want a finite value; zero is the one digit "0" with
 * exponent 1. Source: Steele and White, "How to print floating-point numbers accurately" (1990). */
#ifndef SOTTO_BASE_FMT_DIGITS_H
#define SOTTO_BASE_FMT_DIGITS_H

#include <stdbool.h>
#include <stddef.h>

enum { FMT_DIGITS_MAX = 400 };

bool fmt_sign(double value);
int fmt_digits_shortest(char *digits, int *exponent, double value);     /* at most 17 */
int fmt_digits_round(char *digits, int *exponent, double value, int n); /* n digits, half to even */
int fmt_digits_fixed(char *digits, int *exponent, double value, int n); /* n behind the point */

/* Reads [-+] digits [. digits] [e [-+] digits] at text[0..n), correctly rounded. Returns the bytes
 * used, 0 where there is no number; too large gives an infinity. */
size_t fmt_parse_double(double *value, const char *text, size_t n);

#endif
