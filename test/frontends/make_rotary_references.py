#!/usr/bin/env python3
"""Writes data/rotary.txt: inverse frequencies as `transformers` computes them. Needs transformers, torch.

One case a line: name, rotary, base, scaling type, factor, low, high, original context, scale of cosines
and sines, then the frequencies as f32 bits in hexadecimal.
"""
import pathlib

import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

CASES = [
    ("smollm2", 64, 100000.0, {"rope_type": "default"}),
    ("gemma3-global", 256, 1000000.0, {"rope_type": "default"}),
    ("odd-head", 80, 10000.0, {"rope_type": "default"}),
    ("gemma3-4b-linear", 256, 1000000.0, {"rope_type": "linear", "factor": 8.0}),
    ("llama-3.1-8b", 128, 500000.0, {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                     "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    ("llama-3.2-1b", 64, 500000.0, {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                                    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    ("yarn", 128, 10000.0, {"rope_type": "yarn", "factor": 4.0,
                            "original_max_position_embeddings": 32768}),
    ("yarn-wide", 64, 1000000.0, {"rope_type": "yarn", "factor": 16.0,
                                  "original_max_position_embeddings": 4096}),
]


def main():
    lines = []
    for name, rotary, base, scaling in CASES:
        config = LlamaConfig(hidden_size=rotary * 4, num_attention_heads=4, head_dim=rotary,
                             max_position_embeddings=131072,
                             rope_parameters={"rope_theta": base, **scaling})
        kind = scaling["rope_type"]
        if kind == "default":
            exponents = torch.arange(0, rotary, 2, dtype=torch.int64).to(dtype=torch.float) / rotary
            inverse, scale = 1.0 / (base ** exponents), 1.0
        else:
            inverse, scale = ROPE_INIT_FUNCTIONS[kind](config, None)
        bits = inverse.to(torch.float32).view(torch.int32).tolist()
        lines.append(" ".join([name, str(rotary), repr(base), kind.replace("default", "none"),
                               repr(scaling.get("factor", 1.0)), repr(scaling.get("low_freq_factor", 1.0)),
                               repr(scaling.get("high_freq_factor", 4.0)),
                               str(scaling.get("original_max_position_embeddings", 0)), repr(scale)]
                              + [f"{b & 0xffffffff:08x}" for b in bits]))
    (pathlib.Path(__file__).parent / "data" / "rotary.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
