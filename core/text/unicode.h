/* Unicode facts that tokenizers need: categories, white space, lower case, base letters, UTF-8.
 *
 * Categories are those of Unicode 15.1. "Loose" UTF-8 below means what llama.cpp accepts: any
 * sequence of the right shape (overlong forms and surrogates included); a byte that starts none
 * stands for U+FFFD.
 */
#ifndef SOTTO_TEXT_UNICODE_H
#define SOTTO_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of uc_flags: one category and white space. */
enum {
    UC_NONE = 1,         /* not assigned */
    UC_NUMBER = 2,       /* N* */
    UC_LETTER = 4,       /* L* */
    UC_SEPARATOR = 8,    /* Z* */
    UC_MARK = 16,        /* M* */
    UC_PUNCTUATION = 32, /* P* */
    UC_SYMBOL = 64,      /* S* */
    UC_CONTROL = 128,    /* C*, format, surrogates and private use included */
    UC_SPACE = 256       /* White_Space, beside the category */
};

unsigned uc_flags(uint32_t cp);

/* The simple lower case form (the first code point of the full one), cp itself where there is none.
 */
uint32_t uc_lower(uint32_t cp);

/* The first code point of the canonical decomposition. */
uint32_t uc_base(uint32_t cp);

/* Reads one code point of loose UTF-8 from n > 0 bytes and sets *size to the bytes it takes (>= 1).
 * Code points above U+10FFFF become U+FFFD. */
uint32_t uc_read(const char *text, size_t n, size_t *size);

/* The same, telling where the bytes are no character (*valid false, *size 1). */
uint32_t uc_read_strict(const char *text, size_t n, size_t *size, bool *valid);

/* Writes cp <= U+10FFFF as UTF-8 (surrogates too) and returns the bytes written, 1 to 4. */
size_t uc_write(char *dst, uint32_t cp);

/* Bytes that a leading byte announces, 1 for continuation bytes. */
static inline size_t uc_size(unsigned char lead) {
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

#endif
