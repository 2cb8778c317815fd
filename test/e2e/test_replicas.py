# SPDX-License-Identifier: Apache-2.0
"""Data parallel replicas: the same bits whichever serves, their memory, and a server in front of several."""

import json
import os
import random
import resource
import signal
import threading
import time
import unittest

from serving import Server
from tenon_cli import compile_engine, model, run
from test_mpi import job, mpirun, need_mpi

from oracle_prompts import PROMPTS  # Found through tenon_cli.

LONG = os.environ.get("TENON_REPLICAS_LONG") == "1"
TEXTS = list(PROMPTS.values())[:5]


def engine_of(grid, *options):
    sharding = ("--sharding", grid) if grid else ()
    return compile_engine(model("smollm2"), "--target", "cpu:native", *sharding, *options)


_answers = {}


def answers(engine, prompts, *options):
    """generate(), asked once for all tests that hold something against the same answers."""
    key = (engine, tuple(prompts), options)
    if key not in _answers:
        _answers[key] = generate(engine, prompts, *options)
    return _answers[key]


def generate(engine, prompts, *options, tokens=24):
    words = [word for prompt in prompts for word in ("--prompt", prompt)]
    return run("tenon", "generate", engine, "--raw", "--ignore-eos", "--max-new-tokens", tokens, "--logprobs", 3, "--json", *words,
               *options).json()


class EngineTest(unittest.TestCase):
    def testTheFileIsThatOfOneReplica(self):
        for grid, replicas in (("", "dp=2"), ("tp=2", "dp=2,tp=2")):
            with self.subTest(grid=replicas):
                one, several = engine_of(grid), engine_of(replicas)
                # Each weight once: what differs are a number in the plan and its text.
                self.assertLess(abs(several.stat().st_size - one.stat().st_size), 8192)
                a, b = (json.loads(run("tenon", "inspect", engine, "--json").out) for engine in (one, several))
                self.assertEqual((a["replicas"], b["replicas"]), (1, 2))
                weights = [[(s["name"], s["size"], s["xxh3"]) for s in report["sections"] if s["name"].startswith(("weights", "kernels"))]
                           for report in (a, b)]
                self.assertGreaterEqual(len(weights[0]), 2)
                self.assertEqual(*weights)
                self.assertEqual(a["memory"], b["memory"])

    def testCompilingTakesNoLonger(self):
        """By processor time: passes, plan and kernels of one replica whatever their number."""
        def seconds(grid):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run("tenon-compile", model("smollm2"), "--plan-only", "--sharding", grid, "-q")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        pairs = [(seconds("tp=2"), seconds("dp=512,tp=2")) for _ in range(5)]
        one, many = (min(times) for times in zip(*pairs))
        self.assertLess(many, 1.5 * one + 0.05)


class GenerateTest(unittest.TestCase):
    def testTokensAndProbabilitiesAreThoseWithoutReplicas(self):
        for grid, replicas in (("", "dp=2"), ("tp=2", "dp=2,tp=2"), ("pp=2", "dp=2,pp=2")):
            with self.subTest(grid=replicas):
                expected = answers(engine_of(grid), TEXTS)
                got = answers(engine_of(replicas), TEXTS)
                self.assertEqual(expected["stats"]["replicas"], 1)
                self.assertEqual(got["stats"]["replicas"], 2)
                self.assertEqual(got["results"], expected["results"])  # Bit for bit: logarithms of probabilities are in them.

    def testRowsOfChipsOwnDoNotChangeAnswers(self):
        """Sums, norms and rounding shared out by rows within each replica, in every step and in those of many rows only."""
        for tensor, every in ((2, (1, 20)), (3, (1,))):
            expected = generate(engine_of(f"tp={tensor}", "--sequence-parallel", "never"), TEXTS)["results"]
            for rows in every:
                with self.subTest(tensor=tensor, rows=rows):
                    engine = engine_of(f"dp=2,tp={tensor}", "--sequence-parallel", rows)
                    launches = run("tenon", "inspect", engine, "--json").json()["launches"]
                    self.assertTrue(any(launch["kind"] == "gather_rows" for launch in launches))
                    got = generate(engine, TEXTS)
                    self.assertEqual(got["stats"]["replicas"], 2)
                    self.assertEqual(got["results"], expected)
                    # Steps of few rows and of odd numbers of them, with more threads than processors.
                    self.assertEqual(generate(engine, TEXTS, "--step-tokens", 23, "--threads", 7, "--no-pin")["results"], expected)

    def testTokensOfOneChipAreThoseOfReplicasOfTwo(self):
        expected = answers(engine_of(""), TEXTS)["results"]
        for wanted, got in zip(expected, answers(engine_of("dp=2,tp=2"), TEXTS)["results"], strict=True):
            for position, (a, b) in enumerate(zip(wanted["ids"], got["ids"], strict=True)):
                if a != b:
                    first, second = wanted["logprobs"][position]["top"][:2]
                    self.assertLess(first["logprob"] - second["logprob"], 0.05, f"token {position}")
                    break  # From here on they have read different texts.

    def testABatchSaysWhatEachSaysAlone(self):
        engine = engine_of("dp=2")
        for sampling in ((), ("--temperature", 0.9, "--seed", 7)):
            with self.subTest(sampling=sampling):
                together = answers(engine, TEXTS, *sampling)["results"]
                alone = [generate(engine, [text], *sampling) for text in TEXTS]
                self.assertEqual([a["stats"]["replicas"] for a in alone], [1] * len(TEXTS))  # Nobody else had anything to do.
                self.assertEqual(together, [a["results"][0] for a in alone])
                # Another order puts every prompt beside others, and on the other replica.
                turned = generate(engine, TEXTS[1:] + TEXTS[:1], *sampling)["results"]
                self.assertEqual(turned[-1:] + turned[:-1], together)

    def testThreadsAndChunksDoNotChangeAnswers(self):
        engine = engine_of("dp=2")
        expected = answers(engine, TEXTS)["results"]
        for options in (("--threads", 5, "--no-pin"), ("--step-tokens", 7), ("--threads", 1)):
            with self.subTest(options=options):
                self.assertEqual(generate(engine, TEXTS, *options)["results"], expected)

    def testMemoryIsWithinThePlanAndWeightsAreThereOnce(self):
        def stats(grid):
            return generate(engine_of(grid), TEXTS[:4], "--kv-memory", "64MiB", tokens=8)["stats"]

        one, two, pair = stats(""), stats("dp=2"), stats("dp=2,tp=2")
        for s in (one, two, pair):
            self.assertLessEqual(s["measured_bytes"], 1.01 * s["planned_bytes"] + 16e6, s)
        # A second replica costs a KV pool and an arena, not the weights.
        extra = two["planned_bytes"] - one["planned_bytes"]
        self.assertGreater(extra, 60 << 20)
        self.assertLess(extra, 104 << 20)

    def testBenchCountsAllReplicas(self):
        rows = run("tenon", "bench", engine_of("dp=2"), "--sequences", "1,4,5", "--prompt-tokens", 32, "--new-tokens", 8, "--repeat", 1,
                   "--launches", "first", "--no-limits", "--json").json()["rows"]
        for row, sequences, replicas in zip(rows, (1, 4, 5), (1, 2, 2), strict=True):
            self.assertEqual(row["replicas"], replicas)
            self.assertEqual(row["prefill_tokens"], sequences * 32)
            self.assertEqual(row["decode_tokens"], sequences * 8)
            self.assertLessEqual(row["peak_rss_bytes"], 1.01 * row["planned_bytes"] + 16e6)

    def testSeveralProcessesAreRefused(self):
        need_mpi()
        result = job(mpirun(2, "generate", engine_of("dp=2,tp=2"), "--raw", "--prompt", TEXTS[0], "--max-new-tokens", 4), check=False)
        self.assertNotEqual(result.code, 0)
        self.assertIn("the engine has 2 replicas, which one process runs", result.err)
        self.assertIn("start a job for each replica", result.err)


class ServeTest(unittest.TestCase):
    grid, replicas = "dp=2", 2
    counts = ("tenon:replica_sequences_total", "tenon:replica_prompt_tokens_total")

    @classmethod
    def setUpClass(cls):
        cls.engine = engine_of(cls.grid)

    def by_replica(self, metrics, name, labels=""):
        return [metrics[f'{name}{{replica="{r}"{labels}}}'] for r in range(self.replicas)]

    def check_sums(self, metrics):
        """Of an idle server."""
        blocks = {state: self.by_replica(metrics, "tenon:replica_kv_blocks", f',state="{state}"') for state in ("used", "cached", "free")}
        for state, each in blocks.items():
            self.assertEqual(sum(each), metrics[f'tenon:kv_blocks{{state="{state}"}}'])
        each = {sum(blocks[state][r] for state in blocks) for r in range(self.replicas)}
        self.assertEqual(len(each), 1)  # Pools of one size.
        self.assertEqual(sum(self.by_replica(metrics, "tenon:replica_prompt_tokens_total")), metrics["vllm:prompt_tokens_total"])
        over = sum(value for name, value in metrics.items() if name.startswith("vllm:request_success_total"))
        self.assertEqual(sum(self.by_replica(metrics, "tenon:replica_sequences_total")), over)
        self.assertEqual(sum(self.by_replica(metrics, "tenon:replica_steps_total")), metrics["vllm:iteration_tokens_total_count"])
        for name in ("running", "waiting"):
            self.assertEqual(self.by_replica(metrics, f"tenon:replica_requests_{name}"), [0] * self.replicas)

    def ask_together(self, server, bodies):
        answers = [None] * len(bodies)

        def ask(i):
            answers[i] = server.complete(**bodies[i])["choices"][0]["text"]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(bodies))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def testAnswersAreTheSameOnEveryReplicaAndMetricsAddUp(self):
        bodies = [{"prompt": text, "max_tokens": 24, "ignore_eos": True, "temperature": t, "seed": 11} for text in TEXTS for t in (0, 0.8)]
        with Server(self.engine) as server:
            alone = [server.complete(**body)["choices"][0]["text"] for body in bodies]
            self.assertIn("2 replicas, each", server.log.read_text())  # Said before the first step, not before the port is known.
            first = self.by_replica(server.wait_idle(), "tenon:replica_sequences_total")
            for _ in range(2):
                self.assertEqual(self.ask_together(server, bodies), alone)
            metrics = server.wait_idle()
            self.check_sums(metrics)
            served = self.by_replica(metrics, "tenon:replica_sequences_total")
            self.assertEqual(sum(served), 3 * len(bodies))
            for before, after in zip(first, served):  # One at a time, and then at once: all had work.
                self.assertGreater(after, before)

    def testAPromptGoesWhereItsBeginningIs(self):
        beginning = " ".join(TEXTS) * 2
        with Server(self.engine) as server:
            server.complete(beginning, max_tokens=1)
            home = self.by_replica(server.wait_idle(), "tenon:replica_sequences_total").index(1)
            tokens = []
            for i in range(4):
                tokens.append(server.complete(f"{beginning} {i}", max_tokens=1)["usage"]["prompt_tokens_details"]["cached_tokens"])
            metrics = server.wait_idle()
            self.assertEqual(self.by_replica(metrics, "tenon:replica_sequences_total")[home], 5)
            self.assertGreater(min(tokens), 64)

    def testKilledClientsFreeTheirBlocks(self):
        with Server(self.engine, "--max-sequences", 4) as server:
            for _ in range(3 if LONG else 1):
                connections = []
                for i in range(12):
                    connection = server.connect()
                    connection.request("POST", "/v1/completions", json.dumps({
                        "model": "model", "prompt": f"{i} {TEXTS[i % len(TEXTS)]}", "max_tokens": 2000, "ignore_eos": True, "stream": True}))
                    connections.append(connection)
                deadline = time.monotonic() + 30
                while min(self.by_replica(server.metrics(), "tenon:replica_requests_running")) == 0:
                    self.assertLess(time.monotonic(), deadline, "a replica has nothing to do")
                    time.sleep(0.01)
                random.Random(5).shuffle(connections)
                for connection in connections:
                    connection.close()
                self.check_sums(server.wait_idle())
            self.assertTrue(server.complete(TEXTS[0], max_tokens=4)["choices"][0]["text"])

    def testLateRequestsFailOnEveryReplica(self):
        with Server(self.engine, "--request-timeout-ms", 400) as server:
            statuses = []

            def ask(i):
                statuses.append(server.request("POST", "/v1/completions", {
                    "model": "model", "prompt": f"{i} {TEXTS[0]}", "max_tokens": 7000, "ignore_eos": True})[0])

            threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(set(statuses), {504})
            server.wait_idle()

    def testSigtermLetsAnswersOfAllReplicasEnd(self):
        server = Server(self.engine)
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(server.complete(f"{i} {TEXTS[0]}", max_tokens=120, ignore_eos=True)))
                   for i in range(6)]
        with server:
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 30
            while min(self.by_replica(server.metrics(), "tenon:replica_requests_running")) == 0:
                self.assertLess(time.monotonic(), deadline, "a replica has nothing to do")
                time.sleep(0.005)
            while sum(self.by_replica(server.metrics(), "tenon:replica_sequences_total")) < 6:
                self.assertLess(time.monotonic(), deadline, "a request has not arrived")
                time.sleep(0.005)
            server.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            self.assertEqual([a["usage"]["completion_tokens"] for a in answers], [120] * 6)
            self.assertEqual(server.process.wait(20), 0, server.log.read_text()[-2000:])

    def testAReplicaCostsItsPoolAndNoWeights(self):
        options = ("--kv-memory", "48MiB", "--max-sequences", 8, "--no-grammar-preparation")
        sizes = []
        for engine in (engine_of(""), self.engine):
            with Server(engine, *options) as server:
                self.ask_together(server, [{"prompt": f"{i} {text}", "max_tokens": 32} for i in range(3) for text in TEXTS])
                server.wait_idle()
                sizes.append(server.resident())
        planned = run("tenon", "inspect", self.engine, "--json").json()["memory"]  # At limits above this server's.
        self.assertGreater(planned["stored_weights"], 64 << 20)
        self.assertLess(sizes[1] - sizes[0], (48 << 20) + planned["arena"] + planned["scratch"] + planned["step_tables"] + (16 << 20))


if __name__ == "__main__":
    unittest.main()
