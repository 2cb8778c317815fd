# SPDX-License-Identifier: Apache-2.0
"""Runs the built binaries for the tests: where they are, which models there are, engines made once."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
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
# Set by tools/sanitize.
SANITIZER = os.environ.get("TENON_SANITIZER", "")
SLOWER = 10 if SANITIZER else 1  # For deadlines of the program's own work.
unless_sanitized = unittest.skipIf(SANITIZER, "it measures the program, and now the sanitizer would be measured")

MODEL_FILES = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma-3-270m-q4_k_m.gguf"}


@dataclass
class Result:
    """A finished command."""

    code: int
    out: str
    err: str
    seconds: float = 0.0  # These two only by measure().
    peak_bytes: int = 0

    def json(self):
        return json.loads(self.out)


def binary(name):
    return BUILD / "bin" / name


def run(name, *arguments, check=True, timeout=600, text=""):
    """Runs build/bin/NAME with `text` on standard input; with `check`, a non-zero exit raises with what was printed."""
    return _execute([str(binary(name)), *map(str, arguments)], check, timeout, text)


# Its own small process: a child's peak starts at what its parent has when it is made, and the tests have much.
_MEASURE = """
import json, resource, subprocess, sys, time
begin = time.monotonic()
code = subprocess.run(sys.argv[2:]).returncode
seconds = time.monotonic() - begin
json.dump([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss], open(sys.argv[1], "w"))
sys.exit(code if code >= 0 else 255)
"""


def measure(name, *arguments, timeout=600):
    """run(), with the command's wall-clock time and largest resident set."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("r", dir=WORK) as figures:
        result = _execute([sys.executable, "-S", "-c", _MEASURE, figures.name, str(binary(name)), *map(str, arguments)],
                          True, timeout, "")
        result.seconds, kilobytes = json.load(figures)
    result.peak_bytes = kilobytes * 1024
    return result


def _execute(command, check, timeout, text):
    finished = subprocess.run(command, input=text.encode(), capture_output=True, timeout=timeout)
    result = Result(finished.returncode, finished.stdout.decode("utf-8", "replace"),
                    finished.stderr.decode("utf-8", "replace"))
    if check and result.code != 0:
        raise AssertionError(f"{' '.join(command)}\nended with {result.code}\n{result.out[-2000:]}\n{result.err[-4000:]}")
    return result


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
