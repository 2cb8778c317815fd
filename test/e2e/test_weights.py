# SPDX-License-Identifier: Apache-2.0
"""`tenon-compile --weights`: sizes, the stated accuracy against one computed here, and that engines run."""

import unittest

import gguf
import numpy as np
import tenon_cli
from tenon_cli import WORK, compile_engine, model, run

# Most KL to the file's own weights that is let pass, about twice what was measured (docs/decisions/0005).
BARS = {"q4": 0.01, "q8_r": 3e-3, "bf16": 3e-3}
GROUP_BARS = {64: 0.12, 128: 0.2}


def compiled(checkpoint, weights, *options):
    """(report, engine) of a compilation with `--weights`."""
    WORK.mkdir(parents=True, exist_ok=True)
    name = "-".join(["weights", weights, *[o.strip("-") for o in options]])
    engine = WORK / f"{name}.tenon"
    report = run("tenon-compile", checkpoint, "-o", engine, "--target", "cpu:native", "--weights", weights,
                 *options, "--json").json()
    return report, engine


def stored_bytes(report):
    return sum(use["packed_bytes"] for use in report["weights"])


class SmolLM2WeightsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.checkpoint = model("smollm2")
        cls.own = compile_engine(cls.checkpoint)
        cls.own_bytes = stored_bytes(run("tenon-compile", cls.checkpoint, "--plan-only", "--json").json())
        cls.reports = {}
        cls.engines = {}
        for weights in ("q4", "q8_r", "bf16"):
            cls.reports[weights], cls.engines[weights] = compiled(cls.checkpoint, weights)

    def testFourBitsAreFewerThanTheFilesOwn(self):
        self.assertLess(stored_bytes(self.reports["q4"]), 0.85 * self.own_bytes)
        elements = sum(use["elements"] for use in self.reports["q4"]["weights"])
        self.assertLess(8 * stored_bytes(self.reports["q4"]) / elements, 5.0)

    def testTheWidthIsTheMostThatIsTaken(self):
        """A width makes no matrix larger; a format is what all get."""
        plan = run("tenon-compile", self.checkpoint, "--plan-only", "--weights", "q8", "--json").json()
        self.assertEqual({use["to"] for use in plan["weights"]}, {"q4_1", "q8_0"})
        for weights, least, most in (("q8_r", 8.0, 8.5), ("bf16", 16, 16)):
            for use in self.reports[weights]["weights"]:
                self.assertTrue(least <= use["bits_per_weight"] <= most, use)

    def testMeasuredInputsMoreThanHalveTheLoss(self):
        report, _ = compiled(self.checkpoint, "q4", "--no-calibration")
        self.assertFalse(report["calibrated"])
        self.assertTrue(self.reports["q4"]["calibrated"])
        self.assertEqual(stored_bytes(report), stored_bytes(self.reports["q4"]))
        self.assertLess(self.reports["q4"]["accuracy"]["mean_kl"], 0.6 * report["accuracy"]["mean_kl"])

    def testTheStatedAccuracyIsWithinTheBars(self):
        for weights, report in self.reports.items():
            accuracy = report["accuracy"]
            print(f"\nSmolLM2 --weights {weights}: {stored_bytes(report) / 1e6:.1f} MB, mean KL {accuracy['mean_kl']:.2e}, "
                  f"max {accuracy['max_kl']:.2e}, top-1 {100 * accuracy['top1_agreement']:.1f} %, perplexity "
                  f"{100 * accuracy['perplexity_change']:+.2f} %, compiled in {report['seconds']['total']:.1f} s")
            self.assertTrue(accuracy["measured"])
            self.assertGreater(accuracy["positions"], 500)
            self.assertLess(accuracy["mean_kl"], BARS[weights])
            self.assertGreater(accuracy["mean_kl"], 0)

    def testTheStatedAccuracyIsThatOfTheLogits(self):
        """Computed again, from the logits that both engines write down."""
        text = tenon_cli.write_text("calibration.txt", "The lighthouse had not been lit for eleven years. " * 3)
        engine = WORK / "weights-calibrated.tenon"
        report = run("tenon-compile", self.checkpoint, "-o", engine, "--target", "cpu:native", "--weights", "q5",
                     "--calibration-text", text, "--json").json()
        logits = []
        for path in (self.own, engine):
            dump = WORK / "logits.f32"
            ids = run("tenon", "score", path, "--text", text, "--dump-logits", dump, "--json").json()["ids"]
            logits.append(np.fromfile(dump, np.float32).reshape(len(ids), -1).astype(np.float64))
        p, q = (row - np.logaddexp.reduce(row, axis=1, keepdims=True) for row in logits)
        divergences = (np.exp(p) * (p - q)).sum(1)
        accuracy = report["accuracy"]
        self.assertEqual(accuracy["text"], "calibration.txt")
        self.assertEqual(accuracy["positions"], len(divergences))
        self.assertAlmostEqual(accuracy["mean_kl"], divergences.mean(), delta=1e-6)
        self.assertAlmostEqual(accuracy["max_kl"], divergences.max(), delta=1e-5)

    def testTheCardAndInspectStateTheAccuracy(self):
        card = run("tenon", "inspect", self.engines["q4"], "--json").json()["card"]
        stated = self.reports["q4"]["accuracy"]
        self.assertEqual(card["accuracy"].keys(), stated.keys())
        for name, value in stated.items():
            if isinstance(value, float):
                self.assertAlmostEqual(card["accuracy"][name], value, places=9, msg=name)
            else:
                self.assertEqual(card["accuracy"][name], value, name)
        self.assertEqual(card["flags"]["weights"], "q4")
        self.assertIn("mean KL", run("tenon", "inspect", self.engines["q4"]).out)

    def testAnotherTextIsNoHarder(self):
        """A text that the compiler did not see."""
        text = tenon_cli.ORACLE / "text" / "tea-party.txt"
        own = run("tenon", "score", self.own, "--text", text, "--max-tokens", "400", "--json").json()["mean_nll"]
        for weights, engine in self.engines.items():
            rounded = run("tenon", "score", engine, "--text", text, "--max-tokens", "400", "--json").json()["mean_nll"]
            self.assertLess(abs(rounded - own), 0.06 if weights == "q4" else 0.02, weights)

    def testKernelsAreVerifiedWithTheWeightsThatAreStored(self):
        result = run("tenon-compile", self.checkpoint, "-o", WORK / "weights-verified.tenon", "--target", "cpu:native",
                     "--weights", "q4", "--weights-group", 64, "--no-accuracy", "--verify")
        self.assertIn("verified layer_0.attn_q", result.out)
        self.assertNotIn("accuracy", result.out)

    def testWiderGroupsAreFewerBytesForMoreLoss(self):
        sizes, losses = [stored_bytes(self.reports["q4"])], [self.reports["q4"]["accuracy"]["mean_kl"]]
        for group in (64, 128):
            report, engine = compiled(self.checkpoint, "q4", "--weights-group", str(group))
            self.assertEqual({use["to"] for use in report["weights"]}, {f"q4_rm{group}", f"q5_rm{group}"})
            sizes.append(stored_bytes(report))
            losses.append(report["accuracy"]["mean_kl"])
            print(f"\nSmolLM2 --weights q4 --weights-group {group}: {sizes[-1] / 1e6:.1f} MB, mean KL {losses[-1]:.2e}")
            card = run("tenon", "inspect", engine, "--json").json()["card"]
            self.assertEqual(card["flags"]["weights_group"], group)
        self.assertLess(sizes[1], 0.97 * sizes[0])
        self.assertLess(sizes[2], 0.985 * sizes[1])
        self.assertLess(losses[1], GROUP_BARS[64])
        self.assertLess(losses[2], GROUP_BARS[128])

    def testTheEmbeddingHasItsOwnChoice(self):
        report, _ = compiled(self.checkpoint, "keep", "--embedding-weights", "q6", "--no-accuracy")
        changes = {(use["from"], use["to"]) for use in report["weights"]}
        self.assertEqual(changes, {("q4_1", "q4_1"), ("q8_0", "q6_r")})
        self.assertNotIn("accuracy", report)

    def testTheSameBytesTwice(self):
        engines = []
        for name in ("twice-1.tenon", "twice-2.tenon"):
            run("tenon-compile", self.checkpoint, "-o", WORK / name, "--target", "cpu:native", "--weights", "q4")
            engines.append((WORK / name).read_bytes())
        self.assertEqual(engines[0], engines[1])

    def testATargetThatCannotRunHereIsNotMeasured(self):
        foreign = "cpu:avx2" if "aarch64" in run("tenon-compile", "--version").out else "cpu:neon"
        result = run("tenon-compile", self.checkpoint, "-o", WORK / "weights-foreign.tenon", "--target", foreign,
                     "--weights", "q4")
        self.assertIn("accuracy was not measured: this machine runs none of the target's variants", result.out)

    def testNothingIsLeftBesideTheEngine(self):
        folder = WORK / "weights-alone"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        run("tenon-compile", self.checkpoint, "-o", folder / "a.tenon", "--target", "cpu:native", "--weights", "q4")
        self.assertEqual([path.name for path in folder.iterdir()], ["a.tenon"])


class Gemma3WeightsTest(unittest.TestCase):
    """Layers whose checkpoint formats differ (Q4_K beside Q5_0, Q6_K and Q8_0) become one."""

    def testMixedFormatsBecomeOne(self):
        report, _ = compiled(model("gemma3"), "q6_r")
        accuracy = report["accuracy"]
        print(f"\nGemma 3 --weights q6_r: {stored_bytes(report) / 1e6:.1f} MB, mean KL {accuracy['mean_kl']:.2e}")
        self.assertLess(accuracy["mean_kl"], 0.03)
        self.assertEqual({use["to"] for use in report["weights"]}, {"q6_r"})
        functions = {launch["function"] for launch in report["plan"]["launches"] if "layer" in launch["function"]}
        self.assertEqual(functions, {"layer_0", "layer_5", "layer_last"})  # With the sliding window, without, and the one that ends.

    def testFourBitsFollowTheMixOfTheFile(self):
        """Layers that the file gives more than four bits keep them; the table, two thirds of the bytes, gets five."""
        report, _ = compiled(model("gemma3"), "q4")
        accuracy = report["accuracy"]
        print(f"\nGemma 3 --weights q4: {stored_bytes(report) / 1e6:.1f} MB, mean KL {accuracy['mean_kl']:.2e}, compiled in "
              f"{report['seconds']['total']:.1f} s")
        self.assertLess(accuracy["mean_kl"], 0.03)
        self.assertLess(stored_bytes(report), 0.8 * sum(use["stored_bytes"] for use in report["weights"]))
        kept = {use["to"] for use in report["weights"] if use["from"] == use["to"]}
        self.assertLessEqual({"q5_0", "q6_k"}, kept)


class HostileWeightsTest(unittest.TestCase):
    def testAValueThatIsNoNumberIsNamed(self):
        """The scale of one block becomes NaN: kept weights compile, rounding says where."""
        source = model("smollm2")
        data = bytearray(source.read_bytes())
        tensor = next(t for t in gguf.GGUFReader(source).tensors if t.name == "blk.3.ffn_up.weight")
        at = tensor.data_offset + 20 * 5  # A Q4_1 block has 20 bytes and begins with its scale.
        data[at:at + 2] = b"\x00\x7e"  # f16 NaN
        WORK.mkdir(parents=True, exist_ok=True)
        damaged = WORK / "nan.gguf"
        damaged.write_bytes(data)
        result = run("tenon-compile", damaged, "-o", WORK / "nan.tenon", "--target", "cpu:native", "--weights", "q4",
                     check=False)
        self.assertEqual(result.code, 1)
        self.assertIn("'blk.3.ffn_up.weight': row 0, column 160 is", result.err)
        self.assertIn("--weights keep", result.err)


if __name__ == "__main__":
    unittest.main()
