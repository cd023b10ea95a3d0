/* States of recurrent layers: what a sequence carries beside the KV cache.
 *
 * A state is one run of floats that holds all recurrent layers at one position; it lies in a slot
 * and never changes once a piece has been walked: the next piece writes another slot. So a fork
 * shares slots, a piece that was given up leaves nothing behind, and old slots are the checkpoints
 * that a truncation goes back to. Invariant: a slot's count is the number of marks it stands in
 * plus the pieces that write it; `pinned` counts those that cannot be dropped (a sequence's newest,
 * a piece's own).
 */
#ifndef SOTTO_MODEL_STATE_H
#define SOTTO_MODEL_STATE_H

#include "model/kv.h"

enum {
    STATE_MARKS = 15,           /* of a sequence, the newest included */
    STATE_EVERY = 32,           /* positions between checkpoints while tokens come one by one */
    STATE_CHECKPOINTS_LEAST = 2 /* room for a sequence's checkpoints … */,
    STATE_CHECKPOINT_BYTES = 32 << 20, /* … and what they may take where more are possible */
    STATE_NONE = UINT32_MAX,
};
#define STATE_FLOATS_MOST ((uint64_t)1 << 30)

struct states {
    uint32_t floats;  /* of a state; 0: the model has none */
    uint32_t n_slots, n_free;
    float *data;                      /* [n_slots][floats] */
    uint32_t *counts, *pinned, *free; /* [n_slots] */
};

struct state_mark {
    uint32_t at; /* tokens that the state has seen */
    uint32_t slot;
    bool keeps; /* the newest only: becomes a checkpoint when the next comes */
};

/* A sequence's part: marks by position, the last of which is where it stands. Without marks the
 * state is zero. */
struct state_seq {
    struct state_mark marks[STATE_MARKS];
    uint32_t n;
    uint32_t next;    /* slot a piece writes, or STATE_NONE */
    uint32_t special; /* position before the newest prompt's last piece: dropped last */
};

struct seq;
struct model;

void states_layout(struct states *s, uint64_t floats, uint32_t n_sequences, struct layout *l);
void states_reset(struct states *s); /* once after states_layout gave memory */
uint64_t states_bytes(const struct states *s);
/* What a sequence reads (NULL: zeros) and what the piece under way writes, at a layer's offset. The
 * whole state is `floats` numbers at offset 0; one from elsewhere comes in by state_begin, filling
 * state_to, and state_end from 0 to its position. */
const float *state_from(const struct states *s, const struct state_seq *own, uint32_t at);
float *state_to(const struct states *s, const struct state_seq *own, uint32_t at);

/* True where the batch put together can be walked whatever checkpoints it costs. */
bool states_suffice(struct model *m);

/* Tokens of a piece of n that begins at position: it ends where a checkpoint is worth having, soon
 * before a prompt's end, since templates often change what comes last. */
uint32_t state_cut(uint32_t position, uint32_t n);

void state_init(struct state_seq *own);
/* A slot for a piece; drops checkpoints of any of the n sequences for it. False where none can be
 * had. */
bool state_begin(struct states *s, struct state_seq *own, struct seq *seqs, uint32_t n);
void state_give_up(struct states *s, struct state_seq *own); /* what state_begin took, if any */
/* The piece of positions [from, to) is done; last: of its entry. */
void state_end(struct states *s, struct state_seq *own, uint32_t from, uint32_t to, bool last);
/* Goes back to the newest checkpoint of at most n tokens; returns its position, 0 for the start. */
uint32_t state_truncate(struct states *s, struct state_seq *own, uint32_t n);
void state_share(struct states *s, struct state_seq *to, const struct state_seq *from);

#endif
