"""What a training planned, did and paid: JSON lines that are only ever added to."""

import json
import os
from pathlib import Path
from typing import Any

NAME = "ledger.jsonl"


class Ledger:
    """The ledger of a run folder.

    Each line is an object with "kind": "plan", "start", "step", "evaluation", "checkpoint",
    "resume", "stop" or "report". A line cut short by a crash is left out when it is read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def add(self, kind: str, **values: Any) -> None:
        """Append a line, on disk when this returns."""
        line = json.dumps({"kind": kind, **values}) + "\n"
        with self.path.open("a+b") as file:
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
