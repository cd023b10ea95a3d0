/* What the files of the template interpreter share. Nothing outside core/text/jinja*.c includes
 * this.
 *
 * A render works in one region: nodes, names, values and strings are taken from it and all freed at
 * the end, so values are plain structs that are copied and never counted. Strings are byte ranges
 * (UTF-8) that may lie in the source, the variables' JSON or the region. Failure is sticky:
 * jinja_fail records the first one, every function returns soon afterwards, and whoever loops or
 * looks into memory that a call was to give checks j->failed.
 */
#ifndef SOTTO_TEXT_JINJA_IMPL_H
#define SOTTO_TEXT_JINJA_IMPL_H

#include "base/fmt.h"
#include "text/jinja.h"
#include <string.h>

/* ---- values ---------------------------------------------------------------------------------- */
enum kind {
    V_UNDEFINED,
    V_NONE,
    V_BOOL,
    V_INT,
    V_FLOAT,
    V_BIG, /* an integer beyond 64 bits: its literal, for printing only */
    V_STRING,
    V_LIST,
    V_TUPLE,
    V_RANGE,
    V_VIEW,      /* keys, values or items of a dict */
    V_GENERATOR, /* yields its items once, as Python's do */
    V_DICT,
    V_NAMESPACE,
    V_LOOP,
    V_MACRO,
    V_FUNCTION,
    V_METHOD,
    V_CYCLER
};

struct value {
    uint8_t kind;
    uint8_t
        flag;   /* string: Markup. undefined: 1 + kind of the owner, or UNSAFE. view: its letter */
    uint32_t n; /* bytes of a string, or of the name of an undefined */
    union {
        int64_t i;
        double d;
        const char *s;
        struct list *list; /* list, tuple, range, view, generator, cycler */
        struct dict *dict; /* dict, namespace */
        struct loop *loop;
        struct macro *macro;
        struct method *method; /* function, method */
    };
};

enum { UNSAFE = 255 };

struct list {
    struct value *at;
    uint32_t n, cap, cursor;   /* cursor: of a cycler; 1 in a generator that was read */
    int64_t start, stop, step; /* of a range */
};

struct entry {
    struct value key, value;
};
struct dict {
    struct entry *at;
    uint32_t n, cap;
};

struct args { /* positional ones first, then those with a name */
    struct value *at;
    const struct name **names;
    uint32_t n, n_positional;
};

struct jinja;
typedef struct value (*builtin)(struct jinja *j, struct value self, const struct args *a);

struct method {
    builtin call;
    struct value self;
};

/* A name is interned: equal text, equal pointer. Its global value is a variable of the render or a
 * builtin. */
struct name {
    struct name *next;
    const char *s;
    uint32_t n;
    bool has_global;
    struct value global;
};

struct var {
    struct var *next;
    const struct name *name;
    struct value value;
};
struct scope {
    struct scope *up;
    struct var *vars;
};

struct macro {
    const struct node *def;
    struct scope *scope;
    const struct name *name;
};

struct loop {
    struct value *at;
    uint32_t n, i, depth;
    const struct node *def;
    struct scope *outer;
    struct value changed;
    bool has_changed;
};

/* ---- syntax ---------------------------------------------------------------------------------- */
enum token_kind {
    T_END,
    T_DATA,
    T_BLOCK_BEGIN,
    T_BLOCK_END,
    T_PRINT_BEGIN,
    T_PRINT_END,
    T_NAME,
    T_STRING,
    T_INT,
    T_FLOAT,
    T_OPERATOR
};

struct token {
    struct token *next;
    uint8_t kind;
    uint16_t op; /* one or two characters, the first in the low byte */
    uint32_t at; /* offset in the source */
    struct value v;
};

#define OP2(a, b) ((a) | (b) << 8)

enum node_kind {
    N_CONST,
    N_NAME,
    N_LIST,
    N_TUPLE,
    N_DICT,   /* a: key, value, key, value … */
    N_ATTR,   /* a.name */
    N_ITEM,   /* a[b] */
    N_SLICE,  /* a[b:c:d] */
    N_CALL,   /* a(args in b) */
    N_ARG,    /* value in a; name for a keyword, op '*' or 'k' for expansions */
    N_FILTER, /* a | call(args in b); a is NULL at the head of a filter block's chain */
    N_TEST,
    N_NEGATE,
    N_PLUS,
    N_NOT,
    N_AND,
    N_OR,
    N_BINARY,
    N_CONCAT,
    N_COMPARE, /* a, then N_OPERAND in b: op and value in a */
    N_OPERAND,
    N_CONDITION, /* b if a else c */
    N_TEXT,
    N_PRINT,
    N_IF,           /* a, body b, next branch or else body in c (op 1: c is a branch) */
    N_FOR,          /* target a, items b, body c, else d, filter e; op 1: recursive */
    N_SET,          /* target a, value b */
    N_SET_BLOCK,    /* target a, filters b, body c */
    N_MACRO,        /* name, parameters a (N_ARG with default in a), body c */
    N_CALL_BLOCK,   /* parameters a, call b, body c */
    N_FILTER_BLOCK, /* filters b, body c */
    N_WITH,         /* targets a, values b (lists), body c */
    N_SCOPE,        /* body c in a scope of its own */
    N_BREAK,
    N_CONTINUE
};

struct node {
    uint8_t kind;
    uint16_t op;
    uint32_t at;
    struct node *next, *a, *b, *c, *d, *e;
    const struct name *name;
    builtin call;
    struct value v;
};

/* ---- the interpreter ------------------------------------------------------------------------- */
enum { N_BUCKETS = 64, NATIVE_DEPTH = 500, PARSE_DEPTH = 120 };

struct jinja {
    struct heap *heap;
    struct fail *fail;
    const char *source; /* newlines normalised */
    size_t n;
    struct chunk *chunks;
    char *top, *end;
    size_t taken, memory;
    uint64_t steps;
    uint32_t depth, calls, max_calls;
    uint32_t at; /* place of what is being evaluated */
    bool failed;
    int code;
    struct sbuf *out, capture;
    uint32_t n_captures;
    size_t emitted, max_output;
    double now;
    struct name *names[N_BUCKETS];
    const struct name *loop, *caller, *varargs, *kwargs;
    bool uses_extra; /* some macro looks at varargs or kwargs */
};

/* jinja_value.c: the region, strings, equality; jinja_print.c: build_value, build_repr */
void *jinja_take(struct jinja *j, size_t bytes); /* cleared; NULL after a failure */
/* Records a failure (TEMPLATE unless said otherwise) at j->at; returns undefined. */
struct value jinja_fail(struct jinja *j, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct value jinja_fail_code(struct jinja *j, int code, const char *what);
bool jinja_steps(struct jinja *j, uint64_t n); /* false when the bound is reached */
struct name *jinja_name(struct jinja *j, const char *s, size_t n);
void jinja_release(struct jinja *j);

static inline struct value v_undefined(void) {
    return (struct value){.kind = V_UNDEFINED};
}
static inline struct value v_none(void) {
    return (struct value){.kind = V_NONE};
}
static inline struct value v_bool(bool b) {
    return (struct value){.kind = V_BOOL, .i = b};
}
static inline struct value v_int(int64_t i) {
    return (struct value){.kind = V_INT, .i = i};
}
static inline struct value v_float(double d) {
    return (struct value){.kind = V_FLOAT, .d = d};
}
static inline struct value v_str(const char *s, size_t n) {
    return (struct value){.kind = V_STRING, .n = (uint32_t)n, .s = s};
}
static inline struct value v_text(const char *s) {
    return v_str(s, strlen(s));
}
static inline bool is_int(struct value v) {
    return v.kind == V_INT || v.kind == V_BOOL;
}
static inline bool is_number(struct value v) {
    return is_int(v) || v.kind == V_FLOAT;
}
static inline bool is_sequence(struct value v) {
    return v.kind >= V_LIST && v.kind <= V_GENERATOR;
}
static inline bool v_is(struct value v, const char *text) {
    return v.kind == V_STRING && v.n == strlen(text) && memcmp(v.s, text, v.n) == 0;
}
static inline double to_double(struct value v) {
    return v.kind == V_FLOAT ? v.d : (double)v.i;
}

/* A string under construction at the top of the region. */
struct build {
    struct jinja *j;
    char *s;
    size_t n, cap;
};
static inline struct build build_new(struct jinja *j) {
    return (struct build){.j = j};
}
void build_add(struct build *b, const char *s, size_t n);
void build_code_point(struct build *b, uint32_t c);
static inline void build_text(struct build *b, const char *s) {
    build_add(b, s, strlen(s));
}
static inline void build_char(struct build *b, char c) {
    build_add(b, &c, 1);
}
void build_value(struct build *b, struct value v); /* str(v) */
void build_repr(struct build *b, struct value v);
struct value build_end(struct build *b);
struct value jinja_str(struct jinja *j, struct value v); /* str(v), Markup kept */
struct value jinja_concat(struct jinja *j, struct value a, struct value b);
struct value jinja_escape(struct jinja *j, struct value v); /* Markup */

struct value list_new(struct jinja *j, enum kind kind);
void list_add(struct jinja *j, struct list *l, struct value v);
/* The items that iterating v gives (keys of a dict, characters of a string); false on failure. */
bool jinja_items(struct jinja *j, struct value v, struct list *out);
struct value dict_new(struct jinja *j);
void dict_set(struct jinja *j, struct dict *d, struct value key, struct value v);
struct value *dict_get(struct jinja *j, const struct dict *d, struct value key);

const char *type_name(struct value v);
bool jinja_true(struct value v);
bool jinja_equal(struct jinja *j, struct value a, struct value b);
int jinja_compare(struct jinja *j, struct value a,
                  struct value b); /* -1, 0, 1; fails for unlike kinds */
bool jinja_contains(struct jinja *j, struct value in, struct value v);
int64_t jinja_length(struct jinja *j, struct value v); /* -1 where there is none */
struct value jinja_from_json(struct jinja *j, const struct json *v);
struct value jinja_undefined_used(struct jinja *j, struct value v); /* fails with what is missing */

/* jinja_text.c: characters */
uint32_t code_point(const char *s, size_t n,
                    size_t *i); /* reads one and moves *i; malformed bytes: U+FFFD */
bool is_space(uint32_t c);
bool is_upper(uint32_t c);
bool is_lower(uint32_t c);
bool is_alpha(uint32_t c);
bool is_printable(uint32_t c);
uint32_t to_lower(uint32_t c);
uint32_t to_upper(uint32_t c);
size_t n_chars(const char *s, size_t n);
size_t char_at(const char *s, size_t n, size_t k); /* byte offset of character k, or n */
/* text without the characters of chars (white space where chars is NULL); sides: 1 left, 2 right */
struct value strip(struct value text, const struct value *chars, int sides);
size_t find_text(struct value text, struct value needle,
                 size_t from); /* byte offset, or SIZE_MAX */
enum text_case { CASE_UPPER, CASE_LOWER, CASE_CAPITALIZE, CASE_TITLE, CASE_SWAP };
struct value change_case(struct jinja *j, struct value v, enum text_case how);
struct value split_lines(struct jinja *j, struct value v, bool keep);

/* jinja_format.c */
void build_float(struct build *b, double d);
void build_json(struct build *b, struct value v,
                const struct args *a); /* json.dumps with tojson's arguments */
/* "%s" % values and "{}".format(values) */
struct value format_percent(struct jinja *j, struct value format, const struct args *a);
struct value format_braces(struct jinja *j, struct value self, const struct args *a);

/* jinja_lex.c, jinja_statements.c */
struct token *jinja_lex(struct jinja *j);
struct node *jinja_parse(struct jinja *j, struct token *tokens);

/* jinja_eval.c, jinja_exec.c */
struct value jinja_eval(struct jinja *j, const struct node *n, struct scope *scope);
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };
enum flow jinja_exec(struct jinja *j, const struct node *n, struct scope *scope);
struct value jinja_call(struct jinja *j, struct value callee, const struct args *a);
struct value jinja_attr(struct jinja *j, struct value v, struct value name);
bool jinja_deeper(
    struct jinja *j); /* one level of native recursion more; the caller takes it back */
void jinja_set(struct jinja *j, struct scope *scope, const struct name *name, struct value v);
struct scope *jinja_scope(struct jinja *j, struct scope *up);
/* The filters of a block's tag, applied to v. */
struct value jinja_pipe(struct jinja *j, const struct node *n, struct value v, struct scope *scope);
struct value jinja_call_macro(struct jinja *j, const struct macro *m, const struct args *a);
struct value jinja_call_loop(struct jinja *j, const struct loop *loop, struct value items);
/* Evaluates argument nodes; caller (NULL for none) is added as the keyword caller. */
bool jinja_arguments(struct jinja *j, const struct node *n, struct scope *scope,
                     const struct value *caller, struct args *out);
struct value jinja_item(struct jinja *j, struct value v, struct value key);

/* jinja_ops.c: arithmetic and slices */
struct value jinja_binary(struct jinja *j, int op, struct value a, struct value b);
struct value jinja_slice(struct jinja *j, struct value v, struct value from, struct value to,
                         struct value step);

/* The head of a filter. */
#define FILTER(name) static struct value name(struct jinja *j, struct value v, const struct args *a)

/* jinja_filters.c, jinja_sequences.c, jinja_tests.c, jinja_methods.c; NULL for an unknown name */
builtin jinja_filter(struct value name);
builtin jinja_sequence_filter(struct value name);
builtin jinja_test(struct value name);
builtin jinja_method(struct value self, struct value name, bool *mutates);
void jinja_globals(struct jinja *j);

/* Argument i, or the one called name; false where it was not given. */
bool arg(const struct args *a, uint32_t i, const char *name, struct value *out);
bool arg_true(const struct args *a, uint32_t i, const char *name, bool otherwise);
/* An integer argument; a float or a text fails. */
int64_t arg_int(struct jinja *j, const struct args *a, uint32_t i, const char *name,
                int64_t otherwise);
struct value arg_text(struct jinja *j, const struct args *a, uint32_t i, const char *name,
                      const char *otherwise);

struct row {
    const char *name;
    builtin call;
};

#endif
