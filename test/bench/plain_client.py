# SPDX-License-Identifier: Apache-2.0
"""A load generator without a line in common with `tenon bench serve`, to check its figures: closed loop, standard library.

Threads with blocking sockets; requests as an HTTP library makes them; events read line by line. Prints one JSON object.
"""

import argparse
import http.client
import json
import random
import threading
import time


def ask(connection, model, prompt, new_tokens):
    """(time of each event with text, tokens as the server counts them); times from the sending."""
    began = time.perf_counter()
    connection.request("POST", "/v1/completions", json.dumps({
        "model": model, "prompt": prompt, "max_tokens": new_tokens, "temperature": 0, "ignore_eos": True, "stream": True,
        "stream_options": {"include_usage": True}}), {"content-type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"status {response.status}: {response.read()[:300]}")
    times, events = [], []
    for line in response:
        now = time.perf_counter() - began
        if not line.startswith(b"data: {"):
            continue
        times.append(now)
        events.append(line)
    # Parsed afterwards: this program shares its processors with the server.
    last = json.loads(events.pop()[6:])
    times.pop()
    if last["choices"] or len(json.loads(events[-1][6:])["choices"]) != 1:
        raise SystemExit("the usage is not the last event")
    return times, last["usage"]["completion_tokens"]


def percentile(values, share):
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="m")
    for name in ("clients", "requests", "prompt-tokens", "new-tokens"):
        parser.add_argument("--" + name, type=int, required=True)
    o = parser.parse_args()
    ids, lock, results = random.Random(99), threading.Lock(), []
    prompts = [[ids.randrange(100, 1100) for _ in range(o.prompt_tokens)] for _ in range(o.requests)]

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", o.port, timeout=120)
        while True:
            with lock:
                if not prompts:
                    break
                prompt = prompts.pop()
            result = ask(connection, o.model, prompt, o.new_tokens)
            with lock:
                results.append(result)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(o.clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    series = {"ttft_ms": [t[0] for t, _ in results], "tpot_ms": [(t[-1] - t[0]) / (n - 1) for t, n in results],
              "itl_ms": [b - a for t, _ in results for a, b in zip(t, t[1:])], "e2e_ms": [t[-1] for t, _ in results]}
    print(json.dumps({"completed": len(results), "seconds": seconds,
                      "new_tokens_per_second": sum(n for _, n in results) / seconds} |
                     {name: {"mean": sum(v) / len(v) * 1e3, "p50": percentile(v, .5) * 1e3, "p90": percentile(v, .9) * 1e3,
                             "p99": percentile(v, .99) * 1e3} for name, v in series.items()}))


if __name__ == "__main__":
    main()
