/* Futex and clock on each platform: WebAssembly with atomics, WASI and other WebAssembly without,
 * Linux, and other systems (where a wait is a short sleep: correct, since every caller checks
 * again). */
#if !defined(__wasm__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "base/sync.h"

#if defined(__wasm__)

#if defined(__wasm_atomics__)
void futex_wait(atomic_word *w, uint32_t value, int64_t nanoseconds) {
    __builtin_wasm_memory_atomic_wait32((int *)w, (int)value, nanoseconds);
}

void futex_wake(atomic_word *w, uint32_t n_waiters) {
    __builtin_wasm_memory_atomic_notify((int *)w, n_waiters);
}
#else
void futex_wait(atomic_word *w, uint32_t value, int64_t nanoseconds) {
    (void)w, (void)value, (void)nanoseconds;
}

void futex_wake(atomic_word *w, uint32_t n_waiters) {
    (void)w, (void)n_waiters;
}
#endif

#if defined(__wasi__)
__attribute__((import_module("wasi_snapshot_preview1"), import_name("clock_time_get"))) uint16_t
wasi_clock_time_get(uint32_t clock, uint64_t precision, uint64_t *time);

double clock_ms(void) {
    uint64_t ns = 0;
    if (wasi_clock_time_get(1, 1000, &ns)) return 0; /* 1: the monotonic clock */
    return (double)ns * 1e-6;
}
#else
__attribute__((import_module("env"), import_name("now"))) double env_now(void);

double clock_ms(void) {
    return env_now();
}
#endif

#else

#include <time.h>

double clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void futex_wait(atomic_word *w, uint32_t value, int64_t nanoseconds) {
    struct timespec t = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    syscall(SYS_futex, w, FUTEX_WAIT_PRIVATE, value, nanoseconds < 0 ? (void *)0 : &t, (void *)0,
            0);
}

void futex_wake(atomic_word *w, uint32_t n_waiters) {
    int n = n_waiters > INT32_MAX ? INT32_MAX : (int)n_waiters;
    syscall(SYS_futex, w, FUTEX_WAKE_PRIVATE, n, (void *)0, (void *)0, 0);
}
#else
void futex_wait(atomic_word *w, uint32_t value, int64_t nanoseconds) {
    struct timespec t = {0,
                         nanoseconds >= 0 && nanoseconds < 1000000 ? (long)nanoseconds : 1000000};
    if (word_load(w) == value) nanosleep(&t, (void *)0);
}

void futex_wake(atomic_word *w, uint32_t n_waiters) {
    (void)w, (void)n_waiters;
}
#endif
#endif
