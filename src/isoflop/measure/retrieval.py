"""How well each way of ranking finds the answers, and at what price."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoflop.bill import Bill, total
from isoflop.errors import UsageError
from isoflop.measure.statistics.paired import mcnemar
from isoflop.measure.statistics.proportions import wilson
from isoflop.questions import Question, Way
from isoflop.search.index import Index


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of ranking, measured on a set of questions.

    Attributes:
        way: Its name.
        right: For each question, whether the first passage holds an accepted answer.
        bill: Of all questions together.
    """

    way: Way
    right: tuple[bool, ...]
    bill: Bill

    @property
    def accuracy(self) -> float:
        """Share of the questions that were right."""
        return sum(self.right) / len(self.right)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        found = wilson(sum(self.right), len(self.right))
        return found.low, found.high

    @property
    def bill_per_question(self) -> Bill:
        """The mean bill."""
        return self.bill * (1 / len(self.right))


def questions(file: Path) -> list[Question]:
    """Questions of a file of JSON lines: id, text, answers, and where given cluster and weight.

    Raises:
        UsageError: If the file cannot be read or a line lacks a field; the message says which.
    """
    found = []
    for number, line in enumerate(_lines(file), start=1):
        try:
            row = json.loads(line)
            found.append(
                Question(
                    id=str(row["id"]),
                    text=str(row["text"]),
                    answers=tuple(row["answers"]),
                    cluster=str(row.get("cluster") or ""),
                    weight=float(row.get("weight", 1.0)),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{file}, line {number}: {error!r}; expected id, text, answers."
            ) from error
    return found


def measure(index: Index, asked: Sequence[Question], way: Way) -> Measured:
    """Ask every question that has an answer, and look for it in the first passage."""
    right, bills = [], []
    for question in asked:
        found = index.find(question.text, by=way)
        right.append(contains((h.passage.text for h in found.hits[:1]), question.answers))
        bills.append(found.bill)
    return Measured(way, tuple(right), total(bills))


def contains(texts: Iterable[str], answers: Sequence[str]) -> bool:
    """Whether an accepted answer occurs in one of the texts, whatever its case and spacing."""
    folded = [_folded(text) for text in texts]
    return any(_folded(answer) in text for answer in answers for text in folded)


def cheapest_not_worse(ways: Sequence[Measured], level: float = 0.05) -> Measured:
    """The way with the fewest seconds that is not significantly worse than the most accurate.

    Worse means fewer right answers and an exact McNemar p-value below `level`, divided by the
    number of comparisons (Bonferroni). With few questions little is significant: that a way is
    not significantly worse does not show that it is as good.
    """
    best = max(ways, key=lambda way: way.accuracy)
    threshold = level / max(1, len(ways) - 1)
    good = [way for way in ways if mcnemar(best.right, way.right) >= threshold]
    return min(good, key=lambda way: (way.bill.seconds or 0.0, way.way))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
