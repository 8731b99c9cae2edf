"""isoflop's encoder alone, with vectors in an array: what its index adds shows beside it."""

from __future__ import annotations

import numpy as np

from isoflop.search.encode import load

PACKAGES = ("isoflop", "openvino", "tokenizers", "numpy")


class Peer:
    """Texts to hits by the encoder and one matrix product."""

    def __init__(self, weights: str, batch: int | None) -> None:
        self._encoder = load("minilm")

    def index(self, texts: list[str]) -> None:
        """Embed the texts."""
        self._vectors = self._encoder.encode(texts).vectors

    def search(self, query: str, k: int) -> list[int]:
        """Positions of the `k` nearest texts, best first."""
        scores = self._vectors @ self._encoder.encode([query]).vectors[0]
        return [int(position) for position in np.argsort(-scores)[:k]]
