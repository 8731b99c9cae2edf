"""How long a question takes on 30,000 passages: in a warm process, and from the shell.

    python -m benchmarks.latency --keep FOLDER      # the index is built there once, and reused

The documents are technical proposals, then novels until there are enough passages; the questions
are those of nq, which the documents mostly do not answer: ranking takes as long. "Search alone"
is the same call with what the encoder makes of the question looked up instead of computed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data, machine
from isoflop.questions import WAYS
from isoflop.search.encoder import Encoded, Encoder
from isoflop.search.index import DEFAULT_WAY, Index

WARM_UP = 20


class Remembered:
    """An encoder that has seen all questions before and only looks up what it made of them."""

    def __init__(self, encoder: Encoder, questions: Sequence[str]) -> None:
        self._encoder = encoder
        self._known = {question: encoder.encode([question]) for question in questions}
        self._tokens = {question: encoder.token_vectors([question]) for question in questions}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The remembered vector of the one question asked."""
        (question,) = texts
        return self._known[question]

    def token_vectors(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The remembered rows of the one question asked."""
        (question,) = texts
        return self._tokens[question]


def main() -> None:
    """Build the index where there is none, measure, save and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as spare:
        folder = Path(options.keep or spare)
        folder.mkdir(parents=True, exist_ok=True)
        built = build(folder, options.passages)
        questions = list(data.collection("nq").questions.values())[: options.questions]
        before = machine.load_average()
        result = built | {
            "questions": len(questions),
            "default": DEFAULT_WAY,
            "warm": warm(folder, questions),
            "cold": {way: cold(folder, questions[: options.cold], way) for way in WAYS},
            "load_average_before": before,
            "load_average_after": machine.load_average(),
        }
    print(f"saved {machine.save('latency', result)}")
    print_table(result)


def build(folder: Path, passages: int) -> dict[str, Any]:
    """An index of at least so many passages; documents are added until there are."""
    index, seconds = Index.open(folder), 0.0
    novels = _members("text/novels.tar.xz", ".txt")
    if not index.exists:
        for name, content in _members("peps.tar.xz", ".rst"):
            (folder / name).write_bytes(content)
        seconds += _seconds(index.update)
    while index.counts()["passages"] < passages:
        missing = passages - index.counts()["passages"]
        for _ in range(max(1, missing // 1500)):  # a novel makes up to 1,500 passages
            name, content = next(novels)
            while (folder / name).exists():
                name, content = next(novels)
            (folder / name).write_bytes(content)
        seconds += _seconds(index.update)
    counts = index.counts()
    index.close()
    return {"counts": counts, "build_seconds": round(seconds, 1) or None}


def warm(folder: Path, questions: Sequence[str]) -> dict[str, Any]:
    """Milliseconds per question in one process, with and without the question's embedding."""
    index = Index.open(folder)
    encoder = index.encoder
    embedding = _times(lambda question: encoder.encode([question]), questions)
    whole = {way: _times(lambda q, way=way: index.search(q, by=way), questions) for way in WAYS}
    index._encoder = Remembered(encoder, questions)
    alone = {way: _times(lambda q, way=way: index.search(q, by=way), questions) for way in WAYS}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"embedding": embedding, "whole": whole, "search_alone": alone, "peak_bytes": peak}


def cold(folder: Path, questions: Sequence[str], way: str) -> dict[str, float]:
    """Seconds of `isoflop search` from the shell, a new process for each question."""
    wall, processor = [], []
    for question in questions:
        command = [str(Path(sys.executable).parent / "isoflop"), "search", question]
        start, used = time.perf_counter(), _children()
        subprocess.run(
            [*command, "--in", str(folder), "--by", way], check=True, capture_output=True
        )
        wall.append(time.perf_counter() - start)
        processor.append(_children() - used)
    return {
        "median": statistics.median(wall),
        "fastest": min(wall),
        "slowest": max(wall),
        "processor": statistics.median(processor),
    }


def print_table(result: dict[str, Any]) -> None:
    """One line for each way of ranking."""
    warm_figures = result["warm"]
    print(f"embedding a question: {warm_figures['embedding']['median']:.2f} ms")
    for way in WAYS:
        whole, alone = (warm_figures[part][way]["median"] for part in ("whole", "search_alone"))
        shell = result["cold"][way]["median"]
        print(f"{way:9} {whole:7.2f} ms, search alone {alone:6.2f} ms, cold {shell:5.2f} s")


def _times(call: Callable[[str], object], questions: Sequence[str]) -> dict[str, float]:
    """Milliseconds per call: median, 95th percentile, extremes, and processor time."""
    for question in questions[:WARM_UP]:
        call(question)
    wall, used = [], time.process_time()
    for question in questions:
        start = time.perf_counter()
        call(question)
        wall.append(1000 * (time.perf_counter() - start))
    return {
        "median": statistics.median(wall),
        "p95": statistics.quantiles(wall, n=20)[-1],
        "fastest": min(wall),
        "slowest": max(wall),
        "processor": 1000 * (time.process_time() - used) / len(questions),
    }


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _members(name: str, suffix: str) -> Any:
    with tarfile.open(data.evaldata() / name) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(suffix) else None
            if stream is not None:
                yield Path(member.name).name, stream.read()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=30_000)
    parser.add_argument("--questions", type=int, default=300, help="asked of the warm process")
    parser.add_argument("--cold", type=int, default=7, help="asked of new processes")
    parser.add_argument("--keep", help="folder for documents and index; reused when it has them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
