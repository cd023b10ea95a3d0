/* Tiles: where the pieces of 8 interleaved rows lie.
 *
 * A tile is a sequence of tile blocks, each with the bytes of one file block of each of its 8 rows:
 *
 *     head     d of rows 0..7 (half-floats; MXFP4: bytes), then m (the minimum or its scale)
 * likewise scales   of sub-blocks, see enum mm_scales units    of 32 columns each (1 or 8 of them):
 * first the planes of high bits, then those of low bits
 *
 * Everything in a unit is made of vectors of 16 bytes: lane 4 * r + j belongs to row 4 * h + r and
 * column 4 * s + j of the unit ("step" s, "half" h):
 *
 *     high 1   two vectors [h], bit s of a lane is that of step s
 *     high 2   four vectors [s / 4][h], bits 2 * (s % 4) and the next
 *     low 2    the same four vectors
 *     low 4    eight vectors [s / 2][h], the low nibble for even s, the high one for odd s
 *     low 8    sixteen vectors [s][h]; codes of even columns have their sign bit flipped, so that two codes
 *              read as one int16 are 256 * odd + (even + 128)
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
    uint8_t low, high; /* bits of a code */
    uint8_t head;      /* bytes of head: 8, 16 or 32 */
    uint8_t scales;    /* enum mm_scales */
    uint8_t zero;      /* what is subtracted from a code */
    bool min;          /* minimums are subtracted (K types) or added (others) */
    const int8_t *map; /* codes are indices into these 16 values, or NULL */
};

/* NULL for a type without such a layout. */
const struct mm_layout *mm_layout(uint32_t dtype);

/* 64 values of 6 bits, [sub-block 8][row 8], in 48 bytes: with S_v the 16 values from 16 * v on,
 * first the vectors of nibbles S_0 | S_1 << 4 and S_2 | S_3 << 4, then one of S_0 >> 4 | S_1 >> 4
 * << 2 | … << 6. */
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
    return 32u * (l->low + l->high);
}

/* Half-floats of scales; infinities are 65536 and up (a model has none, and it saves the vector
 * bodies work). */
static inline float mm_scale_half(uint16_t h) {
    return bits_float(((uint32_t)h & 0x8000) << 16 | ((uint32_t)h & 0x7fff) << 13) * 0x1p112f;
}

/* Takes row's part out of a tile block. */
void mm_get_block(uint32_t dtype, struct mm_block *b, const void *tile_block, size_t row);

#endif
