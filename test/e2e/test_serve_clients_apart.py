# SPDX-License-Identifier: Apache-2.0
"""What clients must not learn of each other, and must not take from each other: logs, and requests in progress."""

import json
import time
import unittest

from serving import Server
from tenon_cli import STRICT, compile_engine, model

try:
    import openai
except ImportError:
    if STRICT:
        raise
    openai = None

KEYS = ("first-secret-key-4711", "second-secret-key-0815")
SECRET = "xylophone-of-aunt-Mathilda"


def bearer(key):
    return {"authorization": f"Bearer {key}"}


class LogTest(unittest.TestCase):
    """Prompts, answers and keys stay out of logs and metrics, whatever goes wrong; --log-prompts shows bodies, never keys."""

    def exchange(self, server):
        """Every route, whole and streaming, with the secret in every place that a client fills, and with errors."""
        answers = []

        def ask(path, body, key=KEYS[0], text=None):
            answers.append(server.request("POST", path, text if text is not None else {"model": "model", "user": SECRET, **body}, bearer(key))[2])

        echo = {"prompt": SECRET, "echo": True, "max_tokens": 2, "logprobs": 1}
        ask("/v1/completions", echo)
        ask("/v1/completions", {"prompt": SECRET, "max_tokens": 2, "stream": True})
        message = [{"role": "user", "content": SECRET}]
        ask("/v1/chat/completions", {"messages": message, "max_tokens": 2, "stop": [SECRET]})
        ask("/v1/chat/completions", {"messages": message, "max_tokens": 30, "guided_choice": [SECRET]})
        ask("/v1/chat/completions", {"messages": message, "response_format": {"type": SECRET}})
        ask("/v1/chat/completions", {"messages": message, "guided_regex": f"({SECRET}"})
        ask("/v1/responses", {"input": SECRET, "instructions": SECRET, "max_output_tokens": 2})
        ask("/v1/embeddings", {"input": [SECRET, SECRET]})
        ask("/v1/embeddings", {"input": SECRET, "encoding_format": SECRET})
        ask("/tokenize", {"prompt": SECRET})
        ask("/v1/completions", {"model": SECRET, "prompt": SECRET})
        ask("/v1/completions", {}, text=f'{{"prompt": "{SECRET}"')
        ask("/v1/completions", echo, key="wrong-secret-key-9")
        connection = server.connect()  # A client that leaves in the middle.
        connection.request("POST", "/v1/completions", json.dumps({"model": "model", "prompt": SECRET, "max_tokens": 500, "stream": True}),
                           bearer(KEYS[1]))
        connection.getresponse().read(10)
        connection.close()
        time.sleep(0.3)
        answers.append(server.request("GET", "/metrics", headers=bearer(KEYS[0]))[2])
        self.assertIn(SECRET, json.dumps(answers[0]))  # The exchange works as meant.
        return server.log.read_text(), answers[-1]

    def run_with(self, *options):
        keys = [argument for key in KEYS for argument in ("--api-key", key)]
        with Server(compile_engine(model("smollm2")), *keys, *options) as server:
            return self.exchange(server)

    def testNothingOfARequestIsLogged(self):
        for options in (("--log", "json"), ("--log", "text")):
            with self.subTest(options):
                log, metrics = self.run_with(*options)
                for secret in (SECRET, "Mathilda", "wrong-secret", "secret-key", *KEYS):
                    self.assertNotIn(secret, log)
                    self.assertNotIn(secret, metrics)
                lines = log.splitlines()
                self.assertGreater(len(lines), 20)
                if options[1] == "json":
                    events = [json.loads(line) for line in lines]
                    self.assertEqual({e["event"] for e in events} - {"listening", "request", "answer", "draining", "stopped"}, set())
                    self.assertIn(499, [e.get("status") for e in events])

    def testPromptsOnRequestAndKeysNever(self):
        log, _ = self.run_with("--log", "json", "--log-prompts")
        self.assertIn(SECRET, log)
        for key in (*KEYS, "wrong-secret"):
            self.assertNotIn(key, log)


class ShareTest(unittest.TestCase):
    """--max-client-requests: who has that many in progress is told so, and nobody else is."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(compile_engine(model("smollm2")), "--max-client-requests", 2, "--open-metrics",
                            *(argument for key in KEYS for argument in ("--api-key", key)))

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def begin(self, key):
        connection = self.server.connect()
        connection.request("POST", "/v1/completions", json.dumps({
            "model": "model", "prompt": "Once", "max_tokens": 4000, "stream": True, "ignore_eos": True}), bearer(key))
        self.assertEqual(connection.getresponse().status, 200)
        return connection

    def ask(self, key, path="/v1/completions", **body):
        return self.server.request("POST", path, {"model": "model", "prompt": "Hi", "max_tokens": 1, **body}, bearer(key))

    def testAClientWithItsShareInProgressWaits(self):
        first, second = self.begin(KEYS[0]), self.begin(KEYS[0])
        for path in ("/v1/completions", "/v1/chat/completions", "/v1/embeddings"):
            status, headers, answer = self.ask(KEYS[0], path)
            self.assertEqual((status, answer["error"]["code"], answer["error"]["type"]), (429, "rate_limit_exceeded", "rate_limit_error"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual(self.ask(KEYS[1])[0], 200)  # Another client has its own.
        self.assertEqual(self.ask(KEYS[0], "/tokenize")[0], 200)  # Costs nothing.
        self.assertGreaterEqual(self.server.metrics()['vllm:admission_rejections_total{reason="client_requests"}'], 3)
        if openai:
            with openai.OpenAI(base_url=f"http://127.0.0.1:{self.server.port}/v1", api_key=KEYS[0], max_retries=0) as client:
                with self.assertRaises(openai.RateLimitError):
                    client.completions.create(model="model", prompt="Hi", max_tokens=1)
        first.close()
        self.waitFor(lambda: self.ask(KEYS[0])[0] == 200)
        second.close()
        self.server.wait_idle()

    def testAPlaceIsFreeAsSoonAsTheAnswerIsThere(self):
        held = self.begin(KEYS[0])
        for _ in range(30):  # New connections, one after the other, beside the one that is held.
            self.assertEqual(self.ask(KEYS[0])[0], 200)
            self.assertEqual(self.ask(KEYS[0], temperature=9)[0], 400)
        held.close()
        self.server.wait_idle()

    def waitFor(self, condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)


class AddressTest(unittest.TestCase):
    def testWithoutKeysAClientIsAnAddress(self):
        with Server(compile_engine(model("smollm2")), "--max-client-requests", 1) as server:
            held = server.connect()
            held.request("POST", "/v1/completions", json.dumps({
                "model": "model", "prompt": "Once", "max_tokens": 4000, "stream": True, "ignore_eos": True}))
            self.assertEqual(held.getresponse().status, 200)
            status, _, answer = server.request("POST", "/v1/completions", {"model": "model", "prompt": "Hi", "max_tokens": 1}, bearer(KEYS[0]))
            self.assertEqual((status, answer["error"]["code"]), (429, "rate_limit_exceeded"))
            held.close()


if __name__ == "__main__":
    unittest.main()
