"""Indexes of a folder, with an encoder that is loaded once for all tests."""

from pathlib import Path

from isoflop.search.encode import Encoder
from isoflop.search.index import Index
from isoflop.search.update import Update


def opened(folder: Path, encoder: Encoder, **options: str) -> Index:
    """The index of a folder, with an encoder that is already loaded."""
    index = Index.open(folder, **options)
    index._encoder = encoder
    return index


def updated(folder: Path, encoder: Encoder) -> tuple[Index, Update]:
    """The same, brought up to date, with what that did."""
    index = opened(folder, encoder)
    return index, index.update()
