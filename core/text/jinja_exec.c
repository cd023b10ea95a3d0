/* Statements: output, loops, assignments, macros and blocks. */
#include "text/jinja_impl.h"

/* ---- output ---------------------------------------------------------------------------------- */
static void emit(struct jinja *j, const char *s, size_t n) {
    struct sbuf *to = j->n_captures ? &j->capture : j->out;
    if (j->failed || !jinja_steps(j, n / 64)) return;
    if (n > j->max_output - j->emitted) {
        jinja_fail_code(j, SOTTO_LIMIT, "writes more text than it may");
        return;
    }
    j->emitted += n;
    sbuf_add(to, s, n);
    if (to->failed) jinja_fail_code(j, SOTTO_MEMORY, "writes more text than there is memory for");
}

static void print(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value v = jinja_eval(j, n->a, scope);
    j->at = n->at;
    if (!j->failed) v = jinja_str(j, v);
    if (!j->failed) emit(j, v.s, v.n);
}

/* What body writes, as a string. */
static struct value capture(struct jinja *j, const struct node *body, struct scope *scope) {
    size_t from = j->capture.size;
    struct build b = build_new(j);
    j->n_captures++;
    jinja_exec(j, body, scope);
    j->n_captures--;
    if (j->failed) return v_undefined();
    if (j->capture.size > from) build_add(&b, j->capture.text + from, j->capture.size - from);
    j->capture.size = from;
    return build_end(&b);
}

/* ---- assignment ------------------------------------------------------------------------------ */
static void assign(struct jinja *j, const struct node *target, struct value v,
                   struct scope *scope) {
    struct list items;
    uint32_t i = 0;
    if (j->failed || !jinja_deeper(j)) return;
    if (target->kind == N_NAME)
        jinja_set(j, scope, target->name, v);
    else if (target->kind == N_ATTR) {
        struct value space = jinja_eval(j, target->a, scope);
        j->at = target->at;
        if (j->failed) return;
        if (space.kind != V_NAMESPACE)
            jinja_fail(j, "cannot assign attribute on non-namespace object");
        else
            dict_set(j, space.dict, target->v, v);
    } else {
        if (!jinja_items(j, v, &items)) return;
        for (target = target->a; target && i < items.n && !j->failed; target = target->next, i++)
            assign(j, target, items.at[i], scope);
        if (target || i < items.n)
            jinja_fail(j, "%s values to unpack", target ? "not enough" : "too many");
    }
    j->depth--;
}

/* ---- loops ----------------------------------------------------------------------------------- */
/* Leaves only the items for which the loop's condition holds. */
static void filter_items(struct jinja *j, const struct node *n, struct list *items,
                         struct scope *outer) {
    struct list kept = {0};
    for (uint32_t i = 0; i < items->n && !j->failed; i++) {
        struct scope *scope = jinja_scope(j, outer);
        if (!scope) return;
        assign(j, n->a, items->at[i], scope);
        if (jinja_true(jinja_eval(j, n->e, scope))) list_add(j, &kept, items->at[i]);
    }
    *items = kept;
}

static void run_loop(struct jinja *j, const struct node *n, struct value over, struct scope *outer,
                     uint32_t depth) {
    struct list items;
    struct value v = {.kind = V_LOOP};
    struct loop *l = jinja_take(j, sizeof *l);
    if (!l || !jinja_items(j, over, &items)) return;
    if (n->e) filter_items(j, n, &items, outer);
    if (j->failed) return;
    *l = (struct loop){.at = items.at, .n = items.n, .depth = depth, .def = n, .outer = outer};
    v.loop = l;
    for (; l->i < l->n && !j->failed; l->i++) {
        struct scope *scope = jinja_scope(j, outer);
        if (!scope || !jinja_steps(j, 1)) return;
        jinja_set(j, scope, j->loop, v);
        j->at = n->at;
        assign(j, n->a, l->at[l->i], scope);
        if (j->failed || jinja_exec(j, n->c, scope) == FLOW_BREAK) break;
    }
    if (l->n == 0 && n->d) {
        struct scope *scope = jinja_scope(j, outer);
        if (scope) jinja_exec(j, n->d, scope);
    }
}

/* One more macro or recursive loop in progress; the caller takes it back. */
static bool enter_call(struct jinja *j) {
    if (++j->calls > j->max_calls) jinja_fail_code(j, SOTTO_LIMIT, "calls itself too deeply");
    return !j->failed;
}

struct value jinja_call_loop(struct jinja *j, const struct loop *loop, struct value over) {
    size_t from = j->capture.size;
    struct build b = build_new(j);
    if (!loop->def->op) return jinja_fail(j, "the loop is not marked 'recursive'");
    if (!enter_call(j)) return v_undefined();
    j->n_captures++;
    run_loop(j, loop->def, over, loop->outer, loop->depth + 1);
    j->n_captures--;
    j->calls--;
    if (j->failed) return v_undefined();
    if (j->capture.size > from) build_add(&b, j->capture.text + from, j->capture.size - from);
    j->capture.size = from;
    return build_end(&b);
}

/* ---- macros ---------------------------------------------------------------------------------- */
static const struct value *keyword(const struct args *a, const struct name *name) {
    for (uint32_t i = a->n_positional; i < a->n; i++)
        if (a->names[i - a->n_positional] == name) return a->at + i;
    return NULL;
}

static bool has_parameter(const struct macro *m, const struct name *name) {
    const struct node *p = m->def->a;
    while (p && p->name != name) p = p->next;
    return p != NULL;
}

/* varargs and kwargs: what no parameter takes. */
static void set_extra(struct jinja *j, const struct macro *m, const struct args *a,
                      uint32_t n_parameters, struct scope *scope) {
    struct value rest = list_new(j, V_TUPLE), named = dict_new(j);
    for (uint32_t i = n_parameters; i < a->n_positional && !j->failed; i++)
        list_add(j, rest.list, a->at[i]);
    for (uint32_t i = a->n_positional; i < a->n && !j->failed; i++) {
        const struct name *name = a->names[i - a->n_positional];
        if (name != j->caller && !has_parameter(m, name))
            dict_set(j, named.dict, v_str(name->s, name->n), a->at[i]);
    }
    jinja_set(j, scope, j->varargs, rest);
    jinja_set(j, scope, j->kwargs, named);
}

struct value jinja_call_macro(struct jinja *j, const struct macro *m, const struct args *a) {
    struct scope *scope = jinja_scope(j, m->scope);
    const struct value *given;
    struct value v;
    uint32_t i = 0;
    if (!scope || !enter_call(j)) return v_undefined();
    for (const struct node *p = m->def->a; p && !j->failed; p = p->next, i++) {
        given = i < a->n_positional ? a->at + i : keyword(a, p->name);
        if (given)
            v = *given;
        else if (p->a)
            v = jinja_eval(j, p->a, scope);
        else
            v = (struct value){.kind = V_UNDEFINED, .n = p->name->n, .s = p->name->s};
        jinja_set(j, scope, p->name, v);
    }
    given = keyword(a, j->caller);
    if (given) jinja_set(j, scope, j->caller, *given);
    if (j->uses_extra && !j->failed) set_extra(j, m, a, i, scope);
    v = j->failed ? v_undefined() : capture(j, m->def->c, scope);
    j->calls--;
    return v;
}

static struct value make_macro(struct jinja *j, const struct node *n, const struct name *name,
                               struct scope *scope) {
    struct value v = {.kind = V_MACRO};
    v.macro = jinja_take(j, sizeof *v.macro);
    if (!v.macro) return v_undefined();
    *v.macro = (struct macro){n, scope, name};
    return v;
}

static void call_block(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value caller = make_macro(j, n, j->caller, scope), v = jinja_eval(j, n->b->a, scope);
    struct args a;
    if (j->failed || !jinja_arguments(j, n->b->b, scope, &caller, &a)) return;
    j->at = n->at;
    v = jinja_call(j, v, &a);
    if (!j->failed) v = jinja_str(j, v);
    if (!j->failed) emit(j, v.s, v.n);
}

/* ---- statements ------------------------------------------------------------------------------ */
static void block(struct jinja *j, const struct node *n, struct scope *scope) {
    struct scope *inner = jinja_scope(j, scope);
    struct value v;
    if (!inner) return;
    v = capture(j, n->c, inner);
    if (!j->failed) v = jinja_pipe(j, n->b, v, scope);
    if (!j->failed && n->kind == N_SET_BLOCK)
        assign(j, n->a, v, scope);
    else if (!j->failed) {
        v = jinja_str(j, v);
        if (!j->failed) emit(j, v.s, v.n);
    }
}

static enum flow with(struct jinja *j, const struct node *n, struct scope *scope) {
    struct scope *inner = jinja_scope(j, scope);
    const struct node *value = n->b;
    if (!inner) return FLOW_ON;
    for (const struct node *t = n->a; t && !j->failed; t = t->next, value = value->next)
        assign(j, t, jinja_eval(j, value, scope), inner);
    return jinja_exec(j, n->c, inner);
}

static enum flow branches(struct jinja *j, const struct node *n, struct scope *scope) {
    for (; n && !j->failed; n = n->c) {
        if (jinja_true(jinja_eval(j, n->a, scope))) return jinja_exec(j, n->b, scope);
        if (!n->op) return jinja_exec(j, n->c, scope);
    }
    return FLOW_ON;
}

static enum flow statement(struct jinja *j, const struct node *n, struct scope *scope) {
    struct scope *inner;
    switch (n->kind) {
    case N_TEXT:
        emit(j, n->v.s, n->v.n);
        return FLOW_ON;
    case N_PRINT:
        print(j, n, scope);
        return FLOW_ON;
    case N_IF:
        return branches(j, n, scope);
    case N_FOR: {
        struct value over = jinja_eval(j, n->b, scope);
        j->at = n->at;
        if (!j->failed) run_loop(j, n, over, scope, 0);
        return FLOW_ON;
    }
    case N_SET: {
        struct value v = jinja_eval(j, n->b, scope);
        j->at = n->at;
        assign(j, n->a, v, scope);
        return FLOW_ON;
    }
    case N_SET_BLOCK:
    case N_FILTER_BLOCK:
        block(j, n, scope);
        return FLOW_ON;
    case N_MACRO:
        jinja_set(j, scope, n->name, make_macro(j, n, n->name, scope));
        return FLOW_ON;
    case N_CALL_BLOCK:
        call_block(j, n, scope);
        return FLOW_ON;
    case N_WITH:
        return with(j, n, scope);
    case N_BREAK:
        return FLOW_BREAK;
    case N_CONTINUE:
        return FLOW_CONTINUE;
    default:
        inner = jinja_scope(j, scope);
        return inner ? jinja_exec(j, n->c, inner) : FLOW_ON;
    }
}

enum flow jinja_exec(struct jinja *j, const struct node *n, struct scope *scope) {
    enum flow flow = FLOW_ON;
    uint32_t depth = j->depth;
    if (j->failed || !jinja_deeper(j)) return FLOW_ON;
    for (; n && !j->failed && flow == FLOW_ON; n = n->next) {
        j->at = n->at;
        if (jinja_steps(j, 1)) flow = statement(j, n, scope);
    }
    j->depth = depth;
    return flow;
}
