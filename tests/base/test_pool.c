/* The thread pool with real threads: every unit of work is done once, idle workers sleep, a lost
 * worker is noticed. */
#include "../check.h"
#include "base/pool.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct worker {
    struct pool *pool;
    uint32_t thread;
    pthread_t id;
};

static void *work(void *arg) {
    struct worker *w = arg;
    pool_worker(w->pool, w->thread);
    return NULL;
}

/* Threads start in reverse order, so that joining in order is tested as well. */
static void start(struct worker *w, struct pool *p, uint32_t n) {
    for (uint32_t i = n; i-- > 0;) {
        w[i] = (struct worker){.pool = p, .thread = i + 1};
        pthread_create(&w[i].id, NULL, work, &w[i]);
    }
    for (int i = 0; i < 5000 && word_load(&p->n_joined) < n; i++) usleep(1000);
    CHECK_EQ(word_load(&p->n_joined), n);
}

static void finish(struct worker *w, struct pool *p, uint32_t n) {
    pool_stop(p);
    for (uint32_t i = 0; i < n; i++) pthread_join(w[i].id, NULL);
}

enum { UNITS = 97, PHASES = 6 };

struct job {
    uint32_t n_threads;
    uint32_t seen[POOL_MAX_THREADS];
    uint32_t done[PHASES][UNITS];
    uint32_t errors;
};

/* Each phase checks that the one before is complete. */
static void phases(void *arg, struct pool *p, uint32_t thread) {
    struct job *j = arg;
    __atomic_fetch_add(&j->seen[thread], 1, __ATOMIC_RELAXED);
    for (uint32_t phase = 0; phase < PHASES; phase++) {
        for (uint32_t from, to; pool_take(p, phase, thread, (struct pieces){2, 5}, UNITS, &from, &to);)
            for (uint32_t k = from; k < to; k++) {
                if (phase && j->done[phase - 1][UNITS - 1 - k] != 1) word_add(&j->errors, 1);
                j->done[phase][k]++;
            }
        if (!pool_barrier(p, phase, thread)) return;
    }
}

static void every_unit_is_done_once_on_any_number_of_threads(void) {
    struct pool p;
    struct worker w[7];
    long bad = 0;
    pool_init(&p);
    start(w, &p, 7);
    for (uint32_t round = 0; round < 1500; round++) {
        uint32_t n = round % 8 + 1;
        struct job j = {.n_threads = n};
        if (pool_run(&p, n, phases, &j) != SOTTO_OK) bad++;
        for (uint32_t t = 0; t < POOL_MAX_THREADS; t++) bad += j.seen[t] != (t < n);
        for (int a = 0; a < PHASES; a++)
            for (int b = 0; b < UNITS; b++) bad += j.done[a][b] != 1;
        bad += j.errors != 0;
        if (round % 100 == 50) usleep(3000); /* let them fall asleep */
    }
    CHECK_EQ(bad, 0);
    {
        struct job j = {.n_threads = 8};
        CHECK_EQ(pool_run(&p, 30, phases, &j), SOTTO_OK); /* more than there are: all there are */
        CHECK_EQ(p.n_threads, 8);
        CHECK_EQ(pool_run(&p, 0, phases, &(struct job){0}), SOTTO_OK);
        CHECK_EQ(p.n_threads, 1);
    }
    finish(w, &p, 7);
}

static void one_thread_needs_no_worker(void) {
    struct pool p;
    struct job j = {.n_threads = 1};
    long bad = 0;
    pool_init(&p);
    CHECK_EQ(pool_run(&p, 4, phases, &j), SOTTO_OK);
    for (int a = 0; a < PHASES; a++)
        for (int b = 0; b < UNITS; b++) bad += j.done[a][b] != 1;
    CHECK_EQ(bad, 0);
    CHECK_EQ(word_load(&p.epoch), 0);
}

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void idle_workers_use_no_cpu(void) {
    struct pool p;
    struct worker w[7];
    struct job j = {0};
    double cpu;
    pool_init(&p);
    start(w, &p, 7);
    pool_run(&p, 8, phases, &j);
    usleep(100000);
    cpu = cpu_ms();
    usleep(500000);
    cpu = cpu_ms() - cpu;
    CHECK(cpu < 5, "%.2f ms in 500 ms", cpu);
    finish(w, &p, 7);
}

static void *burn(void *stop) {
    while (!word_load(stop)) continue;
    return NULL;
}

static void empty_phases(void *arg, struct pool *p, uint32_t thread) {
    for (uint32_t i = 0; i < *(uint32_t *)arg; i++)
        if (!pool_barrier(p, i, thread)) return;
}

/* More threads than cores, and every core busy: slower in proportion, never stalled. */
static void a_busy_machine_slows_but_does_not_stall(void) {
    struct pool p;
    struct worker w[3];
    pthread_t burners[4];
    uint32_t stop = 0, n = 200;
    double t;
    pool_init(&p);
    start(w, &p, 3);
    for (int i = 0; i < 4; i++) pthread_create(&burners[i], NULL, burn, &stop);
    t = clock_ms();
    CHECK_EQ(pool_run(&p, 4, empty_phases, &n), SOTTO_OK);
    t = clock_ms() - t;
    word_store(&stop, 1);
    for (int i = 0; i < 4; i++) pthread_join(burners[i], NULL);
    CHECK(t < 9000, "%.0f ms for %u barriers", t, n);
    printf("busy machine: %.3f ms a barrier of 4 threads\n", t / n);
    finish(w, &p, 3);
}

static void barriers_are_quick_when_all_run(void) {
    struct pool p;
    struct worker w[1];
    uint32_t n = 20000;
    double t;
    pool_init(&p);
    start(w, &p, 1);
    pool_run(&p, 2, empty_phases, &n);
    t = clock_ms();
    CHECK_EQ(pool_run(&p, 2, empty_phases, &n), SOTTO_OK);
    printf("barrier of 2 threads: %.3f us\n", (clock_ms() - t) * 1e3 / n);
    finish(w, &p, 1);
}

struct hang {
    uint32_t release, left;
};

/* Thread 1 goes missing in the middle of the job. */
static void hang_job(void *arg, struct pool *p, uint32_t thread) {
    struct hang *h = arg;
    if (!pool_barrier(p, 0, thread)) return;
    while (thread == 1 && !word_load(&h->release)) usleep(1000);
    pool_barrier(p, 1, thread);
    word_add(&h->left, 1);
}

static void a_lost_worker_is_noticed_in_time(void) {
    static struct pool p; /* outlives the late worker */
    static struct hang h;
    struct worker w[2];
    double t;
    pool_init(&p);
    p.timeout_ms = 200;
    start(w, &p, 2);
    t = clock_ms();
    CHECK_EQ(pool_run(&p, 3, hang_job, &h), SOTTO_WORKER_LOST);
    t = clock_ms() - t;
    CHECK(t >= 190 && t < 2000, "%.0f ms", t);
    CHECK_EQ(pool_run(&p, 3, hang_job, &h), SOTTO_WORKER_LOST);
    CHECK_EQ(pool_run(&p, 1, hang_job, &h), SOTTO_WORKER_LOST);
    word_store(&h.release, 1);
    finish(w, &p, 2);
    CHECK_EQ(h.left, 3);
}

static void *lose_soon(void *arg) {
    usleep(50000);
    pool_lose(arg);
    return NULL;
}

static void a_pool_that_the_host_gives_up_returns_at_once(void) {
    static struct pool p;
    static struct hang h;
    struct worker w[1];
    pthread_t id;
    double t;
    pool_init(&p);
    start(w, &p, 1);
    pthread_create(&id, NULL, lose_soon, &p);
    t = clock_ms();
    CHECK_EQ(pool_run(&p, 2, hang_job, &h), SOTTO_WORKER_LOST);
    t = clock_ms() - t;
    CHECK(t < 1000, "%.0f ms", t);
    pthread_join(id, NULL);
    word_store(&h.release, 1);
    finish(w, &p, 1);
}

/* Thread 1 needs some 300 ms in which the process runs. */
static void slow_job(void *arg, struct pool *p, uint32_t thread) {
    (void)arg;
    for (int i = 0; thread == 1 && i < 300; i++) usleep(1000);
    pool_barrier(p, 0, thread);
}

/* As a laptop does that is closed in the middle of an answer: the clock goes on, nothing else does. */
static void a_suspended_machine_has_not_lost_a_worker(void) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        static struct pool p;
        struct worker w[1];
        pool_init(&p);
        p.timeout_ms = 1500;
        start(w, &p, 1);
        _exit(pool_run(&p, 2, slow_job, NULL));
    }
    usleep(100000);
    kill(child, SIGSTOP);
    usleep(2000000);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == SOTTO_OK, "status %d", status);
}

static void a_worker_that_never_joined_can_be_stopped(void) {
    struct pool p;
    struct worker w = {.pool = &p, .thread = 2};
    pool_init(&p);
    pthread_create(&w.id, NULL, work, &w);
    usleep(20000);
    CHECK_EQ(word_load(&p.n_joined), 0);
    pool_stop(&p);
    pthread_join(w.id, NULL);
}

struct aside {
    atomic_word left, done;
};

static bool some_aside(void *arg, uint32_t thread) {
    struct aside *a = arg;
    uint32_t left = word_load(&a->left);
    CHECK(thread > 0, "the owner of the pool works aside");
    if (!left || !__atomic_compare_exchange_n(&a->left, &left, left - 1, false, __ATOMIC_SEQ_CST,
                                              __ATOMIC_SEQ_CST))
        return left != 0;
    usleep(100);
    word_add(&a->done, 1);
    return true;
}

static void workers_without_a_job_do_what_is_aside(void) {
    static struct pool p;
    static struct job j;
    struct aside a = {.left = 200};
    struct worker w[2];
    pool_init(&p);
    start(w, &p, 2);
    usleep(2000);
    pool_aside(&p, some_aside, &a);
    pool_aside_more(&p);
    for (uint32_t i = 0; i < 20; i++) {
        memset(&j, 0, sizeof j);
        CHECK_EQ(pool_run(&p, 3, phases, &j), SOTTO_OK);
        CHECK_EQ(j.errors, 0);
    }
    for (int i = 0; i < 5000 && word_load(&a.left); i++) usleep(1000);
    pool_aside(&p, NULL, NULL);
    CHECK_EQ(word_load(&a.done), 200);
    word_store(&a.left, 5);
    pool_aside_more(&p);
    usleep(2000);
    CHECK_EQ(word_load(&a.done), 200); /* nobody comes any more */
    finish(w, &p, 2);
}

int main(void) {
    one_thread_needs_no_worker();
    every_unit_is_done_once_on_any_number_of_threads();
    idle_workers_use_no_cpu();
    a_busy_machine_slows_but_does_not_stall();
    barriers_are_quick_when_all_run();
    workers_without_a_job_do_what_is_aside();
    a_lost_worker_is_noticed_in_time();
    a_pool_that_the_host_gives_up_returns_at_once();
    a_suspended_machine_has_not_lost_a_worker();
    a_worker_that_never_joined_can_be_stopped();
    return check_done();
}
