"""Texts and folders as detectors read them: bounded, normalised, one pass for each."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoflop.bill import Bill, total
from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel
from isoflop.measure.detection.detectors import Scored
from isoflop.measure.detection.normalise import Normalised, normalised
from isoflop.measure.detection.verdict import Human
from isoflop.measure.likelihood import score_all
from isoflop.measure.predicted import blocks

MOST_CHARACTERS = 200_000  # of a text; some 40,000 words, more than any detector gains from
SUFFIXES = frozenset((".txt", ".md", ".rst", ".text", ""))


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it will be scored.

    Attributes:
        name: Its path.
        normal: What is scored, and what was changed.
        whole: Whether nothing behind it was left unread.
    """

    name: str
    normal: Normalised
    whole: bool = True


def read_text(file: Path, most: int = MOST_CHARACTERS) -> Text:
    """A file's beginning, normalised; memory does not depend on the file's size.

    Raises:
        UsageError: If it is not text, or nothing but white space.
    """
    held, size = [], 0
    for block in blocks(file):
        if "\0" in block:
            raise UsageError(f"{file} has zero bytes, so it is no text. Name a text file.")
        held.append(block)
        size += len(block)
        if size > most:
            break
    return of_text(str(file), "".join(held), most)


def of_text(name: str, text: str, most: int = MOST_CHARACTERS) -> Text:
    """A text in memory, normalised.

    Raises:
        UsageError: If there is nothing in it but white space.
    """
    normal = normalised(text[:most])
    if not normal.text:
        raise UsageError(f"{name} is empty: there is nothing to score.")
    return Text(name, normal, len(text) <= most)


def read_humans(
    folder: Path, most: int = MOST_CHARACTERS
) -> tuple[list[tuple[Text, str]], list[str]]:
    """Human texts of a folder, or of JSON lines with `text` and perhaps `group`.

    The group of a file is the folder it is in, below the one that was named.

    Args:
        folder: Or file.
        most: Characters of each text that are read.

    Returns:
        Texts with their groups, in order of their paths, and what was left out and why.

    Raises:
        UsageError: If there is no such folder or no text in it.
    """
    if folder.is_file():
        return list(_rows(folder, most)), []
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder. Name one of texts written by people.")
    found, left = [], []
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.name.startswith("."):
            continue
        if file.suffix.lower() not in SUFFIXES:
            left.append(f"{file}: not a text file")
            continue
        try:
            group = file.parent.relative_to(folder).as_posix()
            found.append((read_text(file, most), "" if group == "." else group))
        except UsageError as error:
            left.append(str(error))
    if not found:
        raise UsageError(f"{folder} has no text files. Put texts written by people in it, as .txt.")
    return found, left


def score_texts(
    model: CausalModel, texts: Sequence[Text], reference: CausalModel | None = None
) -> tuple[list[Scored], Bill]:
    """One pass of each model over each text, for all detectors together.

    Raises:
        UsageError: If a text has nothing to score.
    """
    streams = score_all(model, [text.normal.text for text in texts], reference=reference)
    scored = [
        Scored.of(text.normal.text, stream) for text, stream in zip(texts, streams, strict=True)
    ]
    return scored, total(stream.bill for stream in streams)


def score_humans(
    model: CausalModel, humans: Sequence[tuple[Text, str]], reference: CausalModel | None = None
) -> tuple[list[Human], Bill]:
    """The same of human texts, each with its group."""
    scored, bill = score_texts(model, [text for text, _ in humans], reference)
    return [Human(one, group) for one, (_, group) in zip(scored, humans, strict=True)], bill


def _rows(file: Path, most: int) -> Iterator[tuple[Text, str]]:
    for number, line in enumerate("".join(blocks(file)).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, group = row["text"], str(row.get("group", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f'{file}, line {number}: expected a JSON object with "text". --human takes a '
                "folder of texts or such lines."
            ) from error
        yield of_text(f"{file}, line {number}", text, most), group
