/* Unigram models of SentencePiece (Kudo 2018): text is normalized by the model's own map, then the
 * most probable segmentation is found by dynamic programming. */
#include "text/unicode.h"
#include "text/vocab_in.h"

int ugm_open(struct vocab *v, struct fail *f) {
    const struct gguf_kv *map = gguf_find(v->gguf, "tokenizer.ggml.precompiled_charsmap");
    float least = 0x1.fffffep127f; /* the largest float: a vocabulary may have no ordinary token */
    for (uint32_t id = 0; id < v->n; id++) {
        if (!(v->attr[id] & TOKEN_NORMAL)) continue;
        if (token_score(v, id) < least) least = token_score(v, id);
    }
    v->unknown_score = least - 10.0f;
    if (map) {
        const uint8_t *bytes = gguf_raw(v->gguf, map);
        uint32_t size;
        if (map->type != GGUF_ARRAY || (map->elem_type != GGUF_I8 && map->elem_type != GGUF_U8))
            return fail(f, SOTTO_FORMAT, map->at,
                        "tokenizer.ggml.precompiled_charsmap is no array of bytes");
        if (map->count < 4 || map->count > UINT32_MAX || load_u32(bytes) >= map->count - 4)
            return fail(f, SOTTO_FORMAT, map->at,
                        "tokenizer.ggml.precompiled_charsmap is cut short");
        size = load_u32(bytes);
        v->n_nodes = size / 4;
        v->charsmap = bytes + 4;
        v->replacements_size = (uint32_t)map->count - 4 - size;
        v->replacements = bytes + 4 + size;
    }
    return SOTTO_OK;
}

struct normal {
    const char *text;
    size_t size, eats;
};

/* A node of the XOR-compressed double array (Kanda 2018): bits 0-7 label, 8 leaf, 9 and 10-30 base.
 */
static bool node_at(const struct vocab *v, uint32_t i, uint32_t *node) {
    if (i >= v->n_nodes) return false;
    *node = load_u32(v->charsmap + 4 * (size_t)i);
    return true;
}
static uint32_t base_of(uint32_t node) {
    return node >> 10 << ((node & 1u << 9) >> 6);
}

/* What the map makes of the longest prefix of text that it knows. */
static bool mapped(const struct vocab *v, const char *text, size_t n, struct normal *out) {
    uint32_t at, node, value = 0;
    size_t found = 0, size = 0;
    if (!node_at(v, 0, &node)) return false;
    at = base_of(node);
    for (size_t i = 0; i < n && text[i]; i++) {
        at ^= (uint8_t)text[i];
        if (!node_at(v, at, &node) || (node & (1u << 31 | 0xff)) != (uint8_t)text[i]) break;
        at ^= base_of(node);
        if (node >> 8 & 1) {
            if (!node_at(v, at, &node)) break;
            found = i + 1;
            value = node & 0x7fffffff;
        }
    }
    if (!found || value >= v->replacements_size) return false;
    while (value + size < v->replacements_size && v->replacements[value + size]) size++;
    if (value + size == v->replacements_size) return false;
    *out = (struct normal){(const char *)v->replacements + value, size, found};
    return true;
}

static struct normal normalize_one(const struct vocab *v, const char *text, size_t n) {
    struct normal out = {text, 0, 0};
    uint32_t lo = 0, hi = v->user.n;
    bool valid;
    /* What begins like a user-defined token passes unchanged as far as the likeness goes. */
    while (out.size < n &&
           sorted_step(&v->user, &lo, &hi, (uint32_t)out.size, (uint8_t)text[out.size]))
        out.size++;
    out.eats = out.size;
    if (out.size || mapped(v, text, n, &out)) return out;
    uc_read_strict(text, n, &out.size, &valid);
    out.eats = out.size;
    if (!valid) out = (struct normal){"\xef\xbf\xbd", 3, 1};
    return out;
}

static void append(struct encoder *e, size_t *size, const char *text, size_t n) {
    if (!encoder_reserve(e, (void **)&e->scratch, &e->scratch_cap, *size + n, 1)) return;
    memcpy(e->scratch + *size, text, n);
    *size += n;
}

static size_t normalize(struct encoder *e, const char *text, size_t n) {
    const struct vocab *v = e->v;
    const char *space = v->escape_spaces ? "\xe2\x96\x81" : " ";
    size_t space_size = v->escape_spaces ? 3 : 1, size = 0;
    bool prepended = false, in_word = false;
    for (size_t at = 0; at < n && !e->failed;) {
        struct normal x = normalize_one(v, text + at, n - at);
        for (size_t i = 0; i < x.size; i++) {
            if (x.text[i] == ' ') {
                in_word = false;
                if (!v->remove_extra_spaces) append(e, &size, space, space_size);
                continue;
            }
            if (!in_word && ((v->add_space_prefix && !prepended) || v->remove_extra_spaces)) {
                append(e, &size, space, space_size);
                prepended = true;
            }
            in_word = true;
            append(e, &size, x.text + i, 1);
        }
        at += x.eats;
    }
    return size;
}

/* An unknown character in `steps`: its size beside this bit. */
#define UNKNOWN_STEP 0x80000000u
#define NEVER (-0x1.fffffffffffffp1023)

static bool matches(const struct vocab *v, uint32_t id) {
    return v->attr[id] & (TOKEN_NORMAL | TOKEN_USER_DEFINED) ||
           (v->attr[id] & 0x3ff) == TOKEN_UNUSED;
}

static void reach(struct encoder *e, size_t mask, size_t to, double score, uint32_t step) {
    if (!(score > e->ring[to & mask])) return;
    e->ring[to & mask] = score;
    e->steps[to] = step;
}

/* Fills steps: by position, how the best segmentation of the text before it ends. */
static void segment(struct encoder *e, const char *text, size_t n) {
    const struct vocab *v = e->v;
    size_t ring = 8;
    while (ring < (size_t)v->max_token + 5) ring *= 2;
    if (!encoder_reserve(e, (void **)&e->steps, &e->steps_cap, n + 1, sizeof *e->steps) ||
        !encoder_reserve(e, (void **)&e->ring, &e->ring_cap, ring, sizeof *e->ring))
        return;
    for (size_t i = 0; i < ring; i++) e->ring[i] = NEVER;
    memset(e->steps, 0, (n + 1) * sizeof *e->steps);
    e->ring[0] = 0;
    for (size_t at = 0; at < n;) {
        size_t size = uc_size((uint8_t)text[at]);
        double score = e->ring[at & (ring - 1)];
        uint32_t h = HASH_START;
        bool whole = false;
        if (size > n - at) size = n - at;
        for (size_t i = 0; i < v->max_token && at + i < n; i++) {
            uint32_t id;
            h = hash_byte(h, (uint8_t)text[at + i]);
            if (!prefix_seen(v, h)) break;
            id = token_by_hash(v, h, text + at, i + 1);
            if (id == TOKEN_NONE || !matches(v, id)) continue;
            if (i + 1 == size) whole = true;
            reach(e, ring - 1, at + i + 1,
                  score + (v->attr[id] & TOKEN_USER_DEFINED ? 0.0 : (double)token_score(v, id)),
                  id);
        }
        if (!whole)
            reach(e, ring - 1, at + size, score + (double)v->unknown_score,
                  UNKNOWN_STEP | (uint32_t)size);
        /* The slots of the positions passed are those of positions to come. */
        for (size_t i = 0; i < size; i++) e->ring[(at + i) & (ring - 1)] = NEVER;
        at += size;
    }
}

void ugm_encode(struct encoder *e, const char *text, size_t n) {
    const struct vocab *v = e->v;
    size_t start = e->n, size = normalize(e, text, n);
    bool unknown = false;
    if (!size || e->failed) return;
    segment(e, e->scratch, size);
    for (size_t at = size; at && !e->failed;) {
        uint32_t step = e->steps[at];
        bool is_unknown = step >= UNKNOWN_STEP;
        size_t back = is_unknown ? step & 0xff : token_text(v, step).size;
        if (is_unknown) step = v->special.unk;
        if (!(unknown && is_unknown) && step != TOKEN_NONE) encoder_put(e, step);
        unknown = is_unknown;
        if (!back || back > at) break; /* cannot be: every position on the way was reached */
        at -= back;
    }
    for (size_t a = start, b = e->n; a + 1 < b; a++) {
        uint32_t id = e->ids[a];
        e->ids[a] = e->ids[--b];
        e->ids[b] = id;
    }
}
