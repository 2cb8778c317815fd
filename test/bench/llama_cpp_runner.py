# SPDX-License-Identifier: Apache-2.0
"""Measures llama.cpp in the cells asked for, in one process that loads the model once. Prints one JSON object.

Uses llama.cpp's C interface (package llama-cpp-python), so that nothing of the Python wrapper's own loop is
measured but one call per step and a greedy choice.
"""

import argparse
import ctypes
import json
import sys
import time

import llama_cpp.llama_cpp as llama
import numpy as np

import cells

CHUNK = 512  # Rows that llama.cpp computes at once, its default.


class Model:
    def __init__(self, path, threads, flash_attention):
        llama.llama_backend_init()
        self.threads, self.flash_attention = threads, flash_attention
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"{path}: llama.cpp cannot load it")
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))

    def open(self, sequences, positions):
        """A context whose cache holds `positions` for each sequence."""
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_seq_max = positions * sequences, sequences
        params.n_batch = params.n_ubatch = CHUNK
        params.n_threads = params.n_threads_batch = self.threads
        params.flash_attn_type = (llama.LLAMA_FLASH_ATTN_TYPE_ENABLED if self.flash_attention
                                  else llama.LLAMA_FLASH_ATTN_TYPE_DISABLED)
        context = llama.llama_init_from_model(self.model, params)
        if not context:
            raise SystemExit(f"llama.cpp makes no context of {sequences} x {positions} positions")
        return context


def measure(model, sequences, tokens, new_tokens):
    prompts = cells.prompts(sequences, tokens, model.vocabulary).tolist()
    context = model.open(sequences, len(prompts[0]) + new_tokens + 8)
    batch = llama.llama_batch_init(CHUNK, 0, 1)

    def decode(entries):
        """entries: (token, position, sequence, wants logits)."""
        batch.n_tokens = len(entries)
        for i, (token, position, sequence, logits) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, logits
            batch.seq_id[i][0] = sequence
        status = llama.llama_decode(context, batch)
        if status != 0:
            raise SystemExit(f"llama_decode: {status}")

    def best(index):
        logits = ctypes.cast(llama.llama_get_logits_ith(context, index), ctypes.POINTER(ctypes.c_float))
        return int(np.ctypeslib.as_array(logits, (model.vocabulary,)).argmax())

    decode([(prompts[0][0], 0, 0, True)])  # Pages and threads are there before the clock starts.
    llama.llama_memory_clear(llama.llama_get_memory(context), True)
    begin = time.perf_counter()
    drawn = []
    for sequence, prompt in enumerate(prompts):
        for at in range(0, len(prompt), CHUNK):
            chunk = prompt[at:at + CHUNK]
            decode([(t, at + i, sequence, at + i == len(prompt) - 1) for i, t in enumerate(chunk)])
        drawn.append(best(len(chunk) - 1))
    filled = time.perf_counter()
    for step in range(new_tokens):
        decode([(t, len(prompts[0]) + step, sequence, True) for sequence, t in enumerate(drawn)])
        drawn = [best(i) for i in range(sequences)]
    ended = time.perf_counter()
    llama.llama_batch_free(batch)
    llama.llama_free(context)
    return cells.figures(sequences, tokens, new_tokens, filled - begin, ended - filled)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--cells", type=cells.parse, required=True)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flash-attention", action="store_true")
    parser.add_argument("--without", help="refuse a llama.cpp that was built with this instruction set, such as AVX512")
    o = parser.parse_args()
    silent = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(silent, None)
    built = llama.llama_print_system_info().decode()
    if o.without and f"{o.without} = 1" in built:
        sys.exit(f"this llama.cpp was built with {o.without}: {built}")
    begin = time.perf_counter()
    model = Model(o.model, o.threads, o.flash_attention)
    load_ms = (time.perf_counter() - begin) * 1e3
    print(json.dumps({"load_ms": load_ms, "built_for": built.strip(" |"),
                      "cells": [measure(model, *cell, o.new_tokens) for cell in o.cells]}))


if __name__ == "__main__":
    main()
