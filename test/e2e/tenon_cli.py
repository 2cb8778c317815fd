# SPDX-License-Identifier: Apache-2.0
"""Runs the built binaries for the tests: where they are, which models there are, engines made once."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ORACLE = ROOT / "test" / "oracle"
sys.path.insert(0, str(ORACLE))  # oracle_prompts, random_checkpoints
BUILD = Path(os.environ.get("TENON_BUILD", ROOT / "build"))
MODELS = Path(os.environ.get("TENON_MODELS", ROOT / "build" / "models"))
WORK = Path(os.environ.get("TENON_E2E_WORK", BUILD / "e2e"))
# Set by continuous integration, where a model that is not there is a failure and no reason to skip.
STRICT = os.environ.get("TENON_CI", "") not in ("", "0")

MODEL_FILES = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma-3-270m-q4_k_m.gguf"}


@dataclass
class Result:
    """A finished command, with what the kernel counted for it."""

    code: int
    out: str
    err: str
    seconds: float
    peak_bytes: int

    def json(self):
        return json.loads(self.out)


def binary(name):
    return BUILD / "bin" / name


def run(name, *arguments, check=True, timeout=600, text=""):
    """Runs build/bin/NAME with `text` on standard input; with `check`, a non-zero exit raises with what was printed."""
    command = [str(binary(name)), *map(str, arguments)]
    # The child is measured by wait4 of its own process, not by RUSAGE_CHILDREN, which is a maximum over all.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(text.encode())
        given.seek(0)
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=given)
        watchdog = _Watchdog(process, timeout)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        result = Result(process.returncode, out.read().decode("utf-8", "replace"),
                        err.read().decode("utf-8", "replace"), seconds, usage.ru_maxrss * 1024)
    if check and result.code != 0:
        raise AssertionError(f"{' '.join(command)}\nended with {result.code}\n{result.out[-2000:]}\n{result.err[-4000:]}")
    return result


class _Watchdog:
    def __init__(self, process, seconds):
        self.timer = threading.Timer(seconds, process.kill)
        self.timer.daemon = True
        self.timer.start()

    def cancel(self):
        self.timer.cancel()


def model(name):
    """Path of a real model. Skips the test where it is missing, or fails it under TENON_CI."""
    path = MODELS / MODEL_FILES[name]
    if path.exists():
        return path
    message = f"{path} is missing (tools/setup fetches it; TENON_MODELS names another folder)"
    if STRICT:
        raise AssertionError(message)
    raise unittest.SkipTest(message)


_engines = {}


def compile_engine(checkpoint, *options):
    """Compiles for this machine's best variant into WORK; once per process and set of options."""
    options = options or ("--target", "cpu:native")
    key = (str(checkpoint), *map(str, options))
    if key not in _engines:
        WORK.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:12]
        target = WORK / f"{Path(checkpoint).stem}-{digest}.tenon"
        run("tenon-compile", checkpoint, "-o", target, *options)
        _engines[key] = target
    return _engines[key]


def write_text(name, text):
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / name
    path.write_bytes(text.encode())
    return path
