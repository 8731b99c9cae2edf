"""Calibration, conformal verdicts and abstention: by hand, by loops and by simulation."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import UsageError
from isoflop.measure.statistics.abstention import risk_coverage
from isoflop.measure.statistics.calibration import calibration
from isoflop.measure.statistics.conformal import conformal_p, conformal_threshold
from isoflop.measure.statistics.proportions import wilson


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 12)
)
def test_the_expected_error_is_that_of_a_loop_over_bins(
    rows: list[tuple[float, bool]], bins: int
) -> None:
    edges, total, largest = np.linspace(0, 1, bins + 1), 0.0, 0.0
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = [row for row in rows if low < row[0] <= high or (number == 0 and row[0] == 0)]
        if inside:
            stated, observed = np.mean(inside, axis=0)
            total += len(inside) / len(rows) * abs(stated - observed)
            largest = max(largest, abs(stated - observed))
    found = calibration(*zip(*rows, strict=True), bins=bins)
    assert found.expected_calibration_error == pytest.approx(total, abs=1e-12)
    assert found.maximum_calibration_error == pytest.approx(largest, abs=1e-12)
    assert found.counts.sum() == len(rows)
    assert found.brier == pytest.approx(np.mean([(p - true) ** 2 for p, true in rows]))


def test_each_point_has_wilsons_interval() -> None:
    found = calibration([0.9] * 20 + [0.2] * 5, [True] * 15 + [False] * 5 + [True] + [False] * 4)
    assert list(found.counts) == [5, 20]
    assert found.observed == pytest.approx([0.2, 0.75])
    low, high = found.ends[:, 1]
    assert (low, high) == pytest.approx((wilson(15, 20).low, wilson(15, 20).high))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_bins_of_equal_mass_keep_equal_probabilities_together(stated: list[float]) -> None:
    found = calibration(stated, [True] * len(stated), bins=5, binning="mass")
    assert found.counts.sum() == len(stated)
    assert len(found.counts) <= 5
    if len(set(stated)) == len(stated) >= 5:
        assert found.counts.max() - found.counts.min() <= 1


@pytest.mark.parametrize(
    ("stated", "outcomes", "bins", "message"),
    [
        ([], [], 10, "stated are empty"),
        ([1.2], [1], 10, "1.2 at place 0 is not from 0 to 1"),
        ([0.5, 0.5], [1], 10, "outcomes: 1 values for 2"),
        ([0.5], [1], 0, "bins=0"),
    ],
)
def test_calibration_refuses_bad_input(
    stated: list[float], outcomes: list[int], bins: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        calibration(stated, outcomes, bins=bins)


@pytest.mark.parametrize("n", [99, 999])
@pytest.mark.parametrize("ties", [False, True])
def test_no_more_false_alarms_than_promised(n: int, ties: bool) -> None:
    random, draws = np.random.default_rng(n), 10_000
    scores = random.normal(size=(draws, n + 1)).astype(np.float32)
    if ties:
        scores = scores.round(1)
    p = np.array([conformal_p(row[:-1], row[-1:])[0] for row in scores])
    for level in (0.01, 0.05, 0.1):
        room = 3 * math.sqrt(level * (1 - level) / draws)
        assert (p <= level).mean() <= level + room
        if not ties:
            assert (p <= level).mean() >= level - room  # nor needlessly few
    assert p.min() >= 1 / (n + 1)


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=40),
    st.floats(0.005, 0.995),
    st.lists(st.integers(-6, 6), min_size=1, max_size=10),
)
def test_above_the_threshold_means_a_p_value_of_at_most_the_level(
    known: list[int], level: float, scores: list[int]
) -> None:
    p = conformal_p(known, scores)
    if level < 1 / (len(known) + 1):
        with pytest.raises(UsageError, match=f"there are {len(known)}: no error rate below"):
            conformal_threshold(known, level)
        return
    threshold = conformal_threshold(known, level)
    assert [score > threshold for score in scores] == [each <= level for each in p]


def test_a_low_level_needs_so_many_known_cases() -> None:
    with pytest.raises(UsageError, match=r"level=0.01 needs at least 99 known scores, and there a"):
        conformal_threshold(range(98), 0.01)
    assert conformal_threshold(range(99), 0.01) == 98
    with pytest.raises(UsageError, match="known are empty"):
        conformal_p([], [1])
    with pytest.raises(UsageError, match="scores: 1 of 1 are not finite"):
        conformal_p([1], [math.nan])


def test_answering_only_when_sure_by_hand() -> None:
    found = risk_coverage([0.9, 0.8, 0.8, 0.1], [0, 0, 1, 1])
    assert list(found.thresholds) == [0.9, 0.8, 0.1]
    assert found.coverage == pytest.approx([0.25, 0.75, 1])
    assert found.risk == pytest.approx([0, 1 / 3, 1 / 2])
    assert found.area == pytest.approx((0 + 0.5 / 2 + 1 / 3 + 2 / 4) / 4)
    assert found.excess_area == pytest.approx(found.area - (0 + 0 + 1 / 3 + 2 / 4) / 4)
    assert found.risk_at(0.3) == pytest.approx(1 / 3)
    assert found.risk_at(0.25) == 0


def test_equal_confidence_has_the_area_of_random_orders() -> None:
    random, losses = np.random.default_rng(0), np.array([0, 1, 0, 0, 1, 0.5])
    areas = [
        (np.cumsum(random.permutation(losses)) / np.arange(1, 7)).mean() for _ in range(20_000)
    ]
    assert risk_coverage([1] * 6, losses).area == pytest.approx(np.mean(areas), abs=0.005)


def test_abstention_refuses_bad_input() -> None:
    with pytest.raises(UsageError, match="losses: 1 values for 2"):
        risk_coverage([1, 2], [0])
    with pytest.raises(UsageError, match="confidence: 1 of 1 are not finite numbers"):
        risk_coverage([math.nan], [0])
