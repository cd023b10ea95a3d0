/* The parser's state and the parts of it that expressions and statements share. */
#ifndef SOTTO_TEXT_JINJA_PARSE_H
#define SOTTO_TEXT_JINJA_PARSE_H

#include "text/jinja_impl.h"

struct parser {
    struct jinja *j;
    struct token *t; /* the one at hand */
    uint32_t depth, loops;
};

/* jinja_parse.c: is_ looks, take_ steps over it where it is there, want_ fails where it is not.
 * What gives a node gives NULL after a failure. */
void parse_refuse(struct parser *p, const char *what);
void parse_skip(struct parser *p);
bool parse_is_op(const struct parser *p, int op);
bool parse_is_word(const struct parser *p, const char *word);
bool parse_take_op(struct parser *p, int op);
bool parse_take_word(struct parser *p, const char *word);
void parse_want_op(struct parser *p, int op);
void parse_want_kind(struct parser *p, int kind, const char *what);
struct node *parse_node(struct parser *p, int kind, uint32_t at);
struct node *parse_node2(struct parser *p, int kind, uint32_t at, struct node *a, struct node *b);
const struct name *parse_take_name(struct parser *p, const char *what);
bool parse_deeper(struct parser *p);
bool parse_at_end(const struct parser *p);
struct node *parse_tuple(struct parser *p, bool conditions, bool parentheses);
struct node *parse_expression(struct parser *p);
struct node *parse_filters(struct parser *p, struct node *n, bool bar);
struct node *parse_primary(struct parser *p);
struct node *parse_postfix(struct parser *p, struct node *n, bool calls_only);

#endif
