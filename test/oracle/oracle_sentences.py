# SPDX-License-Identifier: Apache-2.0
"""The texts whose embeddings make_embeddings.py stores and the end-to-end tests ask for."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "text"
TEXTS = ["x", "The quick brown fox jumps over the lazy dog.", "A fast auburn fox leaps above a sleepy hound.",
         "Interest rates rose by a quarter of a point in March.", "Größe, naïveté и кириллица: 東京は晴れです 🙂",
         "for (size_t i = 0; i < n; ++i)\n  sum += x[i] * y[i];", (_FOLDER / "notes.txt").read_text()[:1200],
         (_FOLDER / "rabbit-hole.txt").read_text()[:3000]]
