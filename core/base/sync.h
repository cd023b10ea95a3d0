/* Atomics, futex and clock: the few words that differ between platforms.
 *
 * Atomics are the compiler's __atomic builtins, sequentially consistent unless said otherwise. A
 * build without threads (WASI) compiles the same calls to plain loads and stores.
 */
#ifndef SOTTO_BASE_SYNC_H
#define SOTTO_BASE_SYNC_H

#include <stdint.h>

typedef uint32_t atomic_word; /* 4-byte aligned, in memory that all threads see */

static inline uint32_t word_load(const atomic_word *w) { return __atomic_load_n(w, __ATOMIC_ACQUIRE); }
static inline void word_store(atomic_word *w, uint32_t v) { __atomic_store_n(w, v, __ATOMIC_SEQ_CST); }
static inline uint32_t word_add(atomic_word *w, uint32_t n) { /* returns the old value */
    return __atomic_fetch_add(w, n, __ATOMIC_SEQ_CST);
}

/* Sleeps while *w == value, at most nanoseconds (negative: no limit). Wakes spuriously: always check
 * the value again. Returns at once in a build or on a thread that may not block. */
void futex_wait(atomic_word *w, uint32_t value, int64_t nanoseconds);
void futex_wake(atomic_word *w, uint32_t n_waiters);

/* A hint inside a spin loop. */
static inline void spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Milliseconds from some fixed start, monotonic. The browser build imports it as env.now. */
double clock_ms(void);

#endif
