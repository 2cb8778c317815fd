# SPDX-License-Identifier: Apache-2.0
"""Measures Tenon in the cells asked for: `tenon bench` once for each number of sequences. Prints one JSON object."""

import argparse
import json
import subprocess
import sys

import cells


def measure(o, sequences, lengths):
    prompts = [n for n in lengths if n] or [1]
    command = [o.tenon, "bench", o.engine, "--sequences", sequences, "--prompt-tokens", ",".join(map(str, prompts)),
               "--context", ",".join(map(str, lengths)), "--new-tokens", o.new_tokens, "--threads", o.threads,
               "--repeat", 1, "--launches", "none", "--no-limits", "--json"]
    if o.variant:
        command += ["--variant", o.variant]
    finished = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if finished.returncode != 0:
        sys.exit(finished.stderr.strip())
    return json.loads(finished.stdout)["rows"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tenon", help="the binary")
    parser.add_argument("engine")
    parser.add_argument("--cells", type=cells.parse, required=True)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variant")
    o = parser.parse_args()
    results = {}
    for sequences in sorted({sequences for sequences, _ in o.cells}):
        lengths = [tokens for s, tokens in o.cells if s == sequences]
        rows = measure(o, sequences, lengths)
        for tokens in lengths:
            decode = next(r for r in rows if r["context_tokens"] == tokens)
            prefill = next((r for r in rows if r["prompt_tokens"] == tokens), {"prefill_ms": 0})
            results[sequences, tokens] = cells.figures(sequences, tokens, o.new_tokens, prefill["prefill_ms"] * 1e-3,
                                                       decode["decode_ms"] * 1e-3)
    print(json.dumps({"cells": [results[cell] for cell in o.cells]}))


if __name__ == "__main__":
    main()
