# SPDX-License-Identifier: Apache-2.0
"""The same request gives the same bits alone or among others, however it is cut up and spread over workers."""

import unittest

import tenon_cli
from tenon_cli import compile_engine, model, run

from oracle_prompts import PROMPTS  # Found through tenon_cli.

TEXT = tenon_cli.ORACLE / "text" / "code.txt"


class Invariance:
    name = None
    tokens = 350  # Not a multiple of any block, tile, chunk or segment of keys.

    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model(cls.name))

    def score(self, *options):
        return run("tenon", "score", self.engine, "--text", TEXT, "--max-tokens", self.tokens, "--json",
                   *options).json()["logits_xxh3"]

    def generate(self, prompts, *options):
        arguments = [word for prompt in prompts for word in ("--prompt", prompt)]
        return run("tenon", "generate", self.engine, "--raw", "--ignore-eos", "--max-new-tokens", 12, "--logprobs", 8,
                   "--json", *arguments, *options).json()["results"]

    def testPromptChunksDoNotChangeLogits(self):
        whole = self.score()
        for step in (1, 7, 33, 128):
            self.assertEqual(self.score("--step-tokens", step), whole, f"--step-tokens {step}")

    def testThreadsDoNotChangeLogits(self):
        one = self.score("--threads", 1)
        for threads in (2, 3):
            self.assertEqual(self.score("--threads", threads, "--no-pin"), one, f"--threads {threads}")

    def testVariantsGiveTheSameBits(self):
        every = compile_engine(model(self.name), "--target", "cpu")
        sums = {}
        for variant in ("avx2", "avxvnni", "avx512", "amx"):
            result = run("tenon", "score", every, "--text", TEXT, "--max-tokens", self.tokens, "--variant", variant, "--json",
                         check=False)
            if result.code == 0:
                sums[variant] = result.json()["logits_xxh3"]
            else:  # This machine cannot run it, or the engine does not carry it.
                self.assertIn(variant, result.err)
        self.assertIn("avx2", sums)
        self.assertEqual(len(set(sums.values())), 1, sums)

    def testNeighboursDoNotChangeAnswers(self):
        prompts = list(PROMPTS.values())
        together = self.generate(prompts)
        for prompt, among in zip(prompts, together, strict=True):
            alone, = self.generate([prompt])
            self.assertEqual(alone["ids"], among["ids"])
            self.assertEqual(alone["logprobs"], among["logprobs"])  # As JSON: every digit of every value.

    def testWaitingForRoomDoesNotChangeAnswers(self):
        prompts = list(PROMPTS.values())
        together = self.generate(prompts)
        # Two sequences at a time: the others wait, and their prompts run beside the first ones' tokens.
        self.assertEqual(self.generate(prompts, "--max-sequences", 2, "--step-tokens", 5), together)

    def testSampledAnswersFollowTheSeed(self):
        prompts = [PROMPTS["story"], PROMPTS["fact"]]
        first = self.generate(prompts, "--temperature", 1, "--top-p", 0.95, "--seed", 7)
        self.assertEqual(self.generate(prompts, "--temperature", 1, "--top-p", 0.95, "--seed", 7), first)
        self.assertNotEqual(self.generate(prompts, "--temperature", 1, "--top-p", 0.95, "--seed", 8), first)


class SmolLM2InvarianceTest(Invariance, unittest.TestCase):
    name = "smollm2"


class Gemma3InvarianceTest(Invariance, unittest.TestCase):
    name = "gemma3"
    tokens = 70


if __name__ == "__main__":
    unittest.main()
