"""One piece of work by one peer, in a process of its own: `python -m benchmarks.peers.worker JOB`.

The job is a JSON file; its result is written where the job says, because peers print as they
like. A fresh process for each makes peak memory that of this work alone. Loading the weights is
timed apart from indexing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import versions


def main() -> None:
    """Read the job, index, search, and write the result."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    memory = remembered(job["memory"])
    module, start = import_module(f"benchmarks.peers.{job['peer']}"), time.perf_counter()
    peer = module.Peer(job["weights"], job["batch"])
    result: dict[str, Any] = {"load_seconds": time.perf_counter() - start}
    texts = job["texts"]
    if job["split"]:
        pieces = [
            (number, *piece) for number, text in enumerate(texts) for piece in cut(peer, text)
        ]
        result["pieces"] = [(number, first, first + len(text)) for number, first, text in pieces]
        texts = [text for *_, text in pieces]
    if hasattr(peer, "prepare"):
        peer.prepare(texts)
    result |= indexed(peer, texts)
    start = time.perf_counter()
    result["run"] = [peer.search(query, job["k"]) for query in job["queries"]]
    result["search_seconds"] = time.perf_counter() - start
    if memory is not None:
        memory.save()
    result["versions"] = versions(module.PACKAGES)
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")


def remembered(file: str | None) -> Any:
    """The memory of vectors in that file, put to use; `None` where all is to be computed."""
    if file is None:
        return None
    from benchmarks.peers.memory import Memory

    return Memory(Path(file))


def indexed(peer: Any, texts: list[str]) -> dict[str, float]:
    """Index the texts and say what that took, in wall and processor time and in memory."""
    before, wall, processor = peak_bytes(), time.perf_counter(), processor_seconds()
    peer.index(texts)
    return {
        "wall_seconds": time.perf_counter() - wall,
        "processor_seconds": processor_seconds() - processor,
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": before,
        "texts": len(texts),
    }


def cut(peer: Any, text: str) -> list[tuple[int, str]]:
    """The peer's pieces of a text, each with the character it starts at.

    A piece whose white space the splitter changed is looked for by its first words.
    """
    pieces, last = [], 0
    for piece in peer.split(text):
        first = text.find(piece, last)
        if first < 0:
            first = text.find(piece.strip()[:40], last)
        first = last if first < 0 else first
        pieces.append((first, piece))
        last = first + 1
    return pieces


def processor_seconds() -> float:
    """User and system time of this process and of the children it waited for."""
    return sum(os.times()[:4])


def peak_bytes() -> int:
    """The most memory this process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
