"""One way of finding nearest vectors, measured in a process of its own.

    python -m benchmarks.peers.nearest SYSTEM FOLDER ROWS      # prints one JSON object

FOLDER holds vectors.npy, queries.npy (float16, unit length) and the true neighbours of the first
ROWS vectors, as `benchmarks.vectors` lays them out. A system is a class whose imports stand in its
constructor, because each runs in an environment that has its own packages only.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

BLOCK = 16_384
WARM_UP = 20


class System(Protocol):
    """What is measured: an index on disk or in memory, searched one query at a time."""

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Index these rows (float16, memory-mapped); row numbers are the ids."""

    def change(self, vectors: np.ndarray) -> None:
        """Delete the first ten rows and add ten; durably where the system writes files."""

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """Ids of the k nearest."""


class Isoflop:
    """Signs, codes, and the float vectors of the best few."""

    def __init__(self) -> None:
        from isoflop.search.dense import Vectors

        self.kind = Vectors

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Write the file and open it."""
        self.vectors, self.file = vectors, file
        self.kind.write(file, blocks(vectors), vectors.shape[1])
        self.opened = self.kind.open(file)

    def change(self, vectors: np.ndarray) -> None:
        """Write an amended copy and open it, then go on with the first."""
        added = [(np.arange(10) + len(vectors), vectors[:10])]
        self.kind.amend(self.file, self.file.with_name("amended"), added, range(10))
        self.kind.open(self.file.with_name("amended"))

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """Rescored by float vectors from a mapped file, in the place of the database."""
        hits = self.opened.search(query, k, exact=lambda ids: self.vectors[ids])
        return [id_ for id_, _ in hits]


class IsoflopExact(Isoflop):
    """Every code scored: the same file, without the shortlist by signs."""

    def __init__(self) -> None:
        from isoflop.search import dense

        dense.EXACT_ROWS = 1 << 62
        super().__init__()


class Usearch:
    """int8 codes: a graph, or all of them compared."""

    def __init__(self, exact: bool = False) -> None:
        from usearch.index import Index, search

        self.exact, self.kind, self.compare = exact, Index, search

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Add all rows with every core; the codes are values times 127."""
        width = vectors.shape[1]
        if self.exact:
            self.codes = np.concatenate([codes(rows) for _, rows in blocks(vectors)])
            return
        self.index = self.kind(ndim=width, metric="ip", dtype="i8", expansion_search=SEARCHED)
        for ids, rows in blocks(vectors):
            self.index.add(ids, codes(rows))
        self.index.save(str(file))

    def change(self, vectors: np.ndarray) -> None:
        """Add and remove in memory."""
        if not self.exact:
            self.index.add(np.arange(10) + len(vectors), codes(vectors[:10]))
            for id_ in range(10):
                self.index.remove(id_ + len(vectors))

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """Without rescoring."""
        code = codes(query[None])[0]
        if self.exact:
            matches = self.compare(self.codes, code, k, "ip", exact=True)
        else:
            matches = self.index.search(code, k)
        return [int(id_) for id_ in matches.keys]


class Faiss:
    """An index that faiss makes from its short description."""

    def __init__(self, description: str, **parameters: int) -> None:
        import faiss  # type: ignore[import-not-found] # in the peers' environment only

        self.faiss, self.description, self.parameters = faiss, description, parameters

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Train on up to 100,000 rows, add all."""
        metric = self.faiss.METRIC_INNER_PRODUCT
        self.index = self.faiss.index_factory(vectors.shape[1], self.description, metric)
        every = max(1, len(vectors) // 100_000)
        self.index.train(np.asarray(vectors[::every], np.float32))
        for _, rows in blocks(vectors):
            self.index.add(np.asarray(rows, np.float32))
        space = self.faiss.ParameterSpace()
        for name, value in self.parameters.items():
            space.set_index_parameter(self.index, name, value)
        self.faiss.write_index(self.index, str(file))

    def change(self, vectors: np.ndarray) -> None:
        """Add in memory; graphs of faiss cannot remove."""
        self.index.add(np.asarray(vectors[:10], np.float32))

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """With rescoring where the description says so."""
        ids: list[int] = self.index.search(query[None], k)[1][0].tolist()
        return ids


SEARCHED = 128  # candidates a graph keeps while searching: enough for a recall of about 0.98

SYSTEMS: dict[str, Callable[[], System]] = {
    "isoflop": Isoflop,
    "isoflop-exact": IsoflopExact,
    "usearch-exact-i8": lambda: Usearch(exact=True),
    "usearch-hnsw-i8": Usearch,
    "faiss-exact-fp32": lambda: Faiss("Flat"),
    "faiss-exact-sq8": lambda: Faiss("SQ8"),
    "faiss-hnsw-sq8": lambda: Faiss("HNSW32_SQ8", efSearch=SEARCHED),
    "faiss-ivf-sq8": lambda: Faiss("IVF1024,SQ8", nprobe=64),
    "faiss-rabitq": lambda: Faiss("RaBitQ,Refine(SQ8)", k_factor_rf=100),
}


def measure(system: System, folder: Path, rows: int) -> dict[str, Any]:
    """Building, searching, changing and memory of one system.

    Returns:
        Seconds, milliseconds per query, bytes, and recall: the share of the true k nearest that
        is among the k found. Memory is that after the searches, of the whole process.
    """
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")[:rows]
    queries = np.load(folder / "queries.npy").astype(np.float32)
    true = np.load(folder / f"true-{rows}.npy")
    file = folder / "index"
    build = timed(lambda: system.build(vectors, file))
    result: dict[str, Any] = {
        "build": build,
        "file_bytes": file.stat().st_size if file.exists() else None,
        "recall": {},
        "milliseconds": {},
    }
    for k in (10, 100):
        found, result["milliseconds"][k] = searched(system, queries, k)
        result["recall"][k] = recall(found, true[:, :k])
    result["memory"] = memory()
    result["change"] = timed(lambda: system.change(vectors))
    file.unlink(missing_ok=True)
    return result


def recall(found: list[list[int]], true: np.ndarray) -> float:
    """The mean share of true neighbours that were found."""
    pairs = zip(found, true.tolist(), strict=True)
    return statistics.fmean(len(set(ids) & set(truth)) / len(truth) for ids, truth in pairs)


def searched(
    system: System, queries: np.ndarray, k: int
) -> tuple[list[list[int]], dict[str, float]]:
    """What is found, and in how many milliseconds a query, asked one after the other."""
    for query in queries[:WARM_UP]:
        system.search(query, k)
    found, wall, used = [], [], time.process_time()
    for query in queries:
        start = time.perf_counter()
        found.append(system.search(query, k))
        wall.append(1000 * (time.perf_counter() - start))
    processor = 1000 * (time.process_time() - used) / len(queries)
    quantiles = statistics.quantiles(wall, n=20)
    return found, {
        "fastest": min(wall),
        "p5": quantiles[0],
        "median": statistics.median(wall),
        "p95": quantiles[-1],
        "processor": processor,
    }


def timed(call: Callable[[], None]) -> dict[str, float]:
    """Wall and processor seconds of a call."""
    start, used = time.perf_counter(), time.process_time()
    call()
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - used,
    }


def memory() -> dict[str, int]:
    """Resident bytes: in all, and the part that is not of mapped files."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {
        "resident_bytes": int(fields["VmRSS"].split()[0]) * 1024,
        "anonymous_bytes": int(fields["RssAnon"].split()[0]) * 1024,
    }


def blocks(vectors: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(ids, vectors) in the order of the rows."""
    for at in range(0, len(vectors), BLOCK):
        yield np.arange(at, min(at + BLOCK, len(vectors))), np.asarray(vectors[at : at + BLOCK])


def codes(vectors: np.ndarray) -> np.ndarray:
    """int8 with the scale that peers take for vectors of unit length."""
    return np.rint(np.asarray(vectors, np.float32) * 127).astype(np.int8)


if __name__ == "__main__":
    name, folder, rows = sys.argv[1:]
    os.chdir(folder)
    print(json.dumps(measure(SYSTEMS[name](), Path(folder), int(rows))))
