#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes real_model_cases.json: the beginning of a text as transformers sees it, from test/oracle/references.

    python3 make_real_model_cases.py > real_model_cases.json
"""
import json
from pathlib import Path

import numpy as np

REFERENCES = Path(__file__).parents[3] / "oracle" / "references"
TOKENS = 16

cases = []
for name in ["SmolLM2-135M-Instruct.Q4_1", "gemma-3-270m-q4_k_m"]:
    with np.load(REFERENCES / f"{name}.npz") as found:
        cases.append({
            "model": f"{name}.gguf",
            "ids": found["rabbit-hole.ids"][: TOKENS + 1].tolist(),
            "nll": [round(float(v), 6) for v in found["rabbit-hole.nll"][:TOKENS]],
            "top": found["rabbit-hole.top_ids"][:TOKENS, 0].tolist(),
        })
print(json.dumps(cases, separators=(",", ":")).replace('},{"model"', '},\n{"model"'))
