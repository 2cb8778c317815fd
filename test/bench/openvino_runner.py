# SPDX-License-Identifier: Apache-2.0
"""One measurement of OpenVINO GenAI on the same GGUF file. Prints one JSON object, or {"unsupported": why}."""

import argparse
import json
import sys
import time

import numpy as np
import openvino as ov
import openvino_genai as genai


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    o = parser.parse_args()
    begin = time.perf_counter()
    try:
        pipeline = genai.LLMPipeline(o.model, "CPU", {"INFERENCE_NUM_THREADS": o.threads, "ATTENTION_BACKEND": "SDPA"})
    except RuntimeError as error:  # Not every GGUF architecture and format is read.
        print(json.dumps({"unsupported": str(error).strip().splitlines()[-1][:200]}))
        return 0
    load_ms = (time.perf_counter() - begin) * 1e3
    config = genai.GenerationConfig()
    config.max_new_tokens = config.min_new_tokens = o.new_tokens
    config.do_sample = False
    config.ignore_eos = True
    ids = np.random.default_rng(1).integers(100, 40000, (o.sequences, o.prompt_tokens)).astype(np.int64)
    inputs = genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(np.ones_like(ids)))
    pipeline.generate(genai.TokenizedInputs(ov.Tensor(ids[:, :8].copy()), ov.Tensor(np.ones((o.sequences, 8), np.int64))), config)
    metrics = pipeline.generate(inputs, config).perf_metrics
    ttft, tpot = metrics.get_ttft().mean, metrics.get_tpot().mean
    print(json.dumps({
        "prefill_tokens_per_second": o.sequences * o.prompt_tokens / ttft * 1e3,
        "decode_tokens_per_second": o.sequences / tpot * 1e3,
        "ttft_ms": ttft, "tpot_ms": tpot, "load_ms": load_ms,
    }))
    return 0


if __name__ == "__main__":
    sys.exit(main())
