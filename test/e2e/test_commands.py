# SPDX-License-Identifier: Apache-2.0
"""Every command's help, and what wrong use of it is answered with."""

import re
import unittest

from tenon_cli import WORK, compile_engine, model, run

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
        # Of each, the word that explains it and the command line.
        generate, bench_serve = ["generate", self.engine, "--prompt", "a"], ["bench", "serve", "--model", "m"]
        for word, command in (
                ("--log json", ["serve", self.engine, "--log-prompts"]),
                ("already; leave it out", ["serve", self.engine, "--open-metrics"]),
                ("dp=2", ["serve", self.engine, "--replica-slack", "2"]),
                ("--json", [*generate, "--logprobs", "3"]),
                ("pp=2", [*generate, "--micro-batch", "4"]),
                ("several chips", [*generate, "--rank-timeout", "5"]),
                *(("--temperature", [*generate, option, "1"]) for option in ("--top-k", "--top-p", "--min-p", "--seed")),
                ("--temperature", ["chat", self.engine, "--seed", "1"]),
                ("--regex", [*generate, "--ignore-eos", "--regex", "a+"]),
                ("--json", [*generate, "--quiet", "--json"]),
                ("--json", ["score", self.engine, "--text", __file__, "--top", "2"]),
                ("--plan", ["inspect", self.engine, "--plan", "--json"]),
                ("--plan", ["inspect", self.engine, "--plan", "--threads", "2"]),
                ("`chip`", ["bench", "--threads", "1", "chip"]),
                ("`serve`", ["bench", self.engine, "serve", "--model", "m"]),
                ("mpirun", ["bench", "collectives", "--rank-timeout", "5"]),
                ("needs one", ["bench", "collectives", "--chips", "3", "--threads", "2"]),
                ("moves nothing", ["bench", "collectives", "--kinds", "barrier", "--rows", "4"]),
                ("--clients", [*bench_serve, "--clients", "2", "--rate", "4"]),
                *(("--trace", [*bench_serve, "--trace", "t.jsonl", option, "1"])
                  for option in ("--clients", "--rate", "--prompt-tokens", "--new-tokens", "--spread")),
                ("--vocabulary", [*bench_serve, "--words", "--vocabulary", "9"]),
                ("--vocabulary", [*bench_serve, "--text", __file__, "--vocabulary", "9"]),
                ("no prompt is as long", [*bench_serve, "--shared-prefix", "200"])):
            with self.subTest(command=command):
                self.refuse(2, word, command=["tenon", *command])

    def testTheCompilerRefusesOptionsThatWouldDoNothing(self):
        for words, options in (
                (("--prefer throughput", "--chips FILE"), ["--prefer", "throughput"]),
                (("--collectives bf16", "tp=2"), ["--collectives", "bf16"]),
                (("--collectives bf16", "tp=2"), ["--collectives", "bf16", "--sharding", "dp=2,pp=2"]),
                (("--sequence-parallel 8", "tp=2"), ["--sequence-parallel", "8", "--sharding", "pp=2"]),
                (("--overlap 8", "tp=2"), ["--overlap", "8"]),
                (("--overlap 8", "--sequence-parallel never"), ["--overlap", "8", "--sequence-parallel", "never", "--sharding", "tp=2"]),
                (("--dump-after=shard", "--sharding"), ["--dump-after", "shard"]),
                (("--calibration-text", "nothing is rounded"), ["--calibration-text", __file__]),
                (("--calibration-text", "--no-accuracy"), ["--calibration-text", __file__, "--weights", "q4", "--no-accuracy"]),
                (("--random-format", "--random-weights"), ["--random-format", "q8_0"])):
            with self.subTest(options=options):
                self.refuse(2, *words, command=["tenon-compile", model("smollm2"), "--plan-only", *options])

    def testTheCompilerSaysWhatIsNotDone(self):
        path = WORK / "not-written.tenon"
        said = run("tenon-compile", model("smollm2"), "-o", path, "--plan-only", "--weights", "q8", "--embedding-weights", "keep").err
        self.assertIn("no matrix has more bits than was asked for", said)
        self.assertIn(f"--plan-only: {path} is not written", said)
        self.assertFalse(path.exists())
        self.assertEqual(run("tenon-compile", model("smollm2"), "--plan-only", "--embedding-weights", "keep").err, "")

    def testAskingForNothingIsNoFault(self):
        for options in (["--overlap", "never", "--sequence-parallel", "never"], ["--collectives", "f32"], ["--no-accuracy", "--no-calibration"]):
            run("tenon-compile", model("smollm2"), "--plan-only", *options)
        run("tenon", "generate", self.engine, "--prompt", "a", "--max-new-tokens", 1, "--temperature", 0, "--seed", 3, "--top-p", 0.9)

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
