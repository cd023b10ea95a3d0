/* Characters as pre-tokenizers see them. Private to pretok*.c. */
#ifndef SOTTO_TEXT_PRETOK_IN_H
#define SOTTO_TEXT_PRETOK_IN_H

#include "text/unicode.h"

/* Flags of a character beside those of unicode.h. */
enum {
    CR_LF = 1 << 9,
    UPPER = 1 << 10, /* A-Z */
    LOWER = 1 << 11, /* a-z */
    DIGIT = 1 << 12, /* 0-9 */
    ASCII_PUNCT = 1 << 13,
    NEWLINE = 1 << 14
};
struct character {
    uint32_t cp;
    unsigned flags;
    size_t size;
};

/* The character at text[at], at < n. */
struct character pretok_look(const char *text, size_t n, size_t at);

/* Whether a character is in the class that a letter of a pattern names. */
bool pretok_in_class(uint8_t letter, const struct character *c);

#endif
