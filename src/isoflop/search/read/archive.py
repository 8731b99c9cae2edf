"""Archives: the files inside, one by one, within limits that a bomb cannot pass."""

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from isoflop.errors import Unreadable

MOST_MEMBERS = 10_000
MOST_BYTES_INSIDE = 256 << 20
MOST_BYTES_A_MEMBER = 64 << 20
# Text shrinks to a third or a twentieth; what shrinks to less was made to swell.
MOST_SWELLING = 200
SWELLING_MATTERS = 8 << 20
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)
BROKEN = "is a broken archive ({}). Fetch it or pack it again."
BOMB = "would unpack to more than {:,.0f} MB{}, as archives made to do harm do. Unpack it yourself."

Member = tuple[str, bytes | Unreadable]
Compressed = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile


@dataclass(slots=True)
class Allowance:
    """What may still be unpacked from one file, however its archives are nested."""

    bytes: int = MOST_BYTES_INSIDE
    members: int = MOST_MEMBERS

    def spend(self, size: int) -> None:
        """Count one member of that size.

        Raises:
            Unreadable: If it was one too many.
        """
        self.bytes -= size
        self.members -= 1
        if self.bytes < 0:
            raise Unreadable(BOMB.format(MOST_BYTES_INSIDE / 1e6, ""))
        if self.members < 0:
            raise Unreadable(f"holds more than {MOST_MEMBERS:,} files. Unpack it yourself.")


def open_zip(data: bytes) -> zipfile.ZipFile:
    """A zip archive, or an office file or book that is one, that unpacks to a sane size.

    Raises:
        Unreadable: If it is broken or a bomb.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (*DAMAGED, NotImplementedError, ValueError, UnicodeDecodeError) as error:
        raise Unreadable(BROKEN.format(error)) from error
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    if len(infos) > MOST_MEMBERS:
        raise Unreadable(f"holds more than {MOST_MEMBERS:,} files. Unpack it yourself.")
    if total > MOST_BYTES_INSIDE:
        raise Unreadable(BOMB.format(MOST_BYTES_INSIDE / 1e6, ""))
    if total > SWELLING_MATTERS and total > MOST_SWELLING * len(data):
        raise Unreadable(BOMB.format(total / 1e6, f", {total // len(data)} times its size"))
    return archive


def zip_members(data: bytes, name: str) -> Iterator[Member]:
    """Name and bytes of every file in a zip archive."""
    with open_zip(data) as archive:
        for info in archive.infolist():
            if not (member := safe_name(info.filename)) or info.is_dir() or _is_link(info):
                continue
            try:
                yield member, _unpacked(archive, info)
            except Unreadable as error:
                yield member, error


def _is_link(info: zipfile.ZipInfo) -> bool:
    return info.external_attr >> 28 == 0o12


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & 1:
        raise Unreadable("is encrypted inside its archive. Unpack it with its password.")
    if info.file_size > MOST_BYTES_A_MEMBER:
        raise Unreadable(BOMB.format(MOST_BYTES_A_MEMBER / 1e6, ""))
    try:
        return archive.read(info)
    except (*DAMAGED, NotImplementedError, RuntimeError, ValueError) as error:
        raise Unreadable(f"cannot be unpacked ({error}). Pack the archive again.") from error


def tar_members(data: bytes, name: str) -> Iterator[Member]:
    """Name and bytes of every regular file in a tar archive."""
    yield from _tar_members(io.BytesIO(data))


def packed_members(data: bytes, name: str) -> Iterator[Member]:
    """The files of a compressed tar archive, or the one file that was compressed."""
    opened = _Limited(_decompressor(data))
    start = opened.peek(512)
    if start[257:262] == b"ustar":
        yield from _tar_members(opened)
    else:
        stem = re.sub(r"\.(gz|bz2|xz)$", "", name, flags=re.IGNORECASE)
        yield safe_name(stem if stem != name else f"{name}.txt"), opened.read(-1)


def _decompressor(data: bytes) -> Compressed:
    packed = io.BytesIO(data)
    if data.startswith(b"BZh"):
        return bz2.BZ2File(packed)
    if data.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(packed)
    return gzip.GzipFile(fileobj=packed)


def _tar_members(file: "io.BytesIO | _Limited") -> Iterator[Member]:
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:  # type: ignore[call-overload]  # it only reads
            for info in archive:
                member = safe_name(info.name)
                if not info.isreg() or not member:
                    continue
                if info.size > MOST_BYTES_A_MEMBER:
                    yield member, Unreadable(BOMB.format(MOST_BYTES_A_MEMBER / 1e6, ""))
                    continue
                content = archive.extractfile(info)
                yield member, content.read() if content else b""
    except DAMAGED as error:
        raise Unreadable(BROKEN.format(error)) from error


class _Limited:
    """A decompressed stream that ends in a refusal once it has given too much."""

    def __init__(self, stream: Compressed):
        self.stream = stream
        self.ahead = b""
        self.left = MOST_BYTES_INSIDE

    def peek(self, size: int) -> bytes:
        """The first bytes, which the next read gives again."""
        self.ahead = self._more(size)
        return self.ahead

    def read(self, size: int = -1) -> bytes:
        """That many bytes, or all that are left."""
        if size < 0:
            size = MOST_BYTES_A_MEMBER + 1
        ahead, self.ahead = self.ahead[:size], self.ahead[size:]
        block = ahead + (self._more(size - len(ahead)) if len(ahead) < size else b"")
        if len(block) > MOST_BYTES_A_MEMBER:
            raise Unreadable(BOMB.format(MOST_BYTES_A_MEMBER / 1e6, ""))
        return block

    def _more(self, size: int) -> bytes:
        try:
            block = self.stream.read(size)
        except DAMAGED as error:
            raise Unreadable(BROKEN.format(error)) from error
        self.left -= len(block)
        if self.left < 0:
            raise Unreadable(BOMB.format(MOST_BYTES_INSIDE / 1e6, ""))
        return block


def safe_name(name: str) -> str:
    """A member's name as the end of an id: no way up, no drive, nothing unprintable.

    Hidden files and what archivers add are left out: their name is empty.
    """
    parts = re.split(r"[/\\]+", re.sub(r"^[A-Za-z]:", "", name))
    kept = [_printable(part) for part in parts if part not in ("", ".", "..")]
    if any(part.startswith(".") or part == "__MACOSX" for part in kept):
        return ""
    return "/".join(kept)


def _printable(part: str) -> str:
    shown = part.encode("utf-8", "backslashreplace").decode("utf-8")
    return re.sub(r"[\x00-\x1f\x7f]", "_", shown)
