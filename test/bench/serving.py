# SPDX-License-Identifier: Apache-2.0
"""Starts the servers that are measured, puts load on them, and keeps the rest of the machine away."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path


class Machine:
    """Where contestants run: plainly, or with real-time priority on a machine that others use too.

    A server's workers spin while they wait for each other, and at one priority nobody interrupts them. So the threads that
    write to clients, and the clients, have one more: what a fair scheduler gives threads that hardly run."""

    def __init__(self, realtime):
        self.realtime = realtime

    def command(self, words, above=0):
        return (["chrt", "-f", str(50 + above)] if self.realtime else []) + [str(word) for word in words]

    def lift(self, pid, names):
        """Threads of `pid` with these names. A server may listen before it has started them: they are waited for."""
        if not self.realtime:
            return
        missing, deadline = set(names), time.monotonic() + 10
        while missing and time.monotonic() < deadline:
            time.sleep(0.01)
            for task in Path(f"/proc/{pid}/task").iterdir():
                name = (task / "comm").read_text().strip()
                if name in names:
                    os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(51))
                    missing.discard(name)
        if missing:
            raise SystemExit(f"the server has no thread {', '.join(sorted(missing))}")


class Server:
    """A process that serves; a context manager."""

    def __init__(self, machine, command, port, ready, lift=(), environment=None):
        self.port, self.log = port, tempfile.TemporaryFile()
        self.process = subprocess.Popen(machine.command(command), stdout=self.log, stderr=self.log,
                                        env={**os.environ, **(environment or {})})
        deadline = time.monotonic() + 120
        while not ready(self):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise SystemExit("the server did not start:\n" + self.log.read()[-3000:].decode(errors="replace"))
            time.sleep(0.05)
        machine.lift(self.process.pid, lift)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return answer.read().decode()

    def cpu_seconds(self):
        """Processor time by name of thread."""
        seconds = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                name, used = (task / "comm").read_text().strip(), (task / "schedstat").read_text().split()[0]
                seconds[name] = seconds.get(name, 0) + int(used) * 1e-9
        return seconds

    def resident(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tenon_server(machine, tenon, engine, *options):
    file = Path(tempfile.mkdtemp()) / "port"

    def ready(server):
        if file.exists() and file.read_text().endswith("\n"):
            server.port = int(file.read_text())
            return True
        return False

    return Server(machine, [tenon, "serve", engine, "--port", 0, "--port-file", file, "--served-model-name", "m", "--log", "off",
                            *options], None, ready, lift=("tenon-io",))


def samples(text):
    """Prometheus text -> value by name{labels}, without model_name and engine."""
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name, _, labels = name.partition("{")
            kept = sorted(l for l in labels.rstrip("}").split(",") if l and not l.startswith(("model_name=", "engine=")))
            values[name + ("{" + ",".join(kept) + "}" if kept else "")] = float(value)
    return values


def quantile_bound(values, name, share):
    """Upper edge of the bucket that holds the quantile of a histogram without further labels, and its samples."""
    buckets = sorted((float(key.split('le="')[1].rstrip('"}').replace("+Inf", "inf")), count) for key, count in values.items()
                     if key.startswith(name + "_bucket"))
    total = buckets[-1][1]
    return next(edge for edge, count in buckets if count >= share * total), int(total)


def load(machine, tenon, server, *options):
    """What `tenon bench serve` saw."""
    command = machine.command([tenon, "bench", "serve", "--model", "m", "--port", server.port, "--json", *options], above=1)
    finished = subprocess.run(command, capture_output=True, text=True)
    if not finished.stdout.strip():
        raise SystemExit(finished.stderr)
    report = json.loads(finished.stdout)
    if report["failed"]:
        raise SystemExit(finished.stderr)
    return report
