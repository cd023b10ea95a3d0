/* Statements of templates: tags and the text between them. */
#include "text/jinja_parse.h"

static struct node *body(struct parser *p, const char *const *ends);

/* A name, namespace.attribute, or names with commas. */
static struct node *target(struct parser *p) {
    struct node *first = NULL, **tail = &first, *n;
    uint32_t at = p->t->at;
    bool comma = false;
    if (!parse_deeper(p)) return NULL;
    while (!p->j->failed) {
        if (parse_take_op(p, '(')) {
            n = target(p);
            parse_want_op(p, ')');
        } else {
            n = parse_node(p, N_NAME, p->t->at);
            if (!n) return NULL;
            n->name = parse_take_name(p, "expected a name to assign to");
            if (parse_take_op(p, '.')) {
                n = parse_node2(p, N_ATTR, n->at, n, NULL);
                if (n) n->v = p->t->v, parse_take_name(p, "expected a name behind '.'");
            }
        }
        if (!n) return NULL;
        *tail = n;
        tail = &n->next;
        if (!parse_take_op(p, ',')) break;
        comma = true;
        if (parse_at_end(p)) break;
    }
    p->depth--;
    return comma ? parse_node2(p, N_TUPLE, at, first, NULL) : first;
}

static void end_tag(struct parser *p) {
    parse_want_kind(p, T_BLOCK_END, "expected the end of the tag");
}

static const char *const ends_if[] = {"elif", "else", "endif", NULL}, *const ends_endif[] = {
                                                                          "endif", NULL};
static const char *const ends_for[] = {"else", "endfor", NULL}, *const ends_endfor[] = {"endfor",
                                                                                        NULL};

/* The body from the end of this tag up to and with its end tag (which may repeat the name). */
static struct node *body_to(struct parser *p, const char *end) {
    const char *ends[] = {end, NULL};
    struct node *n;
    end_tag(p);
    n = body(p, ends);
    parse_skip(p);
    if (p->t->kind == T_NAME && v_is(v_text(end), "endblock")) parse_skip(p);
    end_tag(p);
    return n;
}

static struct node *statement_if(struct parser *p, struct node *n) {
    struct node *branch = n;
    for (;;) {
        branch->a = parse_tuple(p, false, false);
        end_tag(p);
        branch->b = body(p, ends_if);
        if (p->j->failed) return NULL;
        if (parse_take_word(p, "elif")) {
            branch->op = 1;
            branch->c = parse_node(p, N_IF, p->t->at);
            branch = branch->c;
            if (!branch) return NULL;
            continue;
        }
        if (parse_take_word(p, "else")) {
            end_tag(p);
            branch->c = body(p, ends_endif);
        }
        parse_skip(p); /* endif */
        end_tag(p);
        return n;
    }
}

static struct node *statement_for(struct parser *p, struct node *n) {
    n->a = target(p);
    if (!parse_take_word(p, "in")) parse_refuse(p, "expected 'in'");
    n->b = parse_tuple(p, false, false);
    if (parse_take_word(p, "if")) n->e = parse_expression(p);
    n->op = parse_take_word(p, "recursive");
    end_tag(p);
    p->loops++;
    n->c = body(p, ends_for);
    p->loops--;
    if (p->j->failed) return NULL;
    if (parse_take_word(p, "else")) {
        end_tag(p);
        n->d = body(p, ends_endfor);
    }
    parse_skip(p); /* endfor */
    end_tag(p);
    return n;
}

static struct node *statement_set(struct parser *p, struct node *n) {
    n->a = target(p);
    if (parse_take_op(p, '=')) {
        n->b = parse_tuple(p, true, false);
        end_tag(p);
        return n;
    }
    n->kind = N_SET_BLOCK;
    n->b = parse_filters(p, NULL, true);
    n->c = body_to(p, "endset");
    return n;
}

/* Parameters in parentheses, each an N_ARG with its default in a. */
static struct node *parameters(struct parser *p) {
    struct node *first = NULL, **tail = &first;
    parse_want_op(p, '(');
    while (!p->j->failed && !parse_is_op(p, ')')) {
        struct node *n = parse_node(p, N_ARG, p->t->at);
        if (!n) return NULL;
        n->name = parse_take_name(p, "expected the name of a parameter");
        if (parse_take_op(p, '=')) n->a = parse_expression(p);
        *tail = n;
        tail = &n->next;
        if (!parse_take_op(p, ',')) break;
    }
    parse_want_op(p, ')');
    return first;
}

static struct node *statement_call(struct parser *p, struct node *n) {
    uint32_t loops = p->loops;
    if (parse_is_op(p, '(')) n->a = parameters(p);
    n->b = parse_postfix(p, parse_primary(p), false);
    if (!p->j->failed && n->b->kind != N_CALL) parse_refuse(p, "expected a call");
    p->loops = 0;
    n->c = body_to(p, "endcall");
    p->loops = loops;
    return n;
}

static struct node *statement_with(struct parser *p, struct node *n) {
    struct node **targets = &n->a, **values = &n->b;
    while (!p->j->failed && p->t->kind != T_BLOCK_END) {
        if (n->a) parse_want_op(p, ',');
        *targets = parse_node(p, N_NAME, p->t->at);
        if (!*targets) return NULL;
        (*targets)->name = parse_take_name(p, "expected a name");
        parse_want_op(p, '=');
        *values = parse_expression(p);
        if (!*values) return NULL;
        targets = &(*targets)->next;
        values = &(*values)->next;
    }
    n->c = body_to(p, "endwith");
    return n;
}

static struct node *statement(struct parser *p) {
    struct node *n = parse_node(p, N_SCOPE, p->t->at);
    uint32_t loops = p->loops;
    if (!n) return NULL;
    if (parse_take_word(p, "if"))
        n->kind = N_IF, n = statement_if(p, n);
    else if (parse_take_word(p, "for"))
        n->kind = N_FOR, n = statement_for(p, n);
    else if (parse_take_word(p, "set"))
        n->kind = N_SET, n = statement_set(p, n);
    else if (parse_take_word(p, "macro")) {
        n->kind = N_MACRO;
        n->name = parse_take_name(p, "expected the name of the macro");
        n->a = parameters(p);
        p->loops = 0;
        n->c = body_to(p, "endmacro");
        p->loops = loops;
    } else if (parse_take_word(p, "call"))
        n->kind = N_CALL_BLOCK, n = statement_call(p, n);
    else if (parse_take_word(p, "filter")) {
        n->kind = N_FILTER_BLOCK;
        n->b = parse_filters(p, NULL, false);
        n->c = body_to(p, "endfilter");
    } else if (parse_take_word(p, "with"))
        n->kind = N_WITH, n = statement_with(p, n);
    else if (parse_take_word(p, "generation"))
        n->c = body_to(p, "endgeneration");
    else if (parse_take_word(p, "block")) {
        parse_take_name(p, "expected the name of the block");
        n->c = body_to(p, "endblock");
    } else if (p->loops && (parse_is_word(p, "break") || parse_is_word(p, "continue"))) {
        n->kind = parse_is_word(p, "break") ? N_BREAK : N_CONTINUE;
        parse_skip(p);
        end_tag(p);
    } else
        parse_refuse(p, "unknown or misplaced tag");
    return n;
}

/* Statements up to a tag whose word is in ends (NULL: the end of the template); that word is the
 * current token then, and not taken. */
static struct node *body(struct parser *p, const char *const *ends) {
    struct node *first = NULL, **tail = &first, *n;
    if (!parse_deeper(p)) return NULL;
    while (!p->j->failed) {
        uint32_t at = p->t->at;
        if (p->t->kind == T_END) {
            if (ends) {
                char what[48];
                fmt(what, sizeof what, "expected '%s'", ends[0]);
                parse_refuse(p, what);
            }
            break;
        }
        if (p->t->kind == T_DATA) {
            n = parse_node(p, N_TEXT, at);
            if (n) n->v = p->t->v;
            parse_skip(p);
        } else if (p->t->kind == T_PRINT_BEGIN) {
            parse_skip(p);
            n = parse_node(p, N_PRINT, at);
            if (n) n->a = parse_tuple(p, true, false);
            parse_want_kind(p, T_PRINT_END, "expected '}}'");
        } else {
            parse_skip(p);
            for (int i = 0; ends && ends[i]; i++) {
                if (!parse_is_word(p, ends[i])) continue;
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
