# SPDX-License-Identifier: Apache-2.0
"""`tenon-compile --activations int8`: the stated accuracy, the kernels, and one answer whatever is computed beside it."""

import unittest

from tenon_cli import WORK, compile_engine, model, run, write_text

# Mean KL measured: SmolLM2 3.2e-3, Gemma 3 4.9e-3 (docs/decisions/0001). No less than a part of it, or nothing was rounded.
LEAST, MOST = 5e-4, 7e-3


class Int8ActivationsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        WORK.mkdir(parents=True, exist_ok=True)
        cls.checkpoint = model("smollm2")
        cls.engine = WORK / "int8-activations.tenon"
        cls.report = run("tenon-compile", cls.checkpoint, "-o", cls.engine, "--target", "cpu:native", "--activations", "int8",
                         "--verify", "--json").json()

    def testTheAccuracyIsStatedAndThatOfEightBits(self):
        accuracy = self.report["accuracy"]
        print(f"\nSmolLM2 --activations int8: mean KL {accuracy['mean_kl']:.2e}, max {accuracy['max_kl']:.2e}, "
              f"top-1 {100 * accuracy['top1_agreement']:.1f} %, perplexity {100 * accuracy['perplexity_change']:+.2f} %")
        self.assertTrue(LEAST < accuracy["mean_kl"] < MOST, accuracy)
        card = run("tenon", "inspect", self.engine, "--json").json()["card"]
        self.assertEqual(card["flags"]["activations"], "int8")
        self.assertAlmostEqual(card["accuracy"]["mean_kl"], accuracy["mean_kl"], places=9)

    def testGemmaToo(self):
        report = run("tenon-compile", model("gemma3"), "-o", WORK / "int8-gemma.tenon", "--target", "cpu:native",
                     "--activations", "int8", "--json").json()
        print(f"\nGemma 3 --activations int8: mean KL {report['accuracy']['mean_kl']:.2e}")
        self.assertTrue(LEAST < report["accuracy"]["mean_kl"] < MOST, report["accuracy"])

    def testAStepOfAnySizeGivesTheSameLogits(self):
        text = write_text("int8.txt", "The lighthouse had not been lit for eleven years, and the keeper's boat was gone. " * 3)
        dumps = []
        for tokens in ("1", "5", "7", "64"):
            dump = WORK / f"int8-{tokens}.f32"
            run("tenon", "score", self.engine, "--text", text, "--dump-logits", dump, "--step-tokens", tokens)
            dumps.append(dump.read_bytes())
        self.assertEqual(len(set(dumps)), 1)

    def testTheDefaultStaysExact(self):
        own = run("tenon", "inspect", compile_engine(self.checkpoint), "--json").json()["card"]
        self.assertNotIn("activations", own["flags"])

    def testAnotherWidthIsRefused(self):
        result = run("tenon-compile", self.checkpoint, "--plan-only", "--activations", "int4", check=False)
        self.assertEqual(result.code, 2)
        self.assertIn("--activations", result.err)


if __name__ == "__main__":
    unittest.main()
