/* Unicode look-ups against facts of the character database, and UTF-8 in its loose and strict readings. */
#include "../check.h"
#include "text/unicode.h"

static void test_flags(void) {
    static const struct {
        uint32_t cp;
        unsigned flags;
    } known[] = {
        {0, UC_CONTROL},          {'\t', UC_CONTROL | UC_SPACE},   {' ', UC_SEPARATOR | UC_SPACE},
        {'$', UC_SYMBOL},         {'%', UC_PUNCTUATION},           {'7', UC_NUMBER},
        {'a', UC_LETTER},         {0x85, UC_CONTROL | UC_SPACE},   {0xa0, UC_SEPARATOR | UC_SPACE},
        {0xad, UC_CONTROL},       {0xb2, UC_NUMBER},               {0x301, UC_MARK},
        {0x378, UC_NONE},         {0x3a9, UC_LETTER},              {0x660, UC_NUMBER},
        {0x200b, UC_CONTROL},     {0x2028, UC_SEPARATOR | UC_SPACE}, {0x20ac, UC_SYMBOL},
        {0x2160, UC_NUMBER},      {0x3000, UC_SEPARATOR | UC_SPACE}, {0x4e2d, UC_LETTER},
        {0xac00, UC_LETTER},      {0xd800, UC_CONTROL},            {0xe000, UC_CONTROL},
        {0xfffe, UC_NONE},        {0x1f600, UC_SYMBOL},            {0x2ebf0, UC_LETTER}, /* new in 15.1 */
        {0xe0100, UC_MARK},       {0x10ffff, UC_NONE},             {0x110000, UC_NONE},
        {UINT32_MAX, UC_NONE},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK(uc_flags(known[i].cp) == known[i].flags, "U+%04X: %x, wanted %x", (unsigned)known[i].cp,
              uc_flags(known[i].cp), known[i].flags);
}

static void test_maps(void) {
    static const uint32_t lower[][2] = {{'A', 'a'},       {'z', 'z'},       {0xc9, 0xe9},     {0xd7, 0xd7},
                                        {0x100, 0x101},   {0x101, 0x101},   {0x130, 'i'},     {0x178, 0xff},
                                        {0x1c4, 0x1c6},   {0x1c5, 0x1c6},   {0x3a3, 0x3c3},   {0x410, 0x430},
                                        {0x1e9e, 0xdf},   {0x212a, 'k'},    {0x2160, 0x2170}, {0x24b6, 0x24d0},
                                        {0xff21, 0xff41}, {0x10400, 0x10428}, {0x4e2d, 0x4e2d}, {0x110000, 0x110000}};
    static const uint32_t base[][2] = {{'a', 'a'},         {0xe9, 'e'},       {0xc5, 'A'},       {0xf8, 0xf8},
                                       {0x1e69, 's'},      {0xac00, 0x1100},  {0xd7a3, 0x1112},  {0xd7a4, 0xd7a4},
                                       {0xf900, 0x8c48},   {0xfacf, 0x2284a}, {0x2f800, 0x4e3d}, {0x2fa1d, 0x2a600},
                                       {0x1d15e, 0x1d157}, {0x10ffff, 0x10ffff}};
    for (size_t i = 0; i < sizeof lower / sizeof *lower; i++) CHECK_EQ(uc_lower(lower[i][0]), lower[i][1]);
    for (size_t i = 0; i < sizeof base / sizeof *base; i++) CHECK_EQ(uc_base(base[i][0]), base[i][1]);
}

static void read_as(const char *text, size_t n, uint32_t cp, size_t size, bool valid) {
    size_t got;
    bool ok;
    uint32_t read = uc_read_strict(text, n, &got, &ok);
    CHECK(read == cp && got == size && ok == valid, "%02x: size %zu", (uint8_t)*text, got);
    CHECK_EQ(uc_read(text, n, &got), cp);
}

static void test_utf8(void) {
    char bytes[4];
    for (uint32_t cp = 0; cp < 0x110000; cp += cp < 0x3000 ? 1 : 77) {
        size_t n = uc_write(bytes, cp), size;
        CHECK(uc_read(bytes, n, &size) == cp && size == n && uc_size((uint8_t)bytes[0]) == n, "U+%04X", (unsigned)cp);
    }
    read_as("\x80", 1, 0xfffd, 1, false);
    read_as("\xc3", 1, 0xfffd, 1, false);          /* cut short */
    read_as("\xe4\xb8", 2, 0xfffd, 1, false);
    read_as("\xc3(", 2, 0xfffd, 1, false);
    read_as("\xf8\x88\x80\x80", 4, 0xfffd, 1, false);
    read_as("\xc0\x80", 2, 0, 2, true);            /* overlong forms are read */
    read_as("\xed\xa0\x80", 3, 0xd800, 3, true);   /* surrogates too */
    read_as("\xf7\xbf\xbf\xbf", 4, 0xfffd, 4, true); /* beyond the last code point */
}

int main(void) {
    test_flags();
    test_maps();
    test_utf8();
    return check_done();
}
