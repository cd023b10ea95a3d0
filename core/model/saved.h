/* Saved states: a sequence's tokens and its part of the cache as bytes, to be taken up again by the
 * same model.
 *
 * Bytes stream in both directions, straight out of and into the pages, so that no second copy of
 * the cache is needed. Layout, little-endian:
 *
 *     0   "SOTTOSEQ"
 *     8   u32 version
 *     12  u32 kv type + 256 * exact
 *     16  u64 model (saved_fingerprint)
 *     24  u32 tokens
 *     28  u32 of them cached
 *     32  u64 bytes in all
 *     40  u64 hash of bytes 0 to 39
 *     48  u32 ids of the tokens
 *     …   the state of recurrent layers, f32, where the model has such and a token is cached
 *     …   the cache: group by group, page by page
 *     -8  u64 hash of everything before
 *
 * A page whose positions are all held is written whole; of the last one, the rows that are held, in
 * the order of the page (layer, K then V, head, position). Pages that no later query can reach are
 * left out.
 */
#ifndef SOTTO_MODEL_SAVED_H
#define SOTTO_MODEL_SAVED_H

#include "model/model.h"

enum { SAVED_HEAD = 48, SAVED_TAIL = 8, SAVED_VERSION = 2 };

struct saved; /* opaque: one saving or restoring under way */

/* What a cache depends on beside its type and the arithmetic: the headers of all parts, and samples
 * of every weight. All weights must have arrived. */
uint64_t saved_fingerprint(const struct model *m);
/* Bytes of the saved form of what s holds now. */
uint64_t saved_bytes(const struct seq *s);
/* Hash of n bytes, as in the layout above. */
uint64_t saved_hash(const void *bytes, size_t n);

/* Begins to save s, or to restore into it (what it held is dropped once the saved header was
 * accepted). The sequence must not be used until saved_close. NOT_READY where weights are missing,
 * MEMORY; the failure is the model's. */
int saved_open(struct saved **out, struct seq *s, bool restore);
/* The next bytes of a saving, at most n; 0 past the end, and where the sequence changed meanwhile.
 */
size_t saved_read(struct saved *st, void *dst, size_t n);
/* The next n bytes of a restoring. MORE until all came, then OK: s is as it was. FORMAT and
 * UNSUPPORTED tell what is wrong with the bytes, CONTEXT_FULL that the cache does not hold it.
 * After a failure s is empty, or unchanged where the header was refused. */
int saved_write(struct saved *st, const void *src, size_t n);
/* Frees st. OK where it was finished; TRUNCATED where bytes are missing, and s is empty. */
int saved_close(struct saved *st);

#endif
