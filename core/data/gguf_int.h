/* The reader's inside, shared by gguf.c (parsing), gguf_names.c (the hash tables) and gguf_get.c
 * (looking up). */
#ifndef SOTTO_DATA_GGUF_INT_H
#define SOTTO_DATA_GGUF_INT_H

#include "data/gguf.h"

/* Bounds. Real headers: 15 MB for the largest vocabularies, some 60 keys, some 2,000 tensors. */
enum {
    HEADER_MAX = 256 << 20,
    KV_MAX = 1 << 16,
    TENSOR_MAX = 1 << 16,
    KEY_MAX = 65535,
    NAME_MAX_BYTES = 1024,
    ALIGNMENT_MAX = 1 << 20,
    PROBES_MAX =
        256, /* of the hash tables: names made to collide are refused, not searched for long */
    STRING_STEP = 8 /* the string index has one offset for so many strings */
};

enum gguf_phase { PHASE_HEAD, PHASE_KV, PHASE_STRINGS, PHASE_TENSOR, PHASE_DONE, PHASE_FAILED };

/* Names are offsets while the buffer may still move; their pointers are set at the end. */
struct gguf_kv_entry {
    struct gguf_kv kv;
    uint32_t key_at, index_at;
};
struct gguf_tensor_entry {
    struct gguf_tensor tensor;
    uint32_t name_at;
};

/* Open addressing; a slot is a number of an entry plus 1, 0 where free. */
struct gguf_hash {
    uint32_t *slots;
    uint32_t n_slots;
};

struct gguf {
    struct heap *heap;
    uint8_t *bytes;
    size_t size, cap;
    enum gguf_phase phase;
    uint32_t pos;  /* all before is parsed */
    uint32_t need; /* bytes without which parsing cannot go on */
    uint32_t version;
    uint32_t n_kv, n_tensors, want_kv, want_tensors; /* so far, and as the header says */
    uint32_t cap_kv, cap_tensors, n_index, cap_index;
    uint64_t strings_left; /* of the string array being read */
    struct gguf_kv_entry *kv;
    struct gguf_tensor_entry *tensors;
    uint32_t *index; /* offsets of every STRING_STEP-th string of all string arrays */
    struct gguf_hash kv_hash, tensor_hash;
    uint64_t data_offset, file_bytes;
    struct fail failed;
};

/* Enters the name at g->bytes + at as the next key or tensor; refuses one that is there already. */
int gguf_add_name(struct gguf *g, bool tensor, uint32_t at, size_t size, struct fail *f);

/* Fills *f for an allocation that failed. */
int gguf_no_memory(const struct gguf *g, struct fail *f);

/* Bytes of a scalar, 0 for strings, arrays and unknown types. */
uint32_t gguf_type_bytes(uint32_t type);

#endif
