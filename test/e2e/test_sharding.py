# SPDX-License-Identifier: Apache-2.0
"""A model on several chips against the same model on one: distributions, tokens, and the same bits for any batch."""

import unittest

import numpy as np
import tenon_cli
from tenon_cli import compile_engine, model, run

from oracle_prompts import PROMPTS  # Found through tenon_cli.

TEXT = tenon_cli.ORACLE / "text" / "rabbit-hole.txt"
MEAN_KL = 1e-4
GAP = 0.05  # Nats between the two most likely tokens from which on the choice must be the same.
GRIDS = ("tp=2", "tp=3", "pp=2", "pp=3", "tp=2,pp=2")
PIPELINES = ("pp=2", "pp=3", "tp=2,pp=2")


def kl(one, other):
    """KL(one || other) over the tokens that both list and one bucket of all others."""
    p = {entry["id"]: entry["logprob"] for entry in one}
    q = {entry["id"]: entry["logprob"] for entry in other}
    shared = [token for token in p if token in q]
    a, b = np.exp([p[t] for t in shared]), np.exp([q[t] for t in shared])
    a, b = np.append(a, max(1 - a.sum(), 1e-12)), np.append(b, max(1 - b.sum(), 1e-12))
    return float((a * np.log(a / b)).sum())


class Sharding:
    name = None
    tokens = 96
    bf16_kl = MEAN_KL

    @classmethod
    def setUpClass(cls):
        cls.checkpoint = model(cls.name)
        cls.whole = compile_engine(cls.checkpoint)
        cls.expected = cls.score(cls.whole)

    @classmethod
    def engine(cls, grid):
        return compile_engine(cls.checkpoint, "--target", "cpu:native", "--sharding", grid)

    @classmethod
    def score(cls, engine, *options):
        return run("tenon", "score", engine, "--text", TEXT, "--max-tokens", cls.tokens, "--top", 256, "--json",
                   *options).json()

    def generate(self, engine, prompts, *options):
        arguments = [word for prompt in prompts for word in ("--prompt", prompt)]
        return run("tenon", "generate", engine, "--raw", "--ignore-eos", "--max-new-tokens", 16, "--logprobs", 2, "--json",
                   *arguments, *options).json()["results"]

    def testDistributionsAreThoseOfOneChip(self):
        for grid in GRIDS:
            with self.subTest(grid=grid):
                got = self.score(self.engine(grid))
                mean = np.mean([kl(a, b) for a, b in zip(self.expected["top"], got["top"], strict=True) if a])
                self.assertLessEqual(mean, MEAN_KL)

    def testTokensAreThoseOfOneChip(self):
        prompts = [PROMPTS["story"], PROMPTS["fact"]]
        expected = self.generate(self.whole, prompts)
        for grid in GRIDS:
            with self.subTest(grid=grid):
                for wanted, got in zip(expected, self.generate(self.engine(grid), prompts), strict=True):
                    for position, (a, b) in enumerate(zip(wanted["ids"], got["ids"], strict=True)):
                        if a == b:
                            continue
                        first, second = wanted["logprobs"][position]["top"][:2]
                        self.assertLess(first["logprob"] - second["logprob"], GAP, f"token {position}")
                        break  # From here on they have read different texts.

    def testWeightsAreRoundedBeforeTheyAreCut(self):
        for weights in ("q4", "q8"):
            with self.subTest(weights=weights):
                options = ("--target", "cpu:native", "--weights", weights, "--no-accuracy")
                whole = self.score(compile_engine(self.checkpoint, *options))
                parts = self.score(compile_engine(self.checkpoint, *options, "--sharding", "tp=2"))
                mean = np.mean([kl(a, b) for a, b in zip(whole["top"], parts["top"], strict=True) if a])
                self.assertLessEqual(mean, MEAN_KL)
                # The bar tells rounding apart: against the file's own weights q4 is far beyond it.
                if weights == "q4":
                    rounded = np.mean([kl(a, b) for a, b in zip(self.expected["top"], whole["top"], strict=True) if a])
                    self.assertGreater(rounded, 10 * MEAN_KL)

    def testBatchesChunksAndThreadsDoNotChangeLogits(self):
        for grid in GRIDS:
            with self.subTest(grid=grid):
                engine = self.engine(grid)
                whole = self.score(engine)["logits_xxh3"]
                self.assertEqual(self.score(engine, "--step-tokens", 7)["logits_xxh3"], whole)
                self.assertEqual(self.score(engine, "--threads", 5, "--no-pin")["logits_xxh3"], whole)

    def testNeighboursDoNotChangeAnswers(self):
        prompts = list(PROMPTS.values())[:3]
        for grid in ("tp=2", "tp=2,pp=2"):
            with self.subTest(grid=grid):
                together = self.generate(self.engine(grid), prompts)
                alone = [self.generate(self.engine(grid), [prompt])[0] for prompt in prompts]
                self.assertEqual(alone, together)

    def testKeysAndValuesAreStoredOnceByOneProcess(self):
        """However many chips read a head, the cache takes what it takes on one chip."""
        for grid in GRIDS:
            with self.subTest(grid=grid):
                planned = {}
                for mebibytes in (32, 64):
                    stats = run("tenon", "generate", self.engine(grid), "--raw", "--prompt", "Hello", "--max-new-tokens", 2, "--json",
                                "--kv-memory", f"{mebibytes}MiB").json()["stats"]
                    self.assertLessEqual(stats["measured_bytes"], 1.01 * stats["planned_bytes"] + 16e6)
                    planned[mebibytes] = stats["planned_bytes"]
                self.assertAlmostEqual(planned[64] - planned[32], 32 << 20, delta=1 << 20)

    def testRowsOfTheirOwnDoNotChangeLogits(self):
        """Sums, norms and rounding shared out by rows, in every step and in those of many rows only."""
        for grid in ("tp=2", "tp=3", "tp=2,pp=2"):
            whole = self.score(compile_engine(self.checkpoint, "--target", "cpu:native", "--sharding", grid, "--sequence-parallel", "never"))
            for rows in (1, 20):
                with self.subTest(grid=grid, rows=rows):
                    engine = compile_engine(self.checkpoint, "--target", "cpu:native", "--sharding", grid, "--sequence-parallel", rows)
                    launches = run("tenon", "inspect", engine, "--json").json()["launches"]
                    self.assertTrue(any(launch["kind"] == "gather_rows" for launch in launches))
                    self.assertEqual(self.score(engine)["logits_xxh3"], whole["logits_xxh3"])
                    self.assertEqual(self.score(engine, "--step-tokens", 23, "--threads", 5, "--no-pin")["logits_xxh3"], whole["logits_xxh3"])
                    if rows == 1:  # Fewer rows than chips: some have none.
                        self.assertEqual(self.score(engine, "--step-tokens", 2)["logits_xxh3"], whole["logits_xxh3"])

    def testPartsOfSumsRoundedToBf16KeepTheDistributions(self):
        exact = self.score(self.engine("tp=2"))
        for options in ((), ("--sequence-parallel", 20)):
            with self.subTest(options=options):
                engine = compile_engine(self.checkpoint, "--target", "cpu:native", "--sharding", "tp=2", "--collectives", "bf16", *options)
                got = self.score(engine)
                self.assertNotEqual(got["logits_xxh3"], exact["logits_xxh3"])
                mean = np.mean([kl(a, b) for a, b in zip(self.expected["top"], got["top"], strict=True) if a])
                print(f"{self.name} tp=2, sums of bf16: mean KL to one chip {mean:.2e}")
                self.assertLessEqual(mean, self.bf16_kl)
                self.assertEqual(self.score(engine, "--step-tokens", 7, "--threads", 5, "--no-pin")["logits_xxh3"], got["logits_xxh3"])

    def testMicroBatchesDoNotChangeLogits(self):
        for grid in PIPELINES:
            with self.subTest(grid=grid):
                engine = self.engine(grid)
                whole = self.score(engine, "--micro-batch", 4096)["logits_xxh3"]
                for rows in (1, 5, 32):
                    self.assertEqual(self.score(engine, "--micro-batch", rows)["logits_xxh3"], whole, f"{rows} rows each")

    def testOverlappingStepsDoNotChangeAnswers(self):
        # With more than eight sequences for each stage, several steps are under way; prompts of different lengths end at different times.
        words = PROMPTS["story"].split()
        prompts = [" ".join(words[: 1 + n % len(words)]) + f" {n}" for n in range(27)]
        for grid in PIPELINES:
            with self.subTest(grid=grid):
                engine = self.engine(grid)
                together = self.generate(engine, prompts, "--step-tokens", 48)
                some = self.generate(engine, prompts[3:6], "--micro-batch", 3)
                self.assertEqual(together[3:6], some)
                self.assertEqual([len(answer["ids"]) for answer in together], [16] * len(prompts))

    def testEveryChipHoldsItsShareAndTheWholeIsHeldOnce(self):
        whole = run("tenon", "inspect", self.whole, "--json").json()
        parts = run("tenon", "inspect", self.engine("pp=2"), "--json").json()
        weights = [chip["memory"]["stored_weights"] for chip in parts["chips"]]
        self.assertEqual(len(weights), 2)
        # Stages share what is not in layers: the tied embedding and the rotary frequencies.
        self.assertGreaterEqual(sum(weights), whole["chips"][0]["memory"]["stored_weights"])
        self.assertEqual(sum(chip["kv_layers"] for chip in parts["chips"]), whole["chips"][0]["kv_layers"])


class SmolLM2ShardingTest(Sharding, unittest.TestCase):
    name = "smollm2"


class Gemma3ShardingTest(Sharding, unittest.TestCase):
    name = "gemma3"
    tokens = 48


if __name__ == "__main__":
    unittest.main()
