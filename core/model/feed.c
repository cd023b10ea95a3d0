/* The loader: the file's bytes go straight to their place and are packed tile by tile as rows
 * become complete.
 *
 * Invariant: `list` holds what was committed, so bytes that come again go to the discard buffer and
 * a tile is packed exactly once: the commit that brings its last byte packs it or puts it on the ring, from
 * which whoever takes it packs it. One thread feeds; others read `ready`. */
#include "base/bytes.h"
#include "model/model.h"
#include <string.h>

static int64_t place_order(const struct weight *a, const struct weight *b) {
    if (a->part != b->part) return (int64_t)a->part - (int64_t)b->part;
    return a->file_at < b->file_at ? -1 : a->file_at > b->file_at;
}

static void sort_by_place(struct model *m) { /* heap sort: n may be some ten thousand */
    uint32_t *o = m->feed.order, n = m->weights.n;
    const struct weight *w = m->weights.list;
    for (uint32_t i = 0; i < n; i++) o[i] = i;
    for (uint32_t start = n / 2, end = n; end > 1;) {
        if (start > 0)
            start--;
        else {
            uint32_t last = o[--end];
            o[end] = o[0], o[0] = last;
        }
        for (uint32_t root = start, child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && place_order(&w[o[child]], &w[o[child + 1]]) < 0) child++;
            if (place_order(&w[o[root]], &w[o[child]]) >= 0) break;
            uint32_t swap = o[root];
            o[root] = o[child], o[child] = swap;
        }
    }
}

struct wanted {
    struct model *m;
    uint32_t n;
};

static void want(void *arg, int32_t w) {
    struct wanted *want = arg;
    struct weight *weight = &want->m->weights.list[w];
    if (weight->loaded) return; /* borrowed as a mark while the order is made */
    weight->loaded = 1;
    want->m->feed.wanted[want->n++] = (uint32_t)w;
}

int feed_start(struct model *m, struct fail *f) {
    struct feed *feed = &m->feed;
    struct wanted order = {.m = m};
    feed->n = 0, feed->loaded = feed->total = 0;
    for (uint32_t i = 0; i < m->plan.n_ops; i++) op_weights(&m->plan.ops[i], want, &order);
    for (uint32_t i = 0; i < m->weights.n; i++) want(&order, (int32_t)i); /* those no op reads */
    for (uint32_t i = 0; i < m->weights.n; i++)
        m->weights.list[i].loaded = 0, feed->total += m->weights.list[i].file_bytes;
    sort_by_place(m);
    for (uint32_t i = 1; i < m->weights.n; i++) {
        const struct weight *a = &m->weights.list[feed->order[i - 1]],
                            *b = &m->weights.list[feed->order[i]];
        if (a->part == b->part && a->file_at + a->file_bytes > b->file_at)
            return fail(f, SOTTO_FORMAT, b->file_at,
                        "the tensors %.*s and %.*s overlap in the file", (int)a->name.size,
                        a->name.text, (int)b->name.size, b->name.text);
    }
    return SOTTO_OK;
}

/* Weight i in file order. */
static struct weight *placed(struct model *m, uint32_t i) {
    return &m->weights.list[m->feed.order[i]];
}

/* First weight (in file order) that ends after offset. */
static uint32_t find_weight(struct model *m, uint32_t part, uint64_t offset) {
    uint32_t low = 0, high = m->weights.n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        struct weight *w = placed(m, middle);
        if (w->part < part || (w->part == part && w->file_at + w->file_bytes <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* First interval that ends after offset. */
static uint32_t find_interval(const struct feed *feed, uint32_t part, uint64_t offset) {
    uint32_t low = 0, high = feed->n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct interval *i = &feed->list[middle];
        if (i->part < part || (i->part == part && i->to <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where byte `at` of w's file range lies, and how many follow there contiguously. */
static uint8_t *place_of(const struct weight *w, uint64_t at, uint64_t *n) {
    if (w->vector) {
        *n = w->file_bytes - at;
        return w->data + (w->slice_bytes - w->file_bytes) +
               at; /* at the end, to be widened upwards in place */
    }
    uint64_t slice_file = (uint64_t)w->rows * w->row_bytes, slice = at / slice_file,
             inside = at % slice_file;
    *n = slice_file - inside;
    return w->data + slice * w->slice_bytes + inside;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint8_t *feed_target(struct model *m, uint32_t part, uint64_t offset, size_t *bytes) {
    struct feed *feed = &m->feed;
    uint32_t i = find_interval(feed, part, offset), at = find_weight(m, part, offset);
    const struct interval *next = i < feed->n && feed->list[i].part == part ? &feed->list[i] : NULL;
    const struct weight *w =
        at < m->weights.n && placed(m, at)->part == part ? placed(m, at) : NULL;
    uint64_t n = FEED_DISCARD;
    uint8_t *to = feed->discard;
    if (next && next->from <= offset)
        n = smaller(n, next->to - offset); /* came before */
    else if (!w || w->file_at > offset) {  /* between tensors */
        if (w) n = smaller(n, w->file_at - offset);
        if (next) n = smaller(n, next->from - offset);
    } else {
        to = place_of(w, offset - w->file_at, &n);
        if (next) n = smaller(n, next->from - offset);
    }
    *bytes = (size_t)n;
    return to;
}

/* Adds [from, to), which overlaps nothing, merging neighbours; *merged is what it became part of.
 */
static int add_interval(struct feed *feed, uint32_t part, uint64_t from, uint64_t to,
                        struct interval *merged, struct fail *f) {
    uint32_t i = find_interval(feed, part, from);
    bool joins_next = i < feed->n && feed->list[i].part == part && feed->list[i].from == to;
    bool joins_last = i > 0 && feed->list[i - 1].part == part && feed->list[i - 1].to == from;
    if (joins_last && joins_next) {
        feed->list[i - 1].to = feed->list[i].to;
        memmove(&feed->list[i], &feed->list[i + 1], (feed->n - i - 1) * sizeof *feed->list);
        feed->n--, i--;
    } else if (joins_last)
        feed->list[--i].to = to;
    else if (joins_next)
        feed->list[i].from = from;
    else {
        if (feed->n == FEED_INTERVALS)
            return fail(f, SOTTO_LIMIT, from,
                        "the file arrives in more than %d separate pieces; feed it in larger ones",
                        FEED_INTERVALS);
        memmove(&feed->list[i + 1], &feed->list[i], (feed->n - i) * sizeof *feed->list);
        feed->list[i] = (struct interval){.from = from, .to = to, .part = part};
        feed->n++;
    }
    *merged = feed->list[i];
    return SOTTO_OK;
}

static void widen(struct weight *w) {
    float *dst = (float *)(void *)w->data;
    const uint8_t *src = w->data + (w->slice_bytes - w->file_bytes);
    if (w->dtype == DT_F32) return;
    for (uint32_t i = 0; i < w->k; i++) {
        uint16_t half = load_u16(src + 2 * (size_t)i);
        dst[i] = w->dtype == DT_F16 ? half_to_float(half) : bf16_to_float(half);
    }
}

/* n more file bytes of w lie as they should. Exactly one thread brings the last of them. */
static void note_loaded(struct model *m, struct weight *w, uint64_t n) {
    struct feed *feed = &m->feed;
    if (__atomic_add_fetch(&w->loaded, n, __ATOMIC_SEQ_CST) == w->file_bytes)
        word_store(&w->ready, 1);
    if (__atomic_add_fetch(&feed->loaded, n, __ATOMIC_SEQ_CST) == feed->total)
        word_store(&feed->ready, 1);
}

static void pack_run(struct model *m, const struct pack_task *t, void *scratch) {
    struct weight *w = &m->weights.list[t->weight];
    uint64_t tile_file = TILE_ROWS * (uint64_t)w->row_bytes, done = 0;
    for (uint32_t tile = t->from; tile < t->to; tile++) {
        uint8_t *at = w->data + t->slice * w->slice_bytes + tile * tile_file;
        uint64_t size = smaller(tile_file, (uint64_t)w->rows * w->row_bytes - tile * tile_file);
        memset(at + size, 0, (size_t)(tile_file - size)); /* rows that the last tile lacks */
        kern_pack(w->dtype, at, scratch, w->k);
        done += size;
    }
    note_loaded(m, w, done);
}

/* ---- shared work ------------------------------------------------------------------------------ */

enum { TOUCH_BYTES = 256 << 10, MEMORY_PAGE = 4096 };

/* Takes a task off the ring, under a lock that is held for a few loads. */
static bool take_task(struct feed *feed, struct pack_task *task) {
    while (word_add(&feed->lock, 1)) spin_pause();
    uint32_t at = word_load(&feed->taken);
    bool any = at != word_load(&feed->put);
    if (any) {
        *task = feed->tasks[at % FEED_TASKS];
        word_store(&feed->taken, at + 1);
    }
    word_store(&feed->lock, 0);
    return any;
}

/* Does one task of the ring; false where there is none. */
static bool pack_next(struct model *m, void *scratch) {
    struct pack_task task;
    if (word_load(&m->feed.taken) == word_load(&m->feed.put) || !take_task(&m->feed, &task))
        return false;
    pack_run(m, &task, scratch);
    word_add(&m->feed.packed, 1);
    return true;
}

/* A function of its own with a rolled loop, as in base/pool.c and for its reason. */
__attribute__((noinline)) static void wait_packed(struct feed *feed) {
    uint32_t packed;
#if defined(__clang__)
#pragma clang loop unroll(disable)
#endif
    while ((packed = word_load(&feed->packed)) != word_load(&feed->put))
        futex_wait(&feed->packed, packed, 100000);
}

/* Makes the host give pages of the weights' memory, the last ones first, before bytes go there: half of the time
 * of reading a stored model is spent on that. */
static bool touch_next(struct model *m) {
    struct feed *feed = &m->feed;
    uint64_t end = (uint64_t)word_add(&feed->touched, 1) * TOUCH_BYTES, left;
    left = __atomic_load_n(&feed->loaded, __ATOMIC_RELAXED);
    left = m->weight_bytes > left ? m->weight_bytes - left : 0;
    if (end + TOUCH_BYTES > left) return word_add(&feed->touched, (uint32_t)-1), false;
    uint8_t *at = m->weights.list[0].data + (m->weight_bytes - end - TOUCH_BYTES);
    for (uint32_t i = 0; i < TOUCH_BYTES; i += MEMORY_PAGE) /* changes nothing, whoever writes there meanwhile */
        word_add((atomic_word *)(void *)(at + i), 0);
    return true;
}

static bool help(void *arg, uint32_t thread) {
    struct model *m = arg;
    if (thread >= m->options.max_threads) return false; /* has no scratch here */
    return pack_next(m, m->threads + thread * m->thread_bytes) || touch_next(m);
}

void feed_share(struct model *m) {
    if (m->feed.shared || !word_load(&m->pool->n_joined)) return;
    m->feed.shared = true;
    pool_aside(m->pool, help, m);
    pool_aside_more(m->pool);
}

void feed_join(struct model *m) {
    struct feed *feed = &m->feed;
    if (!feed->shared) return;
    while (pack_next(m, feed->scratch)) continue;
    wait_packed(feed);
    pool_aside(m->pool, NULL, NULL);
    feed->shared = false;
}

/* Packs tiles now, or leaves them to whoever has time. */
static void pack_or_put(struct model *m, const struct pack_task *t) {
    struct feed *feed = &m->feed;
    uint64_t tile = TILE_ROWS * (uint64_t)m->weights.list[t->weight].row_bytes;
    uint32_t step = tile < FEED_TASK_BYTES ? (uint32_t)(FEED_TASK_BYTES / tile) : 1;
    for (uint32_t from = t->from; from < t->to; from += step) {
        struct pack_task task = *t;
        task.from = from;
        if (t->to - from > step) task.to = from + step;
        uint32_t put = word_load(&feed->put);
        if (!feed->shared || put - word_load(&feed->taken) >= FEED_TASKS) {
            pack_run(m, &task, feed->scratch);
            continue;
        }
        feed->tasks[put % FEED_TASKS] = task;
        word_store(&feed->put, put + 1);
    }
    if (feed->shared) pool_aside_more(m->pool);
}

/* Packs the tiles of w that [from, to) of its file range touches and `whole` covers. */
static void pack_tiles(struct model *m, struct weight *w, uint64_t from, uint64_t to,
                       const struct interval *whole) {
    uint64_t slice_file = (uint64_t)w->rows * w->row_bytes,
             tile_file = TILE_ROWS * (uint64_t)w->row_bytes;
    struct pack_task run = {.weight = (uint32_t)(w - m->weights.list)};
    while (from < to) {
        uint64_t slice = from / slice_file, tile = from % slice_file / tile_file;
        uint64_t start = slice * slice_file + tile * tile_file,
                 size = smaller(tile_file, slice_file - tile * tile_file);
        bool there = whole->from <= w->file_at + start && w->file_at + start + size <= whole->to;
        if (run.to > run.from && (!there || slice != run.slice)) {
            pack_or_put(m, &run);
            run.to = run.from;
        }
        if (there) {
            if (run.to == run.from) run.slice = (uint32_t)slice, run.from = (uint32_t)tile;
            run.to = (uint32_t)tile + 1;
        }
        from = start + size;
    }
    if (run.to > run.from) pack_or_put(m, &run);
}

int feed_commit(struct model *m, uint32_t part, uint64_t offset, size_t bytes, struct fail *f) {
    struct feed *feed = &m->feed;
    size_t room;
    uint8_t *to = feed_target(m, part, offset, &room);
    if (bytes > room)
        return fail(f, SOTTO_EINVAL, offset, "%zu bytes were committed where %zu fit", bytes, room);
    if (to == feed->discard || !bytes) return SOTTO_OK;
    struct weight *w = placed(m, find_weight(m, part, offset));
    struct interval whole = {0};
    int rc = add_interval(feed, part, offset, offset + bytes, &whole, f);
    if (rc) return rc;
    uint64_t from = offset - w->file_at;
    if (!w->vector)
        pack_tiles(m, w, from, from + bytes, &whole);
    else if (whole.from <= w->file_at && w->file_at + w->file_bytes <= whole.to) {
        widen(w);
        note_loaded(m, w, w->file_bytes);
    }
    return SOTTO_OK;
}
