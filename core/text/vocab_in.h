/* What the tokenizer files share: the vocabulary's tables and the encoders' working state. Private
 * to core/text. */
#ifndef SOTTO_TEXT_VOCAB_IN_H
#define SOTTO_TEXT_VOCAB_IN_H

#include "base/bytes.h"
#include "text/vocab.h"

/* Bits of llama.cpp's attribute set beside those of vocab.h, and one of our own. */
enum { TOKEN_LSTRIP = 128, TOKEN_RSTRIP = 256, TOKEN_EOG = 1 << 15 };

enum {
    MAX_TOKENS = 1 << 23,      /* ids and merges must leave bits for a tag in an index slot */
    MAX_TOKEN_BYTES = 1 << 11, /* longer tokens are never matched against text */
    MAX_PROBES = 512,          /* a table that needs more is made of colliding strings */
    MAX_TEXT = 1 << 28         /* bytes of text in one call */
};

/* FNV-1a: cheap to continue, which both prefix walks and merges need. */
#define HASH_START 2166136261u
static inline uint32_t hash_byte(uint32_t h, uint8_t c) {
    return (h ^ c) * 16777619u;
}
static inline uint32_t hash_bytes(uint32_t h, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) h = hash_byte(h, (uint8_t)text[i]);
    return h;
}
/* The low bits of an FNV state are weak; every index is addressed by this mix of it. */
static inline uint32_t hash_mix(uint32_t h) {
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    return h ^ h >> 16;
}

/* Open addressing over numbers below MAX_TOKENS: a slot is 0, or value + 1 under a tag of hash
 * bits. Keys are compared by the user, so a slot costs 4 bytes. */
struct index {
    uint32_t *slots, mask;
    unsigned value_bits;
};

/* Special tokens sorted by text: walks along shared prefixes are exact. */
struct special {
    const char *text;
    uint32_t size, id;
};
struct sorted {
    struct special *at;
    uint32_t n, cap;
    uint32_t first[257]; /* at[first[c] .. first[c + 1]) start with byte c */
};

struct pretok;

struct vocab {
    struct heap *heap;
    const struct gguf *gguf;
    const struct gguf_kv *tokens, *merges, *scores;
    enum vocab_kind kind;
    uint32_t n;
    uint16_t *attr;
    struct vocab_special special;
    uint32_t eom;

    struct index by_text;  /* token ids; RWKV: by unescaped bytes */
    struct index by_merge; /* merge ranks, BPE */
    uint32_t *prefixes;    /* bit set of the hashes of token prefixes (WPM, UGM, RWKV) or of two
                              neighbours    in a token (SPM): no false negatives */
    uint32_t prefix_mask, max_token;
    struct sorted marked, user; /* control, unknown and user-defined tokens; user-defined alone */

    bool add_space_prefix, clean_spaces, ignore_merges, remove_extra_spaces, escape_spaces;
    bool byte_level;               /* BPE: text is spelled in GPT-2's byte alphabet */
    bool newline_words;            /* BPE of Gemma 4: a run of newlines may be one token */
    bool lowercase, strip_accents; /* WPM */
    struct pretok *pretok;

    float unknown_score;                    /* UGM */
    const uint8_t *charsmap, *replacements; /* UGM: a double array of n_nodes entries; strings */
    uint32_t n_nodes, replacements_size;
};

/* Output and memory of one vocab_encode. */
struct symbol {
    uint32_t at, size, hash, prev, next;
};
struct merge_item {
    uint32_t key, left, size;
};
struct encoder {
    const struct vocab *v;
    struct heap *heap;
    uint32_t *ids;
    size_t n, cap;
    bool failed; /* out of memory; everything after is dropped */
    struct symbol *symbols;
    size_t symbols_cap;
    struct merge_item *items;
    size_t items_cap;
    char *scratch;
    size_t scratch_cap;
    char *word;
    size_t word_cap;
    uint32_t *steps; /* UGM: by position, the token that ends there */
    size_t steps_cap;
    double *ring; /* UGM: best scores of the next positions */
    size_t ring_cap;
};

void encoder_put(struct encoder *e, uint32_t id);
/* Makes *p hold n elements of `size` bytes (contents kept), false when out of memory. */
bool encoder_reserve(struct encoder *e, void **p, size_t *cap, size_t n, size_t size);

/* Tables (vocab_index.c). */
bool index_new(struct index *x, struct heap *heap, uint32_t n);
void index_free(struct index *x, struct heap *heap);
typedef bool (*index_same)(const void *key, uint32_t value);
int index_add(struct index *x, uint32_t hash, uint32_t value, const void *key, index_same same,
              bool replace); /* 0, or -1 when probes run out */

struct gguf_str token_text(const struct vocab *v, uint32_t id);
/* The token whose text is these bytes with this FNV state, or TOKEN_NONE. */
uint32_t token_by_hash(const struct vocab *v, uint32_t hash, const char *text, size_t n);
uint32_t token_of(const struct vocab *v, const char *text, size_t n);
uint32_t token_of_byte(const struct vocab *v, uint8_t byte); /* <0xNN>, else the byte itself */
int merge_rank(const struct vocab *v, const char *text, const struct symbol *l,
               const struct symbol *r);
int vocab_index_tokens(struct vocab *v, struct fail *f);
int vocab_index_merges(struct vocab *v, struct fail *f);
int vocab_index_prefixes(struct vocab *v, struct fail *f);
float token_score(const struct vocab *v, uint32_t id);
static inline bool prefix_seen(const struct vocab *v, uint32_t hash) {
    uint32_t bit = hash_mix(hash) & v->prefix_mask;
    return v->prefixes[bit >> 5] >> (bit & 31) & 1;
}

/* Sorted sets (vocab_sorted.c). sorted_step narrows [*lo, *hi) to the strings whose byte `depth` is
 * c; a string that ends at depth + 1 is then at[*lo]. */
int sorted_build(struct sorted *s, const struct vocab *v, unsigned with, unsigned without);
void sorted_free(struct sorted *s, struct heap *heap);
bool sorted_step(const struct sorted *s, uint32_t *lo, uint32_t *hi, uint32_t depth, uint8_t c);

/* Unescapes a RWKV token into dst (which holds as many bytes) and returns its size. */
size_t rwkv_unescape(char *dst, const char *text, size_t n);

/* Pre-tokenizers (pretok.c): the pieces of valid loose UTF-8, in order. */
struct pretok_row {
    const char *names;    /* separated by spaces */
    const char *steps[6]; /* patterns, each applied to the pieces of the one before; see pretok.c */
    unsigned flags;
};
enum {
    PRE_CLEAN = 1,         /* decoding removes spaces before punctuation */
    PRE_IGNORE_MERGES = 2, /* a piece that is a token is taken whole */
    PRE_ADD_BOS = 4,
    PRE_ADD_SEP = 8,
    PRE_NO_BOS = 16,  /* there is no default beginning token */
    PRE_ESCAPE = 32,  /* spaces become U+2581 and text is not spelled in bytes */
    PRE_NEWLINES = 64 /* a run of newlines may be a token */
};
const struct pretok_row *pretok_find(struct gguf_str name);
struct pretok *pretok_new(struct heap *heap, const struct pretok_row *row);
void pretok_free(struct pretok *p, struct heap *heap);
typedef void (*pretok_word)(struct encoder *e, const char *text, size_t n);
void pretok_split(const struct pretok *p, const char *text, size_t n, pretok_word word,
                  struct encoder *e);

/* The encoders: append the tokens of a piece of text that holds no special token. */
void bpe_encode(struct encoder *e, const char *text, size_t n);
void spm_encode(struct encoder *e, const char *text, size_t n, bool add_space);
void wpm_encode(struct encoder *e, const char *text, size_t n);
void ugm_encode(struct encoder *e, const char *text, size_t n);
void rwkv_encode(struct encoder *e, const char *text, size_t n);
int ugm_open(struct vocab *v, struct fail *f);

/* Merges neighbours of e->symbols[0 .. n), lowest key first and leftmost among equals, until no
 * pair has a key. key returns false for a pair that cannot merge. Symbol 0 stays first; sizes of 0
 * are gone. */
typedef bool (*merge_key)(const struct vocab *v, const char *text, const struct symbol *l,
                          const struct symbol *r, uint32_t *key);
void merge_symbols(struct encoder *e, const char *text, uint32_t n, merge_key key);

/* GPT-2's byte alphabet: the code point that spells a byte, and back (-1 for others). */
uint32_t byte_spelling(uint8_t byte);
int spelled_byte(uint32_t cp);

#endif
