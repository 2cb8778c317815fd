# SPDX-License-Identifier: Apache-2.0
"""The engine file and the process that runs it: damage is named, loading is quick, memory is as planned."""

import json
import re
import shutil
import struct
import subprocess
import unittest

import tenon_cli
from tenon_cli import WORK, compile_engine, model, run

MEGABYTE = 1_000_000
PROMPT = "Why is the sky blue?"
MAJOR_VERSION_AT = 8  # FileHeader::formatMajor, docs/engine-format.md.


class EngineFileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))
        cls.report = run("tenon", "inspect", cls.engine, "--json").json()

    def damaged(self, name, at, change):
        """A copy with the byte at `at` changed."""
        copy = WORK / f"{name}.tenon"
        shutil.copyfile(self.engine, copy)
        with open(copy, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([change(byte)]))
        return copy

    def refuse(self, path, *words, command=("verify",)):
        result = run("tenon", command[0], path, *command[1:], check=False, timeout=60)
        self.assertGreater(result.code, 0, "ended by a signal" if result.code < 0 else "accepted")
        for word in words:
            self.assertIn(word, result.err)

    def testInspectShowsSectionsMemoryAndLaunches(self):
        self.assertTrue(self.report["sections"])
        self.assertTrue(self.report["chips"])
        text = run("tenon", "inspect", self.engine).out
        for word in ("section", "weights"):
            self.assertIn(word, text.lower())

    def testVerifyAcceptsAWholeFile(self):
        self.assertIn("ok", run("tenon", "verify", self.engine).out)

    def testAFlippedByteInAnySectionIsFoundAndNamed(self):
        for section in self.report["sections"]:
            with self.subTest(section=section["name"]):
                at = section["offset"] + section["size"] // 2
                copy = self.damaged("flipped", at, lambda byte: byte ^ 0x10)
                self.refuse(copy, str(copy), section["name"])

    def testTruncationInAnySectionIsFound(self):
        for section in self.report["sections"]:
            with self.subTest(section=section["name"]):
                copy = WORK / "truncated.tenon"
                shutil.copyfile(self.engine, copy)
                with open(copy, "r+b") as file:
                    file.truncate(section["offset"] + section["size"] // 2)
                self.refuse(copy, str(copy))
                self.refuse(copy, str(copy), command=("generate", "--prompt", PROMPT))

    def testATruncatedHeaderIsFound(self):
        copy = WORK / "header.tenon"
        copy.write_bytes(self.engine.read_bytes()[:40])
        self.refuse(copy, str(copy))

    def testANewerFormatIsRefusedWithBothVersions(self):
        content = bytearray(self.engine.read_bytes())
        major, = struct.unpack_from("<I", content, MAJOR_VERSION_AT)
        struct.pack_into("<I", content, MAJOR_VERSION_AT, major + 41)
        copy = WORK / "newer.tenon"
        copy.write_bytes(content)
        self.refuse(copy, str(copy), f"{major}.", f"{major + 41}.")

    def testAMissingFileIsNamed(self):
        self.refuse(WORK / "no-such.tenon", "no-such.tenon")

    def testAModelFileIsNoEngine(self):
        checkpoint = model("smollm2")
        self.refuse(checkpoint, str(checkpoint))


class RunningTest(unittest.TestCase):
    """Load time and memory of the running process, on both models."""

    def stats(self, name, *options):
        engine = compile_engine(model(name))
        arguments = ("generate", engine, "--prompt", PROMPT, "--raw", "--max-new-tokens", 16, "--ignore-eos", "--json", *options)
        run("tenon", *arguments)  # Warms the page cache.
        return [run("tenon", *arguments).json()["stats"] for _ in range(3)]

    def checkMemory(self, stats):
        planned, measured = stats["planned_bytes"], stats["measured_bytes"]
        print(f"\nplanned {planned / MEGABYTE:.1f} MB, measured {measured / MEGABYTE:.1f} MB")
        self.assertLessEqual(measured, 1.01 * planned + 16 * MEGABYTE)
        self.assertGreaterEqual(measured, 0.99 * planned - 16 * MEGABYTE)

    def testSmolLM2LoadsWithinFiftyMilliseconds(self):
        best = min(s["load_ms"] for s in self.stats("smollm2"))
        print(f"\nSmolLM2 ready after {best:.1f} ms")
        self.assertLessEqual(best, 50)

    def testSmolLM2StaysWithinThePlannedMemory(self):
        self.checkMemory(self.stats("smollm2")[0])

    def testGemma3StaysWithinThePlannedMemory(self):
        self.checkMemory(self.stats("gemma3")[0])

    def testALargerCacheIsPlannedAndMeasured(self):
        small = self.stats("smollm2", "--kv-memory", "32MiB")[0]
        large = self.stats("smollm2", "--kv-memory", "256MiB")[0]
        self.assertGreater(large["planned_bytes"], small["planned_bytes"] + 200 * MEGABYTE)

    def testAnEmptyPromptIsRefused(self):
        engine = compile_engine(model("smollm2"))
        result = run("tenon", "generate", engine, "--raw", "--prompt", "", check=False)
        self.assertGreater(result.code, 0)
        self.assertIn("prompt", result.err)

    def testTheChatTemplateIsApplied(self):
        engine = compile_engine(model("smollm2"))
        result = run("tenon", "generate", engine, "--prompt", "What is the capital of France?", "--max-new-tokens", 24, "--json")
        answer = result.json()["results"][0]
        self.assertGreater(len(answer["prompt_ids"]), 20)
        self.assertIn("Paris", answer["text"])

    def testChatAnswersEachLineAndKeepsTheConversation(self):
        engine = compile_engine(model("smollm2"))
        question = "What is the capital of France?\n"
        said = run("tenon", "chat", engine, "--max-new-tokens", 24, text=question + question + "/reset\n" + question).out
        first, _, third = said.strip().splitlines()
        self.assertIn("Paris", first)
        self.assertEqual(third, first)  # After /reset nothing of the conversation is left.

    def testTokenizeAndTextComeBack(self):
        engine = compile_engine(model("smollm2"))
        ids = run("tenon", "tokenize", engine, "--text", "Hello world", "--json").json()["ids"]
        self.assertEqual(ids, [19556, 905])


class InstallTest(unittest.TestCase):
    def testAnInstalledRuntimeNeedsNothingButTheSystemLibraries(self):
        engine = compile_engine(model("smollm2"))
        prefix = WORK / "prefix"
        shutil.rmtree(prefix, ignore_errors=True)
        subprocess.run(["cmake", "--install", tenon_cli.BUILD, "--prefix", prefix], check=True, capture_output=True)
        tenon = prefix / "bin" / "tenon"
        linked = subprocess.run(["ldd", tenon], check=True, capture_output=True, text=True).stdout
        allowed = re.compile(r"linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so")
        for line in linked.splitlines():
            library = line.split()[0]
            self.assertTrue(allowed.search(library) or str(prefix) in line, f"links {line.strip()}")
        answer = subprocess.run([tenon, "generate", engine, "--raw", "--prompt", "Hello", "--max-new-tokens", "4", "--json"],
                                check=True, capture_output=True, text=True, env={}).stdout
        self.assertEqual(len(json.loads(answer)["results"]), 1)


if __name__ == "__main__":
    unittest.main()
