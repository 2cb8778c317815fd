# SPDX-License-Identifier: Apache-2.0
"""The server's protocol: answers, streams, fields, errors, determinism, life."""

import json
import signal
import threading
import time
import unittest

from serving import Server
from tenon_cli import compile_engine, model, run, unless_sanitized

STORY = "Once upon a time, in a land far away,"


class ServeTest(unittest.TestCase):
    """One server for all: what a test does must not matter to the next."""

    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))
        cls.server = Server(cls.engine, "--max-queue", 64)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)


class AnswersTest(ServeTest):
    def testACompletionSaysWhatTheCommandLineSays(self):
        expected, = run("tenon", "generate", self.engine, "--raw", "--prompt", STORY, "--max-new-tokens", 24,
                        "--json").json()["results"]
        answer = self.server.complete(STORY, max_tokens=24)
        self.assertEqual(answer["object"], "text_completion")
        choice, = answer["choices"]
        self.assertEqual(choice["text"], expected["text"])
        self.assertEqual(choice["finish_reason"], expected["finish_reason"])
        self.assertEqual(answer["usage"]["prompt_tokens"], len(expected["prompt_ids"]))
        self.assertEqual(answer["usage"]["completion_tokens"], len(expected["ids"]))
        self.assertEqual(answer["usage"]["total_tokens"], len(expected["ids"]) + len(expected["prompt_ids"]))

    def testAChatSaysWhatTheCommandLineSays(self):
        expected, = run("tenon", "generate", self.engine, "--prompt", "Name a river.", "--max-new-tokens", 24,
                        "--json").json()["results"]
        answer = self.server.chat("Name a river.", max_tokens=24)
        self.assertEqual(answer["object"], "chat.completion")
        self.assertEqual(answer["choices"][0]["message"],
                         {"role": "assistant", "content": expected["text"], "refusal": None})
        self.assertEqual(answer["choices"][0]["finish_reason"], expected["finish_reason"])

    def testAStreamAndAWholeAnswerAreEqual(self):
        fields = {"messages": [{"role": "user", "content": "Say something about Zürich, 東京 and 😀."}],
                  "max_tokens": 40, "seed": 5, "temperature": 1.2, "n": 2}
        whole = self.server.post("/v1/chat/completions", {"model": "model", **fields})
        events = self.server.stream("/v1/chat/completions", {**fields, "stream_options": {"include_usage": True}})
        self.assertEqual(events[-1]["usage"], {**whole["usage"], "prompt_tokens_details": events[-1]["usage"]["prompt_tokens_details"]})
        self.assertEqual(events[-1]["choices"], [])
        texts, finish = {0: "", 1: ""}, {}
        for event in events[:-1]:
            self.assertEqual(event["object"], "chat.completion.chunk")
            self.assertIsNone(event["usage"])
            for choice in event["choices"]:
                texts[choice["index"]] += choice["delta"].get("content", "")
                finish[choice["index"]] = choice["finish_reason"] or finish.get(choice["index"])
        for choice in whole["choices"]:
            self.assertEqual(texts[choice["index"]], choice["message"]["content"])
            self.assertEqual(finish[choice["index"]], choice["finish_reason"])
        self.assertNotEqual(texts[0], texts[1])

    def testStopStringsEndAnAnswerWhereverTokensAreCut(self):
        full = self.server.complete(STORY, max_tokens=32)["choices"][0]["text"]
        for stop in (full[7:12], full[10:11], full[3:30]):
            at = full.index(stop)
            choice, = self.server.complete(STORY, max_tokens=32, stop=[stop, "never said"])["choices"]
            self.assertEqual(choice["text"], full[:at], f"stop {stop!r}")
            self.assertEqual(choice["finish_reason"], "stop")
            events = self.server.stream("/v1/completions", {"prompt": STORY, "max_tokens": 32, "stop": stop, "temperature": 0})
            self.assertEqual("".join(c["text"] for e in events for c in e["choices"]), full[:at])

    def testStopTokensEosAndLeastLength(self):
        plain = self.server.complete(STORY, max_tokens=12, logprobs=0)["choices"][0]
        ids = run("tenon", "generate", self.engine, "--raw", "--prompt", STORY, "--max-new-tokens", 12,
                  "--json").json()["results"][0]["ids"]
        stopped = self.server.complete(STORY, max_tokens=12, stop_token_ids=[ids[4]])["choices"][0]
        self.assertEqual(stopped["text"], "".join(plain["logprobs"]["tokens"][:ids.index(ids[4])]))
        self.assertEqual(stopped["finish_reason"], "stop")
        answer = self.server.chat("Say yes.", max_tokens=60, min_tokens=60, ignore_eos=False)
        self.assertEqual(answer["usage"]["completion_tokens"], 60)
        self.assertEqual(answer["choices"][0]["finish_reason"], "length")

    def testLogprobs(self):
        choice, = self.server.chat("Name a river.", max_tokens=6, logprobs=True, top_logprobs=3)["choices"]
        content = choice["logprobs"]["content"]
        self.assertEqual(bytes(b for t in content for b in t["bytes"]).decode()[:len(choice["message"]["content"])],
                         choice["message"]["content"])
        for token in content:
            self.assertEqual(len(token["top_logprobs"]), 3)
            self.assertLessEqual(token["logprob"], 0)
            best = token["top_logprobs"]
            self.assertEqual(best[0]["token"], token["token"])  # Greedy.
            self.assertEqual(best[0]["logprob"], token["logprob"])
            self.assertGreaterEqual(best[0]["logprob"], best[1]["logprob"])

    def testEchoScoresThePromptAsTheCommandLineDoes(self):
        text = "The capital of France is Paris."
        ids = self.server.complete(text, max_tokens=0, echo=True, logprobs=1)["choices"][0]
        reference = run("tenon", "score", self.engine, "--text", _file(text), "--json").json()
        self.assertEqual(ids["text"], text)
        self.assertIsNone(ids["logprobs"]["token_logprobs"][0])
        scored = ids["logprobs"]["token_logprobs"][1:]
        self.assertEqual(len(scored), len(reference["nll"]))
        for mine, nll in zip(scored, reference["nll"], strict=True):
            self.assertAlmostEqual(mine, -nll, places=5)
        both = self.server.complete(text, max_tokens=3, echo=True, logprobs=1)["choices"][0]
        self.assertEqual(both["logprobs"]["token_logprobs"][:len(scored) + 1], ids["logprobs"]["token_logprobs"])
        self.assertEqual(both["text"][:len(text)], text)
        self.assertEqual(len(both["logprobs"]["tokens"]), len(scored) + 4)

    def testPromptLogprobs(self):
        answer = self.server.complete("The capital of France is", max_tokens=1, prompt_logprobs=2)
        entries = answer["choices"][0]["prompt_logprobs"]
        self.assertIsNone(entries[0])
        self.assertEqual(len(entries), answer["usage"]["prompt_tokens"])
        for entry in entries[1:]:
            self.assertIn(len(entry), (2, 3))
            for value in entry.values():
                self.assertEqual(set(value), {"logprob", "rank", "decoded_token"})

    def testLogitBiasAndPenaltiesChangeTheAnswer(self):
        plain = run("tenon", "generate", self.engine, "--raw", "--prompt", STORY, "--max-new-tokens", 4,
                    "--json").json()["results"][0]
        biased = self.server.complete(STORY, max_tokens=4, logit_bias={str(plain["ids"][0]): -100})["choices"][0]
        self.assertFalse(biased["text"].startswith(plain["text"]))
        for field in ("frequency_penalty", "presence_penalty", "repetition_penalty"):
            with self.subTest(field):
                flag = "--" + field.replace("_", "-")
                expected = run("tenon", "generate", self.engine, "--raw", "--prompt", STORY, "--max-new-tokens", 32,
                               flag, 1.9, "--json").json()["results"][0]["text"]
                self.assertEqual(self.server.complete(STORY, max_tokens=32, **{field: 1.9})["choices"][0]["text"], expected)

    def testPromptsOfEveryKind(self):
        ids = run("tenon", "tokenize", self.engine, "--text", STORY, "--json").json()["ids"]
        text = self.server.complete(STORY, max_tokens=5)["choices"][0]["text"]
        self.assertEqual(self.server.complete(ids, max_tokens=5)["choices"][0]["text"], text)
        several = self.server.complete([STORY, "One two three"], max_tokens=5)
        self.assertEqual([c["index"] for c in several["choices"]], [0, 1])
        self.assertEqual(several["choices"][0]["text"], text)
        self.assertEqual(self.server.complete([ids, ids], max_tokens=5)["choices"][1]["text"], text)
        parts = [{"type": "text", "text": "Name a "}, {"type": "text", "text": "river."}]
        self.assertEqual(self.server.chat(parts, max_tokens=9)["choices"], self.server.chat("Name a river.", max_tokens=9)["choices"])

    def testUnknownFieldsAreIgnored(self):
        self.assertEqual(self.server.chat("Hi", max_tokens=4, no_such_field={"a": [1]}, user="u", top_k=None)["choices"],
                         self.server.chat("Hi", max_tokens=4)["choices"])

    def testModelsAndStates(self):
        status, headers, models = self.server.request("GET", "/v1/models")
        self.assertEqual((status, models["data"][0]["id"], models["object"]), (200, "model", "list"))
        self.assertEqual(self.server.request("GET", "/v1/models/model")[2], models["data"][0])
        self.assertEqual(self.server.request("GET", "/v1/models/other")[2]["error"]["code"], "model_not_found")
        for path in ("/health", "/ready", "/version"):
            self.assertEqual(self.server.request("GET", path)[0], 200)
        self.assertTrue(headers["x-request-id"].startswith("req_"))
        self.assertEqual(self.server.request("GET", "/health", headers={"x-request-id": "mine-1"})[1]["x-request-id"], "mine-1")


class ErrorsTest(ServeTest):
    def refused(self, fields, status=400, path="/v1/chat/completions"):
        base = {"model": "model", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        if path == "/v1/completions":
            base = {"model": "model", "prompt": "Hi", "max_tokens": 2}
        body = {k: v for k, v in {**base, **fields}.items() if v is not Ellipsis}
        got, headers, answer = self.server.request("POST", path, body)
        self.assertEqual(got, status, answer)
        self.assertEqual(list(answer), ["error"])
        error = answer["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertIsInstance(error["message"], str)
        self.assertTrue(error["code"] is None or isinstance(error["code"], str))
        self.assertIn("x-request-id", headers)
        return error

    def testWrongValuesAreRefusedByName(self):
        for fields, param in [
                ({"temperature": -1}, "temperature"), ({"temperature": 2.1}, "temperature"), ({"temperature": "1"}, "temperature"),
                ({"top_p": 1.5}, "top_p"), ({"n": 0}, "n"), ({"n": 10**9}, "n"), ({"n": -1}, "n"), ({"n": True}, "n"),
                ({"max_tokens": 0}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"), ({"max_tokens": 10**30}, "max_tokens"),
                ({"seed": "x"}, "seed"), ({"stop": [1]}, "stop"), ({"stop": ""}, "stop"), ({"stop": ["a"] * 99}, "stop"),
                ({"logit_bias": {"x": 1}}, "logit_bias"), ({"logit_bias": {"1": 101}}, "logit_bias.1"), ({"logit_bias": []}, "logit_bias"),
                ({"logprobs": 3}, "logprobs"), ({"top_logprobs": 3}, "top_logprobs"), ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
                ({"presence_penalty": 2.5}, "presence_penalty"), ({"stream": "yes"}, "stream"),
                ({"stream_options": {"include_usage": True}}, "stream_options"), ({"min_tokens": 9}, "min_tokens"),
                ({"messages": ...}, "messages"), ({"messages": []}, "messages"), ({"messages": [3]}, "messages[0]"),
                ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
                ({"messages": [{"role": "user"}]}, "messages[0].content"),
                ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
                ({"model": ...}, "model"), ({"model": 3}, "model"), ({"priority": 2**40}, "priority")]:
            with self.subTest(fields):
                self.assertEqual(self.refused(fields)["param"], param)

    def testUnknownModelsAndUrls(self):
        error = self.refused({"model": "gpt-9"}, 404)
        self.assertEqual((error["code"], error["param"]), ("model_not_found", "model"))
        self.assertEqual(self.refused({}, 404, "/v1/none")["code"], "unknown_url")
        status, headers, _ = self.server.request("GET", "/v1/completions")
        self.assertEqual((status, headers["allow"]), (405, "POST"))

    def testTooLongPromptsSayBothLengths(self):
        error = self.refused({"messages": [{"role": "user", "content": "word " * 9000}]})
        self.assertEqual(error["code"], "context_length_exceeded")
        self.assertIn("8192", error["message"])
        self.assertEqual(self.refused({"max_tokens": 8192})["code"], "context_length_exceeded")

    def testNoFormAndNoToolsAreNoConstraint(self):
        self.server.chat("Hi", max_tokens=2, response_format={"type": "text"}, tools=[], tool_choice="none")

    def testBrokenBodies(self):
        for body in (b"", b"{", b"[]", b"\xff\xfe", b'{"model":"\xff"}', b"[" * 100000, b'{"a":' * 1000, b"\x00" * 10):
            status, _, answer = self.server.request("POST", "/v1/chat/completions", body)
            self.assertEqual((status, answer["error"]["code"]), (400, "invalid_json"))


class DeterminismTest(ServeTest):
    FIELDS = {"max_tokens": 48, "temperature": 1, "top_p": 0.95, "seed": 11, "logprobs": 2, "ignore_eos": True}

    def together(self, server, prompts):
        answers = [None] * len(prompts)

        def ask(i):
            answers[i] = server.complete(prompts[i], **self.FIELDS)["choices"]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def testNeighboursPrefixHitsAndPreemptionDoNotChangeBytes(self):
        prompts = [f"{STORY} number {i}, there lived {'a very old and wise ' * (i % 5)}king who" for i in range(24)]
        with Server(self.engine, "--no-prefix-tree", "--max-sequences", 1) as alone:
            expected = [alone.complete(p, **self.FIELDS)["choices"] for p in prompts]
            self.assertEqual(alone.metrics()["vllm:prefix_cache_hits_total"], 0)
        first = self.together(self.server, prompts)
        self.assertEqual(first, expected)
        self.assertEqual(self.together(self.server, prompts), expected)  # Now from the prefix tree.
        self.assertGreater(self.server.metrics()["vllm:prefix_cache_hits_total"], 0)
        with Server(self.engine, "--kv-memory", "9MiB", "--max-sequences", 16) as tight:  # 25 blocks.
            self.assertEqual(self.together(tight, prompts), expected)
            self.assertGreater(tight.metrics()["vllm:num_preemptions_total"], 0)
            tight.wait_idle()


class LifeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))

    def testAClientThatLeavesIsForgotten(self):
        with Server(self.engine, "--max-sequences", 2) as server:
            for path, body in (("/v1/completions", {"prompt": STORY}),
                               ("/v1/completions", {"prompt": STORY, "stream": True, "n": 4})):
                connection = server.connect()
                connection.request("POST", path, json.dumps(
                    {"model": "model", "max_tokens": 8000, "ignore_eos": True, **body}))
                response = None
                if body.get("stream"):
                    response = connection.getresponse()
                    response.read(64)
                server.wait_running()
                if response:
                    response.close()
                connection.close()
                began = time.monotonic()
                server.wait_idle()
                self.assertLess(time.monotonic() - began, 5)
            self.assertEqual(server.metrics()['vllm:request_success_total{finished_reason="abort"}'], 5)

    def testSigtermLetsAnswersEndAndTakesNoNewOnes(self):
        with Server(self.engine) as server:
            answer = {}
            thread = threading.Thread(target=lambda: answer.update(server.complete(STORY, max_tokens=200, ignore_eos=True)))
            thread.start()
            server.wait_running()
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            status, headers, error = server.request("GET", "/ready")
            self.assertEqual(status, 503)
            status, headers, error = server.request("POST", "/v1/completions", {"model": "model", "prompt": "Hi"})
            self.assertEqual((status, error["error"]["type"]), (503, "server_error"))
            self.assertIn("retry-after", headers)
            thread.join()
            self.assertEqual(answer["usage"]["completion_tokens"], 200)
            self.assertEqual(server.process.wait(10), 0)

    def testASignalAsSoonAsThePortIsKnownEndsItWell(self):
        for _ in range(10):
            with Server(self.engine, "--no-grammar-preparation") as server:
                pass  # It looks for the port every 10 ms; the end of the block sends the signal, and wants 0.
            self.assertEqual(server.process.returncode, 0)

    def testASecondSignalStopsNow(self):
        with Server(self.engine) as server:
            results = []
            thread = threading.Thread(target=lambda: results.append(server.request(
                "POST", "/v1/completions", {"model": "model", "prompt": STORY, "max_tokens": 8000, "ignore_eos": True})))
            thread.start()
            server.wait_running()
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(10), 0)
            thread.join()
            self.assertEqual(results[0][0], 503)

    def testKeysGuardEveryRouteButHealth(self):
        with Server(self.engine, "--api-key", "first-key-1", "--api-key", "other-key-2") as server:
            for key, status in ((None, 401), ("Bearer nonsense", 401), ("Bearer first-key-1", 200), ("Bearer other-key-2", 200)):
                headers = {"authorization": key} if key else {}
                for path in ("/v1/models", "/version", "/metrics"):
                    self.assertEqual(server.request("GET", path, headers=headers)[0], status)
            self.assertEqual(server.request("GET", "/no/such/path")[0], 401)
            self.assertEqual(server.request("GET", "/health")[0], 200)
            self.assertNotIn("first-key-1", server.log.read_text())

    @unless_sanitized
    def testAnIdleServerUsesNoProcessorTime(self):
        with Server(self.engine) as server:
            server.complete(STORY, max_tokens=4)
            time.sleep(0.3)

            def ticks():
                with open(f"/proc/{server.process.pid}/stat") as stat:
                    return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))

            before = ticks()
            time.sleep(2)
            self.assertLessEqual(ticks() - before, 1)  # A tick is 10 ms.

    def testAnOverfullServerSaysWhenToComeBack(self):
        with Server(self.engine, "--max-sequences", 1, "--max-queue", 2) as server:
            results = []

            def ask():
                results.append(server.request("POST", "/v1/completions", {
                    "model": "model", "prompt": STORY, "max_tokens": 150, "ignore_eos": True}))

            threads = [threading.Thread(target=ask) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            refused = [r for r in results if r[0] == 503]
            self.assertTrue(refused)
            self.assertGreaterEqual(len(results) - len(refused), 2)  # What may wait.
            for _, headers, body in refused:
                self.assertGreaterEqual(int(headers["retry-after"]), 1)
                self.assertEqual(body["error"]["code"], "server_overloaded")
            m = server.wait_idle()
            self.assertEqual(m['vllm:admission_rejections_total{reason="max_num_queued_reqs"}'], len(refused))
            self.assertEqual(sum(v for k, v in m.items() if k.startswith("vllm:request_success_total")), 12 - len(refused))


def _file(text):
    from tenon_cli import write_text
    return write_text("serve-score.txt", text)


if __name__ == "__main__":
    unittest.main()
