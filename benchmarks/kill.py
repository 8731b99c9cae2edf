"""Kill `isoflop index` at random moments, finish, and compare with an undisturbed run.

    python -m benchmarks.kill --kills 100

Half of the kills hit the building of an index, half an update of one that stands, after which a
reader must see the whole old or the whole new state. Nothing may be corrupt, lost or doubled.

The stages take from a millisecond to seconds, so that moments drawn evenly over the whole would
nearly all fall into one of them. Each kill is aimed at a stage instead, in turn, and falls a random
time after that stage began. Only kills count that hit while the work was going on; where each one
hit is read from what it left.
"""

import argparse
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import save
from isoflop.questions import WAYS
from isoflop.search.encode import Encoder, load
from isoflop.search.index import Index

STAGES = ("starting", "reading", "embedding", "words", "vectors", "publishing", "clearing", "done")
AIMED_AT = STAGES[1:-1]
ATTEMPTS = 10  # for each kill that counts, at most
QUERIES = ("the river and the bridge", "seventeen lamps", "who paid for the harbour?")
WORDS = (
    *("river", "bridge", "lamp", "harbour", "merchant", "winter", "letter", "garden", "copper"),
    *("wheel", "ship", "tower", "market", "baker", "cloud", "valley", "engine", "paper"),
)


@dataclass
class Outcome:
    """What a series of kills did."""

    kills: int = 0
    while_building: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AIMED_AT, 0))
    while_updating: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AIMED_AT, 0))
    outside_the_work: int = 0
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


def state(folder: Path, into: Path, encoder: Encoder) -> dict[str, Any] | None:
    """All that a reader can see: passages, vectors, answers to some queries; None if nothing."""
    index = Index.open(folder, into=into)
    if not index.exists:
        return None
    index._encoder = encoder
    with closing(sqlite3.connect(into / "truth.sqlite")) as database:
        rows = database.execute(
            "SELECT documents.name, start, stop, text, headings, page, line, vector FROM passages"
            " JOIN documents ON documents.id = document JOIN files ON files.id = documents.file"
            " JOIN vectors ON vectors.passage = passages.id"
            " WHERE files.born <= (SELECT CAST(value AS INTEGER) FROM meta"
            " WHERE key = 'generation') AND (files.died IS NULL OR files.died >"
            " (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'))"
            " ORDER BY documents.name, start"
        ).fetchall()
    answers = [
        [(hit.passage.id, hit.score) for hit in index.search(query, by=way)]
        for query in QUERIES
        for way in WAYS
    ]
    index.close()
    return {"rows": rows, "answers": answers}


def leftovers(into: Path) -> list[str]:
    """Derived files and parts of files; a finished index has one of words, one of vectors."""
    return sorted(
        path.name for kind in ("words*", "vectors*", "*.partial") for path in into.glob(kind)
    )


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


def stage(into: Path, generation: int, files: int) -> str:
    """What a writer of generation + 1 is doing, or was when it was killed.

    Args:
        into: The index.
        generation: The one published before.
        files: How many versions of files the next one adds.
    """
    following = generation + 1
    writing, published, born = (into / "writer.json").exists(), 0, 0
    if (into / "truth.sqlite").exists():
        address = f"{(into / 'truth.sqlite').as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as database:
            query = "SELECT value, (SELECT count(*) FROM files WHERE born = ?) FROM meta"
            found = database.execute(f"{query} WHERE key = 'generation'", (following,))
            published, born = map(int, found.fetchone())
    if published == following:
        return "clearing" if writing else "done"
    if not writing:
        return "starting"
    if (into / f"vectors-{following}.i8").exists():
        return "publishing"
    if (into / f"vectors-{following}.i8.partial").exists():
        return "vectors"
    if (into / f"words-{following}").exists():
        return "words"
    return "embedding" if born == files else "reading"


def command(folder: Path, into: Path) -> list[str]:
    """The command whose process is killed."""
    return [sys.executable, "-m", "isoflop", "index", str(folder), "--into", str(into), "--json"]


def finish(folder: Path, into: Path) -> None:
    """Run the command to its end."""
    subprocess.run(command(folder, into), check=True, capture_output=True)


@dataclass
class Trial:
    """An index of old files, that of new ones, and what both look like when nobody is killed.

    Attributes:
        workspace: Where all of it lies.
        encoder: Loaded once, for looking.
        finish: Runs the command, or does what it does, to its end.
        seconds: Of each stage of an undisturbed build (False) and update (True).
        files: Versions of files that the build and the update add.
        states: What a reader sees after an undisturbed build and update.
        left: Names of the files that these leave.
    """

    workspace: Path
    encoder: Encoder
    finish: Callable[[Path, Path], None]
    seconds: dict[bool, dict[str, float]] = field(default_factory=dict)
    files: dict[bool, int] = field(default_factory=dict)
    states: dict[bool, dict[str, Any]] = field(default_factory=dict)
    left: dict[bool, list[str]] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls,
        workspace: Path,
        encoder: Encoder,
        files: int,
        seed: int,
        finish: Callable[[Path, Path], None] = finish,
    ) -> "Trial":
        """Write the files, and index them undisturbed."""
        write_corpus(workspace / "old", files, seed)
        shutil.copytree(workspace / "old", workspace / "new")
        change_corpus(workspace / "new", seed + 1)
        (workspace / "place").mkdir()
        trial = cls(workspace, encoder, finish)
        for updating in (False, True):
            into = trial.begin(updating=updating)
            trial.finish(trial.place, into)
            with closing(sqlite3.connect(into / "truth.sqlite")) as database:
                born = "SELECT count(*) FROM files WHERE born = ?"
                trial.files[updating] = database.execute(born, (1 + updating,)).fetchone()[0]
            trial.states[updating] = state(trial.place, into, encoder) or {}
            trial.left[updating] = leftovers(into)
            shutil.copytree(into, workspace / ("index-new" if updating else "index-old"))
        return trial

    @property
    def place(self) -> Path:
        """Where the documents lie: one place, so that an update sees old, then new files."""
        return self.workspace / "place"

    @property
    def into(self) -> Path:
        """Where the index lies that is killed."""
        return self.workspace / "killed"

    def begin(self, *, updating: bool) -> Path:
        """Put files and index as they are before a build or an update; returns the index."""
        shutil.rmtree(self.into, ignore_errors=True)
        if updating:
            shutil.copytree(self.workspace / "index-old", self.into)
        _replace(self.place, self.workspace / ("new" if updating else "old"))
        return self.into

    def stages(self, process: subprocess.Popen[bytes], *, updating: bool) -> Iterator[str]:
        """Every stage that the process comes to, as soon as it is seen."""
        last = ""
        while process.poll() is None:
            now = stage(self.into, int(updating), self.files[updating])
            if now != last:
                yield (last := now)
            time.sleep(0.0002)

    def run(self, *, updating: bool) -> subprocess.Popen[bytes]:
        """Start the command."""
        into = self.begin(updating=updating)
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command(self.place, into), stdout=quiet, stderr=quiet)

    def time(self) -> None:
        """Measure how long each stage takes when nobody is killed."""
        for updating in (False, True):
            process = self.run(updating=updating)
            seen = [(name, time.perf_counter()) for name in self.stages(process, updating=updating)]
            ends = [start for _, start in seen[1:]] + [time.perf_counter()]
            self.seconds[updating] = {
                name: end - start for (name, start), end in zip(seen, ends, strict=True)
            }

    def kill(self, aim: str, draw: random.Random, *, updating: bool) -> str:
        """Kill the command some time after a stage began; returns the stage that it hit."""
        process = self.run(updating=updating)
        for name in self.stages(process, updating=updating):
            if STAGES.index(name) >= STAGES.index(aim):
                time.sleep(draw.uniform(0, self.seconds[updating].get(aim, 0)))
                break
        process.kill()
        if process.wait() != -signal.SIGKILL:
            return "done"
        return stage(self.into, int(updating), self.files[updating])

    def judge(self, outcome: Outcome, *, updating: bool) -> None:
        """Look at what a kill left, finish, look again."""
        if problem := intact(self.into):
            outcome.corrupt += 1
            outcome.details.append(f"kill {outcome.kills}: {problem}")
        whole = (self.states[False], self.states[True] if updating else None)
        if state(self.place, self.into, self.encoder) not in whole:
            outcome.torn_reads += 1
            outcome.details.append(f"kill {outcome.kills}: a reader saw neither old nor new")
        self.finish(self.place, self.into)
        if state(self.place, self.into, self.encoder) != self.states[updating]:
            outcome.different += 1
            outcome.details.append(f"kill {outcome.kills}: differs from the undisturbed run")
        if (left := leftovers(self.into)) != self.left[updating]:
            outcome.different += 1
            outcome.details.append(f"kill {outcome.kills}: left {left}")


def rounds(trial: Trial, kills: int, seed: int) -> Outcome:
    """Kill, look, finish, compare; until as many kills as asked hit the work."""
    draw, outcome = random.Random(seed), Outcome()
    trial.time()
    for attempt in range(kills * ATTEMPTS):
        if outcome.kills == kills:
            break
        updating = attempt % 2 == 1
        aim = AIMED_AT[attempt // 2 % len(AIMED_AT)]
        hit = trial.kill(aim, draw, updating=updating)
        if hit in AIMED_AT:
            outcome.kills += 1
            (outcome.while_updating if updating else outcome.while_building)[hit] += 1
        else:
            outcome.outside_the_work += 1
        trial.judge(outcome, updating=updating)
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
        trial = Trial.prepare(Path(name), load("minilm"), options.files, options.seed)
        outcome = rounds(trial, options.kills, options.seed)
    print(json.dumps(vars(outcome), indent=2))
    save("kill", vars(outcome) | {"files": options.files, "seed": options.seed})
    if outcome.kills < options.kills or outcome.corrupt or outcome.torn_reads or outcome.different:
        sys.exit(1)


if __name__ == "__main__":
    main()
