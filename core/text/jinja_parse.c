/* Tokens to a tree. The grammar is Jinja2's with the loop-control tags and `generation`.
 *
 * Nesting is bounded by PARSE_DEPTH, so the parser's own stack is too. A failure leaves NULL links in the
 * tree, which is never looked at then. */
#include "text/jinja_impl.h"

struct parser {
    struct jinja *j;
    struct token *t;
    uint32_t depth, loops;
};

enum level { L_OR = 1, L_AND, L_NOT, L_COMPARE, L_SUM, L_CONCAT, L_PRODUCT, L_POWER };

static struct node *expression(struct parser *p);
static struct node *unary(struct parser *p, bool filters);
static struct node *body(struct parser *p, const char *const *ends);

/* ---- tokens ------------------------------------------------------------------------------------------ */
static void refuse(struct parser *p, const char *what) {
    const struct token *t = p->t;
    p->j->at = t->at;
    if (t->kind == T_NAME) jinja_fail(p->j, "%s, not '%.*s'", what, (int)t->v.n, t->v.s);
    else if (t->kind == T_OPERATOR) jinja_fail(p->j, "%s, not '%c%c'", what, t->op & 255, t->op >> 8 ? t->op >> 8 : ' ');
    else if (t->kind == T_END) jinja_fail(p->j, "%s, but the template ends", what);
    else jinja_fail(p->j, "%s", what);
}

static void next(struct parser *p) {
    if (p->t->next) p->t = p->t->next;
}
static bool is_op(const struct parser *p, int op) { return p->t->kind == T_OPERATOR && p->t->op == op; }
static bool is_word(const struct parser *p, const char *word) { return p->t->kind == T_NAME && v_is(p->t->v, word); }
static bool take_op(struct parser *p, int op) {
    bool hit = is_op(p, op);
    if (hit) next(p);
    return hit;
}
static bool take_word(struct parser *p, const char *word) {
    bool hit = is_word(p, word);
    if (hit) next(p);
    return hit;
}
static void want_op(struct parser *p, int op) {
    char what[] = "expected 'x'";
    what[10] = (char)op;
    if (!take_op(p, op)) refuse(p, what);
}
static void want_kind(struct parser *p, int kind, const char *what) {
    if (p->t->kind != kind) refuse(p, what);
    else next(p);
}

static struct node *make(struct parser *p, int kind, uint32_t at) {
    struct node *n = jinja_take(p->j, sizeof *n);
    if (!n) return NULL;
    n->kind = (uint8_t)kind;
    n->at = at;
    return n;
}

static struct node *make2(struct parser *p, int kind, uint32_t at, struct node *a, struct node *b) {
    struct node *n = make(p, kind, at);
    if (n) n->a = a, n->b = b;
    return n;
}

static struct node *make_const(struct parser *p, struct value v) {
    struct node *n = make(p, N_CONST, p->t->at);
    if (n) n->v = v;
    return n;
}

static const struct name *take_name(struct parser *p, const char *what) {
    const struct name *name = NULL;
    if (p->t->kind == T_NAME) name = jinja_name(p->j, p->t->v.s, p->t->v.n);
    else refuse(p, what);
    next(p);
    return name;
}

static bool deeper(struct parser *p) {
    if (++p->depth <= PARSE_DEPTH) return !p->j->failed;
    p->j->at = p->t->at;
    jinja_fail_code(p->j, SOTTO_LIMIT, "nests too deeply");
    return false;
}

/* ---- expressions ------------------------------------------------------------------------------------- */
/* What ends a tuple without parentheses. */
static bool at_end(const struct parser *p) {
    return p->t->kind == T_END || p->t->kind == T_BLOCK_END || p->t->kind == T_PRINT_END || is_op(p, ')') || is_op(p, '=') ||
           is_word(p, "in") || is_word(p, "recursive");
}

static struct node *level(struct parser *p, int min);

static struct node *tuple(struct parser *p, bool conditions, bool parentheses) {
    uint32_t at = p->t->at;
    struct node *first = NULL, **tail = &first, *n;
    bool comma = false;
    while (!p->j->failed && !at_end(p)) {
        n = conditions ? expression(p) : level(p, L_OR);
        if (!n) return NULL;
        *tail = n;
        tail = &n->next;
        if (!take_op(p, ',')) break;
        comma = true;
    }
    if (!comma && first) return first;
    if (!first && !parentheses) {
        refuse(p, "expected an expression");
        return NULL;
    }
    return make2(p, N_TUPLE, at, first, NULL);
}

/* Arguments in parentheses; the opening one is taken. */
static struct node *arguments(struct parser *p) {
    struct node *first = NULL, **tail = &first;
    while (!p->j->failed && !is_op(p, ')')) {
        struct node *n = make(p, N_ARG, p->t->at);
        if (!n) return NULL;
        if (take_op(p, '*')) n->op = '*';
        else if (take_op(p, OP2('*', '*'))) n->op = 'k';
        else if (p->t->kind == T_NAME && p->t->next && p->t->next->kind == T_OPERATOR && p->t->next->op == '=') {
            n->name = take_name(p, "");
            next(p);
        }
        n->a = expression(p);
        *tail = n;
        tail = &n->next;
        if (!take_op(p, ',')) break;
    }
    want_op(p, ')');
    return first;
}

static struct node *list_or_dict(struct parser *p, bool dict) {
    struct node *n = make(p, dict ? N_DICT : N_LIST, p->t->at), **tail;
    char close = dict ? '}' : ']';
    if (!n) return NULL;
    next(p);
    tail = &n->a;
    while (!p->j->failed && !is_op(p, close)) {
        struct node *item = expression(p);
        if (!item) return NULL;
        *tail = item;
        tail = &item->next;
        if (dict) {
            want_op(p, ':');
            item = expression(p);
            if (!item) return NULL;
            *tail = item;
            tail = &item->next;
        }
        if (!take_op(p, ',')) break;
    }
    want_op(p, close);
    return n;
}

static struct node *primary(struct parser *p) {
    struct token *t = p->t;
    struct node *n;
    switch (t->kind) {
    case T_NAME:
        if (v_is(t->v, "true") || v_is(t->v, "True")) n = make_const(p, v_bool(true));
        else if (v_is(t->v, "false") || v_is(t->v, "False")) n = make_const(p, v_bool(false));
        else if (v_is(t->v, "none") || v_is(t->v, "None")) n = make_const(p, v_none());
        else {
            n = make(p, N_NAME, t->at);
            if (n) n->name = jinja_name(p->j, t->v.s, t->v.n);
            if (n && (n->name == p->j->varargs || n->name == p->j->kwargs)) p->j->uses_extra = true;
        }
        next(p);
        return n;
    case T_STRING: {
        struct value v = t->v;
        n = make_const(p, v);
        for (next(p); n && p->t->kind == T_STRING; next(p)) n->v = jinja_concat(p->j, n->v, p->t->v);
        return n;
    }
    case T_INT:
    case T_FLOAT:
        n = make_const(p, t->v);
        next(p);
        return n;
    default: break;
    }
    if (take_op(p, '(')) {
        n = tuple(p, true, true);
        want_op(p, ')');
        return n;
    }
    if (is_op(p, '[') || is_op(p, '{')) return list_or_dict(p, is_op(p, '{'));
    refuse(p, "expected an expression");
    return NULL;
}

/* One subscript: an expression or a slice. */
static struct node *subscript(struct parser *p, struct node *of, uint32_t at) {
    struct node *part[3] = {NULL, NULL, NULL}, *n;
    int k = 0;
    bool slice = false;
    while (!p->j->failed && !is_op(p, ']') && !is_op(p, ',')) {
        if (take_op(p, ':')) {
            slice = true;
            if (++k == 3) {
                refuse(p, "expected ']'");
                break;
            }
        } else if (part[k]) {
            refuse(p, "expected ']'");
            break;
        } else part[k] = expression(p);
    }
    if (!slice && !part[0]) refuse(p, "expected a subscript");
    n = make2(p, slice ? N_SLICE : N_ITEM, at, of, part[0]);
    if (n) n->c = part[1], n->d = part[2];
    return n;
}

static struct node *postfix(struct parser *p, struct node *n, bool calls_only) {
    while (n && !p->j->failed) {
        uint32_t at = p->t->at;
        if (!calls_only && take_op(p, '.')) {
            if (p->t->kind == T_INT) {
                n = make2(p, N_ITEM, at, n, make_const(p, p->t->v));
                next(p);
                continue;
            }
            n = make2(p, N_ATTR, at, n, NULL);
            if (n) n->v = p->t->v, take_name(p, "expected a name behind '.'");
        } else if (!calls_only && take_op(p, '[')) {
            struct node *first = subscript(p, n, at);
            if (is_op(p, ',') && first && first->kind == N_ITEM) { /* a[1, 2] asks for a tuple */
                struct node *key = make2(p, N_TUPLE, at, first->b, NULL), *last = first->b;
                while (last && take_op(p, ',')) last = last->next = expression(p);
                first->b = key;
            }
            want_op(p, ']');
            n = first;
        } else if (take_op(p, '(')) n = make2(p, N_CALL, at, n, arguments(p));
        else break;
    }
    return n;
}

/* name[.name…] of a filter or test. */
static struct value dotted(struct parser *p) {
    struct value v = p->t->v;
    if (p->t->kind != T_NAME) refuse(p, "expected the name of a filter or test");
    next(p);
    while (take_op(p, '.')) {
        v = jinja_concat(p->j, jinja_concat(p->j, v, v_text(".")), p->t->v);
        want_kind(p, T_NAME, "expected a name behind '.'");
        if (p->j->failed) break;
    }
    return v;
}

/* Filters behind n; where `bar` is false the first '|' is already taken. */
static struct node *filters(struct parser *p, struct node *n, bool bar) {
    while (!p->j->failed && (!bar || take_op(p, '|'))) {
        n = make2(p, N_FILTER, p->t->at, n, NULL);
        bar = true;
        if (!n) return NULL;
        n->v = dotted(p);
        if (p->j->failed) return NULL;
        n->call = jinja_filter(n->v);
        if (take_op(p, '(')) n->b = arguments(p);
    }
    return n;
}

static struct node *test(struct parser *p, struct node *of) {
    struct node *n = make2(p, N_TEST, p->t->at, of, NULL), *arg_node;
    bool negated;
    next(p);
    negated = take_word(p, "not");
    if (!n) return NULL;
    n->v = dotted(p);
    if (p->j->failed) return NULL;
    n->call = jinja_test(n->v);
    if (take_op(p, '(')) n->b = arguments(p);
    else if (p->t->kind == T_STRING || p->t->kind == T_INT || p->t->kind == T_FLOAT || is_op(p, '[') || is_op(p, '{') ||
             (p->t->kind == T_NAME && !is_word(p, "else") && !is_word(p, "or") && !is_word(p, "and") && !is_word(p, "if") && !is_word(p, "is"))) {
        arg_node = make(p, N_ARG, p->t->at);
        if (!arg_node) return NULL;
        arg_node->a = postfix(p, primary(p), false);
        n->b = arg_node;
    }
    return negated ? make2(p, N_NOT, n->at, n, NULL) : n;
}

static struct node *unary(struct parser *p, bool with_filters) {
    struct node *n;
    uint32_t at = p->t->at;
    if (!deeper(p)) return NULL;
    if (take_op(p, '-')) n = make2(p, N_NEGATE, at, unary(p, false), NULL);
    else if (take_op(p, '+')) n = make2(p, N_PLUS, at, unary(p, false), NULL);
    else n = primary(p);
    n = postfix(p, n, false);
    while (with_filters && n && !p->j->failed) {
        if (is_op(p, '|')) n = filters(p, n, true);
        else if (is_word(p, "is")) n = test(p, n);
        else if (is_op(p, '(')) n = postfix(p, n, true);
        else break;
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
        return v_is(t->v, "not") && t->next && t->next->kind == T_NAME && v_is(t->next->v, "in") ? L_COMPARE : 0;
    }
    if (t->kind != T_OPERATOR) return 0;
    switch (t->op) {
    case OP2('=', '='):
    case OP2('!', '='):
    case OP2('<', '='):
    case OP2('>', '='):
    case '<':
    case '>': return L_COMPARE;
    case '+':
    case '-': return L_SUM;
    case '~': return L_CONCAT;
    case '*':
    case '/':
    case '%':
    case OP2('/', '/'): return L_PRODUCT;
    case OP2('*', '*'): return L_POWER;
    default: return 0;
    }
}

static int take_operator(struct parser *p) {
    int op = p->t->op;
    if (p->t->kind == T_NAME) {
        op = v_is(p->t->v, "not") ? 'n' : 'i';
        if (op == 'n') next(p);
    }
    next(p);
    return op;
}

static struct node *compare(struct parser *p, struct node *left) {
    struct node *n = make2(p, N_COMPARE, p->t->at, left, NULL), **tail;
    if (!n) return NULL;
    tail = &n->b;
    while (operator_level(p) == L_COMPARE && !p->j->failed) {
        struct node *operand = make(p, N_OPERAND, p->t->at);
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
    if (!deeper(p)) return NULL;
    if (min <= L_NOT && take_word(p, "not")) n = make2(p, N_NOT, at, level(p, L_NOT), NULL);
    else n = unary(p, true);
    while (n && !p->j->failed && (l = operator_level(p)) >= min && l) {
        at = p->t->at;
        if (l == L_COMPARE) {
            n = compare(p, n);
            continue;
        }
        int op = take_operator(p);
        n = make2(p, l == L_OR ? N_OR : l == L_AND ? N_AND : l == L_CONCAT ? N_CONCAT : N_BINARY, at, n, level(p, l + 1));
        if (n) n->op = (uint16_t)op;
    }
    p->depth--;
    return n;
}

static struct node *expression(struct parser *p) {
    struct node *n = level(p, L_OR);
    while (n && !p->j->failed && is_word(p, "if")) {
        struct node *c = make(p, N_CONDITION, p->t->at);
        next(p);
        if (!c) return NULL;
        c->b = n;
        c->a = level(p, L_OR);
        if (take_word(p, "else")) {
            if (!deeper(p)) return NULL;
            c->c = expression(p);
            p->depth--;
        }
        n = c;
    }
    return n;
}

/* ---- statements -------------------------------------------------------------------------------------- */
/* A name, namespace.attribute, or names with commas. */
static struct node *target(struct parser *p) {
    struct node *first = NULL, **tail = &first, *n;
    uint32_t at = p->t->at;
    bool comma = false;
    if (!deeper(p)) return NULL;
    while (!p->j->failed) {
        if (take_op(p, '(')) {
            n = target(p);
            want_op(p, ')');
        } else {
            n = make(p, N_NAME, p->t->at);
            if (!n) return NULL;
            n->name = take_name(p, "expected a name to assign to");
            if (take_op(p, '.')) {
                n = make2(p, N_ATTR, n->at, n, NULL);
                if (n) n->v = p->t->v, take_name(p, "expected a name behind '.'");
            }
        }
        if (!n) return NULL;
        *tail = n;
        tail = &n->next;
        if (!take_op(p, ',')) break;
        comma = true;
        if (at_end(p)) break;
    }
    p->depth--;
    return comma ? make2(p, N_TUPLE, at, first, NULL) : first;
}

static void end_tag(struct parser *p) { want_kind(p, T_BLOCK_END, "expected the end of the tag"); }

static const char *const ends_if[] = {"elif", "else", "endif", NULL}, *const ends_endif[] = {"endif", NULL};
static const char *const ends_for[] = {"else", "endfor", NULL}, *const ends_endfor[] = {"endfor", NULL};

/* The body from the end of this tag up to and with its end tag (which may repeat the name). */
static struct node *body_to(struct parser *p, const char *end) {
    const char *ends[] = {end, NULL};
    struct node *n;
    end_tag(p);
    n = body(p, ends);
    next(p);
    if (p->t->kind == T_NAME && v_is(v_text(end), "endblock")) next(p);
    end_tag(p);
    return n;
}

static struct node *statement_if(struct parser *p, struct node *n) {
    struct node *branch = n;
    for (;;) {
        branch->a = tuple(p, false, false);
        end_tag(p);
        branch->b = body(p, ends_if);
        if (p->j->failed) return NULL;
        if (take_word(p, "elif")) {
            branch->op = 1;
            branch->c = make(p, N_IF, p->t->at);
            branch = branch->c;
            if (!branch) return NULL;
            continue;
        }
        if (take_word(p, "else")) {
            end_tag(p);
            branch->c = body(p, ends_endif);
        }
        next(p); /* endif */
        end_tag(p);
        return n;
    }
}

static struct node *statement_for(struct parser *p, struct node *n) {
    n->a = target(p);
    if (!take_word(p, "in")) refuse(p, "expected 'in'");
    n->b = tuple(p, false, false);
    if (take_word(p, "if")) n->e = expression(p);
    n->op = take_word(p, "recursive");
    end_tag(p);
    p->loops++;
    n->c = body(p, ends_for);
    p->loops--;
    if (p->j->failed) return NULL;
    if (take_word(p, "else")) {
        end_tag(p);
        n->d = body(p, ends_endfor);
    }
    next(p); /* endfor */
    end_tag(p);
    return n;
}

static struct node *statement_set(struct parser *p, struct node *n) {
    n->a = target(p);
    if (take_op(p, '=')) {
        n->b = tuple(p, true, false);
        end_tag(p);
        return n;
    }
    n->kind = N_SET_BLOCK;
    n->b = filters(p, NULL, true);
    n->c = body_to(p, "endset");
    return n;
}

/* Parameters in parentheses, each an N_ARG with its default in a. */
static struct node *parameters(struct parser *p) {
    struct node *first = NULL, **tail = &first;
    want_op(p, '(');
    while (!p->j->failed && !is_op(p, ')')) {
        struct node *n = make(p, N_ARG, p->t->at);
        if (!n) return NULL;
        n->name = take_name(p, "expected the name of a parameter");
        if (take_op(p, '=')) n->a = expression(p);
        *tail = n;
        tail = &n->next;
        if (!take_op(p, ',')) break;
    }
    want_op(p, ')');
    return first;
}

static struct node *statement_call(struct parser *p, struct node *n) {
    uint32_t loops = p->loops;
    if (is_op(p, '(')) n->a = parameters(p);
    n->b = postfix(p, primary(p), false);
    if (!p->j->failed && n->b->kind != N_CALL) refuse(p, "expected a call");
    p->loops = 0;
    n->c = body_to(p, "endcall");
    p->loops = loops;
    return n;
}

static struct node *statement_with(struct parser *p, struct node *n) {
    struct node **targets = &n->a, **values = &n->b;
    while (!p->j->failed && p->t->kind != T_BLOCK_END) {
        if (n->a) want_op(p, ',');
        *targets = make(p, N_NAME, p->t->at);
        if (!*targets) return NULL;
        (*targets)->name = take_name(p, "expected a name");
        want_op(p, '=');
        *values = expression(p);
        if (!*values) return NULL;
        targets = &(*targets)->next;
        values = &(*values)->next;
    }
    n->c = body_to(p, "endwith");
    return n;
}

static struct node *statement(struct parser *p) {
    struct node *n = make(p, N_SCOPE, p->t->at);
    uint32_t loops = p->loops;
    if (!n) return NULL;
    if (take_word(p, "if")) n->kind = N_IF, n = statement_if(p, n);
    else if (take_word(p, "for")) n->kind = N_FOR, n = statement_for(p, n);
    else if (take_word(p, "set")) n->kind = N_SET, n = statement_set(p, n);
    else if (take_word(p, "macro")) {
        n->kind = N_MACRO;
        n->name = take_name(p, "expected the name of the macro");
        n->a = parameters(p);
        p->loops = 0;
        n->c = body_to(p, "endmacro");
        p->loops = loops;
    } else if (take_word(p, "call")) n->kind = N_CALL_BLOCK, n = statement_call(p, n);
    else if (take_word(p, "filter")) {
        n->kind = N_FILTER_BLOCK;
        n->b = filters(p, NULL, false);
        n->c = body_to(p, "endfilter");
    } else if (take_word(p, "with")) n->kind = N_WITH, n = statement_with(p, n);
    else if (take_word(p, "generation")) n->c = body_to(p, "endgeneration");
    else if (take_word(p, "block")) {
        take_name(p, "expected the name of the block");
        n->c = body_to(p, "endblock");
    } else if (p->loops && (is_word(p, "break") || is_word(p, "continue"))) {
        n->kind = is_word(p, "break") ? N_BREAK : N_CONTINUE;
        next(p);
        end_tag(p);
    } else refuse(p, "unknown or misplaced tag");
    return n;
}

/* Statements up to a tag whose word is in ends (NULL: the end of the template); that word is the current
 * token then, and not taken. */
static struct node *body(struct parser *p, const char *const *ends) {
    struct node *first = NULL, **tail = &first, *n;
    if (!deeper(p)) return NULL;
    while (!p->j->failed) {
        uint32_t at = p->t->at;
        if (p->t->kind == T_END) {
            if (ends) {
                char what[48];
                fmt(what, sizeof what, "expected '%s'", ends[0]);
                refuse(p, what);
            }
            break;
        }
        if (p->t->kind == T_DATA) {
            n = make(p, N_TEXT, at);
            if (n) n->v = p->t->v;
            next(p);
        } else if (p->t->kind == T_PRINT_BEGIN) {
            next(p);
            n = make(p, N_PRINT, at);
            if (n) n->a = tuple(p, true, false);
            want_kind(p, T_PRINT_END, "expected '}}'");
        } else {
            next(p);
            for (int i = 0; ends && ends[i]; i++) {
                if (!is_word(p, ends[i])) continue;
                p->depth--;
                return first;
            }
            n = statement(p);
        }
        if (!n) break;
        *tail = n;
        tail = &n->next;
    }
    p->depth--;
    return first;
}

struct node *jinja_parse(struct jinja *j, struct token *tokens) {
    struct parser p = {.j = j, .t = tokens};
    return tokens ? body(&p, NULL) : NULL;
}
