/* The thread pool: all threads walk the same job together (SPMD).
 *
 * The host makes the threads (Web Workers, worker_threads, pthreads) and calls pool_worker in each;
 * thread 0 is whoever calls pool_run. Invariant: no thread touches a job's data before pool_run
 * published it nor after the last barrier of the job. Every wait is bounded: when a thread does not
 * arrive within the time-out the pool is `lost` for good and every later call fails with WORKER_LOST.
 */
#ifndef SOTTO_BASE_POOL_H
#define SOTTO_BASE_POOL_H

#include "base/status.h"
#include "base/sync.h"
#include <stdbool.h>

enum { POOL_MAX_THREADS = 32 };

struct pool {
    uint32_t n_threads; /* threads of the current job, 1..n_joined + 1 */
    atomic_word n_joined; /* workers that sit in pool_worker: threads 1 .. n_joined */
    atomic_word epoch;    /* number of the job << 6 | its threads; workers sleep on it */
    atomic_word stop, abort, lost; /* abort belongs to the host and the jobs: the pool only clears it at first */
    atomic_word sleepers; /* threads in (or about to enter) a sleep: a wake costs nothing when all spin */
    atomic_word patience; /* loads that a thread spins at a barrier */
    void (*job)(void *arg, struct pool *pool, uint32_t thread);
    void *arg;
    _Alignas(64) atomic_word arrived;
    _Alignas(64) atomic_word generation;
    /* Units taken of each thread's share of a phase: two counters, used in turn, each share on a line of its own. */
    struct { _Alignas(64) atomic_word taken[2]; } share[POOL_MAX_THREADS];
    double timeout_ms;                 /* for a barrier; 0 means 10,000 */
    /* Work beside the jobs, for workers that have none; see pool_aside. */
    _Alignas(64) atomic_word aside_users;
    atomic_word aside_on;
    bool (*aside)(void *arg, uint32_t thread);
    void *aside_arg;
};

/* Clears *p for a pool of one thread. */
void pool_init(struct pool *p);

/* Body of a worker: runs jobs until pool_stop. thread is 1.. and unique; thread n joins once 1 .. n - 1
 * have. A worker that a job does not count sleeps on. */
void pool_worker(struct pool *p, uint32_t thread);

/* Runs job on n_threads threads (this one as 0; at most n_joined + 1) and returns when all are through.
 * SOTTO_OK, or SOTTO_WORKER_LOST. */
int pool_run(struct pool *p, uint32_t n_threads, void (*job)(void *, struct pool *, uint32_t), void *arg);
void pool_stop(struct pool *p);

/* Gives the pool up at once, for a host that saw a worker die. A lost pool stays lost; a late worker may
 * still be inside the job, so whoever owns the memory drops all of it. Any thread may call it. */
void pool_lose(struct pool *p);

/* Workers without a job call work(arg, thread) until it returns false, again after every pool_aside_more; it
 * takes well below a millisecond, since a job waits for it. NULL ends that, and returns when no worker is inside
 * any more. Any one thread may call it, one at a time. */
void pool_aside(struct pool *p, bool (*work)(void *arg, uint32_t thread), void *arg);
/* There is work aside. A worker that is just falling asleep may miss it: the caller does what is left itself. */
void pool_aside_more(struct pool *p);

/* All threads of the job meet; spins a while, then sleeps. False when the pool is lost: return
 * from the job at once. A job numbers its phases 0, 1, 2 … and takes work of phase p with
 * pool_take(pool, p, …). */
bool pool_barrier(struct pool *p, uint32_t phase, uint32_t thread);

/* Units that are taken at once. */
struct pieces {
    uint32_t least, most; /* at least 1 */
};
static const struct pieces ONE_BY_ONE = {1, 1};

/* Takes some of the `total` units of a phase, [*from, *to); false when none are left. Each thread has a share of its
 * own, in one piece, so that it reads memory in order and mostly without the others' cache lines; who is through with
 * it helps those who are not. It gets half of what is left of a share, at first a third: few pieces, since what a
 * piece runs before its loop is no longer in the caches, and small ones at the end, so that all are through at once
 * (guided self-scheduling, Polychronopoulos and Kuck 1987). */
bool pool_take(struct pool *p, uint32_t phase, uint32_t thread, struct pieces size, uint32_t total, uint32_t *from,
               uint32_t *to);

#endif
