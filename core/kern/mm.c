/* Matrix products: which way a type takes, the walk over tiles and groups, and the way out. */
#include "kern/kern_table.h"
#include "kern/mm_iq.h"

#include <string.h>

bool kern_supports(uint32_t dtype) {
    const struct dtype_info *info = dtype_info(dtype);
    if (!info || !info->decode) return false;
    switch (dtype) {
    case DT_I8:
    case DT_I16:
    case DT_I32:
    case DT_I64:
    case DT_F64:
        return false;
    default:
        return true;
    }
}

enum act_kind kern_act_kind(uint32_t dtype, bool exact) {
    return exact ? ACT_F32 : mm_fast_kind(dtype);
}

static size_t n_groups(size_t n_tokens) {
    return n_tokens == 1 ? 1 : (n_tokens + MM_GROUP - 1) / MM_GROUP;
}
static size_t group_width(size_t n_tokens) {
    return n_tokens == 1 ? 1 : MM_GROUP;
}

size_t kern_act_bytes(enum act_kind kind, size_t k, size_t n_tokens) {
    return n_tokens ? n_groups(n_tokens) * mm_group_bytes(kind, k, group_width(n_tokens)) : 0;
}

void kern_act(const struct kern *kern, enum act_kind kind, void *act, const float *x, size_t stride,
              size_t k, size_t n_tokens, size_t t0, size_t t1) {
    size_t width = group_width(n_tokens), bytes = mm_group_bytes(kind, k, width);
    for (size_t t = t0; t < t1; t += width) {
        size_t live = t1 - t < width ? t1 - t : width;
        kern->mm->act[kind]((char *)act + t / width * bytes, x + t * stride, stride, k, width,
                            live);
    }
}

static size_t panel_bytes(const struct mm *mm) {
    return kern_act_kind(mm->dtype, mm->exact) == ACT_F32
               ? 4 * mm_quarter(mm->k) * TILE_ROWS * sizeof(float)
               : mm_panel_bytes(mm->dtype, mm->k);
}

size_t kern_mm_scratch(const struct mm *mm) {
    size_t panel = panel_bytes(mm), book = mm->exact || !mm_iq(mm->dtype) ? 0 : MM_IQ_BOOK;
    return ((panel > book ? panel : book) + 63) & ~(size_t)63;
}

/* The last step is the same code at every level: sums to outputs, in one order. */
static void finish(const struct mm *mm, size_t row, size_t token, size_t live, const float *acc) {
    size_t rows = mm->n_rows - row < TILE_ROWS ? mm->n_rows - row : TILE_ROWS;
    for (size_t t = 0; t < live; t++, acc += TILE_ROWS) {
        float *out = mm->out + (token + t) * mm->out_stride + row;
        if (!mm->bias && !mm->add && rows == TILE_ROWS) {
            memcpy(out, acc, TILE_ROWS * sizeof(float));
            continue;
        }
        for (size_t r = 0; r < rows; r++) {
            float sum = acc[r];
            if (mm->bias) sum = mm->bias[row + r] + sum;
            out[r] = mm->add ? out[r] + sum : sum;
        }
    }
}

void kern_mm(const struct kern *kern, const struct mm *mm, size_t tile0, size_t tile1,
             void *scratch) {
    const struct kern_mm_table *table = kern->mm;
    enum act_kind kind = kern_act_kind(mm->dtype, mm->exact);
    size_t tile_bytes = TILE_ROWS * dtype_bytes(mm->dtype, mm->k);
    size_t width = group_width(mm->n_tokens), bytes = mm_group_bytes(kind, mm->k, width);
    mm_unpack *unpack;
    mm_dot *dot, *gemv;
    const struct mm_book *book = NULL;
    if (!mm->n_tokens) return;
    if (kind == ACT_F32) {
        unpack = table->f32_unpack[mm->dtype];
        dot = width == 1 ? table->f32_dot1 : table->f32_dot4;
        gemv = table->f32_gemv[mm->dtype];
    } else {
        const struct mm_kernel *fast = &table->fast[mm->dtype];
        unpack = fast->unpack;
        dot = width == 1 ? fast->dot1 : fast->dot4;
        gemv = fast->gemv;
        if (width == 1) book = table->book[mm->dtype];
    }
    if (book) book->fill(scratch);
    for (size_t i = tile0; i < tile1; i++) {
        const char *tile = (const char *)mm->tiles + i * tile_bytes, *group = mm->act;
        _Alignas(16) float acc[MM_GROUP * TILE_ROWS];
        if (book || (width == 1 && gemv)) {
            if (book)
                book->gemv(acc, tile, group, mm->k, scratch);
            else
                gemv(acc, tile, group, mm->k);
            finish(mm, i * TILE_ROWS, 0, 1, acc);
            continue;
        }
        if (unpack)
            unpack(mm->dtype, scratch, tile, mm->k);
        else
            mm_f32_panel(mm->dtype, scratch, tile, mm->k);
        for (size_t t = 0; t < mm->n_tokens; t += width, group += bytes) {
            size_t live = mm->n_tokens - t < width ? mm->n_tokens - t : width;
            dot(acc, scratch, group, mm->k);
            finish(mm, i * TILE_ROWS, t, live, acc);
        }
    }
}
