# SPDX-License-Identifier: Apache-2.0
"""Small random checkpoints against the logits that transformers gives (test/oracle/random_checkpoints.py).

Log-probabilities and logits differ by a constant per position, so both are centred before they are
compared. The error is the largest absolute difference in units of the logits' standard deviation.
"""

import unittest

import numpy as np
from tenon_cli import WORK, compile_engine, run, write_text

import random_checkpoints  # Found through tenon_cli.

TOLERANCE = 0.02


def centred(rows):
    return rows - rows.mean(axis=1, keepdims=True)


class RandomCheckpointTest(unittest.TestCase):
    def check(self, name):
        archive = np.load(random_checkpoints.TARGET / f"{name}.npz")
        WORK.mkdir(parents=True, exist_ok=True)
        path = WORK / f"{name}.gguf"
        random_checkpoints.write_gguf(path, name, random_checkpoints.CHECKPOINTS[name])
        self.assertEqual(random_checkpoints.sha256(path), str(archive["sha256"]),
                         "the checkpoint differs from the one that the stored logits are of; "
                         "remake both with test/oracle/random_checkpoints.py")
        engine = compile_engine(path)
        text = write_text("random-checkpoints.txt", random_checkpoints.TEXT)
        dump = WORK / f"{name}.logits"
        got = run("tenon", "score", engine, "--text", text, "--dump-logits", dump, "--json").json()
        self.assertEqual(got["ids"], archive["ids"].tolist())
        expected = centred(archive["logits"].astype(np.float64))
        ours = np.fromfile(dump, np.float32).reshape(len(got["ids"]), -1)[:, :expected.shape[1]].astype(np.float64)
        dump.unlink()
        error = np.abs(centred(ours) - expected).max() / expected.std()
        print(f"\n{name}: largest logit error {100 * error:.3f} % of their deviation (allowed {100 * TOLERANCE:.0f} %)")
        self.assertLessEqual(error, TOLERANCE)


def _addTests():
    for name in random_checkpoints.CHECKPOINTS:
        title = "test" + "".join(part.capitalize() for part in name.replace("_", "").split("-"))
        setattr(RandomCheckpointTest, title, lambda self, name=name: self.check(name))


_addTests()

if __name__ == "__main__":
    unittest.main()
