# SPDX-License-Identifier: Apache-2.0
"""A GGUF file as a transformers model in fp32 on the dequantised weights.

This is the reference that Tenon is held against: the same weight values, computed by an independent
implementation. Nothing here shares code with Tenon; block formats are read by the `gguf` package.
"""

import re

import gguf
import numpy as np
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

TENSOR_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LLAMA_LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
GEMMA3_LAYER = LLAMA_LAYER | {
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


class Metadata:
    """The key-value part of a GGUF file, with the architecture's prefix implied by a leading dot."""

    def __init__(self, reader):
        self.fields = reader.fields
        self.architecture = self["general.architecture"]

    def __getitem__(self, key):
        return self.fields[self.name(key)].contents()

    def get(self, key, default=None):
        return self[key] if self.name(key) in self.fields else default

    def name(self, key):
        return self.architecture + key if key.startswith(".") else key


def tensor_name(name, layer_names):
    """transformers' name of a GGUF tensor, or None for one that holds no weight."""
    if name in TENSOR_NAMES:
        return TENSOR_NAMES[name]
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    return f"model.layers.{match[1]}.{layer_names[match[2]]}.weight" if match else None


def unpermute_rotary(weight, heads):
    """[heads * headDim, K] stored for rotary pairs (2i, 2i+1) to halves (i, i + headDim/2)."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def rope_scaling(meta, reader):
    """rope_parameters of a Llama file: `llama3` factors are stored as divisors, which are put in later."""
    base = float(meta.get(".rope.freq_base", 10000.0))
    if meta.get(".rope.scaling.type") == "linear":
        return {"rope_type": "linear", "factor": float(meta[".rope.scaling.factor"]), "rope_theta": base}
    return {"rope_type": "default", "rope_theta": base}


def llama_config(meta, reader):
    return LlamaConfig(
        vocab_size=len(meta["tokenizer.ggml.tokens"]) if "tokenizer.ggml.tokens" in meta.fields else meta[".vocab_size"],
        hidden_size=meta[".embedding_length"], intermediate_size=meta[".feed_forward_length"],
        num_hidden_layers=meta[".block_count"], num_attention_heads=meta[".attention.head_count"],
        num_key_value_heads=meta[".attention.head_count_kv"],
        head_dim=meta.get(".attention.key_length", meta[".embedding_length"] // meta[".attention.head_count"]),
        max_position_embeddings=meta[".context_length"], rms_norm_eps=meta[".attention.layer_norm_rms_epsilon"],
        rope_parameters=rope_scaling(meta, reader),
        tie_word_embeddings=all(t.name != "output.weight" for t in reader.tensors))


def gemma3_config(meta, reader):
    full = {"rope_type": "default", "rope_theta": float(meta[".rope.freq_base"])}
    return Gemma3TextConfig(
        vocab_size=len(meta["tokenizer.ggml.tokens"]), hidden_size=meta[".embedding_length"],
        intermediate_size=meta[".feed_forward_length"], num_hidden_layers=meta[".block_count"],
        num_attention_heads=meta[".attention.head_count"], num_key_value_heads=meta[".attention.head_count_kv"],
        head_dim=meta[".attention.key_length"], query_pre_attn_scalar=meta[".attention.key_length"],
        max_position_embeddings=meta[".context_length"], rms_norm_eps=meta[".attention.layer_norm_rms_epsilon"],
        sliding_window=meta[".attention.sliding_window"],
        # Five layers with the window, then one without: the family's fixed pattern, which GGUF leaves out.
        layer_types=["full_attention" if (i + 1) % 6 == 0 else "sliding_attention"
                     for i in range(meta[".block_count"])],
        rope_parameters={"full_attention": full,
                         "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}},
        tie_word_embeddings=True)


def load(path):
    """Returns (model in eval mode, Metadata). Attention is the eager, plain-matrix one."""
    reader = gguf.GGUFReader(path)
    meta = Metadata(reader)
    gemma = meta.architecture == "gemma3"
    config = (gemma3_config if gemma else llama_config)(meta, reader)
    config._attn_implementation = "eager"
    names = GEMMA3_LAYER if gemma else LLAMA_LAYER
    state, factors = {}, None
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        values = values.reshape([int(n) for n in tensor.shape[::-1]])
        if tensor.name == "rope_freqs.weight":
            factors = torch.from_numpy(values)
            continue
        if gemma and tensor.name.endswith("norm.weight"):
            values = values - np.float32(1)  # GGUF stores 1 + w.
        if not gemma and tensor.name.endswith(("attn_q.weight", "attn_k.weight")):
            heads = config.num_attention_heads if "attn_q" in tensor.name else config.num_key_value_heads
            values = unpermute_rotary(values, heads)
        name = tensor_name(tensor.name, names)
        if name is None:
            raise ValueError(f"{path}: tensor {tensor.name} has no place in {meta.architecture}")
        state[name] = torch.from_numpy(np.array(values, order="C"))
    with torch.device("meta"):
        model = (Gemma3ForCausalLM if gemma else LlamaForCausalLM)(config)
    model = model.to_empty(device="cpu").float()
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    missing = model.load_state_dict(state, strict=False, assign=True)
    if missing.missing_keys or missing.unexpected_keys:
        raise ValueError(f"{path}: {missing}")
    restore_buffers(model, config)
    if factors is not None:
        model.model.rotary_emb.inv_freq /= factors
    return model.eval(), meta


def restore_buffers(model, config):
    """Buffers that are computed, not stored, and were lost with the meta device."""
    base = model.model
    base.rotary_emb = type(base.rotary_emb)(config)
    if hasattr(base.embed_tokens, "embed_scale"):
        base.embed_tokens.embed_scale = torch.tensor(config.hidden_size ** 0.5)
