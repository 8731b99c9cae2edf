"""How right an answer is, by several rules at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from isoflop.augment.citations import NOT_ANSWERED
from isoflop.errors import UsageError, did_you_mean
from isoflop.measure.exams import spans
from isoflop.questions import Answer, Question
from isoflop.run import Row

Metric = Literal["contains", "exact", "f1", "cited"]
METRICS: tuple[Metric, ...] = ("contains", "exact", "f1", "cited")


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts as right, and what a wrong answer costs.

    Attributes:
        metric: "contains" (an accepted answer stands in the answer, word for word), "exact" (the
            answer is one, as SQuAD compares), "f1" (overlap of words), "cited" (an accepted answer
            stands in a quote that is supported).
        wrong: What a wrong answer loses, where a right one gains 1 and none 0: with 1, an answer
            is worth giving when it is right in more than half of the cases.
    """

    metric: Metric = "contains"
    wrong: float = 0.0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            hint = did_you_mean(self.metric, METRICS)
            raise UsageError(f"No metric {self.metric!r}: {', '.join(METRICS)}.{hint}")
        if not 0 <= self.wrong < float("inf"):
            raise UsageError(f"A wrong answer costs {self.wrong}: it must be 0 or more.")

    @property
    def bound(self) -> float:
        """Two scores are never farther apart."""
        return 1.0 + self.wrong

    def score(self, row: Row) -> float:
        """Of an answer that was recorded with its figures."""
        return self.value(row["right"], abstained=row["abstained"])

    def value(self, right: Mapping[str, float], *, abstained: bool) -> float:
        """Of figures by every metric: what is right gains, and what is wrong loses."""
        gained = right[self.metric]
        return gained if abstained else gained - self.wrong * (1 - gained)


def row_of(answer: Answer, question: Question, *, scored: bool) -> Row:
    """An answer as it is recorded, with every figure that a report needs of it."""
    return {
        "question": question.id,
        "text": "" if answer.abstained else answer.text,
        "abstained": answer.abstained,
        "supported": supported(answer),
        "citations": [
            {"document": c.passage.document, "start": c.start, "stop": c.stop, "quote": c.quote,
             "supported": c.supported}
            for c in answer.citations
        ],
        "right": figures(answer, question.answers) if scored else None,
        **({"refused": answer.refused} if answer.refused else {}),
    }  # fmt: skip


def figures(answer: Answer, accepted: Sequence[str]) -> dict[str, float]:
    """By every metric; a question without accepted answers is right when nothing is answered."""
    if not accepted:
        return dict.fromkeys(METRICS, float(answer.abstained))
    if answer.abstained:
        return dict.fromkeys(METRICS, 0.0)
    quotes = [c.quote for c in answer.citations if c.supported]
    return {
        "contains": float(_contains(answer.text, accepted)),
        "exact": spans.exact_match(answer.text, accepted),
        "f1": spans.f1(answer.text, accepted),
        "cited": float(any(_contains(quote, accepted) for quote in quotes)),
    }


def supported(answer: Answer) -> bool | None:
    """Whether everything that was answered stands where it is said to; None of no answer."""
    if answer.abstained or answer.text == NOT_ANSWERED:
        return None
    return bool(answer.citations) and all(citation.supported for citation in answer.citations)


def _contains(text: str, accepted: Sequence[str]) -> bool:
    said = spans.words(text)
    return any(_within(spans.words(answer), said) for answer in accepted)


def _within(part: list[str], whole: list[str]) -> bool:
    if not part:
        return False
    places = range(len(whole) - len(part) + 1)
    return any(whole[at : at + len(part)] == part for at in places)
