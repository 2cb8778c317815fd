#!/usr/bin/env python3
"""Makes the references of the chat template tests: what Python's jinja2 renders, with transformers' settings.

    template_oracle.py --remake                  writes references/templates.json
    template_oracle.py --probe BIN --live [--seed S --count N]
                                                 random expressions and statements, compared on the spot

Needs the packages jinja2 and transformers; the tests need only the stored file.
"""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import template_cases
import template_random

HERE = pathlib.Path(__file__).parent
TEMPLATES = HERE.parent / "corpus" / "templates"


def environment():
    """The environment that transformers compiles chat templates in, with a clock that stands still."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    env = _compile_jinja_template("{{ 1 }}").environment
    env.globals["strftime_now"] = lambda f: datetime.datetime(2025, 7, 29, 13, 0, 0).strftime(f)
    return env


def case(env, name, source, context):
    out = {"name": name, "template": source, "context": context}
    try:
        # Through JSON and back: the context is what a client can send.
        out["expected"] = env.from_string(source).render(**json.loads(json.dumps(context)))
    except Exception as error:
        out["error"] = True
        out["python"] = f"{type(error).__name__}: {error}"[:200]
    return out


def stored_cases(env):
    cases = [case(env, f"feature {i}", source, context) for i, (source, context) in enumerate(template_cases.FEATURES)]
    for path in sorted(TEMPLATES.glob("*.jinja")):
        for name, context in template_cases.CONVERSATIONS.items():
            cases.append(case(env, f"{path.stem}: {name}", path.read_text(), context))
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remake", action="store_true")
    parser.add_argument("--probe", help="the template-probe binary")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    args = parser.parse_args()
    warnings.simplefilter("ignore", SyntaxWarning)
    env = environment()
    if args.remake:
        cases = stored_cases(env)
        path = HERE / "references" / "templates.json"
        path.write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n")
        errors = [c for c in cases if "error" in c]
        print(f"{path.name}: {len(cases)} cases, {len(errors)} of them errors")
    if args.live:
        sources = template_random.templates(args.seed, args.count)
        cases = [case(env, f"random {i}", source, template_random.CONTEXT) for i, source in enumerate(sources)]
        # How Python prints a generator or method, with its address, is left alone.
        cases = [c for c in cases if " at 0x" not in c.get("expected", "").lower()]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(cases, file, ensure_ascii=False)
            file.flush()
            print(sum("error" in c for c in cases), "of", len(cases), "are errors")
            sys.exit(subprocess.run([args.probe, file.name]).returncode)


if __name__ == "__main__":
    main()
