"""One writer at a time: a lock that the operating system frees when its holder dies."""

import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from isoflop.errors import IndexBusy, UsageError


@contextmanager
def writing(
    folder: Path, *, wait_seconds: float = 0, on_wait: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the index in `folder` for writing.

    The lock is an exclusive transaction on an empty SQLite file: the same on every system, and
    gone with the process that held it, even after a kill.

    Args:
        folder: The index's folder; it must exist.
        wait_seconds: How long to wait for another writer.
        on_wait: Told once who holds it, when there is something to wait for.

    Raises:
        IndexBusy: If another writer still holds it after that time.
        UsageError: If the folder cannot be written.
    """
    try:
        lock = sqlite3.connect(folder / "lock.sqlite", isolation_level=None, timeout=0)
    except sqlite3.OperationalError as error:
        raise cannot_write(folder, str(error)) from error
    note = folder / "writer.json"
    try:
        _acquire(lock, note, folder, wait_seconds, on_wait)
        try:
            note.write_text(json.dumps(_myself()), encoding="utf-8")
        except OSError as error:
            raise cannot_write(folder, error.strerror or str(error)) from error
        try:
            yield
        finally:
            note.unlink(missing_ok=True)
    finally:
        lock.close()


def cannot_write(folder: Path, reason: str) -> UsageError:
    """What to say of a folder that cannot be written."""
    return UsageError(
        f"{folder} cannot be written: {reason}. Put the index elsewhere with --into DIR."
    )


def holder(note: Path) -> str:
    """Who wrote this note, in words."""
    try:
        writer = json.loads(note.read_text(encoding="utf-8"))
        return f"process {writer['process']} on {writer['host']} ({writer['command']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def _acquire(
    lock: sqlite3.Connection,
    note: Path,
    folder: Path,
    wait_seconds: float,
    on_wait: Callable[[str], None],
) -> None:
    deadline = time.monotonic() + wait_seconds
    told = False
    while True:
        try:
            lock.execute("BEGIN EXCLUSIVE")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise cannot_write(folder, str(error)) from error
        if not time.monotonic() < deadline:  # so that "nan" seconds are none
            raise IndexBusy(
                f"{folder} is being written by {holder(note)}. "
                "Try again when it has finished, or let it wait longer with --wait SECONDS."
            )
        if not told:
            on_wait(f"Waiting for {holder(note)} to finish writing {folder}")
            told = True
        time.sleep(0.1)


def _myself() -> dict[str, str | int]:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
    return {"process": os.getpid(), "host": socket.gethostname(), "command": command}
