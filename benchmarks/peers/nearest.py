"""One way of finding nearest vectors, measured in processes of its own.

    python -m benchmarks.peers.nearest build SYSTEM FOLDER ROWS    # prints one JSON object
    python -m benchmarks.peers.nearest search SYSTEM FOLDER ROWS   # likewise

FOLDER holds vectors.npy, queries.npy (float16, unit length) and the true neighbours of the first
ROWS vectors, as `benchmarks.vectors` lays them out. Building and searching are two processes, so
that the memory of the second is that of searching. A system is a class whose imports stand in its
constructor, because each runs in an environment that has its own packages only.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

BLOCK = 16_384
WARM_UP = 20


class System(Protocol):
    """What is measured: an index in a file, searched one query at a time."""

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Index these rows (float16, memory-mapped); row numbers are the ids."""

    def open(self, file: Path, rows: Rows) -> None:
        """Make ready to search."""

    def change(self, some: np.ndarray) -> None:
        """Delete ten rows where that is possible, and add ten; durably where files are written."""

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """Ids of the k nearest."""


class Rows:
    """Float vectors read from a file when asked for, in the place of a database."""

    def __init__(self, path: Path) -> None:
        mapped = np.load(path, mmap_mode="r")
        self.offset, self.bytes = mapped.offset, mapped.dtype.itemsize * mapped.shape[1]
        self.handle = os.open(path, os.O_RDONLY)

    def read(self, ids: Sequence[int]) -> np.ndarray:
        """(n, width) float16 of n rows."""
        parts = [os.pread(self.handle, self.bytes, self.offset + id_ * self.bytes) for id_ in ids]
        return np.frombuffer(b"".join(parts), np.float16).reshape(len(ids), -1)


class Isoflop:
    """Signs, codes, and the float vectors of the best few."""

    def __init__(self) -> None:
        from isoflop.search.dense import Vectors

        self.kind = Vectors

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Write the file."""
        self.kind.write(file, blocks(vectors), vectors.shape[1])

    def open(self, file: Path, rows: Rows) -> None:
        """Map the file."""
        self.file, self.rows, self.opened = file, rows, self.kind.open(file)

    def change(self, some: np.ndarray) -> None:
        """Write an amended file and open it."""
        amended = self.file.with_name("amended")
        self.kind.amend(self.file, amended, [(len(self.opened) + np.arange(10), some)], range(10))
        self.kind.open(amended)
        amended.unlink()

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """Rescored by float vectors."""
        return [id_ for id_, _ in self.opened.search(query, k, exact=self.rows.read)]


class IsoflopExact(Isoflop):
    """Every code scored: the same file, without the shortlist by signs."""

    def __init__(self) -> None:
        from isoflop.search import dense

        dense.EXACT_ROWS = 1 << 62
        super().__init__()


class Usearch:
    """A graph over int8 codes."""

    def __init__(self) -> None:
        from usearch.index import Index

        self.kind = Index

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Add all rows with every core."""
        index = self.kind(ndim=vectors.shape[1], metric="ip", dtype="i8")
        for ids, rows in blocks(vectors):
            index.add(ids, codes(rows))
        index.save(str(file))

    def open(self, file: Path, rows: Rows) -> None:
        """Load the graph, which a mapped one could not change."""
        width = rows.bytes // 2
        self.index = self.kind(ndim=width, metric="ip", dtype="i8", expansion_search=SEARCHED)
        self.index.load(str(file))

    def change(self, some: np.ndarray) -> None:
        """Add and remove in memory."""
        ids = len(self.index) + np.arange(10)
        self.index.add(ids, codes(some))
        for id_ in ids.tolist():
            self.index.remove(id_ - 10)

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """Without rescoring."""
        return [int(id_) for id_ in self.index.search(codes(query[None])[0], k).keys]


class UsearchExact:
    """All int8 codes compared."""

    def __init__(self) -> None:
        from usearch.index import search

        self.compare = search

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Write the codes."""
        with file.open("wb") as stream:
            for _, rows in blocks(vectors):
                stream.write(codes(rows).tobytes())

    def open(self, file: Path, rows: Rows) -> None:
        """Map the codes."""
        self.codes = np.asarray(np.memmap(file, np.int8, "r").reshape(-1, rows.bytes // 2))

    def change(self, some: np.ndarray) -> None:
        """Nothing: it has no index."""

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """Without rescoring, with every core."""
        code = codes(query[None])[0]
        return [int(id_) for id_ in self.compare(self.codes, code, k, "ip", exact=True).keys]


class Faiss:
    """An index that faiss makes from its short description."""

    def __init__(self, description: str, **parameters: int) -> None:
        import faiss  # type: ignore[import-not-found] # in the peers' environment only

        self.faiss, self.description, self.parameters = faiss, description, parameters

    def build(self, vectors: np.ndarray, file: Path) -> None:
        """Train on up to 100,000 rows, add all."""
        metric = self.faiss.METRIC_INNER_PRODUCT
        index = self.faiss.index_factory(vectors.shape[1], self.description, metric)
        index.train(np.asarray(vectors[:: 1 + len(vectors) // 100_000], np.float32))
        for _, rows in blocks(vectors):
            index.add(np.asarray(rows, np.float32))
        self.faiss.write_index(index, str(file))

    def open(self, file: Path, rows: Rows) -> None:
        """Load it, and set what a search looks at."""
        self.index = self.faiss.read_index(str(file))
        for name, value in self.parameters.items():
            self.faiss.ParameterSpace().set_index_parameter(self.index, name, value)

    def change(self, some: np.ndarray) -> None:
        """Add in memory; graphs of faiss cannot remove."""
        self.index.add(np.asarray(some, np.float32))

    def search(self, query: np.ndarray, k: int) -> list[int]:
        """With rescoring where the description says so."""
        ids: list[int] = self.index.search(query[None], k)[1][0].tolist()
        return ids


SEARCHED = 128  # candidates a graph keeps while searching: enough for a recall of about 0.98

SYSTEMS: dict[str, Callable[[], System]] = {
    "isoflop": Isoflop,
    "isoflop-exact": IsoflopExact,
    "usearch-exact-i8": UsearchExact,
    "usearch-hnsw-i8": Usearch,
    "faiss-exact-fp32": lambda: Faiss("Flat"),
    "faiss-exact-sq8": lambda: Faiss("SQ8"),
    "faiss-hnsw-sq8": lambda: Faiss("HNSW32_SQ8", efSearch=SEARCHED),
    "faiss-ivf-sq8": lambda: Faiss("IVF1024,SQ8", nprobe=64),
    "faiss-rabitq": lambda: Faiss("RaBitQ,Refine(SQ8)", k_factor_rf=100),
}


def measure_build(system: System, folder: Path, rows: int) -> dict[str, Any]:
    """Seconds to build from vectors in a mapped file, and the size of what came out."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")[:rows]
    build = timed(lambda: system.build(vectors, folder / "index"))
    return {"build": build, "file_bytes": (folder / "index").stat().st_size}


def measure_search(system: System, folder: Path, rows: int) -> dict[str, Any]:
    """Recall, milliseconds per query, memory after the queries, and the time of a change.

    Recall is the share of the true k nearest that is among the k found. Memory is that of the
    process; the part that is not anonymous is of mapped files, which the system can take back.
    """
    queries = np.load(folder / "queries.npy").astype(np.float32)
    true = np.load(folder / f"true-{rows}.npy")
    database = Rows(folder / "vectors.npy")
    result: dict[str, Any] = {
        "before": memory(),
        "open": timed(lambda: system.open(folder / "index", database)),
        "recall": {},
        "milliseconds": {},
    }
    for k in (10, 100):
        found, result["milliseconds"][k] = searched(system, queries, k)
        result["recall"][k] = recall(found, true[:, :k])
    result["memory"] = memory()
    result["change"] = timed(lambda: system.change(database.read(range(10))))
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
    step, name, folder, rows = sys.argv[1:]
    measure = {"build": measure_build, "search": measure_search}[step]
    print(json.dumps(measure(SYSTEMS[name](), Path(folder), int(rows))))
