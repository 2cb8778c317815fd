#!/usr/bin/env python3
"""Writes UnicodeClasses.inc: the classes as Hugging Face's `tokenizers` and Python's str see them.

    python3 make_unicode_classes.py > UnicodeClasses.inc      (needs the `tokenizers` package)
"""
import unicodedata

import tokenizers
from tokenizers import Regex, pre_tokenizers

points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def matched(pattern):
    """The code points that a one-character pattern matches."""
    left = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str("".join(map(chr, points)))
    out = set(points)
    for _, (begin, end) in left:
        out.difference_update(points[begin:end])
    return out


def numeric():
    """The code points that `Digits` sets apart: each stands between two letters."""
    text = "".join("a" + chr(c) + "a" for c in points)
    pieces = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(text)
    return {points[b // 3] for _, (b, e) in pieces if e - b == 1 and b % 3 == 1}


def python(method):
    """The code points of which a method of str is true."""
    return {c for c in points if getattr(chr(c), method)()}


sets = [(1, matched(r"\p{L}")), (2, matched(r"\p{N}")), (4, matched(r"\s")), (8, numeric()),
        (16, python("isdecimal")), (32, python("isdigit")), (64, python("isnumeric")), (128, python("isprintable"))]
ranges, last = [], None
for c in range(0x110000):
    now = sum(bit for bit, members in sets if c in members)
    if now != last:
        ranges.append((c, now))
        last = now
print(f"// Made by make_unicode_classes.py from tokenizers {tokenizers.__version__} and Python's Unicode "
      f"{unicodedata.unidata_version}: {{first code point, classes}},")
print("// each up to the next entry's first.")
for i in range(0, len(ranges), 8):
    print(" ".join(f"{{0x{c:05x}, {k}}}," for c, k in ranges[i : i + 8]))
