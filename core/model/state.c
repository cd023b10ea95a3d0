#include "model/model.h"
#include <string.h>

void states_layout(struct states *s, uint64_t floats, uint32_t n_sequences, struct layout *l) {
    uint64_t bytes = floats * sizeof(float), each = STATE_MARKS - 1;
    s->floats = (uint32_t)floats, s->n_slots = 0;
    if (!floats) return;
    if (bytes * each > STATE_CHECKPOINT_BYTES) each = STATE_CHECKPOINT_BYTES / bytes;
    if (each < STATE_CHECKPOINTS_LEAST) each = STATE_CHECKPOINTS_LEAST;
    s->n_slots = (uint32_t)(each + 2) * n_sequences; /* and the newest, and the one being written */
    s->data = layout_take(l, bytes * s->n_slots);
    s->counts = layout_take(l, s->n_slots * sizeof(uint32_t));
    s->pinned = layout_take(l, s->n_slots * sizeof(uint32_t));
    s->free = layout_take(l, s->n_slots * sizeof(uint32_t));
}

void states_reset(struct states *s) {
    s->n_free = s->n_slots;
    for (uint32_t i = 0; i < s->n_slots; i++)
        s->counts[i] = s->pinned[i] = 0, s->free[i] = s->n_slots - 1 - i;
}

uint64_t states_bytes(const struct states *s) {
    return (uint64_t)s->n_slots * s->floats * sizeof(float);
}

const float *state_from(const struct states *s, const struct state_seq *own, uint32_t at) {
    return own->n ? s->data + (size_t)own->marks[own->n - 1].slot * s->floats + at : NULL;
}

float *state_to(const struct states *s, const struct state_seq *own, uint32_t at) {
    return s->data + (size_t)own->next * s->floats + at;
}

uint32_t state_cut(uint32_t position, uint32_t n) {
    uint32_t end = (position + n) / STATE_EVERY * STATE_EVERY;
    return end > position ? end - position : n;
}

void state_init(struct state_seq *own) {
    *own = (struct state_seq){.next = STATE_NONE};
}

static void release(struct states *s, uint32_t slot) {
    if (--s->counts[slot] == 0) s->free[s->n_free++] = slot;
}

static void remove_mark(struct states *s, struct state_seq *own, uint32_t i) {
    release(s, own->marks[i].slot);
    memmove(&own->marks[i], &own->marks[i + 1], (own->n - i - 1) * sizeof *own->marks);
    own->n--;
}

/* What would be missed without checkpoint i: the gap it would leave, relative to how far back it
 * lies, so that checkpoints thin out with their age. */
static double value(const struct state_seq *own, uint32_t i) {
    double before = i ? own->marks[i - 1].at : 0, after = own->marks[i + 1].at;
    double value = (after - before) / (own->marks[own->n - 1].at - before + 1);
    return own->marks[i].at == own->special ? value + 1 : value;
}

/* The checkpoint that is missed least, of those that may go; own->n where there is none. */
static uint32_t least(const struct states *s, const struct state_seq *own, bool any,
                      double *found) {
    uint32_t best = own->n;
    for (uint32_t i = 0; i + 1 < own->n; i++) {
        if (!any && s->pinned[own->marks[i].slot]) continue; /* where another sequence stands */
        double v = value(own, i);
        if (best == own->n || v < *found) best = i, *found = v;
    }
    return best;
}

/* Frees a slot that is only a checkpoint, in every sequence that knows it. */
static bool drop_checkpoint(struct states *s, struct seq *seqs, uint32_t n) {
    uint32_t slot = STATE_NONE;
    double best = 0;
    for (uint32_t i = 0; i < n; i++) {
        double found = 0;
        uint32_t at = least(s, &seqs[i].state, false, &found);
        if (at == seqs[i].state.n || (slot != STATE_NONE && found >= best)) continue;
        slot = seqs[i].state.marks[at].slot, best = found;
    }
    for (uint32_t i = 0; slot != STATE_NONE && i < n; i++)
        for (uint32_t k = 0; k < seqs[i].state.n; k++)
            if (seqs[i].state.marks[k].slot == slot) remove_mark(s, &seqs[i].state, k--);
    return slot != STATE_NONE;
}

bool state_begin(struct states *s, struct state_seq *own, struct seq *seqs, uint32_t n) {
    if (!s->floats) return true;
    if (!s->n_free && !drop_checkpoint(s, seqs, n)) return false;
    own->next = s->free[--s->n_free];
    s->counts[own->next] = s->pinned[own->next] = 1;
    return true;
}

void state_give_up(struct states *s, struct state_seq *own) {
    if (own->next == STATE_NONE) return;
    s->pinned[own->next]--;
    release(s, own->next);
    own->next = STATE_NONE;
}

/* The newest mark is not that any more: it stays as a checkpoint where it keeps, or goes. */
static void retire(struct states *s, struct state_seq *own) {
    if (!own->n) return;
    s->pinned[own->marks[own->n - 1].slot]--;
    if (!own->marks[own->n - 1].keeps) remove_mark(s, own, own->n - 1);
}

void state_end(struct states *s, struct state_seq *own, uint32_t from, uint32_t to, bool last) {
    if (!s->floats) return;
    bool prompt = to - from > 1;
    if (prompt && last) {
        own->special = from;
        if (own->n) own->marks[own->n - 1].keeps = true;
    }
    retire(s, own);
    double found;
    if (own->n == STATE_MARKS) remove_mark(s, own, least(s, own, true, &found));
    own->marks[own->n++] = (struct state_mark){
        .at = to, .slot = own->next, .keeps = prompt || to % STATE_EVERY == 0};
    own->next = STATE_NONE; /* its pin is the mark's now */
}

bool states_suffice(struct model *m) {
    struct states *s = &m->states;
    const struct walk *w = &m->walk;
    uint32_t need = 0;
    if (!s->floats) return true;
    for (int sign = -1; sign <= 1; sign += 2) { /* what the batch's sequences hold goes with them */
        for (uint32_t i = 0; i < w->n_entries; i++) {
            const struct run_entry *e = &w->entries[i];
            if (!e->n_tokens) continue;
            if (sign < 0) need += 2; /* one read, one written */
            const struct state_seq *own = &e->seq->state;
            if (own->n) s->pinned[own->marks[own->n - 1].slot] += (uint32_t)sign;
        }
        for (uint32_t i = 0; sign < 0 && i < s->n_slots; i++) need += s->pinned[i] > 0;
    }
    return need <= s->n_slots;
}

uint32_t state_truncate(struct states *s, struct state_seq *own, uint32_t n) {
    state_give_up(s, own);
    if (!own->n || own->marks[own->n - 1].at <= n) return own->n ? own->marks[own->n - 1].at : 0;
    s->pinned[own->marks[own->n - 1].slot]--;
    while (own->n && own->marks[own->n - 1].at > n) remove_mark(s, own, own->n - 1);
    if (!own->n) return 0;
    struct state_mark *newest = &own->marks[own->n - 1];
    s->pinned[newest->slot]++;
    newest->keeps = true;
    return newest->at;
}

void state_share(struct states *s, struct state_seq *to, const struct state_seq *from) {
    *to = *from;
    to->next = STATE_NONE;
    for (uint32_t i = 0; i < to->n; i++) s->counts[to->marks[i].slot]++;
    if (to->n) s->pinned[to->marks[to->n - 1].slot]++;
}
