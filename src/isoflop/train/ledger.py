"""What a training planned, did and paid: JSON lines that are only ever added to."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from isoflop.errors import TrainingFailed

NAME = "ledger.jsonl"


class Ledger:
    """The ledger of a run folder.

    Each line is an object with "kind": "plan", "start", "step", "evaluation", "checkpoint",
    "resume", "stop" or "report". A line cut short by a crash is left out when it is read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def add(self, kind: str, **values: Any) -> None:
        """Append a line, on disk when this returns.

        Raises:
            TrainingFailed: If the disk does not take it.
        """
        line = json.dumps({"kind": kind, **values}) + "\n"
        with told_of_the_disk(self.path), self.path.open("a+b") as file:
            if file.tell() and not _ends_a_line(file):
                file.write(b"\n")
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """Every whole line, in order; steps done again after a resume only as they were last."""
        lines: list[dict[str, Any]] = []
        if not self.path.exists():
            return lines
        for line in self.path.read_bytes().split(b"\n"):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry["kind"] == "resume":
                lines = [old for old in lines if old.get("step", 0) <= entry["step"]]
            lines.append(entry)
        return lines


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


@contextmanager
def told_of_the_disk(
    place: Path, kept: str = "What was saved before is as it was"
) -> Iterator[None]:
    """Say what could not be written, and how to go on, where the disk takes no more.

    Args:
        place: What is written within.
        kept: What there is in place of it.

    Raises:
        TrainingFailed: In place of the system's or the library's error.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingFailed(
            f"{place} could not be written: {reason}. {kept}. Free some space, and give the same "
            "command again to go on."
        ) from error
