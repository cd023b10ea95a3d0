/* Arithmetic as Python does it on 64-bit integers (a larger result fails), and slices. */
#include "base/fmath.h"
#include "text/jinja_impl.h"

static struct value too_large(struct jinja *j) {
    return jinja_fail(j, "an integer becomes too large");
}

static struct value power(struct jinja *j, struct value a, struct value b) {
    double x = to_double(a), y = to_double(b), r;
    bool whole = is_int(b) || y == d_floor(y), odd = whole && d_floor(y / 2) * 2 != y;
    if (is_int(a) && is_int(b) && b.i >= 0) {
        int64_t out = 1, base = a.i;
        for (int64_t e = b.i; e; e >>= 1) {
            if ((e & 1) && __builtin_mul_overflow(out, base, &out)) return too_large(j);
            if (e > 1 && __builtin_mul_overflow(base, base, &base)) return too_large(j);
        }
        return v_int(out);
    }
    if (y == 0) return v_float(1);
    if (x == 0)
        return y < 0 ? jinja_fail(j, "0.0 cannot be raised to a negative power") : v_float(0);
    if (x < 0 && !whole) return jinja_fail(j, "a negative number cannot be raised to a fraction");
    r = d_pow(x < 0 ? -x : x, y);
    return v_float(x < 0 && odd ? -r : r);
}

static struct value integers(struct jinja *j, int op, int64_t a, int64_t b) {
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case '+':
        over = __builtin_add_overflow(a, b, &r);
        break;
    case '-':
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case '*':
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case '/':
        return b ? v_float((double)a / (double)b) : jinja_fail(j, "division by zero");
    default:
        if (b == 0) return jinja_fail(j, "integer division or modulo by zero");
        if (b == -1) { /* the one quotient that overflows */
            if (op == '%') return v_int(0);
            over = __builtin_sub_overflow(0, a, &r);
            break;
        }
        r = a / b - (a % b != 0 && (a < 0) != (b < 0));
        if (op == '%') r = a - r * b;
    }
    return over ? too_large(j) : v_int(r);
}

static struct value floats(struct jinja *j, int op, double a, double b) {
    double r;
    if (op == '+') return v_float(a + b);
    if (op == '-') return v_float(a - b);
    if (op == '*') return v_float(a * b);
    if (b == 0) return jinja_fail(j, "float division by zero");
    if (op == '/') return v_float(a / b);
    r = d_floor(a / b);
    return v_float(op == '%' ? a - r * b : r);
}

static struct value repeat(struct jinja *j, struct value v, int64_t n) {
    struct value out;
    struct build b = build_new(j);
    if (v.kind == V_STRING) {
        for (int64_t i = 0; i < n && v.n && !j->failed; i++) build_add(&b, v.s, v.n);
        out = build_end(&b);
        out.flag = v.flag;
        return out;
    }
    out = list_new(j, v.kind);
    for (int64_t i = 0; i < n && v.list->n && !j->failed; i++)
        for (uint32_t k = 0; k < v.list->n && !j->failed; k++) list_add(j, out.list, v.list->at[k]);
    return out;
}

/* The sum takes over the spare room behind a's items, so `list = list + [x]` in a loop is linear;
 * lists are not changed once made, and a has no room left that a second sum could take. */
static struct value join_lists(struct jinja *j, struct value a, struct value b) {
    struct value out = list_new(j, a.kind);
    if (j->failed) return out;
    *out.list = *a.list;
    a.list->cap = a.list->n;
    for (uint32_t i = 0; i < b.list->n && !j->failed; i++) list_add(j, out.list, b.list->at[i]);
    return out;
}

static bool repeats(struct value v) {
    return v.kind == V_STRING || v.kind == V_LIST || v.kind == V_TUPLE;
}

struct value jinja_binary(struct jinja *j, int op, struct value a, struct value b) {
    char name[3] = {(char)(op & 255), (char)(op >> 8), 0};
    if (is_number(a) && is_number(b)) {
        if (op == OP2('*', '*')) return power(j, a, b);
        if (is_int(a) && is_int(b)) return integers(j, op, a.i, b.i);
        return floats(j, op, to_double(a), to_double(b));
    }
    if (a.kind == V_UNDEFINED) return jinja_undefined_used(j, a);
    if (op == '%' && a.kind == V_STRING) {
        struct args args = {.at = &b, .n = 1, .n_positional = 1};
        if (b.kind == V_TUPLE)
            args = (struct args){.at = b.list->at, .n = b.list->n, .n_positional = b.list->n};
        return format_percent(j, a, &args);
    }
    if (b.kind == V_UNDEFINED) return jinja_undefined_used(j, b);
    if (op == '+' && a.kind == V_STRING && b.kind == V_STRING) {
        if (a.flag != b.flag) { /* Markup escapes what it meets */
            if (a.flag)
                b = jinja_escape(j, b);
            else
                a = jinja_escape(j, a);
        }
        return j->failed ? v_undefined() : jinja_concat(j, a, b);
    }
    if (op == '+' && a.kind == b.kind && (a.kind == V_LIST || a.kind == V_TUPLE))
        return join_lists(j, a, b);
    if (op == '*' && repeats(a) && is_int(b)) return repeat(j, a, b.i);
    if (op == '*' && repeats(b) && is_int(a)) return repeat(j, b, a.i);
    return jinja_fail(j, "unsupported operands for %s: '%s' and '%s'", name, type_name(a),
                      type_name(b));
}

/* A bound of a slice: clamped into [low, high] after negative ones count from the end. */
static int64_t bound(struct jinja *j, struct value v, int64_t n, int64_t otherwise, int64_t low,
                     int64_t high) {
    if (v.kind == V_NONE) return otherwise;
    if (!is_int(v)) {
        if (v.kind == V_UNDEFINED) jinja_undefined_used(j, v);
        jinja_fail(j, "slice indices must be integers, not %s", type_name(v));
        return 0;
    }
    if (v.i < 0) v.i = v.i < -n ? low : v.i + n;
    return v.i < low ? low : v.i > high ? high : v.i;
}

struct value jinja_slice(struct jinja *j, struct value v, struct value from, struct value to,
                         struct value by) {
    int64_t n, start, stop, step;
    struct build b = build_new(j);
    struct value out;
    if (j->failed) return v_undefined();
    if (v.kind == V_UNDEFINED) return jinja_undefined_used(j, v);
    if (v.kind != V_STRING && v.kind != V_LIST && v.kind != V_TUPLE && v.kind != V_RANGE)
        return jinja_fail(j, "'%s' object cannot be sliced", type_name(v));
    n = jinja_length(j, v);
    if (by.kind != V_NONE && !is_int(by)) return jinja_fail(j, "slice indices must be integers");
    step = by.kind == V_NONE  ? 1
           : by.i < INT32_MIN ? INT32_MIN
           : by.i > INT32_MAX ? INT32_MAX
                              : by.i;
    if (step == 0) return jinja_fail(j, "slice step cannot be zero");
    start = bound(j, from, n, step < 0 ? n - 1 : 0, step < 0 ? -1 : 0, step < 0 ? n - 1 : n);
    stop = bound(j, to, n, step < 0 ? -1 : n, step < 0 ? -1 : 0, step < 0 ? n - 1 : n);
    if (j->failed) return v_undefined();
    if (v.kind == V_STRING && step == 1) {
        size_t a = char_at(v.s, v.n, (size_t)start), e;
        if (stop <= start) stop = start;
        e = a + char_at(v.s + a, v.n - a, (size_t)(stop - start));
        out = v_str(v.s + a, e - a);
        out.flag = v.flag;
        return out;
    }
    if (v.kind == V_STRING) { /* by way of its characters */
        struct list items;
        if (!jinja_items(j, v, &items)) return v_undefined();
        for (int64_t i = start; (step > 0 ? i < stop : i > stop) && !j->failed; i += step)
            build_add(&b, items.at[i].s, items.at[i].n);
        return build_end(&b);
    }
    out = list_new(j, v.kind);
    if (!j->failed && v.kind == V_RANGE) {
        out.list->start = v.list->start + start * v.list->step;
        out.list->stop = v.list->start + stop * v.list->step;
        out.list->step = v.list->step * step;
    }
    for (int64_t i = start; (step > 0 ? i < stop : i > stop) && !j->failed; i += step)
        list_add(j, out.list, v.list->at[i]);
    return out;
}
