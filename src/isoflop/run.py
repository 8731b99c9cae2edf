"""Run: a folder with what was asked and every answer, as soon as it was paid for.

`run.json` says what the run is, the other file has one JSON line for each thing paid. Lines are
only ever appended, and each is on disk before the next is begun, so a run killed at any byte loses
at most what was under way; half a last line is cut off.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from isoflop.bill import FIGURES, Bill
from isoflop.errors import DamagedRun, IndexBusy, UsageError
from isoflop.lock import writing

ABOUT = "run.json"
Row = dict[str, Any]


class Run:
    """The lines of a run, in memory and on disk; safe to add to from several threads.

    Attributes:
        folder: Where it is.
        rows: Every line by its key, in the order they were added.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], *, lines: str, key: str) -> None:
        """Take up a run where it was left; see `opened`."""
        self.folder, self._path, self._key = folder, folder / lines, key
        self._adding = Lock()
        _same(folder, about)
        self.rows: dict[str, Row] = {str(row[key]): row for row in self._whole_lines()}

    def add(self, row: Row) -> None:
        """Append a line; it is on disk when this returns."""
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        with self._adding:
            try:
                with self._path.open("ab") as file:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise UsageError(
                    f"{self._path} cannot be written: {error.strerror}. Make room or name another "
                    "folder; what was answered before is kept."
                ) from error
            self.rows[str(row[self._key])] = row

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
                row[self._key]
            except (ValueError, TypeError, KeyError):
                raise DamagedRun(
                    f"{self._path}, line {number}, is damaged. Remove that line; what it held is "
                    "then asked again."
                ) from None
            yield row


@contextmanager
def opened(
    folder: Path, about: Mapping[str, Any], *, lines: str = "paid.jsonl", key: str = "key"
) -> Iterator[Run]:
    """The folder of a run, new or to be continued, held by this process alone.

    Args:
        folder: Made if need be.
        about: What identifies the run: nothing that differs may go into the same folder.
        lines: Name of the file of lines.
        key: Field of a line that names it.

    Raises:
        UsageError: If it holds another run, or another process is writing it.
        DamagedRun: If its lines are damaged before the last one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with writing(folder):
            yield Run(folder, about, lines=lines, key=key)
    except IndexBusy:
        raise UsageError(f"Another process is running this in {folder}.") from None


def read_about(folder: Path) -> Row:
    """What `run.json` says.

    Raises:
        DamagedRun: If the folder is no run.
    """
    try:
        held = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        held = None
    if not isinstance(held, dict):
        raise DamagedRun(f"{folder} is no folder of a run: it has no readable {ABOUT}.")
    return held


def read_rows(folder: Path, lines: str = "paid.jsonl") -> list[Row]:
    """Every whole line of a run, without taking hold of it."""
    path = folder / lines
    if not path.exists():
        return []
    found = path.read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in found if line.endswith(b"\n")]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that its name holds the old text or the new, never half."""
    half = path.with_name(path.name + ".part")
    half.write_text(text, "utf-8")
    half.replace(path)


def bill_of(row: Row) -> Bill:
    """The bill that was recorded with a line."""
    held = row.get("bill") or {}
    bases = held.get("bases", {})
    return Bill(
        **{name: held.get(name, 0) for name in FIGURES},
        bases=tuple(bases.get(name) for name in FIGURES),
    )


def _same(folder: Path, about: Mapping[str, Any]) -> None:
    path = folder / ABOUT
    if not path.exists():
        write_whole(path, json.dumps(about, ensure_ascii=False, indent=1) + "\n")
        return
    held = read_about(folder)
    plain = json.loads(json.dumps(about))
    differ = [name for name in plain if held.get(name) != plain[name]]
    if differ:
        name = differ[0]
        raise UsageError(
            f"{folder} holds another run: its {name} is {held.get(name)!r}, not "
            f"{plain[name]!r}. Name another folder for this one."
        )
