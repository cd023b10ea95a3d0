/* Tiles: from the file's rows to 8 interleaved rows and back.
 *
 * Invariant: a tile has exactly the bytes of its 8 rows, and mm_file_block gives back what kern_pack took.
 */
#include "kern/kern_mm.h"

#include "base/bytes.h"

enum { MAX_BLOCK_BYTES = 1024 };

/* Elements of 2 or 4 bytes: [column][row]. */
static void pack_plain(char *tile, const char *rows, size_t k, size_t size) {
    for (size_t i = 0; i < k; i++)
        for (size_t r = 0; r < TILE_ROWS; r++) memcpy(tile + (i * TILE_ROWS + r) * size, rows + (r * k + i) * size, size);
}

bool mm_interleaved(uint32_t dtype) {
    return dtype == DT_F32 || dtype == DT_F16 || dtype == DT_BF16;
}

void kern_pack(uint32_t dtype, void *tile, void *scratch, size_t k) {
    if (!mm_interleaved(dtype)) return;
    memcpy(scratch, tile, TILE_ROWS * dtype_bytes(dtype, k));
    switch (dtype) {
    case DT_F32: pack_plain(tile, scratch, k, 4); break;
    case DT_F16:
    case DT_BF16: pack_plain(tile, scratch, k, 2); break;
    }
}

void mm_file_block(uint32_t dtype, void *block, const void *tile, size_t index, size_t row, size_t k) {
    const struct dtype_info *info = dtype_info(dtype);
    if (dtype == DT_F32 || dtype == DT_F16 || dtype == DT_BF16) {
        memcpy(block, (const char *)tile + (index * TILE_ROWS + row) * info->bytes, info->bytes);
        return;
    }
    memcpy(block, (const char *)tile + row * dtype_bytes(dtype, k) + index * info->bytes, info->bytes);
}

void kern_row(uint32_t dtype, float *dst, const void *tiles, size_t k, size_t row) {
    const struct dtype_info *info = dtype_info(dtype);
    const char *tile = (const char *)tiles + row / TILE_ROWS * (TILE_ROWS * dtype_bytes(dtype, k));
    if (!mm_interleaved(dtype)) {
        info->decode(dst, tile + row % TILE_ROWS * dtype_bytes(dtype, k), k);
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
    bool whole = !mm_interleaved(dtype);
    memset(panel, 0, 4 * q * TILE_ROWS * sizeof(float));
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t i = 0; i * size < k; i++) {
            char block[MAX_BLOCK_BYTES];
            float values[256];
            const void *from = block;
            if (whole)
                from = (const char *)tile + r * dtype_bytes(dtype, k) + i * info->bytes;
            else
                mm_file_block(dtype, block, tile, i, r, k);
            info->decode(values, from, size);
            for (size_t j = 0; j < size; j++) {
                size_t c = i * size + j;
                panel[((c % 4) * q + c / 4) * TILE_ROWS + r] = values[j];
            }
        }
}
