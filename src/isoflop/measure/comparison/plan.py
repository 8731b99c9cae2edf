"""What is compared and what came of it, and under which names a run keeps the parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from isoflop.bill import Bill, total
from isoflop.measure.comparison.budget import Budget, Currency
from isoflop.measure.comparison.questions import QuestionSet
from isoflop.measure.comparison.scoring import Rule
from isoflop.measure.comparison.ways import Left, Way
from isoflop.questions import Question
from isoflop.run import Row, bill_of

Progress = Callable[[str, int, int], None]
Tell = Callable[[str], None]
FORECAST, REVISED, QUESTIONS = "forecast", "revised", "questions.jsonl"
VERSION = 2  # of the lines of a run: one of another version is not continued


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared, decided before anything is spent.

    Attributes:
        asked: All questions and what is known of them.
        measured: Those that are measured on, in the order they are asked.
        ways: Methods with models.
        left: What does not go together.
        rule: What counts as right.
        budget: None for no bound.
        axis: The figure by which ways cost more or less in the race and the recommendation.
        horizon: Questions that will be asked in all, over which what is paid once is spread.
        race: Whether beaten ways stop.
    """

    asked: QuestionSet
    measured: tuple[Question, ...]
    ways: tuple[Way, ...]
    left: tuple[Left, ...]
    rule: Rule = field(default_factory=Rule)
    budget: Budget | None = None
    axis: Currency = "flops"
    horizon: float = 1000
    race: bool = True


@dataclass(slots=True)
class Outcome:
    """What happened, beside the lines of the run.

    Attributes:
        settings: Of each way that was prepared.
        failed: Ways that could not go on, and why.
        stops: Ways that were beaten, as `Field` tells it.
        over_for: The way that the race was over for before all questions were asked, as what was
            left would hardly have changed that it is advised; empty if it went on to the end.
        asked: Questions that each way answered.
        doubts: By model, what in a server's own counts cannot be right; bills follow them.
        ended: Why the whole run ended early; empty if it did not.
    """

    settings: dict[str, Row] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stops: dict[str, Row] = field(default_factory=dict)
    over_for: str = ""
    asked: dict[str, int] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    ended: str = ""


def answer_key(way: str, question: str) -> str:
    """Under which an answer is kept."""
    return f"answer/{way}/{question}"


def prepared_bill(rows: Mapping[str, Row], way: str) -> Bill:
    """What a way's preparing took."""
    prefix = f"prepare/{way}/"
    return total(bill_of(row) for key, row in rows.items() if key.startswith(prefix))
