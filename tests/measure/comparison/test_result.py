"""Accuracy, cost, frontier and advice, worked out by hand from answers that are written down."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoflop.measure.comparison.budget import Budget
from isoflop.measure.comparison.plan import Plan
from isoflop.measure.comparison.result import (
    Result,
    best_of,
    break_evens,
    frontier,
    not_worse,
    recommended,
    results,
    saved,
)
from isoflop.measure.comparison.scoring import Rule
from isoflop.measure.statistics.proportions import wilson
from tests.measure.comparison.reported import answering
from tests.measure.comparison.scripted import Scripted, carried, numbered, plan_of, run_in

HORIZON = 10.0


def found(plan: Plan, folder: Path) -> dict[str, Result]:
    """Results by the method's name."""
    with run_in(folder) as run:
        outcome = carried(plan, run)
        return {each.method: each for each in results(plan, run.rows, outcome)}


def measured(
    methods: Mapping[str, Scripted], folder: Path, count: int = 40, **rest: Any
) -> dict[str, Result]:
    plan = plan_of(methods, numbered(count), race=False, horizon=HORIZON, **rest)
    return found(plan, folder)


def test_accuracy_is_the_share_that_is_right_with_its_interval(tmp_path: Path) -> None:
    way = measured({"a": answering(24)}, tmp_path)["a"]
    assert way.accuracy == wilson(24, 40)
    assert way.figures["contains"] == way.figures["exact"] == 0.6
    assert way.status == "measured"
    assert way.questions == 40
    assert way.abstained == 0
    assert way.supported == 0  # answers without a citation


def test_what_is_paid_once_is_spread_over_the_horizon(tmp_path: Path) -> None:
    way = measured({"a": answering(24, once=100)}, tmp_path)["a"]
    assert way.measured["once"].flops == 100
    assert way.measured["each"].flops == 5 * 1 + 1 * 2  # five tokens read, one written
    assert way.cost["flops"] == 100 / HORIZON + 7
    assert way.cost["dollars"] is None


def test_measured_is_divided_by_forecast(tmp_path: Path) -> None:
    way = measured({"a": answering(24, guess=4.0)}, tmp_path)["a"]
    assert way.ratio["flops"] == pytest.approx(7 / (5 + 2 * 4))
    assert way.ratio["output_tokens"] == pytest.approx(1 / 4)
    assert way.ratio["dollars"] is None


def test_seconds_of_later_questions_are_compared_with_the_middle_rate_of_the_first_five(
    tmp_path: Path,
) -> None:
    lengths = dict.fromkeys((f"q{n}" for n in range(12)), 6) | {
        "q0": 9, "q1": 2, "q2": 2, "q3": 1, "q4": 2,
    }  # fmt: skip
    way = Scripted({}, lengths, price={"flops": (1.0, 1.0), "seconds": (0.0, 0.5)})
    ratio = measured({"a": way}, tmp_path, 12)["a"].ratio["seconds_after_warm_up"]
    rate, flops = 1.0 / (5 + 2), 5 + 5  # seconds by the FLOP of the middle one; as forecast
    assert ratio == pytest.approx(3.0 / (rate * flops))


def test_a_wrong_answer_is_taken_off_the_accuracy(tmp_path: Path) -> None:
    way = measured({"a": answering(30)}, tmp_path, rule=Rule(wrong=1.0))["a"]
    assert way.accuracy is not None
    assert way.accuracy.value == pytest.approx(30 / 40 - 10 / 40)
    assert -1 <= way.accuracy.low < way.accuracy.value < way.accuracy.high <= 1


def test_weights_count(tmp_path: Path) -> None:
    asked = [replace(q, weight=3.0 if n < 10 else 1.0) for n, q in enumerate(numbered(40))]
    plan = plan_of({"a": answering(10)}, asked, race=False)
    way = found(plan, tmp_path)["a"]
    assert way.accuracy is not None
    assert way.accuracy.value == pytest.approx(30 / 60)


def test_questions_of_one_document_say_less_than_as_many_of_their_own(tmp_path: Path) -> None:
    texts = {f"q{n}": "yes" if (n // 4) % 2 else "no" for n in range(40)}  # alike in a document
    asked = [replace(q, cluster=str(n // 4)) for n, q in enumerate(numbered(40))]
    way = found(plan_of({"a": Scripted(texts, {})}, asked, race=False), tmp_path)["a"]
    alone = wilson(20, 40)
    assert way.accuracy is not None
    assert way.accuracy.value == 0.5
    assert way.accuracy.high - way.accuracy.low > 1.5 * (alone.high - alone.low)


def test_how_far_one_is_behind_is_counted_on_the_questions_both_answered(tmp_path: Path) -> None:
    def falls(id: str) -> None:
        if id == "q20":
            raise RuntimeError("out of memory")

    ways = measured({"a": answering(30), "b": answering(12, before=falls)}, tmp_path)
    assert ways["b"].status == "failed"
    assert "out of memory" in ways["b"].reason
    assert ways["b"].questions == 20
    behind = ways["b"].behind
    assert behind is not None
    assert behind.value == pytest.approx(1 - 12 / 20)  # of the first 20 the best has all right
    assert ways["a"].behind is None


def test_the_frontier_has_who_is_beaten_by_nobody_cheapest_first(tmp_path: Path) -> None:
    ways = measured(
        {
            "dear": answering(35, prompt=100), "worse": answering(20, prompt=30),
            "cheap": answering(10), "middle": answering(25, prompt=20),
            "same": answering(25, prompt=20, once=1),
        },
        tmp_path,
    )  # fmt: skip
    line = frontier(list(ways.values()), "flops")
    assert [each.method for each in line] == ["cheap", "middle", "dear"]
    assert frontier(list(ways.values()), "dollars") == []
    assert [way.frontier for way in ways.values()] == [["flops"], [], ["flops"], ["flops"], []]


def test_no_way_of_the_frontier_is_beaten_and_every_other_is(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    scripts = {
        f"w{n}": answering(int(draw.integers(0, 20)), 20, prompt=int(draw.integers(1, 40)))
        for n in range(12)
    }
    ways = list(measured(scripts, tmp_path, 20).values())
    line = frontier(ways, "flops")

    def beaten(way: Result) -> bool:
        return any(
            (other.accuracy.value, -(other.cost["flops"] or 0))  # type: ignore[union-attr]  # all are scored
            > (way.accuracy.value, -(way.cost["flops"] or 0))  # type: ignore[union-attr]  # likewise
            and other.accuracy.value >= way.accuracy.value  # type: ignore[union-attr]  # likewise
            and (other.cost["flops"] or 0) <= (way.cost["flops"] or 0)
            for other in ways
        )

    assert not any(beaten(way) for way in line)
    costs = {(way.accuracy.value, way.cost["flops"]) for way in line if way.accuracy}
    assert all(
        beaten(way) or (way.accuracy.value, way.cost["flops"]) in costs
        for way in ways if way not in line and way.accuracy
    )  # fmt: skip


def test_the_cheapest_that_is_near_the_best_is_advised(tmp_path: Path) -> None:
    ways = list(
        measured(
            {"best": answering(35, prompt=100), "near": answering(34), "far": answering(30)},
            tmp_path,
        ).values()
    )
    best, near, _ = ways
    assert best_of(ways) is best
    assert not_worse(ways) == [best, near]  # 12.5 points behind is too far, whatever is shown
    assert recommended(ways, "flops") is near
    assert recommended(ways, "dollars") is best  # no cost is known: then the first of them


def test_a_way_that_is_shown_to_be_worse_is_not_advised_however_near(tmp_path: Path) -> None:
    count = 2000  # 90 of them are right by one way only: 4.5 points, and no chance
    ways = list(
        measured(
            {"best": answering(1900, count, prompt=100), "near": answering(1810, count)},
            tmp_path, count,
        ).values()
    )  # fmt: skip
    assert ways[1].behind is not None
    assert ways[1].behind.low > 0
    assert recommended(ways, "flops") is ways[0]


def test_nothing_is_advised_that_is_no_better_than_silence(tmp_path: Path) -> None:
    asked = [replace(q, answers=()) if n < 30 else q for n, q in enumerate(numbered(40))]
    talking = {f"q{n}": "yes" for n in range(40)}  # right on ten; silence is right on thirty
    ways = found(plan_of({"a": Scripted(talking, {})}, asked, race=False), tmp_path)
    assert ways["a"].floor == 0.75
    assert recommended(list(ways.values()), "flops") is None


def test_totals_are_equal_after_the_difference_at_the_start_over_that_of_a_question(
    tmp_path: Path,
) -> None:
    ways = measured(
        {"tuned": answering(30, prompt=3, once=100), "found": answering(30, prompt=13),
         "worse": answering(30, prompt=13, once=200)},
        tmp_path,
    )  # fmt: skip
    pairs = break_evens(list(ways.values()), ("flops",))
    assert pairs == [
        {"figure": "flops", "overtaking": "tuned scripted", "overtaken": "found scripted",
         "questions": 100 / 10}
    ]  # fmt: skip
    for questions, cheaper in ((9, "found"), (11, "tuned")):
        totals = {
            name: (way.measured["once"].flops or 0) + questions * (way.measured["each"].flops or 0)
            for name, way in ways.items()
        }
        assert min(totals, key=totals.__getitem__) == cheaper


def test_a_budget_that_ends_leaves_ways_unfinished(tmp_path: Path) -> None:
    way = answering(40, guess=1.0, most=1)
    plan = plan_of({"a": way}, numbered(40), race=False, budget=Budget("flops", 7.0 * 40))
    ways = found(plan, tmp_path / "whole")
    assert ways["a"].status == "measured"
    longer = answering(40, guess=1.0, most=10)
    plan = plan_of({"a": longer}, numbered(40), race=False, budget=Budget("flops", 7.0 * 40))
    ways = found(plan, tmp_path / "part")
    assert ways["a"].status == "unfinished"
    assert ways["a"].questions == 37  # the next may take 5 + 20 of the 21 that are left
    assert ways["a"].accuracy == wilson(37, 37)


def test_what_racing_saved_is_the_share_of_calls_not_made(tmp_path: Path) -> None:
    plan = plan_of({"a": answering(40), "b": answering(0, prompt=50)}, numbered(40))
    with run_in(tmp_path) as run:
        outcome = carried(plan, run)
        ways = {each.method: each for each in results(plan, run.rows, outcome)}
        made = sum(each.questions for each in ways.values())
        assert saved(plan, outcome) == pytest.approx(1 - made / 80)
    assert ways["b"].status == "stopped"
    assert "a scripted was better by 100% after" in ways["b"].reason


def test_an_unscored_question_has_a_cost_and_no_accuracy(tmp_path: Path) -> None:
    plan = plan_of({"a": answering(10, 10)}, numbered(10), race=False)
    plan = replace(plan, asked=replace(plan.asked, unscored=frozenset({"q8", "q9"})))
    way = found(plan, tmp_path)["a"]
    assert way.questions == 10
    assert way.accuracy == wilson(8, 8)
    assert way.measured["each"].flops == 7
