"""Hand a piece of work to a peer's own process and read what came of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.peers.environment import interpreter, variables, weights


def work(
    peer: str,
    texts: list[str],
    queries: list[str],
    *,
    batch: int | None = None,
    split: bool = False,
    k: int = 100,
    memory: Path | None = None,
) -> dict[str, Any]:
    """Index texts by a peer and search them.

    Args:
        peer: One of `environment.PEERS`, or a module of this folder that runs here.
        texts: What is indexed; each is one unit unless `split`.
        queries: Questions asked afterwards, one at a time.
        batch: Texts embedded at once; `None` for the peer's default.
        split: Whether the peer's own splitter cuts the texts first (not timed).
        k: Hits wanted for each question.
        memory: File of vectors shared between peers, which saves time and spoils every timing.

    Returns:
        Seconds, bytes, `run` (positions of the hits, one list a question) and, when split,
        `pieces` (text, first character, character after the last).

    Raises:
        SystemExit: If the peer fails; with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder) / "job.json", Path(folder) / "result.json"
        wanted = {"texts": texts, "queries": queries, "batch": batch, "split": split, "k": k}
        placed = {"peer": peer, "weights": str(weights()), "result": str(result)}
        placed |= {"memory": str(memory) if memory else None}
        job.write_text(json.dumps(wanted | placed), encoding="utf-8")
        command = [interpreter(peer), "-m", "benchmarks.peers.worker", str(job)]
        done = subprocess.run(
            command, cwd=ROOT, env=variables(), capture_output=True, text=True, check=False
        )
        if not result.exists():
            raise SystemExit(f"{peer} failed ({done.returncode}):\n{done.stderr[-3000:]}")
        answer: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return answer
