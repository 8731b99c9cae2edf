"""A run's folder: what was asked of whom, and every answer as soon as it was paid for.

`run.json` says what the run is, `outputs.jsonl` has one line for each answer. Lines are only ever
appended, and each is on disk before the next question is asked, so a run killed at any byte loses
at most the answers that were under way; half a last line is cut off.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from isoflop.bill import FIGURES, Bill
from isoflop.errors import IndexBusy, UnusableExam, UsageError
from isoflop.measure.exams.exam import Exam
from isoflop.measure.exams.rows import Row
from isoflop.search.lock import writing

ABOUT, OUTPUTS = "run.json", "outputs.jsonl"


def about(exam: Exam, name: str, model: str, kind: str, rule: str, settings: Row) -> Row:
    """What identifies a run: nothing that differs may go into the same folder."""
    digest = blake2b(digest_size=16)
    for question in exam.questions:
        digest.update("\0".join((question.id, question.text, *question.choices)).encode())
    return {
        "exam": name,
        "questions": len(exam.questions),
        "questions_hash": digest.hexdigest(),
        "model": model,
        "asked_for": kind,
        "rule": rule,
        **settings,
    }


@contextmanager
def opened(folder: Path, header: Row) -> Iterator["RunFolder"]:
    """The folder of a run, new or to be continued, held by this process alone.

    Raises:
        UsageError: If it holds another run, or another process is writing it.
        UnusableExam: If its answers are damaged before their last line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with writing(folder):
            yield RunFolder(folder, header)
    except IndexBusy:
        raise UsageError(f"Another process is running this exam in {folder}.") from None


class RunFolder:
    """The answers of a run, in memory and on disk."""

    def __init__(self, folder: Path, header: Row) -> None:
        """Takes up a run where it was left; see `opened`."""
        self.folder = folder
        self._same_run(header)
        self._path = folder / OUTPUTS
        self.answers = {str(row["id"]): row for row in self._whole_lines()}

    def add(self, row: Row) -> None:
        """Append an answer; it is on disk when this returns."""
        with self._path.open("ab") as file:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.answers[str(row["id"])] = row

    def _same_run(self, header: Row) -> None:
        path = self.folder / ABOUT
        if not path.exists():
            half = path.with_suffix(".new")
            half.write_text(json.dumps(header, ensure_ascii=False, indent=1) + "\n", "utf-8")
            half.replace(path)
            return
        held = read_about(self.folder)
        differ = [name for name in header if held.get(name) != header[name]]
        if differ:
            name = differ[0]
            raise UsageError(
                f"{self.folder} holds another run: its {name} is {held.get(name)!r}, not "
                f"{header[name]!r}. Name another folder with --into."
            )

    def _whole_lines(self) -> Iterator[Row]:
        if not self._path.exists():
            return
        lines = self._path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # the process was killed while writing it
            half = lines.pop()
            os.truncate(self._path, self._path.stat().st_size - len(half))
        for number, line in enumerate(lines, start=1):
            try:
                row: Any = json.loads(line)
                row["id"]
            except (ValueError, TypeError, KeyError):
                raise UnusableExam(
                    f"{self._path}, line {number}, is damaged. Remove that line; its question is "
                    "then asked again."
                ) from None
            yield row


def answered_in(folder: Path) -> list[str]:
    """Ids of the questions that a folder holds answers to; none if there is no folder."""
    path = folder / OUTPUTS
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [str(json.loads(line)["id"]) for line in lines if line.endswith(b"\n")]


def read_about(folder: Path) -> Row:
    """What `run.json` says.

    Raises:
        UnusableExam: If the folder is no run.
    """
    try:
        held = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        held = None
    if not isinstance(held, dict):
        raise UnusableExam(f"{folder} is no folder of a run: it has no readable {ABOUT}.")
    return held


def bill_of(row: Row) -> Bill:
    """What an answer took, as it was recorded with it."""
    bases = row.get("bill", {}).get("bases", {})
    held = row.get("bill", {})
    return Bill(
        **{name: held.get(name) for name in FIGURES},
        bases=tuple(bases.get(name) for name in FIGURES),
    )
