/* One render: bounds, the globals, lexing, parsing, running. */
#include "text/jinja_impl.h"

#define GLOBAL(name)                                                                               \
    static struct value name(struct jinja *j, struct value self, const struct args *a)

enum { MAX_RANGE = 100000 }; /* as the sandbox has it */

GLOBAL(g_range) {
    int64_t start = 0, stop, step = 1, count;
    struct value v = list_new(j, V_RANGE);
    (void)self;
    if (a->n_positional < 1 || a->n_positional > 3)
        return jinja_fail(j, "range wants one to three integers");
    stop = arg_int(j, a, 0, "", 0);
    if (a->n_positional > 1) {
        start = stop;
        stop = arg_int(j, a, 1, "", 0);
        step = arg_int(j, a, 2, "", 1);
    }
    if (j->failed) return v;
    if (step == 0) return jinja_fail(j, "range() arg 3 must not be zero");
    if (start > INT32_MAX || start < INT32_MIN || stop > INT32_MAX || stop < INT32_MIN ||
        step > INT32_MAX || step < INT32_MIN)
        return jinja_fail(
            j, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    count = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
    if (count > MAX_RANGE)
        return jinja_fail(
            j, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    v.list->start = start;
    v.list->stop = stop;
    v.list->step = step;
    for (int64_t i = 0; i < count && !j->failed; i++) list_add(j, v.list, v_int(start + i * step));
    return v;
}

/* A dict of the keywords, on top of the mapping or pairs given. */
static struct value make_dict(struct jinja *j, const struct args *a) {
    struct value v = dict_new(j);
    struct list items, pair;
    if (!j->failed && a->n_positional && a->at[0].kind == V_DICT) {
        for (uint32_t i = 0; i < a->at[0].dict->n && !j->failed; i++)
            dict_set(j, v.dict, a->at[0].dict->at[i].key, a->at[0].dict->at[i].value);
    } else if (!j->failed && a->n_positional) {
        if (!jinja_items(j, a->at[0], &items)) return v;
        for (uint32_t i = 0; i < items.n && jinja_items(j, items.at[i], &pair); i++) {
            if (pair.n != 2) return jinja_fail(j, "a dict is made of pairs");
            dict_set(j, v.dict, pair.at[0], pair.at[1]);
        }
    }
    for (uint32_t i = a->n_positional; i < a->n && !j->failed; i++) {
        const struct name *name = a->names[i - a->n_positional];
        dict_set(j, v.dict, v_str(name->s, name->n), a->at[i]);
    }
    return v;
}

GLOBAL(g_dict) {
    (void)self;
    return make_dict(j, a);
}

GLOBAL(g_namespace) {
    struct value v = make_dict(j, a);
    (void)self;
    v.kind = j->failed ? V_UNDEFINED : V_NAMESPACE;
    return v;
}

GLOBAL(g_cycler) {
    struct value v = list_new(j, V_CYCLER);
    (void)self;
    if (a->n == 0) return jinja_fail(j, "at least one item has to be provided");
    for (uint32_t i = 0; i < a->n && !j->failed; i++) list_add(j, v.list, a->at[i]);
    return v;
}

/* A joiner is two cells: whether it was used, and its text. */
static struct value joiner_call(struct jinja *j, struct value self, const struct args *a) {
    struct list *l = self.list;
    (void)j, (void)a;
    return l->cursor++ ? l->at[0] : v_text("");
}

GLOBAL(g_joiner) {
    struct value cell = list_new(j, V_LIST), v = {.kind = V_METHOD};
    (void)self;
    v.method = jinja_take(j, sizeof *v.method);
    if (j->failed) return v_undefined();
    list_add(j, cell.list, arg_text(j, a, 0, "sep", ", "));
    *v.method = (struct method){joiner_call, cell};
    return v;
}

GLOBAL(g_raise) {
    struct value v = arg_text(j, a, 0, "message", "");
    (void)self;
    return j->failed ? v : jinja_fail(j, "%.*s", (int)v.n, v.s);
}

/* ---- dates ----------------------------------------------------------------------------------- */
struct date {
    int64_t year;
    int month, day, hour, minute, second, weekday, yearday; /* from 0, but for day */
};

/* Days since 1970 to a date of the Gregorian calendar (eras of 400 years that begin in March). */
static struct date date_of(double now) {
    double days_exact = now / 86400;
    int64_t seconds, days, era, of_era, year, of_year, month;
    struct date d;
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    if (!(days_exact > -1e6 && days_exact < 3e6)) now = 0; /* years 0 to 9999 at most */
    seconds = (int64_t)now - (now < (double)(int64_t)now);
    days = seconds / 86400 - (seconds % 86400 < 0);
    seconds -= days * 86400;
    d.weekday = (int)(((days + 4) % 7 + 7) % 7);
    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    of_era = days - era * 146097;
    year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * year + year / 4 - year / 100);
    month = (5 * of_year + 2) / 153;
    d.day = (int)(of_year - (153 * month + 2) / 5 + 1);
    d.month = (int)(month < 10 ? month + 2 : month - 10);
    d.year = year + era * 400 + (d.month < 2);
    d.yearday = before[d.month] + d.day - 1 +
                (d.month > 1 && d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0));
    d.hour = (int)(seconds / 3600);
    d.minute = (int)(seconds / 60 % 60);
    d.second = (int)(seconds % 60);
    return d;
}

static void date_part(struct build *b, const struct date *d, char c) {
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    int hour12 = d->hour % 12 ? d->hour % 12 : 12, year = (int)d->year;
    char text[32] = "";
    switch (c) {
    case 'Y':
        fmt(text, sizeof text, "%d", year);
        break;
    case 'y':
        fmt(text, sizeof text, "%02d", year % 100);
        break;
    case 'm':
        fmt(text, sizeof text, "%02d", d->month + 1);
        break;
    case 'd':
        fmt(text, sizeof text, "%02d", d->day);
        break;
    case 'e':
        fmt(text, sizeof text, "%2d", d->day);
        break;
    case 'H':
        fmt(text, sizeof text, "%02d", d->hour);
        break;
    case 'I':
        fmt(text, sizeof text, "%02d", hour12);
        break;
    case 'M':
        fmt(text, sizeof text, "%02d", d->minute);
        break;
    case 'S':
        fmt(text, sizeof text, "%02d", d->second);
        break;
    case 'f':
        fmt(text, sizeof text, "000000");
        break;
    case 'j':
        fmt(text, sizeof text, "%03d", d->yearday + 1);
        break;
    case 'w':
        fmt(text, sizeof text, "%d", d->weekday);
        break;
    case 'u':
        fmt(text, sizeof text, "%d", d->weekday ? d->weekday : 7);
        break;
    case 'p':
        fmt(text, sizeof text, "%s", d->hour < 12 ? "AM" : "PM");
        break;
    case 'A':
        fmt(text, sizeof text, "%s", days[d->weekday]);
        break;
    case 'a':
        fmt(text, sizeof text, "%.3s", days[d->weekday]);
        break;
    case 'B':
        fmt(text, sizeof text, "%s", months[d->month]);
        break;
    case 'b':
    case 'h':
        fmt(text, sizeof text, "%.3s", months[d->month]);
        break;
    case 'F':
        fmt(text, sizeof text, "%d-%02d-%02d", year, d->month + 1, d->day);
        break;
    case 'T':
    case 'X':
        fmt(text, sizeof text, "%02d:%02d:%02d", d->hour, d->minute, d->second);
        break;
    case 'R':
        fmt(text, sizeof text, "%02d:%02d", d->hour, d->minute);
        break;
    case 'D':
    case 'x':
        fmt(text, sizeof text, "%02d/%02d/%02d", d->month + 1, d->day, year % 100);
        break;
    case 'n':
        fmt(text, sizeof text, "\n");
        break;
    case 't':
        fmt(text, sizeof text, "\t");
        break;
    case '%':
        fmt(text, sizeof text, "%%");
        break;
    case 'Z':
    case 'z':
        break;
    case 'c':
        for (const char *p = "a b e T Y"; *p; p++)
            *p == ' ' ? build_char(b, ' ') : date_part(b, d, *p);
        break;
    default:
        fmt(text, sizeof text, "%%%c", c);
    }
    build_text(b, text);
}

GLOBAL(g_strftime) {
    struct value v = arg_text(j, a, 0, "format", "");
    struct date d = date_of(j->now);
    struct build b = build_new(j);
    (void)self;
    for (uint32_t i = 0; !j->failed && i < v.n; i++) {
        if (v.s[i] != '%' || i + 1 == v.n)
            build_char(&b, v.s[i]);
        else if (v.s[++i] == '-' && i + 1 < v.n) { /* without the leading zero */
            struct build part = build_new(j);
            struct value text;
            uint32_t skip = 0;
            date_part(&part, &d, v.s[++i]);
            text = build_end(&part);
            while (!j->failed && skip + 1 < text.n && (text.s[skip] == '0' || text.s[skip] == ' '))
                skip++;
            if (!j->failed) build_add(&b, text.s + skip, text.n - skip);
        } else
            date_part(&b, &d, v.s[i]);
    }
    return build_end(&b);
}

/* ---- the render ------------------------------------------------------------------------------ */
void jinja_globals(struct jinja *j) {
    static const struct row rows[] = {{"range", g_range},          {"dict", g_dict},
                                      {"namespace", g_namespace},  {"cycler", g_cycler},
                                      {"joiner", g_joiner},        {"raise_exception", g_raise},
                                      {"strftime_now", g_strftime}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name *name = jinja_name(j, rows[i].name, strlen(rows[i].name));
        struct method *method = jinja_take(j, sizeof *method);
        if (!method) return;
        method->call = rows[i].call;
        name->global = (struct value){.kind = V_FUNCTION, .method = method};
        name->has_global = true;
    }
    j->loop = jinja_name(j, "loop", 4);
    j->caller = jinja_name(j, "caller", 6);
    j->varargs = jinja_name(j, "varargs", 7);
    j->kwargs = jinja_name(j, "kwargs", 6);
}

/* The source with "\n" for every newline, less one at its end. */
static void take_source(struct jinja *j, const char *source, size_t n) {
    char *s = jinja_take(j, n + 1);
    size_t to = 0;
    if (!s) return;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r' && i + 1 < n && source[i + 1] == '\n') continue;
        s[to++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (to && s[to - 1] == '\n') to--;
    j->source = s;
    j->n = to;
}

static void render(struct jinja *j, const char *source, size_t n, const struct json *variables) {
    struct node *body;
    struct scope *scope;
    take_source(j, source, n);
    jinja_globals(j);
    for (const struct json *v = variables ? variables->first : NULL; v && !j->failed; v = v->next) {
        struct name *name = jinja_name(j, v->key, v->key_size);
        if (!name) return;
        name->global = jinja_from_json(j, v);
        name->has_global = true;
    }
    if (j->failed) return;
    body = jinja_parse(j, jinja_lex(j));
    scope = jinja_scope(j, NULL);
    if (!j->failed) jinja_exec(j, body, scope);
}

int jinja_render(struct heap *heap, const char *source, size_t n, const struct json *variables,
                 double now, const struct jinja_limits *limits, struct sbuf *out, struct fail *f) {
    static const struct jinja_limits none = {0};
    const struct jinja_limits *l = limits ? limits : &none;
    struct jinja j = {.heap = heap, .fail = f, .out = out, .now = now, .capture = sbuf_new(heap)};
    size_t start = out->size;
    j.steps = l->steps ? l->steps : 20000000;
    j.max_calls = l->depth ? l->depth : 200;
    j.max_output = l->output ? l->output : (size_t)16 << 20;
    j.memory = l->memory ? l->memory : (size_t)64 << 20;
    if (n > (size_t)1 << 30)
        return fail(f, SOTTO_LIMIT, FAIL_NOWHERE, "the template is larger than 1 GiB");
    if (variables && variables->kind != JSON_OBJECT)
        return fail(f, SOTTO_EINVAL, FAIL_NOWHERE,
                    "the variables of a template must be a JSON object");
    render(&j, source, n, variables);
    jinja_release(&j);
    if (j.failed && out->size > start) {
        out->size = start;
        out->text[start] = 0;
    }
    return j.failed ? j.code : SOTTO_OK;
}
