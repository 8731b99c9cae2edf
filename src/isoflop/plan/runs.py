"""Runs that a law is fitted to, read from a table whose columns are found by their meaning."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoflop.errors import UsageError
from isoflop.quantities import count

# Names of columns, in lower case and without anything but letters and digits
MEANINGS: Mapping[str, str] = {
    "parameters": "n parameters params modelsize size nparams nparameters numparams numparameters "
    "modelparameters modelparams parametercount paramcount totalparameters",
    "tokens": "d tokens trainingtokens traintokens ntokens numtokens tokensseen totaltokens "
    "datasetsize datatokens",
    "flops": "c flop flops trainingflop trainingflops trainflop trainflops totalflop totalflops "
    "compute trainingcompute flopbudget flopsbudget",
    "loss": "l loss finalloss valloss validationloss testloss evalloss trainloss trainingloss "
    "finalvalloss smoothedloss",
}

MOST_BYTES = 10_000_000  # about 100,000 runs


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: parameters, tokens, and the loss it ended with."""

    parameters: float
    tokens: float
    loss: float

    @property
    def flops(self) -> float:
        """As laws count them: 6 N D."""
        return 6 * self.parameters * self.tokens


def read_runs(path: Path, *, columns: Mapping[str, str] | None = None) -> list[Run]:
    """The runs of a CSV file with a header.

    Two of parameters, tokens and FLOPs are enough; the third is their 6 N D. Numbers may be
    written as people do ("7B").

    Args:
        path: The file.
        columns: Name of the column of a meaning ("parameters", "tokens", "flops", "loss"), where
            it is not found by itself.

    Raises:
        UsageError: If a column is missing or a value is not a positive number; the message says
            which and where.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist. Name a CSV file of runs.")
    if not path.is_file():
        raise UsageError(f"{path} is no file. Name a CSV file of runs.")
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path} is larger than a table of runs: over {MOST_BYTES / 1e6:g} MB.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a CSV file: {error}.") from None
    rows = csv.DictReader(text.splitlines())
    where = _columns(rows.fieldnames or (), columns or {}, path)
    return [_run(row, where, rows.line_num, path) for row in rows if any(row.values())]


def _columns(header: Sequence[str], given: Mapping[str, str], path: Path) -> dict[str, str]:
    where = {}
    for meaning, names in MEANINGS.items():
        found = [name for name in header if _plain(name) in names.split()]
        if meaning in given:
            if given[meaning] not in header:
                raise UsageError(f"{path} has no column {given[meaning]!r}. {_listed(header)}")
            where[meaning] = given[meaning]
        elif len(found) > 1:
            raise UsageError(
                f"{path}: {' and '.join(map(repr, found))} may both be {meaning}. "
                f"Say which with --{meaning}-column."
            )
        elif found:
            where[meaning] = found[0]
    if "loss" not in where or len(where) < 3:
        missing = [meaning for meaning in MEANINGS if meaning not in where]
        raise UsageError(
            f"{path}: no column found for {', '.join(missing)}; loss is needed, and two of "
            f"parameters, tokens and flops. {_listed(header)} Name one with --loss-column NAME "
            "and the like."
        )
    return where


def _listed(header: Sequence[str]) -> str:
    return f"Its columns are {', '.join(map(repr, header))}." if header else "It has no columns."


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _run(row: Mapping[str, str], where: Mapping[str, str], line: int, path: Path) -> Run:
    known = {
        meaning: _number(row[column], f"{path}, line {line}, {column}")
        for meaning, column in where.items()
    }
    parameters, tokens = known.get("parameters"), known.get("tokens")
    if parameters is None and tokens is not None:
        parameters = known["flops"] / (6 * tokens)
    if tokens is None and parameters is not None:
        tokens = known["flops"] / (6 * parameters)
    assert parameters is not None
    assert tokens is not None
    return Run(parameters, tokens, known["loss"])


def _number(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        try:
            return count(text or "")
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    if math.isnan(value):
        raise UsageError(f"{where}: not a number (NaN). Leave the run out.")
    if not 0 < value < math.inf:
        raise UsageError(f"{where}: {value:g} must be more than zero and finite.")
    return value
