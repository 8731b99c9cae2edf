"""isoflop: its index over a folder with one file for each text."""

from __future__ import annotations

import tempfile
from pathlib import Path

from isoflop.search.index import Index

PACKAGES = ("isoflop", "openvino", "tokenizers", "tantivy", "numpy")


class Peer:
    """Texts to hits by isoflop's defaults; reading, cutting and storing included."""

    def __init__(self, weights: str, batch: int | None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._index = Index.open(self._folder.name)
        self._index.encoder  # noqa: B018 - loads the weights, which is not part of indexing

    def prepare(self, texts: list[str]) -> None:
        """Write the files, which is not part of indexing."""
        for number, text in enumerate(texts):
            path = Path(self._folder.name) / f"{number:06}.txt"
            path.write_text(text, encoding="utf-8", newline="")

    def index(self, texts: list[str]) -> None:
        """Read, cut, embed and store the files."""
        self._index.update()

    def search(self, query: str, k: int) -> list[int]:
        """Positions of the `k` best texts, best first."""
        return [int(Path(hit.passage.document).stem) for hit in self._index.search(query, k=k)]
