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
from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

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


def write(path: Path, blocks: Iterable[tuple[Ids, Floats]], width: int) -> None:
    """Put a file with these rows at `path`; `Vectors.write` says more."""
    several = iter(blocks)
    first = next(several, (np.zeros(0, np.int64), np.zeros((0, width))))
    _check(first[0], first[1], width)
    centre = np.asarray(first[1], np.float32).sum(axis=0) / np.float32(max(1, len(first[0])))
    with _Generation(path, centre) as generation:
        for ids, vectors in chain([first], several):
            generation.append(encode(ids, vectors, centre))


def amend(old: Path, new: Path, add: Iterable[tuple[Ids, Floats]], delete: Collection[int]) -> None:
    """Put a file at `new` with the rows of `old`, some less and some more.

    The old bytes are copied as they are. Added rows take the places of deleted ones, then of
    the end; places still empty are filled with the last rows.
    """
    rows, centre = read_header(old)
    before = tiles_of(old, rows, centre)
    ids = before["ids"].reshape(-1)[:rows]
    empty = np.flatnonzero(np.isin(ids, np.fromiter(delete, np.int64, len(delete))))
    with _Generation(new, centre, old, rows, empty) as generation:
        for added, vectors in add:
            generation.append(encode(added, vectors, centre))
        generation.close_gaps(before)


def read_header(path: Path) -> tuple[int, Centre]:
    """Rows and centre, after checking all that can be checked without reading the rows.

    Raises:
        DamagedIndex: If the file is absent, cut short, not of this kind or of another version.
    """
    try:
        with path.open("rb") as file:
            fields = file.read(_FIELDS.size).ljust(_FIELDS.size, b"\0")
            magic, version, width, rows = _FIELDS.unpack(fields)
            known = (magic, version) == (MAGIC, VERSION)
            rest = file.read(4 * width + 4) if known else b""
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DamagedIndex(f"{path}: {error.strerror}. Index again to rebuild it.") from error
    values, checksum = rest[:-4], rest[-4:]
    expected = _header_bytes(width) + -(-rows // TILE_ROWS) * tile(width).itemsize
    if not known or checksum != struct.pack("<I", zlib.crc32(fields + values)) or size != expected:
        raise DamagedIndex(f"{path}: not a whole file of vectors. Index again to rebuild it.")
    return rows, np.frombuffer(values, "<f4").astype(np.float32)


def tiles_of(path: Path, rows: int, centre: Centre) -> NDArray[np.void]:
    """The tiles, mapped into memory."""
    layout = tile(len(centre))
    if not rows:  # an empty range cannot be mapped
        return np.zeros(0, layout)
    return np.memmap(path, layout, "r", _header_bytes(len(centre)), (-(-rows // TILE_ROWS),))


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


class _Generation:
    """A file being written beside `path`, which takes its place when all went well.

    Attributes:
        rows: Places in use or empty.
        empty: Places below `rows` that hold a deleted row, ascending.
    """

    def __init__(
        self, path: Path, centre: Centre, old: Path | None = None, rows: int = 0, empty: Any = ()
    ) -> None:
        self._path, self._centre, self._layout = path, centre, tile(len(centre))
        self._partial = path.with_name(path.name + ".partial")
        self.rows, self.empty = rows, np.asarray(empty, np.int64)
        if old is None:
            self._partial.write_bytes(b"")
        else:
            _copy(old, self._partial)

    def __enter__(self) -> "_Generation":
        self._file = self._partial.open("r+b")
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        try:
            if failed is None:
                self._finish()
                self._partial.replace(self._path)
                _sync_folder(self._path.parent)
        finally:
            self._file.close()
            self._partial.unlink(missing_ok=True)

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
        held = np.zeros((), self._layout)
        self._file.readinto(held.data.cast("B"))
        return held

    def _seek(self, number: int) -> None:
        self._file.seek(_header_bytes(len(self._centre)) + number * self._layout.itemsize)

    def _finish(self) -> None:
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
