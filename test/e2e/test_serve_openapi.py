# SPDX-License-Identifier: Apache-2.0
"""/openapi.json is what the server does: schemathesis sends what the document allows and what it forbids."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from serving import Server
from tenon_cli import STRICT, WORK, compile_engine, model

MISSING = importlib.util.find_spec("schemathesis") is None
CONTEXT = 128


class DescriptionTest(unittest.TestCase):
    def testItHasTheServersOwnNumbers(self):
        engine = compile_engine(model("smollm2"), "--target", "cpu:native", "--max-context", CONTEXT)
        with Server(engine, "--max-n", 3) as server:
            status, headers, document = server.request("GET", "/openapi.json")
            self.assertEqual((status, headers["content-type"]), (200, "application/json"))
            self.assertNotIn('"@', json.dumps(document))
            chat = document["components"]["schemas"]["ChatRequest"]["properties"]
            self.assertEqual(chat["model"]["enum"], ["model"])
            self.assertEqual(chat["n"]["anyOf"][0]["maximum"], 3)
            self.assertEqual(chat["max_tokens"]["anyOf"][0]["maximum"], CONTEXT)
            last = document["components"]["schemas"]["DetokenizeRequest"]["properties"]["tokens"]["items"]["maximum"]
            self.assertEqual(server.request("POST", "/detokenize", {"tokens": [last]})[0], 200)
            self.assertEqual(server.request("POST", "/detokenize", {"tokens": [last + 1]})[0], 400)
            allowed = document["components"]["schemas"]["ResponseRequest"]["properties"]["n"]["enum"]
            for n, code in ((1, 200), (None, 200), (2, 400), ({}, 400)):
                body = {"model": "model", "input": "Hi", "max_output_tokens": 1, "n": n}
                self.assertEqual((n in allowed, server.request("POST", "/v1/responses", body)[0]), (code == 200, code))


@unittest.skipIf(MISSING and not STRICT, "the package schemathesis is missing (tools/setup installs it)")
class SchemathesisTest(unittest.TestCase):
    """TENON_OPENAPI_EXAMPLES sets how many random requests each route gets in each mode, after some hundred systematic
    ones (10 by default; 500 is the long form)."""

    def explore(self, mode):
        examples = int(os.environ.get("TENON_OPENAPI_EXAMPLES", "10"))
        engine = compile_engine(model("smollm2"), "--target", "cpu:native", "--max-context", CONTEXT)
        WORK.mkdir(parents=True, exist_ok=True)
        settings = WORK / "schemathesis.toml"
        settings.write_text('hooks = "openapi_rules"\n')
        with Server(engine, "--max-n", 4) as server:
            # The database of examples and the report stay in the test's folder. Machines that run tests are slow at times.
            finished = subprocess.run(
                [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(settings), "run",
                 f"http://127.0.0.1:{server.port}/openapi.json", "--checks", "all", "--mode", mode, "--max-examples", str(examples),
                 "--seed", "1", "--request-timeout", "120", "--max-response-time", "120", "--continue-on-failure"],
                cwd=WORK, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)}, capture_output=True, text=True,
                timeout=30 * examples + 600)
            self.assertEqual(finished.returncode, 0, finished.stdout[-8000:] + finished.stderr[-2000:])
            sent = re.search(r"(\d+) generated", finished.stdout)
            self.assertGreater(int(sent[1]), 100, finished.stdout)
            server.wait_idle(60)

    def testWhatItAllowsIsAnswered(self):
        self.explore("positive")

    def testWhatItForbidsIsRefused(self):
        self.explore("negative")


if __name__ == "__main__":
    unittest.main()
