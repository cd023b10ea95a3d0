/* Expressions: names, attributes, calls, tests and filters. Python's semantics, the sandbox's
 * refusals. */
#include "text/jinja_impl.h"

/* ---- names ----------------------------------------------------------------------------------- */
struct scope *jinja_scope(struct jinja *j, struct scope *up) {
    struct scope *s = jinja_take(j, sizeof *s);
    if (s) s->up = up;
    return s;
}

void jinja_set(struct jinja *j, struct scope *scope, const struct name *name, struct value v) {
    struct var *var;
    if (j->failed) return;
    for (var = scope->vars; var; var = var->next) {
        if (var->name == name) {
            var->value = v;
            return;
        }
        if (!jinja_steps(j, 1)) return;
    }
    var = jinja_take(j, sizeof *var);
    if (!var) return;
    *var = (struct var){scope->vars, name, v};
    scope->vars = var;
}

static struct value lookup(struct jinja *j, const struct name *name, const struct scope *scope) {
    uint64_t hops = 0;
    struct value v;
    for (; scope; scope = scope->up, hops++)
        for (const struct var *var = scope->vars; var; var = var->next, hops++)
            if (var->name == name) return var->value;
    jinja_steps(j, hops / 8);
    if (name->has_global) return name->global;
    v = v_undefined();
    v.s = name->s;
    v.n = name->n;
    return v;
}

/* ---- attributes and items -------------------------------------------------------------------- */
static struct value missing(struct value of, struct value name, int flag) {
    struct value v = {.kind = V_UNDEFINED, .flag = (uint8_t)flag, .n = name.n, .s = name.s};
    if (flag == 0) v.flag = (uint8_t)(1 + of.kind);
    if (name.kind != V_STRING) {
        v.s = "(that item)";
        v.n = 11;
    }
    return v;
}

static struct value loop_changed(struct jinja *j, struct value self, const struct args *a) {
    struct loop *l = self.loop;
    struct value now = list_new(j, V_TUPLE);
    bool same;
    for (uint32_t i = 0; i < a->n && !j->failed; i++) list_add(j, now.list, a->at[i]);
    if (j->failed) return v_undefined();
    same = l->has_changed && jinja_equal(j, l->changed, now);
    l->changed = now;
    l->has_changed = true;
    return v_bool(!same);
}

static struct value loop_cycle(struct jinja *j, struct value self, const struct args *a) {
    if (a->n == 0) return jinja_fail(j, "no items for cycling given");
    return a->at[self.loop->i % a->n];
}

static struct value bind(struct jinja *j, struct value self, builtin call) {
    struct value v = {.kind = V_METHOD};
    v.method = jinja_take(j, sizeof *v.method);
    if (!v.method) return v_undefined();
    *v.method = (struct method){call, self};
    return v;
}

static struct value loop_attr(struct jinja *j, struct value v, struct value name) {
    const struct loop *l = v.loop;
    struct value none = missing(v, name, 0);
    if (v_is(name, "index")) return v_int(l->i + 1);
    if (v_is(name, "index0")) return v_int(l->i);
    if (v_is(name, "first")) return v_bool(l->i == 0);
    if (v_is(name, "last")) return v_bool(l->i + 1 == l->n);
    if (v_is(name, "length")) return v_int(l->n);
    if (v_is(name, "revindex")) return v_int(l->n - l->i);
    if (v_is(name, "revindex0")) return v_int((int64_t)l->n - l->i - 1);
    if (v_is(name, "depth")) return v_int(l->depth + 1);
    if (v_is(name, "depth0")) return v_int(l->depth);
    if (v_is(name, "previtem")) return l->i > 0 ? l->at[l->i - 1] : none;
    if (v_is(name, "nextitem")) return l->i + 1 < l->n ? l->at[l->i + 1] : none;
    if (v_is(name, "cycle")) return bind(j, v, loop_cycle);
    if (v_is(name, "changed")) return bind(j, v, loop_changed);
    return none;
}

static struct value macro_attr(struct jinja *j, struct value v, struct value name) {
    const struct macro *m = v.macro;
    struct value list;
    if (v_is(name, "name")) return v_str(m->name->s, m->name->n);
    if (!v_is(name, "arguments")) return missing(v, name, 0);
    list = list_new(j, V_TUPLE);
    for (const struct node *p = m->def->a; p && !j->failed; p = p->next)
        list_add(j, list.list, v_str(p->name->s, p->name->n));
    return list;
}

/* Attributes proper, without items; undefined of flag `1 + kind` where there is none. */
static struct value own_attr(struct jinja *j, struct value v, struct value name, bool *found) {
    bool mutates = false;
    builtin call = NULL;
    *found = true;
    if (v.kind == V_LOOP) return loop_attr(j, v, name);
    if (v.kind == V_MACRO) return macro_attr(j, v, name);
    if (v.kind == V_NAMESPACE) {
        const struct value *hit = dict_get(j, v.dict, name);
        return hit ? *hit : missing(v, name, 0);
    }
    if (v.kind == V_CYCLER && v_is(name, "current")) return v.list->at[v.list->cursor];
    call = jinja_method(v, name, &mutates);
    if (mutates) return missing(v, name, UNSAFE);
    if (call) return bind(j, v, call);
    *found = false;
    return name.n > 1 && name.s[0] == '_' && name.s[1] == '_' ? missing(v, name, UNSAFE)
                                                              : missing(v, name, 0);
}

struct value jinja_attr(struct jinja *j, struct value v, struct value name) {
    bool found;
    struct value own, *item;
    if (j->failed) return v_undefined();
    if (v.kind == V_UNDEFINED) return jinja_undefined_used(j, v);
    own = own_attr(j, v, name, &found);
    if (found || v.kind != V_DICT) return own;
    item = dict_get(j, v.dict, name);
    return item ? *item : own;
}

struct value jinja_item(struct jinja *j, struct value v, struct value key) {
    bool found;
    if (j->failed) return v_undefined();
    if (v.kind == V_UNDEFINED) return jinja_undefined_used(j, v);
    if (v.kind == V_DICT) {
        const struct value *item = dict_get(j, v.dict, key);
        if (item) return *item;
    } else if (is_int(key)) {
        int64_t i = key.i, n = v.kind == V_VIEW ? -1 : jinja_length(j, v);
        if (n >= 0 && i < 0) i += n;
        if (i >= 0 && i < n && is_sequence(v)) return v.list->at[i];
        if (i >= 0 && i < n && v.kind == V_STRING) {
            size_t from = char_at(v.s, v.n, (size_t)i), to = from;
            code_point(v.s, v.n, &to);
            return v_str(v.s + from, to - from);
        }
    }
    if (key.kind == V_STRING) return own_attr(j, v, key, &found);
    return missing(v, key, 0);
}

/* ---- calls ----------------------------------------------------------------------------------- */
static void add_arg(struct jinja *j, struct args *out, uint32_t cap, struct value v,
                    const struct name *name) {
    if (j->failed || out->n >= cap) return;
    out->at[out->n] = v;
    if (name)
        out->names[out->n - out->n_positional] = name;
    else
        out->n_positional++;
    out->n++;
}

/* Room for n arguments. */
static bool arg_room(struct jinja *j, struct args *out, uint32_t n) {
    *out = (struct args){0};
    out->at = jinja_take(j, heap_mul(n, sizeof *out->at));
    out->names = jinja_take(j, heap_mul(n, sizeof *out->names));
    return !j->failed;
}

/* The slow way, with * and **: the values first, then their places. */
static bool expanded(struct jinja *j, const struct node *n, struct scope *scope,
                     const struct value *caller, struct args *out) {
    struct list positional = {0}, named = {0}, items;
    for (; n && !j->failed; n = n->next) {
        struct value v = jinja_eval(j, n->a, scope);
        if (n->op == 'k') {
            if (v.kind != V_DICT) {
                jinja_fail(j, "argument after ** must be a mapping");
                break;
            }
            for (uint32_t i = 0; i < v.dict->n && !j->failed; i++) {
                list_add(j, &named, v.dict->at[i].key);
                list_add(j, &named, v.dict->at[i].value);
            }
        } else if (n->op == '*') {
            if (!jinja_items(j, v, &items)) break;
            for (uint32_t i = 0; i < items.n; i++) list_add(j, &positional, items.at[i]);
        } else if (n->name) {
            list_add(j, &named, v_str(n->name->s, n->name->n));
            list_add(j, &named, v);
        } else
            list_add(j, &positional, v);
    }
    if (j->failed || !arg_room(j, out, positional.n + named.n / 2 + 1)) return false;
    for (uint32_t i = 0; i < positional.n; i++) add_arg(j, out, UINT32_MAX, positional.at[i], NULL);
    for (uint32_t i = 0; i + 1 < named.n; i += 2) {
        if (named.at[i].kind != V_STRING)
            jinja_fail(j, "keywords must be strings");
        else
            add_arg(j, out, UINT32_MAX, named.at[i + 1],
                    jinja_name(j, named.at[i].s, named.at[i].n));
    }
    if (caller) add_arg(j, out, UINT32_MAX, *caller, j->caller);
    return !j->failed;
}

bool jinja_arguments(struct jinja *j, const struct node *n, struct scope *scope,
                     const struct value *caller, struct args *out) {
    uint32_t count = 1;
    bool named = false, plain = true;
    for (const struct node *m = n; m; m = m->next, count++) {
        plain = plain && !m->op && !(named && !m->name); /* a positional one behind a named one */
        named = named || m->name;
    }
    if (!plain) return expanded(j, n, scope, caller, out);
    if (!arg_room(j, out, count)) return false;
    for (; n && !j->failed; n = n->next) {
        struct value v = jinja_eval(j, n->a, scope);
        add_arg(j, out, count, v, n->name);
    }
    if (caller) add_arg(j, out, count, *caller, j->caller);
    return !j->failed;
}

struct value jinja_call(struct jinja *j, struct value callee, const struct args *a) {
    struct value v;
    uint32_t depth = j->depth;
    if (!jinja_deeper(j)) return v_undefined();
    switch (callee.kind) {
    case V_FUNCTION:
    case V_METHOD:
        v = callee.method->call(j, callee.method->self, a);
        break;
    case V_MACRO:
        v = jinja_call_macro(j, callee.macro, a);
        break;
    case V_LOOP:
        v = a->n == 1 ? jinja_call_loop(j, callee.loop, a->at[0])
                      : jinja_fail(j, "loop() wants the items to go on with");
        break;
    case V_UNDEFINED:
        v = jinja_undefined_used(j, callee);
        break;
    default:
        v = jinja_fail(j, "'%s' object is not callable", type_name(callee));
    }
    j->depth = depth;
    return v;
}

static struct value eval_call(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value callee = jinja_eval(j, n->a, scope);
    struct args a;
    if (j->failed || !jinja_arguments(j, n->b, scope, NULL, &a)) return v_undefined();
    j->at = n->at;
    return jinja_call(j, callee, &a);
}

static struct value apply(struct jinja *j, const struct node *n, struct value v,
                          struct scope *scope) {
    struct args a;
    j->at = n->at;
    if (!n->call)
        return jinja_fail(j,
                          n->kind == N_FILTER ? "No filter named '%.*s'" : "No test named '%.*s'",
                          (int)n->v.n, n->v.s);
    if (j->failed || !jinja_arguments(j, n->b, scope, NULL, &a)) return v_undefined();
    j->at = n->at;
    return n->call(j, v, &a);
}

struct value jinja_pipe(struct jinja *j, const struct node *n, struct value v,
                        struct scope *scope) {
    if (!n || j->failed) return v;
    if (!jinja_deeper(j)) return v_undefined();
    v = jinja_pipe(j, n->a, v, scope);
    j->depth--;
    return j->failed ? v : apply(j, n, v, scope);
}

/* ---- expressions ----------------------------------------------------------------------------- */
static bool holds(struct jinja *j, int op, struct value a, struct value b) {
    switch (op) {
    case OP2('=', '='):
        return jinja_equal(j, a, b);
    case OP2('!', '='):
        return !jinja_equal(j, a, b);
    case 'i':
        return jinja_contains(j, b, a);
    case 'n':
        return !jinja_contains(j, b, a);
    case '<':
        return jinja_compare(j, a, b) < 0;
    case '>':
        return jinja_compare(j, a, b) > 0;
    case OP2('<', '='):
        return jinja_compare(j, a, b) <= 0;
    default:
        return jinja_compare(j, a, b) >= 0;
    }
}

static struct value eval_compare(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value left = jinja_eval(j, n->a, scope);
    for (const struct node *o = n->b; o && !j->failed; o = o->next) {
        struct value right = jinja_eval(j, o->a, scope);
        j->at = o->at;
        if (j->failed || !holds(j, o->op, left, right)) return v_bool(false);
        left = right;
    }
    return v_bool(true);
}

static struct value eval_items(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value v =
        n->kind == N_DICT ? dict_new(j) : list_new(j, n->kind == N_LIST ? V_LIST : V_TUPLE);
    for (const struct node *m = n->a; m && !j->failed; m = m->next) {
        struct value item = jinja_eval(j, m, scope);
        if (n->kind == N_DICT) {
            struct value value = jinja_eval(j, m->next, scope);
            m = m->next;
            j->at = n->at;
            if (!j->failed) dict_set(j, v.dict, item, value);
        } else
            list_add(j, v.list, item);
    }
    return j->failed ? v_undefined() : v;
}

static struct value eval_slice(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value v = jinja_eval(j, n->a, scope), part[3];
    const struct node *nodes[3] = {n->b, n->c, n->d};
    for (int i = 0; i < 3; i++) part[i] = nodes[i] ? jinja_eval(j, nodes[i], scope) : v_none();
    j->at = n->at;
    return jinja_slice(j, v, part[0], part[1], part[2]);
}

static struct value eval_concat(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value a = jinja_eval(j, n->a, scope), b = jinja_eval(j, n->b, scope);
    j->at = n->at;
    if (j->failed) return v_undefined();
    if (a.kind != V_STRING) a = jinja_str(j, a);
    b = jinja_str(j, b);
    if (j->failed) return v_undefined();
    a.flag = b.flag = 0;
    return jinja_concat(j, a, b);
}

static struct value eval_binary(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value a = jinja_eval(j, n->a, scope), b = jinja_eval(j, n->b, scope);
    j->at = n->at;
    return j->failed ? v_undefined() : jinja_binary(j, n->op, a, b);
}

static struct value eval_sign(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value v = jinja_eval(j, n->a, scope);
    j->at = n->at;
    if (v.kind == V_FLOAT) return v_float(n->kind == N_NEGATE ? -v.d : v.d);
    return j->failed ? v : jinja_binary(j, n->kind == N_NEGATE ? '-' : '+', v_int(0), v);
}

static struct value eval_access(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value v = jinja_eval(j, n->a, scope),
                 key = n->kind == N_ATTR ? n->v : jinja_eval(j, n->b, scope);
    j->at = n->at;
    return n->kind == N_ATTR ? jinja_attr(j, v, key) : jinja_item(j, v, key);
}

static struct value eval_apply(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value v = jinja_eval(j, n->a, scope);
    return j->failed ? v : apply(j, n, v, scope);
}

/* Kept small: it is the frame that recursion is made of. */
struct value jinja_eval(struct jinja *j, const struct node *n, struct scope *scope) {
    struct value v;
    if (j->failed || !n) return v_undefined();
    j->at = n->at;
    if (!jinja_deeper(j)) return v_undefined();
    switch (n->kind) {
    case N_CONST:
        v = n->v;
        break;
    case N_NAME:
        v = lookup(j, n->name, scope);
        break;
    case N_LIST:
    case N_TUPLE:
    case N_DICT:
        v = eval_items(j, n, scope);
        break;
    case N_ATTR:
    case N_ITEM:
        v = eval_access(j, n, scope);
        break;
    case N_SLICE:
        v = eval_slice(j, n, scope);
        break;
    case N_CALL:
        v = eval_call(j, n, scope);
        break;
    case N_FILTER:
    case N_TEST:
        v = eval_apply(j, n, scope);
        break;
    case N_NEGATE:
    case N_PLUS:
        v = eval_sign(j, n, scope);
        break;
    case N_NOT:
        v = jinja_eval(j, n->a, scope);
        v = v_bool(!jinja_true(v));
        break;
    case N_AND:
    case N_OR:
        v = jinja_eval(j, n->a, scope);
        if (jinja_true(v) == (n->kind == N_AND)) v = jinja_eval(j, n->b, scope);
        break;
    case N_CONCAT:
        v = eval_concat(j, n, scope);
        break;
    case N_COMPARE:
        v = eval_compare(j, n, scope);
        break;
    case N_CONDITION:
        v = jinja_eval(j, n->a, scope);
        v = jinja_eval(j, jinja_true(v) ? n->b : n->c, scope);
        break;
    default:
        v = eval_binary(j, n, scope);
    }
    j->depth--;
    return v;
}
