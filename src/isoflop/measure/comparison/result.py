"""What a comparison found: accuracy with intervals, costs beside forecasts, the frontier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np

from isoflop.bill import Bill, total
from isoflop.measure.comparison.again import WARM_UP, again
from isoflop.measure.comparison.budget import Currency
from isoflop.measure.comparison.plan import (
    FORECAST,
    REVISED,
    Outcome,
    Plan,
    answer_key,
    prepared_bill,
)
from isoflop.measure.comparison.racing import LEVEL, NEAR, calls_saved
from isoflop.measure.comparison.scoring import METRICS
from isoflop.measure.statistics.clustered import mean
from isoflop.measure.statistics.interval import Interval
from isoflop.measure.statistics.paired import difference
from isoflop.measure.statistics.proportions import wilson
from isoflop.questions import Question
from isoflop.run import Row, bill_of

AXES = ("flops", "seconds", "joules", "dollars", "grams_co2e")
THROUGH = ("measured", "unfinished")  # status of a way that was neither beaten nor failed
FEWEST = 2  # questions that an interval can be made of


@dataclass(slots=True)
class Result:
    """What one way did.

    Attributes:
        name: Of the way; `method` and `model` are its parts.
        method: Its method.
        model: Its model.
        status: "measured", "stopped" (by the race), "failed", or "unfinished" (the budget ended).
        reason: Why, where it is not measured.
        settings: Chosen by the method.
        notes: Said by its forecast, and what its server's counts leave in doubt.
        questions: How many it answered.
        accuracy: By the rule, with its interval; None where no answer is known.
        figures: Means of every metric.
        floor: What never to answer would score on the same questions.
        abstained: Share of questions it did not answer.
        supported: Share of its answers that stand where they are said to; None if it gave none.
        forecast: Bills before, once and for each question, as they were forecast; "revised" is
            the last again, when settings had been chosen, and "again" once more, after the first
            five answers; None where there were fewer.
        measured: The same as measured.
        ratio: Measured over revised forecast of a question, by figure; "seconds_after_warm_up" and
            "joules_after_warm_up" are later questions over the forecast after the first five.
        cost: Of a question with its part of what is paid once, by figure.
        behind: The best way's accuracy less its own, paired; None for the best.
        frontier: Figures on whose frontier it is.
    """

    name: str
    method: str
    model: str
    status: str
    reason: str = ""
    settings: Row = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    questions: int = 0
    accuracy: Interval | None = None
    figures: dict[str, float] = field(default_factory=dict)
    floor: float = 0.0
    abstained: float | None = None
    supported: float | None = None
    forecast: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Bill] = field(default_factory=dict)
    ratio: dict[str, float | None] = field(default_factory=dict)
    cost: dict[str, float | None] = field(default_factory=dict)
    behind: Interval | None = None
    frontier: list[str] = field(default_factory=list)

    def as_dict(self) -> Row:
        """For JSON."""
        plain = {
            name: getattr(self, name)
            for name in self.__slots__
            if name not in ("accuracy", "behind", "measured")
        }
        return {
            **plain,
            "accuracy": self.accuracy and self.accuracy.as_dict(),
            "behind": self.behind and self.behind.as_dict(),
            "measured": {part: bill.as_dict() for part, bill in self.measured.items()},
        }


def results(plan: Plan, rows: Mapping[str, Row], outcome: Outcome) -> list[Result]:
    """Every way's result, in the order of the plan."""
    forecasts: Mapping[str, Row] = rows[FORECAST]["ways"]
    revised: Mapping[str, Row] = rows.get(REVISED, rows[FORECAST])["ways"]
    found = [
        _result(
            plan,
            rows,
            outcome,
            {**forecasts[way.name], "revised": revised[way.name]["each"]},
            way.name,
        )
        for way in plan.ways
    ]
    for result, way in zip(found, plan.ways, strict=True):
        result.method, result.model = way.method, way.model
        result.notes += outcome.doubts.get(way.model, [])
    _compare(plan, rows, found)
    for axis in AXES:
        for result in frontier(found, axis):
            result.frontier.append(axis)
    return found


def _answered(plan: Plan, rows: Mapping[str, Row], way: str) -> list[tuple[Question, Row]]:
    pairs = ((q, rows.get(answer_key(way, q.id))) for q in plan.measured)
    return [(q, row) for q, row in pairs if row is not None]


def _result(
    plan: Plan, rows: Mapping[str, Row], outcome: Outcome, forecast: Row, name: str
) -> Result:
    answered = _answered(plan, rows, name)
    result = Result(name, "", "", *_status(plan, outcome, name, len(answered)))
    result.settings = outcome.settings.get(name, {})
    result.notes = list(forecast["notes"])
    result.questions = len(answered)
    result.forecast = {part: forecast[part] for part in ("before", "once", "each", "revised")}
    result.forecast["again"] = None
    bills = [bill_of(row) for _, row in answered]
    each = total(bills) * (1 / len(bills)) if bills else Bill.from_dict(forecast["each"]["middle"])
    result.measured = {
        "before": Bill.from_dict(forecast["before"]),
        "once": prepared_bill(rows, name),
        "each": each,
    }
    result.cost = {axis: _cost(result.measured, axis, plan.horizon) for axis in AXES}
    if not bills:
        return result
    revised = Bill.from_dict(forecast["revised"]["middle"])
    result.ratio = _ratios(each, revised)
    if len(bills) >= WARM_UP:
        expected = again(bills[:WARM_UP], revised)
        result.forecast["again"] = expected.as_dict()
        result.ratio |= _later_ratios(bills[WARM_UP:], expected)
    refused = [row["refused"] for _, row in answered if row.get("refused")]
    if refused:
        result.notes.append(
            f"{len(refused)} of {len(answered)} questions count as not answered: {refused[0]}"
        )
    result.abstained = fmean(row["abstained"] for _, row in answered)
    said = [row["supported"] for _, row in answered if row["supported"] is not None]
    result.supported = fmean(said) if said else None
    scored = [(q, row) for q, row in answered if row["right"] is not None]
    if scored:
        result.figures = {m: fmean(row["right"][m] for _, row in scored) for m in METRICS}
        result.accuracy = _mean(plan, scored)
        result.floor = fmean(not q.answers for q, _ in scored)
    return result


def _status(plan: Plan, outcome: Outcome, name: str, answered: int) -> tuple[str, str]:
    if name in outcome.failed:
        return "failed", outcome.failed[name]
    if name in outcome.stops:
        stop = outcome.stops[name]
        if stop["why"] == "settled":
            return "stopped", (
                f"after {stop['questions']} questions those left would hardly have made it matter: "
                f"{stop['rival']} was ahead by {stop['difference']:+.0%}"
            )
        return "stopped", (
            f"{stop['rival']} was better by {stop['difference']:.0%} after "
            f"{stop['questions']} questions"
        )
    if answered < len(plan.measured) and outcome.ended:
        return "unfinished", outcome.ended
    return "measured", ""


def clusters(named: Sequence[str]) -> list[str] | None:
    """What each of these questions shares with others; None where none do, or all do."""
    return list(named) if 1 < len(set(named)) < len(named) else None


def _mean(plan: Plan, scored: Sequence[tuple[Question, Row]]) -> Interval | None:
    values = [plan.rule.score(row) for _, row in scored]
    shared, uneven = _design([q for q, _ in scored])
    if shared is None and uneven is None and set(values) <= {0.0, 1.0}:
        return wilson(sum(values), len(values))
    if len(values) < FEWEST:
        return None
    found = mean(values, clusters=shared, weights=uneven).interval
    return _within(found, 0.0 - plan.rule.wrong, 1.0)


def _within(found: Interval, least: float, most: float) -> Interval:
    """Without what no score can be; it covers the truth no less often."""
    return replace(found, low=max(least, found.low), high=min(most, found.high))


def weights(given: Sequence[float]) -> list[float] | None:
    """Shares in a weighted mean; None where all count the same."""
    return list(given) if len(set(given)) > 1 else None


def _design(asked: Sequence[Question]) -> tuple[list[str] | None, list[float] | None]:
    """Clusters and weights of questions."""
    return clusters([q.cluster or q.id for q in asked]), weights([q.weight for q in asked])


def _ratios(each: Bill, forecast: Bill) -> dict[str, float | None]:
    """Measured over forecast."""
    found: dict[str, float | None] = {}
    for axis in ("flops", "seconds", "joules", "dollars", "prompt_tokens", "output_tokens"):
        said, was = getattr(forecast, axis), getattr(each, axis)
        found[axis] = was / said if said and was is not None else None
    return found


def _later_ratios(later: Sequence[Bill], forecast: Bill) -> dict[str, float | None]:
    """Of time, of the questions after the first, over what these let expect."""
    if not later:
        return {}
    each = total(later) * (1 / len(later))
    found = _ratios(each, forecast)
    return {f"{axis}_after_warm_up": found[axis] for axis in ("seconds", "joules")}


def _cost(measured: Mapping[str, Bill], axis: str, horizon: float) -> float | None:
    whole = (measured["before"] + measured["once"]) * (1 / horizon) + measured["each"]
    value: float | None = getattr(whole, axis)
    return value


def scores(plan: Plan, rows: Mapping[str, Row], way: str) -> dict[str, float]:
    """Of each scored question that a way answered, by its id."""
    return {
        q.id: plan.rule.score(row)
        for q, row in _answered(plan, rows, way)
        if row["right"] is not None
    }


def _compare(plan: Plan, rows: Mapping[str, Row], found: Sequence[Result]) -> None:
    """How far each is behind the best, on the questions both answered."""
    best = best_of(found)
    if best is None:
        return
    by_id = {q.id: q for q in plan.measured}
    ahead = scores(plan, rows, best.name)
    others = [r for r in found if r is not best and r.accuracy is not None]
    confidence = 1 - LEVEL / max(1, len(others))
    for result in others:
        mine = scores(plan, rows, result.name)
        both = [id for id in ahead if id in mine]
        if len(both) < FEWEST:
            continue
        shared, uneven = _design([by_id[id] for id in both])
        gap = difference(
            np.array([ahead[id] for id in both]),
            np.array([mine[id] for id in both]),
            clusters=shared,
            weights=uneven,
            confidence=confidence,
        )
        result.behind = _within(gap, -plan.rule.bound, plan.rule.bound)


def best_of(found: Sequence[Result]) -> Result | None:
    """The most accurate of those that went through; of equals the first."""
    through = [r for r in found if r.accuracy is not None and r.status in THROUGH]
    return max(through, key=lambda r: r.accuracy.value if r.accuracy else 0.0, default=None)


def frontier(found: Sequence[Result], axis: str) -> list[Result]:
    """Those that no other beats in accuracy and in cost, cheapest first."""
    usable = [
        r for r in found
        if r.accuracy is not None and r.cost.get(axis) is not None and r.status != "failed"
    ]  # fmt: skip
    best: list[Result] = []
    for result in sorted(usable, key=lambda r: (r.cost[axis], -_value(r))):
        if not best or _value(result) > _value(best[-1]):
            best.append(result)
    return best


def _value(result: Result) -> float:
    return result.accuracy.value if result.accuracy else 0.0


def not_worse(found: Sequence[Result]) -> list[Result]:
    """The best, and those that went through, are near it, answer, and are not shown to be worse.

    Nearness is asked for because few questions show nothing: of forty, a way may be wrong on six
    more than the best by chance alone.
    """
    best = best_of(found)
    return [
        r for r in found
        if r is best
        or (
            r.status in THROUGH
            and r.behind is not None
            and r.behind.low <= 0
            and r.behind.value <= NEAR
            and _value(r) > r.floor
        )
    ]  # fmt: skip


def recommended(found: Sequence[Result], axis: Currency) -> Result | None:
    """The cheapest of those that are not significantly worse than the best.

    Where its cost is not known on this axis, a way is taken only if no other is known. None where
    even the best is no better than never to answer.
    """
    best = best_of(found)
    if best is None or _value(best) <= best.floor:
        return None

    def price(result: Result) -> tuple[bool, float]:
        value = result.cost.get(axis)
        return value is None, value or 0.0

    return min(not_worse(found), key=price, default=None)


def break_evens(found: Sequence[Result], axes: Sequence[str] = AXES) -> list[Row]:
    """Questions after which the totals of two ways are equal, of every pair whose totals cross.

    Ways without an accuracy are left out.
    """
    pairs = []
    some = [r for r in found if r.accuracy is not None]
    for axis in axes:
        for one, other in combinations(some, 2):
            first, second = (r.measured["before"] + r.measured["once"] for r in (one, other))
            once = _minus(getattr(first, axis), getattr(second, axis))
            each = _minus(
                getattr(other.measured["each"], axis), getattr(one.measured["each"], axis)
            )
            if not once or not each or once / each <= 0:
                continue
            dear, cheap = (one, other) if once > 0 else (other, one)
            pairs.append({"figure": axis, "overtaking": dear.name, "overtaken": cheap.name,
                          "questions": once / each})  # fmt: skip
    return pairs


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def saved(plan: Plan, outcome: Outcome) -> float:
    """Share of the calls of the full grid that racing did not make."""
    names = [way.name for way in plan.ways if way.name not in outcome.failed]
    return calls_saved(outcome.asked, len(plan.measured), names)
