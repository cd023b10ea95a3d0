/* The template interpreter: small cases of its own, the recorded templates where the cases folder
 * is there, and the failures: cut templates, no memory, bounds. */
#include "../../tools/native_heap.h"
#include "../check.h"
#include "text/jinja.h"
#include <dirent.h>

struct result {
    int code;
    struct fail fail;
    char *text; /* malloc */
    size_t size;
};

static struct result render_in(struct native_heap *h, const char *source, size_t n,
                               const struct json *variables, const struct jinja_limits *limits) {
    struct result r = {.fail = {.at = 0}};
    struct sbuf out = sbuf_new(&h->heap);
    r.code = jinja_render(&h->heap, source, n, variables, 1753542245, limits, &out, &r.fail);
    r.size = out.size;
    r.text = malloc(out.size + 1);
    if (out.size) memcpy(r.text, out.text, out.size);
    r.text[r.size] = 0;
    sbuf_free(&out);
    return r;
}

static struct result render_limited(const char *source, const char *variables,
                                    const struct jinja_limits *limits) {
    struct native_heap h;
    struct json *root = NULL;
    struct result r;
    native_heap_init(&h);
    CHECK(json_parse(&root, &h.heap, variables, strlen(variables), NULL) == SOTTO_OK, "%s",
          variables);
    r = render_in(&h, source, strlen(source), root, limits);
    json_free(&h.heap, root);
    CHECK_EQ(h.heap.used, 0);
    return r;
}

/* ---- small cases ----------------------------------------------------------------------------- */
static const char vars[] =
    "{\"n\": 3, \"f\": 1.5, \"s\": \"Hello World\", \"none\": null, \"yes\": true, \"list\": [3, "
    "1, 2], \"empty\": [],"
    "\"d\": {\"b\": 1, \"a\": [1, \"x\", null, true, 2.0]}, \"u\": \"Gr\\u00fc\\u00dfe "
    "\\ud83d\\ude00 \\u00e9t\\u00e9\", \"html\": \"<a href='x'>&\\\"\","
    "\"big\": 123456789012345678901234567890, \"messages\": [{\"role\": \"user\", \"content\": "
    "\"hi\"}, {\"role\": \"assistant\", \"content\": \"yo\"},"
    "{\"role\": \"user\", \"content\": \"bye\", \"n\": 2}]}";

static const struct {
    const char *source, *wanted;
} small[] = {
    {"a{{ 'b' }}c\n", "abc"},
    {"{% if yes %}\n  x\n{% endif %}\ny\n", "  x\ny"},
    {"  {% if yes %}x{% endif %}", "x"},
    {"a  {% if yes %}x{% endif %}", "a  x"},
    {"  {%+ if yes %}x{% endif %}", "  x"},
    {"{% if yes +%}\nx{% endif %}", "\nx"},
    {"a \n {%- if yes -%} \n x \n {%- endif -%} \n b", "axb"},
    {"a {{- 1 -}} b{{+ 2 }}", "a1b2"},
    {"a {#- c -#} b{# d #}\nc", "abc"},
    {"{% raw %}\n{{ x }}{% endraw %}\ny", "\n{{ x }}y"},
    {"{%- raw -%} {{ x }} {%- endraw -%} y", "{{ x }}y"},
    {"x\r\ny\rz\n\n", "x\ny\nz\n"},
    {"{{ n + 2 * 3 - 1 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 "
     "** -1 }}",
     "8 3 -4 2 3.5 1024 0.5"},
    {"{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e300 }} {{ -0.0 }} {{ "
     "123456.789 }}",
     "1.0 1e+16 1000000000000000.0 0.0001 1e-05 1.5e+300 -0.0 123456.789"},
    {"{{ 0x1F }} {{ 1_000 }} {{ 0b11 }} {{ 0o17 }}", "31 1000 3 15"},
    {"{{ 'a' ~ 1 ~ none ~ true ~ 1.0 }}", "a1NoneTrue1.0"},
    {"{{ big }} {{ big|tojson }} {{ big is number }}",
     "123456789012345678901234567890 123456789012345678901234567890 True"},
    {"{{ d }}", "{'b': 1, 'a': [1, 'x', None, True, 2.0]}"},
    {"{{ d|tojson }}", "{\"b\": 1, \"a\": [1, \"x\", null, true, 2.0]}"},
    {"{{ d|tojson(indent=2) }}",
     "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    \"x\",\n    null,\n    true,\n    2.0\n  ]\n}"},
    {"{{ d|tojson(separators=(',', ':'), sort_keys=true) }}",
     "{\"a\":[1,\"x\",null,true,2.0],\"b\":1}"},
    {"{{ u|tojson }} {{ u|tojson(ensure_ascii=true) }}",
     "\"Gr\u00fc\u00dfe \U0001F600 \u00e9t\u00e9\" \"Gr\\u00fc\\u00dfe \\ud83d\\ude00 "
     "\\u00e9t\\u00e9\""},
    {"{{ [1, 'it\\'s', \"q\\\"\", 'a\\nb'] }}", "[1, \"it's\", 'q\"', 'a\\nb']"},
    {"{{ (1,) }} {{ () }} {{ (1, 2) }} {{ 1, 2 }}", "(1,) () (1, 2) (1, 2)"},
    {"{{ u|upper }} {{ u|length }} {{ u[1] }} {{ u[::-1] }}",
     "GR\u00dcSSE \U0001F600 \u00c9T\u00c9 11 r \u00e9t\u00e9 \U0001F600 e\u00df\u00fcrG"},
    {"{{ s[1:4] }} {{ s[-3:] }} {{ s[::2] }} {{ list[::-1] }} {{ list[5:] }} {{ s[10:0:-3] }}",
     "ell rld HloWrd [2, 1, 3] [] dooe"},
    {"{{ s.split() }} {{ 'a,b,c'.split(',', 1) }} {{ ' x '.strip() }}|{{ 'xxaxx'.lstrip('x') }} {{ "
     "'a--b'.split('--')[-1] }}",
     "['Hello', 'World'] ['a', 'b,c'] x|axx b"},
    {"{{ s.startswith('He') }} {{ s.endswith(('x', 'ld')) }} {{ s.find('o') }} {{ s.find('z') }} "
     "{{ s.count('l') }}",
     "True True 4 -1 3"},
    {"{{ s.replace('o', '0', 1) }} {{ s|replace('l', 'L') }} {{ 'abc'.replace('', '-') }}",
     "Hell0 World HeLLo WorLd -a-b-c-"},
    {"{{ 'they\\'re bill\\'s'.title() }} {{ \"foo-bar baz\"|title }} {{ 'hELLO'|capitalize }}",
     "They'Re Bill'S Foo-Bar Baz Hello"},
    {"{{ '%s is %d, %.2f %05d %-4s|%x' % ('a', 3, 2.5, 42, 'b', 255) }}",
     "a is 3, 2.50 00042 b   |ff"},
    {"{{ '{0} {1} {x!r:>6} {0:05.1f}|{y[0]} {{}}'.format(1, 2, x='a', y=[7]) }}",
     "1 2    'a' 001.0|7 {}"},
    {"{{ '{:,} {:>8} {:^7}| {:+d} {:.3} {:%}'.format(1234567, 'ab', 'mid', 5, 'abcdef', 0.25) }}",
     "1,234,567       ab   mid  | +5 abc 25.000000%"},
    {"{{ 'x' if n > 2 else 'y' }}{{ 'x' if n > 5 }}", "x"},
    {"{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 'a' in 'abc' }} {{ 9 not in list }} {{ 'b' in d }}",
     "True False True True True"},
    {"{{ not yes or n == 3 and true }} {{ empty or 'e' }} {{ n and s }}", "True e Hello World"},
    {"{{ missing }}|{{ missing is defined }}|{{ d.zzz is defined }}|{{ missing|default('q') }}|{{ "
     "''|d('z', true) }}",
     "|False|False|q|z"},
    {"{{ missing|length }}{% for x in missing %}z{% else %}e{% endfor %}", "0e"},
    {"{{ d.items() }} {{ d.keys()|list }} {{ d['a'][1] }} {{ d.a.1 }} {{ d.get('q', 5) }} {{ "
     "d.get('q') }}",
     "dict_items([('b', 1), ('a', [1, 'x', None, True, 2.0])]) ['b', 'a'] x x 5 None"},
    {"{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}",
     "a=[1, 'x', None, True, 2.0];b=1;"},
    {"{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ "
     "loop.last }}{{ loop.length }}{{ loop.cycle('a', 'b') }} {% endfor %}",
     "103TrueFalse3a 212FalseFalse3b 321FalseTrue3a "},
    {"{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
     "<3>1 3<1>2 1<2> "},
    {"{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}", "True False True "},
    {"{% for x in range(10) if x % 2 %}{% if x == 3 %}{% continue %}{% endif %}{% if x > 7 %}{% "
     "break %}{% endif %}{{ x }}{{ loop.last }} {% endfor %}",
     "1False 5False 7False "},
    {"{% for x in [[1, [2, [3]]]] recursive %}{% if x is number %}{{ x }}.{{ loop.depth }} {% else "
     "%}{{ loop(x) }}{% endif %}{% endfor %}",
     "1.2 2.3 3.4 "},
    {"{% set x = 1 %}{% for i in list %}{% set x = i %}{% endfor %}{{ x }}", "1"},
    {"{% set ns = namespace(x=1) %}{% for i in list %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x "
     "}} {{ ns.y is defined }}",
     "7 False"},
    {"{% set a, b = 1, 2 %}{{ b }}{{ a }}{% set (c, d) = [3, 4] %}{{ c }}", "213"},
    {"{% set x %}a{{ n }}{% endset %}{{ x }}{% set y|upper %}b{% endset %}{{ y }}", "a3B"},
    {"{% filter upper|replace('A', 'z') %}abc{% endfilter %}", "zBC"},
    {"{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ "
     "m(1) }} {{ m(1, c=5) }} {{ m(1, 2, 3, 4, z=5) }}",
     "121(){} 125(){} 123(4,){'z': 5}"},
    {"{% macro w(t) %}<{{ t }}>{{ caller('x') }}</{{ t }}>{% endmacro %}{% call(v) w('b') %}{{ v "
     "}}{{ n }}{% endcall %}",
     "<b>x3</b>"},
    {"{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "54321"},
    {"{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(none) }} {{ m.name }} {{ "
     "m.arguments }}",
     "FalseTrue m ('a',)"},
    {"{% macro m(x) %}{{ x }}{% endmacro %}{{ m(*[1]) }}{{ m(**{'x': 2}) }}", "12"},
    {"{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "13False"},
    {"{% generation %}x{% set q = 1 %}{% endgeneration %}{{ q is defined }}", "xFalse"},
    {"{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join(', ') }}",
     "hi, bye"},
    {"{{ messages|rejectattr('n')|list|length }} {{ messages|map(attribute='n', default=0)|sum }} "
     "{{ messages|selectattr('n', 'defined')|list|length }}",
     "2 2 1"},
    {"{{ list|sort }} {{ list|sort(reverse=true) }} {{ ['b', 'A', 'c']|sort }} {{ "
     "messages|sort(attribute='content')|map(attribute='content')|list }}",
     "[1, 2, 3] [3, 2, 1] ['A', 'b', 'c'] ['bye', 'hi', 'yo']"},
    {"{{ list|min }}{{ list|max }}{{ list|sum }}{{ list|first }}{{ list|last }}{{ empty|first }}{{ "
     "list|reverse|list }}",
     "13632[2, 1, 3]"},
    {"{{ ['a', 'A', 'b']|unique|list }} {{ range(7)|batch(3, 'x')|list }} {{ "
     "range(7)|slice(3)|list }}",
     "['a', 'b'] [[0, 1, 2], [3, 4, 5], [6, 'x', 'x']] [[0, 1, 2], [3, 4], [5, 6]]"},
    {"{% for k, g in messages|groupby('role') %}{{ k }}:{{ g|length }} {% endfor %}",
     "assistant:1 user:2 "},
    {"{{ 'a\nb\n\nc'|indent(2) }}|{{ 'a\nb'|indent(1, true) }}|{{ 'a\n'|indent }}",
     "a\n  b\n\n  c| a\n b|a\n"},
    {"{{ '12'|int + 1 }} {{ 'x'|int(7) }} {{ '3.7'|int }} {{ 'ff'|int(base=16) }} {{ '2.5'|float "
     "}} {{ 2.567|round(2) }} {{ 2.5|round }} {{ 3.5|round }} {{ 2.1|round(0, 'ceil') }} {{ "
     "7|round }}",
     "13 7 3 255 2.5 2.57 2.0 4.0 3.0 7"},
    {"{{ html|e }} {{ html|safe + '<' }} {{ '<'|safe ~ '<' }}",
     "&lt;a href=&#39;x&#39;&gt;&amp;&#34; <a href='x'>&\"&lt; <<"},
    {"{{ [1, none, 'x']|join('-') }} {{ 'abc'|join('.') }} {{ 'a b  c_d'|wordcount }} {{ "
     "s|truncate(8, leeway=0) }}",
     "1-None-x a.b.c 3 Hello..."},
    {"{{ 1 is odd }} {{ n is divisibleby 3 }} {{ 1 is integer }} {{ true is integer }} {{ f is "
     "float }} {{ s is string }} {{ d is mapping }} {{ list is sequence }} {{ d is iterable }} {{ "
     "n is in list }}",
     "True True True False True True True True True True"},
    {"{{ n is eq 3 }} {{ n is not none }} {{ none is none }} {{ yes is true }} {{ 1 is true }} {{ "
     "yes is boolean }} {{ 'a' is sameas 'a' }} {{ m is callable }}",
     "True True True True False True True True"},
    {"{{ range(5)|list }} {{ range(1, 10, 3) }} {{ range(5, 0, -2)|list }} {{ dict(a=1, b=2) }}",
     "[0, 1, 2, 3, 4] range(1, 10, 3) [5, 3, 1] {'a': 1, 'b': 2}"},
    {"{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{% set c = cycler(1, 2) %}{{ c.next() }}{{ "
     "c.next() }}{{ c.next() }}{{ c.current }}",
     "a|b1212"},
    {"{{ strftime_now('%Y-%m-%d %H:%M:%S %A %d %b %-d %j %p %I') }}",
     "2025-07-26 15:04:05 Saturday 26 Jul 26 207 PM 03"},
    {"{{ 'a' 'b' }}{{ {'a': {'b': 1}}.a.b }}{{ [[1, 2], [3]][0][1] }}{{ {} }}{{ {'x': {}} }}",
     "ab12{}{'x': {}}"},
    {"{{ '\\x41\\u00e9\\U0001F600\\t\\q\\101' }}", "A\u00e9\U0001F600\t\\qA"},
    {"{{ -3|abs }} {{ (1 + 2)|string + 'x' }} {{ [1] + [2] * 2 }} {{ 'ab' * 2 }} {{ 3 * 'x' }}",
     "3 3x [1, 2, 2] abab xxx"},
    {"{{ true + 1 }} {{ true == 1 }} {{ 1 == 1.0 }} {{ [1] == [1.0] }} {{ (1,) == [1] }} {{ 'a' < "
     "'b' }} {{ [1, 2] < [1, 3] }}",
     "2 True True True False True True"},
    {"{{ (messages|selectattr('role'))|list|length }}{% set g = messages|map(attribute='role') "
     "%}{{ g|list|length }}{{ g|list|length }}",
     "330"},
    {"{% set l = [] %}{% set a = l + [1] %}{% set b = l + [2] %}{% set c = a + [3] %}{% set e = a "
     "+ [4] %}{{ a }}{{ b }}{{ c }}{{ e }}",
     "[1][2][1, 3][1, 4]"},
    {"{% set a = 'x' + n|string %}{% set b = a + 'y' %}{% set c = a + 'z' %}{{ a }}{{ b }}{{ c }}",
     "x3x3yx3z"},
    {"{{ 'A-B'.lower().split('-')|last|upper }}{{ 'x'.join(['a', 'b']) }}{{ '5'.zfill(3) }}{{ "
     "'ab'.center(5) }}|",
     "Baxb005  ab |"},
    {"{{ 'a.b.c'.rsplit('.', 1) }}{{ 'a=b'.partition('=') }}{{ 'a\nb'.splitlines() }}{{ "
     "'pre-x'.removeprefix('pre-') }}",
     "['a.b', 'c']('a', '=', 'b')['a', 'b']x"},
    {"{{ '12'.isdigit() }}{{ 'Ab'.isalpha() }}{{ ' '.isspace() }}{{ 'AB'.isupper() }}",
     "TrueTrueTrueTrue"},
    {"{{ messages|sort(attribute='role,content')|map(attribute='content')|join(' ') }} {{ "
     "'ab'|sort(attribute='x')|length }}",
     "yo bye hi 2"},
    {"{{ range(9)[2:8:2] }} {{ 'a'|center(3) }} {{ 12 is lower }} {{ d is lower }}",
     "range(2, 8, 2)  a  False False"},
    /* what must fail */
    {"{{ missing.x }}", NULL},
    {"{{ none.x.y }}", NULL},
    {"{{ none + 'a' }}", NULL},
    {"{{ 'a' + 1 }}", NULL},
    {"{% for x in none %}{% endfor %}", NULL},
    {"{{ list.append(1) }}", NULL},
    {"{{ d.pop('b') }}", NULL},
    {"{{ missing|tojson }}", NULL},
    {"{{ 1 / 0 }}", NULL},
    {"{{ x|nofilter }}", NULL},
    {"{{ x is notest }}", NULL},
    {"{{ ''.__class__.__mro__ }}", NULL},
    {"{{ range(1000000) }}", NULL},
    {"{% if yes %}", NULL},
    {"{% endif %}", NULL},
    {"{{ 'abc }}", NULL},
    {"{{ (1 }}", NULL},
    {"{# x", NULL},
    {"{% raw %}x", NULL},
    {"{% break %}", NULL},
    {"{{ 1 2 }}", NULL},
    {"{% set x.y = 1 %}", NULL},
    {"{% for a, b in [[1]] %}{% endfor %}", NULL},
    {"{{ 9223372036854775807 + 1 }}", NULL},
    {"{{ (messages|map('upper'))|length }}", NULL},
    {"{% do x %}", NULL},
    {"{{ '%d' % 'x' }}", NULL},
    {"{{ {[]: 1} }}", NULL},
};

static void small_templates_render_as_jinja2_does(void) {
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        struct result r = render_limited(small[i].source, vars, NULL);
        if (small[i].wanted) {
            CHECK(r.code == SOTTO_OK, "%s: %s", small[i].source, r.fail.text);
            CHECK_STR(r.text, small[i].wanted);
        } else
            CHECK(r.code == SOTTO_TEMPLATE && r.size == 0 && r.fail.line == 1, "%s gave %d \"%s\"",
                  small[i].source, r.code, r.text);
        free(r.text);
    }
}

static void an_error_names_line_and_column(void) {
    struct result r = render_limited("a\nb\xc3\xa9 {{ 1 + none }}\n", "{}", NULL);
    CHECK_EQ(r.code, SOTTO_TEMPLATE);
    CHECK_EQ(r.fail.line, 2);
    CHECK_EQ(r.fail.column, 9);
    free(r.text);
    r = render_limited("x\n\n  {{ raise_exception('Sorry: ' ~ 1) }}", "{}", NULL);
    CHECK_STR(r.fail.text, "Sorry: 1");
    CHECK_EQ(r.fail.line, 3);
    free(r.text);
    r = render_limited("\n{% if x %}\n", "{}", NULL);
    CHECK(strstr(r.fail.text, "elif") || strstr(r.fail.text, "endif"), "%s", r.fail.text);
    free(r.text);
}

static void hostile_templates_reach_a_bound(void) {
    static const char *const sources[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set ns = namespace(x='0123456789') %}{% for a in range(99) %}{% set ns.x = ns.x ~ ns.x "
        "%}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(999) %}{{ 'a text that is somewhat longer' * "
        "9 }}{% endfor %}{% endfor %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for a in range(9999) %}{% set ns.x = [ns.x] %}{% endfor "
        "%}{{ ns.x }}",
        "{{ 'x' * 99999999999 }}",
        "{{ range(99999)|list|tojson|length }}{% for i in range(99999) %}{{ "
        "range(99999)|list|length }}{% endfor %}",
    };
    char *deep = malloc(4001);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct result r = render_limited(sources[i], "{}", NULL);
        CHECK(r.code == SOTTO_LIMIT && r.size == 0, "%s: %d %s", sources[i], r.code, r.fail.text);
        free(r.text);
    }
    memset(deep, '(', 2000);
    memcpy(deep, "{{", 2);
    deep[2000] = 0;
    struct result r = render_limited(deep, "{}", NULL);
    CHECK(r.code == SOTTO_LIMIT || r.code == SOTTO_TEMPLATE, "%d", r.code);
    free(r.text);
    for (int i = 0; i < 2000; i += 4) memcpy(deep + i, "not ", 4);
    memcpy(deep, "{{  ", 4);
    memcpy(deep + 1994, "x }}", 5);
    r = render_limited(deep, "{}", NULL);
    CHECK_EQ(r.code, SOTTO_LIMIT);
    free(r.text);
    free(deep);
    r = render_limited("{{ 'x' * 2000 }}", "{}", &(struct jinja_limits){.output = 1000});
    CHECK_EQ(r.code, SOTTO_LIMIT);
    free(r.text);
    r = render_limited("{% for i in range(1000) %}{% endfor %}", "{}",
                       &(struct jinja_limits){.steps = 500});
    CHECK_EQ(r.code, SOTTO_LIMIT);
    free(r.text);
}

/* ---- every failure of the outside ------------------------------------------------------------ */
static const char whole[] =
    "{%- macro show(m, deep=true) %}{% if m is mapping %}{{ m|tojson(indent=2) }}{% else %}{{ "
    "m|string|trim }}{% endif %}{% endmacro %}"
    "{# comment #}{% set ns = namespace(n=0, t='') %}{% for m in messages if m.role != 'x' "
    "recursive %}"
    "{% set ns.n = ns.n + loop.index %}{% set ns.t = ns.t ~ m['content'][::-1] %}{{ '<|' + m.role "
    "+ '|>' }}{{ show(m) }}"
    "{%- else -%}\nnone{% endfor %}{% raw %}{{ x }}{% endraw %}{{ '%s:%d' % (ns.t, ns.n) }}{% "
    "call(a) show(1) %}{{ a }}{% endcall %}"
    "{% filter upper %}{{ '{}'.format(d.items()|list) }}{% endfilter %}{% set b %}{{ 1.5e3 }}{% "
    "endset %}{{ b if b in '1500.0' else -b }}"
    "{{ messages|map(attribute='content')|map('upper')|sort|join(',') }}{{ d|dictsort }}{{ "
    "strftime_now('%Y') }}";

static void every_prefix_of_a_template_ends_cleanly(void) {
    struct native_heap h;
    struct json *root;
    native_heap_init(&h);
    json_parse(&root, &h.heap, vars, strlen(vars), NULL);
    for (size_t n = 0; n <= strlen(whole); n++) {
        char *exact = malloc(n ? n : 1); /* so that a sanitizer sees one byte too many */
        memcpy(exact, whole, n);
        struct result r = render_in(&h, exact, n, root, NULL);
        CHECK(r.code == SOTTO_OK || (r.code == SOTTO_TEMPLATE && r.fail.line && r.fail.text[0]),
              "%zu bytes: %d", n, r.code);
        if (n == strlen(whole)) CHECK_EQ(r.code, SOTTO_OK);
        free(r.text);
        free(exact);
    }
    json_free(&h.heap, root);
    CHECK_EQ(h.heap.used, 0);
}

static void without_memory_a_render_fails_and_frees_all(void) {
    struct native_heap h, json_heap;
    struct json *root;
    int failed = 0;
    native_heap_init(&json_heap);
    json_parse(&root, &json_heap.heap, vars, strlen(vars), NULL);
    for (int k = 0;; k++) {
        native_heap_failing(&h, k);
        struct result r = render_in(&h, whole, strlen(whole), root, NULL);
        free(r.text);
        CHECK_EQ(h.heap.used, 0);
        if (r.code == SOTTO_OK) break;
        CHECK_EQ(r.code, SOTTO_MEMORY);
        failed++;
        if (failed > 1000) break;
    }
    CHECK(failed > 2 && failed < 1000, "%d allocations", failed);
    json_free(&json_heap.heap, root);
}

/* ---- the recorded cases ---------------------------------------------------------------------- */
static const struct json *member(const struct json *object, const char *key) {
    static const struct json absent;
    const struct json *v = json_get(object, key);
    return v ? v : &absent;
}

static void add(struct json *object, struct json *space, const char *key, const struct json *v) {
    *space = *v;
    space->key = key;
    space->key_size = (uint32_t)strlen(key);
    space->next = object->first;
    object->first = space;
    object->count++;
}

static void set_variables(struct json *object, struct json *space, const struct json *conversation,
                          const struct json *settings) {
    static const char *const names[] = {"messages", "tools", "add_generation_prompt"};
    *object = (struct json){.kind = JSON_OBJECT};
    for (const struct json *v = member(conversation, "kwargs")->first; v; v = v->next) {
        struct json *copy = space++;
        *copy = *v;
        copy->next = object->first;
        object->first = copy;
    }
    if (!json_get(object, "documents"))
        add(object, space++, "documents", &(struct json){.kind = JSON_NULL});
    for (int i = 0; i < 3; i++) add(object, space++, names[i], member(conversation, names[i]));
    add(object, space++, "bos_token", member(settings, "bos_token"));
    add(object, space++, "eos_token", member(settings, "eos_token"));
}

static bool is_text(const struct json *v, const char *text, size_t n) {
    return v->kind == JSON_STRING && v->size == n && memcmp(v->text, text, n) == 0;
}

static void replay(struct heap *heap, const char *folder, const char *name,
                   const struct json *conversations, const struct json *settings) {
    char path[1024];
    size_t n, m;
    uint8_t *source, *wanted_text;
    struct json *wanted = NULL, variables, space[64];
    const struct json *c, *w;
    snprintf(path, sizeof path, "%s/template/templates/%s.jinja", folder, name);
    source = check_read(path, &n);
    snprintf(path, sizeof path, "%s/template/expected/%s.json", folder, name);
    wanted_text = check_read(path, &m);
    if (!CHECK(source && wanted_text, "%s", name)) return;
    CHECK_EQ(json_parse(&wanted, heap, (char *)wanted_text, m, NULL), SOTTO_OK);
    for (c = conversations->first, w = wanted->first; c && w; c = c->next, w = w->next) {
        struct native_heap h;
        struct result r;
        const struct json *id = member(c, "id");
        native_heap_init(&h);
        set_variables(&variables, space, c, settings);
        r = render_in(&h, (char *)source, n, &variables, NULL);
        if (json_get(w, "text")) {
            if (CHECK(r.code == SOTTO_OK, "%s %.*s: %u:%u %s", name, (int)id->size, id->text,
                      r.fail.line, r.fail.column, r.fail.text) &&
                !is_text(member(w, "text"), r.text, r.size)) {
                CHECK(0, "%s %.*s\n--- got\n%s\n--- wanted\n%.*s", name, (int)id->size, id->text,
                      r.text, (int)member(w, "text")->size, member(w, "text")->text);
            }
        } else if (is_text(member(w, "error"), "raise_exception", 15)) {
            const struct json *message = member(w, "message");
            uint32_t k = message->size < 200 ? message->size : 200;
            CHECK(r.code == SOTTO_TEMPLATE && memcmp(message->text, r.fail.text, k) == 0,
                  "%s %.*s: %d \"%s\", wanted %.*s", name, (int)id->size, id->text, r.code,
                  r.fail.text, (int)message->size, message->text);
        } else
            CHECK(r.code != SOTTO_OK, "%s %.*s: rendered where jinja2 says %.*s", name,
                  (int)id->size, id->text, (int)member(w, "message")->size,
                  member(w, "message")->text);
        CHECK_EQ(h.heap.used, 0);
        free(r.text);
    }
    json_free(heap, wanted);
    free(source);
    free(wanted_text);
}

static void recorded_templates_render_byte_for_byte(const char *folder) {
    char path[1024];
    size_t n;
    struct native_heap h;
    struct json *conversations, *settings;
    uint8_t *text;
    DIR *dir;
    struct dirent *e;
    snprintf(path, sizeof path, "%s/template/conversations.json", folder);
    text = check_read(path, &n);
    if (!text) {
        check_skip("no template cases in %s", folder);
        return;
    }
    native_heap_init(&h);
    CHECK_EQ(json_parse(&conversations, &h.heap, (char *)text, n, NULL), SOTTO_OK);
    free(text);
    snprintf(path, sizeof path, "%s/template/settings.json", folder);
    text = check_read(path, &n);
    if (!CHECK(text != NULL, "%s", path)) return;
    CHECK_EQ(json_parse(&settings, &h.heap, (char *)text, n, NULL), SOTTO_OK);
    free(text);
    snprintf(path, sizeof path, "%s/template/templates", folder);
    dir = opendir(path);
    while (dir && (e = readdir(dir))) {
        size_t k = strlen(e->d_name);
        if (k < 7 || strcmp(e->d_name + k - 6, ".jinja") != 0) continue;
        e->d_name[k - 6] = 0;
        replay(&h.heap, folder, e->d_name, conversations, settings);
    }
    if (dir) closedir(dir);
    json_free(&h.heap, conversations);
    json_free(&h.heap, settings);
    CHECK_EQ(h.heap.used, 0);
}

int main(int argc, char **argv) {
    small_templates_render_as_jinja2_does();
    an_error_names_line_and_column();
    hostile_templates_reach_a_bound();
    every_prefix_of_a_template_ends_cleanly();
    without_memory_a_render_fails_and_frees_all();
    if (argc > 1)
        recorded_templates_render_byte_for_byte(argv[1]);
    else
        check_skip("the recorded templates: no cases folder given");
    return check_done();
}
