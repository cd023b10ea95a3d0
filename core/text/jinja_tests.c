/* The tests behind `is`, and the table of their names. */
#include "text/jinja_impl.h"

#define TEST(name) static struct value name(struct jinja *j, struct value v, const struct args *a)
/* A test that looks at the value alone. */
#define PLAIN(name, condition)                                                                     \
    TEST(name) {                                                                                   \
        (void)j, (void)a;                                                                          \
        return v_bool(condition);                                                                  \
    }

PLAIN(t_defined, v.kind != V_UNDEFINED)
PLAIN(t_undefined, v.kind == V_UNDEFINED)
PLAIN(t_none, v.kind == V_NONE)
PLAIN(t_boolean, v.kind == V_BOOL)
PLAIN(t_true, v.kind == V_BOOL && v.i)
PLAIN(t_false, v.kind == V_BOOL && !v.i)
PLAIN(t_integer, v.kind == V_INT || v.kind == V_BIG)
PLAIN(t_float, v.kind == V_FLOAT)
PLAIN(t_number, is_number(v) || v.kind == V_BIG)
PLAIN(t_string, v.kind == V_STRING)
PLAIN(t_mapping, v.kind == V_DICT)
PLAIN(t_escaped, v.kind == V_STRING && v.flag)
PLAIN(t_callable, v.kind == V_UNDEFINED || (v.kind >= V_LOOP && v.kind != V_CYCLER))
PLAIN(t_iterable, is_sequence(v) || v.kind == V_STRING || v.kind == V_DICT ||
                      v.kind == V_UNDEFINED || v.kind == V_LOOP)
PLAIN(t_sequence, (is_sequence(v) && v.kind != V_GENERATOR && v.kind != V_VIEW) ||
                      v.kind == V_STRING || v.kind == V_DICT || v.kind == V_UNDEFINED)
PLAIN(t_filter, jinja_filter(v) != NULL)
PLAIN(t_test, jinja_test(v) != NULL)

/* Every cased character is of that case, and there is one. */
static bool all_case(struct value v, bool upper) {
    bool any = false;
    if (v.kind != V_STRING) return false;
    for (size_t i = 0; i < v.n;) {
        uint32_t c = code_point(v.s, v.n, &i);
        if (upper ? is_lower(c) : is_upper(c)) return false;
        any |= upper ? is_upper(c) : is_lower(c);
    }
    return any;
}
TEST(t_upper) {
    (void)a;
    return v_bool(all_case(jinja_str(j, v), true));
}
TEST(t_lower) {
    (void)a;
    return v_bool(all_case(jinja_str(j, v), false));
}

static struct value operand(struct jinja *j, const struct args *a) {
    if (a->n) return a->at[0];
    return jinja_fail(j, "the test wants a value to compare with");
}
#define COMPARE(name, condition)                                                                   \
    TEST(name) {                                                                                   \
        struct value w = operand(j, a);                                                            \
        return v_bool(!j->failed && (condition));                                                  \
    }
COMPARE(t_eq, jinja_equal(j, v, w))
COMPARE(t_ne, !jinja_equal(j, v, w))
COMPARE(t_lt, jinja_compare(j, v, w) < 0)
COMPARE(t_le, jinja_compare(j, v, w) <= 0)
COMPARE(t_gt, jinja_compare(j, v, w) > 0)
COMPARE(t_ge, jinja_compare(j, v, w) >= 0)
COMPARE(t_in, jinja_contains(j, w, v))
COMPARE(t_sameas,
        v.kind == w.kind && (v.kind <= V_STRING ? jinja_equal(j, v, w) : v.s == w.s && v.n == w.n))

static struct value remainder_is(struct jinja *j, struct value v, int64_t by, int64_t wanted) {
    v = jinja_binary(j, '%', v, v_int(by));
    return v_bool(!j->failed && jinja_equal(j, v, v_int(wanted)));
}
TEST(t_even) {
    (void)a;
    return remainder_is(j, v, 2, 0);
}
TEST(t_odd) {
    (void)a;
    return remainder_is(j, v, 2, 1);
}
TEST(t_divisible) {
    return remainder_is(j, v, arg_int(j, a, 0, "num", 0), 0);
}

builtin jinja_test(struct value name) {
    static const struct row rows[] = {
        {"!=", t_ne},
        {"<", t_lt},
        {"<=", t_le},
        {"==", t_eq},
        {">", t_gt},
        {">=", t_ge},
        {"boolean", t_boolean},
        {"callable", t_callable},
        {"defined", t_defined},
        {"divisibleby", t_divisible},
        {"eq", t_eq},
        {"equalto", t_eq},
        {"escaped", t_escaped},
        {"even", t_even},
        {"false", t_false},
        {"filter", t_filter},
        {"float", t_float},
        {"ge", t_ge},
        {"greaterthan", t_gt},
        {"gt", t_gt},
        {"in", t_in},
        {"integer", t_integer},
        {"iterable", t_iterable},
        {"le", t_le},
        {"lessthan", t_lt},
        {"lower", t_lower},
        {"lt", t_lt},
        {"mapping", t_mapping},
        {"ne", t_ne},
        {"none", t_none},
        {"number", t_number},
        {"odd", t_odd},
        {"sameas", t_sameas},
        {"sequence", t_sequence},
        {"string", t_string},
        {"test", t_test},
        {"true", t_true},
        {"undefined", t_undefined},
        {"upper", t_upper},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (v_is(name, rows[i].name)) return rows[i].call;
    return NULL;
}
