"""Kill `isoflop index` at random moments, finish, and compare with an undisturbed run.

    python -m benchmarks.kill --kills 100

Half of the kills hit the building of an index, half an update of one that stands, after which a
reader must see the whole old or the whole new state. Nothing may be corrupt, lost or doubled.
"""

import argparse
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import save
from isoflop.questions import WAYS
from isoflop.search.index import Index

QUERIES = ("the river and the bridge", "seventeen lamps", "who paid for the harbour?")
WORDS = (
    *("river", "bridge", "lamp", "harbour", "merchant", "winter", "letter", "garden", "copper"),
    *("wheel", "ship", "tower", "market", "baker", "cloud", "valley", "engine", "paper"),
)


@dataclass
class Outcome:
    """What a series of kills did."""

    kills: int = 0
    while_building: int = 0
    while_updating: int = 0
    finished_before_the_kill: int = 0
    corrupt: int = 0
    torn_reads: int = 0
    different: int = 0
    details: list[str] = field(default_factory=list)


def write_corpus(folder: Path, files: int, seed: int) -> None:
    """Make-believe notes: two paragraphs a file, the same for the same seed."""
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        lines = [" ".join(draw.choices(WORDS, k=40)).capitalize() + "." for _ in range(2)]
        text = f"# Note {number}\n\n" + "\n\n".join(lines) + "\n"
        (folder / f"{number:04}.md").write_text(text, encoding="utf-8")


def change_corpus(folder: Path, seed: int) -> None:
    """Rewrite every third file, remove one in ten, add some."""
    draw = random.Random(seed)
    for number, path in enumerate(sorted(folder.glob("*.md"))):
        if number % 10 == 9:
            path.unlink()
        elif number % 3 == 0:
            path.write_text(f"# Changed\n\n{' '.join(draw.choices(WORDS, k=60))}.\n")
    for number in range(10):
        text = f"# New {number}\n\n{' '.join(draw.choices(WORDS, k=50))}.\n"
        (folder / f"new-{number}.md").write_text(text)


def state(folder: Path, into: Path) -> dict[str, object]:
    """Everything a reader can see: passages, vectors, and the answers to some queries."""
    index = Index.open(into)
    database = sqlite3.connect(into / "truth.sqlite")
    rows = database.execute(
        "SELECT documents.name, start, stop, text, headings, page, line, vector FROM passages"
        " JOIN documents ON documents.id = document JOIN files ON files.id = documents.file"
        " JOIN vectors ON vectors.passage = passages.id"
        " WHERE files.born <= (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation')"
        " AND (files.died IS NULL OR files.died >"
        " (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'))"
        " ORDER BY documents.name, start"
    ).fetchall()
    database.close()
    answers = [
        [(hit.passage.id, round(hit.score, 5)) for hit in index.search(query, by=way)]
        for query in QUERIES
        for way in WAYS
    ]
    index.close()
    return {"rows": rows, "answers": answers}


def intact(into: Path) -> str:
    """What SQLite says of the file's integrity, and passages that stand twice; empty if well."""
    if not (into / "truth.sqlite").exists():
        return ""
    database = sqlite3.connect(into / "truth.sqlite")
    try:
        said = database.execute("PRAGMA integrity_check").fetchone()[0]
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            return ""
        doubled = database.execute(
            "SELECT count(*) FROM (SELECT documents.file, documents.name, start FROM passages"
            " JOIN documents ON documents.id = document"
            " GROUP BY documents.file, documents.name, start HAVING count(*) > 1)"
        ).fetchone()[0]
        twice = database.execute(
            "SELECT count(*) FROM (SELECT name FROM files WHERE died IS NULL"
            " GROUP BY name HAVING count(*) > 1)"
        ).fetchone()[0]
    finally:
        database.close()
    return "" if said == "ok" and not doubled + twice else f"{said}, {doubled + twice} doubled"


def index_command(folder: Path, into: Path) -> list[str]:
    """The command whose process is killed."""
    return [sys.executable, "-m", "isoflop", "index", str(folder), "--into", str(into), "--json"]


def finish(folder: Path, into: Path) -> float:
    """Run the command to its end; returns its seconds."""
    start = time.perf_counter()
    subprocess.run(index_command(folder, into), check=True, capture_output=True)
    return time.perf_counter() - start


def kill_after(folder: Path, into: Path, seconds: float) -> bool:
    """Run the command and kill it after this long; False if it had already finished."""
    process = subprocess.Popen(
        index_command(folder, into), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


def rounds(kills: int, files: int, seed: int, workspace: Path) -> Outcome:
    """Kill, look, finish, compare; as many times as asked."""
    draw, outcome = random.Random(seed), Outcome()
    old, new = workspace / "old", workspace / "new"
    write_corpus(old, files, seed)
    write_corpus(new, files, seed)
    change_corpus(new, seed + 1)
    # the documents lie in one place, so that an update of the index sees old, then new files
    place = workspace / "place"
    shutil.copytree(old, place)
    full = finish(place, workspace / "index-old")
    state_old = state(place, workspace / "index-old")
    shutil.copytree(workspace / "index-old", workspace / "index-new")
    _replace(place, new)
    update = finish(place, workspace / "index-new")
    state_new = state(place, workspace / "index-new")
    for number in range(kills):
        into = workspace / "killed"
        shutil.rmtree(into, ignore_errors=True)
        updating = number % 2 == 1
        if updating:
            shutil.copytree(workspace / "index-old", into)
        _replace(place, new if updating else old)
        killed = kill_after(place, into, draw.uniform(0.1, update if updating else full))
        outcome.kills += killed
        outcome.while_updating += killed and updating
        outcome.while_building += killed and not updating
        outcome.finished_before_the_kill += not killed
        if problem := intact(into):
            outcome.corrupt += 1
            outcome.details.append(f"round {number}: {problem}")
        if updating and state(place, into) not in (state_old, state_new):
            outcome.torn_reads += 1
            outcome.details.append(f"round {number}: a reader saw neither the old nor the new")
        finish(place, into)
        if state(place, into) != (state_new if updating else state_old):
            outcome.different += 1
            outcome.details.append(f"round {number}: differs from the undisturbed run")
    return outcome


def _replace(place: Path, source: Path) -> None:
    """Make `place` hold the files of `source`, touching only those that differ."""
    for path in place.glob("*.md"):
        if not (source / path.name).exists():
            path.unlink()
    for path in source.glob("*.md"):
        target = place / path.name
        if not target.exists() or target.read_bytes() != path.read_bytes():
            shutil.copyfile(path, target)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the kills, print and store what came of them; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="isoflop-kill-") as name:
        outcome = rounds(options.kills, options.files, options.seed, Path(name))
    print(json.dumps(vars(outcome), indent=2))
    save("kill", vars(outcome))
    if outcome.corrupt or outcome.torn_reads or outcome.different:
        sys.exit(1)


if __name__ == "__main__":
    main()
