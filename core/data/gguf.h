/* GGUF v2/v3 headers, read incrementally from bytes that are pushed in.
 *
 * Source: the GGUF specification (ggml docs/gguf.md). The reader keeps the header's bytes; keys, strings
 * and arrays are views into them, so nothing is copied and nothing is allocated in proportion to a
 * length that the bytes have not paid for. Every count and length is checked against what has arrived
 * and against fixed bounds before it is used. Big-endian files are refused with a sentence.
 */
#ifndef SOTTO_DATA_GGUF_H
#define SOTTO_DATA_GGUF_H

#include "base/heap.h"
#include "base/status.h"
#include "data/dtype.h"
#include <stdbool.h>

enum gguf_type {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING,
    GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64
};

struct gguf_str { const char *text; size_t size; }; /* not NUL-terminated, borrowed from the header */

struct gguf_kv {
    struct gguf_str key;
    uint32_t type;      /* enum gguf_type */
    uint32_t elem_type; /* of an array; arrays of arrays are refused */
    uint64_t count;     /* of an array, else 1 */
    uint64_t at;        /* offset in the header of the value (the first element of an array); a string begins
                           with its 8 bytes of length */
};

struct gguf_tensor {
    struct gguf_str name;
    uint32_t type;     /* enum dtype; unknown ids are kept, they fail when the tensor is used */
    uint32_t n_dims;
    uint64_t ne[4];    /* ne[0] is the fastest axis; absent axes are 1 */
    uint64_t offset;   /* in the file, of the first byte */
    uint64_t bytes;
};

struct gguf; /* opaque */

/* An empty reader that owns its memory, NULL without memory. */
struct gguf *gguf_new(struct heap *heap);
void gguf_free(struct gguf *g);

/* Appends the next n bytes of the file. SOTTO_OK: the header is complete (surplus bytes are ignored);
 * SOTTO_MORE: push more; else FORMAT / UNSUPPORTED / LIMIT / MEMORY with the offset. */
int gguf_push(struct gguf *g, const void *bytes, size_t n, struct fail *f);

/* Valid once complete. */
uint64_t gguf_header_bytes(const struct gguf *g); /* up to and including the last tensor info */
const void *gguf_bytes(const struct gguf *g);     /* so many, from the first of the file */
uint64_t gguf_data_offset(const struct gguf *g);  /* aligned start of the tensor data */
uint64_t gguf_file_bytes(const struct gguf *g);   /* end of the last tensor's data */
uint32_t gguf_version(const struct gguf *g);
size_t gguf_n_kv(const struct gguf *g);
size_t gguf_n_tensors(const struct gguf *g);
const struct gguf_kv *gguf_kv_at(const struct gguf *g, size_t i);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i);
const struct gguf_kv *gguf_find(const struct gguf *g, const char *key);            /* NULL if absent; hashed */
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name); /* NULL if absent; hashed */

/* Scalars convert between numeric types; `missing` where the key is absent, not numeric, or (gguf_u64) negative
 * or too large. */
uint64_t gguf_u64(const struct gguf *g, const char *key, uint64_t missing);
double gguf_f64(const struct gguf *g, const char *key, double missing);
bool gguf_bool(const struct gguf *g, const char *key, bool missing);
struct gguf_str gguf_string(const struct gguf *g, const char *key); /* {NULL, 0} where absent */

/* Element i of an array (of a scalar: i is 0). Numeric ones convert; 0 / {NULL,0} out of range. */
double gguf_num_at(const struct gguf *g, const struct gguf_kv *kv, uint64_t i);
/* Strings of an array are found in constant time (the reader indexes them as they arrive). */
struct gguf_str gguf_str_at(const struct gguf *g, const struct gguf_kv *kv, uint64_t i);
const void *gguf_raw(const struct gguf *g, const struct gguf_kv *kv); /* unaligned array elements */

#endif
