# SPDX-License-Identifier: Apache-2.0
"""One measurement of llama.cpp: prompts of N tokens for S sequences, then tokens for all of them together.

Uses llama.cpp's C interface (package llama-cpp-python), so that nothing of the Python wrapper's own loop is
measured but one call per step and a greedy choice. Prints one JSON object.
"""

import argparse
import ctypes
import json
import time

import llama_cpp.llama_cpp as llama
import numpy as np


def fill(batch, entries):
    """entries: (token, position, sequence, wants logits)."""
    batch.n_tokens = len(entries)
    for i, (token, position, sequence, logits) in enumerate(entries):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, logits
        batch.seq_id[i][0] = sequence


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flash-attention", action="store_true")
    o = parser.parse_args()

    silent = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(silent, None)
    llama.llama_backend_init()
    begin = time.perf_counter()
    model = llama.llama_model_load_from_file(o.model.encode(), llama.llama_model_default_params())
    params = llama.llama_context_default_params()
    params.n_ctx = (o.prompt_tokens + o.new_tokens) * o.sequences
    params.n_seq_max = o.sequences
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = o.threads
    params.flash_attn_type = (llama.LLAMA_FLASH_ATTN_TYPE_ENABLED if o.flash_attention
                              else llama.LLAMA_FLASH_ATTN_TYPE_DISABLED)
    context = llama.llama_init_from_model(model, params)
    load_ms = (time.perf_counter() - begin) * 1e3
    vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    batch = llama.llama_batch_init(512, 0, 1)
    rng = np.random.default_rng(1)
    prompts = rng.integers(100, min(vocabulary, 40000), (o.sequences, o.prompt_tokens)).tolist()

    def decode(entries):
        fill(batch, entries)
        status = llama.llama_decode(context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode: {status}")

    def best(index):
        logits = llama.llama_get_logits_ith(context, index)
        return int(np.ctypeslib.as_array(ctypes.cast(logits, ctypes.POINTER(ctypes.c_float)), (vocabulary,)).argmax())

    def clear():
        llama.llama_memory_clear(llama.llama_get_memory(context), True)

    decode([(prompts[0][0], 0, 0, True)])  # Pages and threads are there before the clock starts.
    clear()
    begin = time.perf_counter()
    tokens = []
    for sequence, prompt in enumerate(prompts):
        for at in range(0, len(prompt), 512):
            chunk = prompt[at:at + 512]
            decode([(t, at + i, sequence, at + i == len(prompt) - 1) for i, t in enumerate(chunk)])
        tokens.append(best(len(chunk) - 1))
    prefill = time.perf_counter() - begin
    begin = time.perf_counter()
    for step in range(o.new_tokens - 1):
        decode([(t, o.prompt_tokens + step, sequence, True) for sequence, t in enumerate(tokens)])
        tokens = [best(i) for i in range(o.sequences)]
    generation = time.perf_counter() - begin
    print(json.dumps({
        "prefill_tokens_per_second": o.sequences * o.prompt_tokens / prefill,
        "decode_tokens_per_second": o.sequences * (o.new_tokens - 1) / generation,
        "ttft_ms": prefill * 1e3 / o.sequences, "tpot_ms": generation * 1e3 / (o.new_tokens - 1), "load_ms": load_ms,
    }))


if __name__ == "__main__":
    main()
