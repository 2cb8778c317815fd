# SPDX-License-Identifier: Apache-2.0
"""Starts `tenon serve` for the tests, and talks to it as plainly as possible."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import tenon_cli


class Server:
    """A running server. Use as a context manager; ending it checks that it ended well. `launcher`: what comes before the command."""

    def __init__(self, engine, *options, launcher=(), environment=None):
        tenon_cli.WORK.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=tenon_cli.WORK)
        port_file = Path(self._folder.name) / "port"
        self.log = Path(self._folder.name) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*launcher, str(tenon_cli.binary("tenon")), "serve", str(engine), "--port", "0", "--port-file", str(port_file),
                 "--served-model-name", "model", "--audit", *(() if "--log" in options else ("--log", "json")), *map(str, options)],
                stderr=log, stdout=log, env=environment)
        deadline = time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().endswith("\n")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the server did not start:\n" + self.log.read_text())
            time.sleep(0.001)
        self.port = int(port_file.read_text())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("the server did not stop:\n" + self.log.read_text()[-4000:]) from None
        if exception[0] is None and self.process.returncode != 0:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
        self._folder.cleanup()

    def connect(self, timeout=300):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def raw(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        """Status, headers, and the body: parsed if it is JSON."""
        connection = self.connect()
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            text = response.read()
            kind = response.headers.get("content-type", "")
            return response.status, response.headers, json.loads(text) if kind.startswith("application/json") else text.decode()
        finally:
            connection.close()

    def post(self, path, body, headers=None):
        """The JSON answer of a request that must succeed."""
        status, _, answer = self.request("POST", path, body, headers)
        if status != 200:
            raise AssertionError(f"{status}: {answer}")
        return answer

    def complete(self, prompt, **fields):
        return self.post("/v1/completions", {"model": "model", "prompt": prompt, "temperature": 0, **fields})

    def chat(self, content, **fields):
        return self.post("/v1/chat/completions", {
            "model": "model", "messages": [{"role": "user", "content": content}], "temperature": 0, **fields})

    def stream(self, path, body):
        """The events of a stream, parsed; the last must be [DONE], which is left out."""
        connection = self.connect()
        try:
            connection.request("POST", path, json.dumps({"model": "model", "stream": True, **body}))
            response = connection.getresponse()
            if response.status != 200:
                raise AssertionError(f"{response.status}: {response.read()}")
            if not response.headers["content-type"].startswith("text/event-stream"):
                raise AssertionError(response.headers["content-type"])
            events = response.read().decode().split("\n\n")
        finally:
            connection.close()
        if events[-2:] != ["data: [DONE]", ""]:
            raise AssertionError(f"the stream ends with {events[-2:]}")
        return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]

    def metrics(self):
        """Samples by name with labels, as "name{label="value",...}" without model_name and engine."""
        samples = {}
        for line in self.request("GET", "/metrics")[2].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name, _, labels = name.partition("{")
                kept = [l for l in labels.rstrip("}").split(",") if l and not l.startswith(("model_name=", "engine="))]
                samples[name + ("{" + ",".join(kept) + "}" if kept else "")] = float(value)
        return samples

    def resident(self):
        """Bytes. 0 under a sanitizer, which keeps what was freed and remembers every access: nothing can be said then."""
        if tenon_cli.SANITIZER:
            return 0
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def wait_running(self, seconds=30):
        """Until a sequence has been computed in part."""
        deadline = time.monotonic() + seconds
        while self.metrics()["vllm:num_requests_running"] == 0:
            if time.monotonic() > deadline:
                raise AssertionError("nothing runs:\n" + self.log.read_text()[-2000:])
            time.sleep(0.01)

    def wait_idle(self, seconds=30):
        """Until nothing runs or waits; then every KV block is free or cached."""
        deadline = time.monotonic() + seconds
        while True:
            m = self.metrics()
            if m["vllm:num_requests_running"] == 0 and m["vllm:num_requests_waiting"] == 0:
                if m['tenon:kv_blocks{state="used"}'] != 0:
                    raise AssertionError(f"an idle server holds blocks: {m}")
                return m
            if time.monotonic() > deadline:
                raise AssertionError("the server is still busy")
            time.sleep(0.02)
