"""txtai: Embeddings with its default vector index (faiss)."""

from __future__ import annotations

from txtai import Embeddings

PACKAGES = ("txtai", "faiss-cpu")


class Peer:
    """Texts to hits by txtai's defaults: sorted by length, 32 texts to a batch."""

    def __init__(self, weights: str, batch: int | None) -> None:
        chosen = {} if batch is None else {"encodebatch": batch}
        self._embeddings = Embeddings(path=weights, gpu=False, **chosen)

    @staticmethod
    def split(text: str) -> list[str]:
        """Paragraphs, which is what txtai's segmentation cuts at; it sets no upper length."""
        return [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]

    def index(self, texts: list[str]) -> None:
        """Embed and store the texts."""
        self._embeddings.index(texts)

    def search(self, query: str, k: int) -> list[int]:
        """Positions of the `k` nearest texts, best first."""
        return [int(position) for position, _ in self._embeddings.search(query, k)]
