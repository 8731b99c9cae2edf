"""The file that vectors are searched in: its layout, and how a new generation is written.

A header, then tiles of 2,048 rows. A tile holds its rows' passage ids, signs, scales and int8
codes, each together, and the signs word by word, so that a scan over signs touches nothing else.
Rows stand in no particular order, and the last tile is padded. A file is never changed under its
name: a new one is written beside it, forced to disk and renamed, so whoever has the old one
mapped keeps it whole.
"""

import os
import shutil
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import DamagedIndex

MAGIC = b"isoflopV"
VERSION = 1
TILE_ROWS = 2048

Ids = NDArray[np.int64]
Floats = NDArray[Any]  # float16, float32 or float64
Centre = NDArray[np.float32]
Places = NDArray[np.int64]  # row numbers

_FIELDS = struct.Struct("<8sIIQ")  # magic, version, width, rows; then the centre and a checksum
_PAGE = 4096


class File(NamedTuple):
    """A whole file, mapped into memory.

    Attributes:
        rows: How many there are.
        centre: (width,), around which the signs were taken.
        tiles: Records of `tile`, the last one padded.
    """

    rows: int
    centre: Centre
    tiles: NDArray[np.void]


def read(path: Path) -> File:
    """Map a file, after checking all that can be checked without reading the rows.

    Raises:
        DamagedIndex: If the file is absent, cut short, not of this kind or of another version.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise DamagedIndex(f"{path}: {error.strerror}. Index again to rebuild it.") from error
    except ValueError as error:
        raise DamagedIndex(f"{path}: {error}. Index again to rebuild it.") from error


def write(path: Path, blocks: Iterable[tuple[Ids, Floats]], width: int) -> None:
    """Put a file with these rows at `path`; `Vectors.write` says more."""
    several = iter(blocks)
    first = next(several, (np.zeros(0, np.int64), np.zeros((0, width))))
    _check(first[0], first[1], width)
    centre = np.asarray(first[1], np.float32).sum(axis=0) / np.float32(max(1, len(first[0])))
    with _generation(path, centre) as generation:
        for ids, vectors in chain([first], several):
            generation.append(encode(ids, vectors, centre))


def amend(old: Path, new: Path, add: Iterable[tuple[Ids, Floats]], delete: Collection[int]) -> None:
    """Put a file at `new` with the rows of `old`, some less and some more.

    The old bytes are copied as they are. Added rows take the places of deleted ones, then of
    the end; places still empty are filled with the last rows.
    """
    before = read(old)
    ids = before.tiles["ids"].reshape(-1)[: before.rows]
    empty = np.flatnonzero(np.isin(ids, np.fromiter(delete, np.int64, len(delete))))
    with _generation(new, before.centre, old) as generation:
        generation.rows, generation.empty = before.rows, empty
        for added, vectors in add:
            generation.append(encode(added, vectors, before.centre))
        generation.close_gaps(before.tiles)


def tile(width: int) -> np.dtype[np.void]:
    """How the rows of one tile lie in the file."""
    return np.dtype(
        [
            ("ids", "<i8", (TILE_ROWS,)),
            ("signs", "<u8", (-(-width // 64), TILE_ROWS)),
            ("scales", "<f4", (TILE_ROWS,)),
            ("codes", "i1", (TILE_ROWS, width)),
        ]
    )


def encode(ids: Ids, vectors: Floats, centre: Centre) -> dict[str, NDArray[Any]]:
    """Rows as they are stored: ids, signs (n, words), scales and codes (n, width).

    A row's largest value gets the code 127 or -127, so value = code * scale within scale / 2.

    Raises:
        ValueError: If the vectors are not (n, width) for n ids.
    """
    _check(ids, vectors, len(centre))
    values = np.asarray(vectors, np.float32)
    scales = np.abs(values).max(axis=1, initial=0) / np.float32(127)
    codes = np.rint(values / np.where(scales == 0, 1, scales)[:, None]).astype(np.int8)
    return {"ids": ids, "signs": pack(values > centre), "scales": scales, "codes": codes}


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(n, width) bits as (n, words) of 64; those past the width are zero."""
    packed = np.zeros((len(bits), -(-bits.shape[1] // 64) * 8), np.uint8)
    filled = np.packbits(bits, axis=1, bitorder="little")
    packed[:, : filled.shape[1]] = filled
    return packed.view("<u8")


def _read(file: BinaryIO) -> File:
    """Raises ValueError where `read` says what is wrong."""
    fields = file.read(_FIELDS.size).ljust(_FIELDS.size, b"\0")
    magic, version, width, rows = _FIELDS.unpack(fields)
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError("not a file of vectors, or of another version")
    rest, layout, count = file.read(4 * width + 4), tile(width), -(-rows // TILE_ROWS)
    values, checksum = rest[:-4], rest[-4:]
    whole = _header_bytes(width) + count * layout.itemsize
    if checksum != struct.pack("<I", zlib.crc32(fields + values)):
        raise ValueError("its header is damaged")
    if os.fstat(file.fileno()).st_size != whole:
        raise ValueError(f"not the {whole:,} bytes that its header tells of")
    centre = np.frombuffer(values, "<f4").astype(np.float32)
    if not rows:  # an empty range cannot be mapped
        return File(0, centre, np.zeros(0, layout))
    mapped = np.memmap(file, layout, "r", _header_bytes(width), (count,))
    return File(rows, centre, mapped.view(np.ndarray))


@contextmanager
def _generation(path: Path, centre: Centre, old: Path | None = None) -> Iterator["_Generation"]:
    """A file written beside `path`, from a copy of `old`, that replaces it if all goes well."""
    partial = path.with_name(path.name + ".partial")
    try:
        if old is None:
            partial.write_bytes(b"")
        else:
            _copy(old, partial)
        with partial.open("r+b") as file:
            generation = _Generation(file, centre)
            yield generation
            generation.finish()
        partial.replace(path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


class _Generation:
    """A file while it is written.

    Attributes:
        rows: Places in use or empty.
        empty: Places below `rows` that hold a deleted row, ascending.
    """

    def __init__(self, file: BinaryIO, centre: Centre) -> None:
        self._file, self._centre, self._layout = file, centre, tile(len(centre))
        self.rows, self.empty = 0, np.zeros(0, np.int64)

    def append(self, rows: dict[str, NDArray[Any]]) -> None:
        """Add rows where rows were deleted, then at the end."""
        count = len(rows["ids"])
        gaps, self.empty = self.empty[:count], self.empty[count:]
        end = self.rows + count - len(gaps)
        self._put(np.concatenate([gaps, np.arange(self.rows, end)]), rows)

    def close_gaps(self, before: NDArray[np.void]) -> None:
        """Move the last rows into the places that are still empty."""
        kept = self.rows - len(self.empty)
        last = np.setdiff1d(np.arange(kept, self.rows), self.empty)
        at, row = np.divmod(last, TILE_ROWS)
        moved = {name: before[name][at, row] for name in ("ids", "scales", "codes")}
        moved["signs"] = before["signs"].transpose(0, 2, 1)[at, row]
        self._put(self.empty[: len(last)], moved)
        self.rows, self.empty = kept, self.empty[:0]

    def _put(self, places: Places, rows: dict[str, NDArray[Any]]) -> None:
        """Store rows at these ascending places, tile by tile."""
        at, inside = np.divmod(places, TILE_ROWS)
        for number in np.unique(at).tolist():
            chosen = slice(*np.searchsorted(at, [number, number + 1]))
            held = self._tile(number)
            held["signs"][:, inside[chosen]] = rows["signs"][chosen].T
            for name in ("ids", "scales", "codes"):
                held[name][inside[chosen]] = rows[name][chosen]
            self._seek(number)
            self._file.write(held.tobytes())
        self.rows = max(self.rows, int(places.max(initial=-1)) + 1)

    def _tile(self, number: int) -> NDArray[np.void]:
        if number * TILE_ROWS >= self.rows:
            return np.zeros((), self._layout)
        self._seek(number)
        held = bytearray(self._file.read(self._layout.itemsize))
        return np.frombuffer(held, self._layout).reshape(())

    def _seek(self, number: int) -> None:
        self._file.seek(_header_bytes(len(self._centre)) + number * self._layout.itemsize)

    def finish(self) -> None:
        """Cut off what is no longer used, write the header, force all to disk."""
        self._seek(-(-self.rows // TILE_ROWS))
        self._file.truncate()
        self._file.seek(0)
        self._file.write(_header(self.rows, self._centre))
        self._file.flush()
        os.fsync(self._file.fileno())


def _copy(source: Path, target: Path) -> None:
    """Copy a file, within the kernel where it can: a fifth of the processor time."""
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 30):
                pass
    except (AttributeError, OSError):  # not on this system, or not between these files
        shutil.copyfile(source, target)


def _check(ids: Ids, vectors: Floats, width: int) -> None:
    if np.shape(vectors) != (len(ids), width):
        raise ValueError(f"{len(ids)} ids of width {width} got vectors {np.shape(vectors)}")


def _header_bytes(width: int) -> int:
    """Room for the fields, the centre and the checksum, in whole pages."""
    return -(-(_FIELDS.size + 4 * width + 4) // _PAGE) * _PAGE


def _header(rows: int, centre: Centre) -> bytes:
    body = _FIELDS.pack(MAGIC, VERSION, len(centre), rows) + centre.astype("<f4").tobytes()
    return (body + struct.pack("<I", zlib.crc32(body))).ljust(_header_bytes(len(centre)), b"\0")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
