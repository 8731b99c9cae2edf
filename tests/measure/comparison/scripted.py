"""Ways of answering whose answers and bills are written down beforehand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from isoflop.augment.method import Forecast, Pay, Range, Row
from isoflop.bill import Bill, total
from isoflop.measure.comparison.budget import Budget, Currency
from isoflop.measure.comparison.plan import Outcome, Plan
from isoflop.measure.comparison.questions import QuestionSet
from isoflop.measure.comparison.running import carry_out
from isoflop.measure.comparison.ways import Way
from isoflop.questions import Answer, Question
from isoflop.run import Run, opened

SEEN = {  # what a report says of where it was made
    "date": "2026-11-29", "documents": ["notes"], "passages": 12, "models": ["scripted"],
    "machine": {"name": "none", "count": 1, "grid": None, "watts": 10.0},
}  # fmt: skip
MEMORY = Path("/dev/shm")  # a disk takes milliseconds for every line


@dataclass
class Scripted:
    """A method and its model.

    Attributes:
        texts: Its answer to each question, by id; None for none.
        lengths: Tokens of each answer.
        most: Tokens it may write.
        prompt: Tokens it reads for each question.
        price: Of a token read and of one written, by figure.
        guess: Tokens per answer as it forecasts them.
        once: Tokens read when it prepares.
        before: Called before each answer is given, with the question's id.
        spent: Bills of everything it ever did, whoever recorded them.
    """

    texts: Mapping[str, str | None]
    lengths: Mapping[str, int]
    most: int = 10
    prompt: int = 5
    price: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"flops": (1.0, 2.0)})
    guess: float = 5.0
    once: int = 0
    before: Callable[[str], None] = lambda id: None
    spent: list[Bill] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def bill(self, prompt: float, written: float, basis: str = "measured") -> Bill:
        """Of so many tokens."""
        costs = {
            name: read * prompt + write * written for name, (read, write) in self.price.items()
        }
        unknown = dict.fromkeys(("flops", "seconds", "joules", "dollars"))
        return Bill.of(
            "forecast" if basis == "forecast" else "measured",
            prompt_tokens=prompt, output_tokens=written, grams_co2e=None, **{**unknown, **costs},
        )  # fmt: skip

    def forecast(self, questions: Sequence[Question]) -> Forecast:
        """As it guesses."""
        low, middle, high = (
            self.bill(self.prompt, tokens, "forecast") for tokens in (1, self.guess, self.most)
        )
        return Forecast(Range.exact(self.bill(self.once, 0)), Range(low, middle, high))

    def prepare(self, pay: Pay, progress: Callable[[str, int, int], None]) -> Row:
        """Reads once."""
        if self.once:
            pay("read", self.bill(self.once, 0), self._read)
        return {}

    def _read(self) -> tuple[Row, Bill]:
        bill = self.bill(self.once, 0)
        self._spend(bill)
        self.before("prepare")
        return {}, bill

    def worst(self, question: Question) -> Bill:
        """As long as may be."""
        return self.bill(self.prompt, self.most, "forecast")

    def answer(self, question: Question) -> Answer:
        """As written down. What is spent is spent even if the answer never arrives."""
        bill = self.bill(self.prompt, self.lengths.get(question.id, 1))
        self._spend(bill)
        self.before(question.id)
        text = self.texts.get(question.id)
        return Answer(text or "", (), (), abstained=text is None, bill=bill)

    def _spend(self, bill: Bill) -> None:
        with self._lock:
            self.spent.append(bill)

    def taken(self, currency: Currency) -> float:
        """Of everything it ever did."""
        value: float = getattr(total(self.spent), currency)
        return value


def plan_of(
    methods: Mapping[str, Scripted],
    questions: Sequence[Question],
    budget: Budget | None = None,
    *,
    at_once: int = 1,
    model: str = "scripted",
    **rest: object,
) -> Plan:
    """A plan of these ways on these questions."""
    ways = tuple(
        Way(f"{name} {model}", name, model, does, at_once)
        for name, does in methods.items()
    )  # fmt: skip
    asked = QuestionSet("scripted", tuple(questions))
    return Plan(asked, tuple(questions), ways, (), budget=budget, **rest)  # type: ignore[arg-type]  # fields of a plan


def numbered(count: int) -> tuple[Question, ...]:
    """Questions whose answer is yes."""
    return tuple(Question(f"q{n}", f"question {n}?", (), ("yes",)) for n in range(count))


def carried(plan: Plan, run: Run) -> Outcome:
    """The whole of it, in silence."""
    return carry_out(plan, run, progress=lambda *_: None, tell=lambda _: None)


@contextmanager
def folders() -> Iterator[Path]:
    """A folder in memory where there is one."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@contextmanager
def run_in(folder: Path) -> Iterator[Run]:
    """A run, new or taken up again."""
    with opened(folder, {"kind": "comparison"}) as run:
        yield run
