"""Fields under the names that exams and recordings give them."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from isoflop.measure.exams import parsers
from isoflop.measure.exams.exam import LETTERS, YES_NO
from isoflop.measure.exams.rows import Row

IDS = ("id", "pair_id", "pairid", "qid", "question_id", "idx", "index", "ind")
PROMPTS = ("prompt", "text", "question", "input", "query", "ctx", "goal", "problem")
CHOICES = ("choices", "options", "endings")
ANSWERS = (
    "answers", "answer", "groundtruth", "ground_truth", "target", "label", "gold", "answerKey",
    "key", "correct",
)  # fmt: skip
CLUSTERS = ("cluster", "group", "article", "source_document")

_MARK = re.compile(r"\s*\(([A-Z])\)\s*")


def prompt(row: Row) -> str:
    """What is asked, after the passage it is asked about."""
    text = str(first(row, PROMPTS) or "")
    passage = row.get("passage")
    text = f"{passage}\n\n{text}" if passage else text
    return text.replace("\t", "\n").strip()  # published tables write line breaks as tabs


def choices_of(row: Row) -> tuple[str, ...]:
    """Choices in a list, a JSON list, split by |, or in columns A, B, C and so on."""
    value = first(row, CHOICES)
    value = _listed(value)
    if isinstance(value, str):
        value = value.split("|")
    if isinstance(value, Mapping):  # {"text": [...], "label": [...]}
        value = value.get("text") or list(value.values())
    if value is None and "A" in row and "B" in row:
        value = [row[name] for name in LETTERS if row.get(name)]
    if value is None:
        return ()
    texts = [str(one["text"] if isinstance(one, Mapping) else one) for one in value]
    return tuple(unmarked(text, place) for place, text in enumerate(texts))


def unmarked(text: str, place: int) -> str:
    """A choice without the `(A)` in front of it."""
    mark = _MARK.match(text)
    return text[mark.end() :] if mark and mark[1] == LETTERS[place] else text


def answers_of(row: Row, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Accepted answers as they are compared; none when no field holds any."""
    value = first(row, ANSWERS)
    value = _listed(value)
    alternatives = value if isinstance(value, list) else [value]
    keys = (accepted(one, choices) for one in alternatives if one is not None and str(one).strip())
    return tuple(dict.fromkeys(keys))


def _listed(value: Any) -> Any:
    """A list that a table holds as JSON; anything else as it is."""
    if isinstance(value, str) and value.startswith("["):
        try:
            return json.loads(value)
        except json.JSONDecodeError:  # such as the interval [0,2)
            return value
    return value


def accepted(value: object, choices: tuple[str, ...]) -> str:
    """An accepted answer as it is compared: a letter, yes or no, a number or plain words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and choices:
        return LETTERS[value] if 0 <= value < len(choices) else str(value)
    text = str(value).strip()
    if choices:
        return _letter(text, choices)
    return text.lower() if text.lower() in YES_NO else parsers.canonical(text)


def _letter(text: str, choices: tuple[str, ...]) -> str:
    """A letter as it is; a choice's exact text as its letter; anything else unchanged."""
    bare = text.strip("()")
    if len(bare) == 1 and bare in LETTERS[: len(choices)]:
        return bare
    same = [place for place, choice in enumerate(choices) if choice.strip() == text]
    return LETTERS[same[0]] if len(same) == 1 else text


def identifier(row: Row) -> str:
    """The published id; empty when there is none."""
    value = first(row, IDS)
    return "" if value is None else str(value).strip().rstrip(",")


def first(row: Row, names: Iterable[str]) -> Any:
    """The value of the first of these fields that holds one; else None."""
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            return value
    return None
