#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of the loops that stream weights, per byte of weights: what a processor of which there is none
at hand has to carry out. Prints a Markdown table.

    test/bench-kernels/instruction_counts.py build/bin/tenon-kernels --variant neon
"""

import argparse
import re
import subprocess

COLUMNS = 512
# Bytes of a group of 32 k x 16 channels: quants, high bits, scales, minimums.
GROUP_BYTES = {"q4_0": 256 + 32, "q4_1": 256 + 64, "q5_0": 256 + 64 + 32, "q5_1": 256 + 64 + 64, "q8_0": 512 + 32,
               "q4_r": 256 + 16, "q4_rm": 256 + 32}
PRODUCTS = re.compile(r"\b(v?pdpbusd|vpmaddubsw|sdot|smmla)\b")
LOADS = re.compile(r"^(ld\w+|prfm)\b")


def function(assembly, name):
    found = re.search(rf"^{name}:.*?\n(.*?)\n\.Lfunc_end", assembly, re.S | re.M)
    if not found:
        raise SystemExit(f"the assembly has no function {name}")
    return found.group(1)


def loopOf(body):
    """Instructions of the loop with the most products: from its label to the jump back."""
    lines, best = body.split("\n"), []
    labels = {}
    for number, line in enumerate(lines):
        if label := re.match(r"(\.LBB\d+_\d+):", line):
            labels[label.group(1)] = number
        for target in re.findall(r"\.LBB\d+_\d+", line):
            if line.startswith("\t") and target in labels:
                inside = [l.split("//")[0].split("#")[0].strip() for l in lines[labels[target]:number + 1] if l.startswith("\t")]
                inside = [l for l in inside if l and not l.startswith(".")]
                if sum(bool(PRODUCTS.search(l)) for l in inside) > sum(bool(PRODUCTS.search(l)) for l in best):
                    best = inside
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernels", help="the tenon-kernels binary")
    parser.add_argument("--variant", default="neon")
    parser.add_argument("--formats", default=",".join(GROUP_BYTES))
    o = parser.parse_args()
    print("| format | rows | instructions a group | products | loads and prefetches | stack | instructions a weight byte |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in o.formats.split(","):
        assembly = subprocess.run([o.kernels, f"--variant={o.variant}", f"--format={name}", f"--k={COLUMNS}"], check=True,
                                  capture_output=True, text=True).stdout
        for rows in sorted({int(r) for r in re.findall(rf"^stream_{name}_k{COLUMNS}_r(\d+):", assembly, re.M)}):
            loop = loopOf(function(assembly, f"stream_{name}_k{COLUMNS}_r{rows}"))
            products = sum(bool(PRODUCTS.search(l)) for l in loop)
            loads = sum(bool(LOADS.search(l)) for l in loop)
            stack = sum("[sp" in l or "(%rsp)" in l for l in loop)
            print(f"| {name} | {rows} | {len(loop)} | {products} | {loads} | {stack} | {len(loop) / GROUP_BYTES[name]:.2f} |")


if __name__ == "__main__":
    main()
