/* Tiles: from the file's rows to 8 interleaved rows and back (mm_tile.h states the layout).
 *
 * Invariant: a tile has exactly the bytes of its 8 rows, and mm_file_block gives back what
 * kern_pack took.
 */
#include "kern/mm_tile.h"

#include "base/bytes.h"
#include "kern/mm_unit.h"

enum { MAX_BLOCK_BYTES = 1024 };
#define NIBBLES 0x0f0f0f0fu
#define PAIRS 0x03030303u
#define ONES 0x01010101u

static void store_u16(void *p, uint16_t v) {
    memcpy(p, &v, 2);
}
static void store_u32(void *p, uint32_t v) {
    memcpy(p, &v, 4);
}

/* The low bits of four bytes become bits 0..3. */
static uint32_t gather(uint32_t x) {
    return ((x & ONES) * 0x01020408u) >> 24 & 15;
}

/* ---- blocks of the file ---------------------------------------------------------------------- */

/* 32 nibbles: columns 0..15 are the low ones. */
static void join_nibbles(uint8_t *qs, const uint32_t *code) {
    for (int i = 0; i < 4; i++)
        store_u32(qs + 4 * i, (code[i] & NIBBLES) | (code[i + 4] & NIBBLES) << 4);
}
/* The same with 32 low nibbles, then 32 high ones. */
static void join_nibbles64(uint8_t *qs, const uint32_t *code) {
    for (int i = 0; i < 8; i++)
        store_u32(qs + 4 * i, (code[i] & NIBBLES) | (code[i + 8] & NIBBLES) << 4);
}
/* 128 codes of 2 bits: byte l has columns l, l + 32, l + 64, l + 96. */
static void join_pairs(uint8_t *qs, const uint32_t *code, int shift) {
    for (int i = 0; i < 8; i++) {
        uint32_t w = 0;
        for (int j = 0; j < 4; j++) w |= (code[8 * j + i] >> shift & PAIRS) << 2 * j;
        store_u32(qs + 4 * i, w);
    }
}
static void split_scales(struct mm_block *b, const uint8_t *q) {
    for (int j = 0; j < 4; j++) {
        b->scale[j] = q[j] & 63;
        b->min[j] = q[j + 4] & 63;
        b->scale[j + 4] = (uint8_t)((q[j + 8] & 15) | q[j] >> 6 << 4);
        b->min[j + 4] = (uint8_t)(q[j + 8] >> 4 | q[j + 4] >> 6 << 4);
    }
}
static void join_scales(uint8_t *q, const struct mm_block *b) {
    for (int j = 0; j < 4; j++) {
        q[j] = (uint8_t)(b->scale[j] | b->scale[j + 4] >> 4 << 6);
        q[j + 4] = (uint8_t)(b->min[j] | b->min[j + 4] >> 4 << 6);
        q[j + 8] = (uint8_t)((b->scale[j + 4] & 15) | (b->min[j + 4] & 15) << 4);
    }
}

/* Scales and the like of a block. */
static void split_head(uint32_t dtype, struct mm_block *b, const uint8_t *p) {
    uint32_t bits;
    switch (dtype) {
    case DT_Q4_1:
    case DT_Q5_1:
        b->m = load_u16(p + 2); /* fall through */
    case DT_Q4_0:
    case DT_Q5_0:
    case DT_Q8_0:
    case DT_IQ4_NL:
        b->d = load_u16(p);
        break;
    case DT_MXFP4:
        b->d = p[0];
        break;
    case DT_Q2_K:
        for (int i = 0; i < 16; i++) b->scale[i] = p[i];
        b->d = load_u16(p + 80);
        b->m = load_u16(p + 82);
        break;
    case DT_Q3_K:
        for (int i = 0; i < 16; i++) {
            uint8_t low = (uint8_t)(i < 8 ? p[96 + i] & 15 : p[88 + i] >> 4);
            b->scale[i] = (uint8_t)(low | (p[104 + i % 4] >> 2 * (i / 4) & 3) << 4);
        }
        b->d = load_u16(p + 108);
        break;
    case DT_Q4_K:
    case DT_Q5_K:
        b->d = load_u16(p);
        b->m = load_u16(p + 2);
        split_scales(b, p + 4);
        break;
    case DT_Q6_K:
        for (int i = 0; i < 16; i++) b->scale[i] = p[192 + i];
        b->d = load_u16(p + 208);
        break;
    case DT_IQ4_XS:
        b->d = load_u16(p);
        bits = load_u16(p + 2);
        for (int i = 0; i < 8; i++)
            b->scale[i] = (uint8_t)((p[4 + i / 2] >> 4 * (i % 2) & 15) | (bits >> 2 * i & 3) << 4);
        break;
    case DT_TQ2_0:
        b->d = load_u16(p + 64);
        break;
    }
}

/* The codes of a block of each of four rows, which lie `stride` bytes apart: a word is a column of
 * four codes a lane, a lane is a row. */
#ifdef KERN_SIMD128
typedef v128 words;
#define W_AND(a, mask) v_and(a, vi_splat((int32_t)(mask)))
#define W_OR(a, b) v_or(a, b)
#define W_XOR(a, mask) v_xor(a, vi_splat((int32_t)(mask)))
#define W_SHR(a, n) vi_shr_u(a, n)
#define W_SHL(a, n) vi_shl(a, n)
#define W_MUL(a, n) vi_mul(a, vi_splat((int32_t)(n)))
enum { LANES = 4 };

static void load_words(words *w, const uint8_t *p, size_t stride, size_t n) {
    for (size_t i = 0; i < n; i += 4, w += 4, p += 16) {
        for (size_t r = 0; r < 4; r++) w[r] = v_load(p + r * stride);
        mm_transpose(w);
    }
}
static words load_word(const uint8_t *p, size_t stride) {
    uint32_t lanes[4];
    for (size_t r = 0; r < 4; r++) lanes[r] = load_u32(p + r * stride);
    return v_load(lanes);
}
static void store_words(uint8_t *p, words w) {
    v_store(p, w);
}
#else
typedef uint32_t words;
#define W_AND(a, mask) ((a) & (mask))
#define W_OR(a, b) ((a) | (b))
#define W_XOR(a, mask) ((a) ^ (mask))
#define W_SHR(a, n) ((a) >> (n))
#define W_SHL(a, n) ((a) << (n))
#define W_MUL(a, n) ((a) * (n))
enum { LANES = 1 };

static void load_words(words *w, const uint8_t *p, size_t stride, size_t n) {
    for (size_t i = 0; i < n; i++) w[i] = load_u32(p + 4 * i);
    (void)stride;
}
static words load_word(const uint8_t *p, size_t stride) {
    return (void)stride, load_u32(p);
}
static void store_words(uint8_t *p, words w) {
    store_u32(p, w);
}
#endif

/* n words of nibbles: the low ones first. */
__attribute__((noinline)) static void split_nibbles(words *code, const uint8_t *qs, size_t stride, size_t n) {
    words w[16];
    load_words(w, qs, stride, n);
    for (size_t i = 0; i < n; i++) {
        code[i] = W_AND(w[i], NIBBLES);
        code[i + n] = W_AND(W_SHR(w[i], 4), NIBBLES);
    }
}
/* 128 codes of 2 bits: byte l has columns l, l + 32, l + 64, l + 96. */
__attribute__((noinline)) static void split_pairs(words *code, const uint8_t *qs, size_t stride) {
    words w[8];
    load_words(w, qs, stride, 8);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 4; j++) code[8 * j + i] = W_AND(W_SHR(w[i], 2 * j), PAIRS);
}
/* The fifth (or third) bits of 256 codes: bit j of byte l belongs to column 32 * j + l. */
static void split_bits(words *code, const uint8_t *qh, size_t stride, int shift) {
    words w[8];
    load_words(w, qh, stride, 8);
    for (int i = 0; i < 64; i++)
        code[i] = W_OR(code[i], W_SHL(W_AND(W_SHR(w[i % 8], i / 8), ONES), shift));
}

static void split_codes(uint32_t dtype, words *code, const uint8_t *p, size_t stride) {
    words bits;
    switch (dtype) {
    case DT_Q4_0:
    case DT_IQ4_NL:
        split_nibbles(code, p + 2, stride, 4);
        break;
    case DT_MXFP4:
        split_nibbles(code, p + 1, stride, 4);
        break;
    case DT_Q4_1:
        split_nibbles(code, p + 4, stride, 4);
        break;
    case DT_Q5_0:
    case DT_Q5_1:
        p += dtype == DT_Q5_1 ? 4 : 2;
        bits = load_word(p, stride);
        split_nibbles(code, p + 4, stride, 4);
        for (int i = 0; i < 8; i++) {
            words one = W_AND(W_MUL(W_AND(W_SHR(bits, 4 * i), 15), 0x00204081u), ONES);
            code[i] = W_OR(code[i], W_SHL(one, 4));
        }
        break;
    case DT_Q8_0:
        load_words(code, p + 2, stride, 8);
        break;
    case DT_Q2_K:
        split_pairs(code, p + 16, stride);
        split_pairs(code + 32, p + 48, stride);
        break;
    case DT_Q3_K:
        split_pairs(code, p + 32, stride);
        split_pairs(code + 32, p + 64, stride);
        split_bits(code, p, stride, 2);
        break;
    case DT_Q4_K:
    case DT_Q5_K:
        for (int i = 0; i < 4; i++)
            split_nibbles(code + 16 * i, p + (dtype == DT_Q5_K ? 48 : 16) + 32 * i, stride, 8);
        if (dtype == DT_Q5_K) split_bits(code, p + 16, stride, 4);
        break;
    case DT_Q6_K:
        for (int n = 0; n < 2; n++, code += 32) {
            words high[32];
            split_pairs(high, p + 128 + 32 * n, stride);
            split_nibbles(code, p + 64 * n, stride, 16);
            for (int i = 0; i < 32; i++) code[i] = W_OR(code[i], W_SHL(high[i], 4));
        }
        break;
    case DT_IQ4_XS:
        for (int i = 0; i < 8; i++) split_nibbles(code + 8 * i, p + 8 + 16 * i, stride, 4);
        break;
    case DT_TQ2_0:
        split_pairs(code, p, stride);
        split_pairs(code + 32, p + 32, stride);
        break;
    }
}

static void join(uint32_t dtype, uint8_t *p, const struct mm_block *b) {
    uint32_t bits = 0;
    switch (dtype) {
    case DT_Q4_0:
    case DT_IQ4_NL:
        store_u16(p, b->d);
        join_nibbles(p + 2, b->code);
        break;
    case DT_MXFP4:
        p[0] = (uint8_t)b->d;
        join_nibbles(p + 1, b->code);
        break;
    case DT_Q4_1:
        store_u16(p, b->d);
        store_u16(p + 2, b->m);
        join_nibbles(p + 4, b->code);
        break;
    case DT_Q5_1:
        store_u16(p + 2, b->m); /* fall through */
    case DT_Q5_0:
        store_u16(p, b->d);
        p += dtype == DT_Q5_1 ? 4 : 2;
        for (int i = 0; i < 8; i++) bits |= gather(b->code[i] >> 4) << 4 * i;
        store_u32(p, bits);
        join_nibbles(p + 4, b->code);
        break;
    case DT_Q8_0:
        store_u16(p, b->d);
        for (int i = 0; i < 8; i++) store_u32(p + 2 + 4 * i, b->code[i]);
        break;
    case DT_Q2_K:
        for (int i = 0; i < 16; i++) p[i] = b->scale[i];
        join_pairs(p + 16, b->code, 0);
        join_pairs(p + 48, b->code + 32, 0);
        store_u16(p + 80, b->d);
        store_u16(p + 82, b->m);
        break;
    case DT_Q3_K:
        for (int i = 0; i < 8; i++) {
            uint32_t w = 0;
            for (int j = 0; j < 8; j++) w |= (b->code[8 * j + i] >> 2 & ONES) << j;
            store_u32(p + 4 * i, w);
        }
        join_pairs(p + 32, b->code, 0);
        join_pairs(p + 64, b->code + 32, 0);
        for (int i = 0; i < 8; i++)
            p[96 + i] = (uint8_t)((b->scale[i] & 15) | (b->scale[i + 8] & 15) << 4);
        for (int i = 0; i < 4; i++)
            p[104 + i] = (uint8_t)(b->scale[i] >> 4 | b->scale[i + 4] >> 4 << 2 |
                                   b->scale[i + 8] >> 4 << 4 | b->scale[i + 12] >> 4 << 6);
        store_u16(p + 108, b->d);
        break;
    case DT_Q4_K:
    case DT_Q5_K:
        store_u16(p, b->d);
        store_u16(p + 2, b->m);
        join_scales(p + 4, b);
        for (int i = 0; i < 4; i++)
            join_nibbles64(p + (dtype == DT_Q5_K ? 48 : 16) + 32 * i, b->code + 16 * i);
        if (dtype == DT_Q5_K)
            for (int i = 0; i < 8; i++) {
                uint32_t w = 0;
                for (int j = 0; j < 8; j++) w |= (b->code[8 * j + i] >> 4 & ONES) << j;
                store_u32(p + 16 + 4 * i, w);
            }
        break;
    case DT_Q6_K:
        for (int n = 0; n < 2; n++) {
            const uint32_t *code = b->code + 32 * n;
            join_pairs(p + 128 + 32 * n, code, 4);
            for (int i = 0; i < 16; i++)
                store_u32(p + 64 * n + 4 * i, (code[i] & NIBBLES) | (code[i + 16] & NIBBLES) << 4);
        }
        for (int i = 0; i < 16; i++) p[192 + i] = b->scale[i];
        store_u16(p + 208, b->d);
        break;
    case DT_IQ4_XS:
        store_u16(p, b->d);
        for (int i = 0; i < 4; i++)
            p[4 + i] = (uint8_t)((b->scale[2 * i] & 15) | (b->scale[2 * i + 1] & 15) << 4);
        for (int i = 0; i < 8; i++) {
            bits |= (uint32_t)(b->scale[i] >> 4) << 2 * i;
            join_nibbles(p + 8 + 16 * i, b->code + 8 * i);
        }
        store_u16(p + 2, (uint16_t)bits);
        break;
    case DT_TQ2_0:
        join_pairs(p, b->code, 0);
        join_pairs(p + 32, b->code + 32, 0);
        store_u16(p + 64, b->d);
        break;
    }
}

/* ---- tiles ----------------------------------------------------------------------------------- */

static uint8_t get_six(const uint8_t *six, size_t s, size_t r) {
    size_t v = s / 2, lane = s % 2 * 8 + r;
    if (v < 3) return six[16 * v + lane] & 63;
    return (uint8_t)(six[lane] >> 6 | six[16 + lane] >> 6 << 2 | six[32 + lane] >> 6 << 4);
}
static void put_six(uint8_t *six, size_t s, size_t r, uint8_t value) {
    size_t v = s / 2, lane = s % 2 * 8 + r; /* the bytes were cleared */
    if (v < 3)
        six[16 * v + lane] |= value;
    else
        for (size_t i = 0; i < 3; i++) six[16 * i + lane] |= (uint8_t)((value >> 2 * i & 3) << 6);
}

static void put_scales(const struct mm_layout *l, uint8_t *to, const struct mm_block *b, size_t r) {
    switch (l->scales) {
    case MM_SIX_MIN:
        for (size_t s = 0; s < 8; s++)
            put_six(to + MM_SIX_BYTES, s, r, b->min[s]); /* fall through */
    case MM_SIX:
        for (size_t s = 0; s < 8; s++) put_six(to, s, r, b->scale[s]);
        break;
    case MM_SIX16:
        for (size_t s = 0; s < 16; s++) put_six(to + s / 8 * MM_SIX_BYTES, s % 8, r, b->scale[s]);
        break;
    case MM_BYTE16:
        for (size_t s = 0; s < 16; s++) to[s * TILE_ROWS + r] = b->scale[s];
        break;
    }
}
static void get_scales(const struct mm_layout *l, struct mm_block *b, const uint8_t *from,
                       size_t r) {
    switch (l->scales) {
    case MM_SIX_MIN:
        for (size_t s = 0; s < 8; s++)
            b->min[s] = get_six(from + MM_SIX_BYTES, s, r); /* fall through */
    case MM_SIX:
        for (size_t s = 0; s < 8; s++) b->scale[s] = get_six(from, s, r);
        break;
    case MM_SIX16:
        for (size_t s = 0; s < 16; s++)
            b->scale[s] = get_six(from + s / 8 * MM_SIX_BYTES, s % 8, r);
        break;
    case MM_BYTE16:
        for (size_t s = 0; s < 16; s++) b->scale[s] = from[s * TILE_ROWS + r];
        break;
    }
}

/* A group of four steps of two rows (or two times four), eight words of codes; `to` is their place in the first vector.
 */
static void put_group(int bits, uint8_t *to, const words *e) {
    words v[8];
    switch (bits) {
    case 2:
        for (int i = 0; i < 2; i++)
            v[i] = W_OR(W_OR(e[i], W_SHL(e[i + 2], 2)), W_OR(W_SHL(e[i + 4], 4), W_SHL(e[i + 6], 6)));
        break;
    case 3:
        for (int i = 0; i < 3; i++) v[i] = W_OR(e[2 * i], W_SHL(e[2 * i + 1], 3));
        for (int i = 0; i < 2; i++) {
            v[2 * i] = W_OR(v[2 * i], W_SHL(W_AND(e[6 + i], PAIRS), 6));
            v[1] = W_OR(v[1], W_SHL(W_AND(W_SHR(e[6 + i], 2), ONES), 7 - i));
        }
        break;
    case 4:
        for (int i = 0; i < 4; i++) v[i] = W_OR(e[i + i / 2 * 2], W_SHL(e[i + i / 2 * 2 + 2], 4));
        break;
    case 5:
        for (int i = 0; i < 5; i++)
            v[i] = W_OR(e[i], W_SHL(i % 2 ? W_AND(W_SHR(e[7], 3 + i / 2), ONES) : W_AND(e[5 + i / 2], 7 * ONES), 5));
        for (int i = 1; i < 5; i += 2) v[i] = W_OR(v[i], W_SHL(W_AND(W_SHR(e[5 + i / 2], 3), PAIRS), 6));
        break;
    case 6:
        for (int i = 0; i < 6; i++) v[i] = W_OR(e[i], W_SHL(W_AND(W_SHR(e[6 + i % 2], i / 2 * 2), PAIRS), 6));
        break;
    default:
        for (int i = 0; i < 8; i++) v[i] = W_XOR(e[i], MM_EVEN_SIGNS);
    }
    for (int i = 0; i < bits; i++) store_words(to + 16 * i, v[i]);
}

/* Bits [from, from + n) of four codes, moved to bit `to` of each. */
static uint32_t piece(uint32_t v, int from, int n, int to) {
    return (v >> from & ONES * ((1u << n) - 1)) << to;
}
/* Code e of a group. */
static uint32_t get_code(int bits, const uint32_t *v, int e) {
    switch (bits) {
    case 2:
        return piece(v[e % 2], e / 2 * 2, 2, 0);
    case 3:
        if (e < 6) return piece(v[e / 2], e % 2 * 3, 3, 0);
        return piece(v[e % 2 * 2], 6, 2, 0) | piece(v[1], 13 - e, 1, 2);
    case 4:
        return piece(v[e % 2 + e / 4 * 2], e / 2 % 2 * 4, 4, 0);
    case 5:
        if (e < 5) return piece(v[e], 0, 5, 0);
        if (e < 7) return piece(v[2 * (e - 5)], 5, 3, 0) | piece(v[2 * (e - 5) + 1], 6, 2, 3);
        return piece(v[4], 5, 3, 0) | piece(v[1], 5, 1, 3) | piece(v[3], 5, 1, 4);
    case 6:
        if (e < 6) return piece(v[e], 0, 6, 0);
        return piece(v[e % 2], 6, 2, 0) | piece(v[e % 2 + 2], 6, 2, 2) | piece(v[e % 2 + 4], 6, 2, 4);
    default:
        return v[e] ^ MM_EVEN_SIGNS;
    }
}
static void get_unit(int bits, uint32_t *code, const uint8_t *unit, size_t row) {
    for (int s = 0; s < 8; s++) {
        uint32_t v[8];
        for (int i = 0; i < bits; i++) v[i] = load_u32(unit + 16 * (s / 4 * bits + i) + row % 4 * 4);
        code[s] = get_code(bits, v, s % 4 * 2 + (int)row / 4);
    }
}

void mm_get_block(uint32_t dtype, struct mm_block *b, const void *tile_block, size_t row) {
    const struct mm_layout *l = mm_layout(dtype);
    const uint8_t *p = tile_block;
    b->d = l->head == 8 ? p[row] : load_u16(p + 2 * row);
    b->m = l->head == 32 ? load_u16(p + 16 + 2 * row) : 0;
    p += l->head;
    get_scales(l, b, p, row);
    p += mm_scale_bytes(l);
    for (size_t u = 0; u < l->units; u++)
        get_unit(l->bits, b->code + 8 * u, p + u * mm_unit_bytes(l), row);
}

/* The blocks of eight rows, `stride` bytes apart, to a tile block. */
static void put_block(uint32_t dtype, uint8_t *to, const uint8_t *from, size_t stride) {
    const struct mm_layout *l = mm_layout(dtype);
    size_t scales = mm_scale_bytes(l);
    words code[2][64];
    memset(to + l->head, 0, scales);
    for (size_t r = 0; r < TILE_ROWS; r++) {
        struct mm_block b;
        split_head(dtype, &b, from + r * stride);
        if (l->head == 8)
            to[r] = (uint8_t)b.d;
        else
            store_u16(to + 2 * r, b.d);
        if (l->head == 32) store_u16(to + 16 + 2 * r, b.m);
        put_scales(l, to + l->head, &b, r);
    }
    to += l->head + scales;
    for (size_t r = 0; r < 4; r += LANES) {
        for (size_t h = 0; h < 2; h++) split_codes(dtype, code[h], from + (r + 4 * h) * stride, stride);
        for (size_t g = 0; g < 2u * l->units; g++) {
            words e[8];
            for (size_t i = 0; i < 8; i++) e[i] = code[i % 2][4 * g + i / 2];
            put_group(l->bits, to + 16 * l->bits * g + 4 * r, e);
        }
    }
}

/* Elements of 2 or 4 bytes: [column][row]. */
static void pack_plain(char *tile, const char *rows, size_t k, size_t size, size_t from) {
    for (size_t i = from; i < k; i++)
        for (size_t r = 0; r < TILE_ROWS; r++)
            memcpy(tile + (i * TILE_ROWS + r) * size, rows + (r * k + i) * size, size);
}

#ifdef KERN_SIMD128
static size_t pack_words(char *tile, const char *rows, size_t k) {
    size_t i = 0;
    for (; i + 4 <= k; i += 4)
        for (size_t h = 0; h < 2; h++) {
            v128 a[4];
            for (size_t r = 0; r < 4; r++) a[r] = v_load(rows + ((4 * h + r) * k + i) * 4);
            mm_transpose(a);
            for (size_t c = 0; c < 4; c++) v_store(tile + ((i + c) * TILE_ROWS + 4 * h) * 4, a[c]);
        }
    return i;
}
/* Two columns a word: the words are transposed, then the columns of a word parted. */
static size_t pack_halves(char *tile, const char *rows, size_t k) {
    size_t i = 0;
    for (; i + 8 <= k; i += 8) {
        v128 a[2][4];
        for (size_t h = 0; h < 2; h++) {
            for (size_t r = 0; r < 4; r++) a[h][r] = v_load(rows + ((4 * h + r) * k + i) * 2);
            mm_transpose(a[h]);
        }
        for (size_t c = 0; c < 4; c++) {
            char *to = tile + (i + 2 * c) * TILE_ROWS * 2;
            v_store(to, V_SHUFFLE16(a[0][c], a[1][c], 0, 2, 4, 6, 8, 10, 12, 14));
            v_store(to + 16, V_SHUFFLE16(a[0][c], a[1][c], 1, 3, 5, 7, 9, 11, 13, 15));
        }
    }
    return i;
}
#else
static size_t pack_words(char *tile, const char *rows, size_t k) {
    return (void)tile, (void)rows, (void)k, 0;
}
static size_t pack_halves(char *tile, const char *rows, size_t k) {
    return (void)tile, (void)rows, (void)k, 0;
}
#endif

void kern_pack(uint32_t dtype, void *tile, void *scratch, size_t k) {
    const struct dtype_info *info = dtype_info(dtype);
    size_t row_bytes = dtype_bytes(dtype, k);
    uint8_t *to = tile;
    const uint8_t *from = scratch;
    if (!mm_interleaved(dtype)) return;
    memcpy(scratch, tile, TILE_ROWS * row_bytes);
    if (info->block == 1) {
        if (info->bytes == 4)
            pack_plain(tile, scratch, k, 4, pack_words(tile, scratch, k));
        else
            pack_plain(tile, scratch, k, 2, pack_halves(tile, scratch, k));
        return;
    }
    for (size_t i = 0; i * info->block < k; i++)
        put_block(dtype, to + i * TILE_ROWS * info->bytes, from + i * info->bytes, row_bytes);
}

void mm_file_block(uint32_t dtype, void *block, const void *tile, size_t index, size_t row,
                   size_t k) {
    const struct dtype_info *info = dtype_info(dtype);
    const uint8_t *p = tile;
    if (mm_layout(dtype)) {
        struct mm_block b;
        mm_get_block(dtype, &b, p + index * TILE_ROWS * info->bytes, row);
        join(dtype, block, &b);
    } else if (mm_interleaved(dtype)) {
        memcpy(block, p + (index * TILE_ROWS + row) * info->bytes, info->bytes);
    } else {
        memcpy(block, p + row * dtype_bytes(dtype, k) + index * info->bytes, info->bytes);
    }
}

void kern_row(uint32_t dtype, float *dst, const void *tiles, size_t k, size_t row) {
    const struct dtype_info *info = dtype_info(dtype);
    size_t row_bytes = dtype_bytes(dtype, k);
    const char *tile = (const char *)tiles + row / TILE_ROWS * (TILE_ROWS * row_bytes);
    if (!mm_interleaved(dtype)) {
        info->decode(dst, tile + row % TILE_ROWS * row_bytes, k);
        return;
    }
    for (size_t i = 0; i * info->block < k; i++) {
        char block[MAX_BLOCK_BYTES];
        mm_file_block(dtype, block, tile, i, row % TILE_ROWS, k);
        info->decode(dst + i * info->block, block, info->block);
    }
}

void mm_f32_panel(uint32_t dtype, float *panel, const void *tile, size_t k) {
    const struct dtype_info *info = dtype_info(dtype);
    size_t q = mm_quarter(k), size = info->block;
    memset(panel, 0, 4 * q * TILE_ROWS * sizeof(float));
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t i = 0; i * size < k; i++) {
            char block[MAX_BLOCK_BYTES];
            float values[256];
            mm_file_block(dtype, block, tile, i, r, k);
            info->decode(values, block, size);
            for (size_t j = 0; j < size; j++) {
                size_t c = i * size + j;
                panel[((c % 4) * q + c / 4) * TILE_ROWS + r] = values[j];
            }
        }
}
