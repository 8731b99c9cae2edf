"""Nearest vectors: a few of them exactly, many by way of a shortlist.

Few rows are all scored by their int8 codes. Of many rows a shortlist is made first, by counting
in how many places the signs of a row and of the query differ; signs are an eighth of the codes,
and counting them needs no multiplication. Either way the caller's float vectors rescore the best
few. docs/explanation/vectors.md says what was measured, and why not a graph or cells.
"""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from isoflop.search import tiles
from isoflop.search.tiles import TILE_ROWS, Floats, Ids

EXACT_ROWS = 8192  # up to here every code is scored: under a millisecond, and nothing is missed
SHORTLIST, SHORTLIST_PER_HIT = 1024, 32  # recall at 10 and at 100: docs/explanation/vectors.md
FULL_WIDTH = 384  # fewer signs say less: half as many need a shortlist four times as long
RESCORED = 16  # beyond those asked for: codes move a row by no more ranks than that
SCAN_TILES = 16  # tiles whose signs are compared by one call: long enough, and within the cache
SCORED_ROWS = 512  # codes turned into floats by one call, likewise
THREAD_ROWS = 100_000  # rows from which further threads pay for their start
MOST_THREADS = 8  # memory is the limit before that

Exact = Callable[[Sequence[int]], Floats]
Query = NDArray[np.float32]
Rows = NDArray[np.intp]  # row numbers


class Vectors:
    """Rows of (passage id, signs, scale, int8 codes) in a memory-mapped file.

    Immutable: `write` and `amend` make new files. Safe to search from several threads.
    """

    def __init__(self, file: tiles.File) -> None:
        self._rows, self._centre, self._tiles = file
        self.width = len(self._centre)

    def __len__(self) -> int:
        return self._rows

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file into memory after checking its header and its length.

        The rows themselves are not read, so a bit that flipped in them goes unnoticed.

        Raises:
            DamagedIndex: If the file is absent, cut short, not of this kind or of another
                version.
        """
        return cls(tiles.read(path))

    @classmethod
    def write(cls, path: Path, rows: Iterable[tuple[Ids, Floats]], width: int) -> None:
        """Write a file, a block of rows at a time, and put it in place when it is whole.

        Memory is bounded by the largest block. Signs are taken around the mean of the first
        block, which should hold some dozens of rows if there are as many.

        Args:
            path: Replaced at once; who has the old file open keeps it.
            rows: Blocks of ids (n,), each id once in all, and vectors (n, width).
            width: Values per vector.

        Raises:
            ValueError: If a block has another shape. What was at `path` is still there.
        """
        tiles.write(path, rows, width)

    @classmethod
    def amend(
        cls, old: Path, new: Path, add: Iterable[tuple[Ids, Floats]], delete: Collection[int]
    ) -> None:
        """Write `new` as `old` without some ids and with further rows.

        `old` and `new` may be one path. An id whose vector changed stands in `delete` and in
        `add`. Costs about as much as copying the file. An `old` without rows knows no centre
        for its signs: `write` instead.

        Raises:
            DamagedIndex: If `old` cannot be opened.
            ValueError: If a block of `add` has another shape. What was at `new` is still there.
        """
        tiles.amend(old, new, add, delete)

    def search(
        self, query: Floats, k: int, *, allowed: Ids | None = None, exact: Exact | None = None
    ) -> list[tuple[int, float]]:
        """The ids of the `k` rows that have the largest inner products with the query.

        Args:
            query: (width,). Scores are cosines where it and the rows have unit length.
            k: How many; fewer come back if there are fewer rows.
            allowed: Only these ids are considered. None means all.
            exact: Gives the float vectors (n, width) of n ids, in their order, to rescore the
                best few. Without it, scores are those of the codes, off by about 0.001.

        Returns:
            (id, score), best first, equal scores by id.

        Raises:
            ValueError: If the query's width is not the file's.
        """
        query = np.asarray(query, np.float32)
        if query.shape != (self.width,):
            raise ValueError(f"query has shape {query.shape}, the vectors have {self.width} values")
        rows = self._shortlist(query, k, allowed) if k > 0 else np.zeros(0, np.intp)
        ids, scores = self._ids(rows), self._scores(rows, query)
        if exact is not None and len(ids):
            ids = ids[_best(ids, scores, k + RESCORED)]
            scores = _products(exact(ids.tolist()), query)
        best = _best(ids, scores, k)
        return list(zip(ids[best].tolist(), scores[best].tolist(), strict=True))

    def _shortlist(self, query: Query, k: int, allowed: Ids | None) -> Rows:
        """Rows whose codes are worth scoring: all of a few, those nearest by signs of many."""
        narrow = max(1.0, FULL_WIDTH / self.width) ** 2
        count = int(narrow * (SHORTLIST + SHORTLIST_PER_HIT * k))
        if allowed is not None:
            every = self._tiles["ids"].reshape(-1)[: self._rows]
            rows = np.flatnonzero(np.isin(every, allowed))
            if len(rows) > max(EXACT_ROWS, count):
                rows = rows[_nearest(self._differences(query)[rows], count)]
            return rows
        if self._rows > max(EXACT_ROWS, count):
            return _nearest(self._differences(query), count)
        return np.arange(self._rows)

    def _differences(self, query: Query) -> NDArray[Any]:
        """For every row, in how many places its signs differ from the query's, around the centre.

        Only the half of the places counts where the query is farthest from the centre: where
        it is near, its sign says little. The shortlist can then be half as long or less.
        """
        offsets = query - self._centre
        far = np.zeros(self.width, np.bool_)
        far[np.argsort(np.abs(offsets), kind="stable")[self.width // 2 :]] = True
        words, mask = tiles.pack(np.stack([offsets > 0, far]))
        signs = self._tiles["signs"]  # (tiles, words, TILE_ROWS)
        counts = np.zeros((len(signs), TILE_ROWS), np.min_scalar_type(int(far.sum())))

        def scan(first: int, last: int) -> None:
            """Count for these tiles, a few at a time so that they stay in the processor's cache."""
            for at in range(first, last, SCAN_TILES):
                stop = min(at + SCAN_TILES, last)
                for word in range(len(words)):
                    differing = signs[at:stop, word] ^ words[word]
                    differing &= mask[word]
                    counts[at:stop] += np.bitwise_count(differing)

        _in_parts(scan, len(signs))
        return counts.reshape(-1)[: self._rows]

    def _scores(self, rows: Rows, query: Query) -> NDArray[np.float32]:
        """Inner products of the query with those rows' codes, times their scales."""
        scores = np.empty(len(rows), np.float32)
        for at in range(0, len(rows), SCORED_ROWS):
            part = slice(at, at + SCORED_ROWS)
            tile, row = np.divmod(rows[part], TILE_ROWS)
            codes = self._tiles["codes"][tile, row]  # (rows, width)
            scores[part] = _products(codes, query) * self._tiles["scales"][tile, row]
        return scores

    def _ids(self, rows: Rows) -> Ids:
        ids: Ids = self._tiles["ids"][np.divmod(rows, TILE_ROWS)]
        return ids


def _in_parts(scan: Callable[[int, int], None], count: int) -> None:
    """Run `scan` over the tiles 0 to `count`, in threads where there are many."""
    threads = min(os.cpu_count() or 1, MOST_THREADS) if count * TILE_ROWS >= THREAD_ROWS else 1
    if threads == 1:
        scan(0, count)
        return
    bounds = [count * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads - 1) as pool:
        others = pool.map(scan, bounds[1:-1], bounds[2:])
        scan(0, bounds[1])
        list(others)


def _nearest(differences: NDArray[Any], count: int) -> Rows:
    """Positions of the `count` smallest differences, and of those equal to the largest of them."""
    # A sample guesses generously where to cut, which saves counting them all.
    near = np.flatnonzero(differences <= _cut(differences[::16], count // 8))
    if len(near) < count:
        return np.flatnonzero(differences <= _cut(differences, count))
    return near[differences[near] <= _cut(differences[near], count)]


def _cut(differences: NDArray[Any], count: int) -> int:
    """The smallest number that at least `count` differences do not exceed."""
    return int(np.searchsorted(np.cumsum(np.bincount(differences)), count))


def _products(vectors: Floats, query: Query) -> NDArray[np.float32]:
    """Inner products (n,) of vectors (n, width) with the query.

    Row by row: a matrix product rounds a row differently depending on where it stands, and
    then equal rows in other places, or in a file written in other steps, would score unequally.
    """
    products: NDArray[np.float32] = np.vecdot(np.asarray(vectors, np.float32), query)
    return products


def _best(ids: Ids, scores: NDArray[np.float32], k: int) -> Rows:
    """Positions of the `k` largest scores, best first, equal scores by id."""
    if len(scores) > 4 * k:
        kth = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= kth)
        return near[np.lexsort((ids[near], -scores[near]))[:k]]
    return np.lexsort((ids, -scores))[:k]
