/* Exact binary to decimal conversion. A double is r / s of two big integers; digits are the integer
 * parts of repeated multiplication by ten. */
#include "base/fmt_digits.h"
#include <stdint.h>
#include <string.h>

/* 2^1076 * 10 and 10^309 * 2^2 fit; parsing scales at most 800 digits against 2^1100. */
enum { WORDS = 128 };

struct big {
    uint32_t n; /* words in use; the top one is not 0 */
    uint32_t w[WORDS];
};

static void big_set(struct big *b, uint64_t v) {
    b->w[0] = (uint32_t)v;
    b->w[1] = (uint32_t)(v >> 32);
    b->n = b->w[1] ? 2 : b->w[0] ? 1 : 0;
}

static void big_mul(struct big *b, uint32_t m, uint32_t add) {
    uint64_t carry = add;
    for (uint32_t i = 0; i < b->n; i++) {
        carry += (uint64_t)b->w[i] * m;
        b->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && b->n < WORDS) b->w[b->n++] = (uint32_t)carry;
}

static void big_pow10(struct big *b, int e) {
    for (; e >= 9; e -= 9) big_mul(b, 1000000000u, 0);
    for (; e > 0; e--) big_mul(b, 10, 0);
}

static void big_shift(struct big *b, int bits) {
    uint32_t words = (uint32_t)bits / 32;
    if (b->n && words) {
        memmove(b->w + words, b->w, b->n * sizeof *b->w);
        memset(b->w, 0, words * sizeof *b->w);
        b->n += words;
    }
    big_mul(b, 1u << (bits % 32), 0);
}

static int big_cmp(const struct big *a, const struct big *b) {
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (uint32_t i = a->n; i-- > 0;)
        if (a->w[i] != b->w[i]) return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

static void big_add(struct big *a, const struct big *b) {
    uint64_t carry = 0;
    for (uint32_t i = 0; i < a->n || i < b->n || carry; i++) {
        if (i >= a->n) {
            a->w[i] = 0;
            a->n = i + 1;
        }
        carry += (uint64_t)a->w[i] + (i < b->n ? b->w[i] : 0);
        a->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* a -= b * m for a >= b * m */
static void big_sub(struct big *a, const struct big *b, uint32_t m) {
    uint64_t carry = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        uint64_t take = carry + (i < b->n ? (uint64_t)b->w[i] * m : 0);
        uint32_t low = (uint32_t)take;
        carry = (take >> 32) + (a->w[i] < low);
        a->w[i] -= low;
    }
    while (a->n && !a->w[a->n - 1]) a->n--;
}

/* The integer part of r / s, which is 0..9; r keeps the remainder. */
static int next_digit(struct big *r, const struct big *s) {
    int d = 0;
    for (; d < 9 && big_cmp(r, s) >= 0; d++) big_sub(r, s, 1);
    return d;
}

struct ratio {
    struct big r, s, up,
        down; /* value = r / s; half the gaps to the neighbours = up / s, down / s */
    int exponent;
    bool even;
};

static uint64_t double_bits(double v) {
    uint64_t u;
    memcpy(&u, &v, 8);
    return u;
}

bool fmt_sign(double value) {
    return double_bits(value) >> 63;
}

/* Scales so that 1/10 <= r / s < 1. False for zero. */
static bool ratio_init(struct ratio *q, double value) {
    uint64_t u = double_bits(value) & ~(1ull << 63), m = u & 0xfffffffffffffull;
    int e = (int)(u >> 52), ten;
    bool boundary = m == 0 && e > 1;
    if (!u) return false;
    if (e)
        m |= 1ull << 52;
    else
        e = 1;
    e -= 1075;
    q->even = !(m & 1);
    big_set(&q->r, m);
    big_set(&q->s, 1);
    big_set(&q->down, 1);
    big_shift(&q->r, (e > 0 ? e : 0) + 1 + boundary);
    big_shift(&q->s, (e < 0 ? -e : 0) + 1 + boundary);
    big_shift(&q->down, e > 0 ? e : 0);
    q->up = q->down;
    if (boundary) big_shift(&q->up, 1);
    /* log10(2) from above or one below: a first guess that is never too large by more than one */
    ten = (int)(((int64_t)(e + 63 - __builtin_clzll(m)) * 1292913986) >> 32);
    if (ten > 0) {
        big_pow10(&q->s, ten);
    } else {
        big_pow10(&q->r, -ten);
        big_pow10(&q->up, -ten);
        big_pow10(&q->down, -ten);
    }
    while (big_cmp(&q->r, &q->s) >= 0) {
        big_mul(&q->s, 10, 0);
        ten++;
    }
    q->exponent = ten;
    return true;
}

static void times_ten(struct ratio *q) {
    big_mul(&q->r, 10, 0);
    big_mul(&q->up, 10, 0);
    big_mul(&q->down, 10, 0);
}

/* Adds one to the last digit; all nines become a one and the exponent grows. */
static void round_up(char *digits, int count, int *exponent) {
    int i = count - 1;
    for (; i >= 0 && digits[i] == '9'; i--) digits[i] = '0';
    if (i >= 0) {
        digits[i]++;
        return;
    }
    digits[0] = '1';
    ++*exponent;
}

int fmt_digits_shortest(char *digits, int *exponent, double value) {
    struct ratio q;
    struct big sum;
    int count = 0;
    *exponent = 1;
    digits[0] = '0';
    if (!ratio_init(&q, value)) return 1;
    *exponent = q.exponent;
    /* a value that rounds up to the next power of ten has that as its shortest text */
    sum = q.r;
    big_add(&sum, &q.up);
    if (big_cmp(&sum, &q.s) >= (q.even ? 0 : 1)) {
        digits[0] = '1';
        ++*exponent;
        return 1;
    }
    for (;;) {
        bool low, high;
        times_ten(&q);
        digits[count++] = (char)('0' + next_digit(&q.r, &q.s));
        low = big_cmp(&q.r, &q.down) < (q.even ? 1 : 0);
        sum = q.r;
        big_add(&sum, &q.up);
        high = big_cmp(&sum, &q.s) >= (q.even ? 0 : 1);
        if (!low && !high) continue;
        big_mul(&q.r, 2, 0);
        if (high && (!low || big_cmp(&q.r, &q.s) >= 0)) round_up(digits, count, exponent);
        return count;
    }
}

/* count digits of q, the last one rounded half to even; count may be 0 or less. */
static int round_to(char *digits, int *exponent, struct ratio *q, int count) {
    int order;
    *exponent = q->exponent;
    if (count < 0) return 0;
    for (int i = 0; i < count; i++) {
        times_ten(q);
        digits[i] = (char)('0' + next_digit(&q->r, &q->s));
    }
    big_mul(&q->r, 2, 0);
    order = big_cmp(&q->r, &q->s);
    if (order > 0 || (order == 0 && count > 0 && ((digits[count - 1] - '0') & 1))) {
        round_up(digits, count, exponent);
        if (count == 0) return 1; /* 0.7 with no decimals: the one that appeared */
    }
    return count;
}

int fmt_digits_round(char *digits, int *exponent, double value, int n) {
    struct ratio q;
    *exponent = 1;
    digits[0] = '0';
    if (!ratio_init(&q, value)) return 1;
    return round_to(digits, exponent, &q, n);
}

int fmt_digits_fixed(char *digits, int *exponent, double value, int n) {
    struct ratio q;
    int count, before;
    *exponent = 1;
    digits[0] = '0';
    if (!ratio_init(&q, value)) return 1;
    before = q.exponent;
    count = round_to(digits, exponent, &q, before + n);
    /* a carry into a new leading digit shifts all others one place: they are zeros */
    if (*exponent > before && count > 0 && count < FMT_DIGITS_MAX) digits[count++] = '0';
    if (count == 0) *exponent = 0;
    return count;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* m * 2^e with m of at most 64 bits and `sticky` for what lies below, rounded half to even. */
static double assemble(uint64_t m, int e, bool sticky) {
    int top = 63 - __builtin_clzll(m), drop = top - 52;
    uint64_t half, rest, bits;
    double v;
    if (e + top < -1022) drop = -1074 - e; /* subnormal: fewer digits */
    if (drop > 64) return 0;
    if (drop == 64) { /* all of m is below the last place */
        rest = m;
        m = 0;
        half = 1ull << 63;
    } else if (drop > 0) {
        rest = m & ((1ull << drop) - 1);
        half = 1ull << (drop - 1);
        m >>= drop;
    } else {
        rest = 0;
        half = 1;
        m <<= -drop;
    }
    if (rest > half || (rest == half && (sticky || (m & 1)))) m++;
    e += drop;
    if (m >> 53) {
        m >>= 1;
        e++;
    }
    if (m && e > 971) return __builtin_inf();
    bits = m >> 52 ? ((uint64_t)(e + 1075) << 52) | (m & 0xfffffffffffffull) : m;
    memcpy(&v, &bits, 8);
    return v;
}

/* digits (as an integer) * 10^ten */
static double scaled(struct big *r, int ten) {
    struct big s;
    uint64_t m = 0;
    int e, bits;
    if (!r->n) return 0;
    big_set(&s, 1);
    if (ten > 0)
        big_pow10(r, ten);
    else
        big_pow10(&s, -ten);
    /* shift so that the quotient has 64 bits, then divide bit by bit */
    bits = (int)(r->n - s.n) * 32 + __builtin_clz(s.w[s.n - 1]) - __builtin_clz(r->w[r->n - 1]);
    e = bits - 63;
    if (e < 0)
        big_shift(r, -e);
    else
        big_shift(&s, e);
    if (big_cmp(r, &s) < 0) return 0; /* unreachable for a normal quotient of 63 or 64 bits */
    big_shift(&s, 63);
    for (int i = 0; i < 64; i++) {
        m <<= 1;
        if (big_cmp(r, &s) >= 0) {
            big_sub(r, &s, 1);
            m |= 1;
        }
        big_mul(r, 2, 0);
    }
    return assemble(m, e, r->n != 0);
}

size_t fmt_parse_double(double *value, const char *text, size_t n) {
    /* digits past these only decide ties, which one sticky digit does as well */
    enum { KEEP = 780 };
    struct big r;
    size_t i = 0, mark;
    int ten = 0, kept = 0, exponent = 0;
    bool negative = false, any = false, sticky = false, point = false;
    double v;
    if (i < n && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
    big_set(&r, 0);
    for (; i < n; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(text[i])) break;
        any = true;
        if (kept || text[i] != '0') {
            if (kept < KEEP) {
                if (r.n)
                    big_mul(&r, 10, (uint32_t)(text[i] - '0'));
                else
                    big_set(&r, (uint64_t)(text[i] - '0'));
                kept++;
            } else {
                sticky |= text[i] != '0';
                if (!point && ten < 100000) ten++;
                continue;
            }
        }
        if (point && ten > -100000) ten--;
    }
    if (!any) return 0;
    mark = i;
    if (i < n && (text[i] == 'e' || text[i] == 'E')) {
        bool minus = false;
        i++;
        if (i < n && (text[i] == '-' || text[i] == '+')) minus = text[i++] == '-';
        if (i < n && is_digit(text[i])) {
            for (; i < n && is_digit(text[i]); i++)
                if (exponent < 100000) exponent = exponent * 10 + (text[i] - '0');
            ten += minus ? -exponent : exponent;
            mark = i;
        }
    }
    if (sticky) {
        big_mul(&r, 10, 1);
        ten--;
        kept++;
    }
    if (!r.n || ten + kept < -330)
        v = 0;
    else if (ten + kept > 310)
        v = __builtin_inf();
    else
        v = scaled(&r, ten);
    *value = negative ? -v : v;
    return mark;
}
