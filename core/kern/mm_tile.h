/* Tiles: where the pieces of 8 interleaved rows lie.
 *
 * A tile is a sequence of tile blocks, each with the bytes of one file block of each of its 8 rows:
 *
 *     head     d of rows 0..7 (half-floats; MXFP4: bytes), then m (the minimum or its scale) likewise
 *     scales   of sub-blocks, see enum mm_scales
 *     units    of 32 columns each (1 or 8 of them)
 *
 * Lane 4 * r + j of a vector belongs to row 4 * h + r and column 4 * s + j of the unit ("half" h, "step" s). A unit of
 * codes of n bits is two groups of four steps, each of n vectors. Of a group's eight codes, e = 2 * (s % 4) + h, a
 * vector V[i] of 16 bytes has, from bit 0 up:
 *
 *     2 bits   e = i, i + 2, i + 4, i + 6
 *     3 bits   e = 2i, 2i + 1; V[0] and V[2] bits 0..1 of 6 and of 7, V[1] bit 2 of 7, bit 2 of 6
 *     4 bits   e = i + i / 2 * 2 and two further on
 *     5 bits   e = i; V[0], V[2], V[4] bits 0..2 of 5, of 6, of 7; V[1] bit 3 of 7, bits 3..4 of 5; V[3] bit 4 of 7,
 *              bits 3..4 of 6
 *     6 bits   e = i, two bits of 6 + i % 2 (from bit 2 * (i / 2))
 *     8 bits   e = i; codes of even columns have their sign bit flipped, so that two codes read as one int16 are
 *              256 * odd + (even + 128)
 *
 * So most codes cost a mask, or a shift and a mask; what is left over in their bytes makes up the others.
 */
#ifndef SOTTO_KERN_MM_TILE_H
#define SOTTO_KERN_MM_TILE_H

#include "base/bytes.h"
#include "kern/kern_mm.h"

#define MM_EVEN_SIGNS 0x00800080u

enum mm_scales {
    MM_NO_SCALES,
    MM_SIX,     /* 8 sub-blocks of 32, 6 bits: 48 bytes, see mm_six */
    MM_SIX_MIN, /* the same twice: scales, then minimums */
    MM_SIX16,   /* 16 sub-blocks of 16, 6 bits: 96 bytes, two times mm_six */
    MM_BYTE16,  /* 16 sub-blocks of 16, one byte each: [sub-block][row] */
};

struct mm_layout {
    uint8_t units;     /* of 32 columns in a block; 0: the type is not interleaved this way */
    uint8_t bits;      /* of a code */
    uint8_t head;      /* bytes of head: 8, 16 or 32 */
    uint8_t scales;    /* enum mm_scales */
    uint8_t zero;      /* what is subtracted from a code */
    bool min;          /* minimums are subtracted (K types) or added (others) */
    const int8_t *map; /* codes are indices into these 16 values, or NULL */
};

/* NULL for a type without such a layout. */
const struct mm_layout *mm_layout(uint32_t dtype);

/* 64 values of 6 bits, [sub-block 8][row 8], in 48 bytes: with S_v the 16 values from 16 * v on, vector i of three is
 * S_i and two bits of S_3 (from bit 2 * i). */
enum { MM_SIX_BYTES = 48 };

/* One block of one row, taken apart. */
struct mm_block {
    uint32_t code[64]; /* 4 codes a word */
    uint16_t d, m;
    uint8_t scale[16], min[16]; /* as stored, without offset */
};

static inline size_t mm_scale_bytes(const struct mm_layout *l) {
    static const uint8_t bytes[] = {0, MM_SIX_BYTES, 2 * MM_SIX_BYTES, 2 * MM_SIX_BYTES, 128};
    return bytes[l->scales];
}
static inline size_t mm_unit_bytes(const struct mm_layout *l) {
    return 32u * l->bits;
}

/* Half-floats of scales; infinities are 65536 and up (a model has none, and it saves the vector
 * bodies work). */
static inline float mm_scale_half(uint16_t h) {
    return bits_float(((uint32_t)h & 0x8000) << 16 | ((uint32_t)h & 0x7fff) << 13) * 0x1p112f;
}

/* Takes row's part out of a tile block. */
void mm_get_block(uint32_t dtype, struct mm_block *b, const void *tile_block, size_t row);

#endif
