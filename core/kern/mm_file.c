/* Blocks as they stand in the file: into their parts and back. */
#include "kern/mm_file.h"

static void store_u16(void *p, uint16_t v) {
    memcpy(p, &v, 2);
}
static void store_u32(void *p, uint32_t v) {
    memcpy(p, &v, 4);
}

/* The low bits of four bytes become bits 0..3. */
static uint32_t gather(uint32_t x) {
    return ((x & MM_ONES) * 0x01020408u) >> 24 & 15;
}

/* 32 nibbles: columns 0..15 are the low ones. */
static void join_nibbles(uint8_t *qs, const uint32_t *code) {
    for (int i = 0; i < 4; i++)
        store_u32(qs + 4 * i, (code[i] & MM_NIBBLES) | (code[i + 4] & MM_NIBBLES) << 4);
}
/* The same with 32 low nibbles, then 32 high ones. */
static void join_nibbles64(uint8_t *qs, const uint32_t *code) {
    for (int i = 0; i < 8; i++)
        store_u32(qs + 4 * i, (code[i] & MM_NIBBLES) | (code[i + 8] & MM_NIBBLES) << 4);
}
/* 128 codes of 2 bits: byte l has columns l, l + 32, l + 64, l + 96. */
static void join_pairs(uint8_t *qs, const uint32_t *code, int shift) {
    for (int i = 0; i < 8; i++) {
        uint32_t w = 0;
        for (int j = 0; j < 4; j++) w |= (code[8 * j + i] >> shift & MM_PAIRS) << 2 * j;
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

void mm_split_head(uint32_t dtype, struct mm_block *b, const uint8_t *p) {
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

/* ---- codes ----------------------------------------------------------------------------------- */

#ifdef KERN_SIMD128
static void load_words(mm_words *w, const uint8_t *p, size_t stride, size_t n) {
    for (size_t i = 0; i < n; i += 4, w += 4, p += 16) {
        for (size_t r = 0; r < 4; r++) w[r] = v_load(p + r * stride);
        mm_transpose(w);
    }
}
static mm_words load_word(const uint8_t *p, size_t stride) {
    uint32_t lanes[4];
    for (size_t r = 0; r < 4; r++) lanes[r] = load_u32(p + r * stride);
    return v_load(lanes);
}
#else
static void load_words(mm_words *w, const uint8_t *p, size_t stride, size_t n) {
    for (size_t i = 0; i < n; i++) w[i] = load_u32(p + 4 * i);
    (void)stride;
}
static mm_words load_word(const uint8_t *p, size_t stride) {
    return (void)stride, load_u32(p);
}
#endif

/* n words of nibbles: the low ones first. */
__attribute__((noinline)) static void split_nibbles(mm_words *code, const uint8_t *qs, size_t stride, size_t n) {
    mm_words w[16];
    load_words(w, qs, stride, n);
    for (size_t i = 0; i < n; i++) {
        code[i] = W_AND(w[i], MM_NIBBLES);
        code[i + n] = W_AND(W_SHR(w[i], 4), MM_NIBBLES);
    }
}
/* 128 codes of 2 bits: byte l has columns l, l + 32, l + 64, l + 96. */
__attribute__((noinline)) static void split_pairs(mm_words *code, const uint8_t *qs, size_t stride) {
    mm_words w[8];
    load_words(w, qs, stride, 8);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 4; j++) code[8 * j + i] = W_AND(W_SHR(w[i], 2 * j), MM_PAIRS);
}
/* The fifth (or third) bits of 256 codes: bit j of byte l belongs to column 32 * j + l. */
static void split_bits(mm_words *code, const uint8_t *qh, size_t stride, int shift) {
    mm_words w[8];
    load_words(w, qh, stride, 8);
    for (int i = 0; i < 64; i++)
        code[i] = W_OR(code[i], W_SHL(W_AND(W_SHR(w[i % 8], i / 8), MM_ONES), shift));
}

void mm_split_codes(uint32_t dtype, mm_words *code, const uint8_t *p, size_t stride) {
    mm_words bits;
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
            mm_words one = W_AND(W_MUL(W_AND(W_SHR(bits, 4 * i), 15), 0x00204081u), MM_ONES);
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
            mm_words high[32];
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

void mm_join(uint32_t dtype, uint8_t *p, const struct mm_block *b) {
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
            for (int j = 0; j < 8; j++) w |= (b->code[8 * j + i] >> 2 & MM_ONES) << j;
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
                for (int j = 0; j < 8; j++) w |= (b->code[8 * j + i] >> 4 & MM_ONES) << j;
                store_u32(p + 16 + 4 * i, w);
            }
        break;
    case DT_Q6_K:
        for (int n = 0; n < 2; n++) {
            const uint32_t *code = b->code + 32 * n;
            join_pairs(p + 128 + 32 * n, code, 4);
            for (int i = 0; i < 16; i++)
                store_u32(p + 64 * n + 4 * i, (code[i] & MM_NIBBLES) | (code[i + 16] & MM_NIBBLES) << 4);
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
