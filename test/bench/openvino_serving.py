# SPDX-License-Identifier: Apache-2.0
"""OpenVINO GenAI's continuous batching under a closed loop of clients, in one process without HTTP.

A client's request is added when its last one has ended; between two steps every new token is taken and its time noted. So
the figures are what a server in front could show at best. Prints one JSON object.
"""

import argparse
import json
import random
import time

import numpy as np
import openvino as ov
import openvino_genai as genai

from plain_client import percentile

# What OpenVINO's own tokenizer makes of words is not the point: ids of ordinary words.
IDS = range(100, 1100)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    for name in ("clients", "requests", "prompt-tokens", "new-tokens"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache-gib", type=int, default=1)
    o = parser.parse_args()

    scheduler = genai.SchedulerConfig()
    scheduler.enable_prefix_caching = False
    scheduler.max_num_seqs = o.clients
    scheduler.cache_size = o.cache_gib
    # dynamic_split_fuse and its 256 rows a step are the defaults.
    pipeline = genai.ContinuousBatchingPipeline(o.model, scheduler, "CPU", {"INFERENCE_NUM_THREADS": o.threads})
    config = genai.GenerationConfig()
    config.max_new_tokens = config.min_new_tokens = o.new_tokens
    config.do_sample, config.ignore_eos = False, True
    choose = random.Random(5)
    number = 0

    def add():
        nonlocal number
        ids = np.array([[choose.choice(IDS) for _ in range(o.prompt_tokens)]], dtype=np.int64)
        handle = pipeline.add_request(number, ov.Tensor(ids), config)
        number += 1
        return {"handle": handle, "began": time.perf_counter(), "times": [], "tokens": 0}

    def run(requests):
        done, running = [], [add() for _ in range(min(o.clients, requests))]
        asked = len(running)
        while running:
            pipeline.step()
            now = time.perf_counter()
            for request in list(running):
                handle = request["handle"]
                while handle.can_read():
                    for output in handle.read().values():
                        request["tokens"] += len(output.generated_ids)
                        request["times"].append(now - request["began"])
                if request["tokens"] >= o.new_tokens:
                    running.remove(request)
                    done.append(request)
                    if asked < requests:
                        asked += 1
                        running.append(add())
        return done

    run(o.clients)  # Compiles kernels for these shapes.
    began = time.perf_counter()
    done = run(o.requests)
    seconds = time.perf_counter() - began
    series = {"ttft_ms": [r["times"][0] for r in done],
              "itl_ms": [b - a for r in done for a, b in zip(r["times"], r["times"][1:])]}
    tokens = sum(r["tokens"] for r in done)
    print(json.dumps({"new_tokens": tokens, "seconds": seconds, "new_tokens_per_second": tokens / seconds} |
                     {name: {f"p{s}": percentile(v, s / 100) * 1e3 for s in (50, 90, 99)} for name, v in series.items()}))


if __name__ == "__main__":
    main()
