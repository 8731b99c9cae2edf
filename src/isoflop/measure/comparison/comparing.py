"""From what the user asks for to a plan, and from the plan to a report."""

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isoflop import catalog, run
from isoflop.augment.answerer import Told
from isoflop.augment.answerers.served import architecture_of
from isoflop.augment.method import Material
from isoflop.bill import Bill
from isoflop.errors import UsageError, did_you_mean
from isoflop.measure.comparison import questions as asking
from isoflop.measure.comparison import report as reporting
from isoflop.measure.comparison.budget import Budget, Currency, parse
from isoflop.measure.comparison.plan import VERSION, Plan, Progress, Tell
from isoflop.measure.comparison.questions import QuestionSet
from isoflop.measure.comparison.report import Report
from isoflop.measure.comparison.running import carry_out, digest, forecasts_of
from isoflop.measure.comparison.scoring import METRICS, Rule, figures
from isoflop.measure.comparison.trials import Trials
from isoflop.measure.comparison.ways import learnable, ways_of
from isoflop.plan.retrieval import Corpus, assumed_speed, indexing_forecast, saved_speed
from isoflop.questions import Answer, Question
from isoflop.search.index import Index
from isoflop.settings import cache_folder

CURRENCIES: tuple[Currency, ...] = ("flops", "seconds", "joules", "dollars")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks for; see `isoflop.compare`."""

    models: tuple[str, ...]
    methods: tuple[str, ...] = ()
    budget: str | None = None
    metric: str = "contains"
    wrong: float = 0.0
    axis: str | None = None
    horizon: float = 1000
    most: int | None = None
    tuning: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    race: bool = True
    seed: int = 0
    base_url: str | None = None
    at_once: int = 4
    architecture: str | None = None
    context: int | None = None
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("Name at least one model.")
        if not 1 <= self.horizon < float("inf"):
            raise UsageError(
                f"horizon={self.horizon}: what is paid once is for at least 1 question."
            )
        if self.most is not None and self.most < 1:
            raise UsageError(f"most={self.most}: measure on at least one question.")
        if self.told != Told() and len(self.served) != 1:
            raise UsageError(
                "architecture, context and tokenizer are of one model on a server: name one "
                f"openai:NAME among the models, not {len(self.served)}."
            )

    @property
    def served(self) -> list[str]:
        """Models on a server, by the names they have there."""
        names = dict.fromkeys(name for name in self.models if name.startswith("openai:"))
        return [name.partition(":")[2] for name in names]

    @property
    def told(self) -> Told:
        """What is said of the model on a server."""
        return Told(self.architecture, self.context, self.tokenizer)

    @property
    def rule(self) -> Rule:
        """What counts as right."""
        return Rule(_one_of(self.metric, METRICS, "metric"), self.wrong)


def _one_of(name: str, known: Sequence[Any], what: str) -> Any:
    if name not in known:
        raise UsageError(f"No {what} {name!r}: {', '.join(known)}.{did_you_mean(name, known)}")
    return name


def carried_out(
    index: Index,
    questions: Sequence[Question] | str | Path | int,
    wish: Wish,
    folder: Path | None,
    *,
    learned: Sequence[Question],
    indexing: Bill | None,
    from_report: bool,
    begin: Callable[[Any, Mapping[str, Any]], None],
    progress: Progress,
    tell: Tell,
) -> Report:
    """The whole comparison; see `isoflop.compare`."""
    _refuse_nothing(index)
    asked = _asked(index, questions, wish)
    tuning, measured = asking.split(asked, tuning=wish.tuning, most=wish.most, seed=wish.seed)
    if not measured:
        raise UsageError(
            "No question is left to measure on. Lower --tuning or give more questions."
        )
    about = _about(index, asked, tuning, measured, wish, learned)
    into = folder or _usual_folder(about)
    rule, budget = wish.rule, None if wish.budget is None else parse(wish.budget)
    axis = _axis(wish, budget)
    if from_report and (done := _done(into, about, axis, wish)) is not None:
        tell(f"{into} holds this comparison already; this is its report.")
        return done

    passages = tuple(index.passages())
    asked = asking.noted_absent(asked, measured, passages)
    for note in asked.notes:
        tell(note)

    def score(question: Question, answer: Answer) -> float:
        return rule.value(figures(answer, question.answers), abstained=answer.abstained)

    trials = Trials(into, served=budget is not None and budget.currency == "seconds")
    material = Material(
        index, passages, into, indexing or _indexing(index), tuning, score, wish.wrong,
        learnable(passages, learned, measured), wish.options,
    )  # fmt: skip
    ways, left = ways_of(
        wish.models, wish.methods, material, base_url=wish.base_url, at_once=wish.at_once,
        told=wish.told, ready=trials.ready,
    )  # fmt: skip
    if not ways:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in left)
        raise UsageError(f"No method goes with any model ({reasons}). Name others.")
    with run.opened(into, about) as opened:
        trials.keep(opened)
        plan = Plan(
            asked, measured, tuple(ways), tuple(left), rule, budget,
            axis, wish.horizon, wish.race,
        )  # fmt: skip
        begin(plan, forecasts_of(plan, opened, anew=True))
        outcome = carry_out(plan, opened, progress=progress, tell=tell)
        made = reporting.build(plan, opened.rows, outcome, into, _seen(index, wish))
        made.write()
    return made


def _refuse_nothing(index: Index) -> None:
    counts = index.counts()
    if not counts["passages"]:
        raise UsageError(
            f"{index.roots[0]} holds no text to answer from: {counts['files']} files, "
            f"{counts['documents']} of them readable. Name a folder with documents."
        )


def _indexing(index: Index) -> Bill:
    """A forecast of what making the index took, where that was not measured now."""
    shape = getattr(index.encoder, "architecture", None)
    machine = catalog.this_machine()
    speed = saved_speed(cache_folder()) or (assumed_speed(machine, shape) if shape else None)
    if shape is None or speed is None:
        return Bill.forecast(flops=None, seconds=None, joules=None, dollars=None, grams_co2e=None)
    characters = sum(len(passage.text) for passage in index.passages())
    corpus = Corpus(characters, index.counts()["passages"])
    return indexing_forecast(machine, speed, shape, corpus)


def _asked(
    index: Index, questions: Sequence[Question] | str | Path | int, wish: Wish
) -> QuestionSet:
    if isinstance(questions, int):
        return asking.make(tuple(index.passages()), questions, seed=wish.seed)
    if isinstance(questions, str | Path):
        return asking.read(Path(questions))
    asking.refuse_repeated("the questions", questions)
    return QuestionSet("given", tuple(questions))


def _axis(wish: Wish, budget: Budget | None) -> Currency:
    """By which ways cost more or less."""
    if wish.axis is not None:
        axis: Currency = _one_of(wish.axis, CURRENCIES, "axis")
        return axis
    if budget is not None:
        return budget.currency
    known = wish.architecture is not None or all(map(architecture_of, wish.served))
    return "flops" if known else "dollars"


def _done(folder: Path, about: Mapping[str, Any], axis: Currency, wish: Wish) -> Report | None:
    """The report of this same comparison, if it went through to its end; no model is opened."""
    if not (folder / reporting.REPORT).exists():
        return None
    held, report = run.read_about(folder), reporting.read(folder)
    same = all(held.get(name) == value for name, value in json.loads(json.dumps(about)).items())
    asked = (report.values["axis"], report.values["horizon"]) == (axis, wish.horizon)
    return report if same and asked and report.values["complete"] else None


def _about(
    index: Index,
    asked: QuestionSet,
    tuning: Sequence[Question],
    measured: Sequence[Question],
    wish: Wish,
    learned: Sequence[Question],
) -> dict[str, Any]:
    """What makes a run this run: the same call again is answered from it."""
    kept = {
        k: v for k, v in asdict(wish).items() if k not in ("budget", "at_once", "horizon", "axis")
    }
    return {
        "kind": "comparison",
        "version": VERSION,
        "documents": [str(root) for root in index.roots],
        "index": str(index.folder),
        "passages": _digest_of(index),
        "asked": asked.name,
        "questions_hash": digest(measured),
        "tuning_hash": digest(tuning),
        "learned_hash": digest(learned),
        **kept,
    }


def _digest_of(index: Index) -> str:
    """Tells the texts apart that are answered from."""
    found = hashlib.blake2b(digest_size=16)
    for passage in index.passages():
        found.update(f"{passage.id}\0{passage.text}\0".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _seen(index: Index, wish: Wish) -> dict[str, Any]:
    """What a reader of the report should know of where it was made."""
    machine = catalog.this_machine()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "documents": [str(root) for root in index.roots],
        "passages": index.counts()["passages"],
        "models": list(wish.models),
        "machine": {
            "name": machine.accelerator.name, "count": machine.count, "grid": machine.grid,
            "watts": machine.watts,
        },
    }  # fmt: skip


def _usual_folder(about: Mapping[str, Any]) -> Path:
    found = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=6)
    return cache_folder() / "comparisons" / found.hexdigest()
