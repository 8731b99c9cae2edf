"""Files compressed by a model's predictions, and back; what does not come back is never written."""

import hashlib
import logging
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np

from isoflop.bill import Bill
from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel
from isoflop.measure.compression.coder import decode, encode
from isoflop.measure.compression.container import (
    MODEL,
    XZ,
    Chunk,
    DamagedFile,
    Header,
    Writer,
    checked,
    chunks,
)
from isoflop.measure.compression.lockstep import fingerprint, one_thread, streams_for
from isoflop.measure.windows import Integers
from isoflop.meter import measured

CHUNK_BYTES = 1 << 20
CUT_BYTES = 1 << 12  # of the end of a chunk in which a line end or space is looked for
XZ_PRESET = 9 | lzma.PRESET_EXTREME

log = logging.getLogger(__name__)
OnProgress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Compressed:
    """What compressing a file did.

    Attributes:
        size: Bytes of the file.
        compressed: Bytes of the container.
        coded: Bytes of text that the model coded; the others went to xz.
        tokens: Of them.
        coder_bits: That the entropy coder wrote.
        ideal_bits: That an ideal coder would have needed for the same predictions.
        reasons: Why chunks went to xz, each once.
        bill: Of coding and of decoding it again.
    """

    size: int = 0
    compressed: int = 0
    coded: int = 0
    tokens: int = 0
    coder_bits: int = 0
    ideal_bits: float = 0.0
    reasons: tuple[str, ...] = ()
    bill: Bill = field(default_factory=Bill)

    @property
    def bits_per_byte(self) -> float | None:
        """Of the whole container; None for an empty file."""
        return 8 * self.compressed / self.size if self.size else None

    def add(self, chunk: Chunk, ideal: float, reason: str) -> None:
        """Count a chunk."""
        self.size += chunk.size
        if reason:
            self.reasons = tuple(dict.fromkeys((*self.reasons, reason)))
        else:
            self.coded += chunk.size
            self.tokens += chunk.tokens
            self.coder_bits += 8 * len(chunk.payload)
            self.ideal_bits += ideal


def compress(
    source: Path, target: Path, model: CausalModel, *, progress: OnProgress | None = None
) -> Compressed:
    """Compress a file; every chunk is decoded again before it is kept.

    Args:
        source: A file of any size. Only UTF-8 text is predicted; the rest goes to xz.
        target: Written whole or not at all.
        model: Whose predictions are used, on one thread.
        progress: Told of the bytes done.

    Raises:
        UsageError: If a file cannot be read or written.
    """
    found = Compressed()
    whole = _size(source)
    _apart(source, target)
    with measured() as meter, one_thread(), _fresh(target) as out, source.open("rb") as file:
        writer = Writer(out, header(model))
        for text in _cut(file):
            chunk, ideal, reason = _chunk(model, text)
            writer.add(chunk)
            found.add(chunk, ideal, reason)
            if progress is not None:
                progress("compressing", found.size, whole)
        writer.close()
    found.compressed = writer.size
    found.bill = Bill.measured(
        prompt_tokens=2 * found.tokens,
        flops=_flops(model, 2 * found.tokens),
        seconds=meter.seconds,
        joules=meter.joules,
        dollars=None,
        grams_co2e=None,
    )
    return found


def decompress(
    source: Path, target: Path, model: CausalModel, *, progress: OnProgress | None = None
) -> int:
    """Write the file that was compressed. Returns its bytes.

    Args:
        source: Written by `compress`.
        target: Written whole or not at all.
        model: The one it was compressed with.
        progress: Told of the bytes done.

    Raises:
        DamagedFile: If a bit of the container changed, or the text does not come back.
        UsageError: If the model, the libraries or the machine give other predictions.
    """
    whole, size, done = _size(source), 0, 0
    _apart(source, target)
    with one_thread(), source.open("rb") as file, _fresh(target) as out:
        stored = checked(file, str(source))
        same = False
        for number, chunk in enumerate(chunks(file), start=1):
            if chunk.kind == MODEL and not same:
                _require(stored, header(model), source)
                same = True
            text = _text(model, chunk)
            if text is None:
                raise DamagedFile(
                    f"{source}: chunk {number} does not come back as it was, although model and "
                    "machine look the same. Nothing was written. Decode it where it was made."
                )
            out.write(text)
            size += len(text)
            done += len(chunk.payload)
            if progress is not None:
                progress("decompressing", done, whole)
    return size


def header(model: CausalModel) -> Header:
    """What a container says of a model and of this machine."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "constriction"))
    return Header(model.name, _weights(model), _tokens(model), fingerprint(model).hex(), libraries)


def _weights(model: CausalModel) -> str:
    """Hash of the model's parameters."""
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in model.model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


def _tokens(model: CausalModel) -> str:
    """Hash of the text and the bytes that each token stands for."""
    ids = range(model.vocabulary)
    parts = [model.decode([id]).encode("utf-8", "surrogatepass") for id in ids]
    lengths = np.asarray(model.byte_lengths(list(ids)), np.int64)
    return hashlib.blake2b(b"\0".join(parts) + lengths.tobytes(), digest_size=8).hexdigest()


def _require(stored: Header, here: Header, source: Path) -> None:
    """Refuse to decode what would come out wrong."""
    if (stored.weights, stored.tokens) != (here.weights, here.tokens):
        raise UsageError(
            f"{source} was compressed with {stored.model} (weights {stored.weights}, tokens "
            f"{stored.tokens}), and {here.model} is another model (weights {here.weights}, tokens "
            f"{here.tokens}). Name the right one with --model."
        )
    if stored.machine != here.machine:
        raise UsageError(
            f"{source} cannot be decoded here: the model's predictions have other bits than "
            f"where it was compressed (there {stored.machine} with {stored.made_by}; here "
            f"{here.machine} with {here.made_by}). Decode it on a machine with the same "
            "processor and libraries."
        )


def _chunk(model: CausalModel, text: bytes) -> tuple[Chunk, float, str]:
    """A stretch of text coded; its ideal bits; and why it went to xz, if so."""
    reason, crc = "", zlib.crc32(text)
    ids = _ids(model, text)
    if ids is None:
        reason = "not UTF-8 text, or text that the model's tokens do not give back"
    else:
        streams = streams_for(len(ids))
        payload, ideal = encode(model, ids, streams)
        chunk = Chunk(MODEL, len(ids), streams, len(text), crc, payload)
        if _text(model, chunk) == text:
            return chunk, ideal, ""
        reason = "it did not come back when it was decoded"
    log.info("stored with xz: %s", reason)
    packed = lzma.compress(text, preset=XZ_PRESET)
    return Chunk(XZ, 0, 0, len(text), crc, packed), 0.0, reason


def _ids(model: CausalModel, text: bytes) -> Integers | None:
    """The tokens of a text; None unless they give every byte of it back."""
    try:
        ids = model.encode(text.decode())
        back = model.decode(ids).encode()
    except UnicodeError:
        return None
    return np.asarray(ids, np.int64) if back == text else None


def _text(model: CausalModel, chunk: Chunk) -> bytes | None:
    """The text of a chunk; None if it does not come back."""
    if chunk.kind == XZ:
        text = lzma.decompress(chunk.payload)
    else:
        try:
            ids = decode(model, chunk.payload, chunk.tokens, chunk.streams)
        except AssertionError:  # the coder has lost its way
            return None
        text = model.decode(ids.tolist()).encode()
    return text if (len(text), zlib.crc32(text)) == (chunk.size, chunk.crc) else None


def _cut(file: IO[bytes]) -> Iterator[bytes]:
    """A file in chunks of about a megabyte, cut before a line end or a space if there is one."""
    held = b""
    while block := file.read(CHUNK_BYTES):
        held += block
        if len(held) > CHUNK_BYTES:
            low = CHUNK_BYTES - CUT_BYTES
            place = max(held.rfind(blank, low, CHUNK_BYTES) for blank in (b"\n", b" "))
            place = CHUNK_BYTES if place < 0 else place
            yield held[:place]
            held = held[place:]
    if held:
        yield held


def _flops(model: CausalModel, tokens: int) -> float | None:
    once = model.forward_flops(1)
    return None if once is None else once * tokens


def _apart(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        raise UsageError(f"{target} is the file itself. Name another one with --out.")


def _size(path: Path) -> int:
    if not path.is_file():
        raise UsageError(f"{path}: no such file.")
    return path.stat().st_size


@contextmanager
def _fresh(target: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is finished, and none if it is not."""
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
