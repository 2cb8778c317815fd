# SPDX-License-Identifier: Apache-2.0
"""`evalscope perf` and `tenon bench serve` see what the server itself has measured of the same requests.

evalscope and what it needs are above a gigabyte, so that the tests' environment goes without: `test/clients/run evalscope`
makes one for it. Where that has not been run the test is skipped."""

import os
import statistics
import sys
import unittest
from pathlib import Path

import tenon_cli
from serving import Server

sys.path.insert(0, str(tenon_cli.ROOT / "test" / "clients"))
import evalscope_client  # noqa: E402

PYTHON = Path(os.environ.get("TENON_CLIENTS", tenon_cli.BUILD / "clients")) / "evalscope" / "bin" / "python"
KEY = "client-key-1"
CLIENTS, REQUESTS, TOKENS = 4, 12, 32
# Long ones, each of its own: what is measured is far above what a program in Python takes to hear of a token.
PROMPTS = [f"Report {i}: " + " ".join(f"item {100 * i + j} is sold," for j in range(40)) for i in range(REQUESTS)]
PROMPT_TOKENS = 320
# How much more of the server's own figure evalscope may see than our client, which takes no interpreter's time, saw around it.
BEYOND_OURS = 1.1


@unittest.skipUnless((PYTHON.parent / "evalscope").exists(),
                     f"evalscope is not in {PYTHON.parent} (test/clients/run evalscope installs it)")
class EvalscopeTest(unittest.TestCase):
    def testItsFiguresAreTheServersAndOurs(self):
        engine = tenon_cli.compile_engine(tenon_cli.model("smollm2"))
        # One thread, so that clients have a processor: what is late at the client is not the server's to measure.
        with Server(engine, "--api-key", KEY, "--open-metrics", "--threads", 1, "--no-prefix-tree") as server:
            shares = {"tenon bench serve": [], "evalscope perf": []}
            for round_ in range(3):
                shares["tenon bench serve"].append(self.compare(server, "tenon bench serve", lambda: self.ours(server, round_)))
                if round_ < 2:
                    shares["evalscope perf"].append(self.compare(server, "evalscope perf", lambda: self.evalscope(server)))
            server.wait_idle()
        for figure in ("ttft", "tpot"):
            ours, theirs = (statistics.median(share[figure] for share in shares[name]) for name in shares)
            print(f"{figure}: of the server's own figure ours saw {ours:.3f}, evalscope {theirs:.3f}", flush=True)
            for share in (ours, theirs):
                self.assertGreater(share, 0.95, "a client hears of a token after it is there")
            self.assertLess(ours, 1.1)
            self.assertLess(theirs, BEYOND_OURS * ours)

    def compare(self, server, name, look):
        """What a client saw of its requests, as shares of what the server measured of the very same ones; counts must be equal."""
        before = server.metrics()
        seen = look()
        after = server.wait_idle()

        def grown(metric):
            return after[metric] - before.get(metric, 0)

        with self.subTest(name):
            self.assertEqual(grown("vllm:time_to_first_token_seconds_count"), REQUESTS)
            self.assertEqual((seen["new"], grown("vllm:generation_tokens_total")), (REQUESTS * TOKENS, REQUESTS * TOKENS))
            self.assertEqual(seen["prompts"], grown("vllm:request_prompt_tokens_sum"))
        own = {"ttft": grown("vllm:time_to_first_token_seconds_sum") / REQUESTS * 1e3,
               "tpot": grown("vllm:inter_token_latency_seconds_sum") / grown("vllm:inter_token_latency_seconds_count") * 1e3}
        for figure, truth in own.items():
            print(f"{name}: {figure} {seen[figure]:.2f} ms, the server's own {truth:.2f} ms", flush=True)
        return {figure: seen[figure] / own[figure] for figure in own}

    @staticmethod
    def ours(server, seed):
        report = tenon_cli.run("tenon", "bench", "serve", "--model", "model", "--port", server.port, "--api-key", KEY, "--clients", CLIENTS,
                               "--requests", REQUESTS, "--prompt-tokens", PROMPT_TOKENS, "--new-tokens", TOKENS, "--seed", seed, "--json").json()
        return {"ttft": report["ttft_ms"]["mean"], "tpot": report["tpot_ms"]["mean"], "new": report["new_tokens"],
                "prompts": report["prompt_tokens"]}

    @staticmethod
    def evalscope(server):
        url = f"http://127.0.0.1:{server.port}/v1/completions"
        summary, = evalscope_client.measure(PYTHON, url, KEY, (CLIENTS,), (REQUESTS,), TOKENS, PROMPTS)
        return {"ttft": summary["Avg TTFT (ms)"], "tpot": summary["Avg TPOT (ms)"],
                "new": round(summary["Avg Output Tokens"] * summary["Success Requests"]),
                "prompts": round(summary["Avg Input Tokens"] * summary["Success Requests"])}


if __name__ == "__main__":
    unittest.main()
