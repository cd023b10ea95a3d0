/* The KV cache: pages of KV_PAGE positions with reference counts, shared by forked sequences until
 * one writes.
 *
 * Layers with the same window form a group; a page of a group holds that many positions of all its
 * layers, so a group whose layers see a window gives pages back that no query can reach any more.
 * Page tables are arrays in the sequence. Invariant: a page's count is the number of page tables it
 * stands in; pages on the free list have count 0.
 */
#ifndef SOTTO_MODEL_KV_H
#define SOTTO_MODEL_KV_H

#include "kern/kern.h"
#include "model/hparams.h"

enum { KV_GROUPS = 2, KV_NO_PAGE = UINT32_MAX };
enum { ENCODER_TEXTS = 32 /* that one batch of an encoder takes at least */ };

/* Hands out memory of one block: run once with base NULL to learn the size, then for real. */
struct layout {
    uint8_t *base;
    uint64_t at;
};

#define LAYOUT_BEYOND ((uint64_t)1 << 58) /* a size that stands for all larger ones */

static inline void *layout_take(struct layout *l, uint64_t bytes) {
    uint64_t at = l->at;
    l->at += (bytes + 63) & ~(uint64_t)63;
    return l->base ? l->base + at : NULL;
}

struct kv_group {
    uint32_t window; /* 0: everything stays */
    uint64_t page_bytes;
    uint32_t n_pages;     /* of the cache */
    uint32_t table_pages; /* entries of a sequence's table */
    uint8_t *data;
    uint32_t *counts, *free, n_free;
};

struct kv_layer {
    uint32_t group;
    uint64_t k_at, v_at; /* in a page, of the first head */
    size_t k_row, v_row, head_bytes;
};

/* Where the rows of a head begin in a page. */
static inline uint64_t kv_head_at(const struct kv_layer *l, uint32_t head, bool value) {
    return (value ? l->v_at : l->k_at) + (uint64_t)head * l->head_bytes;
}

struct kv {
    enum kv_type type;
    uint32_t n_groups, n_layers;
    struct kv_group groups[KV_GROUPS];
    struct kv_layer *layers; /* [n_layers] */
};

/* A sequence's part of the cache. */
struct kv_seq {
    uint32_t *pages[KV_GROUPS]; /* [table_pages], KV_NO_PAGE where freed or not yet needed */
};

/* Computes groups and page sizes, and takes memory for n_sequences of context tokens each, walked
 * by at most batch. */
void kv_layout(struct kv *kv, const struct hparams *hp, enum kv_type type, uint32_t context,
               uint32_t n_sequences, uint32_t batch, struct layout *l);
void kv_reset(struct kv *kv); /* all pages free; once after kv_layout gave memory */
uint64_t kv_bytes(const struct kv *kv);
/* Pages of group g that must be free before positions [from, to) of s can be written. */
uint32_t kv_need(const struct kv *kv, const struct kv_seq *s, uint32_t g, uint32_t from,
                 uint32_t to);
/* Makes the pages of [from, to) present and its own (copying a shared one). False when pages run
 * out. */
bool kv_prepare(struct kv *kv, struct kv_seq *s, uint32_t from, uint32_t to);
/* Frees pages that no query at position >= at can reach. */
void kv_release_behind(struct kv *kv, struct kv_seq *s, uint32_t at);
void kv_truncate(struct kv *kv, struct kv_seq *s, uint32_t n); /* keeps positions < n */
void kv_share(struct kv *kv, struct kv_seq *to, const struct kv_seq *from, uint32_t n);
/* True where every position a query at `at` or later may see (below at) is still in the cache. */
bool kv_reachable(const struct kv *kv, const struct kv_seq *s, uint32_t at);

/* First page of a group that a query at `at` or later can reach. */
static inline uint32_t kv_first_page(const struct kv_group *group, uint32_t at) {
    return group->window && at >= group->window ? (at - group->window + 1) / KV_PAGE : 0;
}
/* Gives s, which has none, the pages that hold what queries at `at` or later reach. False when pages
 * run out: some may be taken. */
bool kv_take(struct kv *kv, struct kv_seq *s, uint32_t at);

static inline uint8_t *kv_page(const struct kv *kv, uint32_t group, uint32_t page) {
    return kv->groups[group].data + page * kv->groups[group].page_bytes;
}

#endif
