#!/usr/bin/env python3
"""Compares Tenon's tokenizer with Hugging Face's `tokenizers`, id by id and text by text.

    tokenizer_oracle.py --probe BIN                    against the stored references (standard library only)
    tokenizer_oracle.py --probe BIN --live [--seed S --count N]     against `tokenizers` itself, on other strings
    tokenizer_oracle.py --remake                       writes the stored references

The models are found in $TENON_MODELS (default build/models). Exit code 77: a model is not there.
--live and --remake need the packages transformers, tokenizers and gguf.
"""
import argparse
import json
import lzma
import os
import pathlib
import random
import struct
import subprocess
import sys

import tokenizer_texts

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
GEMMA3 = "gemma-3-270m-q4_k_m.gguf"
# name: (file, options of the probe, strings stored)
CASES = {
    "smollm2": (SMOLLM2, [], 10000),
    "gemma3": (GEMMA3, ["--add-special"], 10000),
    "smollm2-untrusted": (SMOLLM2, ["--no-parse-special"], 1500),
    "gemma3-untrusted": (GEMMA3, ["--no-parse-special"], 1500),
    "gemma3-space-prefix": (GEMMA3, ["--space-prefix"], 1500),
    "smollm2-gpt-2": (SMOLLM2, ["--pre", "gpt-2"], 1500),
    "smollm2-llama-bpe": (SMOLLM2, ["--pre", "llama-bpe"], 1500),
    "smollm2-qwen2": (SMOLLM2, ["--pre", "qwen2"], 1500),
}
REFERENCES = pathlib.Path(__file__).parent / "references"
MODELS = pathlib.Path(os.environ.get("TENON_MODELS", "build/models"))


def hugging_face(case):
    """The reference tokenizer of a case, and its added tokens."""
    from transformers import AutoTokenizer
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    file = CASES[case][0]
    tokenizer = AutoTokenizer.from_pretrained(str(MODELS), gguf_file=file).backend_tokenizer
    if case in ("smollm2", "smollm2-untrusted"):
        # As in the model's tokenizer.json; the conversion from GGUF does not set digits apart.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ])
    if case in ("smollm2-llama-bpe", "smollm2-qwen2"):
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[case.removeprefix("smollm2-")]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])
    if case == "smollm2-llama-bpe":
        tokenizer.model.ignore_merges = True  # As in Llama 3's tokenizer.json.
    if case == "gemma3-space-prefix":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence([
            decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.encode_special_tokens = case.endswith("-untrusted")
    return tokenizer, [t.content for t in tokenizer.get_added_tokens_decoder().values()]


def reference(case, seed, count):
    """[{"text" or "bytes", "ids", "decoded", "decoded_skipping"}] and [{"ids", "decoded", "decoded_skipping"}]."""
    tokenizer, specials = hugging_face(case)
    special_size = tokenizer.get_vocab_size()
    rng = random.Random(seed)
    pieces = [tokenizer.decode([rng.randrange(special_size)], skip_special_tokens=False) for _ in range(4000)]
    add = "--add-special" in CASES[case][1]
    encoded = []
    inputs = tokenizer_texts.texts(seed, count, pieces, specials)
    inputs += tokenizer_texts.broken_utf8(seed, count // 50)
    for text in inputs:
        item = {"text": text} if isinstance(text, str) else {"bytes": text.hex()}
        string = text if isinstance(text, str) else text.decode("utf-8", "replace")
        item["ids"] = tokenizer.encode(string, add_special_tokens=add).ids
        item["decoded"] = tokenizer.decode(item["ids"], skip_special_tokens=False)
        item["decoded_skipping"] = tokenizer.decode(item["ids"], skip_special_tokens=True)
        encoded.append(item)
    decoded = []
    for _ in range(count // 10):  # Ids that no text gives: half-finished characters, stray bytes.
        low = rng.choice([0, 200, 230])
        ids = [rng.randrange(low, rng.choice([300, 520, special_size])) for _ in range(rng.randint(1, 12))]
        decoded.append({"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                        "decoded_skipping": tokenizer.decode(ids, skip_special_tokens=True)})
    return {"encode": encoded, "decode": decoded}


def store(case, data):
    """One JSON value per line; a decoded text equal to the string is left out."""
    lines = []
    for item in data["encode"]:
        line = {k: v for k, v in item.items() if k in ("text", "bytes", "ids")}
        line |= {k: item[k] for k in ("decoded", "decoded_skipping") if item[k] != item.get("text")}
        lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
    lines += [json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in data["decode"]]
    path = REFERENCES / f"tokenizer-{case}.jsonl.xz"
    path.write_bytes(lzma.compress("\n".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{path.name}: {len(data['encode'])} strings, {len(data['decode'])} id lists, {path.stat().st_size} bytes")


def stored(case):
    data = {"encode": [], "decode": []}
    for line in lzma.decompress((REFERENCES / f"tokenizer-{case}.jsonl.xz").read_bytes()).decode().split("\n"):
        item = json.loads(line)
        if "text" in item or "bytes" in item:
            item.setdefault("decoded", item.get("text"))
            item.setdefault("decoded_skipping", item.get("text"))
            data["encode"].append(item)
        else:
            data["decode"].append(item)
    return data


def probe(binary, case, inputs, extra):
    """[(ids, decoded, decoded_skipping)] of Tenon."""
    file, options, _ = CASES[case]
    stdin = b"".join(struct.pack("<I", len(b)) + b for b in inputs)
    run = subprocess.run([binary, str(MODELS / file), *options, *extra], input=stdin, capture_output=True)
    if run.returncode != 0:
        sys.exit(f"{case}: the probe failed: {run.stderr.decode()}")
    out, at, results = run.stdout, 0, []

    def number():
        nonlocal at
        at += 4
        return struct.unpack_from("<I", out, at - 4)[0]

    def text():
        nonlocal at
        size = number()
        at += size
        return out[at - size:at].decode()

    while at < len(out):
        count = number()
        ids = list(struct.unpack_from(f"<{count}i", out, at))
        at += 4 * count
        results.append((ids, text(), text()))
    return results, run.stderr.decode()


def compare(binary, case, data):
    """The number of differences; the first few are shown."""
    inputs = [bytes.fromhex(i["bytes"]) if "bytes" in i else i["text"].encode() for i in data["encode"]]
    results, timing = probe(binary, case, inputs, [])
    lists, _ = probe(binary, case, [struct.pack(f"<{len(i['ids'])}i", *i["ids"]) for i in data["decode"]], ["--decode"])
    wrong = 0
    for item, (ids, decoded, skipping) in zip(data["encode"] + data["decode"], results + lists, strict=True):
        want = (item["ids"], item["decoded"], item["decoded_skipping"])
        if (ids, decoded, skipping) != want:
            wrong += 1
            if wrong <= 5:
                print(f"{case}: {item.get('text', item.get('bytes'))!r}\n  wanted {want}\n  found  {(ids, decoded, skipping)}")
    print(f"{case}: {len(results)} strings and {len(lists)} id lists compared, {wrong} differ; {' '.join(timing.split())}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", help="the tokenizer-probe binary")
    parser.add_argument("--case", action="append", choices=list(CASES), help="only these (default: all)")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--remake", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="strings per case (default: as many as are stored)")
    args = parser.parse_args()
    wrong = 0
    for case in args.case or CASES:
        file, _, count = CASES[case]
        if not (MODELS / file).exists():
            print(f"SKIPPED: {case} needs {file} in {MODELS} (set TENON_MODELS)")
            sys.exit(77)
        if args.remake:
            store(case, reference(case, args.seed, args.count or count))
        else:
            data = reference(case, args.seed, args.count or count) if args.live else stored(case)
            wrong += compare(args.probe, case, data)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
