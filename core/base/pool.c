/* The pool's words. `epoch` holds a job number and, in its low 6 bits, the job's thread count: a
 * worker decides from one atomic load whether the job is its own, so one that slept through jobs of
 * fewer threads never reads fields that are being changed for the next. */
#include "base/pool.h"
#include <string.h>

enum { COUNT_BITS = 6, ALL = INT32_MAX, SLICE_MS = 100 };

/* Loads of a spin, of which a microsecond holds some 3,000: at a barrier, and for the next job, which mostly comes
 * when a token has been drawn. */
enum { SPIN_LEAST = 20000, SPIN_MOST = 120000, SPIN_JOB = 400000 };

/* A pause instruction takes as long as some thirty loads. */
#if defined(__x86_64__)
enum { SPIN_STEP = 32 };
#else
enum { SPIN_STEP = 1 };
#endif

void pool_init(struct pool *p) {
    memset(p, 0, sizeof *p);
    p->n_threads = 1;
    p->patience = SPIN_LEAST;
}

static double timeout_of(const struct pool *p) {
    return p->timeout_ms > 0 ? p->timeout_ms : 10000;
}

/* A load that takes part in the total order, for the handshake of `sleepers`. */
static uint32_t load_in_order(const atomic_word *w) {
    return __atomic_load_n(w, __ATOMIC_SEQ_CST);
}

void pool_lose(struct pool *p) {
    word_store(&p->lost, 1);
    futex_wake(&p->generation, ALL);
}

/* Whether *word differs from value within so many loads. A function of its own with a rolled loop:
 * unrolled into wait_change, its early exits return false when V8 11.3 (Node 20) compiles them with
 * its baseline compiler. */
__attribute__((noinline)) static bool spin_change(const atomic_word *word, uint32_t value, uint32_t loads) {
    uint32_t i = 0;
#if defined(__clang__)
#pragma clang loop unroll(disable)
#endif
    while (i < loads && word_load(word) == value) {
        spin_pause();
        i += SPIN_STEP;
    }
    return i < loads;
}

/* The same for as long as it was worth while lately: where every thread has a core a late one comes soon, and a
 * sleep would cost more; where they share cores the one that spins holds up the one it waits for. */
static bool spin_in_hope(struct pool *p, const atomic_word *word, uint32_t value) {
    uint32_t loads = word_load(&p->patience);
    bool came = spin_change(word, value, loads);
    if (came && loads < SPIN_MOST)
        word_store(&p->patience, loads + SPIN_LEAST / 8);
    else if (!came && loads > SPIN_LEAST)
        word_store(&p->patience, loads / 2 > SPIN_LEAST ? loads / 2 : SPIN_LEAST);
    return came;
}

/* Waits until *word differs from value: spins, then sleeps in slices. False when the pool is lost or the time-out
 * passes, which loses it. A slice counts for at most twice its length: a machine that was suspended has not lost a
 * worker. */
static bool wait_change(struct pool *p, atomic_word *word, uint32_t value, double timeout_ms) {
    double last, waited = 0;
    if (spin_in_hope(p, word, value)) return true;
    last = clock_ms();
    while (load_in_order(word) == value) {
        double now = clock_ms(), left;
        int64_t slice;
        waited += now - last < 2 * SLICE_MS ? now - last : 2 * SLICE_MS;
        last = now;
        left = timeout_ms - waited;
        if (word_load(&p->lost)) return false;
        if (left <= 0) {
            pool_lose(p);
            return false;
        }
        slice = (int64_t)((left < SLICE_MS ? left : SLICE_MS) * 1e6) + 1;
        word_add(&p->sleepers, 1);
        futex_wait(word, value, slice);
        word_add(&p->sleepers, (uint32_t)-1);
    }
    return true;
}

/* The word changed before this: whoever does not see it asleep will see the new value. */
static void wake_sleepers(struct pool *p, atomic_word *word) {
    if (load_in_order(&p->sleepers)) futex_wake(word, ALL);
}

/* Until nobody is inside. */
__attribute__((noinline)) static void wait_aside(struct pool *p) {
    uint32_t users;
#if defined(__clang__)
#pragma clang loop unroll(disable)
#endif
    while ((users = load_in_order(&p->aside_users)) != 0) futex_wait(&p->aside_users, users, 100000);
}

void pool_aside(struct pool *p, bool (*work)(void *arg, uint32_t thread), void *arg) {
    /* in order with the count of users: whoever counts itself after it was read sees this */
    __atomic_store_n(&p->aside_on, 0, __ATOMIC_SEQ_CST);
    wait_aside(p);
    if (!work) return;
    p->aside = work;
    p->aside_arg = arg;
    word_store(&p->aside_on, 1);
}

void pool_aside_more(struct pool *p) {
    wake_sleepers(p, &p->epoch);
}

/* Whether there was a piece of work aside; it is done. */
static bool work_aside(struct pool *p, uint32_t thread) {
    bool worked = false;
    if (!word_load(&p->aside_on)) return false;
    word_add(&p->aside_users, 1);
    if (load_in_order(&p->aside_on)) worked = p->aside(p->aside_arg, thread);
    word_add(&p->aside_users, (uint32_t)-1);
    return worked;
}

/* Waits for the job after `epoch`, with work aside meanwhile. */
static void wait_job(struct pool *p, uint32_t epoch, uint32_t thread, uint32_t loads) {
    while (!spin_change(&p->epoch, epoch, loads)) {
        if (work_aside(p, thread)) continue;
        word_add(&p->sleepers, 1);
        futex_wait(&p->epoch, epoch, -1);
        word_add(&p->sleepers, (uint32_t)-1);
    }
}

static bool meet(struct pool *p, uint32_t n_threads) {
    uint32_t generation = word_load(&p->generation);
    if (word_add(&p->arrived, 1) + 1 < n_threads)
        return wait_change(p, &p->generation, generation, timeout_of(p)) && !word_load(&p->lost);
    word_store(&p->arrived, 0);
    word_store(&p->generation, generation + 1);
    wake_sleepers(p, &p->generation);
    return !word_load(&p->lost);
}

bool pool_barrier(struct pool *p, uint32_t phase, uint32_t thread) {
    /* for the next phase; the last that used this counter was the one before, which nobody is in any more */
    __atomic_store_n(&p->share[thread].taken[~phase & 1], 0, __ATOMIC_RELAXED);
    return p->n_threads == 1 || meet(p, p->n_threads);
}

bool pool_take(struct pool *p, uint32_t phase, uint32_t thread, struct pieces size, uint32_t total, uint32_t *from,
               uint32_t *to) {
    uint32_t n = p->n_threads;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t whose = thread + i < n ? thread + i : thread + i - n, seen, some, at;
        uint32_t begin = (uint32_t)((uint64_t)total * whose / n), end = (uint32_t)((uint64_t)total * (whose + 1) / n);
        atomic_word *taken = &p->share[whose].taken[phase & 1];
        if ((seen = word_load(taken)) >= end - begin) continue;
        some = (end - begin - seen + 1) / 2;
        if (some > (end - begin) / 3) some = (end - begin) / 3;
        if (some < size.least) some = size.least;
        if (some > size.most) some = size.most;
        if ((at = word_add(taken, some)) >= end - begin) continue;
        *from = begin + at;
        *to = end - *from < some ? end : *from + some;
        return true;
    }
    return false;
}

int pool_run(struct pool *p, uint32_t n_threads, void (*job)(void *, struct pool *, uint32_t),
             void *arg) {
    uint32_t most = word_load(&p->n_joined) + 1;
    if (n_threads > most) n_threads = most;
    if (n_threads < 1) n_threads = 1;
    if (word_load(&p->lost)) return SOTTO_WORKER_LOST;
    p->n_threads = n_threads;
    for (uint32_t i = 0; i < n_threads; i++) p->share[i].taken[0] = 0;
    if (n_threads == 1) {
        job(arg, p, 0);
        return SOTTO_OK;
    }
    p->job = job;
    p->arg = arg;
    word_store(&p->epoch, ((p->epoch >> COUNT_BITS) + 1) << COUNT_BITS | n_threads);
    wake_sleepers(p, &p->epoch);
    job(arg, p, 0);
    return meet(p, n_threads) ? SOTTO_OK : SOTTO_WORKER_LOST;
}

void pool_worker(struct pool *p, uint32_t thread) {
    uint32_t epoch, joined, loads = SPIN_LEAST;
    if (thread < 1 || thread >= POOL_MAX_THREADS) return;
    /* threads join in the order of their numbers, so that a job of n threads always has 0 .. n - 1
     */
    while ((joined = word_load(&p->n_joined)) != thread - 1) {
        if (word_load(&p->stop)) return;
        futex_wait(&p->n_joined, joined, -1);
    }
    epoch = word_load(&p->epoch);
    word_store(&p->n_joined, thread);
    futex_wake(&p->n_joined, ALL);
    for (;;) {
        uint32_t now;
        if (word_load(&p->stop)) return;
        wait_job(p, epoch, thread, loads);
        now = word_load(&p->epoch);
        if (word_load(&p->stop)) return;
        epoch = now;
        loads = SPIN_LEAST; /* whom one job does without the next ones do, too */
        if (thread >= (now & ((1u << COUNT_BITS) - 1)) || word_load(&p->lost)) continue;
        loads = SPIN_JOB;
        p->job(p->arg, p, thread);
        meet(p, now & ((1u << COUNT_BITS) - 1));
    }
}

void pool_stop(struct pool *p) {
    word_store(&p->stop, 1);
    word_store(&p->epoch, ((p->epoch >> COUNT_BITS) + 1) << COUNT_BITS);
    futex_wake(&p->epoch, ALL);
    futex_wake(&p->n_joined, ALL);
}
