# SPDX-License-Identifier: Apache-2.0
"""tenon-compile: time, memory, determinism, planning without weights, and what it says about bad input."""

import hashlib
import json
import struct
import unittest

import tenon_cli
from tenon_cli import WORK, measure, model, run

MEGABYTE = 1_000_000
# The published geometry of Llama 3 8B, as its config.json states it.
LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "hidden_act": "silu",
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "bos_token_id": 128000, "eos_token_id": 128001,
}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_config(name, config):
    WORK.mkdir(parents=True, exist_ok=True)
    folder = WORK / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "config.json"


class CompileSmolLM2Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.checkpoint = model("smollm2")
        WORK.mkdir(parents=True, exist_ok=True)

    def testOneVariantTakesFiveSecondsAndHalfAGigabyte(self):
        result = measure("tenon-compile", self.checkpoint, "-o", WORK / "one.tenon", "--target", "cpu:native")
        print(f"\nSmolLM2, one variant: {result.seconds:.2f} s, peak {result.peak_bytes / MEGABYTE:.0f} MB")
        self.assertLessEqual(result.seconds, 5)
        self.assertLessEqual(result.peak_bytes, 500 * MEGABYTE)

    def testAllVariantsTakeFifteenSecondsAndGiveTheSameBytesTwice(self):
        first, second = WORK / "all-1.tenon", WORK / "all-2.tenon"
        result = measure("tenon-compile", self.checkpoint, "-o", first, "--target", "cpu")
        print(f"\nSmolLM2, all x86 variants: {result.seconds:.2f} s, peak {result.peak_bytes / MEGABYTE:.0f} MB")
        run("tenon-compile", self.checkpoint, "-o", second, "--target", "cpu")
        self.assertEqual(digest(first), digest(second))
        self.assertLessEqual(result.seconds, 15)
        self.assertLessEqual(result.peak_bytes, 500 * MEGABYTE)

    def testExplainSaysWhatWasFused(self):
        result = run("tenon-compile", self.checkpoint, "-o", WORK / "explained.tenon", "--target", "cpu:native", "--explain")
        self.assertIn("linear_qkv", result.out + result.err)

    def testPlanOnlyWritesNoEngine(self):
        target = WORK / "planned.tenon"
        target.unlink(missing_ok=True)
        plan = run("tenon-compile", self.checkpoint, "-o", target, "--plan-only", "--json").json()
        self.assertFalse(target.exists())
        self.assertTrue(plan)

    def testAPlanAboveTheMemoryLimitIsRefusedWithTheNumbers(self):
        result = run("tenon-compile", self.checkpoint, "--plan-only", "--memory-limit", "50MB", check=False)
        self.assertEqual(result.code, 3)
        self.assertRegex(result.err, r"needs .*[MG]i?B")

    def testStagesCanBeDumped(self):
        for stage, word in (("import", "tenon.linear"), ("fuse", "tenon.fused"), ("plan", "plan.launch")):
            text = run("tenon-compile", self.checkpoint, "--plan-only", f"--dump-after={stage}").out
            self.assertIn(word, text, stage)

    def testVerifyStoresACertificate(self):
        target = WORK / "verified.tenon"
        run("tenon-compile", self.checkpoint, "-o", target, "--target", "cpu:native", "--verify")
        report = run("tenon", "verify", target).out
        self.assertRegex(report, r"certificate: \S+: \d+ samples")


class CompileGeometryTest(unittest.TestCase):
    def testPlanOfAnEightBillionParameterModelTakesASecond(self):
        config = write_config("llama-8b", LLAMA_8B)
        result = measure("tenon-compile", config, "-o", WORK / "8b.tenon", "--random-weights", 1, "--plan-only", "--json")
        print(f"\n8B plan: {result.seconds:.2f} s, peak {result.peak_bytes / MEGABYTE:.0f} MB")
        self.assertLessEqual(result.seconds, 1)
        self.assertTrue(result.json())

    def testCompilingEightBillionParametersStaysSmall(self):
        config = write_config("llama-8b", LLAMA_8B)
        target = WORK / "8b.tenon"
        result = measure("tenon-compile", config, "-o", target, "--random-weights", 1, "--target", "cpu:native")
        print(f"\n8B compile: {result.seconds:.2f} s, peak {result.peak_bytes / MEGABYTE:.0f} MB, "
              f"engine {target.stat().st_size / MEGABYTE:.1f} MB")
        self.assertLessEqual(result.peak_bytes, 1500 * MEGABYTE)
        self.assertLess(target.stat().st_size, 100 * MEGABYTE)  # Weights are made at load, not stored.
        target.unlink()

    def testCompileTimeDoesNotGrowWithTheModel(self):
        def beyondPacking(*arguments):
            seconds = run("tenon-compile", *arguments, "--target", "cpu:native", "--json", "--quiet").json()["seconds"]
            # Kernels are emitted while weights are packed; what is waited for is part of that.
            packing = ("total", "weights", "waiting for kernels", "write")
            return sum(value for stage, value in seconds.items() if stage not in packing)

        config, small, large = write_config("llama-8b", LLAMA_8B), [], []
        for _ in range(3):  # Taking turns, the best of each: other load hurts both alike.
            small.append(beyondPacking(model("smollm2"), "-o", WORK / "small.tenon"))
            large.append(beyondPacking(config, "-o", WORK / "large.tenon", "--random-weights", 1))
        print(f"\nbeyond packing: SmolLM2 {min(small):.2f} s, 8B {min(large):.2f} s")
        self.assertLessEqual(min(large), 1.2 * min(small))

    def testUnknownArchitectureNamesTheNearestRecipe(self):
        config = write_config("unknown", LLAMA_8B | {"architectures": ["LamaForCausalLM"], "model_type": "lama"})
        result = run("tenon-compile", config, "-o", WORK / "unknown.tenon", "--random-weights", 1, check=False)
        self.assertNotEqual(result.code, 0)
        self.assertIn("LamaForCausalLM", result.err)
        self.assertIn("LlamaForCausalLM", result.err)


class BadInputTest(unittest.TestCase):
    """Each message names the file and what was wrong; nothing is written."""

    def refuse(self, path, *words):
        target = WORK / "refused.tenon"
        target.unlink(missing_ok=True)
        result = run("tenon-compile", path, "-o", target, check=False, timeout=60)
        self.assertGreater(result.code, 0, "ended by a signal" if result.code < 0 else "accepted")
        self.assertFalse(target.exists())
        for word in (str(path), *words):
            self.assertIn(word, result.err)
        return result.err

    def write(self, name, content):
        WORK.mkdir(parents=True, exist_ok=True)
        path = WORK / name
        path.write_bytes(content)
        return path

    def testMissingFile(self):
        self.refuse(WORK / "no-such-file.gguf")

    def testFileThatIsNoCheckpoint(self):
        self.refuse(self.write("text.gguf", b"This is no checkpoint.\n" * 10))

    def testEmptyFile(self):
        self.refuse(self.write("empty.gguf", b""))

    def testFutureVersion(self):
        self.refuse(self.write("future.gguf", struct.pack("<4sIQQ", b"GGUF", 99, 0, 0) + bytes(64)), "99")

    def testHugeTensorCount(self):
        self.refuse(self.write("huge.gguf", struct.pack("<4sIQQ", b"GGUF", 3, 2**62, 0) + bytes(64)))

    def testTruncatedTensorData(self):
        checkpoint = model("smollm2")
        with open(checkpoint, "rb") as file:
            content = file.read(20_000_000)
        self.refuse(self.write("truncated.gguf", content), "weight")

    def testWrongUseIsExplained(self):
        result = run("tenon-compile", "--no-such-option", check=False)
        self.assertGreater(result.code, 0)
        self.assertTrue(result.err + result.out)


if __name__ == "__main__":
    unittest.main()
