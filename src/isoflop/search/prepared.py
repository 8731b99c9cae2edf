"""An encoder made ready for this machine: built once, kept in the cache, verified when read.

The file in the cache needs neither the checkpoint nor the network nor any further preparation,
so a new process starts in a fraction of a second.
"""

import contextlib
import hashlib
import json
import logging
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from isoflop.search import checkpoint
from isoflop.search.bert_graph import Bert
from isoflop.search.checkpoint import Description
from isoflop.search.openvino_quietly import core, openvino
from isoflop.search.quantize import Calibration, compiled, fidelity
from isoflop.settings import cache_folder

RECIPE = 1  # raised whenever the same checkpoint would give other vectors
FOLDER = "encoders"  # within the cache
DIGEST, HEADER = 32, 4064  # bytes of the file before the arrays, which are thus aligned
ARRAYS = ("words", "places", "any_length", "full_length", "tokenizer")
ACCEPTED = 0.99  # mean cosine to fp32 below which int8 is not used

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is needed to encode.

    Attributes:
        arithmetic: Of the products with weights; int8 unless that was found too lossy here.
        fidelity: Mean cosine to fp32 over the calibration texts.
        description: Sizes, limits and pooling.
        tokenizer: The contents of tokenizer.json, as uint8.
        words: (vocabulary, width) float16 with int8 products, else float32.
        places: (positions, width) float32, the position vectors plus the first segment's.
        any_length: The compiled graph for any batch and length, as uint8.
        full_length: The same for one text of `max_tokens`, 8% faster at that length.
    """

    arithmetic: Literal["fp32", "int8"]
    fidelity: float
    description: Description
    tokenizer: np.ndarray
    words: np.ndarray
    places: np.ndarray
    any_length: np.ndarray
    full_length: np.ndarray


def prepare(identity: str, find: Callable[[], Path], *, exact: bool = False) -> Prepared:
    """The encoder from the cache, or built from its checkpoint and put there.

    Args:
        identity: SHA-256 that stands for the checkpoint.
        find: Where the checkpoint is; called only if it is needed.
        exact: Compute in fp32.
    """
    path = _cached_path(identity, exact)
    if (prepared := _read(path)) is None:
        prepared = build(find(), exact=exact)
        _write(path, prepared)
    return prepared


def build(folder: Path, *, exact: bool = False) -> Prepared:
    """Read, calibrate, quantise and compile a checkpoint; a few seconds.

    The int8 result is compared with fp32 on the calibration texts before it is used, since some
    processors add 8-bit products in 16 bits, which may overflow.

    Raises:
        MissingWeights: If a file is absent or broken.
        UsageError: If the checkpoint is of a kind that is not supported.
    """
    description = checkpoint.describe(folder)
    tensors = checkpoint.tensors(folder / checkpoint.WEIGHTS)
    tokenizer = np.fromfile(folder / "tokenizer.json", np.uint8)
    words = tensors["embeddings.word_embeddings.weight"]
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    places = tensors["embeddings.position_embeddings.weight"] + segment
    most = description.max_tokens
    bert = Bert(tensors, description.architecture, description.epsilon)
    if not exact:
        calibration = Calibration.run(bert, tokenizer, words, places, most)
        bert.ranges = calibration.ranges
        graphs = compiled(bert.graph()), compiled(bert.graph(most))
        cosine = fidelity(calibration, *graphs)
        if cosine >= ACCEPTED:
            half = words.astype(np.float16)
            return Prepared("int8", cosine, description, tokenizer, half, places, *graphs)
        log.warning("using fp32: int8 has a cosine of %.3f to it on this processor", cosine)
        bert.ranges = None
    graphs = compiled(bert.graph()), compiled(bert.graph(most))
    return Prepared("fp32", 1.0, description, tokenizer, words, places, *graphs)


def _cached_path(identity: str, exact: bool) -> Path:
    """Named by all that the file's contents depend on; another machine reads another file."""
    runtime = core()
    processor = [runtime.get_property("CPU", "FULL_DEVICE_NAME")]
    processor += sorted(runtime.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    parts = [RECIPE, identity, exact, openvino.__version__, *processor]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return cache_folder() / FOLDER / f"{identity[:12]}-{key[:16]}.encoder"


def _read(path: Path) -> Prepared | None:
    """What the file holds; None if there is none, or not what was written.

    The arrays are views of the mapped file, so that only what is used is kept in memory.
    """
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # absent, or empty
        return None
    if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
        log.warning("%s is damaged and is built again", path)
        return None
    header, _, _ = bytes(data[DIGEST : DIGEST + HEADER]).partition(b"\0")
    fields: dict[str, Any] = json.loads(header)
    arrays: dict[str, Any] = {
        name: np.frombuffer(data[start:stop], kind).reshape(sizes)
        for name, (start, stop, kind, sizes) in fields.pop("arrays").items()
    }
    description = Description.from_json(fields.pop("description"))
    return Prepared(description=description, **fields, **arrays)


def _write(path: Path, prepared: Prepared) -> None:
    """Put the file in place in one step; a cache that cannot be written is done without.

    A SHA-256 of the rest, a JSON header of fixed size, and the arrays one after another.
    """
    places, position = {}, DIGEST + HEADER
    for name in ARRAYS:
        array = getattr(prepared, name)
        places[name] = (position, position + array.nbytes, array.dtype.str, array.shape)
        position += array.nbytes
    fields = {name: getattr(prepared, name) for name in ("arithmetic", "fidelity")}
    fields |= {"arrays": places, "description": prepared.description.to_json()}
    header = json.dumps(fields).encode().ljust(HEADER, b"\0")
    pieces = [header, *(getattr(prepared, name).tobytes() for name in ARRAYS)]
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.writelines([whole.digest(), *pieces])
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        log.warning(
            "the encoder is built again next time, because it cannot be kept: %s. "
            "Choose a folder for it with ISOFLOP_CACHE.",
            error,
        )
