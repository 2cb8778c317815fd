# SPDX-License-Identifier: Apache-2.0
"""The two real models against transformers in fp32 on the same dequantised weights.

The references come from test/oracle/make_references.py. The distributions compared are the reference's
256 most likely tokens and one bucket for all others; tokens that Tenon's own list lacks join the bucket.
"""

import unittest

import numpy as np
import tenon_cli
from tenon_cli import compile_engine, model, run

from oracle_prompts import PROMPTS as PROMPT_TEXTS  # Found through tenon_cli.

MEAN_KL = 2e-3
PERPLEXITY = 0.005
GREEDY_GAP = 0.05  # Nats between the reference's two most likely tokens.
TEXTS = ("rabbit-hole", "tea-party", "code", "notes")

LOGPROB_STEPS = 2048  # Of make_references.py.


class Reference:
    def __init__(self, path):
        self.archive = np.load(path)

    def text(self, name):
        part = {key: self.archive[f"{name}.{key}"] for key in ("ids", "top_ids", "top_lp", "rest_lp", "nll")}
        part["top_ids"] = part["top_ids"].astype(np.int64)
        part["top_lp"] = np.cumsum(part["top_lp"].astype(np.int64), axis=1) / -LOGPROB_STEPS
        return part

    def prompt(self, name):
        return {key: self.archive[f"prompt-{name}.{key}"] for key in ("prompt", "ids", "gaps")}


def bucket_kl(reference_ids, reference_lp, reference_rest, ours):
    """KL(reference || ours) over the reference's listed tokens and one bucket. `ours`: id -> logprob."""
    listed = np.array([i in ours for i in reference_ids])
    p = np.exp(reference_lp)
    p = np.append(p[listed], np.exp(reference_rest) + p[~listed].sum())
    p /= p.sum()  # Stored in steps, they add up to one only nearly.
    q = np.exp([ours[i] for i in reference_ids[listed]])
    q = np.append(q, max(1.0 - q.sum(), 1e-12))
    return (p * np.log(p / q)).sum()


class RealModel:
    """Mixed into one TestCase per model; `name` says which."""

    name = None

    @classmethod
    def setUpClass(cls):
        checkpoint = model(cls.name)
        cls.engine = compile_engine(checkpoint)
        cls.reference = Reference(tenon_cli.ORACLE / "references" / f"{checkpoint.stem}.npz")
        cls.scores = {}
        for text in TEXTS:
            expected = cls.reference.text(text)
            cls.scores[text] = (expected, run(
                "tenon", "score", cls.engine, "--text", tenon_cli.ORACLE / "text" / f"{text}.txt",
                "--max-tokens", len(expected["ids"]), "--top", 512, "--json").json())

    def testTokensAreThoseOfTheReferenceTokenizer(self):
        for text, (expected, got) in self.scores.items():
            self.assertEqual(got["ids"], expected["ids"].tolist(), text)

    def testNextTokenDistributionsAreClose(self):
        divergences = []
        for expected, got in self.scores.values():
            for i, entries in enumerate(got["top"]):
                ours = {entry["id"]: entry["logprob"] for entry in entries}
                divergences.append(bucket_kl(expected["top_ids"][i], expected["top_lp"][i], expected["rest_lp"][i], ours))
        divergences = np.array(divergences)
        print(f"\n{self.name}: mean KL {divergences.mean():.2e}, largest {divergences.max():.2e}, "
              f"{len(divergences)} positions")
        self.assertGreaterEqual(len(divergences), 2000)
        self.assertLessEqual(divergences.mean(), MEAN_KL)

    def testPerplexityIsThatOfTheReference(self):
        expected = np.concatenate([e["nll"] for e, _ in self.scores.values()]).mean()
        got = np.concatenate([g["nll"] for _, g in self.scores.values()]).mean()
        change = np.exp(got - expected) - 1
        print(f"\n{self.name}: perplexity {np.exp(got):.4f}, reference {np.exp(expected):.4f} ({100 * change:+.3f} %)")
        self.assertLessEqual(abs(change), PERPLEXITY)

    def testMostLikelyTokensAgreeWhereTheReferenceIsSure(self):
        wrong, sure = [], 0
        for text, (expected, got) in self.scores.items():
            for i, entries in enumerate(got["top"]):
                gap = expected["top_lp"][i, 0] - expected["top_lp"][i, 1]
                # Stored log-probabilities are multiples of a step: only gaps that are surely larger count.
                if gap > GREEDY_GAP + 1 / LOGPROB_STEPS:
                    sure += 1
                    if entries[0]["id"] != expected["top_ids"][i, 0]:
                        wrong.append((text, i, round(float(gap), 3)))
        print(f"\n{self.name}: {len(wrong)} of {sure} most likely tokens differ where the gap exceeds {GREEDY_GAP}")
        self.assertEqual(wrong, [])

    def testGreedyContinuationsAgreeWhereTheReferenceIsSure(self):
        for name, prompt in PROMPT_TEXTS.items():
            with self.subTest(prompt=name):
                expected = self.reference.prompt(name)
                got = run("tenon", "generate", self.engine, "--raw", "--ignore-eos", "--prompt", prompt,
                          "--max-new-tokens", len(expected["ids"]), "--temperature", 0, "--json").json()["results"][0]
                self.assertEqual(got["prompt_ids"], expected["prompt"].tolist())
                for i, (ours, theirs) in enumerate(zip(got["ids"], expected["ids"], strict=True)):
                    if ours != theirs:
                        self.assertLessEqual(float(expected["gaps"][i]), GREEDY_GAP, f"token {i}: {ours} is not {theirs}")
                        break  # From here on the two write different texts.


class SmolLM2Test(RealModel, unittest.TestCase):
    name = "smollm2"


class Gemma3Test(RealModel, unittest.TestCase):
    name = "gemma3"


if __name__ == "__main__":
    unittest.main()
