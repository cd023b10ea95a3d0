/* Tiles: from the file's rows to 8 interleaved rows and back (mm_tile.h states the layout).
 *
 * Invariant: a tile has exactly the bytes of its 8 rows, and mm_file_block gives back what
 * kern_pack took.
 */
#include "kern/mm_file.h"

enum { MAX_BLOCK_BYTES = 1024 };

static void store_u16(void *p, uint16_t v) {
    memcpy(p, &v, 2);
}

/* Value (sub-block s, row r) of a mm_six. */
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
static void put_group(int bits, uint8_t *to, const mm_words *e) {
    mm_words v[8];
    switch (bits) {
    case 2:
        for (int i = 0; i < 2; i++)
            v[i] = W_OR(W_OR(e[i], W_SHL(e[i + 2], 2)), W_OR(W_SHL(e[i + 4], 4), W_SHL(e[i + 6], 6)));
        break;
    case 3:
        for (int i = 0; i < 3; i++) v[i] = W_OR(e[2 * i], W_SHL(e[2 * i + 1], 3));
        for (int i = 0; i < 2; i++) {
            v[2 * i] = W_OR(v[2 * i], W_SHL(W_AND(e[6 + i], MM_PAIRS), 6));
            v[1] = W_OR(v[1], W_SHL(W_AND(W_SHR(e[6 + i], 2), MM_ONES), 7 - i));
        }
        break;
    case 4:
        for (int i = 0; i < 4; i++) v[i] = W_OR(e[i + i / 2 * 2], W_SHL(e[i + i / 2 * 2 + 2], 4));
        break;
    case 5:
        for (int i = 0; i < 5; i++)
            v[i] = W_OR(e[i], W_SHL(i % 2 ? W_AND(W_SHR(e[7], 3 + i / 2), MM_ONES) : W_AND(e[5 + i / 2], 7 * MM_ONES), 5));
        for (int i = 1; i < 5; i += 2) v[i] = W_OR(v[i], W_SHL(W_AND(W_SHR(e[5 + i / 2], 3), MM_PAIRS), 6));
        break;
    case 6:
        for (int i = 0; i < 6; i++) v[i] = W_OR(e[i], W_SHL(W_AND(W_SHR(e[6 + i % 2], i / 2 * 2), MM_PAIRS), 6));
        break;
    default:
        for (int i = 0; i < 8; i++) v[i] = W_XOR(e[i], MM_EVEN_SIGNS);
    }
    for (int i = 0; i < bits; i++) memcpy(to + 16 * i, &v[i], sizeof v[i]);
}

/* Bits [from, from + n) of four codes, moved to bit `to` of each. */
static uint32_t piece(uint32_t v, int from, int n, int to) {
    return (v >> from & MM_ONES * ((1u << n) - 1)) << to;
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
    mm_words code[2][64];
    memset(to + l->head, 0, scales);
    for (size_t r = 0; r < TILE_ROWS; r++) {
        struct mm_block b;
        mm_split_head(dtype, &b, from + r * stride);
        if (l->head == 8)
            to[r] = (uint8_t)b.d;
        else
            store_u16(to + 2 * r, b.d);
        if (l->head == 32) store_u16(to + 16 + 2 * r, b.m);
        put_scales(l, to + l->head, &b, r);
    }
    to += l->head + scales;
    for (size_t r = 0; r < 4; r += MM_LANES) {
        for (size_t h = 0; h < 2; h++) mm_split_codes(dtype, code[h], from + (r + 4 * h) * stride, stride);
        for (size_t g = 0; g < 2u * l->units; g++) {
            mm_words e[8];
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
        mm_join(dtype, block, &b);
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
