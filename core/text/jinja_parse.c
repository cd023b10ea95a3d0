/* Tokens to a tree. The grammar is Jinja2's with the loop-control tags and `generation`.
 *
 * Nesting is bounded by PARSE_DEPTH, so the parser's own stack is too. A failure leaves NULL links
 * in the tree, which is never looked at then. */
#include "text/jinja_parse.h"

enum level { L_OR = 1, L_AND, L_NOT, L_COMPARE, L_SUM, L_CONCAT, L_PRODUCT, L_POWER };

static struct node *unary(struct parser *p, bool filters);

/* ---- tokens ---------------------------------------------------------------------------------- */
void parse_refuse(struct parser *p, const char *what) {
    const struct token *t = p->t;
    p->j->at = t->at;
    if (t->kind == T_NAME)
        jinja_fail(p->j, "%s, not '%.*s'", what, (int)t->v.n, t->v.s);
    else if (t->kind == T_OPERATOR)
        jinja_fail(p->j, "%s, not '%c%c'", what, t->op & 255, t->op >> 8 ? t->op >> 8 : ' ');
    else if (t->kind == T_END)
        jinja_fail(p->j, "%s, but the template ends", what);
    else
        jinja_fail(p->j, "%s", what);
}

void parse_skip(struct parser *p) {
    if (p->t->next) p->t = p->t->next;
}
bool parse_is_op(const struct parser *p, int op) {
    return p->t->kind == T_OPERATOR && p->t->op == op;
}
bool parse_is_word(const struct parser *p, const char *word) {
    return p->t->kind == T_NAME && v_is(p->t->v, word);
}
bool parse_take_op(struct parser *p, int op) {
    bool hit = parse_is_op(p, op);
    if (hit) parse_skip(p);
    return hit;
}
bool parse_take_word(struct parser *p, const char *word) {
    bool hit = parse_is_word(p, word);
    if (hit) parse_skip(p);
    return hit;
}
void parse_want_op(struct parser *p, int op) {
    char what[] = "expected 'x'";
    what[10] = (char)op;
    if (!parse_take_op(p, op)) parse_refuse(p, what);
}
void parse_want_kind(struct parser *p, int kind, const char *what) {
    if (p->t->kind != kind)
        parse_refuse(p, what);
    else
        parse_skip(p);
}

struct node *parse_node(struct parser *p, int kind, uint32_t at) {
    struct node *n = jinja_take(p->j, sizeof *n);
    if (!n) return NULL;
    n->kind = (uint8_t)kind;
    n->at = at;
    return n;
}

struct node *parse_node2(struct parser *p, int kind, uint32_t at, struct node *a, struct node *b) {
    struct node *n = parse_node(p, kind, at);
    if (n) n->a = a, n->b = b;
    return n;
}

static struct node *make_const(struct parser *p, struct value v) {
    struct node *n = parse_node(p, N_CONST, p->t->at);
    if (n) n->v = v;
    return n;
}

const struct name *parse_take_name(struct parser *p, const char *what) {
    const struct name *name = NULL;
    if (p->t->kind == T_NAME)
        name = jinja_name(p->j, p->t->v.s, p->t->v.n);
    else
        parse_refuse(p, what);
    parse_skip(p);
    return name;
}

bool parse_deeper(struct parser *p) {
    if (++p->depth <= PARSE_DEPTH) return !p->j->failed;
    p->j->at = p->t->at;
    jinja_fail_code(p->j, SOTTO_LIMIT, "nests too deeply");
    return false;
}

/* ---- expressions ----------------------------------------------------------------------------- */
/* What ends a tuple without parentheses. */
bool parse_at_end(const struct parser *p) {
    return p->t->kind == T_END || p->t->kind == T_BLOCK_END || p->t->kind == T_PRINT_END ||
           parse_is_op(p, ')') || parse_is_op(p, '=') || parse_is_word(p, "in") ||
           parse_is_word(p, "recursive");
}

static struct node *level(struct parser *p, int min);

struct node *parse_tuple(struct parser *p, bool conditions, bool parentheses) {
    uint32_t at = p->t->at;
    struct node *first = NULL, **tail = &first, *n;
    bool comma = false;
    while (!p->j->failed && !parse_at_end(p)) {
        n = conditions ? parse_expression(p) : level(p, L_OR);
        if (!n) return NULL;
        *tail = n;
        tail = &n->next;
        if (!parse_take_op(p, ',')) break;
        comma = true;
    }
    if (!comma && first) return first;
    if (!first && !parentheses) {
        parse_refuse(p, "expected an expression");
        return NULL;
    }
    return parse_node2(p, N_TUPLE, at, first, NULL);
}

/* Arguments in parentheses; the opening one is taken. */
static struct node *arguments(struct parser *p) {
    struct node *first = NULL, **tail = &first;
    while (!p->j->failed && !parse_is_op(p, ')')) {
        struct node *n = parse_node(p, N_ARG, p->t->at);
        if (!n) return NULL;
        if (parse_take_op(p, '*'))
            n->op = '*';
        else if (parse_take_op(p, OP2('*', '*')))
            n->op = 'k';
        else if (p->t->kind == T_NAME && p->t->next && p->t->next->kind == T_OPERATOR &&
                 p->t->next->op == '=') {
            n->name = parse_take_name(p, "");
            parse_skip(p);
        }
        n->a = parse_expression(p);
        *tail = n;
        tail = &n->next;
        if (!parse_take_op(p, ',')) break;
    }
    parse_want_op(p, ')');
    return first;
}

static struct node *list_or_dict(struct parser *p, bool dict) {
    struct node *n = parse_node(p, dict ? N_DICT : N_LIST, p->t->at), **tail;
    char close = dict ? '}' : ']';
    if (!n) return NULL;
    parse_skip(p);
    tail = &n->a;
    while (!p->j->failed && !parse_is_op(p, close)) {
        struct node *item = parse_expression(p);
        if (!item) return NULL;
        *tail = item;
        tail = &item->next;
        if (dict) {
            parse_want_op(p, ':');
            item = parse_expression(p);
            if (!item) return NULL;
            *tail = item;
            tail = &item->next;
        }
        if (!parse_take_op(p, ',')) break;
    }
    parse_want_op(p, close);
    return n;
}

struct node *parse_primary(struct parser *p) {
    struct token *t = p->t;
    struct node *n;
    switch (t->kind) {
    case T_NAME:
        if (v_is(t->v, "true") || v_is(t->v, "True"))
            n = make_const(p, v_bool(true));
        else if (v_is(t->v, "false") || v_is(t->v, "False"))
            n = make_const(p, v_bool(false));
        else if (v_is(t->v, "none") || v_is(t->v, "None"))
            n = make_const(p, v_none());
        else {
            n = parse_node(p, N_NAME, t->at);
            if (n) n->name = jinja_name(p->j, t->v.s, t->v.n);
            if (n && (n->name == p->j->varargs || n->name == p->j->kwargs)) p->j->uses_extra = true;
        }
        parse_skip(p);
        return n;
    case T_STRING: {
        struct value v = t->v;
        n = make_const(p, v);
        for (parse_skip(p); n && p->t->kind == T_STRING; parse_skip(p))
            n->v = jinja_concat(p->j, n->v, p->t->v);
        return n;
    }
    case T_INT:
    case T_FLOAT:
        n = make_const(p, t->v);
        parse_skip(p);
        return n;
    default:
        break;
    }
    if (parse_take_op(p, '(')) {
        n = parse_tuple(p, true, true);
        parse_want_op(p, ')');
        return n;
    }
    if (parse_is_op(p, '[') || parse_is_op(p, '{')) return list_or_dict(p, parse_is_op(p, '{'));
    parse_refuse(p, "expected an expression");
    return NULL;
}

/* One subscript: an expression or a slice. */
static struct node *subscript(struct parser *p, struct node *of, uint32_t at) {
    struct node *part[3] = {NULL, NULL, NULL}, *n;
    int k = 0;
    bool slice = false;
    while (!p->j->failed && !parse_is_op(p, ']') && !parse_is_op(p, ',')) {
        if (parse_take_op(p, ':')) {
            slice = true;
            if (++k == 3) {
                parse_refuse(p, "expected ']'");
                break;
            }
        } else if (part[k]) {
            parse_refuse(p, "expected ']'");
            break;
        } else
            part[k] = parse_expression(p);
    }
    if (!slice && !part[0]) parse_refuse(p, "expected a subscript");
    n = parse_node2(p, slice ? N_SLICE : N_ITEM, at, of, part[0]);
    if (n) n->c = part[1], n->d = part[2];
    return n;
}

struct node *parse_postfix(struct parser *p, struct node *n, bool calls_only) {
    while (n && !p->j->failed) {
        uint32_t at = p->t->at;
        if (!calls_only && parse_take_op(p, '.')) {
            if (p->t->kind == T_INT) {
                n = parse_node2(p, N_ITEM, at, n, make_const(p, p->t->v));
                parse_skip(p);
                continue;
            }
            n = parse_node2(p, N_ATTR, at, n, NULL);
            if (n) n->v = p->t->v, parse_take_name(p, "expected a name behind '.'");
        } else if (!calls_only && parse_take_op(p, '[')) {
            struct node *first = subscript(p, n, at);
            if (parse_is_op(p, ',') && first &&
                first->kind == N_ITEM) { /* a[1, 2] asks for a tuple */
                struct node *key = parse_node2(p, N_TUPLE, at, first->b, NULL), *last = first->b;
                while (last && parse_take_op(p, ',')) last = last->next = parse_expression(p);
                first->b = key;
            }
            parse_want_op(p, ']');
            n = first;
        } else if (parse_take_op(p, '('))
            n = parse_node2(p, N_CALL, at, n, arguments(p));
        else
            break;
    }
    return n;
}

/* name[.name…] of a filter or test. */
static struct value dotted(struct parser *p) {
    struct value v = p->t->v;
    if (p->t->kind != T_NAME) parse_refuse(p, "expected the name of a filter or test");
    parse_skip(p);
    while (parse_take_op(p, '.')) {
        v = jinja_concat(p->j, jinja_concat(p->j, v, v_text(".")), p->t->v);
        parse_want_kind(p, T_NAME, "expected a name behind '.'");
        if (p->j->failed) break;
    }
    return v;
}

/* Filters behind n; where `bar` is false the first '|' is already taken. */
struct node *parse_filters(struct parser *p, struct node *n, bool bar) {
    while (!p->j->failed && (!bar || parse_take_op(p, '|'))) {
        n = parse_node2(p, N_FILTER, p->t->at, n, NULL);
        bar = true;
        if (!n) return NULL;
        n->v = dotted(p);
        if (p->j->failed) return NULL;
        n->call = jinja_filter(n->v);
        if (parse_take_op(p, '(')) n->b = arguments(p);
    }
    return n;
}

static struct node *test(struct parser *p, struct node *of) {
    struct node *n = parse_node2(p, N_TEST, p->t->at, of, NULL), *arg_node;
    bool negated;
    parse_skip(p);
    negated = parse_take_word(p, "not");
    if (!n) return NULL;
    n->v = dotted(p);
    if (p->j->failed) return NULL;
    n->call = jinja_test(n->v);
    if (parse_take_op(p, '('))
        n->b = arguments(p);
    else if (p->t->kind == T_STRING || p->t->kind == T_INT || p->t->kind == T_FLOAT ||
             parse_is_op(p, '[') || parse_is_op(p, '{') ||
             (p->t->kind == T_NAME && !parse_is_word(p, "else") && !parse_is_word(p, "or") &&
              !parse_is_word(p, "and") && !parse_is_word(p, "if") && !parse_is_word(p, "is"))) {
        arg_node = parse_node(p, N_ARG, p->t->at);
        if (!arg_node) return NULL;
        arg_node->a = parse_postfix(p, parse_primary(p), false);
        n->b = arg_node;
    }
    return negated ? parse_node2(p, N_NOT, n->at, n, NULL) : n;
}

static struct node *unary(struct parser *p, bool with_filters) {
    struct node *n;
    uint32_t at = p->t->at;
    if (!parse_deeper(p)) return NULL;
    if (parse_take_op(p, '-'))
        n = parse_node2(p, N_NEGATE, at, unary(p, false), NULL);
    else if (parse_take_op(p, '+'))
        n = parse_node2(p, N_PLUS, at, unary(p, false), NULL);
    else
        n = parse_primary(p);
    n = parse_postfix(p, n, false);
    while (with_filters && n && !p->j->failed) {
        if (parse_is_op(p, '|'))
            n = parse_filters(p, n, true);
        else if (parse_is_word(p, "is"))
            n = test(p, n);
        else if (parse_is_op(p, '('))
            n = parse_postfix(p, n, true);
        else
            break;
    }
    p->depth--;
    return n;
}

/* The level of the operator at hand, 0 where there is none; "not in" counts as a comparison. */
static int operator_level(const struct parser *p) {
    const struct token *t = p->t;
    if (t->kind == T_NAME) {
        if (v_is(t->v, "or")) return L_OR;
        if (v_is(t->v, "and")) return L_AND;
        if (v_is(t->v, "in")) return L_COMPARE;
        return v_is(t->v, "not") && t->next && t->next->kind == T_NAME && v_is(t->next->v, "in")
                   ? L_COMPARE
                   : 0;
    }
    if (t->kind != T_OPERATOR) return 0;
    switch (t->op) {
    case OP2('=', '='):
    case OP2('!', '='):
    case OP2('<', '='):
    case OP2('>', '='):
    case '<':
    case '>':
        return L_COMPARE;
    case '+':
    case '-':
        return L_SUM;
    case '~':
        return L_CONCAT;
    case '*':
    case '/':
    case '%':
    case OP2('/', '/'):
        return L_PRODUCT;
    case OP2('*', '*'):
        return L_POWER;
    default:
        return 0;
    }
}

static int take_operator(struct parser *p) {
    int op = p->t->op;
    if (p->t->kind == T_NAME) {
        op = v_is(p->t->v, "not") ? 'n' : 'i';
        if (op == 'n') parse_skip(p);
    }
    parse_skip(p);
    return op;
}

static struct node *compare(struct parser *p, struct node *left) {
    struct node *n = parse_node2(p, N_COMPARE, p->t->at, left, NULL), **tail;
    if (!n) return NULL;
    tail = &n->b;
    while (operator_level(p) == L_COMPARE && !p->j->failed) {
        struct node *operand = parse_node(p, N_OPERAND, p->t->at);
        if (!operand) return NULL;
        operand->op = (uint16_t)take_operator(p);
        operand->a = level(p, L_SUM);
        *tail = operand;
        tail = &operand->next;
    }
    return n;
}

static struct node *level(struct parser *p, int min) {
    struct node *n;
    int l;
    uint32_t at = p->t->at;
    if (!parse_deeper(p)) return NULL;
    if (min <= L_NOT && parse_take_word(p, "not"))
        n = parse_node2(p, N_NOT, at, level(p, L_NOT), NULL);
    else
        n = unary(p, true);
    while (n && !p->j->failed && (l = operator_level(p)) >= min && l) {
        at = p->t->at;
        if (l == L_COMPARE) {
            n = compare(p, n);
            continue;
        }
        int op = take_operator(p);
        n = parse_node2(p,
                        l == L_OR       ? N_OR
                        : l == L_AND    ? N_AND
                        : l == L_CONCAT ? N_CONCAT
                                        : N_BINARY,
                        at, n, level(p, l + 1));
        if (n) n->op = (uint16_t)op;
    }
    p->depth--;
    return n;
}

struct node *parse_expression(struct parser *p) {
    struct node *n = level(p, L_OR);
    while (n && !p->j->failed && parse_is_word(p, "if")) {
        struct node *c = parse_node(p, N_CONDITION, p->t->at);
        parse_skip(p);
        if (!c) return NULL;
        c->b = n;
        c->a = level(p, L_OR);
        if (parse_take_word(p, "else")) {
            if (!parse_deeper(p)) return NULL;
            c->c = parse_expression(p);
            p->depth--;
        }
        n = c;
    }
    return n;
}
