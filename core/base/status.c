/* Codes and sentences of failures. */
#include "base/status.h"
#include "base/fmt.h"

int fail(struct fail *f, int code, uint64_t at, const char *format, ...) {
    va_list args;
    if (!f) return code;
    f->code = code;
    f->line = f->column = 0;
    f->at = at;
    va_start(args, format);
    fmt_v(f->text, sizeof f->text, format, args);
    va_end(args);
    return code;
}

const char *sotto_code_name(int code) {
    switch (code) {
#define X(name, value)                                                                             \
    case value:                                                                                    \
        return #name;
        SOTTO_CODES(X)
#undef X
    default:
        return "?";
    }
}
