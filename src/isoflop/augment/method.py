"""Method: a way of answering questions from documents with a model, and what it costs.

A method forecasts before anything is spent, prepares once, and answers question by question. All
that costs something passes through `Pay`, so that a budget holds and nothing is paid for twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from isoflop import plugins
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.errors import UsageError, did_you_mean
from isoflop.questions import Answer, Question

if TYPE_CHECKING:
    from isoflop.augment.answerer import Answerer
    from isoflop.search.index import Index

METHODS = {
    "closed-book": "isoflop.augment.methods.closed_book:ClosedBook",
    "long-context": "isoflop.augment.methods.long_context:LongContext",
    "structured-prompting": "isoflop.augment.methods.groups:StructuredPrompting",
    "parallel-windows": "isoflop.augment.methods.groups:ParallelWindows",
    "retrieval": "isoflop.augment.methods.retrieval:Retrieval",
    "lora": "isoflop.augment.methods.finetuned:Lora",
    "fine-tuning": "isoflop.augment.methods.finetuned:FineTuning",
    "retrieval-fine-tuning": "isoflop.augment.methods.finetuned:RetrievalFineTuning",
    "exhaustive": "isoflop.augment.methods.exhaustive:Exhaustive",
}
Row = dict[str, Any]


class CannotUse(UsageError):
    """This method and this model do not go together; the others go on."""


@dataclass(frozen=True, slots=True)
class Range:
    """A bill that is not known yet.

    Attributes:
        low: As little as is likely.
        middle: As likely too high as too low.
        high: As much as is likely.
    """

    low: Bill
    middle: Bill
    high: Bill

    @classmethod
    def exact(cls, bill: Bill) -> "Range":
        """One that is only arithmetic on what is known."""
        return cls(bill, bill, bill)

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def __mul__(self, times: float) -> "Range":
        return Range(self.low * times, self.middle * times, self.high * times)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"low": self.low.as_dict(), "middle": self.middle.as_dict(),
                "high": self.high.as_dict()}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a method will take.

    Attributes:
        once: Before the first question: reading, tuning.
        each: For a question, the mean over those that were forecast.
        before: What was spent already and is part of what the method takes once: the index.
        notes: What a user should know, such as how much of the corpus fits.
    """

    once: Range
    each: Range
    before: Bill = field(default_factory=Bill)
    notes: tuple[str, ...] = ()


class Pay(Protocol):
    """Does what costs something, once, within the budget."""

    def __call__(self, key: str, worst: Bill, call: Callable[[], tuple[Row, Bill]]) -> Row:
        """What `call` gives; what it gave before, if this key was paid for already.

        Args:
            key: What is paid for; unique within a method and a run.
            worst: The most it can take: it is set aside before the call.
            call: Returns what is to be kept, as JSON can hold it, and the bill.

        Raises:
            BudgetReached: If the worst case does not fit into the budget; nothing was called.
        """


@dataclass(frozen=True, slots=True)
class Material:
    """What methods work with.

    Attributes:
        index: Of the documents, up to date.
        indexing: What making the index took, or None if it is not known any more.
        passages: All of it, document by document.
        tuning: Questions with answers that a method may choose settings by or learn from; they
            are not among those that are measured.
        score: Of an answer, as it will be measured: 1 where it is right, 0 where none is given,
            and less where a wrong one loses something.
        wrong: What a wrong answer loses.
        made: Makes questions and answers from the documents, to learn from; at most so many.
        folder: Where a method keeps what it prepares; one of its own.
        options: What the user set, such as {"k": 3, "rank": 8, "epochs": 10}.
    """

    index: "Index"
    passages: tuple[Passage, ...]
    folder: Path
    indexing: Bill | None = None
    tuning: tuple[Question, ...] = ()
    score: Callable[[Question, Answer], float] = lambda question, answer: 0.0
    wrong: float = 0.0
    made: Callable[[int], Sequence[Question]] = lambda count: ()
    options: Mapping[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A way of answering; made of an answerer and the material.

    `__init__` raises `CannotUse` if the model cannot do it.
    """

    def __init__(self, answerer: "Answerer", material: Material) -> None: ...

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """What preparing and answering will take; spends nothing."""

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """All that is done once; called again it takes up what was prepared and paid for.

        Returns:
            The settings in effect, for the report.
        """

    def worst(self, question: Question) -> Bill:
        """The most that answering this question can take."""

    def answer(self, question: Question) -> Answer:
        """The answer, with its bill."""


def method_class(name: str) -> Any:
    """The method of that name.

    Raises:
        UsageError: If there is none; the message names the nearest.
    """
    found = plugins.find("method", name, METHODS)
    if found is None:
        known = plugins.names("method", METHODS)
        raise UsageError(
            f"No method called {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}."
        )
    return found
