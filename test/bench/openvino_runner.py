# SPDX-License-Identifier: Apache-2.0
"""Measures OpenVINO GenAI on a GGUF file in the cells asked for, in one process that loads the model once.

Prints one JSON object, or {"unsupported": why}: not every GGUF architecture and format is read.
"""

import argparse
import json
import sys
import time

import numpy as np
import openvino as ov
import openvino_genai as genai

import cells


def openPipeline(o):
    properties = {"INFERENCE_NUM_THREADS": o.threads, "ATTENTION_BACKEND": o.backend}
    for word in o.property:
        key, value = word.split("=", 1)
        properties[key] = int(value) if value.isdigit() else value
    if o.backend == "PA":  # Continuous batching over a paged cache.
        scheduler = genai.SchedulerConfig()
        scheduler.enable_prefix_caching = False  # Repeated prompts are to be computed each time.
        scheduler.max_num_seqs = max(sequences for sequences, _ in o.cells)
        scheduler.max_num_batched_tokens = o.batched_tokens
        scheduler.cache_size = o.cache_gib
        properties["scheduler_config"] = scheduler
    return genai.LLMPipeline(o.model, "CPU", **properties)


def generate(pipeline, ids, new_tokens):
    """Seconds of the whole call, and its result."""
    config = genai.GenerationConfig()
    config.max_new_tokens = config.min_new_tokens = new_tokens
    config.do_sample = False
    config.ignore_eos = True
    inputs = genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(np.ones_like(ids)))
    begin = time.perf_counter()
    result = pipeline.generate(inputs, config)
    seconds = time.perf_counter() - begin
    if any(len(answer) != new_tokens for answer in result.tokens):
        sys.exit(f"OpenVINO generated {[len(answer) for answer in result.tokens]} tokens of {new_tokens}")
    return seconds, result


def measure(pipeline, backend, sequences, tokens, new_tokens, vocabulary=40000):
    ids = cells.prompts(sequences, tokens, vocabulary).astype(np.int64)
    generate(pipeline, ids[:, :8].copy(), 2)  # Compiles kernels for this many sequences.
    first, _ = generate(pipeline, ids, 1)
    whole, result = generate(pipeline, ids, new_tokens + 1)
    # The pipeline's own time per token is per sequence's token and not per step where there are several sequences;
    # wall-clock times mean the same everywhere. Its time to the first token is of the same call, where it can be told.
    own = result.perf_metrics.get_ttft().mean * 1e-3
    return cells.figures(sequences, tokens, new_tokens, first, whole - (own if sequences == 1 or backend == "SDPA" else first))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--cells", type=cells.parse, required=True)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backend", choices=("SDPA", "PA"), default="SDPA")
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE", help="an OpenVINO property")
    parser.add_argument("--batched-tokens", type=int, default=2048, help="rows of a step with --backend PA")
    parser.add_argument("--cache-gib", type=int, default=2, help="size of the cache with --backend PA")
    o = parser.parse_args()
    begin = time.perf_counter()
    try:
        pipeline = openPipeline(o)
    except RuntimeError as error:
        print(json.dumps({"unsupported": str(error).strip().splitlines()[-1][:200]}))
        return
    load_ms = (time.perf_counter() - begin) * 1e3
    print(json.dumps({"load_ms": load_ms,
                      "cells": [measure(pipeline, o.backend, *cell, o.new_tokens) for cell in o.cells]}))


if __name__ == "__main__":
    main()
