"""The file that holds a compressed text: what is needed to read it, chunks, and a hash of all.

magic            8 bytes
header           length (2 bytes), then JSON: hashes of model, tokens and machine, versions
chunks           kind, tokens, streams, bytes, CRC-32 of the text, length of the payload; payload
end              kind 0, then the first 8 bytes of the BLAKE2b hash of everything before
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import IO

from isoflop.errors import IsoflopError

MAGIC = b"isoflop\x01"
END, XZ, MODEL = 0, 1, 2
CHUNK = struct.Struct("<BIHIII")
LENGTH = struct.Struct("<H")
HASH_BYTES = 8
READ_BYTES = 1 << 20


class DamagedFile(IsoflopError):
    """A compressed file is damaged, cut short, or none."""


@dataclass(frozen=True, slots=True)
class Header:
    """What must be the same for the text to come back.

    Attributes:
        model: Name by which the model was opened, a hint for a person.
        weights: Hash of the model's parameters.
        tokens: Hash of the text each token stands for.
        machine: Hash of the bits of a few predictions.
        made_by: Versions of what computed them.
    """

    model: str
    weights: str
    tokens: str
    machine: str
    made_by: str

    def packed(self) -> bytes:
        """As bytes."""
        text = json.dumps(asdict(self), separators=(",", ":")).encode()
        return LENGTH.pack(len(text)) + text


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the text.

    Attributes:
        kind: XZ or MODEL.
        tokens: Of the model, 0 for xz.
        streams: Stretches read side by side, 0 for xz.
        size: Bytes of the text.
        crc: CRC-32 of them.
        payload: What they became.
    """

    kind: int
    tokens: int
    streams: int
    size: int
    crc: int
    payload: bytes

    def packed(self) -> bytes:
        """As bytes."""
        fields = (self.kind, self.tokens, self.streams, self.size, self.crc, len(self.payload))
        return CHUNK.pack(*fields) + self.payload


class Writer:
    """Writes a container piece by piece, hashing as it goes."""

    def __init__(self, file: IO[bytes], header: Header) -> None:
        self._file, self._hash = file, hashlib.blake2b(digest_size=HASH_BYTES)
        self.size = 0
        self._write(MAGIC + header.packed())

    def add(self, chunk: Chunk) -> None:
        """The next stretch of the text."""
        self._write(chunk.packed())

    def close(self) -> None:
        """The end and the hash."""
        self._write(bytes([END]))
        self._write(self._hash.digest())

    def _write(self, part: bytes) -> None:
        self._file.write(part)
        self._hash.update(part)
        self.size += len(part)


def checked(file: IO[bytes], name: str) -> Header:
    """The header of a container whose hash is right; the file stands at the first chunk.

    Raises:
        DamagedFile: If it is no container, was cut short, or a bit of it changed.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise DamagedFile(f"{name} was not written by 'isoflop compress'.")
    file.seek(0, 2)
    left = file.tell() - HASH_BYTES
    file.seek(0)
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    while left > 0:
        block = file.read(min(left, READ_BYTES))
        digest.update(block)
        left -= len(block)
    if file.read() != digest.digest():
        raise DamagedFile(
            f"{name} is damaged: its contents do not have the hash at its end. Nothing was "
            "decoded. Copy or compress it again."
        )
    file.seek(len(MAGIC))
    (length,) = LENGTH.unpack(file.read(LENGTH.size))
    return Header(**json.loads(file.read(length)))


def chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """The chunks of a checked container."""
    while (first := file.read(1)) != bytes([END]):
        kind, tokens, streams, size, crc, length = CHUNK.unpack(first + file.read(CHUNK.size - 1))
        yield Chunk(kind, tokens, streams, size, crc, file.read(length))
