# SPDX-License-Identifier: Apache-2.0
"""Embeddings against transformers' last hidden states on the same dequantised weights, and their route.

The references come from test/oracle/make_embeddings.py.
"""

import base64
import json
import struct
import threading
import unittest

import numpy as np
import tenon_cli
from serving import Server
from tenon_cli import compile_engine, model, run

from oracle_sentences import TEXTS  # Found through tenon_cli.

COSINE = 0.99999  # Least between ours and the reference's.


def embed(engine, texts, *options):
    return run("tenon", "embed", engine, *(a for text in texts for a in ("--text", text)), "--json", *options).json()


class RealModel:
    """Mixed into one TestCase per model; `name` says which."""

    name = None

    @classmethod
    def setUpClass(cls):
        checkpoint = model(cls.name)
        cls.checkpoint = checkpoint
        cls.engine = compile_engine(checkpoint)
        archive = np.load(tenon_cli.ORACLE / "references" / "embeddings" / f"{checkpoint.stem}.npz")
        cls.reference = [{key: archive[f"{i}.{key}"] for key in ("ids", "last", "mean")} for i in range(len(TEXTS))]

    def checkAgainstReference(self, engine, cosine=COSINE, *options):
        for pooling in ("last", "mean"):
            got = embed(engine, TEXTS, "--pooling", pooling, *options)
            self.assertEqual(got["prompt_tokens"], sum(len(r["ids"]) for r in self.reference))
            for i, (ours, theirs) in enumerate(zip(got["embeddings"], self.reference)):
                ours = np.array(ours)
                self.assertAlmostEqual(np.linalg.norm(ours), 1, places=5)
                self.assertGreater(ours @ theirs[pooling], cosine, f"{pooling} of {TEXTS[i][:40]!r}")

    def testVectorsAreThoseOfTheReference(self):
        self.checkAgainstReference(self.engine)

    def testTokensAreThoseOfTheReferenceTokenizer(self):
        for text, reference in zip(TEXTS, self.reference):
            self.assertEqual(run("tenon", "tokenize", self.engine, "--text", text, "--json").json()["ids"],
                             reference["ids"].tolist())

    def testBatchAndChunksDoNotChangeABit(self):
        for pooling in ("last", "mean"):
            together = embed(self.engine, TEXTS, "--pooling", pooling)["embeddings"]
            for i in (1, 4, 6):
                alone = embed(self.engine, [TEXTS[i]], "--pooling", pooling, "--step-tokens", 16 * i, "--threads", 1)
                self.assertEqual(alone["embeddings"][0], together[i])


class SmolLM2Test(RealModel, unittest.TestCase):
    name = "smollm2"

    def testChipsThatShareLayersGiveTheSameVectorsAndPipelinesSayThatTheyHaveNone(self):
        options = ("--target", "cpu:native", "--chips", 2, "--sharding")
        self.checkAgainstReference(compile_engine(self.checkpoint, *options, "tp=2"))
        pipeline = compile_engine(self.checkpoint, *options, "pp=2")
        result = run("tenon", "embed", pipeline, "--text", "x", check=False)
        self.assertEqual(result.code, 5, result.err)
        self.assertIn("embeddings need an engine of one stage", result.err)

    def testDimensionsFilesAndPlainOutput(self):
        whole = embed(self.engine, [TEXTS[1]], "--no-normalize")["embeddings"][0]
        short = embed(self.engine, [TEXTS[1]], "--dimensions", 32)
        self.assertEqual(short["dimensions"], 32)
        np.testing.assert_allclose(short["embeddings"][0], np.array(whole[:32]) / np.linalg.norm(whole[:32]), rtol=1e-6)
        lines = tenon_cli.write_text("lines.txt", f"{TEXTS[1]}\r\n\n{TEXTS[2]}\n")
        out = run("tenon", "embed", self.engine, "--lines", lines).out.splitlines()
        np.testing.assert_array_equal(np.array([list(map(float, line.split())) for line in out], np.float32),
                                      np.array(embed(self.engine, TEXTS[1:3])["embeddings"], np.float32))

    def testWrongUseSaysWhatToDo(self):
        for options, code, message in (
                (("--text", "x", "--dimensions", 9999), 2, "the model's vectors have 576"),
                (("--text", ""), 2, "has no tokens"), ((), 2, "give one of --text, --file and --lines"),
                (("--text", "word " * 9000), 2, "a sequence may have")):
            result = run("tenon", "embed", self.engine, *options, check=False)
            self.assertEqual(result.code, code, result.err)
            self.assertIn(message, result.err)


class Gemma3Test(RealModel, unittest.TestCase):
    name = "gemma3"


class RouteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = compile_engine(model("smollm2"))
        cls.server = Server(cls.engine, "--max-queue", 200)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def post(self, **fields):
        return self.server.post("/v1/embeddings", {"model": "model", **fields})

    def vectors(self, **fields):
        answer = self.post(**fields)
        self.assertEqual([d["index"] for d in answer["data"]], list(range(len(answer["data"]))))
        return [d["embedding"] for d in answer["data"]]

    def testVectorsAreThoseOfTheCommand(self):
        expected = embed(self.engine, TEXTS)["embeddings"]
        answer = self.post(input=TEXTS)
        self.assertEqual(np.float32([d["embedding"] for d in answer["data"]]).tolist(), np.float32(expected).tolist())
        self.assertEqual((answer["object"], answer["model"], answer["data"][0]["object"]), ("list", "model", "embedding"))
        tokens = sum(len(self.server.post("/tokenize", {"prompt": text})["tokens"]) for text in TEXTS)
        self.assertEqual(answer["usage"], {"prompt_tokens": tokens, "total_tokens": tokens})
        mean = embed(self.engine, TEXTS, "--pooling", "mean")["embeddings"]
        self.assertEqual(np.float32(self.vectors(input=TEXTS, pooling="mean")).tolist(), np.float32(mean).tolist())

    def testEveryFormOfInputAndOfVectors(self):
        ids = self.server.post("/tokenize", {"prompt": TEXTS[1]})["tokens"]
        one = self.vectors(input=TEXTS[1])[0]
        self.assertEqual(self.vectors(input=ids), [one])
        self.assertEqual(self.vectors(input=[ids, ids]), [one, one])
        coded = self.vectors(input=TEXTS[1], encoding_format="base64")[0]
        self.assertEqual(list(struct.unpack("<576f", base64.b64decode(coded, validate=True))), np.float32(one).tolist())
        short = np.array(self.vectors(input=TEXTS[1], dimensions=7)[0])
        self.assertEqual(short.shape, (7,))
        np.testing.assert_allclose(short, np.array(one[:7]) / np.linalg.norm(one[:7]), rtol=1e-5)
        coded = self.vectors(input=TEXTS[1], dimensions=7, encoding_format="base64")[0]
        self.assertEqual(len(base64.b64decode(coded)), 28)
        self.assertGreater(np.linalg.norm(self.vectors(input=TEXTS[1], normalize=False)[0]), 2)

    def testManyInputsAmongNeighboursKeepTheirBits(self):
        texts = [f"Sentence number {i % 150} is about {'cats' if i % 2 else 'rivers'}." for i in range(300)]
        alone = {i: self.vectors(input=texts[i])[0] for i in (0, 77, 149)}
        talk = threading.Thread(target=lambda: self.server.chat("Tell a long story.", max_tokens=200))
        talk.start()
        together = self.vectors(input=texts)  # More than are computed at a time, and half of them from the prefix tree.
        talk.join()
        for i, vector in alone.items():
            self.assertEqual(together[i], vector)
            self.assertEqual(together[i + 150], vector)
        idle = self.server.wait_idle()
        self.assertGreater(idle['vllm:request_success_total{finished_reason="stop"}'], 300)

    def testAClientThatLeavesFreesItsBlocks(self):
        connection = self.server.connect()
        connection.request("POST", "/v1/embeddings", json.dumps({"model": "model", "input": [TEXTS[7] + str(i) for i in range(60)], "pooling": "mean"}))
        self.server.wait_running()
        connection.close()
        self.server.wait_idle()

    def testWrongValuesAreRefusedByName(self):
        for fields, param, code in (
                ({}, "input", "missing_required_parameter"), ({"input": 7}, "input", "invalid_type"),
                ({"input": []}, "input", "invalid_type"), ({"input": ""}, "input", "invalid_value"),
                ({"input": ["a", ""]}, "input", "invalid_value"), ({"input": ["a", 3]}, "input", "invalid_type"),
                ({"input": [49152]}, "input", "invalid_value"), ({"input": ["a"] * 2049}, "input", "array_above_max_length"),
                ({"input": "word " * 9000}, "input", "context_length_exceeded"),
                ({"input": "x", "dimensions": 577}, "dimensions", "integer_above_max_value"),
                ({"input": "x", "dimensions": 0}, "dimensions", "integer_below_min_value"),
                ({"input": "x", "encoding_format": "hex"}, "encoding_format", "invalid_value"),
                ({"input": "x", "pooling": "max"}, "pooling", "invalid_value"),
                ({"input": "x", "model": "other"}, "model", "model_not_found")):
            with self.subTest(str(fields)[:60]):
                status, _, answer = self.server.request("POST", "/v1/embeddings", {"model": "model", **fields})
                self.assertEqual(status, 404 if code == "model_not_found" else 400)
                self.assertEqual((answer["error"]["param"], answer["error"]["code"]), (param, code))


if __name__ == "__main__":
    unittest.main()
