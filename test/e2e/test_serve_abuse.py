# SPDX-License-Identifier: Apache-2.0
"""One test for each way to abuse the server: it stays up, answers the next request, tells nothing, and holds nothing."""

import json
import random
import re
import signal
import socket
import struct
import threading
import time
import unittest
from pathlib import Path

from serving import Server
from tenon_cli import compile_engine, model

STORY = "Once upon a time, in a land far away,"
# An address, a path of this machine, or a place in our sources.
LEAK = re.compile(r"0x[0-9a-fA-F]{6,}|/(?:root|home|tmp|usr|proc|work)/|\.(?:cpp|h):\d")


def answer_of(sock):
    """Status and body of whatever the server says until it closes."""
    data = b""
    try:
        while chunk := sock.recv(65536):
            data += chunk
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if length and len(body) >= int(length[1]):
                break
    except ConnectionResetError:
        pass
    if not data:
        return None, ""
    return int(data.split()[1]), data.partition(b"\r\n\r\n")[2].decode()


class AbuseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))
        cls.server = Server(cls.engine, "--header-timeout-ms", 600, "--body-timeout-ms", 800, "--write-timeout-ms", 1000,
                            "--max-body", 200000, "--max-connections", 300)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def tearDown(self):
        self.assertEqual(self.server.complete("Hi", max_tokens=1)["usage"]["completion_tokens"], 1)
        self.server.wait_idle()

    def send(self, data, wanted):
        with self.server.raw() as sock:
            try:
                sock.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # The answer may come before everything is sent.
            status, body = answer_of(sock)
        self.assertIn(status, wanted, body)
        self.assertIsNone(LEAK.search(body), body)
        if status and status >= 400:
            self.assertEqual(set(json.loads(body)["error"]), {"message", "type", "param", "code"})

    def testHugeNegativeAndImpossibleNumbers(self):
        for field in ("n", "max_tokens", "min_tokens", "seed", "top_k", "priority", "temperature", "top_p", "min_p", "logprobs",
                      "presence_penalty", "repetition_penalty", "prompt_logprobs"):
            for value in ("-1", "-9223372036854775809", "18446744073709551616", "1e308", "-1e308", "1e9999", "NaN", "Infinity",
                          "0.0000000001", '"1"', "true", "[]", "{}"):
                body = f'{{"model":"model","prompt":"Hi","max_tokens":1,"{field}":{value}}}'
                status, _, answer = self.server.request("POST", "/v1/completions", body)
                self.assertIn(status, (200, 400), (field, value, answer))
                self.assertIsNone(LEAK.search(json.dumps(answer)))

    def testGiantHeaders(self):
        self.send(b"GET /health HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 200000 + b"\r\n\r\n", (431, 400))
        self.send(b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n", (431, 400, 414))
        self.send(b"GET /health HTTP/1.1\r\n" + b"a: b\r\n" * 50000 + b"\r\n", (431, 400))

    def testGiantBodies(self):
        self.send(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n", (413,))
        self.send(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n" + b"x" * 300000, (413,))
        chunks = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        self.send(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + chunks * 100 + b"0\r\n\r\n", (413,))

    def testTinyChunks(self):
        body = json.dumps({"model": "model", "prompt": "Hi", "max_tokens": 1, "user": "u" * 500}).encode()
        chunks = b"".join(b"1\r\n" + bytes([b]) + b"\r\n" for b in body)
        self.send(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", (200,))

    def testBrokenHttp(self):
        for data in (b"\r\n\r\n\r\n", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
                     b"POST /v1/completions HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
                     b"POST /v1/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"):
            self.send(data, (400, 404, 405, 413, 408, None))

    def testDeepJsonAndWideJson(self):
        for body in (b'{"a":' + b"[" * 90000, b'{"a":' + b'{"a":' * 30000, b"[" + b"0," * 90000 + b"0]",
                     b'{"model":"model","prompt":' + b"[" * 40 + b"1" + b"]" * 40 + b"}"):
            status, _, _ = self.server.request("POST", "/v1/completions", body)
            self.assertEqual(status, 400)

    def testInvalidUtf8(self):
        for broken in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"):
            status, _, _ = self.server.request("POST", "/v1/completions", b'{"model":"model","prompt":"' + broken + b'"}')
            self.assertEqual(status, 400)
        answer = self.server.complete("\u0000\ufffd\U0001f600 \\ud83d", max_tokens=2)
        self.assertEqual(answer["usage"]["completion_tokens"], 2)

    def testFanOut(self):
        for fields in ({"n": 17}, {"n": 16, "prompt": ["x"] * 5}, {"prompt": ["x"] * 100}, {"prompt": [[1]] * 5000},
                       {"best_of": 16}, {"stop": ["x"] * 1000}, {"logit_bias": {str(i): 1 for i in range(5000)}}):
            status, _, answer = self.server.request("POST", "/v1/completions", {"model": "model", "prompt": "x", "max_tokens": 1, **fields})
            self.assertEqual((status, answer["error"]["type"]), (400, "invalid_request_error"), fields)
        whole = self.server.complete(["a", "b", "c", "d"], n=16, max_tokens=2, temperature=1, seed=1)
        self.assertEqual(len(whole["choices"]), 64)

    def testHeaderInjection(self):
        for value in ("x\\r\\nset-cookie: a", "a" * 500, "a b", "<script>"):
            _, headers, _ = self.server.request("GET", "/health", headers={"x-request-id": value})
            self.assertTrue(headers["x-request-id"].startswith("req_"))
        status, _, answer = self.server.request("POST", "/v1/completions", {"model": "a\r\nx-evil: 1", "prompt": "x"})
        self.assertEqual((status, answer["error"]["code"]), (404, "model_not_found"))

    def testHostileAuthorization(self):
        with Server(self.engine, "--api-key", "right-key-1") as guarded:
            for value in ("Bearer " + "a" * 20000, "Basic " + "=" * 1000, "Basic \xff".encode("latin1"), "Bearer ' OR 1=1 --"):
                self.assertEqual(guarded.request("GET", "/v1/models", headers={"authorization": value})[0], 401)

    def testPathsDoNotLeaveTheRoutes(self):
        for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/models/..%2f..%2fx", "//", "/v1//models", "/%00", "/%", "*"):
            status, _, answer = self.server.request("GET", path)
            self.assertEqual(status, 404, path)
            self.assertIsNone(LEAK.search(json.dumps(answer).replace(json.dumps(path)[1:-1], "")))

    def testSlowlorisIsCutOff(self):
        socks = [self.server.raw() for _ in range(50)]
        for sock in socks:
            sock.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\n")
        began = time.monotonic()
        self.server.complete("Hi", max_tokens=1)  # Others are served meanwhile.
        for sock in socks:
            status, _ = answer_of(sock)
            self.assertIn(status, (408, None))
            sock.close()
        self.assertLess(time.monotonic() - began, 10)
        with self.server.raw() as sock:  # A byte now and then does not help.
            began = time.monotonic()
            sock.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n")
            try:
                while time.monotonic() - began < 10:
                    sock.sendall(b"x")
                    time.sleep(0.1)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertLess(time.monotonic() - began, 5)

    def testSlowReadersHinderNobody(self):
        body = json.dumps({"model": "model", "prompt": STORY, "stream": True, "max_tokens": 4000, "ignore_eos": True, "n": 4,
                           "logprobs": 20}).encode()
        socks = []
        for _ in range(3):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", self.server.port))
            sock.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            socks.append(sock)
        time.sleep(0.5)
        self.assertEqual(self.server.complete("Hi", max_tokens=4, ignore_eos=True)["usage"]["completion_tokens"], 4)
        self.server.wait_idle(60)  # All three are cut though nobody closed them.
        for sock in socks:
            sock.close()

    def testConnectionsBeyondTheLimitAreTold(self):
        socks = []
        refused = 0
        for _ in range(340):
            sock = self.server.raw(5)
            socks.append(sock)
        for sock in socks[300:]:
            status, _ = answer_of(sock)
            refused += status == 503
        for sock in socks:
            sock.close()
        self.assertGreaterEqual(refused, 30)
        time.sleep(0.3)

    def testAbruptEnds(self):
        choice = random.Random(1)
        whole = b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 62\r\n\r\n" + \
            b'{"model":"model","prompt":"Hi","max_tokens":500,"stream":true}'
        for _ in range(60):
            sock = self.server.raw()
            sock.sendall(whole[:choice.randrange(1, len(whole) + 1)])
            if choice.random() < 0.5:  # A reset instead of an end.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(choice.random() * 0.01)
            sock.close()

    def testPipelinedRequestsAreAnsweredInOrder(self):
        with self.server.raw() as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: a\r\n\r\nGET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            data = b""
            while chunk := sock.recv(65536):
                data += chunk
        self.assertEqual([int(s) for s in re.findall(rb"HTTP/1.1 (\d+)", data)], [200, 404, 200])

    def testWhatComesBehindARequestCostsItNothing(self):
        """A line's end, as some clients send behind a body, and a next request: at once or while the first is answered."""
        body = json.dumps({"model": "model", "prompt": STORY, "max_tokens": 12, "ignore_eos": True}).encode()
        first = b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        last = first.replace(b"host: a", b"host: a\r\nconnection: close")
        for tail in (b"\r\n", b"", b"\r\n\r\n"):
            for pause in (0, 0.02):
                with self.subTest(tail=tail, pause=pause), self.server.raw() as sock:
                    sock.sendall(first if pause else first + tail + last)
                    if pause:
                        time.sleep(pause)
                        sock.sendall(tail)
                        time.sleep(pause)
                        sock.sendall(last)
                    data = b""
                    while chunk := sock.recv(65536):
                        data += chunk
                    self.assertEqual([int(s) for s in re.findall(rb"HTTP/1.1 (\d+)", data)], [200, 200])
        with self.server.raw() as sock:  # An empty line alone is no request that could come too late.
            sock.sendall(last.replace(b"connection: close", b"a: b") + b"\r\n")
            self.assertEqual(answer_of(sock)[0], 200)
            sock.settimeout(3)
            with self.assertRaises(TimeoutError):
                sock.recv(1)
        self.server.wait_idle()

    def testAServerThatStoodStillServesWhatHasComeMeanwhile(self):
        """A deadline that has passed by the time the bytes are read is no reason to drop what they ask for."""
        body = json.dumps({"model": "model", "prompt": STORY, "max_tokens": 12, "ignore_eos": True}).encode()
        head = b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
        state = Path(f"/proc/{self.server.process.pid}/stat")
        for early, late in ((head[:30], head[30:] + body), (head + body[:20], body[20:])):
            with self.server.raw() as sock:
                sock.sendall(early)
                time.sleep(0.3)
                self.server.process.send_signal(signal.SIGSTOP)
                try:
                    while state.read_text().rsplit(")", 1)[1].split()[0] != "T":
                        time.sleep(0.01)
                    sock.sendall(late)
                    time.sleep(1)  # Longer than either deadline of this server.
                finally:
                    self.server.process.send_signal(signal.SIGCONT)
                self.assertEqual(answer_of(sock)[0], 200)



class SoakTest(unittest.TestCase):
    """Random requests, errors and hang-ups; TENON_SOAK sets how many (20,000 is the full run)."""

    def testNothingIsLostAndNothingGrows(self):
        import os
        count = int(os.environ.get("TENON_SOAK", "400"))
        engine = compile_engine(model("smollm2"))
        with Server(engine, "--max-sequences", 16, "--max-queue", 200, "--log", "off") as server:
            outcome = {"good": 0, "refused": 0, "left": 0}
            lock = threading.Lock()

            def work(seed, requests):
                choice = random.Random(seed)
                for _ in range(requests):
                    kind = choice.random()
                    body = {"model": "model", "prompt": " ".join(choice.choice(["the", "old", "king", "said", "42"]) for _ in
                                                                  range(choice.randrange(1, 40))),
                            "max_tokens": choice.randrange(1, 16), "temperature": choice.choice([0, 1]), "seed": choice.randrange(9),
                            "n": choice.choice([1, 1, 1, 2]), "stream": choice.random() < 0.5}
                    if kind < 0.1:
                        body["temperature"] = -1
                    connection = server.connect()
                    try:
                        connection.request("POST", "/v1/completions", json.dumps(body))
                        if kind > 0.9:
                            time.sleep(choice.random() * 0.05)
                            name = "left"
                        else:
                            response = connection.getresponse()
                            response.read()
                            name = "good" if response.status == 200 else "refused"
                            self.assertIn(response.status, (200, 400))
                    finally:
                        connection.close()
                    with lock:
                        outcome[name] += 1

            def run(requests):
                threads = [threading.Thread(target=work, args=(s, requests // 12)) for s in range(12)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                return server.wait_idle(60)

            run(count // 4)
            settled = server.resident()
            metrics = run(count)
            grown = server.resident() - settled
            self.assertLess(grown, 8 << 20, f"{grown} bytes more after {count} requests")
            ends = {k: v for k, v in metrics.items() if k.startswith("vllm:request_success_total")}
            self.assertEqual(sum(ends.values()), metrics["vllm:request_params_n_sum"])  # Each sequence ended once.
            self.assertEqual(ends['vllm:request_success_total{finished_reason="error"}'], 0)
            self.assertGreater(outcome["good"], 0)
            self.assertGreater(outcome["refused"], 0)
            self.assertGreater(outcome["left"], 0)
            blocks = {s: metrics[f'tenon:kv_blocks{{state="{s}"}}'] for s in ("used", "cached", "free")}
            self.assertEqual(blocks["used"], 0)


if __name__ == "__main__":
    unittest.main()
