"""Nearest vectors, from one memory-mapped file that is derived from the truth and never edited.

A search goes through three stages, each exact about less and cheaper per row than the next:
signs of all rows (one bit a value, compared by counting differing bits), int8 codes of a
shortlist, and float vectors of the few best, which the caller reads from the truth. Small
files skip the first stage, so every row's int8 code is scored. docs/explanation/vectors.md
says what was measured and why this was chosen over a graph or over cells.

The file is a header page and then tiles of 1,024 rows. A tile holds its rows' passage ids,
signs (word by word, so that a scan reads only signs), scales and codes; the last tile is
padded. A new generation is a new file under the old name: who has the old one open keeps it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import DamagedIndex

MAGIC = b"isoflopV"
VERSION = 1
TILE_ROWS = 1024
SCAN_ROWS = 16 * TILE_ROWS  # rows whose signs are compared by one call; fits the L2 cache
EXACT_ROWS = 4096  # up to here every code is scored; above, signs choose the shortlist
THREAD_ROWS = 200_000  # rows from which a second thread pays for its start

_HEADER = struct.Struct("<8sIIQ")  # magic, version, width, rows; then the centre and a checksum
_PAGE = 4096

Ids = NDArray[np.int64]
Floats = NDArray[Any]  # float16, float32 or float64
Exact = Callable[[Sequence[int]], Floats]


class Vectors:
    """Rows of (passage id, signs, scale, int8 codes), opened for reading.

    Rows are immutable; `write` and `amend` make new files. Safe to search from several threads.
    """

    def __init__(self, path: Path, rows: int, centre: NDArray[np.float32]) -> None:
        self.path = path
        self.width = len(centre)
        self._rows = rows
        self._centre = centre
        tiles = -(-rows // TILE_ROWS)
        offset = _header_bytes(self.width)
        self._tiles: NDArray[np.void] = (
            np.memmap(path, _tile(self.width), "r", offset, (tiles,))
            if tiles
            else np.zeros(0, _tile(self.width))
        )

    def __len__(self) -> int:
        return self._rows

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file into memory after checking its header and its length.

        The rows themselves are not read: a flipped bit in them goes unnoticed.

        Raises:
            DamagedIndex: If the file is absent, cut short, not ours or of another version.
        """
        rows, centre = _read_header(path)
        return cls(path, rows, centre)

    @classmethod
    def write(cls, path: Path, rows: Iterable[tuple[Ids, Floats]], width: int) -> None:
        """Write a new file, a block of rows at a time, and put it in place at once.

        Memory is bounded by the largest block. Signs are taken around the mean of the first
        block, so blocks of a few thousand rows or more make better signs than tiny ones.

        Args:
            path: Replaced atomically; readers of the old file keep it.
            rows: Blocks of ids (n,), each id once in all, and vectors (n, width).
            width: Values per vector; also right for an empty file.

        Raises:
            ValueError: If a block has another shape than it should.
        """
        blocks = iter(rows)
        first = next(blocks, None)
        centre = np.zeros(width, np.float32)
        if first is not None and len(first[1]):
            centre = np.asarray(first[1], np.float32).mean(axis=0)
        several = chain([] if first is None else [first], blocks)
        _replace(path, centre, (_encode(ids, vectors, centre) for ids, vectors in several))

    @classmethod
    def amend(
        cls, old: Path, new: Path, add: Iterable[tuple[Ids, Floats]], delete: Collection[int]
    ) -> None:
        """Write `new` from `old` without some ids and with further rows at its end.

        `old` and `new` may be the same path. An id that is replaced stands in both `delete`
        and `add`. Every kept byte is copied, so the cost is that of copying the file.

        Raises:
            DamagedIndex: If `old` cannot be opened.
            ValueError: If a block of `add` has another shape than it should.
        """
        before = cls.open(old)
        kept = before._without(np.fromiter(delete, np.int64, len(delete)))
        added = (_encode(ids, vectors, before._centre) for ids, vectors in add)
        _replace(new, before._centre, chain(kept, added))

    def search(
        self,
        query: Floats,
        k: int,
        *,
        allowed: Ids | None = None,
        exact: Exact | None = None,
    ) -> list[tuple[int, float]]:
        """The ids of the `k` rows with the largest inner products with the query.

        Args:
            query: (width,). Scores are cosines where it and the rows have unit length.
            k: How many; fewer come back if there are fewer rows.
            allowed: Only these ids are considered. None means all.
            exact: Float vectors (n, width) of n ids, in their order, which rescore the best
                few. Without it the scores are those of the int8 codes (error about 0.002).

        Returns:
            (id, score), best first, equal scores by id.

        Raises:
            ValueError: If the query's width is not the file's.
        """
        query = np.asarray(query, np.float32)
        if query.shape != (self.width,):
            raise ValueError(f"query has shape {query.shape}, the vectors have {self.width} values")
        rows = self._shortlist(query, k, allowed)
        ids, scores = self._ids(rows), self._code_scores(rows, query)
        if exact is not None and len(ids):
            best = _best(ids, scores, 2 * k + 8)
            ids = ids[best]
            scores = np.asarray(exact(ids.tolist()), np.float32) @ query
        best = _best(ids, scores, k)
        return list(zip(ids[best].tolist(), scores[best].tolist(), strict=True))

    def _shortlist(
        self, query: NDArray[np.float32], k: int, allowed: Ids | None
    ) -> NDArray[np.intp]:
        """Row numbers whose codes are worth scoring."""
        most = max(EXACT_ROWS, 64 * k)
        if k <= 0:
            return np.zeros(0, np.intp)
        if allowed is not None:
            rows = np.flatnonzero(np.isin(self._all_ids(), allowed))
            if len(rows) <= most:
                return rows
            distances = self._sign_distances(query)[rows]
            return rows[_nearest(distances, most)]
        if self._rows <= most:
            return np.arange(self._rows)
        return _nearest(self._sign_distances(query), most)

    def _sign_distances(self, query: NDArray[np.float32]) -> NDArray[np.uint16]:
        """For every row, how many of its signs differ from the query's."""
        words = _signs(query[None, :], self._centre)[:, 0]
        signs = self._tiles["signs"]  # (tiles, words, TILE_ROWS)
        distances = np.empty((len(signs), TILE_ROWS), np.uint16)
        step = SCAN_ROWS // TILE_ROWS

        def scan(first: int, last: int) -> None:
            for at in range(first, last, step):
                stop = min(at + step, last)
                _count_differences(signs[at:stop], words, distances[at:stop])

        threads = len(os.sched_getaffinity(0)) if self._rows >= THREAD_ROWS else 1
        if threads == 1:
            scan(0, len(signs))
        else:
            bounds = [len(signs) * part // threads for part in range(threads + 1)]
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(scan, bounds[:-1], bounds[1:]))
        return distances.reshape(-1)[: self._rows]

    def _code_scores(
        self, rows: NDArray[np.intp], query: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Inner products of the query with those rows' codes, times their scales."""
        scores = np.empty(len(rows), np.float32)
        for at in range(0, len(rows), 512):  # 512 rows of float32 stay in the L2 cache
            tile, row = np.divmod(rows[at : at + 512], TILE_ROWS)
            codes = self._tiles["codes"][tile, row]  # (n, width)
            scores[at : at + 512] = codes.astype(np.float32) @ query
            scores[at : at + 512] *= self._tiles["scales"][tile, row]
        return scores

    def _ids(self, rows: NDArray[np.intp]) -> Ids:
        tile, row = np.divmod(rows, TILE_ROWS)
        ids: Ids = self._tiles["ids"][tile, row]
        return ids

    def _all_ids(self) -> Ids:
        ids: Ids = self._tiles["ids"].reshape(-1)[: self._rows]
        return ids

    def _without(self, deleted: Ids) -> Iterator[NDArray[np.void]]:
        """The rows that stay, tile by tile, as rows."""
        for at, tile in enumerate(self._tiles):
            rows = _rows_of(tile, min(TILE_ROWS, self._rows - at * TILE_ROWS))
            yield rows[np.isin(rows["ids"], deleted, invert=True)]


def _tile(width: int) -> np.dtype[np.void]:
    words = -(-width // 64)
    return np.dtype(
        [
            ("ids", "<i8", (TILE_ROWS,)),
            ("signs", "<u8", (words, TILE_ROWS)),
            ("scales", "<f4", (TILE_ROWS,)),
            ("codes", "i1", (TILE_ROWS, width)),
        ]
    )


def _row(width: int) -> np.dtype[np.void]:
    words = -(-width // 64)
    return np.dtype(
        [("ids", "<i8"), ("signs", "<u8", (words,)), ("scales", "<f4"), ("codes", "i1", (width,))]
    )


def _rows_of(tile: np.void, count: int) -> NDArray[np.void]:
    rows = np.empty(count, _row(tile["codes"].shape[1]))
    rows["ids"] = tile["ids"][:count]
    rows["signs"] = tile["signs"][:, :count].T
    rows["scales"] = tile["scales"][:count]
    rows["codes"] = tile["codes"][:count]
    return rows


def _encode(ids: Ids, vectors: Floats, centre: NDArray[np.float32]) -> NDArray[np.void]:
    """Rows with signs around the centre and codes scaled so that the largest value is 127."""
    values = np.asarray(vectors, np.float32)
    if values.shape != (len(ids), len(centre)):
        raise ValueError(f"{len(ids)} ids of width {len(centre)} got vectors {values.shape}")
    rows = np.empty(len(ids), _row(len(centre)))
    rows["ids"] = ids
    rows["signs"] = _signs(values, centre).T
    scales = np.abs(values).max(axis=1, initial=0) / np.float32(127)
    rows["scales"] = scales
    rows["codes"] = np.rint(values / np.where(scales == 0, 1, scales)[:, None])
    return rows


def _signs(vectors: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.uint64]:
    """One bit per value, 64 to a word: (words, n). Bits past the width are zero."""
    words = -(-len(centre) // 64)
    packed = np.zeros((len(vectors), words * 8), np.uint8)
    bits = np.packbits(vectors > centre, axis=1, bitorder="little")
    packed[:, : bits.shape[1]] = bits
    return np.ascontiguousarray(packed.view("<u8").T)


def _count_differences(
    signs: NDArray[np.uint64], words: NDArray[np.uint64], out: NDArray[np.uint16]
) -> None:
    """Hamming distances of signs (tiles, words, TILE_ROWS) to one query's words.

    Three words of 64 differ in at most 192 places, which a byte holds: adding bytes first
    halves the time of adding every count to the wider sum.
    """
    for first in range(0, len(words), 3):
        counts = np.bitwise_count(signs[:, first] ^ words[first])
        for word in range(first + 1, min(first + 3, len(words))):
            counts += np.bitwise_count(signs[:, word] ^ words[word])
        if first == 0:
            out[...] = counts
        else:
            out += counts


def _nearest(distances: NDArray[np.uint16], count: int) -> NDArray[np.intp]:
    """Positions of the `count` smallest distances, and of all that equal the largest of them."""
    return np.flatnonzero(distances <= np.partition(distances, count - 1)[count - 1])


def _best(ids: Ids, scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Positions of the `k` largest scores, best first, equal scores by id."""
    if len(scores) > 4 * k:
        enough = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= enough)
        return near[np.lexsort((ids[near], -scores[near]))[:k]]
    return np.lexsort((ids, -scores))[:k]


def _replace(path: Path, centre: NDArray[np.float32], rows: Iterable[NDArray[np.void]]) -> None:
    """Write header and tiles beside `path`, force them to disk, and rename them over it."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.seek(_header_bytes(len(centre)))
            count = _write_tiles(file, rows, len(centre))
            file.seek(0)
            file.write(_header(count, centre))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _write_tiles(file: BinaryIO, rows: Iterable[NDArray[np.void]], width: int) -> int:
    tile, filled, tiles = np.zeros((), _tile(width)), 0, 0
    for block in rows:
        at = 0
        while at < len(block):
            part = block[at : at + TILE_ROWS - filled]
            stop = filled + len(part)
            tile["ids"][filled:stop] = part["ids"]
            tile["signs"][:, filled:stop] = part["signs"].T
            tile["scales"][filled:stop] = part["scales"]
            tile["codes"][filled:stop] = part["codes"]
            at, filled = at + len(part), stop
            if filled == TILE_ROWS:
                file.write(tile.tobytes())
                tile, filled, tiles = np.zeros((), _tile(width)), 0, tiles + 1
    if filled:
        file.write(tile.tobytes())
    return tiles * TILE_ROWS + filled


def _header_bytes(width: int) -> int:
    """Room for the fields, the centre and the checksum, in whole pages."""
    return -(-(_HEADER.size + 4 * width + 4) // _PAGE) * _PAGE


def _header(rows: int, centre: NDArray[np.float32]) -> bytes:
    body = _HEADER.pack(MAGIC, VERSION, len(centre), rows) + centre.astype("<f4").tobytes()
    return (body + struct.pack("<I", zlib.crc32(body))).ljust(_header_bytes(len(centre)), b"\0")


def _read_header(path: Path) -> tuple[int, NDArray[np.float32]]:
    """Rows and centre, after checking everything that can be checked without reading rows."""
    try:
        with path.open("rb") as file:
            fields = file.read(_HEADER.size).ljust(_HEADER.size, b"\0")
            magic, version, width, rows = _HEADER.unpack(fields)
            known = (magic, version) == (MAGIC, VERSION)
            rest = file.read(4 * width + 4) if known else b""
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DamagedIndex(f"{path}: {error.strerror}. Index again to rebuild it.") from error
    centre, checksum = rest[:-4], rest[-4:]
    expected = _header_bytes(width) + -(-rows // TILE_ROWS) * _tile(width).itemsize
    if not known or checksum != struct.pack("<I", zlib.crc32(fields + centre)) or size != expected:
        raise DamagedIndex(f"{path}: not a whole file of vectors. Index again to rebuild it.")
    return rows, np.frombuffer(centre, "<f4").astype(np.float32)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
