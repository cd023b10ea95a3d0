/* Saved states: model/state.c under the names of sotto.h. */
#include "api/api_int.h"
#include "model/state.h"

static struct state *state_of(sotto_state *st) {
    return (struct state *)(void *)st;
}

uint64_t sotto_state_bytes(const sotto_seq *s) {
    return state_bytes(const_seq_of(s));
}

int sotto_state_open(sotto_seq *s, bool restore, sotto_state **out) {
    struct state *st;
    int rc = state_open(&st, seq_of(s), restore);
    *out = (sotto_state *)(void *)st;
    return rc;
}

size_t sotto_state_read(sotto_state *st, void *dst, size_t n) {
    return state_read(state_of(st), dst, n);
}
int sotto_state_write(sotto_state *st, const void *src, size_t n) {
    return state_write(state_of(st), src, n);
}
int sotto_state_close(sotto_state *st) {
    return state_close(state_of(st));
}
