"""Templates with their contexts: one or more for each feature, and the conversations for whole templates."""

V = {
    "s": "Hello World", "e": "", "n": 7, "z": 0, "f": 2.5, "t": True, "no": False, "nil": None,
    "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "d": {"b": 1, "a": 2, "C": 3},
    "u": "Grüße, ΣΑΣ 😀 ŉ ǆ", "q": "it's \"x\" \\ \n\t\x01", "ws": " \t a b \n",
    "m": [{"role": "system", "content": "S"}, {"role": "user", "content": "U", "n": {"x": [1, 2]}},
          {"role": "assistant", "content": None}],
    "deep": {"a": [1, 2.0, True, None, "x'\"é"], "b": {"c": []}, "e": {}},
}


def each(*sources):
    return [(source, V) for source in sources]


FEATURES = []
# Output, literals, escapes, comments, raw.
FEATURES += each(
    "plain", "", "\n", "a\n", "a\n\n", "\r\na\rb", "{{ s }}", "{{ 1 }}{{ -1 }}{{ +1 }}{{ 1.0 }}{{ 1e20 }}{{ 1e-7 }}",
    "{{ 'a\\nb\\'c' }}{{ \"a\\tb\\\"\\x41\\u00e9\\101\\q\" }}", "{{ 'a' 'b' \"c\" }}", "{{ true }}{{ True }}{{ none }}{{ None }}{{ false }}",
    "{# c #}x", "a {# c #} b", "a{#- c -#} b", "{# {{ x }} #}y\n{# z #}\nw", "{% raw %}{{ x }}{% y %}{% endraw %}",
    "a\n{% raw %}\n{{ x }}\n{% endraw %}\nb", "{%- raw -%} x {%- endraw -%} y", "{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }}",
    "{{ [1, 'a', none, true, 1.5, [2], {'k': 'v'}] }}", "{{ (1,) }}{{ (1, 2) }}{{ () }}", "{{ {'a': 1, 2: [3]} }}", "{{ 1, 2 }}",
    "{{ q }}", "{{ [q] }}", "{{ [u] }}", "{{ ['\\u200b\\xa0\\x7f\\u0301'] }}", "{{ deep }}", "{{ '{{' }}", "{{ {'a': {'b': 1}} }}",
    "a{{ '' }}b", "{{ 1e16 }} {{ 123456789012345.6 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e300 }} {{ -0.0 }}")
# White space control, trim_blocks and lstrip_blocks.
FEATURES += each(
    "a\n  {% if t %}\n  b\n  {% endif %}\nc", "a\n  {%- if t -%}\n  b\n  {%- endif -%}\nc", "a\n  {%+ if t +%}\n  b\n{% endif %}c",
    "a  {% if t %}  b  {% endif %}  c", "  {% if t %}x{% endif %}\n  y", "  {{ s }}  \n  {{- s -}}  \n z", "{% if t %}\n\n\nx{% endif %}\n\ny",
    "{%- if t %} x {% endif -%}   \n\n y", "\t {% set x = 1 %}\n{{ x }}\n", "a {%- set x = 1 -%} b", "{{- s }}", "{{ s -}} \n\n x",
    "  {# c #}\n  x", "  {#- c -#}\n  x", "a\n \u00a0 {% if t %}x{% endif %}", "{% if t %}  \n  {% if t %}\n x{% endif %}{% endif %}",
    "{% for i in l %}\n  {{ i }}\n{% endfor %}\nend", "{% for i in l -%}\n  {{ i }}\n{%- endfor %}\nend", "x{% if t %}\r\ny\r\n{% endif %}")
# Expressions.
FEATURES += each(
    "{{ 1 + 2 * 3 - 4 / 2 }}", "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }}",
    "{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 / 3 }} {{ 4 / 2 }} {{ 2 ** 0.5 }}", "{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }}", "{{ 'a' + 'b' }}{{ 'ab' * 3 }}{{ 2 * 'x' }}",
    "{{ [1] + [2, 3] }} {{ [1, 2] * 2 }} {{ (1,) + (2,) }}", "{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1] }}", "{{ 1 ~ 2 + 3 }}",
    "{{ 1 < 2 }} {{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ true == 1 }}",
    "{{ 1 in l }} {{ 9 not in l }} {{ 'ell' in s }} {{ 'b' in d }} {{ not 1 in l }}", "{{ t and 'x' }} {{ no and 'x' }} {{ z or 'y' }} {{ not t }} {{ nil or e or 'w' }}",
    "{{ 'a' if t else 'b' }} {{ 'a' if no else 'b' }} {{ 'a' if no }} {{ 'x' if no else 'y' if no else 'z' }}", "{{ (1 if t else 2) + 1 }}",
    "{{ l[0] }} {{ l[-1] }} {{ l[9] }} {{ d['a'] }} {{ d.a }} {{ d['zz'] }} {{ m[1].n.x[1] }} {{ m[1]['n']['x'][-1] }}", "{{ l.0 }} {{ m.1.role }}",
    "{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ s[1:4] }} {{ s[::-1] }} {{ u[-3:] }} {{ u[::2] }} {{ l[5:] }} {{ l[2:0:-1] }} {{ (1,2,3)[1:] }}",
    "{{ s[0] }}{{ u[2] }}{{ u[11] }}{{ s[-1] }}{{ s[99] }}", "{{ true + true }} {{ true * 3 }} {{ -true }}", "{{ none == none }} {{ none is none }} {{ [] == [] }} {{ {'a': 1} == {'a': 1.0} }} {{ (1,) == [1] }}",
    "{{ 9223372036854775807 }} {{ -9223372036854775807 }}", "{{ 10 ** 18 }}", "{{ 1.0 }} {{ 1.10 }} {{ 100.0 * 3 }} {{ 0.1 + 0.2 }}", "{{ 3 - 1.5 }} {{ 1e3 }} {{ 5 // 0.3 }}",
    "{{ '%s is %d and %.2f %5d|%-5s|%05.1f %x %%' % ('a', 3, 2.555, 42, 'ab', 3.14159, 255) }}", "{{ '%s' % 'x' }} {{ '%(a)s' % {'a': 1} }} {{ '%r' % 'x' }}",
    "{{ (1, 2) == (1, 2) }} {{ 'a' != 'b' }} {{ 1 <= 1 >= 1 }}", "{{ -s|length }}", "{{ -1|abs }}", "{{ (-1)|abs }}", "{{ 'a' 'b' | upper }}", "{{ not t or t }}")
# Undefined.
FEATURES += each(
    "[{{ missing }}]", "{{ missing.x }}", "{{ missing is defined }} {{ missing is undefined }} {{ d.missing is defined }}", "{{ d.missing }}|{{ d.missing.x }}",
    "{% if missing %}a{% else %}b{% endif %}", "{% for x in missing %}a{% else %}b{% endfor %}", "{{ missing ~ 'a' }}", "{{ missing + 'a' }}", "{{ missing|length }} {{ missing|list }} {{ missing|default('d') }}",
    "{{ missing == missing2 }} {{ missing == none }} {{ missing != 1 }}", "{{ missing() }}", "{{ missing[0] }}", "{{ 'a' in missing }}", "{{ missing in 'a' }}", "{{ missing < 1 }}", "{{ missing|upper }}[{{ missing|join(',') }}]",
    "{{ missing|int }}", "{{ missing|tojson }}", "{{ [missing] }}", "{{ missing is none }} {{ missing is string }} {{ missing is iterable }} {{ missing is sequence }} {{ missing is mapping }} {{ missing is callable }}",
    "{{ missing|first }}", "{{ l.append }}", "{{ l.append is defined }}", "{{ l.append(1) }}", "{{ d.update({}) }}", "{{ d.pop('a') }}", "{{ s.__class__ }}", "{{ s.__class__.__mro__ }}", "{{ d.__init__ }}", "{{ (missing or 'x') }}", "{{ not missing }}", "{{ -missing }}")
# Tests.
FEATURES += each(
    *(f"{{{{ {v} is {t} }}}}" for t in ("defined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "true", "false", "callable")
      for v in ("s", "n", "f", "t", "no", "nil", "l", "d", "(1,)", "range(3)", "d.items()", "range", "l|map('string')", "d.get")),
    "{{ 4 is even }} {{ 3 is odd }} {{ 9 is divisibleby(3) }} {{ 9 is divisibleby 2 }} {{ 3 is equalto 3 }} {{ 3 is eq(4) }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is greaterthan 2 }} {{ 2 is ge 2 }}",
    "{{ 1 is in l }} {{ 'x' is not in l }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aB' is lower }} {{ nil is sameas none }} {{ 'e' is in s }}",
    "{{ s is not none }} {{ s is not defined }} {{ s is string and n is number }} {{ n is defined and n is not string or no }}", "{{ 'upper' is filter }} {{ 'xx' is filter }} {{ 'odd' is test }}", "{{ 1.0 is even }}", "{{ s is nosuch }}", "{{ s is string is defined }}", "{{ not s is none }}")
# Filters.
FEATURES += each(
    "{{ ws|trim }}|{{ 'xxaxx'|trim('x') }}|{{ n|trim }}", "{{ s|upper }} {{ s|lower }} {{ u|upper }} {{ u|lower }} {{ u|title }} {{ u|capitalize }}", "{{ 'hello wORLD-foo (bar) [x]y'|title }} {{ \"it's o'neil\"|title }}",
    "{{ s|capitalize }} {{ 'éCOLE'|capitalize }} {{ ''|capitalize }} {{ 'ßa'|title }} {{ 'ǆx'|capitalize }}", "{{ s|length }} {{ l|length }} {{ d|length }} {{ u|length }} {{ l|count }} {{ range(5)|length }}", "{{ n|length }}", "{{ (l|map('string'))|length }}",
    "{{ deep|tojson }}", "{{ deep|tojson(indent=2) }}", "{{ deep|tojson(indent=4, sort_keys=true) }}", "{{ deep|tojson(separators=(',', ':')) }}", "{{ u|tojson }} {{ u|tojson(ensure_ascii=true) }} {{ q|tojson }} {{ '<a&b>'|tojson }}",
    "{{ d|tojson(sort_keys=true) }} {{ d|tojson(indent=0) }} {{ []|tojson(indent=2) }} {{ {}|tojson(indent=2) }}", "{{ [1.0, 1e20, 1e-9, true, none]|tojson }} {{ {1: 2, true: 3, none: 4, 1.5: 5}|tojson }}", "{{ d|tojson(indent='\\t') }}", "{{ range(2)|tojson }}", "{{ (1, 2)|tojson }}", "{{ {(1,2): 3}|tojson }}", "{{ m|tojson(indent=1) }}", "{{ deep|tojson(2) }}", "{{ d.items()|tojson }}", "{{ '\\u2028\\x7f'|tojson }}",
    "{{ l|join }} {{ l|join(', ') }} {{ m|join(',', attribute='role') }} {{ 'abc'|join('-') }} {{ d|join(',') }} {{ [1, none, 'x']|join('|') }} {{ []|join(',') }}", "{{ l|join(1) }}",
    "{{ e|default('x') }}|{{ e|default('x', true) }}|{{ nil|default('x') }}|{{ nil|d('x', boolean=true) }}|{{ missing|default }}|{{ missing|default(l) }}|{{ m[9]|default('y') }}",
    "{{ l|first }} {{ l|last }} {{ s|first }} {{ s|last }} {{ d|first }} {{ d|last }} [{{ []|first }}] [{{ []|last }}] {{ l|map('string')|first }}", "{{ l|map('string')|last }}",
    "{{ s|list }} {{ d|list }} {{ range(3)|list }} {{ (1,2)|list }} {{ l|map('float')|list }} {{ d.values()|list }}", "{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}[{% for x in missing|items %}{% endfor %}]", "{{ l|items|list }}",
    "{{ d|dictsort }} {{ d|dictsort(true) }} {{ d|dictsort(by='value') }} {{ d|dictsort(false, 'key', true) }}", "{{ l|sort }} {{ l|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ m|sort(attribute='role')|map(attribute='role')|list }} {{ words|sort(true) }}", "{{ [1, 'a']|sort }}", "{{ m|sort(attribute='role,content')|length }}", "{{ [[2,1],[1,2]]|sort(attribute=1) }}", "{{ [none, 1]|sort }}",
    "{{ m|map(attribute='role')|list }} {{ m|map(attribute='n.x.0', default='-')|list }} {{ words|map('upper')|join }} {{ l|map('default', 1)|list }} {{ [' a ']|map('trim')|list }} {{ ['a,b']|map('replace', ',', ';')|list }}", "{{ m|map(attribute='zz')|list }}", "{{ [[1,2],[3]]|map('first')|list }} {{ [[1,2],[3]]|map('sum')|list }}", "{{ l|map('nosuch')|list }}", "{{ l|map(attribute='a', foo=1)|list }}",
    "{{ l|select('odd')|list }} {{ l|reject('odd')|list }} {{ l|select('gt', 1)|list }} {{ [0, 1, '', 'a']|select|list }} {{ [0, 1]|reject|list }} {{ words|select('in', ['a', 'b'])|list }} {{ l|select('==', 1)|list }}",
    "{{ m|selectattr('role', 'equalto', 'user')|map(attribute='content')|list }} {{ m|rejectattr('role', 'eq', 'user')|list|length }} {{ m|selectattr('content')|list|length }} {{ m|selectattr('n', 'defined')|list|length }} {{ m|selectattr('n.x', 'defined')|list|length }} {{ m|rejectattr('content', 'none')|list|length }}",
    "{% if m|selectattr('role', 'equalto', 'zz') %}true{% else %}false{% endif %} {% if m|selectattr('role', 'equalto', 'zz')|list %}true{% else %}false{% endif %}", "{{ s|replace('o', '0') }} {{ s|replace('o', '0', 1) }} {{ 'aaa'|replace('', '-') }} {{ n|replace(7, 8) }} {{ s|replace(old='l', new='L', count=2) }}",
    "{{ 1|string ~ 2|string }} {{ nil|string }} {{ l|string|length }}", "{{ '42'|int }} {{ '42.7'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ 3.9|int }} {{ -3.9|int }} {{ nil|int }} {{ 'ff'|int(base=16) }} {{ '0x1f'|int(0, 16) }} {{ ' 7 '|int }} {{ '1_000'|int }} {{ true|int }} {{ '-5'|int }} {{ '1e3'|int }} {{ l|int(-1) }} {{ '--5'|int(9) }}",
    "{{ '1.5'|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ 1|float }} {{ '1e3'|float }} {{ ' inf'|float }} {{ '-nan'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ '0x10'|float }} {{ nil|float }}", "{{ -5|abs }} {{ (-5.5)|abs }} {{ n|abs }}", "{{ 'x'|abs }}",
    "{{ 2.5|round }} {{ 3.5|round }} {{ 2.567|round(2) }} {{ 2.1|round(0, 'ceil') }} {{ 2.9|round(method='floor') }} {{ 7|round }} {{ 1234|round(-2) }} {{ 2.675|round(2) }} {{ 0.5|round }} {{ -1.5|round }} {{ 1e20|round }} {{ 1250.0|round(-2) }}", "{{ 1|round(1, 'bad') }}",
    "{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent(2, blank=true) }}|{{ 'a\\nb'|indent('> ') }}|{{ ''|indent }}|{{ 'a\\n'|indent(1) }}|{{ 'a\\n'|indent(width=2, first=true) }}", "{{ '<b>'|safe }}{{ '<b>&\"\\''|escape }}{{ '<'|e }}", "{{ words|unique|list }} {{ words|unique(true)|list }} {{ m|unique(attribute='role')|list|length }} {{ [1, 1.0, true, 2]|unique|list }}", "{{ [[1], [1]]|unique|list }}",
    "{{ l|reverse|list }} {{ s|reverse }} {{ u|reverse }} {{ d|reverse|list }} {{ (1,2)|reverse|list }}", "{{ l|sum }} {{ [1.5, 2]|sum }} {{ [{'a': 1}, {'a': 2}]|sum(attribute='a') }} {{ l|sum(start=10) }} {{ []|sum }}", "{{ l|min }} {{ l|max }} {{ words|min }} {{ words|max }} [{{ []|min }}] {{ [{'a': 2}, {'a': 1}]|min(attribute='a') }} {{ words|max(true) }}",
    "{{ l|batch(2)|list }} {{ l|batch(2, 'x')|list }} {{ l|batch(5)|list }}", "{{ 'a'|center(5) }}| {{ 'ab'|center(5) }}|{{ 'abc'|center(2) }}|{{ 'abcd'|center(7) }}|", "{{ '%s-%s'|format(1, 2) }} {{ '%(a)s'|format(a=1) }}", "{{ d|attr('get') is callable }}[{{ d|attr('a') }}]", "{{ s|nosuch }}", "{{ s|upper|lower|title }}", "{{ s|upper() }}", "{{ s|upper(1) }}", "{{ s|trim|length > 3 }}", "{{ (s|lower).split(' ')|join('_') }}", "{{ s | replace('l','1') | upper }}",
    "{% filter upper %}a{{ s }}b{% endfilter %}", "{% filter replace('a', 'b')|upper %}aXa{% endfilter %}")
# Methods.
FEATURES += each(
    "{{ ws.strip() }}|{{ ws.lstrip() }}|{{ ws.rstrip() }}|{{ 'xyax'.strip('xy') }}|{{ '\\n\\nab'.lstrip('\\n') }}|{{ '\\x1f a'.strip() }}|{{ '\\u3000a\\xa0'.strip() }}", "{{ s.split() }} {{ s.split('o') }} {{ s.split('o', 1) }} {{ ' a  b c '.split() }} {{ ' a  b c '.split(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a</think>b'.split('</think>')[-1] }} {{ 'abc'.split('') }}",
    "{{ 'a,b'.split(sep=',', maxsplit=1) }} {{ 'a b c d'.split(' ', 2)[2] }}", "{{ s.startswith('He') }} {{ s.endswith('ld') }} {{ s.startswith(('x', 'H')) }} {{ s.startswith('l', 2) }} {{ s.endswith('o', 0, 5) }} {{ s.startswith('') }}", "{{ s.startswith(1) }}", "{{ s.upper() }}{{ s.lower() }}{{ s.title() }}{{ u.upper() }}{{ u.title() }}{{ s.swapcase() }}{{ 'aBC'.capitalize() }}",
    "{{ s.replace('o', '0') }} {{ s.replace('o', '0', 1) }} {{ 'abc'.replace('', '-') }} {{ 'x'.replace('x', '') }}", "{{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('zz') }} {{ s.index('W') }} {{ s.count('l') }} {{ u.find('😀') }} {{ s.find('o', 5) }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ s.find('o', -4) }}", "{{ s.index('zz') }}",
    "{{ ', '.join(words) }} {{ ''.join(['a', 'b']) }} {{ '-'.join('abc') }}", "{{ ','.join(l) }}", "{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('-') }} {{ 'abc'.rpartition('-') }}", "{{ 'a\\nb\\r\\nc\\x0bd\\n'.splitlines() }} {{ 'a\\nb'.splitlines(true) }}", "{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }}",
    "{{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '½'.isnumeric() }} {{ '½'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \\t'.isspace() }} {{ ''.isdigit() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ 'Ab Cd'.istitle() }} {{ 'é'.isascii() }} {{ '1.5'.isdecimal() }}", "{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '*') }}|{{ 'a'.center(4) }}|{{ '42'.zfill(5) }}|{{ '-4'.zfill(5) }}|{{ 'ab'.center(5, '.') }}",
    "{{ '{} {}'.format(1, 'a') }} {{ '{0}{1}{0}'.format('x', 'y') }} {{ '{a:>5}|{b:<4}|{c:^5}|{d:05.1f}'.format(a=1, b='x', c='y', d=3.14159) }} {{ '{{}}'.format() }} {{ '{:.2f}'.format(2.345) }} {{ '{!r}'.format('x') }} {{ '{0[a]} {0.a}'.format(d) }} {{ '{:d}{:x}'.format(5, 255) }}",
    "{{ d.get('a') }} {{ d.get('zz') }} {{ d.get('zz', 'x') }} {{ d['get'] is callable }} {{ d.keys()|list }} {{ d.values()|list }} {{ d.items()|list }}", "{{ d.items() }} {{ d.keys() }} {{ d.values() }}", "{% for k, v in d.items() %}{{ k }}:{{ v }}{{ ',' if not loop.last }}{% endfor %}", "{{ d.items()|length }} {{ d.keys()[0] }}", "{{ l.index(1) }} {{ l.count(3) }} {{ (1,2).index(2) }} {{ l.copy() }}", "{{ l.index(99) }}", "{{ {'items': 5}.items is callable }}", "{{ {'items': 5}['items'] }}", "{{ {'keys': 1}.get('keys') }}", "{{ s.nosuch() }}", "{{ l.nosuch }}", "{{ 'ΑΣ'.lower() }} {{ 'ΑΣΑ'.lower() }} {{ 'ẞ'.lower() }} {{ 'ﬁ'.upper() }} {{ 'İ'.lower()|length }}")
# Statements.
FEATURES += each(
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if z %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if z %}a{% elif e %}b{% else %}c{% endif %}", "{% if no %}x{% endif %}", "{% if t %}{% if no %}a{% else %}b{% endif %}{% endif %}",
    "{% for x in l %}{{ x }}{% endfor %}", "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}", "{% for x in l %}{{ loop.previtem }}<{{ x }}<{{ loop.nextitem }};{% endfor %}", "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1,1,2,2,1] %}{{ loop.changed(x) }} {% endfor %}", "{% for x in [] %}a{% else %}b{% endfor %}", "{% for x in l if x > 1 %}{{ x }}:{{ loop.length }} {% endfor %}", "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}", "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }};{% endfor %}", "{% for (a, (b, c)) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for c in u %}{{ c }},{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for x in nil %}{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}", "{% for x in [[1, [2]], [3]] recursive %}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}d{{ loop.depth }}{% endif %}]{% endfor %}", "{% for x in l recursive %}{{ x }}{% if loop.depth0 < 2 and loop.first %}({{ loop(l) }}){% endif %}{% endfor %}", "{% for x in l %}{{ loop(l) }}{% endfor %}", "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }}|{% endfor %}", "{% for x in l %}{% set outer = loop %}{% for y in [1] %}{{ outer.index }}{% endfor %}{% endfor %}", "{% break %}",
    "{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }};{% endfor %}{{ x }}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% set ns = namespace(x=1, found=false) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }} {{ ns.found }} {{ ns.zz }}", "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns['a'] }}", "{% set ns = namespace(_x=1) %}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set d.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1] %}", "{% set x = 1, 2 %}{{ x }}", "{% set x %}a{{ s }}b{% endset %}[{{ x }}]", "{% set x | upper | trim %} a{{ s }} {% endset %}[{{ x }}]", "{% set x %}{% set y = 5 %}{{ y }}{% endset %}{{ x }}{{ y }}", "{% set true = 1 %}", "{% for i in [1,2] %}{% set z2 = i %}{% endfor %}[{{ z2 }}]", "{% set x = [] %}{% set x = x + [1] %}{{ x }}", "{% set messages2 = m[1:] %}{{ messages2|length }}",
    "{% macro f(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 2) }} {{ f(1, c=3) }} {{ f(b=1, a=2) }} [{{ f() }}]", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, z=2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}", "{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4) }}", "{% macro f() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ f() }}{% set x = 2 %}{{ f() }}", "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro f(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) f(3) %}[{{ y }}{{ s }}]{% endcall %}", "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}{% call f() %}a{% endcall %}", "{% macro f() %}x{% endmacro %}{% call f() %}a{% endcall %}", "{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}", "{% macro f(a) %}  {{- a }}\n{% endmacro %}[{{ f('x') }}]", "{% macro f() %}{% set q2 = 1 %}{% endmacro %}{{ f() }}{{ q2 }}", "{% macro f() %}a{% endmacro %}{{ f()|upper }}{{ f() ~ f() }}{% set v = f() %}{{ v|length }}", "{% macro f(*a) %}{% endmacro %}", "{% macro f(a=1, b) %}{% endmacro %}", "{{ f2() }}", "{% for i in l %}{% macro g() %}{{ i }}{% endmacro %}{{ g() }}{% endfor %}", "{% macro f(loop) %}{{ loop }}{% endmacro %}{{ f(3) }}", "{% macro a(x) %}{{ b(x) }}{% endmacro %}{% macro b(x) %}<{{ x }}>{% endmacro %}{{ a(1) }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set q3 = 1 %}{{ q3 }}{% endwith %}{{ q3 }}", "{% generation %}{{ s }}{% endgeneration %}", "a\n{% generation %}\nb\n{% endgeneration %}\nc", "{% for x in l %}{% generation %}{{ x }}{% set w = x %}{% endgeneration %}{{ w }}{% endfor %}", "{% autoescape false %}<{{ '<' }}{% endautoescape %}",
    "{{ raise_exception('no ' ~ s) }}", "{% if no %}{{ raise_exception('x') }}{% endif %}ok", "{{ strftime_now('%Y-%m-%d %H:%M:%S') }} {{ strftime_now('%d %B %Y') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('') }}", "{{ range(3) }} {{ range(1, 4)|list }} {{ range(10, 0, -3)|list }} {{ range(3)[1] }} {{ 2 in range(3) }} {{ range(0)|list }} {{ range(5)[1:3]|list }}", "{{ range(200000)|length }}", "{{ range(1, 2, 0) }}", "{{ dict(a=1, b=2) }} {{ dict({'a': 1}, b=2) }} {{ dict([('x', 1)]) }}", "{{ d.items()|first }}", "{{ {**d} }}", "{{ dict(**d) }}", "{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 1, 'b': 2}) }}{{ f(1, *[2]) }}",
    "{% if %}{% endif %}", "{% for %}{% endfor %}", "{% if t %}", "{{ s", "{{ }}", "{% nosuch %}", "{% endif %}", "{{ (1 }}", "{{ 1) }}", "{# x", "{% raw %}x", "{{ 'x }}", "{{ 1 + }}", "{{ s..x }}", "{{ a b }}", "{% set %}", "{% set x 1 %}", "{% for x of l %}{% endfor %}", "{% if t %}{% else %}{% elif t %}{% endif %}", "{{ s[ }}", "{{ {1} }}", "{{ @ }}", "{{ 08 }}", "}}", "%}", "#}", "{ {", "{{ '}}' }}", "{{ \"%}\" }}", "{% if t: %}x{% endif %}",
    "{{ 1 / 0 }}", "{{ 1 % 0 }}", "{{ 'a' + 1 }}", "{{ 1 + 'a' }}", "{{ [] + () }}", "{{ 'a' * 1.5 }}", "{{ none + 1 }}", "{{ 'a' < 1 }}", "{{ {} < {} }}", "{{ 1 in 1 }}", "{{ 1 in 'a' }}", "{{ l() }}", "{{ s() }}", "{{ {[]: 1} }}", "{{ '%d' % 'a' }}", "{{ '%s %s' % 'a' }}", "{{ '%s' % (1, 2) }}", "{{ l['a'] }}|{{ s['upper']() }}", "{{ l[1.0] }}", "{{ l[true] }}", "{{ [1,2][none] }}", "{{ s[1:'a'] }}", "{{ l[::0] }}", "{{ m[0].role.upper().lower()[0] }}", "{{ (1, 2)|join ~ [3]|first }}", "{{ loop }}")

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Gets the weather, \"now\" & <here>.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "The city — e.g. Zürich"},
                                         "unit": {"type": "string", "enum": ["c", "f"]}, "days": {"type": ["integer", "null"]}},
        "required": ["city"]}, "return": {"type": "object", "description": "Degrees"}}},
    {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}},
]
CALLS = [{"type": "function", "id": "call12345", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}}]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "tools": None, "documents": None}


def chat(*messages, **extra):
    turns = [dict(role=m[0], content=m[1], **(m[2] if len(m) > 2 else {})) for m in messages]
    return {**TOKENS, "messages": turns, "add_generation_prompt": True, **extra}


CONVERSATIONS = {
    "one question": chat(("user", "Hi")),
    "without a prompt": chat(("user", "Hi"), ("assistant", "Hello!"), add_generation_prompt=False),
    "system": chat(("system", "Be brief.\n"), ("user", " What is 2+2? \n"), ("assistant", "4"), ("user", "And 3+3?")),
    "long": chat(*[(("user", "assistant")[i % 2], f"turn {i} <|im_end|> é 😀\n\tx") for i in range(9)]),
    "odd roles": chat(("user", "a"), ("user", "b")),
    "assistant first": chat(("assistant", "a"), ("user", "b")),
    "empty": chat(),
    "empty content": chat(("system", ""), ("user", "")),
    "parts": chat(("user", [{"type": "text", "text": "What is "}, {"type": "image"}, {"type": "text", "text": "this? "}])),
    "tools": chat(("system", "You help."), ("user", "Weather?"), tools=TOOLS, date_string="26 Jul 2024"),
    "tool call": chat(("user", "Weather?"), ("assistant", None, {"tool_calls": CALLS}),
                      ("tool", "{\"t\": 21.5}", {"tool_call_id": "call12345", "name": "get_weather"}), ("assistant", "21.5 degrees"),
                      ("user", "Thanks"), tools=TOOLS),
    "tool call and text": chat(("user", "Weather?"), ("assistant", "Let me see.", {"tool_calls": CALLS}),
                               ("tool", "sunny", {"tool_call_id": "call12345", "name": "get_weather"}), tools=TOOLS),
    "two tool answers": chat(("user", "W?"), ("assistant", "", {"tool_calls": CALLS + CALLS}), ("tool", "a", {"tool_call_id": "call12345"}),
                             ("tool", "b", {"tool_call_id": "call12345"}), tools=TOOLS),
    "thinking": chat(("user", "Q"), ("assistant", "<think>\nhm\n</think>\n\nA"), ("user", "R"), enable_thinking=True),
    "reasoning": chat(("user", "Q"), ("assistant", "A", {"reasoning_content": "because"}), ("user", "R"), enable_thinking=False),
}
