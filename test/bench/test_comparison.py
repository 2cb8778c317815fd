# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios and tables of peers; and the geometries' checkpoints."""

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import cells  # noqa: E402
import comparison  # noqa: E402
import geometry  # noqa: E402


def sample(round, name, *figures):
    """figures: (sequences, tokens, prefill rate or None, decode rate)."""
    return {"round": round, "name": name, "cells": [
        {"sequences": s, "tokens": t, "decode_tokens_per_second": d} | ({"prefill_tokens_per_second": p} if p else {})
        for s, t, p, d in figures]}


def report(*samples):
    names = list(dict.fromkeys(s["name"] for s in samples))
    return {"model": "m.gguf", "machine": "a machine", "threads": 2, "rounds": 3, "new_tokens": 64,
            "versions": {"some-peer": "1.2"}, "tenon": "abc", "contestants": names, "samples": list(samples)}


class ComparisonTest(unittest.TestCase):
    def row(self, rows, metric, cell):
        found = [r for r in rows if r["metric"].startswith(metric) and (r["sequences"], r["tokens"]) == cell]
        self.assertEqual(len(found), 1)
        return found[0]

    def testTheBestPeerIsChosenForEachMetricAndCell(self):
        rows = comparison.compare(report(
            sample(0, "Tenon", (1, 512, 1000, 200), (16, 288, 2000, 900)),
            sample(0, "A", (1, 512, 100, 100), (16, 288, 500, 50)),
            sample(0, "B", (1, 512, 400, 50), (16, 288, 250, 300))))
        self.assertEqual(self.row(rows, "prefill", (1, 512))["best_peer"], "B")
        self.assertEqual(self.row(rows, "decode", (1, 512))["best_peer"], "A")
        self.assertEqual(self.row(rows, "prefill", (1, 512))["ratio"], 2.5)
        self.assertEqual(self.row(rows, "decode", (16, 288))["ratio"], 3)

    def testRatiosArePairedWithinRounds(self):
        # The machine is ten times slower in round 1: medians alone would say 100 / 20.
        rows = comparison.compare(report(
            sample(0, "Tenon", (1, 0, None, 100)), sample(0, "A", (1, 0, None, 50)),
            sample(1, "Tenon", (1, 0, None, 10)), sample(1, "A", (1, 0, None, 5)),
            sample(2, "Tenon", (1, 0, None, 120)), sample(2, "A", (1, 0, None, 20))))
        row = self.row(rows, "decode", (1, 0))
        self.assertEqual(row["medians"], {"Tenon": 100, "A": 20})
        self.assertEqual(row["ratio"], 2)

    def testDecodeFromEmptyHasNoPrefill(self):
        rows = comparison.compare(report(sample(0, "Tenon", (1, 0, None, 10)), sample(0, "A", (1, 0, None, 5))))
        self.assertEqual([r["metric"] for r in rows], ["decode_tokens_per_second"])

    def testAContestantThatCannotIsNamedAndLeftOut(self):
        made = report(sample(0, "Tenon", (1, 512, 10, 1)), {"round": 0, "name": "B", "unsupported": "reads no such | format"},
                      sample(0, "A", (1, 512, 5, 1)))
        text = comparison.markdown(made)
        self.assertIn("Not run: B (reads no such | format).", text)
        header = next(line for line in text.splitlines() if line.startswith("| Prefill"))
        self.assertNotIn(" B ", header)

    def testWithoutPeersThereIsNoRatio(self):
        row, = comparison.compare(report(sample(0, "Tenon", (1, 0, None, 10))))
        self.assertIsNone(row["ratio"])
        self.assertIsNone(row["best_peer"])
        comparison.markdown(report(sample(0, "Tenon", (1, 0, None, 10))))

    def testTablesAreRectangularAndMarkTheBest(self):
        text = comparison.markdown(report(sample(0, "Tenon", (1, 0, None, 10), (4, 256, 9, 1234.5)),
                                          sample(0, "A", (1, 0, None, 4), (4, 256, 3, 600))))
        tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
        self.assertEqual(len(tables), 2)
        for table in tables:
            self.assertEqual(len({line.count("|") for line in table}), 1, table)
        self.assertIn("| 1 | empty | 10.0 | **4.0** | A | 2.50 |", text)
        self.assertIn("| 4 | 256 | 1,234.5 | **600.0** | A | 2.06 |", text)

    def testCellsAreParsedAndRefused(self):
        self.assertEqual(cells.parse("1:0,16:288"), [(1, 0), (16, 288)])
        self.assertEqual(cells.spell([(1, 0), (16, 288)]), "1:0,16:288")
        for wrong in ("", "1", "0:5", "a:1", "1:", "1:-2"):
            with self.assertRaises(ValueError, msg=wrong):
                cells.parse(wrong)

    def testFiguresAreTokensOverTime(self):
        figures = cells.figures(4, 256, 32, 2.0, 0.5)
        self.assertEqual(figures["prefill_tokens_per_second"], 512)
        self.assertEqual(figures["decode_tokens_per_second"], 256)
        self.assertEqual(figures["tpot_ms"], 15.625)


class PeersTest(unittest.TestCase):
    def testTableReadsAResultFile(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "r.json"
            path.write_text(json.dumps(report(sample(0, "Tenon", (1, 0, None, 10)), sample(0, "A", (1, 0, None, 4)))))
            out = subprocess.run([sys.executable, HERE / "peers", "table", path], check=True, capture_output=True, text=True).stdout
        self.assertIn("| 1 | empty | 10.0 |", out)

    def testAMissingEnvironmentIsNamed(self):
        done = subprocess.run([sys.executable, HERE / "peers", "run", "m.gguf", "-", "--venv", "/no-such-place"],
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("peers install", done.stderr)


    def testAContestantThatHangsIsEndedWithItsChildren(self):
        loader = importlib.machinery.SourceFileLoader("peers", str(HERE / "peers"))
        peers = importlib.util.module_from_spec(importlib.util.spec_from_loader("peers", loader))
        loader.exec_module(peers)
        with tempfile.TemporaryDirectory() as folder:
            note = Path(folder) / "pid"
            child = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
            parent = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])"
            limit = 1
            while not note.exists() and limit < 100:  # A busy machine takes a while to start two interpreters.
                limit *= 3
                figures = peers.measure([sys.executable, "-S", "-c", parent], limit)
            pid = int(note.read_text())
        self.assertIn("more than", figures["unsupported"])
        for _ in range(100):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state in "ZX":  # Dead, and not yet collected by whoever adopted it.
                return
            time.sleep(0.1)
        self.fail("the child goes on")


class GeometryTest(unittest.TestCase):
    def testParametersAreTheKnownModels(self):
        for name, parameters in (("1b", 1_235_814_400), ("8b", 8_030_261_248)):
            count = 0
            for _, shape in geometry.tensors(name):
                count += shape[0] * (shape[1] if len(shape) == 2 else 1)
            self.assertEqual(count, parameters)

    def testRandomBlocksAreQ4WithTheStatedDeviation(self):
        import gguf
        import numpy as np

        blocks = geometry.randomBlocks(np.random.default_rng(3), 64, 256)
        values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType.Q4_0)
        self.assertEqual(values.shape, (64, 256))
        self.assertAlmostEqual(float(values.std()), geometry.DEVIATION, delta=0.1 * geometry.DEVIATION)
        self.assertAlmostEqual(float(values.mean()), 0, delta=0.05 * geometry.DEVIATION)

    def testAGgufIsWholeAndItsTokenizerPadded(self):
        import gguf
        import numpy as np

        tiny = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
                "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 320, "tie_word_embeddings": True}
        geometry.GEOMETRIES["tiny"] = tiny
        self.addCleanup(geometry.GEOMETRIES.pop, "tiny")
        with tempfile.TemporaryDirectory() as folder:
            words = Path(folder) / "words.gguf"
            writer = gguf.GGUFWriter(words, "llama")
            writer.add_tokenizer_model("gpt2")
            writer.add_token_list([f"t{i}" for i in range(300)])
            writer.add_token_types([1] * 300)
            writer.add_token_merges(["a b"])
            writer.add_eos_token_id(2)
            writer.add_tensor("x", np.zeros(4, np.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            path = Path(folder) / "tiny.gguf"
            geometry.writeGguf("tiny", path, words, seed=1)
            reader = gguf.GGUFReader(path)
            read = {t.name: (t.tensor_type.name, [int(n) for n in t.shape]) for t in reader.tensors}
            tokens = reader.fields["tokenizer.ggml.tokens"].contents()
        self.assertEqual(read["blk.1.ffn_down.weight"], ("Q4_0", [96, 64]))  # GGUF names the columns first.
        self.assertEqual(read["blk.0.attn_norm.weight"], ("F32", [64]))
        self.assertEqual(len(read), 2 + 2 * 9)
        self.assertEqual(len(tokens), 320)
        self.assertEqual(tokens[299:301], ["t299", "<|unused_0|>"])


if __name__ == "__main__":
    unittest.main()
