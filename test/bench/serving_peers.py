# SPDX-License-Identifier: Apache-2.0
"""Tenon and its peers under the same load: closed-loop clients, prompts of words, streaming.

llama-cpp-python serves over HTTP and computes one request at a time; `tenon bench serve` asks both. OpenVINO GenAI has no
HTTP server; its continuous batching is driven in process (openvino_serving.py), without the cost of HTTP.
"""

import json
import statistics
import subprocess

import serving

HERE = __file__.rsplit("/", 1)[0]
SHAPE = ["--clients", 16, "--requests", 24, "--prompt-tokens", 128, "--new-tokens", 64]
PORT = 18391


def seen_by_clients(report):
    return {"new_tokens": report["new_tokens"], "tokens_per_second": report["new_tokens_per_second"],
            "ttft_p99_ms": report["ttft_ms"]["p99"], "itl_p99_ms": report["itl_ms"]["p99"],
            "ttft_p50_ms": report["ttft_ms"]["p50"], "itl_p50_ms": report["itl_ms"]["p50"]}


def tenon(o, machine):
    with serving.tenon_server(machine, o.tenon, o.engine) as server:
        return seen_by_clients(serving.load(machine, o.tenon, server, *SHAPE, "--words"))


def llama_cpp(o, machine):
    command = [o.venv / "bin" / "python", "-m", "llama_cpp.server", "--model", o.model, "--port", PORT, "--n_ctx", 1024,
               "--n_threads", 2, "--n_threads_batch", 2, "--interrupt_requests", "False", "--verbose", "False"]

    def ready(server):
        try:
            return bool(server.get("/v1/models"))
        except OSError:
            return False

    with serving.Server(machine, command, PORT, ready) as server:
        return seen_by_clients(serving.load(machine, o.tenon, server, *SHAPE, "--words"))


def openvino(o, machine):
    command = [o.venv / "bin" / "python", f"{HERE}/openvino_serving.py", o.model, *SHAPE]
    finished = subprocess.run(machine.command(command), capture_output=True, text=True)
    if finished.returncode:
        raise SystemExit(finished.stderr[-2000:])
    return seen_by_clients(json.loads(finished.stdout.strip().splitlines()[-1]))


CONTESTANTS = {"Tenon": tenon, "llama-cpp-python[server]": llama_cpp, "OpenVINO GenAI, continuous batching": openvino}


def compare(o, machine):
    names = ["Tenon", *(o.only.split(";") if o.only else list(CONTESTANTS)[1:])]
    rounds = []
    for round in range(o.rounds):
        looks = {}
        for name in names[round % len(names):] + names[:round % len(names)]:
            looks[name] = CONTESTANTS[name](o, machine)
        rounds.append(looks)
    table = {name: {key: statistics.median(r[name][key] for r in rounds) for key in rounds[0][name]} for name in names}
    ratios = {name: {"throughput": statistics.median(r["Tenon"]["tokens_per_second"] / r[name]["tokens_per_second"] for r in rounds),
                     "ttft_p99": statistics.median(r["Tenon"]["ttft_p99_ms"] / r[name]["ttft_p99_ms"] for r in rounds),
                     "itl_p99": statistics.median(r["Tenon"]["itl_p99_ms"] / r[name]["itl_p99_ms"] for r in rounds)}
              for name in names[1:]}
    return {"load": [str(word) for word in SHAPE], "medians": table, "Tenon over": ratios}
