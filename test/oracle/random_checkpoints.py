# SPDX-License-Identifier: Apache-2.0
"""Small random checkpoints, and the logits that transformers gives for them.

    python random_checkpoints.py [NAME ...]   makes references/random/NAME.npz (needs torch, transformers)

`write_gguf` writes a checkpoint as converters do (q and k rows permuted for interleaved rotary pairs in
Llama files, 1 + w norms in Gemma files); the tests call it, so that only logits are stored. An archive has
`ids` [n], `logits` [n, vocabulary] f32 (fp32 arithmetic on the weights as stored) and `sha256` of the GGUF
file it was made from. The sizes are odd on purpose: 3 KV heads, head sizes that are no power of two, row
counts that fill no panel.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

HERE = Path(__file__).parent
TARGET = HERE / "references" / "random"
Q = gguf.GGMLQuantizationType
TEXT = (HERE / "text" / "notes.txt").read_bytes()[:150].decode()  # One sequence of each checkpoint.

# K of every quantised matrix must be a multiple of 32 (256 for the K formats).
LLAMA = {"arch": "llama", "layers": 2, "hidden": 96, "feed_forward": 224, "heads": 6, "kv_heads": 3, "head_dim": 16,
         "vocabulary": 320, "context": 256, "tied": True, "rope": {}, "format": Q.BF16, "seed": 1}
K_SIZES = {"hidden": 256, "feed_forward": 512, "heads": 4, "kv_heads": 2, "head_dim": 64}
CHECKPOINTS = {
    "llama-head80-tied": LLAMA | {"head_dim": 80, "feed_forward": 160},
    "llama-head80-untied": LLAMA | {"heads": 3, "head_dim": 80, "hidden": 144, "tied": False, "vocabulary": 301, "seed": 2},
    "llama-head80-q4_0": LLAMA | {"head_dim": 80, "format": Q.Q4_0, "seed": 16},
    "llama-rope-llama3": LLAMA | {"rope": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                           "high_freq_factor": 4.0, "original_max_position_embeddings": 32}, "seed": 3},
    "llama-rope-linear": LLAMA | {"rope": {"rope_type": "linear", "factor": 4.0}, "seed": 4},
    "llama-f32": LLAMA | {"format": Q.F32, "tied": False, "seed": 5},
    "llama-f16": LLAMA | {"format": Q.F16, "seed": 6},
    "llama-q8_0": LLAMA | {"format": Q.Q8_0, "seed": 7},
    "llama-q4_0": LLAMA | {"format": Q.Q4_0, "seed": 8},
    "llama-q4_1": LLAMA | {"format": Q.Q4_1, "seed": 9},
    "llama-q5_0": LLAMA | {"format": Q.Q5_0, "seed": 10},
    "llama-q5_1": LLAMA | {"format": Q.Q5_1, "tied": False, "seed": 11},
    "llama-q4_k": LLAMA | K_SIZES | {"format": Q.Q4_K, "seed": 13},
    "llama-q5_k": LLAMA | K_SIZES | {"format": Q.Q5_K, "tied": False, "seed": 14},
    "llama-q6_k": LLAMA | K_SIZES | {"format": Q.Q6_K, "seed": 15},
    "gemma3-window": {"arch": "gemma3", "layers": 7, "hidden": 96, "feed_forward": 160, "heads": 4, "kv_heads": 2,
                      "head_dim": 48, "vocabulary": 320, "context": 256, "tied": True, "rope": {}, "window": 24,
                      "format": Q.BF16, "seed": 12},
}


def byte_vocabulary(size):
    """GPT-2's byte alphabet, then invented two-byte tokens; merges make each of those reachable."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = [chr(b) for b in visible] + [chr(256 + i) for i in range(256 - len(visible))]
    merges = [(alphabet[i], alphabet[j]) for i in range(32, 64) for j in range(64, 80)][:size - 256 - 2]
    tokens = ["<s>", "</s>"] + alphabet + ["".join(m) for m in merges]
    return tokens, [" ".join(m) for m in merges]


def random_weights(spec):
    """GGUF tensor name -> f32 values [rows, columns]; scaled so that logits differ by a few units."""
    rng = np.random.default_rng(spec["seed"])
    hidden, ff, head = spec["hidden"], spec["feed_forward"], spec["head_dim"]
    gemma = spec["arch"] == "gemma3"

    def matrix(rows, columns, gain=1.0):
        return (rng.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)

    def norm(size):
        return (1 + 0.2 * rng.standard_normal(size)).astype(np.float32)

    weights = {"token_embd.weight": matrix(spec["vocabulary"], hidden, 2.0), "output_norm.weight": norm(hidden)}
    if not spec["tied"]:
        weights["output.weight"] = matrix(spec["vocabulary"], hidden, 2.0)
    for layer in range(spec["layers"]):
        part = {
            "attn_norm": norm(hidden), "ffn_norm": norm(hidden),
            "attn_q": matrix(spec["heads"] * head, hidden, 2.0), "attn_k": matrix(spec["kv_heads"] * head, hidden, 2.0),
            "attn_v": matrix(spec["kv_heads"] * head, hidden), "attn_output": matrix(hidden, spec["heads"] * head),
            "ffn_gate": matrix(ff, hidden), "ffn_up": matrix(ff, hidden), "ffn_down": matrix(hidden, ff),
        }
        if gemma:
            part |= {"attn_q_norm": norm(head), "attn_k_norm": norm(head),
                     "post_attention_norm": norm(hidden), "post_ffw_norm": norm(hidden)}
        weights |= {f"blk.{layer}.{name}.weight": values for name, values in part.items()}
    return weights


# Bytes of a block of 256, where its f16 scales lie, and their ratios (dmin's centres the values).
K_BLOCKS = {Q.Q4_K: (144, 0, (1, 7.5)), Q.Q5_K: (176, 0, (1, 15.5)), Q.Q6_K: (210, 208, (1,))}


def random_k_blocks(values, kind, rng):
    """Blocks of random bits, with the f16 scales set so that weights deviate as much as `values` do.

    The `gguf` package reads the K formats and does not write them; any bits are valid blocks."""
    size, at, ratios = K_BLOCKS[kind]
    blocks = rng.integers(0, 256, (values.size // 256, size), dtype=np.uint8)
    factors = np.array(ratios, np.float16) * np.float16(2 ** -10)
    blocks[:, at:at + 2 * len(ratios)] = factors.view(np.uint8)
    deviation = gguf.dequantize(blocks, kind).std()
    blocks[:, at:at + 2 * len(ratios)] = (factors * (values.std() / deviation)).astype(np.float16).view(np.uint8)
    return blocks.reshape(len(values), -1)


def llama3_factors(rope, head_dim, base):
    """The divisors of the rotary frequencies that converters store as rope_freqs.weight (Llama 3.1's formula)."""
    frequencies = 1.0 / base ** (np.arange(0, head_dim, 2) / head_dim)
    wavelengths = 2 * np.pi / frequencies
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    smooth = (rope["original_max_position_embeddings"] / wavelengths - rope["low_freq_factor"]) \
        / (rope["high_freq_factor"] - rope["low_freq_factor"])
    between = 1 / ((1 - smooth) / rope["factor"] + smooth)
    return np.where(wavelengths < high, 1.0, np.where(wavelengths > low, rope["factor"], between)).astype(np.float32)


def write_gguf(path, name, spec):
    writer = gguf.GGUFWriter(path, spec["arch"])
    writer.add_name(name)
    writer.add_context_length(spec["context"])
    writer.add_embedding_length(spec["hidden"])
    writer.add_block_count(spec["layers"])
    writer.add_feed_forward_length(spec["feed_forward"])
    writer.add_head_count(spec["heads"])
    writer.add_head_count_kv(spec["kv_heads"])
    writer.add_key_length(spec["head_dim"])
    writer.add_value_length(spec["head_dim"])
    writer.add_layer_norm_rms_eps(1e-5)
    base = 1000000.0 if spec["arch"] == "gemma3" else 10000.0
    writer.add_rope_freq_base(base)
    if spec["arch"] == "gemma3":
        writer.add_sliding_window(spec["window"])
    else:
        writer.add_rope_dimension_count(spec["head_dim"])
        writer.add_vocab_size(spec["vocabulary"])
    if spec["rope"].get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(spec["rope"]["factor"])
    tokens, merges = byte_vocabulary(spec["vocabulary"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(tokens) - 2))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)
    rng = np.random.default_rng(spec["seed"] + 500)
    for tensor, values in random_weights(spec).items():
        kind = spec["format"] if values.ndim == 2 else Q.F32
        if kind in K_BLOCKS:
            writer.add_tensor(tensor, random_k_blocks(values, kind, rng), raw_dtype=kind)
        elif kind in (Q.F32, Q.F16):
            writer.add_tensor(tensor, values.astype(np.float16 if kind == Q.F16 else np.float32))
        else:
            writer.add_tensor(tensor, gguf.quantize(values, kind), raw_dtype=kind)
    if spec["rope"].get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(spec["rope"], spec["head_dim"], base))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def reference(path, spec):
    """(ids, logits) of TEXT by transformers."""
    import torch
    from gguf_model import load
    from gguf_tokenizer import encoder_of

    model, _ = load(path)
    if spec["rope"]:
        check_rope(model, spec["rope"])
    ids = encoder_of(path)(TEXT)
    with torch.no_grad():
        return np.array(ids, np.int32), model(torch.tensor([ids])).logits[0].numpy()


def check_rope(model, rope):
    """The file's way of storing a rope scaling must give what transformers computes from config.json."""
    import torch
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = model.config
    config.rope_parameters = rope | {"rope_theta": 10000.0}
    expected, _ = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, "cpu")
    torch.testing.assert_close(model.model.rotary_emb.inv_freq, expected, rtol=1e-5, atol=0)


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or CHECKPOINTS:
            path = Path(folder) / f"{name}.gguf"
            write_gguf(path, name, CHECKPOINTS[name])
            ids, logits = reference(path, CHECKPOINTS[name])
            np.savez_compressed(TARGET / f"{name}.npz", ids=ids, logits=logits, sha256=sha256(path))
            print(f"{name}: {path.stat().st_size} bytes, {len(ids)} positions, logits' deviation {logits.std():.3f}, "
                  f"archive {(TARGET / (name + '.npz')).stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
