/* Vocabularies: text to token ids and back, as llama.cpp does it from GGUF metadata.
 *
 * One vocab per model, immutable after vocab_open and usable from any thread. Token strings are views into
 * the GGUF header, which must outlive it. Tokenizers: SPM, BPE (one row per pre-tokenizer), WPM, Unigram,
 * RWKV. Encoding is linear in the text up to a logarithm, and bounded.
 */
#ifndef SOTTO_TEXT_VOCAB_H
#define SOTTO_TEXT_VOCAB_H

#include "base/sbuf.h"
#include "base/status.h"
#include "data/gguf.h"

enum vocab_kind { VOCAB_NONE, VOCAB_SPM, VOCAB_BPE, VOCAB_WPM, VOCAB_UGM, VOCAB_RWKV };
enum vocab_attr { /* llama.cpp's bits */
    TOKEN_UNKNOWN = 1, TOKEN_UNUSED = 2, TOKEN_NORMAL = 4, TOKEN_CONTROL = 8, TOKEN_USER_DEFINED = 16, TOKEN_BYTE = 32
};
#define TOKEN_NONE UINT32_MAX

struct vocab; /* opaque */

/* Reads tokenizer.ggml.* . A model without tokens gives VOCAB_NONE with n_vocab 0.
 * FORMAT / UNSUPPORTED (an unknown tokenizer or pre-tokenizer, with its name) / MEMORY. */
int vocab_open(struct vocab **out, struct heap *heap, const struct gguf *g, struct fail *f);
void vocab_close(struct vocab *v);

enum vocab_kind vocab_kind(const struct vocab *v);
uint32_t vocab_size(const struct vocab *v);
struct vocab_special { uint32_t bos, eos, eot, unk, sep, pad, mask; bool add_bos, add_eos, add_sep; };
struct vocab_special vocab_special(const struct vocab *v);
bool vocab_is_eog(const struct vocab *v, uint32_t id); /* ends a generation: eos, eot, eom, and known names */
uint32_t vocab_attr(const struct vocab *v, uint32_t id);
uint32_t vocab_find(const struct vocab *v, const char *text, size_t n); /* exact token text, or TOKEN_NONE */

enum { ENCODE_ADD_SPECIAL = 1, ENCODE_PARSE_SPECIAL = 2 };
/* Fills *ids (owned by the caller, heap_free of *n * 4 bytes) with the tokens of text. Any bytes are text:
 * malformed UTF-8 is encoded as llama.cpp would. MEMORY / LIMIT only. */
int vocab_encode(const struct vocab *v, struct heap *heap, const char *text, size_t n, unsigned flags,
                 uint32_t **ids, size_t *n_ids, struct fail *f);

/* Appends the bytes of one token; control tokens only where special is true. */
void vocab_piece(const struct vocab *v, uint32_t id, bool special, struct sbuf *out);

enum { DECODE_REMOVE_SPECIAL = 1, DECODE_SHOW_SPECIAL = 2 };
/* Appends the text of ids, as llama.cpp's detokenize (leading-space rule and clean-up included). */
void vocab_decode(const struct vocab *v, const uint32_t *ids, size_t n, unsigned flags, struct sbuf *out);

/* Streaming: bytes of tokens one by one, cut only between whole UTF-8 characters. */
struct detok { const struct vocab *vocab; bool special, first; uint8_t held[4]; uint32_t n_held; };
/* Starts a stream that continues a text. For one that starts a text set `first`: then the leading space
 * that some tokenizers add is taken off, as vocab_decode does. */
void detok_init(struct detok *d, const struct vocab *v, bool special);
void detok_push(struct detok *d, uint32_t id, struct sbuf *out);
void detok_finish(struct detok *d, struct sbuf *out); /* an unfinished character becomes U+FFFD */

#endif
