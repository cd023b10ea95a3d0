/* Text formatting without libc: the little that messages, JSON and plan dumps need. */
#ifndef SOTTO_BASE_FMT_H
#define SOTTO_BASE_FMT_H

#include <stdarg.h>
#include <stddef.h>

/* Writes at most cap bytes including the final NUL (cap 0 writes nothing) and returns the length the
 * whole text has. Knows %% %c %s %.*s %.Ns %d %i %u %x %ld %lu %lld %llu %llx %zu, widths with optional
 * 0 or - for the integers and %s, and %g %.Ng (significant digits), %f %.Nf. */
size_t fmt_v(char *dst, size_t cap, const char *format, va_list args);
size_t fmt(char *dst, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Shortest decimal text that reads back as the same double (JSON number; "nan"/"inf" as null).
 * Returns the length; dst needs 32 bytes. */
size_t fmt_double(char *dst, double value);

#endif
