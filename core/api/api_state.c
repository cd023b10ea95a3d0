/* Saved states: model/saved.c under the names of sotto.h. */
#include "api/api_int.h"
#include "model/saved.h"

static struct saved *state_of(sotto_state *st) {
    return (struct saved *)(void *)st;
}

uint64_t sotto_state_bytes(const sotto_seq *s) {
    return saved_bytes(const_seq_of(s));
}

int sotto_state_open(sotto_seq *s, bool restore, sotto_state **out) {
    struct saved *st;
    int rc = saved_open(&st, seq_of(s), restore);
    *out = (sotto_state *)(void *)st;
    return rc;
}

size_t sotto_state_read(sotto_state *st, void *dst, size_t n) {
    return saved_read(state_of(st), dst, n);
}
int sotto_state_write(sotto_state *st, const void *src, size_t n) {
    return saved_write(state_of(st), src, n);
}
int sotto_state_close(sotto_state *st) {
    return saved_close(state_of(st));
}
