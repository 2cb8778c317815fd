#!/usr/bin/env python3
"""Writes data/blocks.bin: random blocks of every format with their values by the `gguf` package.

Needs: pip install gguf numpy. Per format: 16-byte name, u32 stored bytes, u32 values, then the
stored bytes and the values as f32, little endian.
"""
import pathlib
import struct

import gguf
import numpy as np

VALUES = 512
FORMATS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
# Byte offsets of f16 fields inside a block: they must be finite, everything else is any bits.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def finite_halves(rng, count):
    halves = rng.standard_normal(count).astype(np.float16)
    halves[::7] = np.float16(3e-6)  # subnormal
    halves[::11] = 0
    return halves


def main():
    rng = np.random.default_rng(20240229)
    out = bytearray()
    for name in FORMATS:
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        count = VALUES // values
        if name == "F32":
            stored = rng.standard_normal(VALUES).astype(np.float32).view(np.uint8)
        elif name == "F16":
            stored = finite_halves(rng, VALUES).view(np.uint8)
        elif name == "BF16":
            stored = (rng.standard_normal(VALUES).astype(np.float32).view(np.uint32) >> 16).astype(
                np.uint16).view(np.uint8)
        else:
            blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
            for at in HALVES[name]:
                blocks[:, at:at + 2] = finite_halves(rng, count).view(np.uint8).reshape(count, 2)
            stored = blocks.reshape(-1)
        expected = gguf.dequantize(stored.reshape(1, -1), kind).astype(np.float32).reshape(-1)
        assert expected.size == VALUES and np.isfinite(expected).all()
        out += name.lower().encode().ljust(16, b"\0")
        out += struct.pack("<II", stored.size, VALUES)
        out += stored.tobytes() + expected.tobytes()
    path = pathlib.Path(__file__).parent / "data" / "blocks.bin"
    path.write_bytes(out)


if __name__ == "__main__":
    main()
