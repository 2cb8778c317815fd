#!/usr/bin/env python3
"""Writes CaseMappings.inc: upper, lower and title case as Python's str has them.

    python3 make_case_mappings.py > CaseMappings.inc
"""
import unicodedata


def literal(text):
    return '"' + "".join(f"\\x{b:02x}" for b in text.encode()) + '"'


print(f"// Made by make_case_mappings.py from Python's Unicode {unicodedata.unidata_version}:")
print("// {code point, upper, lower, title}, in UTF-8; those with a mapping only.")
row = []
for c in range(0x80, 0x110000):
    s = chr(c)
    if 0xD800 <= c <= 0xDFFF or s.upper() == s.lower() == s.title() == s:
        continue
    row.append(f"{{0x{c:x}, {literal(s.upper())}, {literal(s.lower())}, {literal(s.title())}}},")
    if len(row) == 2:
        print(" ".join(row))
        row = []
if row:
    print(" ".join(row))
