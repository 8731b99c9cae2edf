"""Encoders by name."""

import re
from pathlib import Path

from isoflop.errors import UsageError, did_you_mean
from isoflop.search import checkpoint, weights
from isoflop.search.bert import BertEncoder
from isoflop.search.encoder import Encoded, Encoder
from isoflop.search.prepared import prepare

__all__ = ["Encoded", "Encoder", "load", "minilm"]

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
SCHEMES = ("minilm", "hf:FOLDER", "openai:NAME")


def load(name: str = "minilm", *, threads: int | None = None) -> Encoder:
    """The encoder of that name, ready to use.

    Args:
        name: "minilm"; "hf:" and a folder or hub repository of a BERT-family encoder, run like
            minilm; or "openai:" and the name of a model behind an embeddings endpoint.
        threads: To compute with; None for every core this process may use.

    Raises:
        UsageError: If no encoder has that name, or it is of a kind that is not supported.
        MissingWeights: If its weights are not on this machine, or not with the pinned hash.
        EndpointError: If an endpoint does not answer.
    """
    scheme, _, rest = name.partition(":")
    if name == "minilm":
        return minilm(threads=threads)
    if scheme == "hf" and rest:
        return sentence_transformer(rest, threads=threads)
    if scheme == "openai" and rest:
        from isoflop.search.endpoint_encoder import EndpointEncoder  # the only one with a network

        return EndpointEncoder(rest)
    raise UsageError(f"No encoder is called {name!r}.{did_you_mean(name, SCHEMES)}")


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


def sentence_transformer(
    name: str, *, exact: bool = False, threads: int | None = None
) -> BertEncoder:
    """A BERT-family encoder from a folder, or from a repository of the hub, fetched once.

    Raises:
        UsageError: If it is a model of another kind.
        MissingWeights: If files are absent.
    """
    folder = checkpoint_folder(f"hf:{name}")
    checkpoint.describe(folder)
    identity = checkpoint.digest(folder)
    prepared = prepare(identity, lambda: folder, exact=exact)
    return BertEncoder(prepared, f"hf:{identity[:12]}", threads)


def checkpoint_folder(name: str) -> Path:
    """Where the checkpoint of an encoder lies: "minilm", or "hf:" and a folder or repository.

    Raises:
        UsageError: If it is of a kind whose checkpoint is not on this machine.
        MissingWeights: If files are absent.
    """
    scheme, _, rest = name.partition(":")
    if name == "minilm":
        return weights.locate(weights.MINILM)
    if scheme != "hf":
        raise UsageError(
            f"{name} does not run here, so its tokens cannot be looked at. Rank with --by fused."
        )
    folder = Path(rest).expanduser()
    if folder.is_dir():
        return folder
    if not REPOSITORY.fullmatch(rest):
        raise UsageError(f"{name} is neither a folder nor OWNER/NAME on the hub.")
    return weights.repository(rest, required=checkpoint.REQUIRED, optional=checkpoint.OPTIONAL)


def _verified_minilm() -> Path:
    folder = weights.locate(weights.MINILM)
    weights.verify(weights.MINILM, folder)
    return folder
