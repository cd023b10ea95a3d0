/* Recurrent states: whatever is forked, cut, given up or mixed in a batch, the logits of a position
 * are those of one walk over the same tokens; and a cut goes back no further than it must. */
#define _POSIX_C_SOURCE 200809L
#include "model_case.h"
#include "api/api_int.h"

enum { N = 200 };

static uint32_t seed = 1;
static uint32_t rnd(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static uint32_t ids[N];
static uint64_t want[N], got[N];

static void one_walk(const struct input *in) {
    for (uint32_t i = 0; i < N; i++) ids[i] = in->tokens[i * 7 % in->n];
    sotto_model *m = open_in(in, (struct sotto_options){0});
    sotto_seq *s;
    sotto_seq_new(m, &s);
    CHECK_EQ(evaluate(m, s, ids, N, SOTTO_WANT_ALL, 0, want), SOTTO_OK);
    sotto_model_close(m);
}

/* Evaluates ids[from, to) and compares every row. */
static void go_on(sotto_model *m, sotto_seq *s, uint32_t to, const char *what) {
    uint32_t from = sotto_seq_length(s);
    memset(got, 0, sizeof got);
    int rc = evaluate(m, s, ids + from, to - from, SOTTO_WANT_ALL, 0, got);
    CHECK(!rc && !memcmp(got + from, want + from, (to - from) * sizeof *got),
          "%s: %u to %u differ: %s", what, from, to, sotto_model_fail(m)->text);
}

static uint32_t cached(sotto_seq *s) {
    return seq_of(s)->n_cached;
}

/* A chat: a prompt, an answer token by token, the next prompt cut back a little, and so on. */
static void a_cut_goes_back_to_a_near_checkpoint(const struct input *in, const char *name) {
    sotto_model *m = open_in(in, (struct sotto_options){0});
    sotto_seq *s;
    sotto_seq_new(m, &s);
    go_on(m, s, 75, name);
    for (uint32_t n = 76; n <= 120; n++) go_on(m, s, n, name);
    CHECK_EQ(cached(s), 120);
    CHECK_EQ(sotto_seq_truncate(s, 118), SOTTO_OK);
    CHECK(cached(s) >= 96, "%s: cut to 118, back to %u", name, cached(s));
    go_on(m, s, 150, name);
    CHECK_EQ(sotto_seq_truncate(s, 74), SOTTO_OK); /* inside the first prompt's last tokens */
    CHECK(cached(s) >= 64, "%s: cut to 74, back to %u", name, cached(s));
    CHECK_EQ(sotto_seq_truncate(s, 73), SOTTO_OK);
    go_on(m, s, N, name);
    for (uint32_t back = N - 1; back > 100; back -= 9) {
        CHECK_EQ(sotto_seq_truncate(s, back), SOTTO_OK);
        CHECK(back - cached(s) < 128, "%s: cut to %u, back to %u", name, back, cached(s));
        go_on(m, s, back + 1, name);
    }
    CHECK_EQ(sotto_seq_truncate(s, 0), SOTTO_OK);
    go_on(m, s, 3, name);
    sotto_model_close(m);
}

/* Some hundred steps of everything on up to five sequences, all prefixes of the same ids. */
static void any_history_gives_the_same_logits(const struct input *in, const char *name,
                                              uint32_t n_sequences, uint32_t batch) {
    sotto_model *m =
        open_in(in, (struct sotto_options){.n_sequences = n_sequences, .batch = batch});
    const struct states *states = &((struct sotto_model *)m)->m.states;
    sotto_seq *s[5] = {0};
    uint32_t full = 0;
    sotto_seq_new(m, &s[0]);
    for (int step = 0; step < 300; step++) {
        uint32_t i = rnd(5), j = rnd(5), what = rnd(8);
        if (!s[i]) {
            if (s[j] && (what & 1))
                sotto_seq_fork(s[j], &s[i]);
            else if (what & 2)
                sotto_seq_new(m, &s[i]);
            continue;
        }
        uint32_t length = sotto_seq_length(s[i]), room = N - length, n = rnd(what & 1 ? 3 : 60);
        if (n > room) n = room;
        struct sotto_entry e[2] = {{s[i], ids + length, n, SOTTO_WANT_ALL}};
        if (what == 0 && step % 3 == 0) {
            sotto_seq_free(s[i]), s[i] = NULL;
        } else if (what == 1 || what == 0) {
            sotto_seq_truncate(s[i], length - rnd(length + 1) / (1 + rnd(4)));
        } else if (what == 2 && n) { /* given up in the middle */
            if (!sotto_run_begin(m, e, 1)) {
                for (uint32_t k = rnd(6); k > 0; k--) sotto_run(m, 0.001);
                sotto_abort(m);
                for (int k = 0; k < 1000 && sotto_run(m, 0) == SOTTO_MORE; k++) {
                }
            }
        } else {
            uint32_t n_entries = 1;
            if (what == 3 && s[j] && i != j && sotto_seq_length(s[j]) < N)
                e[n_entries++] =
                    (struct sotto_entry){s[j], ids + sotto_seq_length(s[j]), 1, SOTTO_WANT_NONE};
            memset(got, 0, sizeof got);
            int rc = sotto_run_begin(m, e, n_entries);
            if (!rc) rc = drain(m, 0, got);
            full += rc == SOTTO_CONTEXT_FULL;
            if (rc == SOTTO_CONTEXT_FULL) continue;
            CHECK(!rc && !memcmp(got + length, want + length, n * sizeof *got),
                  "%s, step %d: %u to %u differ: %s", name, step, length, length + n,
                  sotto_model_fail(m)->text);
        }
    }
    for (int i = 0; i < 5; i++)
        if (s[i]) sotto_seq_free(s[i]);
    CHECK(states->n_slots && states->n_free == states->n_slots, "%s: %u of %u states came back",
          name, states->n_free, states->n_slots);
    for (uint32_t i = 0; i < states->n_slots; i++)
        CHECK(!states->counts[i] && !states->pinned[i], "%s: state %u is still held", name, i);
    (void)full;
    sotto_model_close(m);
}

/* Slots beyond what sequences of their own need are refused, not overrun. */
static void too_many_states_are_refused(const struct input *in, const char *name) {
    sotto_model *m = open_in(in, (struct sotto_options){.n_sequences = 4});
    struct states *states = &((struct sotto_model *)m)->m.states;
    sotto_seq *s[16];
    struct sotto_entry e[16];
    states->n_slots = states->n_free = 20; /* as if states were large */
    for (uint32_t i = 0, at = 0; i < states->n_slots; i++) states->free[at++] = i;
    for (uint32_t i = 0; i < 16; i++) {
        if (!CHECK_EQ(sotto_seq_new(m, &s[i]), SOTTO_OK)) return;
        e[i] = (struct sotto_entry){s[i], ids, 2, SOTTO_WANT_LAST};
    }
    CHECK_EQ(sotto_run_begin(m, e, 11), SOTTO_CONTEXT_FULL);
    CHECK_EQ(sotto_run_begin(m, e, 10), SOTTO_OK);
    CHECK_EQ(drain(m, 0, NULL), SOTTO_OK);
    for (uint32_t i = 0; i < 10; i++) e[i].tokens = ids + 2;
    for (int turn = 0; turn < 3; turn++) {
        CHECK_EQ(sotto_run_begin(m, e, 10), SOTTO_OK);
        CHECK_EQ(drain(m, 0, NULL), SOTTO_OK);
    }
    CHECK_EQ(sotto_run_begin(m, e, 11), SOTTO_CONTEXT_FULL);
    CHECK(strstr(sotto_model_fail(m)->text, "states"), "%s: %s", name, sotto_model_fail(m)->text);
    sotto_model_close(m);
}

static void lie_u32(const struct input *in, const char *name, size_t skip, uint32_t value,
                    const char *word) {
    lie(in, name, skip, &value, 4, SOTTO_FORMAT, word);
}

static void lies_get_a_sentence(const char *cases) {
    struct input in = load(cases, "arch", "mamba2");
    if (in.tokens) {
        lie_u32(&in, "mamba2.ssm.time_step_rank", 4, 7, "ssm.time_step_rank 7");
        lie_u32(&in, "mamba2.ssm.group_count", 4, 3, "ssm.group_count 3");
        lie_u32(&in, "mamba2.ssm.conv_kernel", 4, 0, "attention.head_count");
        lie_u32(&in, "mamba2.ssm.conv_kernel", 4, 17, "ssm.conv_kernel is 17");
        lie_u32(&in, "mamba2.ssm.conv_kernel", 4, 5, "ssm_conv1d.weight");
        lie_u32(&in, "mamba2.ssm.state_size", 4, 0xffffffff, "ssm.state_size");
        lie_u32(&in, "mamba2.ssm.state_size", 4, 16, "ssm_");
        lie_u32(&in, "mamba2.ssm.inner_size", 4, 0, "ssm.inner_size 0");
        lie_u32(&in, "mamba2.ssm.inner_size", 4, 44, "ssm_");
        lie_u32(&in, "blk.0.ssm_", 0, 0x5f5f5f5f, "block 0 has no");
        lie_u32(&in, "blk.1.ssm_out.w", 0, 0x5f5f5f5f, "blk.1.ssm_out.weight is missing");
    }
    unload(&in);
    in = load(cases, "arch", "lfm2");
    if (in.tokens) {
        lie_u32(&in, "lfm2.shortconv.l_cache", 4, 5, "shortconv.conv.weight");
        lie_u32(&in, "blk.0.shortconv.c", 0, 0x5f5f5f5f, "shortconv.conv.weight is missing");
        lie_u32(&in, "blk.0.shortconv.i", 0, 0x5f5f5f5f, "block 0 has no");
        lie_u32(&in, "blk.0.ffn_up.w", 0, 0x5f5f5f5f, "block 0 has no");
    }
    unload(&in);
}

int main(int argc, char **argv) {
    native_heap_init(&heap);
    pool_init(&pool);
    static const char *const names[] = {"mamba", "mamba2",     "jamba",     "falcon-h1",
                                        "lfm2",  "nemotron_h", "qwen3next", "qwen35"};
    if (argc < 2) check_skip("no folder of cases was given");
    for (size_t i = 0; argc > 1 && i < sizeof names / sizeof *names; i++) {
        struct input in = load(argv[1], "arch", names[i]);
        if (in.tokens) {
            one_walk(&in);
            a_cut_goes_back_to_a_near_checkpoint(&in, names[i]);
            any_history_gives_the_same_logits(&in, names[i], 5, 32);
            any_history_gives_the_same_logits(&in, names[i], 1, 7);
            too_many_states_are_refused(&in, names[i]);
        }
        unload(&in);
    }
    if (argc > 1) lies_get_a_sentence(argv[1]);
    CHECK_EQ(heap.heap.used, 0);
    pool_stop(&pool);
    return check_done();
}
