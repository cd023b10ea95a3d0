/* Status codes and the error record that every fallible function fills.
 *
 * A function that reads outside data returns one of these codes and, where it is not SOTTO_OK,
 * has filled a `struct fail` with a sentence and the place (byte offset, or ~0 where there is none).
 * The list below is the only one: js/codes.js is checked against it by a test.
 */
#ifndef SOTTO_BASE_STATUS_H
#define SOTTO_BASE_STATUS_H

#include <stdint.h>

#define SOTTO_CODES(X)                                                                             \
    X(OK, 0)           /* done */                                                                  \
    X(MORE, 1)         /* not an error: call again (with more bytes, or for the next slice) */     \
    X(DONE, 2)         /* not an error: the stream ended */                                        \
    X(EINVAL, 3)       /* the caller broke the contract of the API */                              \
    X(FORMAT, 4)       /* the bytes are not what they claim to be */                               \
    X(TRUNCATED, 5)    /* the bytes end too early */                                               \
    X(UNSUPPORTED, 6)  /* valid, but this build cannot run it */                                   \
    X(MEMORY, 7)       /* the memory decided on does not hold it */                                \
    X(CONTEXT_FULL, 8) /* the sequence does not fit the context */                                 \
    X(ABORTED, 9)      /* the caller asked to stop */                                              \
    X(WORKER_LOST, 10) /* a thread of the pool did not answer in time */                           \
    X(TEMPLATE, 11)    /* a chat template failed or refused; place is line and column */           \
    X(LIMIT, 12)       /* a bound on steps, depth or size was reached */                           \
    X(NOT_READY, 13)   /* the weights needed have not arrived */                                   \
    X(IO, 14)          /* reading or writing failed (hosts only; core does no I/O) */

enum sotto_code {
#define X(name, value) SOTTO_##name = value,
    SOTTO_CODES(X)
#undef X
};

#define FAIL_NOWHERE UINT64_MAX

struct fail {
    int32_t code; /* enum sotto_code */
    uint32_t line, column; /* 1-based, for text inputs; 0 where they mean nothing */
    uint64_t at;  /* byte offset in the input, or FAIL_NOWHERE */
    char text[240];
};

/* Fills *f (which may be NULL) with a formatted sentence and returns code. Formats: see fmt_v. */
int fail(struct fail *f, int code, uint64_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The code's name without the SOTTO_ prefix, "?" for an unknown one. */
const char *sotto_code_name(int code);

#endif
