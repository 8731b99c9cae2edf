"""Published exams, read as they are.

Each reader turns the rows of one format, recognised by the names of its fields, into questions.
Which formats there are is the table at the end.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from isoflop.errors import UnusableExam
from isoflop.measure.exams import parsers
from isoflop.measure.exams.exam import LETTERS, YES_NO, Exam, contrasts_of, is_yes_no
from isoflop.measure.exams.options import options_in
from isoflop.measure.exams.rows import Row, rows
from isoflop.questions import Question

IDS = ("id", "pair_id", "pairid", "qid", "question_id", "idx", "index", "ind")
PROMPTS = ("prompt", "text", "question", "input", "query", "ctx", "goal", "problem")
CHOICES = ("choices", "options", "endings")
ANSWERS = (
    "answers", "answer", "groundtruth", "ground_truth", "target", "label", "gold", "answerKey",
    "key", "correct",
)  # fmt: skip
CLUSTERS = ("cluster", "group", "article", "source_document")

_TAGGED = re.compile(r"<answer>", re.IGNORECASE)
_MARK = re.compile(r"\s*\(([A-Z])\)\s*")


@dataclass(frozen=True, slots=True)
class Format:
    """How one published format is recognised and read."""

    name: str
    recognises: Callable[[Row], bool]
    read: Callable[[Iterable[Row]], Iterator[Question]]
    rule: str | None = None  # by the form of the answers when None
    licence: str = ""
    source: str = ""


def read(path: Path, answers: Path | None = None) -> Exam:
    """The exam in a file.

    Args:
        path: JSON, JSON lines or CSV in one of `FORMATS`.
        answers: A second file with the answers, when the questions come without.

    Raises:
        UnusableExam: If the file cannot be read, is no exam that is known, or cannot be scored.
    """
    found = rows(path)
    first = next(found)
    form = next((form for form in FORMATS if form.recognises(first)), None)
    if form is None:
        raise UnusableExam(
            f"{path}: no exam is recognised in fields {', '.join(list(first)[:8])}. "
            f"Known: {', '.join(form.name for form in FORMATS)}. Or write JSON lines with 'id', "
            "'prompt', 'choices' and 'answers'."
        )
    questions = list(form.read(chain([first], found)))
    if answers is not None:
        questions = _answered(path, questions, answers)
    return assembled(path.stem, questions, form.rule, form.licence, form.source)


def assembled(
    name: str,
    questions: Sequence[Question],
    rule: str | None = None,
    licence: str = "",
    source: str = "",
) -> Exam:
    """An exam of these questions, with ids for those that have none and claims asked both ways."""
    unique = tuple(_directed(_numbered(questions)))
    return Exam(name, unique, rule or _rule(unique), licence, source, contrasts_of(unique))


def _numbered(questions: Sequence[Question]) -> Sequence[Question]:
    if any(question.id for question in questions):
        return questions
    # no published id begins like this, so none in a recording is taken for it
    return [replace(q, id=f"#{n}") for n, q in enumerate(questions, start=1)]


def _directed(questions: Sequence[Question]) -> Sequence[Question]:
    """Claims asked in both directions under one id: each twice, once yes and once no.

    The first of the two is taken as the forward direction.
    """
    by_id: dict[str, list[Question]] = {}
    for question in questions:
        by_id.setdefault(question.id, []).append(question)
    both = [same for same in by_id.values() if len(same) == 2 and all(map(is_yes_no, same))]
    if len(both) != len(by_id) or any(one.answers == two.answers for one, two in both):
        return questions
    return [
        replace(question, id=f"{question.id}/{way}")
        for same in both
        for question, way in zip(same, ("forward", "backward"), strict=True)
    ]


def _rule(questions: Sequence[Question]) -> str:
    """The rule that fits the form of the answers."""
    if all(_TAGGED.search(question.text) for question in questions):
        return "tag"
    if all(question.choices for question in questions):
        several = any(len(answer) > 1 for question in questions for answer in question.answers)
        return "letters" if several else "letter"
    if all(map(is_yes_no, questions)):
        return "yes-no"
    if all(parsers.as_number(answer) for question in questions for answer in question.answers):
        return "number"
    return "exact"


def _answered(path: Path, questions: list[Question], answers: Path) -> list[Question]:
    """The questions with the answers of another file, joined by id and occurrence."""
    keys: dict[tuple[str, int], Row] = {}
    seen: Counter[str] = Counter()
    for row in rows(answers):
        id = _id(row)
        keys[id, seen[id]] = row
        seen[id] += 1
    mine: Counter[str] = Counter(question.id for question in questions)
    if mine != seen:
        both = sum((mine & seen).values())
        raise UnusableExam(
            f"{answers}: {both} of {len(questions)} ids of {path} have an answer there, and "
            f"{sum(seen.values())} answers are given. The two files belong to different exams."
        )
    count: Counter[str] = Counter()
    result = []
    for question in questions:
        row = keys[question.id, count[question.id]]
        count[question.id] += 1
        result.append(replace(question, answers=_answers(row, question.choices)))
    return result


def _plain(lines: Iterable[Row]) -> Iterator[Question]:
    """One question in each row: a prompt, perhaps choices, answers, cluster and weight."""
    for row in lines:
        text = _prompt(row)
        choices = _choices(row)
        if not choices:
            listed = options_in(text)
            choices = listed.texts if listed else ()
        yield Question(
            id=_id(row),
            text=text,
            choices=choices,
            answers=_answers(row, choices),
            cluster=str(_first(row, CLUSTERS) or ""),
            weight=float(row.get("weight") or 1.0),
        )


def _prompt(row: Row) -> str:
    text = str(_first(row, PROMPTS) or "")
    passage = row.get("passage")
    text = f"{passage}\n\n{text}" if passage else text
    return text.replace("\t", "\n").strip()  # published tables write line breaks as tabs


def _choices(row: Row) -> tuple[str, ...]:
    value = _first(row, CHOICES)
    if isinstance(value, str):
        value = json.loads(value) if value.startswith("[") else value.split("|")
    if isinstance(value, Mapping):  # {"text": [...], "label": [...]}
        value = value.get("text") or list(value.values())
    if value is None and "A" in row and "B" in row:
        value = [row[name] for name in LETTERS if row.get(name)]
    if value is None:
        return ()
    texts = [str(one["text"] if isinstance(one, Mapping) else one) for one in value]
    return tuple(_unmarked(text, place) for place, text in enumerate(texts))


def _unmarked(text: str, place: int) -> str:
    """A choice without the `(A)` in front of it."""
    mark = _MARK.match(text)
    return text[mark.end() :] if mark and mark[1] == LETTERS[place] else text


def _answers(row: Row, choices: tuple[str, ...]) -> tuple[str, ...]:
    value = _first(row, ANSWERS)
    if isinstance(value, str) and value.startswith("["):
        value = json.loads(value)
    alternatives = value if isinstance(value, list) else [value]
    keys = (_key(one, choices) for one in alternatives if one is not None and str(one).strip())
    return tuple(dict.fromkeys(keys))


def _key(value: object, choices: tuple[str, ...]) -> str:
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


def _id(row: Row) -> str:
    value = _first(row, IDS)
    return "" if value is None else str(value).strip().rstrip(",")


def _first(row: Row, names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


FORMATS: tuple[Format, ...] = (
    Format("prompts with answers", lambda row: _first(row, PROMPTS) is not None, _plain),
)
