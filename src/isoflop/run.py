"""Run: a folder with what was asked and every answer, as soon as it was paid for.

`run.json` says what the run is, the other file has one JSON line for each thing paid. Lines are
only ever appended, and each is written before the next is begun, so a run killed at any byte loses
at most what was under way; half a last line is cut off. Where a line need not be waited for, a
power cut may lose those of the last milliseconds too.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from isoflop.bill import Bill
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
        self._syncing: _Syncing | None = None
        _same(folder, about)
        self.rows: dict[str, Row] = {str(row[key]): row for row in self._whole_lines()}

    def add(self, row: Row, *, wait: bool = True) -> None:
        """Append a line; a kill does not lose it once this returns.

        Args:
            row: As JSON can hold it.
            wait: Whether it is on the disk when this returns, so that a power cut does not lose
                it either. Otherwise the disk is told to hurry, and the work goes on: lines that
                come faster than a disk turns are put on it many at a time.

        Raises:
            UsageError: If the disk is full or fails.
        """
        self.append(self._path.name, row, wait=wait)
        self.rows[str(row[self._key])] = row

    def append(self, name: str, row: Row, *, wait: bool = False) -> None:
        """Append a line to a file of the folder; as `add`, but it is not among the rows."""
        path = self.folder / name
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        with self._adding:
            try:
                with path.open("ab") as file:  # closed: a kill loses nothing written
                    file.write(line)
                    file.flush()
                    if wait:
                        os.fsync(file.fileno())
                if not wait:
                    self._syncing = self._syncing or _Syncing()
                    self._syncing.soon(path)
            except OSError as error:
                raise UsageError(
                    f"{path} cannot be written: {error.strerror}. Make room or name another "
                    "folder; what was answered before is kept."
                ) from error

    def close(self) -> None:
        """Wait until every line is on the disk."""
        if self._syncing is not None:
            self._syncing.end()
            self._syncing = None

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


class _Syncing:
    """A thread that puts files on the disk, as often as they were written to and can be."""

    def __init__(self) -> None:
        self._written: SimpleQueue[Path | None] = SimpleQueue()
        self._failed: OSError | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def soon(self, path: Path) -> None:
        """Ask for it; an error of the last time is raised here."""
        if self._failed is not None:
            raise self._failed
        self._written.put(path)

    def end(self) -> None:
        """All that was asked for, and no more after that."""
        self._written.put(None)
        self._thread.join()

    def _work(self) -> None:
        ends = False
        while not ends:
            paths = {self._written.get()}
            with suppress(Empty):
                while True:
                    paths.add(self._written.get_nowait())
            ends = None in paths  # put last, so nothing is left out
            try:
                for path in filter(None, paths):
                    with path.open("ab") as file:
                        os.fsync(file.fileno())
            except OSError as error:
                self._failed = error


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
            run = Run(folder, about, lines=lines, key=key)
            try:
                yield run
            finally:
                run.close()
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
    return Bill.from_dict(row.get("bill"))


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
