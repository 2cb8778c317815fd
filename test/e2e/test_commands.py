# SPDX-License-Identifier: Apache-2.0
"""Every command's help, and what wrong use of it is answered with."""

import re
import unittest

from tenon_cli import compile_engine, model, run

COMMANDS = [["tenon"]] + [["tenon", *command.split()] for command in (
    "generate", "chat", "score", "embed", "tokenize", "inspect", "verify", "bench", "bench chip", "bench collectives",
    "bench serve", "serve")] + [["tenon-compile"]]


class HelpTest(unittest.TestCase):
    def testEveryCommandExplainsItselfInWords(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                text = run(*command, "--help").out
                self.assertIn("Example", text)
                # What the parser knows of its own types is nothing that a reader could type.
                self.assertIsNone(re.search(r"ENUM|value in|\{false\}|\{,", text), text)

    def testTheCompilersHelpNamesWhatTargetAndChipsTake(self):
        text = run("tenon-compile", "--help").out
        for word in ("avx2, avxvnni, avx512 and amx", "neoni8mm", "N|FILE", "--sharding auto"):
            self.assertIn(word, text)


class WrongUseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))

    def refuse(self, code, *words, command):
        result = run(*command, check=False, timeout=60)
        self.assertEqual(result.code, code, result.err)
        self.assertEqual(result.out, "")
        for word in words:
            self.assertIn(word, result.err)

    def testAnUnknownCommandIsNamed(self):
        self.refuse(2, "'foo' is no command", "--help", command=["tenon", "foo"])

    def testWordsThatAnOptionDoesNotKnowAreAnsweredWithThoseThatItDoes(self):
        for words, option in (("'xml' is none of text|json|off", ["serve", "--log", "xml"]),
                              ("'some' is none of none|first|all", ["bench", "--launches", "some"]),
                              ("'max' is none of last|mean", ["embed", "--text", "a", "--pooling", "max"])):
            with self.subTest(option=option):
                self.refuse(2, words, command=["tenon", option[0], self.engine, *option[1:]])

    def testUnknownVariantsAreAnsweredWithAllThereAre(self):
        self.refuse(2, "avx2, avxvnni, avx512, amx, neon and neoni8mm",
                    command=["tenon", "generate", self.engine, "--prompt", "a", "--variant", "sse"])

    def testOptionsThatWouldDoNothingAreRefused(self):
        self.refuse(2, "--log json", command=["tenon", "serve", self.engine, "--log-prompts"])
        self.refuse(2, "--json", command=["tenon", "generate", self.engine, "--prompt", "a", "--logprobs", "3"])
        self.refuse(2, "--prefer throughput", "--chips FILE",
                    command=["tenon-compile", model("smollm2"), "--plan-only", "--prefer", "throughput"])

    def testAPortAndATimeoutOutsideTheirRangeAreRefused(self):
        self.refuse(2, "--port", "65535", command=["tenon", "serve", self.engine, "--port", "70000"])
        for seconds in ("0", "-1", "nan"):
            self.refuse(2, "--rank-timeout",
                        command=["tenon", "generate", self.engine, "--prompt", "a", "--rank-timeout", seconds])

    def testMoreMemoryThanThereIsIsRefusedWithTheNumbersBeforeAnyIsTaken(self):
        for command in (["generate", self.engine, "--prompt", "a"], ["serve", self.engine, "--port", "0"]):
            self.refuse(6, "MB are needed", "are available", "--kv-memory",
                        command=["tenon", *command, "--kv-memory", "100TB"])

    def testInspectSaysWhetherARunWouldFit(self):
        text = run("tenon", "inspect", self.engine, "--kv-memory", "64MiB").out
        self.assertIn("available here", text)
        self.assertNotIn("does not fit", text)
        self.assertIn("does not fit: ", run("tenon", "inspect", self.engine, "--kv-memory", "100TB").out)
        pair = compile_engine(model("smollm2"), "--target", "cpu:native", "--sharding", "tp=2")
        self.assertIn("memory of 2 chips together", run("tenon", "inspect", pair).out)


if __name__ == "__main__":
    unittest.main()
