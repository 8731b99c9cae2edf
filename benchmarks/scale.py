"""Many files and much text: how long an update takes, and how much memory.

    python -m benchmarks.scale                                       # all, quarter of an hour
    python -m benchmarks.scale --parts much_text --megabytes 120 5000   # the large form: hours

Times are of whole processes, as a person waits for them. The text of the memory test goes through
every part but the neural network, whose place is taken by an encoder that hashes words: embedding
gigabytes would take days on two cores, and the network's own memory is that of one batch, which the
run over 10,000 files includes. Each size has a process of its own, so that their memory can be
compared: what grows with the text shows, and the page extends the line to 5 GB. The smaller size
is large enough to fill the 64 MB in which the index of words collects before it writes.
"""

import argparse
import hashlib
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.machine import RESULTS, save
from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.search.encode import Encoded, Encoder, load
from isoflop.search.index import Index

PARTS = ("many_files", "large_log", "much_text")
SYLLABLES = ("ba", "con", "de", "fer", "gra", "in", "lo", "men", "pre", "ro", "sta", "ter", "ver")


class Hashing:
    """An encoder that hashes the words of a text: instant, deterministic, of the real width."""

    def __init__(self, tokenizer: Encoder) -> None:
        self.name = "hashing"
        self.width, self.max_tokens = tokenizer.width, tokenizer.max_tokens
        self.architecture: Architecture = catalog.architecture("minilm")
        self.token_offsets = tokenizer.token_offsets
        self.token_vectors = tokenizer.token_vectors

    def encode(self, texts: Sequence[str]) -> Encoded:
        """A unit vector drawn from the hash of each text."""
        seeds = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
        rows = np.stack(
            [
                np.random.default_rng(int.from_bytes(s, "big")).standard_normal(self.width)
                for s in seeds
            ]
        ).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return Encoded(rows, 0, 0, 0.0)


def words(draw: random.Random, count: int) -> str:
    """Made-up words."""
    return " ".join("".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(count))


def timed(*arguments: str) -> tuple[float, int, dict[str, object]]:
    """Seconds, peak resident bytes and JSON of an isoflop command, children included."""
    command = [sys.executable, "-c", WRAPPER, *arguments, "--json"]
    start = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if run.returncode:
        raise SystemExit(f"{arguments}: {run.stderr}")
    peak = int(run.stderr.rsplit("PEAK ", 1)[1])
    return seconds, peak, json.loads(run.stdout)


WRAPPER = """
import resource, sys
from isoflop.cli import main
try:
    main()
finally:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sys.stderr.write(f"PEAK {(own + children) * 1024}")
"""


def many_files(folder: Path, files: int) -> dict[str, object]:
    """Index, index again, change one file, index again, search."""
    draw = random.Random(0)
    for number in range(files):
        part = folder / f"{number % 100:02}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{number:05}.txt").write_text(words(draw, 12) + f" {number}.\n")
    time.sleep(2.1)  # so that no file is as young as the clock's grain
    first, peak, _ = timed("index", str(folder))
    again = sorted(timed("index", str(folder))[0] for _ in range(5))
    changes = []
    for number in range(5):
        path = folder / "42" / f"{100 * number + 42:05}.txt"
        path.write_text(f"The lighthouse of {words(draw, 3)} burns {number} lamps.\n")
        seconds, _, report = timed("index", str(folder))
        if (report["changed"], report["embedded"]) != (1, 1):
            raise SystemExit(f"one file changed, but the report says {report}")
        changes.append(seconds)
    cold = sorted(timed("search", "lighthouse lamps", "--in", str(folder))[0] for _ in range(5))
    return {
        "files": files,
        "first_index_seconds": first,
        "first_index_peak_bytes": peak,
        "nothing_changed_seconds": again,
        "one_changed_seconds": sorted(changes),
        "cold_search_seconds": cold,
    }


def much_text(folder: Path, megabytes: int) -> dict[str, object]:
    """`text_memory` of so many megabytes, in a process of its own."""
    command = [sys.executable, "-c", PROBE, str(folder), str(megabytes)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(folder)
    return dict(json.loads(run.stdout))


PROBE = """
import json, pathlib, sys
from benchmarks.scale import text_memory
print(json.dumps(text_memory(pathlib.Path(sys.argv[1]), int(sys.argv[2]))))
"""


def text_memory(folder: Path, megabytes: int) -> dict[str, object]:
    """Memory of this process while much text is read, cut, stored and ranked.

    Peaks are resident bytes; "own" leaves out the pages of mapped files, which the system takes
    back when others need them.
    """
    draw = random.Random(1)
    folder.mkdir()
    paragraphs = [words(draw, 80).capitalize() + ".\n\n" for _ in range(4000)]
    written = number = 0
    while written < megabytes * 1_000_000:
        text = "".join(draw.choices(paragraphs, k=2000))
        (folder / f"{number:05}.txt").write_text(text)
        written, number = written + len(text), number + 1
    index = Index.open(folder, into=folder / ".isoflop")
    index._encoder = Hashing(load("minilm"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    own: list[int] = []
    threading.Thread(target=_watch, args=(own,), daemon=True).start()
    start = time.perf_counter()
    update = index.update()
    return {
        "megabytes": written / 1e6,
        "passages": update.passages,
        "seconds_without_embedding": time.perf_counter() - start,
        "peak_bytes_before": before,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_own_bytes": max(own),
        "index_bytes": sum(p.stat().st_size for p in index.folder.rglob("*") if p.is_file()),
    }


def _watch(own: list[int]) -> None:
    """Note this process's own resident bytes, twenty times a second."""
    while True:
        status = Path("/proc/self/status").read_text()
        own.append(1024 * int(status.partition("RssAnon:")[2].split()[0]))
        time.sleep(0.05)


def large_log(folder: Path) -> dict[str, object]:
    """A log of 2 GB beside a small file: named, skipped, and quickly."""
    folder.mkdir()
    (folder / "note.txt").write_text("A small note beside a large log.\n")
    with (folder / "server.log").open("wb") as file:
        file.truncate(2 * 2**30)
    seconds, peak, report = timed("index", str(folder))
    return {"seconds": seconds, "peak_bytes": peak, "refusals": report["refusals"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all three, print and store them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[120, 240])
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="keep the others")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="isoflop-scale-"))
    measure: dict[str, Callable[[], object]] = {
        "many_files": lambda: many_files(folder / "many", options.files),
        "large_log": lambda: large_log(folder / "log"),
        "much_text": lambda: [much_text(folder / "much", size) for size in options.megabytes],
    }
    try:
        measured = {part: measure[part]() for part in options.parts}
    finally:
        shutil.rmtree(folder)
    print(json.dumps(measured, indent=2))
    stored = RESULTS / "scale.json"
    known = json.loads(stored.read_text("utf-8")) if stored.exists() else {}
    kept = {part: known[part] for part in PARTS if part in known}
    dates = known.get("measured", {}) | dict.fromkeys(options.parts, f"{datetime.now(UTC):%F}")
    save("scale", kept | measured | {"measured": dates})


if __name__ == "__main__":
    main()
