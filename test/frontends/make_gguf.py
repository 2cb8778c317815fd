#!/usr/bin/env python3
"""Writes the GGUF corpus, test/corpus/gguf/{valid,hostile}. Needs numpy only; always writes the same bytes.

Valid files are tiny models of every recipe with random weights; hostile ones are those with one thing
wrong each, which its name says. HostileGgufTest.cpp states what the reader must answer to each.
"""
import pathlib
import struct

import numpy as np

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = {U8: "<B", I8: "<b", U16: "<H", I16: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?",
           U64: "<Q", I64: "<q", F64: "<d"}
# Tensor type number, values per block, bytes per block, offsets of f16 fields in a block.
FORMATS = {"F32": (0, 1, 4, []), "F16": (1, 1, 2, []), "Q4_0": (2, 32, 18, [0]),
           "Q4_1": (3, 32, 20, [0, 2]), "Q5_0": (6, 32, 22, [0]), "Q5_1": (7, 32, 24, [0, 2]),
           "Q8_0": (8, 32, 34, [0]), "Q4_K": (12, 256, 144, [0, 2]), "Q5_K": (13, 256, 176, [0, 2]),
           "Q6_K": (14, 256, 210, [208]), "BF16": (30, 1, 2, [])}


def string(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def value(kind, payload):
    """Bytes of a metadata value without its type; for arrays, payload is (element kind, list)."""
    if kind == STRING:
        return string(payload)
    if kind == ARRAY:
        element, items = payload
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, x) for x in items)
    return struct.pack(SCALARS[kind], payload)


def random_data(rng, name, rows, columns):
    _, per, size, halves = FORMATS[name]
    count = rows * columns // per
    if name == "F32":
        return (rng.standard_normal(count) * 0.1 + 1).astype(np.float32).tobytes()
    if name == "F16":
        return (rng.standard_normal(count) * 0.1).astype(np.float16).tobytes()
    if name == "BF16":
        bits = (rng.standard_normal(count) * 0.1).astype(np.float32).view(np.uint32) >> 16
        return bits.astype(np.uint16).tobytes()
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in halves:
        scale = (rng.standard_normal(count) * 0.01).astype(np.float16)
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(count, 2)
    return blocks.tobytes()


class Gguf:
    """A GGUF file as lists, which hostile variants change before `bytes`."""

    def __init__(self):
        self.magic, self.version = b"GGUF", 3
        self.metadata = []  # (key, type number, value bytes)
        self.tensors = []   # dicts: name, dims, type, offset, data
        self.alignment = 32
        self.metadata_count = self.tensor_count = None  # None: the truth
        self.places = {}    # filled by bytes(): name of a section to its first byte

    def put(self, key, kind, payload):
        self.metadata = [m for m in self.metadata if m[0] != key]
        self.metadata.append((key, kind, value(kind, payload)))

    def drop(self, key):
        self.metadata = [m for m in self.metadata if m[0] != key]

    def add(self, rng, name, form, *shape):
        """shape: rows, columns, or columns of a vector."""
        columns = shape[-1]
        rows = shape[0] if len(shape) == 2 else 1
        end = max([t["offset"] + len(t["data"]) for t in self.tensors], default=0)
        self.tensors.append({"name": name, "dims": list(reversed(shape)), "type": FORMATS[form][0],
                             "offset": -(-end // self.alignment) * self.alignment,
                             "data": random_data(rng, form, rows, columns)})

    def tensor(self, name):
        return next(t for t in self.tensors if t["name"] == name)

    def bytes(self):
        out = bytearray(self.magic + struct.pack("<I", self.version))
        out += struct.pack("<QQ", len(self.tensors) if self.tensor_count is None else self.tensor_count,
                           len(self.metadata) if self.metadata_count is None else self.metadata_count)
        for key, kind, raw in self.metadata:
            self.places[key] = len(out)
            out += string(key) + struct.pack("<I", kind) + raw
        for t in self.tensors:
            self.places[t["name"]] = len(out)
            out += string(t["name"]) + struct.pack("<I", len(t["dims"]))
            out += b"".join(struct.pack("<Q", d) for d in t["dims"])
            out += struct.pack("<IQ", t["type"], t["offset"])
        self.places["data"] = -(-len(out) // self.alignment) * self.alignment
        data = bytearray()
        for t in self.tensors:
            if t["offset"] < 1 << 30:
                data.extend(b"\0" * (t["offset"] - len(data)))
                data[t["offset"]:t["offset"] + len(t["data"])] = t["data"]
        if data:
            out.extend(b"\0" * (self.places["data"] - len(out)))
        return bytes(out + data)


def model(arch, layers=2, hidden=32, feed_forward=64, heads=4, kv_heads=2, head_dim=8, vocabulary=48,
          matrix="Q4_0", formats=None, tied=True, qk_norm=False, post_norms=False, window=0,
          rope_factors=False, tokens=True, seed=1):
    formats = formats or {}
    rng = np.random.default_rng(seed)
    g = Gguf()
    g.put("general.architecture", STRING, arch)
    g.put("general.name", STRING, "tiny " + arch)
    for key, number in (("block_count", layers), ("context_length", 64), ("embedding_length", hidden),
                        ("feed_forward_length", feed_forward), ("attention.head_count", heads),
                        ("attention.head_count_kv", kv_heads), ("attention.key_length", head_dim),
                        ("attention.value_length", head_dim)):
        g.put(f"{arch}.{key}", U32, number)
    g.put(f"{arch}.attention.layer_norm_rms_epsilon", F32, 1e-5)
    g.put(f"{arch}.rope.freq_base", F32, 10000.0)
    if window:
        g.put(f"{arch}.attention.sliding_window", U32, window)
    if tokens:
        g.put("tokenizer.ggml.model", STRING, "llama")
        g.put("tokenizer.ggml.tokens", ARRAY, (STRING, [f"t{i}" for i in range(vocabulary)]))
        g.put("tokenizer.ggml.scores", ARRAY, (F32, [-float(i) for i in range(vocabulary)]))
        g.put("tokenizer.ggml.token_type", ARRAY, (I32, [1] * vocabulary))
        g.put("tokenizer.ggml.bos_token_id", U32, 1)
        g.put("tokenizer.ggml.eos_token_id", U32, 2)
        g.put("tokenizer.ggml.add_bos_token", BOOL, True)
    queries, keys = heads * head_dim, kv_heads * head_dim

    def put(name, kind, *shape):
        form = formats.get(name.removesuffix(".weight"), formats.get(name.split(".")[-2], matrix))
        g.add(rng, name, form if kind else "F32", *shape)

    put("token_embd.weight", True, vocabulary, hidden)
    if rope_factors:
        put("rope_freqs.weight", False, head_dim // 2)
    for i in range(layers):
        b = f"blk.{i}."
        put(b + "attn_norm.weight", False, hidden)
        put(b + "attn_q.weight", True, queries, hidden)
        put(b + "attn_k.weight", True, keys, hidden)
        put(b + "attn_v.weight", True, keys, hidden)
        if qk_norm:
            put(b + "attn_q_norm.weight", False, head_dim)
            put(b + "attn_k_norm.weight", False, head_dim)
        put(b + "attn_output.weight", True, hidden, queries)
        if post_norms:
            put(b + "post_attention_norm.weight", False, hidden)
        put(b + "ffn_norm.weight", False, hidden)
        put(b + "ffn_gate.weight", True, feed_forward, hidden)
        put(b + "ffn_up.weight", True, feed_forward, hidden)
        put(b + "ffn_down.weight", True, hidden, feed_forward)
        if post_norms:
            put(b + "post_ffw_norm.weight", False, hidden)
    put("output_norm.weight", False, hidden)
    if not tied:
        put("output.weight", True, vocabulary, hidden)
    return g


def gemma(**kwargs):
    return model("gemma3", layers=7, qk_norm=True, post_norms=True, window=16, **kwargs)


def valid_files():
    files = {"llama-q4_0": model("llama"),
             "llama-bf16-untied": model("llama", matrix="BF16", tied=False, hidden=24, feed_forward=40,
                                        heads=3, kv_heads=1, head_dim=10, vocabulary=17, tokens=False),
             "llama-rope-factors": model("llama", rope_factors=True, matrix="Q8_0", layers=1),
             "llama-all-formats": model("llama", layers=1, hidden=256, feed_forward=256, heads=4,
                                        kv_heads=2, head_dim=64, vocabulary=32, tied=False, tokens=False,
                                        matrix="Q4_1",
                                        formats={"token_embd": "Q8_0", "attn_q": "Q5_K",
                                                 "attn_k": "Q5_0", "attn_v": "Q5_1",
                                                 "attn_output": "Q4_K", "ffn_down": "Q6_K",
                                                 "ffn_gate": "Q4_0", "output": "F16"}),
             "llama-mixed-layers": model("llama", layers=3, tokens=False,
                                         formats={"blk.1.ffn_down": "Q5_1"}),
             "gemma3": gemma(),
             "qwen3": model("qwen3", qk_norm=True, matrix="F32", layers=1)}
    files["llama-v2"] = model("llama", layers=1, tokens=False)
    files["llama-v2"].version = 2
    files["llama-aligned-64"] = g = model("llama", layers=1, tokens=False)
    g.alignment = 64
    g.put("general.alignment", U32, 64)
    at = 0
    for t in g.tensors:
        t["offset"] = at
        at = -(-(at + len(t["data"])) // 64) * 64
    files["llama-yarn"] = g = model("llama", layers=1, tokens=False)
    g.put("llama.rope.scaling.type", STRING, "yarn")
    g.put("llama.rope.scaling.factor", F32, 4.0)
    g.put("llama.rope.scaling.original_context_length", U32, 16)
    return files


def hostile_files():
    files = {}

    def change(name, edit, **kwargs):
        g = model("llama", layers=1, **kwargs)
        edit(g)
        files[name] = g.bytes()

    def patch(name, edit, **kwargs):
        """`edit` changes the finished bytes, knowing where things lie."""
        g = model("llama", layers=1, **kwargs)
        raw = bytearray(g.bytes())
        files[name] = bytes(edit(raw, g.places) or raw)

    def raw_metadata(g, key, kind, raw):
        g.metadata.append((key, kind, raw))

    def attribute(name, **fields):
        change(name, lambda g: g.__dict__.update(fields))

    def key(name, suffix, kind, payload):
        change(name, lambda g: g.put(suffix, kind, payload))

    def tensor(name, target, **fields):
        change(name, lambda g: g.tensor(target).update(fields))

    # Header
    attribute("magic", magic=b"GGML")
    attribute("version-1", version=1)
    attribute("version-99", version=99)
    attribute("big-endian", version=3 << 24)
    attribute("metadata-count-huge", metadata_count=1 << 62)
    attribute("metadata-count-lies", metadata_count=40)
    attribute("tensor-count-huge", tensor_count=(1 << 64) - 1)
    attribute("tensor-count-lies", tensor_count=12)
    files["empty"] = b""
    patch("truncated-magic", lambda raw, at: raw[:3])
    patch("truncated-header", lambda raw, at: raw[:19])

    # Metadata
    patch("truncated-key", lambda raw, at: raw[:at["tokenizer.ggml.add_bos_token"] + 12])
    patch("truncated-value", lambda raw, at: raw[:at["tokenizer.ggml.add_bos_token"] - 2])
    patch("truncated-array", lambda raw, at: raw[:at["tokenizer.ggml.scores"] - 5])
    change("key-empty", lambda g: raw_metadata(g, "", U32, b"\0\0\0\0"))

    def key_length(raw, at):
        raw[at["llama.block_count"]:at["llama.block_count"] + 8] = struct.pack("<Q", (1 << 64) - 8)
    patch("key-length-huge", key_length)
    change("key-twice", lambda g: raw_metadata(g, "llama.block_count", U32, struct.pack("<I", 1)))
    change("value-type-unknown", lambda g: raw_metadata(g, "a.b", 77, b"\0\0\0\0"))
    change("bool-two", lambda g: raw_metadata(g, "a.b", BOOL, b"\2"))
    change("string-length-huge", lambda g: raw_metadata(g, "a.b", STRING, struct.pack("<Q", 1 << 63)))
    change("string-length-lies", lambda g: raw_metadata(g, "a.b", STRING, struct.pack("<Q", 1 << 29)))
    change("array-count-huge",
           lambda g: raw_metadata(g, "a.b", ARRAY, struct.pack("<IQ", U64, (1 << 61) + 1)))
    change("array-strings-huge",
           lambda g: raw_metadata(g, "a.b", ARRAY, struct.pack("<IQ", STRING, 1 << 60)))
    change("array-element-type", lambda g: raw_metadata(g, "a.b", ARRAY, struct.pack("<IQ", 13, 1)))
    change("array-nested-deep",
           lambda g: raw_metadata(g, "a.b", ARRAY, struct.pack("<IQ", ARRAY, 1) * 9 + struct.pack("<IQ", U8, 0)))
    key("alignment-three", "general.alignment", U32, 3)
    key("alignment-zero", "general.alignment", U32, 0)
    key("alignment-text", "general.alignment", STRING, "32")

    # Tensor directory and data
    patch("truncated-directory", lambda raw, at: raw[:at["output_norm.weight"] + 20])
    patch("truncated-data", lambda raw, at: raw[:-40])
    patch("no-data", lambda raw, at: raw[:at["data"]])
    change("tensor-name-long", lambda g: g.tensor("output_norm.weight").update(name="n" * 65))
    change("tensor-name-empty", lambda g: g.tensor("output_norm.weight").update(name=""))
    change("tensor-twice", lambda g: g.tensor("blk.0.attn_k.weight").update(name="blk.0.attn_v.weight"))
    tensor("dims-none", "output_norm.weight", dims=[])
    tensor("dims-five", "output_norm.weight", dims=[32, 1, 1, 1, 1])
    tensor("dim-zero", "token_embd.weight", dims=[32, 0])
    tensor("dims-overflow", "token_embd.weight", dims=[1 << 32, 1 << 32])
    tensor("dims-wrap", "token_embd.weight", dims=[1 << 40, 1 << 24, 1 << 20])
    tensor("dims-petabytes", "token_embd.weight", dims=[32, 1 << 50])
    tensor("type-iq4_nl", "token_embd.weight", type=20)
    tensor("type-unknown", "token_embd.weight", type=4096)
    tensor("row-not-whole-blocks", "token_embd.weight", dims=[33, 48])
    tensor("offset-unaligned", "token_embd.weight", offset=8)
    tensor("offset-beyond", "output_norm.weight", offset=1 << 40)
    tensor("offset-wraps", "output_norm.weight", offset=(1 << 64) - 32)
    tensor("tensors-overlap", "blk.0.attn_norm.weight", offset=32)

    # The model
    change("architecture-missing", lambda g: g.drop("general.architecture"))
    key("architecture-type", "general.architecture", U32, 3)
    g = model("qwen2", layers=1)
    for name, width in (("q", 32), ("k", 16), ("v", 16)):
        g.add(np.random.default_rng(2), f"blk.0.attn_{name}.bias", "F32", width)
    files["architecture-qwen2"] = g.bytes()
    key("split", "split.count", U16, 4)
    change("block-count-missing", lambda g: g.drop("llama.block_count"))
    key("block-count-zero", "llama.block_count", U32, 0)
    key("block-count-huge", "llama.block_count", U64, 1 << 40)
    key("block-count-lies", "llama.block_count", U32, 2)
    key("block-count-negative", "llama.block_count", I32, -1)
    key("block-count-float", "llama.block_count", F32, 1.0)
    key("hidden-lies", "llama.embedding_length", U32, 64)
    key("heads-zero", "llama.attention.head_count", U32, 0)
    key("kv-heads-uneven", "llama.attention.head_count_kv", U32, 3)
    key("value-length-differs", "llama.attention.value_length", U32, 16)
    key("epsilon-nan", "llama.attention.layer_norm_rms_epsilon", F32, float("nan"))
    key("epsilon-large", "llama.attention.layer_norm_rms_epsilon", F32, 7.0)
    key("rotary-odd", "llama.rope.dimension_count", U32, 7)
    key("rotary-wide", "llama.rope.dimension_count", U32, 10)
    key("rope-scaling-unknown", "llama.rope.scaling.type", STRING, "longrope")

    def linear(g):
        g.put("llama.rope.scaling.type", STRING, "linear")
        g.put("llama.rope.scaling.factor", F32, 0.0)
    change("rope-factor-zero", linear)
    change("rope-factors-zero", lambda g: g.tensor("rope_freqs.weight").update(data=b"\0" * 16),
           rope_factors=True)
    key("experts", "llama.expert_count", U32, 8)
    key("key-unknown", "llama.attention.clamp_kqv", F32, 8.0)
    key("vocabulary-lies", "llama.vocab_size", U32, 49)
    change("norm-f16", lambda g: g.tensor("output_norm.weight").update(type=1))
    change("tensor-extra", lambda g: g.add(np.random.default_rng(3), "blk.0.attn_q.bias", "F32", 32))
    change("embedding-missing", lambda g: g.tensor("token_embd.weight").update(name="embd.weight"))

    # Tokenizer
    key("tokens-fewer", "tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b"]))
    key("tokens-numbers", "tokenizer.ggml.tokens", ARRAY, (U32, [1, 2]))
    key("scores-type", "tokenizer.ggml.scores", ARRAY, (F64, [1.0]))
    key("types-wide", "tokenizer.ggml.token_type", ARRAY, (U64, [1 << 40]))
    key("bos-huge", "tokenizer.ggml.bos_token_id", U64, 1 << 40)
    key("add-bos-number", "tokenizer.ggml.add_bos_token", U32, 1)
    key("template-number", "tokenizer.chat_template", U32, 1)
    return files


def main():
    root = pathlib.Path(__file__).parent.parent / "corpus" / "gguf"
    for folder, files in (("valid", {k: v.bytes() for k, v in valid_files().items()}),
                          ("hostile", hostile_files())):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (root / folder / f"{name}.gguf").write_bytes(data)


if __name__ == "__main__":
    main()
