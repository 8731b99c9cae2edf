"""The comparison itself: forecast, then prepare and ask, way by way and question by question."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from isoflop.augment.method import Forecast
from isoflop.bill import Bill, total
from isoflop.errors import BudgetReached, IsoflopError, UsageError
from isoflop.measure.comparison.budget import Account, Budget, Currency, figure
from isoflop.measure.comparison.questions import QuestionSet
from isoflop.measure.comparison.racing import Field, Stop
from isoflop.measure.comparison.scoring import Rule, row_of
from isoflop.measure.comparison.ways import Left, Way
from isoflop.questions import Question
from isoflop.run import Row, Run, bill_of

Progress = Callable[[str, int, int], None]
Tell = Callable[[str], None]
FORECAST, REVISED, QUESTIONS = "forecast", "revised", "questions.jsonl"
VERSION = 1


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
        asked: Questions that each way answered.
        doubts: By model, what in a server's own counts cannot be right; bills follow them.
        ended: Why the whole run ended early; empty if it did not.
    """

    settings: dict[str, Row] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stops: dict[str, Row] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    ended: str = ""


def forecasts_of(
    plan: Plan, run: Run, key: str = FORECAST, *, anew: bool = False
) -> dict[str, Row]:
    """What each way was forecast to take; kept with the run once anything was paid for.

    Args:
        plan: What is compared.
        run: Where it is kept.
        key: `FORECAST`, before anything is spent; `REVISED`, when every way is prepared and has
            chosen its settings.
        anew: Whether to make it again where nothing was paid for yet: prices may have been set
            since, or ways added.
    """
    held = run.rows.get(key)
    paid = any(name.startswith(("prepare/", "answer/")) for name in run.rows)
    known = held is not None and held["ways"].keys() >= {way.name for way in plan.ways}
    if held is None or not known or (anew and not paid):
        found = {way.name: _plain(way.does.forecast(plan.measured)) for way in plan.ways}
        held = {"key": key, "ways": found, "bill": Bill().as_dict()}
        run.add(held)
    ways: dict[str, Row] = held["ways"]
    return ways


def _plain(forecast: Forecast) -> Row:
    return {
        "once": forecast.once.as_dict(),
        "each": forecast.each.as_dict(),
        "before": forecast.before.as_dict(),
        "notes": list(forecast.notes),
    }


def expected(forecast: Row, questions: float, end: str = "middle") -> Bill:
    """A forecast for so many questions, from its plain form."""
    once, each = (bill_of({"bill": forecast[part][end]}) for part in ("once", "each"))
    return once + each * questions


def refuse_over_budget(plan: Plan, found: Mapping[str, Row]) -> None:
    """Start nothing that the forecast says the budget does not pay.

    Raises:
        BudgetReached: If the whole would take more; the message says what it does pay for.
        UsageError: If a way's price is not known in this currency.
    """
    budget = plan.budget
    if budget is None:
        return
    for way in plan.ways:
        if figure(expected(found[way.name], 1), budget.currency) is None:
            raise UsageError(
                f"{way.name}: what it takes in {budget.currency} is not known, so a budget of "
                f"{budget} cannot be kept. {_priced(way, budget)}ive the budget in another "
                "currency, or leave this way out."
            )
    count = len(plan.measured)
    whole = _sum(plan, found, count)
    if whole <= budget.amount:
        return
    once = _sum(plan, found, 0)
    paid = int((budget.amount - once) / max(1e-300, (whole - once) / max(1, count)))
    advice = (
        f"It pays for {paid:,} questions of {count:,}: add --most {paid}"
        if paid >= 1
        else "It does not pay for what these ways take once: leave some out with --methods"
    )
    raise BudgetReached(
        f"The forecast is {whole:,.4g} {budget.currency}, the budget {budget}: nothing was "
        f"started. {advice}, or raise --budget."
    )


def _priced(way: Way, budget: Budget) -> str:
    """How to make a price known, before other advice."""
    if budget.currency != "dollars":
        return "G"
    answerer = getattr(way.does, "answerer", None)
    if way.model.startswith("openai:") and getattr(answerer, "price", None) is None:
        return "Add the model's price to prices.toml, g"
    return "Set dollars_per_hour, the price of this machine, which searches or answers here, g"


def _sum(plan: Plan, found: Mapping[str, Row], questions: float) -> float:
    bills = (expected(found[way.name], questions) for way in plan.ways)
    return sum(figure(bill, plan.budget.currency) or 0.0 for bill in bills if plan.budget)


def carry_out(plan: Plan, run: Run, *, progress: Progress, tell: Tell) -> Outcome:
    """Prepare every way, then ask question after question of those still running.

    Everything is paid through one account; what the run holds already is not paid again.

    Args:
        plan: What to do.
        run: Where every answer and bill is kept.
        progress: Told the stage, what is done and what there is to do.
        tell: Told in a line who stops and who failed.
    """
    _keep_questions(plan, run.folder)
    found = forecasts_of(plan, run)
    refuse_over_budget(plan, found)
    account, outcome = Account(run, plan.budget), Outcome()
    costs = {
        way.name: _cost(found[way.name], plan)
        for way in plan.ways
    }  # fmt: skip
    scored = sum(q.id not in plan.asked.unscored for q in plan.measured)
    field_ = Field(
        costs, max(1, scored), plan.rule.bound, racing=plan.race and scored > 0 and _equal(plan),
        floor=_floor(plan),
    )  # fmt: skip
    try:
        for done, way in enumerate(plan.ways):
            progress("preparing", done, len(plan.ways))
            _prepare(way, account, outcome, field_, progress, tell)
        forecasts_of(plan, run, REVISED)
        _Asking(plan, account, outcome, field_, progress, tell).through()
    except BudgetReached as reached:
        outcome.ended = str(reached)
    outcome.stops = {name: asdict(stop) for name, stop in field_.stops.items()}
    for way in plan.ways:
        keys = (answer_key(way.name, q.id) for q in plan.measured)
        outcome.asked[way.name] = sum(key in run.rows for key in keys)
        doubts = _doubts(way)
        if doubts:
            outcome.doubts[way.model] = doubts
    return outcome


def _doubts(way: Way) -> list[str]:
    """What the way's endpoint has noticed, if it has one."""
    endpoint = getattr(getattr(way.does, "answerer", None), "model", None)
    return list(getattr(endpoint, "doubts", ()))


def _cost(forecast: Row, plan: Plan) -> float | None:
    """Of one question, with its part of what is paid once."""
    before = bill_of({"bill": forecast["before"]})
    whole = figure(before + expected(forecast, plan.horizon), plan.axis)
    return None if whole is None else whole / plan.horizon


def _equal(plan: Plan) -> bool:
    """Whether all questions count the same; the race knows no weights, so else nobody stops."""
    return len({question.weight for question in plan.measured}) <= 1


def _floor(plan: Plan) -> float:
    """What never to answer would score."""
    scored = [q for q in plan.measured if q.id not in plan.asked.unscored]
    return sum(not q.answers for q in scored) / len(scored) if scored else 0.0


def answer_key(way: str, question: str) -> str:
    """Under which an answer is kept."""
    return f"answer/{way}/{question}"


def _prepare(
    way: Way, account: Account, outcome: Outcome, among: Field, progress: Progress, tell: Tell
) -> None:
    def pay(key: str, worst: Bill, call: Callable[[], tuple[Row, Bill]]) -> Row:
        return account.pay(f"prepare/{way.name}/{key}", worst, call)

    try:
        outcome.settings[way.name] = dict(way.does.prepare(pay, progress))
    except BudgetReached:
        raise
    except Exception as error:  # noqa: BLE001 - whatever fails in one way, the others go on
        _fail(way.name, error, outcome, among, tell)


def _fail(name: str, error: Exception, outcome: Outcome, among: Field, tell: Tell) -> None:
    kind = "" if isinstance(error, IsoflopError) else f"{type(error).__name__}: "
    outcome.failed[name] = f"{kind}{error}"
    among.fail(name)
    tell(f"{name} failed and is left out from here on: {kind}{error}")


@dataclass(slots=True)
class _Asking:
    """Questions in blocks: within a block a served model answers several at the same time."""

    plan: Plan
    account: Account
    outcome: Outcome
    among: Field
    progress: Progress
    tell: Tell
    _sums: dict[str, tuple[float | None, int]] = field(default_factory=dict)
    _prepared: dict[str, float | None] = field(default_factory=dict)

    def through(self) -> None:
        by_name = {way.name: way for way in self.plan.ways}
        questions = self.plan.measured
        size = max((way.at_once for way in self.plan.ways), default=1)
        for at in range(0, len(questions), size):
            running = [by_name[name] for name in self.among.running]
            if not running:
                return
            block = questions[at : at + size]
            self._ask(running, block)
            for question in block:
                self._score(question)
            self.progress("asking", min(at + size, len(questions)), len(questions))

    def _ask(self, ways: Sequence[Way], block: Sequence[Question]) -> None:
        """Every question of a block by every way; served models beside the others."""
        served = [way for way in ways if way.at_once > 1]
        local = [way for way in ways if way.at_once == 1]
        with ExitStack() as stack:
            pools = {
                way.name: stack.enter_context(ThreadPoolExecutor(way.at_once)) for way in served
            }
            pending = [
                (way, pools[way.name].submit(self._answer, way, question))
                for question in block
                for way in served
            ]
            self._locally(local, block)
            reached: BudgetReached | None = None
            for way, future in pending:
                error = future.exception()
                if isinstance(error, BudgetReached):
                    reached = error
                elif isinstance(error, Exception):
                    if way.name not in self.outcome.failed:
                        _fail(way.name, error, self.outcome, self.among, self.tell)
                elif error is not None:
                    raise error
            if reached is not None:
                raise reached

    def _locally(self, ways: Sequence[Way], block: Sequence[Question]) -> None:
        for question in block:
            for way in ways:
                if way.name in self.outcome.failed:
                    continue
                try:
                    self._answer(way, question)
                except BudgetReached:
                    raise
                except Exception as error:  # noqa: BLE001 - the other ways go on
                    _fail(way.name, error, self.outcome, self.among, self.tell)

    def _answer(self, way: Way, question: Question) -> Row:
        key = answer_key(way.name, question.id)
        if (held := self.account.run.rows.get(key)) is not None:
            return held
        return self.account.pay(key, way.does.worst(question), partial(self._called, way, question))

    def _called(self, way: Way, question: Question) -> tuple[Row, Bill]:
        answer = way.does.answer(question)
        scored = question.id not in self.plan.asked.unscored
        return {"way": way.name, **row_of(answer, question, scored=scored)}, answer.bill

    def _score(self, question: Question) -> None:
        if question.id in self.plan.asked.unscored or not self.among.running:
            return
        rows = {
            name: self.account.run.rows[answer_key(name, question.id)]
            for name in self.among.running
        }
        for name, row in rows.items():
            self._count(name, row)
        scores = {name: self.plan.rule.score(row) for name, row in rows.items()}
        for stop in self.among.update(scores, {name: self._cost(name) for name in self._sums}):
            self.tell(_told(stop))
        if self.among.advice:
            self.tell(
                f"The race is over after question {self._sums[self.among.advice][1]:,}: what is "
                f"left would hardly change that {self.among.advice} is advised."
            )

    def _count(self, name: str, row: Row) -> None:
        taken, (before, questions) = (
            figure(bill_of(row), self.plan.axis),
            self._sums.get(name, (0.0, 0)),
        )
        known = None if taken is None or before is None else before + taken
        self._sums[name] = known, questions + 1

    def _cost(self, name: str) -> float | None:
        """Of a question, as measured so far, with its part of what was paid once."""
        answered, questions = self._sums[name]
        once = self._once(name)
        if answered is None or once is None:
            return None
        return once / self.plan.horizon + answered / questions

    def _once(self, name: str) -> float | None:
        if name not in self._prepared:
            before = bill_of({"bill": self.account.run.rows[FORECAST]["ways"][name]["before"]})
            whole = before + prepared_bill(self.account.run.rows, name)
            self._prepared[name] = figure(whole, self.plan.axis)
        return self._prepared[name]


def _told(stop: Stop) -> str:
    """In a line."""
    if stop.why == "settled":
        return (
            f"{stop.name} stops after {stop.questions} questions: those left would hardly make it "
            f"matter to the advice ({stop.rival} leads it by {stop.difference:+.0%})"
        )
    return (
        f"{stop.name} stops after {stop.questions} questions: {stop.rival} is better by "
        f"{stop.difference:.0%} at no higher cost (e-value {stop.e_value:.0f})"
    )


def _keep_questions(plan: Plan, folder: Path) -> None:
    """The questions beside their answers, so that a run can be shown without their file."""
    path = folder / QUESTIONS
    if path.exists():
        return
    lines = [
        json.dumps({**asdict(q), "scored": q.id not in plan.asked.unscored}, ensure_ascii=False)
        for q in plan.measured
    ]
    half = path.with_suffix(".part")
    half.write_text("".join(line + "\n" for line in lines), "utf-8")
    half.replace(path)


def digest(questions: Sequence[Question]) -> str:
    """Tells sets of questions apart."""
    found = hashlib.blake2b(digest_size=16)
    for question in questions:
        parts = (question.id, question.text, question.cluster, str(question.weight))
        found.update("\0".join((*parts, *question.answers, "\n")).encode())
    return found.hexdigest()


def prepared_bill(rows: Mapping[str, Row], way: str) -> Bill:
    """What a way's preparing took."""
    prefix = f"prepare/{way}/"
    return total(bill_of(row) for key, row in rows.items() if key.startswith(prefix))
