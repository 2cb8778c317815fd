# SPDX-License-Identifier: Apache-2.0
"""Writes checkpoints of known geometries with random Q4_0 weights, for speed and memory.

As GGUF every contestant reads the same file; its tokenizer is that of a given GGUF file, padded to the geometry's
vocabulary. As config.json only Tenon reads it, with weights made at load (tenon-compile --random-weights).
"""

import argparse
import json
from pathlib import Path

GEOMETRIES = {
    # The shapes of Llama 3.2 1B and Llama 3.1 8B.
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
           "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "tie_word_embeddings": True},
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256, "tie_word_embeddings": False},
}
COMMON = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 16384,
          "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2}
DEVIATION = 0.02
BLOCK_VALUES, BLOCK_BYTES = 32, 18  # Q4_0: an f16 scale and 32 values of 4 bits.


def config(name):
    return COMMON | GEOMETRIES[name]


def tensors(name):
    """(tensor name, [rows, columns]) of every matrix and (tensor name, [columns]) of every norm, in order of use."""
    g = GEOMETRIES[name]
    hidden, inner = g["hidden_size"], g["intermediate_size"]
    queries, keys = g["num_attention_heads"] * g["head_dim"], g["num_key_value_heads"] * g["head_dim"]
    yield "token_embd.weight", [g["vocab_size"], hidden]
    for layer in range(g["num_hidden_layers"]):
        for tensor, shape in (("attn_norm", [hidden]), ("attn_q", [queries, hidden]), ("attn_k", [keys, hidden]),
                              ("attn_v", [keys, hidden]), ("attn_output", [hidden, queries]), ("ffn_norm", [hidden]),
                              ("ffn_gate", [inner, hidden]), ("ffn_up", [inner, hidden]), ("ffn_down", [hidden, inner])):
            yield f"blk.{layer}.{tensor}.weight", shape
    yield "output_norm.weight", [hidden]
    if not g["tie_word_embeddings"]:
        yield "output.weight", [g["vocab_size"], hidden]


def randomBlocks(random, rows, columns):
    """[rows, columns / 32 * 18] bytes of Q4_0 whose values have mean about 0 and DEVIATION."""
    import numpy as np

    blocks = random.integers(0, 256, (rows * columns // BLOCK_VALUES, BLOCK_BYTES), dtype=np.uint8)
    # Nibbles are 0 .. 15, read as n - 8: their deviation is sqrt((16^2 - 1) / 12). The sign of the scale alternates, so
    # that the mean of -0.5 cancels.
    scale = DEVIATION / ((16 ** 2 - 1) / 12) ** 0.5
    scales = np.where(np.arange(len(blocks)) % 2, -scale, scale).astype("<f2")
    blocks[:, :2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, columns // BLOCK_VALUES * BLOCK_BYTES)


def addTokenizer(writer, source, vocabulary):
    import gguf

    fields = gguf.GGUFReader(source).fields
    read = lambda key: fields[f"tokenizer.ggml.{key}"].contents() if f"tokenizer.ggml.{key}" in fields else None
    tokens = read("tokens")[:vocabulary]
    kinds = (read("token_type") or [1] * len(tokens))[:vocabulary]
    padding = vocabulary - len(tokens)
    writer.add_tokenizer_model(read("model"))
    if read("pre"):
        writer.add_tokenizer_pre(read("pre"))
    writer.add_token_list(tokens + [f"<|unused_{i}|>" for i in range(padding)])
    writer.add_token_types(kinds + [int(gguf.TokenType.UNUSED)] * padding)
    if read("merges"):
        writer.add_token_merges(read("merges"))
    for key, add in (("bos_token_id", writer.add_bos_token_id), ("eos_token_id", writer.add_eos_token_id)):
        if read(key) is not None:
            add(read(key))


def writeGguf(name, path, tokenizer, seed):
    import gguf
    import numpy as np

    g = GEOMETRIES[name]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"Llama geometry {name}, random weights")
    writer.add_block_count(g["num_hidden_layers"])
    writer.add_context_length(COMMON["max_position_embeddings"])
    writer.add_embedding_length(g["hidden_size"])
    writer.add_feed_forward_length(g["intermediate_size"])
    writer.add_head_count(g["num_attention_heads"])
    writer.add_head_count_kv(g["num_key_value_heads"])
    writer.add_key_length(g["head_dim"])
    writer.add_value_length(g["head_dim"])
    writer.add_rope_dimension_count(g["head_dim"])
    writer.add_rope_freq_base(COMMON["rope_theta"])
    writer.add_layer_norm_rms_eps(COMMON["rms_norm_eps"])
    writer.add_vocab_size(g["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    addTokenizer(writer, tokenizer, g["vocab_size"])
    # The directory first, then one tensor at a time: memory stays at the largest tensor's.
    q4, f32 = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.F32
    for tensor, shape in tensors(name):
        if len(shape) == 1:
            writer.add_tensor_info(tensor, shape, np.dtype(np.float32), 4 * shape[0], f32)
        else:
            blocks = [shape[0], shape[1] // BLOCK_VALUES * BLOCK_BYTES]
            writer.add_tensor_info(tensor, blocks, np.dtype(np.uint8), blocks[0] * blocks[1], q4)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(seed)
    for tensor, shape in tensors(name):
        writer.write_tensor_data(np.ones(shape, np.float32) if len(shape) == 1 else randomBlocks(random, *shape))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(GEOMETRIES))
    parser.add_argument("-o", "--output", type=Path, required=True, help="FILE.gguf, or a folder for config.json")
    parser.add_argument("--tokenizer", type=Path, help="GGUF file whose tokenizer is taken")
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    if o.output.suffix == ".gguf":
        if not o.tokenizer:
            parser.error("a GGUF file needs --tokenizer FILE.gguf")
        writeGguf(o.name, o.output, o.tokenizer, o.seed)
    else:
        o.output.mkdir(parents=True, exist_ok=True)
        (o.output / "config.json").write_text(json.dumps(config(o.name), indent=2) + "\n")


if __name__ == "__main__":
    main()
