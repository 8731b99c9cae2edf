"""Nearest vectors: recall, time, memory and the cost of building, beside usearch and faiss.

    python -m benchmarks.vectors --keep FOLDER --rows 1000000 --peers PYTHON

Lines of prose, ten words at most, are embedded into FOLDER once, in parts, so that it can be
stopped and gone on with; a million takes an hour or more. So are the measurements: what stands in
FOLDER/results.jsonl is not measured again. Queries are questions of nq and xquad, and lines left
out; others than those by which the length of the shortlist was chosen. Where more rows are asked
for than were embedded (`--embed`), the others are means of the vectors of two lines, of unit
length again. PYTHON is an interpreter with faiss-cpu, usearch and numpy.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data, machine
from benchmarks.peers.nearest import SYSTEMS, blocks
from isoflop.search.encode import load

WORDS = 10
SHARD = 8192
TUNING = 300  # queries that the length of the shortlist was chosen by; not used here
DEPTH = 100
NEEDS = ("faiss-cpu", "usearch", "numpy")


def main() -> None:
    """Embed what is missing, measure each system in its own process, save and print."""
    options = _options()
    folder = Path(options.keep).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    embedded = embed(folder, options.embed)
    record = folder / "results.jsonl"
    done = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    for rows in options.rows:
        lay_out(folder, rows, embedded)
        for name in options.systems:
            if (name, rows) not in {(result["system"], result["rows"]) for result in done}:
                done.append(_measured(name, folder, rows, options.peers) | {"embedded": embedded})
                with record.open("a") as lines:
                    lines.write(json.dumps(done[-1]) + "\n")
                print_row(done[-1])
    result = {
        "machine": machine.describe((*machine.PACKAGES, *NEEDS)),
        "peers": _versions(options.peers),
        "width": 384,
        "encoder": (folder / "encoder.txt").read_text("utf-8"),
        "queries": len(np.load(folder / "queries.npy")),
        "load_average_after": machine.load_average(),
        "results": done,
    }
    print(f"saved {machine.save('vectors', result)}")


def embed(folder: Path, most: int) -> int:
    """Embed lines and queries that are not embedded yet; returns how many lines there are."""
    lines, queries = texts()
    lines = lines[: most - most % SHARD]
    missing = [i for i in range(len(lines) // SHARD) if not _shard(folder, i).exists()]
    if missing or not (folder / "all-queries.npy").exists():
        encoder = load()
        (folder / "encoder.txt").write_text(encoder.name, "utf-8")
        np.save(folder / "all-queries.npy", encoder.encode(queries).vectors.astype(np.float16))
        for number in missing:
            part = lines[number * SHARD : (number + 1) * SHARD]
            partial = folder / "partial.npy"
            np.save(partial, encoder.encode(part).vectors.astype(np.float16))
            partial.replace(_shard(folder, number))
            print(f"{(number + 1) * SHARD:,} lines embedded", flush=True)
    return len(lines)


def texts() -> tuple[list[str], list[str]]:
    """Lines, and queries of two kinds: a thousand questions and five hundred other lines."""
    lines = list(dict.fromkeys(line for text in _sources() for line in _lines(text)))
    random.Random(0).shuffle(lines)
    sets = [data.collection(name).questions.values() for name in ("nq", "xquad-en")]
    questions = sorted({question for questions in sets for question in questions})
    random.Random(0).shuffle(questions)
    return lines[1000:], questions[:1000] + lines[:500]


def lay_out(folder: Path, rows: int, embedded: int) -> None:
    """vectors.npy of so many rows, queries.npy, and the true neighbours by fp32 products."""
    vectors = np.lib.format.open_memmap(
        folder / "vectors.npy", "w+", dtype=np.float16, shape=(rows, 384)
    )
    for at in range(0, min(rows, embedded), SHARD):
        part = vectors[at : at + SHARD]
        part[:] = np.load(_shard(folder, at // SHARD))[: len(part)]
    for at in range(embedded, rows, SHARD):
        part = vectors[at : at + SHARD]
        one, other = np.random.default_rng(at).integers(embedded, size=(2, len(part)))
        sums = vectors[one].astype(np.float32) + vectors[other]
        part[:] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    every = np.load(folder / "all-queries.npy")
    queries = np.concatenate([every[TUNING // 2 : 450], every[1000 + TUNING // 2 : 1350]])
    np.save(folder / "queries.npy", queries)
    np.save(folder / f"true-{rows}.npy", true_neighbours(vectors, queries.astype(np.float32)))


def true_neighbours(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Ids of the nearest (queries, DEPTH), nearest first, by products in fp32."""
    ids: np.ndarray = np.zeros((len(queries), 0), np.int64)
    scores: np.ndarray = np.zeros((len(queries), 0), np.float32)
    for part, rows in blocks(vectors):
        scores = np.hstack([scores, queries @ rows.astype(np.float32).T])
        ids = np.hstack([ids, np.broadcast_to(part, (len(queries), len(part)))])
        near = np.argpartition(-scores, DEPTH, axis=1)[:, :DEPTH]
        scores, ids = (np.take_along_axis(array, near, axis=1) for array in (scores, ids))
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1)


def print_row(result: dict[str, Any]) -> None:
    """One line for one system at one size."""
    speed, memory = result["milliseconds"]["10"], result["memory"]
    print(
        f"{result['system']:17} {result['rows']:9,} rows  recall@10 {result['recall']['10']:.4f}"
        f"  ms: median {speed['median']:6.2f} fastest {speed['fastest']:6.2f}"
        f" processor {speed['processor']:6.2f}  build {result['build']['seconds']:6.1f} s"
        f"  resident {memory['resident_bytes'] / 1e6:5.0f} MB",
        flush=True,
    )


def _measured(name: str, folder: Path, rows: int, peers: str) -> dict[str, Any]:
    python = sys.executable if name.startswith("isoflop") else peers
    result: dict[str, Any] = {"system": name, "rows": rows, "load_average": machine.load_average()}
    for step in ("build", "search"):
        done = subprocess.run(
            [python, "-m", "benchmarks.peers.nearest", step, name, str(folder), str(rows)],
            env=os.environ | {"PYTHONPATH": str(machine.ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        result |= json.loads(done.stdout)
    (folder / "index").unlink()
    return result


def _versions(python: str) -> dict[str, str]:
    """Versions of the peers' packages, told by the interpreter that runs them."""
    code = (
        "import importlib.metadata as m, json;"
        f"print(json.dumps({{name: m.version(name) for name in {NEEDS}}}))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _sources() -> Iterator[str]:
    """Proposals, novels, plays, encyclopedia: all the English prose there is."""
    folder = data.evaldata()
    for archive in ("peps.tar.xz", "text/novels.tar.xz"):
        with tarfile.open(folder / archive) as members:
            for member in members:
                if member.isfile() and member.name.endswith((".rst", ".txt")):
                    stream = members.extractfile(member)
                    assert stream is not None  # it is a file
                    yield stream.read().decode("utf-8", "replace")
    plain = [path for path in (folder / "text").rglob("*") if path.suffix not in (".xz", ".md")]
    for path in [*sorted(plain), *sorted((folder / "chunks").rglob("*.md"))]:
        if path.is_file():
            yield path.read_text("utf-8", "replace")
    for name in ("nq", "xquad-en"):
        yield from data.collection(name).documents.values()


def _lines(text: str) -> Iterator[str]:
    """Sentences, cut where they are longer than `WORDS`; none under four words."""
    for sentence in re.split(r"(?<=[.!?;:])[\"')\]]*\s+", " ".join(text.split())):
        words = sentence.split()
        for at in range(0, len(words), WORDS):
            if len(words[at : at + WORDS]) >= 4:
                yield " ".join(words[at : at + WORDS])


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:04d}.npy"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", required=True, help="folder for vectors; reused")
    parser.add_argument("--embed", type=int, default=1_000_000, help="lines to embed")
    parser.add_argument("--rows", type=int, nargs="+", default=[30_000, 1_000_000])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--peers", default=sys.executable, help="Python that has the peers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
