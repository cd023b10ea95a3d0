#include "model/kv.h"
#include <string.h>

static uint32_t pages_for(uint32_t positions) {
    return (positions + KV_PAGE - 1) / KV_PAGE;
}

void kv_layout(struct kv *kv, const struct hparams *hp, enum kv_type type, uint32_t context,
               uint32_t n_sequences, uint32_t batch, struct layout *l) {
    kv->type = type;
    kv->n_groups = 0;
    kv->n_layers = hp->n_layer;
    kv->layers = layout_take(l, (uint64_t)hp->n_layer * sizeof *kv->layers);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const struct layer_hp *h = &hp->layers[i];
        uint32_t g = 0, window = hp->encoder ? 0 : h->window;
        if (h->kv_back) {
            if (kv->layers) kv->layers[i] = kv->layers[i - h->kv_back];
            continue;
        }
        if (!h->n_kv_head) continue; /* no attention, no cache */
        /* a third kind of window would share the last group: its pages then live as long as the
         * widest needs */
        while (g < kv->n_groups && kv->groups[g].window != window) g++;
        if (g == KV_GROUPS) {
            g--;
            kv->groups[g].window =
                kv->groups[g].window && window
                    ? (window > kv->groups[g].window ? window : kv->groups[g].window)
                    : 0;
        } else if (g == kv->n_groups)
            kv->groups[kv->n_groups++] = (struct kv_group){.window = window};
        struct kv_layer at = {.group = g,
                              .k_row = kv_row_bytes(type, h->dim_k),
                              .v_row = kv_row_bytes(type, h->dim_v)};
        /* an encoder's blocks follow each other in one place: none looks back */
        at.k_at = hp->encoder ? 0 : kv->groups[g].page_bytes;
        at.v_at = at.k_at, at.head_bytes = KV_PAGE * at.k_row;
        if (h->v_in_k)
            at.v_row = at.k_row;
        else
            at.v_at += at.head_bytes, at.head_bytes += KV_PAGE * at.v_row;
        uint64_t end = at.k_at + (uint64_t)h->n_kv_head * at.head_bytes;
        if (end > kv->groups[g].page_bytes) kv->groups[g].page_bytes = end;
        if (kv->layers) kv->layers[i] = at;
    }
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        struct kv_group *group = &kv->groups[g];
        group->table_pages = pages_for(context);
        uint64_t each = group->table_pages;
        /* the window, the batch being written, and the ragged ends of both */
        uint64_t windowed =
            group->window ? (uint64_t)pages_for(group->window) + pages_for(batch) + 2 : each;
        if (windowed < each) each = windowed;
        uint64_t n = each * n_sequences;
        if (hp->encoder) /* the texts of one piece, each with a ragged end */
            n = each + ENCODER_TEXTS + (uint64_t)n_sequences * 4;
        group->n_pages = n > 0x7fffffff ? 0x7fffffff : (uint32_t)n;
        /* what no memory can hold is not multiplied out: the sum of a layout must not wrap */
        bool beyond = group->page_bytes && n > LAYOUT_BEYOND / group->page_bytes;
        group->data = layout_take(l, beyond ? LAYOUT_BEYOND : group->page_bytes * n);
        group->counts = layout_take(l, n * sizeof(uint32_t));
        group->free = layout_take(l, n * sizeof(uint32_t));
    }
}

void kv_reset(struct kv *kv) {
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        struct kv_group *group = &kv->groups[g];
        group->n_free = group->n_pages;
        for (uint32_t i = 0; i < group->n_pages; i++)
            group->counts[i] = 0, group->free[i] = group->n_pages - 1 - i;
    }
}

uint64_t kv_bytes(const struct kv *kv) {
    uint64_t sum = 0;
    for (uint32_t g = 0; g < kv->n_groups; g++)
        sum += kv->groups[g].page_bytes * kv->groups[g].n_pages;
    return sum;
}

uint32_t kv_need(const struct kv *kv, const struct kv_seq *s, uint32_t g, uint32_t from,
                 uint32_t to) {
    uint32_t need = 0;
    for (uint32_t i = from / KV_PAGE; i < pages_for(to); i++) {
        uint32_t page = s->pages[g][i];
        need += page == KV_NO_PAGE || kv->groups[g].counts[page] > 1;
    }
    return need;
}

static void release(struct kv_group *group, uint32_t *entry) {
    if (*entry == KV_NO_PAGE) return;
    if (--group->counts[*entry] == 0) group->free[group->n_free++] = *entry;
    *entry = KV_NO_PAGE;
}

bool kv_prepare(struct kv *kv, struct kv_seq *s, uint32_t from, uint32_t to) {
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        struct kv_group *group = &kv->groups[g];
        for (uint32_t i = from / KV_PAGE; i < pages_for(to); i++) {
            uint32_t *entry = &s->pages[g][i];
            if (*entry != KV_NO_PAGE && group->counts[*entry] == 1) continue;
            if (!group->n_free) return false;
            uint32_t fresh = group->free[--group->n_free];
            group->counts[fresh] = 1;
            if (*entry != KV_NO_PAGE) { /* shared: the positions below `from` stay as they are */
                memcpy(kv_page(kv, g, fresh), kv_page(kv, g, *entry), (size_t)group->page_bytes);
                group->counts[*entry]--;
            }
            *entry = fresh;
        }
    }
    return true;
}

void kv_release_behind(struct kv *kv, struct kv_seq *s, uint32_t at) {
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        struct kv_group *group = &kv->groups[g];
        if (!group->window || at < group->window) continue;
        uint32_t first =
            (at - group->window + 1) / KV_PAGE; /* the oldest page a query at `at` sees */
        for (uint32_t i = first; i-- > 0 && s->pages[g][i] != KV_NO_PAGE;)
            release(group, &s->pages[g][i]);
    }
}

void kv_truncate(struct kv *kv, struct kv_seq *s, uint32_t n) {
    for (uint32_t g = 0; g < kv->n_groups; g++)
        for (uint32_t i = pages_for(n); i < kv->groups[g].table_pages; i++)
            release(&kv->groups[g], &s->pages[g][i]);
}

void kv_share(struct kv *kv, struct kv_seq *to, const struct kv_seq *from, uint32_t n) {
    for (uint32_t g = 0; g < kv->n_groups; g++)
        for (uint32_t i = 0; i < kv->groups[g].table_pages; i++) {
            uint32_t page = i < pages_for(n) ? from->pages[g][i] : KV_NO_PAGE;
            to->pages[g][i] = page;
            if (page != KV_NO_PAGE) kv->groups[g].counts[page]++;
        }
}

bool kv_take(struct kv *kv, struct kv_seq *s, uint32_t at) {
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        struct kv_group *group = &kv->groups[g];
        for (uint32_t i = kv_first_page(group, at); i < pages_for(at); i++) {
            if (!group->n_free) return false;
            s->pages[g][i] = group->free[--group->n_free];
            group->counts[s->pages[g][i]] = 1;
        }
    }
    return true;
}

bool kv_reachable(const struct kv *kv, const struct kv_seq *s, uint32_t at) {
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        uint32_t window = kv->groups[g].window;
        uint32_t first = window && at >= window ? (at - window + 1) / KV_PAGE : 0;
        for (uint32_t i = first; i < pages_for(at); i++)
            if (s->pages[g][i] == KV_NO_PAGE) return false;
    }
    return true;
}
