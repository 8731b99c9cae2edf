"""The comparison itself: forecast, then prepare and ask, way by way and question by question."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from isoflop.augment.method import Forecast
from isoflop.bill import Bill
from isoflop.errors import BudgetReached, UsageError
from isoflop.measure.comparison.budget import Account, Budget, figure
from isoflop.measure.comparison.plan import (
    FORECAST,
    QUESTIONS,
    REVISED,
    Outcome,
    Plan,
    Progress,
    Tell,
    answer_key,
)
from isoflop.measure.comparison.racing import Field
from isoflop.measure.comparison.rounds import Rounds, leave_out
from isoflop.measure.comparison.ways import Way
from isoflop.questions import Question
from isoflop.run import Row, Run, write_whole


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
    once, each = (Bill.from_dict(forecast[part][end]) for part in ("once", "each"))
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
                f"{budget} cannot be kept. {_known_by(way, budget)}ive the budget in another "
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


def _known_by(way: Way, budget: Budget) -> str:
    """How to make a price or a count known, before other advice."""
    answerer = getattr(way.does, "answerer", None)
    served = way.model.startswith("openai:")
    if served and budget.currency == "flops" and getattr(answerer, "architecture", None) is None:
        return (
            "Name the model's sizes, --architecture with a name of isoflop catalog architectures "
            "or the path of its config.json, or g"
        )
    if budget.currency != "dollars":
        return "G"
    if served and getattr(answerer, "price", None) is None:
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
    costs = {way.name: _cost(found[way.name], plan) for way in plan.ways}
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
        Rounds(plan, account, outcome, field_, progress, tell).through()
    except BudgetReached as reached:
        outcome.ended = str(reached)
    outcome.stops = {name: asdict(stop) for name, stop in field_.stops.items()}
    for way in plan.ways:
        keys = (answer_key(way.name, q.id) for q in plan.measured)
        outcome.asked[way.name] = sum(key in run.rows for key in keys)
        if way.name == field_.advice and outcome.asked[way.name] < len(plan.measured):
            outcome.over_for = way.name
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
    before = Bill.from_dict(forecast["before"])
    whole = figure(before + expected(forecast, plan.horizon), plan.axis)
    return None if whole is None else whole / plan.horizon


def _equal(plan: Plan) -> bool:
    """Whether all questions count the same; the race knows no weights, so else nobody stops."""
    return len({question.weight for question in plan.measured}) <= 1


def _floor(plan: Plan) -> float:
    """What never to answer would score."""
    scored = [q for q in plan.measured if q.id not in plan.asked.unscored]
    return sum(not q.answers for q in scored) / len(scored) if scored else 0.0


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
        leave_out(way.name, error, outcome, among, tell)


def _keep_questions(plan: Plan, folder: Path) -> None:
    """The questions beside their answers, so that a run can be shown without their file."""
    path = folder / QUESTIONS
    if path.exists():
        return
    lines = [
        json.dumps({**asdict(q), "scored": q.id not in plan.asked.unscored}, ensure_ascii=False)
        for q in plan.measured
    ]
    write_whole(path, "".join(line + "\n" for line in lines))


def digest(questions: Sequence[Question]) -> str:
    """Tells sets of questions apart."""
    found = hashlib.blake2b(digest_size=16)
    for question in questions:
        parts = (question.id, question.text, question.cluster, str(question.weight))
        found.update("\0".join((*parts, *question.answers, "\n")).encode())
    return found.hexdigest()
