"""Runs are compared on the questions they share, and what is unlike is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isoflop.measure.comparison.differ import changes, lines, table
from isoflop.measure.comparison.report import Report
from isoflop.measure.statistics.paired import difference
from tests.measure.comparison.reported import answering, reported
from tests.measure.comparison.scripted import numbered


def test_accuracy_changes_by_the_paired_difference_on_common_questions(tmp_path: Path) -> None:
    old = reported({("retrieval", "m"): answering(20)}, tmp_path / "old")
    new = reported(
        {("retrieval", "m"): answering(24)}, tmp_path / "new", questions=numbered(40)[10:]
    )
    [row] = changes(old, new)["ways"]
    # of q10 to q39 the old run has q10 to q19 right, the new one q20 to q23 as well
    right = np.arange(10, 40)
    expected = difference((right < 24).astype(float), (right < 20).astype(float))
    assert row["common"] == 30
    assert row["accuracy"]["change"] == expected.as_dict()
    assert row["accuracy"]["before"] == pytest.approx(20 / 40)
    assert row["accuracy"]["after"] == pytest.approx(14 / 30)


def test_costs_change_by_their_ratio_and_stay_unknown(tmp_path: Path) -> None:
    old = reported({("retrieval", "m"): answering(20, prompt=9)}, tmp_path / "old")
    new = reported({("retrieval", "m"): answering(20, prompt=29)}, tmp_path / "new")
    found = changes(old, new)
    cost = found["ways"][0]["cost"]
    assert cost["flops"] == {"before": 11.0, "after": 31.0, "ratio": 31 / 11}
    assert cost["seconds"] == {"before": None, "after": None, "ratio": None}
    head, rows = table(found)
    assert head[-1] == "FLOPs"
    assert rows == [
        ("retrieval m", "50.0%", "50.0%", "+0.0%", "-8.8%", "+8.8%", "40", "x2.82"),
    ]


def test_ways_in_one_run_only_and_another_advice_are_said(tmp_path: Path) -> None:
    old = reported({("a", "m"): answering(35), ("b", "m"): answering(5)}, tmp_path / "old")
    new = reported({("b", "m"): answering(35), ("c", "m"): answering(5)}, tmp_path / "new")
    found = changes(old, new)
    assert (found["only_before"], found["only_after"]) == (["a m"], ["c m"])
    assert lines(found)[:3] == ["advice: b m instead of a m", "only before: a m", "only after: c m"]
    same = changes(old, old)
    assert lines(same) == ["advice: a m, as before"]
    assert [row["accuracy"]["change"]["value"] for row in same["ways"]] == [0, 0]


def test_a_question_that_was_changed_is_not_the_same(tmp_path: Path) -> None:
    asked = numbered(40)
    other = [replace(asked[0], answers=("no",)), replace(asked[1], text="?"), *asked[2:]]
    old = reported({("a", "m"): answering(20)}, tmp_path / "old", questions=asked)
    new = reported({("a", "m"): answering(20)}, tmp_path / "new", questions=other)
    assert changes(old, new)["ways"][0]["common"] == 38


def test_accuracies_by_other_rules_or_on_other_questions_are_not_compared(tmp_path: Path) -> None:
    old = reported({("a", "m"): answering(20)}, tmp_path / "old")
    stricter = Report({**old.values, "metric": "exact"}, old.folder)
    found = changes(old, stricter)
    assert found["ways"][0]["accuracy"]["change"] is None
    assert found["unlike"] == {"metric": {"before": "contains", "after": "exact"}}
    assert lines(found)[1] == "not the same: what counts as right"
    assert "by other rules" in lines(found)[-1]
    apart = reported({("a", "m"): answering(20)}, tmp_path / "new", questions=numbered(60)[40:])
    found = changes(old, apart)
    assert found["ways"][0]["common"] == 0
    assert "no scored question in common" in lines(found)[-1]
    assert table(found)[1][0][3:7] == ("-", "-", "-", "0")


def test_a_run_without_answers_compares_costs_only(tmp_path: Path) -> None:
    old = reported({("a", "m"): answering(20)}, tmp_path / "old", unscored=True)
    [row] = changes(old, old)["ways"]
    assert row["accuracy"] == {"before": None, "after": None, "change": None}
    assert row["cost"]["flops"]["ratio"] == 1
