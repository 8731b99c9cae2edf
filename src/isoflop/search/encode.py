"""Encoders by name."""

from pathlib import Path

from isoflop.errors import UsageError, did_you_mean
from isoflop.search import checkpoint, weights
from isoflop.search.bert import BertEncoder
from isoflop.search.encoder import Encoded, Encoder
from isoflop.search.prepared import prepare

__all__ = ["Encoded", "Encoder", "load", "minilm"]

SCHEMES = ("minilm", "hf:FOLDER", "openai:NAME")


def load(name: str = "minilm", *, threads: int | None = None) -> Encoder:
    """The encoder of that name, ready to use.

    Args:
        name: "minilm".
        threads: To compute with; None for every core this process may use.

    Raises:
        UsageError: If no encoder has that name.
        MissingWeights: If its weights are not on this machine, or not with the pinned hash.
    """
    if name != "minilm":
        raise UsageError(f"No encoder is called {name!r}.{did_you_mean(name, SCHEMES)}")
    return minilm(threads=threads)


def minilm(*, exact: bool = False, threads: int | None = None) -> BertEncoder:
    """sentence-transformers/all-MiniLM-L6-v2.

    Args:
        exact: Compute in fp32, three times as long.
        threads: To compute with; None for every core this process may use.

    Raises:
        MissingWeights: If its weights are not on this machine, or not with the pinned hash.
    """
    identity = weights.MINILM.files[checkpoint.WEIGHTS]
    prepared = prepare(identity, _verified_minilm, exact=exact)
    return BertEncoder(prepared, f"minilm:{identity[:12]}", threads)


def _verified_minilm() -> Path:
    folder = weights.locate(weights.MINILM)
    weights.verify(weights.MINILM, folder)
    return folder
