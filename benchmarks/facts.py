"""The development rows that plans are compared with: CSV files of published runs and chips.

They lie in a folder named by ISOFLOP_FACTS, or in `shared/facts` beside the checkout, and are not
kept in the repository.
"""

import csv
import os
from pathlib import Path

from benchmarks.machine import ROOT

Row = dict[str, str]


def facts(name: str) -> list[Row]:
    """The rows of one CSV file.

    Raises:
        SystemExit: If it is not there; the message says where it is looked for.
    """
    folder = Path(os.environ.get("ISOFLOP_FACTS", ROOT.parent / "shared" / "facts"))
    path = folder / name
    if not path.is_file():
        raise SystemExit(f"No development rows at {path}. Set ISOFLOP_FACTS to their folder.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def number(text: str) -> float | None:
    """A cell as a number; None where it is empty."""
    return float(text) if text.strip() else None
