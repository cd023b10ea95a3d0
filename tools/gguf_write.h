/* Writing GGUF v3 files: keys and tensor infos are collected in memory, then the data are streamed.
 *
 *     struct gguf_out w;
 *     gguf_out_init(&w);
 *     gguf_out_str(&w, "general.architecture", "llama");      keys in any order …
 *     gguf_out_tensor(&w, "token_embd.weight", DT_Q8_0, 2, ne); … and tensors in the order of their data
 *     if (gguf_out_begin(&w, "out.gguf") …) gguf_out_data(&w, bytes, n) …  gguf_out_end(&w)
 *
 * Every failure (memory, file, misuse) is kept in `error`, a sentence; later calls do nothing. Native code
 * only: it uses stdio and malloc. */
#ifndef SOTTO_TOOLS_GGUF_WRITE_H
#define SOTTO_TOOLS_GGUF_WRITE_H

#include "data/gguf.h"
#include <stdio.h>

struct gguf_out_buf {
    uint8_t *bytes;
    size_t size, cap;
};

struct gguf_out {
    struct gguf_out_buf kv, infos, sizes; /* sizes: a uint64_t for each tensor */
    uint64_t n_kv, n_tensors;
    uint64_t data_size;  /* of all tensors with their padding */
    uint64_t tensor, at; /* the tensor being written and the bytes of it so far */
    uint32_t alignment;
    FILE *file;
    char error[256];
};

void gguf_out_init(struct gguf_out *w);
void gguf_out_free(struct gguf_out *w); /* closes the file where gguf_out_end has not */

void gguf_out_u32(struct gguf_out *w, const char *key, uint32_t v);
void gguf_out_i32(struct gguf_out *w, const char *key, int32_t v);
void gguf_out_u64(struct gguf_out *w, const char *key, uint64_t v);
void gguf_out_f32(struct gguf_out *w, const char *key, float v);
void gguf_out_bool(struct gguf_out *w, const char *key, bool v);
void gguf_out_str(struct gguf_out *w, const char *key, const char *text);
void gguf_out_array(struct gguf_out *w, const char *key, uint32_t elem_type, const void *elements, uint64_t count);
/* Strings one after the other: begin tells the count, then that many gguf_out_item. */
void gguf_out_strings(struct gguf_out *w, const char *key, uint64_t count);
void gguf_out_item(struct gguf_out *w, const char *text, size_t n);
/* A key with its value as another file has it. */
void gguf_out_copy(struct gguf_out *w, const struct gguf *from, const struct gguf_kv *kv);

/* ne[0] is the row; returns the bytes of the tensor's data, 0 for a bad shape. */
uint64_t gguf_out_tensor(struct gguf_out *w, const char *name, uint32_t type, uint32_t n_dims, const uint64_t *ne);

/* Everything before the data, aligned, in memory from malloc; NULL without memory. */
uint8_t *gguf_out_header(struct gguf_out *w, size_t *n);
bool gguf_out_begin(struct gguf_out *w, const char *path);
/* Appends to the current tensor; a full one is padded and the next begins. A call stays within one tensor. */
bool gguf_out_data(struct gguf_out *w, const void *bytes, size_t n);
bool gguf_out_end(struct gguf_out *w); /* false where a write failed or data are missing */

#endif
