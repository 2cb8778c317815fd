# SPDX-License-Identifier: Apache-2.0
"""The server under many clients: connections, the same bytes in a full house, what `tenon bench serve` reports."""

import asyncio
import json
import resource
import tempfile
import threading
import time
import unittest
from pathlib import Path

from serving import Server
from tenon_cli import ORACLE, WORK, compile_engine, model, run, write_text

STORY = "Once upon a time, in a land far away,"
IDLE, STREAMING = 2000, 500


async def request(stream, method, path, body=b""):
    reader, writer = stream
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1]), head.lower()


async def whole(stream, method, path):
    status, head = await request(stream, method, path)
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return status, await stream[0].readexactly(length)


async def events(stream, body):
    """Status and the data of a stream's events."""
    status, _ = await request(stream, "POST", "/v1/completions", json.dumps(body).encode())
    data = []
    while not data or data[-1] != b"[DONE]":
        size = int(await stream[0].readline(), 16)
        part = await stream[0].readexactly(size + 2)
        data += [line[6:] for line in part.split(b"\n") if line.startswith(b"data: ")]
    await stream[0].readuntil(b"0\r\n\r\n")
    return status, data


class ConnectionsTest(unittest.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = IDLE + STREAMING + 200
        if hard < wanted:
            self.skipTest(f"{hard} open files are allowed and {wanted} are needed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))  # The server inherits it.
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def testThousandsOfIdleConnectionsAndHundredsOfStreams(self):
        engine = compile_engine(model("smollm2"))
        with Server(engine, "--max-queue", STREAMING, "--log", "off", "--no-grammar-preparation") as server:
            asyncio.run(self.crowd(server))
            server.wait_idle()

    async def crowd(self, server):
        def connect():
            return asyncio.open_connection("127.0.0.1", server.port)

        idle = []
        for _ in range(IDLE // 100):
            idle += await asyncio.gather(*(connect() for _ in range(100)))
        for status, _ in await asyncio.gather(*(whole(stream, "GET", "/health") for stream in idle)):
            self.assertEqual(status, 200)

        def ticks():
            with open(f"/proc/{server.process.pid}/stat") as stat:
                return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))

        await asyncio.sleep(0.3)
        before = ticks()
        await asyncio.sleep(1)
        self.assertLessEqual(ticks() - before, 1, "idle connections cost nothing")  # A tick is 10 ms.

        body = {"model": "model", "prompt": STORY, "max_tokens": 4, "ignore_eos": True, "stream": True, "temperature": 0}
        await events(idle[0], body)  # Touches the weights.
        settled = server.resident()
        streams = await asyncio.gather(*(connect() for _ in range(STREAMING)))
        answers = await asyncio.gather(*(events(stream, body) for stream in streams))
        texts = {"".join(json.loads(event)["choices"][0]["text"] for event in data[:-1]) for _, data in answers}
        self.assertEqual({status for status, _ in answers}, {200})
        self.assertEqual(len(texts), 1, "the same request, the same answer")
        self.assertLess(server.resident() - settled, 64 << 20)
        # Nobody was dropped for the others: every connection, idle or not, serves its next request.
        for status, _ in await asyncio.gather(*(whole(stream, "GET", "/health") for stream in idle + streams)):
            self.assertEqual(status, 200)
        for _, writer in idle + streams:
            writer.close()


class FullHouseTest(unittest.TestCase):
    """A request among 63 others, and behind others' beginnings, says what it says alone."""

    def testTheSameBytesAmongSixtyThreeOthers(self):
        engine = compile_engine(model("smollm2"))

        def fields(i):
            return {"max_tokens": 24, "temperature": [0, 0.7, 1.3][i % 3], "top_p": [1, 0.9][i % 2], "seed": i, "ignore_eos": True,
                    "logprobs": 1, "frequency_penalty": [0, 0.5][i % 5 == 0]}

        prompts = [f"{'In a village by the sea ' * (i % 7)}number {i} there lived a" for i in range(64)]
        with Server(engine, "--max-sequences", 1, "--no-prefix-tree", "--threads", 1) as server:
            alone = {i: server.complete(prompts[i], **fields(i))["choices"] for i in range(0, 64, 5)}
        with Server(engine, "--max-sequences", 64) as server:
            for look in range(2):  # The second starts from the prefix tree.
                answers = [None] * 64

                def ask(i):
                    answers[i] = server.complete(prompts[i], **fields(i))["choices"]

                threads = [threading.Thread(target=ask, args=(i,)) for i in range(64)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                for i, expected in alone.items():
                    self.assertEqual(answers[i], expected, f"request {i}, look {look}")
            self.assertGreater(server.metrics()["vllm:prefix_cache_hits_total"], 0)


class LoadGeneratorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(compile_engine(model("smollm2")), "--measure-machine", "--log", "off")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def bench(self, *options, check=True):
        return run("tenon", "bench", "serve", "--model", "model", "--port", self.server.port, "--json", *options, check=check)

    def testAClosedLoopCountsWhatTheServerCounts(self):
        before = self.server.metrics()
        began = time.monotonic()
        seen = self.bench("--clients", 4, "--requests", 12, "--prompt-tokens", 20, "--new-tokens", 10, "--spread", 0.5).json()
        took = time.monotonic() - began
        after = self.server.wait_idle()
        grown = {name: after[name] - before.get(name, 0) for name in after}
        self.assertEqual((seen["completed"], seen["failed"]), (12, 0))
        self.assertEqual(grown["vllm:generation_tokens_total"], seen["new_tokens"])
        self.assertEqual(grown["vllm:request_prompt_tokens_sum"], seen["prompt_tokens"])
        self.assertEqual(grown["vllm:request_success_total{finished_reason=\"length\"}"], 12)
        self.assertLess(seen["seconds"], took)
        # The server sees a request later and its tokens earlier than the client does.
        self.assertLess(grown["vllm:time_to_first_token_seconds_sum"] / 12, seen["ttft_ms"]["mean"] * 1e-3)
        self.assertLess(seen["ttft_ms"]["mean"], seen["e2e_ms"]["mean"])
        for name in ("ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"):
            self.assertLessEqual(seen[name]["p50"], seen[name]["p99"])
            self.assertLessEqual(seen[name]["p99"], seen[name]["max"])

    def testSharedBeginningsAreFoundInTheTree(self):
        seen = self.bench("--clients", 1, "--requests", 4, "--prompt-tokens", 120, "--shared-prefix", 96, "--new-tokens", 2,
                          "--seed", 77).json()
        self.assertEqual(seen["cached_tokens"], 3 * 96)

    def testAnOpenLoopKeepsItsTimes(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.jsonl"
            trace.write_text("".join(json.dumps({"timestamp": 150 * i, "input_length": 8, "output_length": 3}) + "\n" for i in range(6)))
            seen = self.bench("--trace", trace, "--requests", 100).json()
            self.assertEqual((seen["completed"], seen["new_tokens"], seen["prompt_tokens"]), (6, 18, 48))
            self.assertGreaterEqual(seen["seconds"], 0.75)
            for line in ({"timestamp": 0}, {"timestamp": 1e300, "input_length": 8, "output_length": 3}):
                trace.write_text(json.dumps(line) + "\n")
                broken = self.bench("--trace", trace, check=False)
                self.assertEqual(broken.code, 2)
                self.assertIn("trace.jsonl:1", broken.err)
        seen = self.bench("--rate", 20, "--requests", 10, "--prompt-tokens", 8, "--new-tokens", 2, "--slo-ttft-ms", 0.001).json()
        self.assertEqual((seen["completed"], seen["goodput_requests_per_second"]), (10, 0))

    def testTextAndOtherFields(self):
        seen = self.bench("--words", "--requests", 2, "--prompt-tokens", 12, "--new-tokens", 4, "--body", '{"temperature": 1, "n": 2}').json()
        self.assertEqual(seen["new_tokens"], 16)
        refused = self.bench("--requests", 2, "--body", '{"temperature": -1}', check=False)
        self.assertEqual(refused.json()["failed"], 2)
        self.assertIn("temperature", refused.err)
        self.assertIn("--body", self.bench("--body", "[1]", check=False).err)
        self.assertIn("is the server running", run("tenon", "bench", "serve", "--model", "m", "--port", 1, check=False).err)

    def testATextThatHasNoPromptsIsRefused(self):
        none = WORK / "no-such-text"
        for name, words, code, *options in (
                (none, ("--text", "no-such-text"), 3),
                (write_text("empty.txt", ""), ("the text has no tokens",), 2),
                (write_text("short.txt", "A few words."), ("short.txt", "a prompt is to have 20", "longer text"), 2, "--prompt-tokens", 20)):
            with self.subTest(name=name, options=options):
                refused = self.bench("--text", name, *options, check=False)
                self.assertEqual((refused.code, refused.out), (code, ""), refused.err)
                for word in words:
                    self.assertIn(word, refused.err)
        stranger = run("tenon", "bench", "serve", "--port", self.server.port, "--model", "other", "--text", __file__, check=False)
        self.assertEqual(stranger.code, 5)
        self.assertIn("/tokenize, which answered: HTTP/1.1 404", stranger.err)

    def testShareOfTheRooflineAndWasteAreShown(self):
        self.bench("--clients", 8, "--requests", 8, "--prompt-tokens", 64, "--new-tokens", 16)
        m = self.server.wait_idle()
        share = m["tenon:roofline_seconds_total"] / m["tenon:execute_seconds_total"]
        self.assertGreater(share, 0.001)
        self.assertLess(share, 1.5)
        self.assertGreater(m["tenon:roofline_share"], 0)
        held = m['tenon:kv_slots_total{state="filled"}'] + m['tenon:kv_slots_total{state="empty"}']
        self.assertGreater(m['tenon:kv_slots_total{state="empty"}'], 0)
        self.assertLess(m['tenon:kv_slots_total{state="empty"}'] / held, 0.5)
        self.assertEqual(m["tenon:kv_waste_ratio"], 0)  # Nobody runs.


class PromptsOfATextTest(unittest.TestCase):
    """`tenon bench serve --text`: what the server is sent are windows of the text's tokens."""

    def testPromptsAreWindowsOfTheText(self):
        engine, text = compile_engine(model("smollm2")), ORACLE / "text" / "rabbit-hole.txt"
        ids = run("tenon", "tokenize", engine, "--file", text, "--no-special", "--json").json()["ids"]
        with Server(engine, "--log-prompts") as server:
            def prompts(*options):
                """Of the requests that are sent; those logged before are left out."""
                before = len(logged())
                seen = run("tenon", "bench", "serve", "--model", "model", "--port", server.port, "--text", text, "--clients", 2, "--new-tokens",
                           2, "--json", *options).json()
                server.wait_idle()
                sent = logged()[before:]
                self.assertEqual((seen["completed"], seen["prompt_tokens"]), (len(sent), sum(map(len, sent))))
                return sent

            def logged():
                lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
                return [json.loads(line["body"])["prompt"] for line in lines if line.get("path") == "/v1/completions"]

            sent = prompts("--requests", 6, "--prompt-tokens", 40, "--spread", 0.5, "--seed", 5)
            windows = {(begin, len(p)) for p in sent for begin in range(len(ids)) if ids[begin:begin + len(p)] == p}
            self.assertEqual(len({begin for begin, _ in windows}), 6, "each from another place")
            self.assertGreater(len({length for _, length in windows}), 1)
            self.assertEqual(sorted(prompts("--requests", 6, "--prompt-tokens", 40, "--spread", 0.5, "--seed", 5)), sorted(sent))
            for prompt in prompts("--requests", 3, "--prompt-tokens", 50, "--shared-prefix", 30):
                self.assertEqual(prompt[:30], ids[:30])
                self.assertTrue(any(ids[begin:begin + 20] == prompt[30:] for begin in range(len(ids))))
            self.assertEqual(prompts("--requests", 1, "--prompt-tokens", len(ids)), [ids])


if __name__ == "__main__":
    unittest.main()
