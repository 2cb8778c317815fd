"""Random small templates over a fixed context, for comparison with jinja2."""
import random

CONTEXT = {"s": "Hello World", "e": "", "u": "Grüße 😀\tx", "n": 7, "z": 0, "f": 2.5, "t": True, "nil": None, "l": [3, 1, 2],
           "w": ["b", "A", "c", "a", ""], "d": {"b": 1, "a": [2], "c": {"x": "y"}},
           "m": [{"role": "user", "content": "U"}, {"role": "tool", "content": None, "k": 1}]}
NAMES = list(CONTEXT) + ["missing"]
CONSTANTS = ["0", "1", "-1", "2", "10", "0.5", "''", "'a'", "'o'", "' '", "'é'", "true", "false", "none", "[]", "{}", "()", "[1, 'a']", "(1, 2)", "{'a': 1}"]
FILTERS = ["upper", "lower", "title", "capitalize", "trim", "length", "tojson", "join(',')", "first", "last", "list", "string", "int", "float", "abs",
           "sort", "unique", "reverse", "sum", "min", "max", "default('D')", "default('D', true)", "items", "dictsort", "round", "round(1)", "indent(2)",
           "replace('l', 'L')", "map('upper')", "map('string')", "select", "reject", "select('string')", "selectattr('role')", "map(attribute='role')",
           "batch(2)", "center(9)", "escape", "safe", "tojson(indent=1)", "selectattr('role', 'equalto', 'user')", "select('odd')", "sort(reverse=true)"]
TESTS = ["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "boolean", "true", "false", "odd", "even", "lower", "upper",
         "integer", "float", "callable", "in [1, 'a']", "equalto 1", "divisibleby 2", "sameas none", "lt 2"]
METHODS = ["upper()", "lower()", "title()", "strip()", "lstrip('H')", "rstrip('d')", "split()", "split('o')", "split('o', 1)", "rsplit('o', 1)", "startswith('H')",
           "endswith('d')", "replace('l', '')", "items()", "keys()", "values()", "get('a')", "get('zz', 1)", "index(1)", "count('l')", "find('o')", "splitlines()",
           "join(w)", "partition('o')", "isdigit()", "isalpha()", "capitalize()", "swapcase()", "zfill(4)", "append(1)", "nosuch()", "format(1)"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">", "<=", ">=", "in", "not in", "and", "or"]


def expression(rng, depth):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(NAMES) if rng.random() < 0.6 else rng.choice(CONSTANTS)
    sub = lambda: expression(rng, depth - 1)
    kind = rng.randrange(13)
    if kind <= 2:
        return f"{sub()} {rng.choice(BINARY)} {sub()}"
    if kind <= 5:
        return f"({sub()})|{rng.choice(FILTERS)}"
    if kind == 6:
        return f"({sub()}) is {rng.choice(['', 'not '])}{rng.choice(TESTS)}"
    if kind <= 8:
        return f"({sub()}).{rng.choice(METHODS)}"
    if kind == 9:
        return f"({sub()})[{rng.choice([sub(), '0', '-1', '1:', '::-1', ':2', '::2', repr('a')])}]"
    if kind == 10:
        return f"({sub()} if {sub()}{rng.choice(['', ' else ' + sub()])})"
    if kind == 11:
        return f"[{sub()}, {sub()}]"
    return f"not {sub()}"


def block(rng, depth):
    space = rng.choice(["", "", " ", "\n", "  \n  "])
    dash = lambda: rng.choice(["", "", "", "-", "+"])
    kind = rng.randrange(8) if depth > 0 else 0
    if kind <= 1:
        return f"{space}{{{{{rng.choice(['', '-'])} {expression(rng, 2)} {rng.choice(['', '-'])}}}}}{space}"
    if kind == 2:
        return f"{space}{{%{dash()} if {expression(rng, 2)} {dash()}%}}{space}{block(rng, depth - 1)}{{%{dash()} else {dash()}%}}{block(rng, depth - 1)}{{%{dash()} endif {dash()}%}}"
    if kind == 3:
        condition = rng.choice(["", "", f" if {expression(rng, 1)}"])
        return f"{{%{dash()} for x in {expression(rng, 1)}{condition} {dash()}%}}{space}{{{{ x }}}}{{{{ loop.index }}}}{block(rng, depth - 1)}{{% endfor {dash()}%}}"
    if kind == 4:
        return f"{{% set {rng.choice(['v', 's', 'l'])} = {expression(rng, 2)} {dash()}%}}{space}{block(rng, depth - 1)}{{{{ v }}}}"
    if kind == 5:
        return f"{{% set ns = namespace(a={expression(rng, 1)}) %}}{{% for y in l %}}{{% set ns.a = ns.a ~ y %}}{{% endfor %}}{{{{ ns.a }}}}{block(rng, depth - 1)}"
    if kind == 6:
        return f"{{% macro g(a, b={expression(rng, 1)}) {dash()}%}}{space}{{{{ a }}}}{{{{ b }}}}{block(rng, depth - 1)}{{%{dash()} endmacro %}}{{{{ g({expression(rng, 1)}) }}}}"
    return f"{space}{{#{dash()} {expression(rng, 1)} {rng.choice(['', '-'])}#}}{space}{block(rng, depth - 1)}"


def templates(seed, count):
    rng = random.Random(seed)
    return [block(rng, rng.randint(0, 3)) for _ in range(count)]
