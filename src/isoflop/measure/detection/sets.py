"""Sets of human and machine texts, with recorded scores: published files, read as they are."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.errors import IsoflopError, UsageError
from isoflop.measure.statistics.inputs import Flags, Floats

TEXTS = ("text", "generation", "content", "document", "article", "sentence", "answer", "abstract")
LABELS = (
    "label", "class", "is_machine", "machine", "is_generated", "generated", "target", "source",
    "model", "kind",
)  # fmt: skip
HUMAN = frozenset(("human", "real", "original", "0", "false", "human-written", "hwt", "people"))
ONES = frozenset(("1", "true"))
PAIRS = (("original", "sampled"), ("human_answers", "chatgpt_answers"), ("human", "machine"))
GENERATED = "_generated_text_wo_prompt"  # Hans et al. 2024, their data sets
NOT_SCORES = frozenset(("id", "index", "idx", "n", "adv_source_id", "source_id", "length", "seed"))
PART = re.compile(r"\.(?!\d)")  # no part begins with a digit: gpt-neo-2.7B is one
MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Recorded:
    """Scores that somebody's detector gave the texts of a set.

    Attributes:
        name: Of the detector.
        scores: Of each text, higher for a machine's as far as its makers say; NaN where none.
        published: The AUROC that the file itself states; None where it does not.
    """

    name: str
    scores: Floats
    published: float | None = None


@dataclass(frozen=True, slots=True)
class DetectionSet:
    """Texts of both kinds.

    Attributes:
        name: Of the set.
        texts: May be empty strings where only scores were published.
        machine: Which are the machine's, shape (n,).
        pairs: Texts of one number belong together (one prompt), shape (n,).
        recorded: Scores by detector.
    """

    name: str
    texts: tuple[str, ...]
    machine: Flags
    pairs: tuple[int, ...]
    recorded: list[Recorded] = field(default_factory=list)

    @property
    def has_texts(self) -> bool:
        """Whether there is anything to read."""
        return any(self.texts)


def read_sets(path: Path) -> list[DetectionSet]:
    """Every set of a file or a folder; recorded scores are joined to it by the texts themselves.

    Known: fast-detect-gpt's and DetectGPT's `*.raw_data.json` and result files, rows of texts
    with a label (JSON lines, JSON, CSV) and rows of pairs (`original` and `sampled`, or HC3's
    `human_answers` and `chatgpt_answers`, or Binoculars' columns).

    Raises:
        UsageError: If nothing is there or nothing is recognised.
        IsoflopError: If a file is damaged.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder. Name a set of texts of both kinds.")
    if path.is_file():
        return [read_set(path)]
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix in READERS and not file.name.endswith(".args.json")
    ]
    found: dict[object, list[DetectionSet]] = {}
    unknown = []
    for file in files:
        try:
            one = read_set(file)
        except UsageError:
            unknown.append(file.name)
            continue
        # texts are the set; where only scores were published, the file is a set of its own
        key: object = (one.texts, one.machine.tobytes()) if one.has_texts else file
        found.setdefault(key, []).append(one)
    if not found:
        hint = f" Not recognised: {', '.join(unknown[:5])}." if unknown else ""
        raise UsageError(f"{path} holds no set of human and machine texts.{hint}")
    return [_joined(each) for each in found.values()]


def _joined(same: Sequence[DetectionSet]) -> DetectionSet:
    """One set of several files with the same texts, named by what their names share."""
    name = os.path.commonprefix([one.name for one in same])  # noqa: RUF071 - names, not paths
    if any(one.name != name for one in same):
        plain = next((one.name for one in same if not one.recorded), None)
        name = plain or name.rstrip("._-") or same[0].name
    recorded = [each for one in same for each in one.recorded]
    return replace(same[0], name=name, recorded=recorded)


def read_set(file: Path) -> DetectionSet:
    """The set of one file; see `read_sets`.

    Raises:
        UsageError: If its format is not known or a kind is missing.
        IsoflopError: If it is damaged.
    """
    if file.suffix not in READERS:
        raise UsageError(f"{file}: a set is a file named {', '.join(READERS)}, or a folder.")
    if (size := file.stat().st_size) > MOST_BYTES:
        raise UsageError(f"{file} has {size:,} bytes; at most {MOST_BYTES:,} are read. Split it.")
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text: {error.reason}.") from error
    try:
        found = READERS[file.suffix](content)
    except (json.JSONDecodeError, csv.Error) as error:
        raise IsoflopError(f"{file} is damaged or no {file.suffix} file: {error}.") from error
    name = file.name.removesuffix(file.suffix).removesuffix(".raw_data")
    made = _published(found, name) if isinstance(found, Mapping) else _of_rows(found, name, file)
    if made is None:
        raise UsageError(
            f"{file}: no set is recognised. Known: pairs of 'original' and 'sampled', result files "
            "of fast-detect-gpt, and rows with a text and a label (0 or human, 1 or machine)."
        )
    if made.machine.all() or not made.machine.any():
        kind = "human" if made.machine.all() else "machine"
        raise UsageError(f"{file} has no {kind} texts, so there is nothing to tell apart.")
    return made


def _published(found: Mapping[str, Any], name: str) -> DetectionSet | None:
    """A file of pairs, or of a detector's scores with or without its texts."""
    if "predictions" in found:
        return _results(found, name)
    for human, machine in PAIRS:
        if isinstance(found.get(human), list) and isinstance(found.get(machine), list):
            return _paired(name, found[human], found[machine])
    if isinstance(rows := found.get("data"), list):
        return _of_rows(rows, name, Path(name))
    return None


def _results(found: Mapping[str, Any], name: str) -> DetectionSet | None:
    predictions = found["predictions"]
    real, samples = predictions.get("real"), predictions.get("samples")
    if not (isinstance(real, list) and isinstance(samples, list)):
        return None
    raw = found.get("raw_results") or []
    texts = [[str(row.get(kind) or "") for row in raw] for kind in ("original", "sampled")]
    if [len(each) for each in texts] != [len(real), len(samples)]:
        texts = [[""] * len(real), [""] * len(samples)]
    made = _paired(name, *texts)
    published = (found.get("metrics") or {}).get("roc_auc")
    detector = str(found.get("name") or name).removesuffix("_threshold")
    models = _models(name)
    title = f"{detector} ({models})" if models else detector
    made.recorded.append(Recorded(title, _numbers([*real, *samples]), published))
    return made


def _models(name: str) -> str:
    """The models that a result file of fast-detect-gpt is named for: SET.MODELS.DETECTOR."""
    parts = PART.split(name)
    return ".".join(parts[1:-1]) if len(parts) > 2 else ""


def _paired(name: str, human: Sequence[Any], machine: Sequence[Any]) -> DetectionSet:
    texts = (*(_text(each) for each in human), *(_text(each) for each in machine))
    kinds = np.arange(len(texts)) >= len(human)
    return DetectionSet(name, texts, kinds, (*range(len(human)), *range(len(machine))))


def _text(found: Any) -> str:
    return str(found[0] if isinstance(found, list) and found else found or "")


def _of_rows(rows: Iterable[Any], name: str, file: Path) -> DetectionSet | None:
    held = [row for row in rows if isinstance(row, Mapping)]
    if not held:
        return None
    first = held[0]
    columns = _pair_columns(first)
    if columns is not None:
        made = _paired(name, *([row.get(column) for row in held] for column in columns))
        crits = [f"{column}_crit" for column in columns]
        if all(column in first for column in crits):
            values = [row.get(column) for column in crits for row in held]
            made.recorded.append(Recorded("crit", _numbers(values)))
        return made
    label = next((each for each in LABELS if each in first), None)
    if label is None:
        return None
    text = next((each for each in TEXTS if each in first), None)
    kinds = np.array([_is_machine(row.get(label), file, at) for at, row in enumerate(held, 1)])
    texts = tuple(str(row.get(text) or "") if text else "" for row in held)
    made = DetectionSet(name, texts, kinds, tuple(_groups(held)))
    made.recorded.extend(_columns(held, {label, text}))
    return made if made.has_texts or made.recorded else None


def _pair_columns(first: Mapping[str, Any]) -> tuple[str, str] | None:
    for pair in PAIRS:
        if all(column in first for column in pair):
            return pair
    machine = next((column for column in first if column.endswith(GENERATED)), None)
    human = next((column for column in TEXTS if column in first), None)
    return (human, machine) if machine and human else None


def _is_machine(value: Any, file: Path, row: int) -> bool:
    """Whether a label means a machine: 1, true, or any name but those for people."""
    if value is None or str(value).strip() == "":
        raise UsageError(f"{file}, row {row} has no label. Give 0 or human, 1 or machine.")
    if isinstance(value, float) and value in (0.0, 1.0):
        return bool(value)
    word = str(value).strip().lower()
    if word.lstrip("-").replace(".", "", 1).isdigit() and word not in HUMAN | ONES:
        raise UsageError(f"{file}, row {row}: the label {value!r} is neither 0 nor 1.")
    return word not in HUMAN


def _groups(rows: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    known: dict[Any, int] = {}
    for at, row in enumerate(rows):
        key = next((row[k] for k in ("pair", "prompt_id", "source_id") if row.get(k)), ("row", at))
        yield known.setdefault(key, len(known))


def _columns(rows: Sequence[Mapping[str, Any]], apart: set[str | None]) -> Iterator[Recorded]:
    """Every column of numbers that is no label and no running number."""
    for column in rows[0]:
        if column in apart or column.lower() in NOT_SCORES or column in LABELS:
            continue
        values = _numbers([row.get(column) for row in rows])
        if np.isfinite(values).mean() > 0.5:
            yield Recorded(column, values)


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([_number(value) for value in values], np.float64)


def _number(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _json_lines(content: str) -> list[Any]:
    return [json.loads(line) for line in content.splitlines() if line.strip()]


def _csv_rows(content: str) -> list[Any]:
    return list(csv.DictReader(io.StringIO(content, newline="")))


READERS: dict[str, Any] = {".json": json.loads, ".jsonl": _json_lines, ".csv": _csv_rows}
