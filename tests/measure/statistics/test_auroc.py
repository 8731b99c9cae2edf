"""Areas against scipy, brute force, published detectors; points of the curve."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from isoflop.errors import UsageError
from isoflop.measure.statistics.auroc import auroc, compare_auroc, midranks, roc
from isoflop.measure.statistics.ties import ties

CASES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 6)), min_size=4, max_size=30
).filter(lambda rows: 2 <= sum(row[0] for row in rows) <= len(rows) - 2)


def by_pairs(rows: list[tuple[bool, int, int]], score: int) -> tuple[float, np.ndarray, np.ndarray]:
    """The area and DeLong's structural components by their definition, pair by pair."""
    yes = np.array([row[score] for row in rows if row[0]])
    no = np.array([row[score] for row in rows if not row[0]])
    won = (yes[:, None] > no) + 0.5 * (yes[:, None] == no)
    return float(won.mean()), won.mean(1), won.mean(0)


@given(CASES)
def test_areas_and_their_covariance_are_delongs_by_definition(
    rows: list[tuple[bool, int, int]],
) -> None:
    kinds, first, second = (np.array(column) for column in zip(*rows, strict=True))
    found = compare_auroc(kinds, first, second)
    (a, a_yes, a_no), (b, b_yes, b_no) = by_pairs(rows, 1), by_pairs(rows, 2)
    parts = [np.cov(a_yes, b_yes) / a_yes.size, np.cov(a_no, b_no) / a_no.size]
    covariance = parts[0] + parts[1]
    gap = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert (found.first.value, found.second.value) == pytest.approx((a, b), abs=1e-12)
    assert found.first.standard_error == pytest.approx(math.sqrt(covariance[0, 0]), abs=1e-9)
    assert found.second.standard_error == pytest.approx(math.sqrt(covariance[1, 1]), abs=1e-9)
    assert found.difference.standard_error == pytest.approx(math.sqrt(max(gap, 0)), abs=1e-7)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_midranks_are_scipys(values: list[float]) -> None:
    assert midranks(np.array(values)) == pytest.approx(stats.rankdata(values))


@pytest.mark.parametrize(
    ("data", "first", "second", "gap", "error", "newlines"),
    [
        ("xsum", 0.9067, 0.7980, 0.1086, 0.0245, 0.970),
        ("pubmed", 0.8503, 0.8104, 0.0399, 0.0244, 0.500),
    ],
)
def test_recorded_detectors_have_their_published_areas(
    evaldata: Path,
    data: str,
    first: float,
    second: float,
    gap: float,
    error: float,
    newlines: float,
) -> None:
    def read(name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((evaldata / "detect" / name).read_text())
        return found

    names = ("gpt-j-6B_gpt-neo-2.7B.sampling_discrepancy_analytic", "gpt-neo-2.7B.likelihood")
    recorded = [read(f"{data}_gpt-4.{name}.json") for name in names]
    scores = []
    for each in recorded:
        predictions = each["predictions"]
        assert isinstance(predictions, dict)
        scores.append(predictions["real"] + predictions["samples"])
    kinds = [False] * 150 + [True] * 150
    found = compare_auroc(kinds, *scores)
    assert found.first.value == pytest.approx(first, abs=5e-5)
    assert found.second.value == pytest.approx(second, abs=5e-5)
    assert found.difference.value == pytest.approx(gap, abs=5e-5)
    assert found.difference.standard_error == pytest.approx(error, abs=5e-5)

    texts = read(f"{data}_gpt-4.raw_data.json")
    assert isinstance(texts["original"], list)
    assert isinstance(texts["sampled"], list)
    counts = [text.count("\n") for text in texts["original"] + texts["sampled"]]
    assert auroc(kinds, counts).value == pytest.approx(newlines, abs=5e-4)

    for each, score in zip(recorded, scores, strict=True):
        curve, metrics = roc(kinds, score), each["metrics"]
        assert isinstance(metrics, dict)
        area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
        assert area == pytest.approx(metrics["roc_auc"], abs=1e-12)
        ours = set(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True))
        assert set(zip(metrics["fpr"], metrics["tpr"], strict=True)) <= ours


def test_the_interval_of_the_area_covers_it_about_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(0), 0
    truth = stats.norm.cdf(1.5 / math.sqrt(2))  # normal scores 1.5 apart: 0.856
    kinds = np.arange(90) < 40
    for _ in range(2000):
        found = auroc(kinds, random.normal(size=90) + 1.5 * kinds)
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / 2000 <= 0.97


def test_kinds_that_do_not_overlap_leave_an_open_end() -> None:
    found = auroc([0] * 30 + [1] * 10, range(40))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 10))  # ten disjoint pairs, all right
    turned = auroc([1] * 10 + [0] * 30, range(40))
    assert (turned.low, turned.high) == pytest.approx((0, 1 - found.low))


def test_scores_that_are_all_tied_say_nothing() -> None:
    found = auroc([0, 0, 1, 1], [3.0] * 4)
    assert (found.low, found.value, found.high, found.method) == (0, 0.5, 1, "tied")


def test_two_perfect_scores_do_not_differ_and_may_differ() -> None:
    found = compare_auroc([0] * 5 + [1] * 5, range(10), [i**2 for i in range(10)])
    assert (found.difference.value, found.p) == (0, 1)
    assert found.difference.low == pytest.approx(-(1 - 0.025 ** (1 / 5)))
    assert compare_auroc([0] * 5 + [1] * 5, range(10), [0] * 10).p is None


def test_copied_cases_in_clusters_do_not_narrow_the_interval() -> None:
    random = np.random.default_rng(1)
    kinds = np.arange(60) < 30
    scores = random.normal(size=60) + kinds
    alone = auroc(kinds, scores, clusters=list(range(60)))
    copied = auroc(np.tile(kinds, 5), np.tile(scores, 5), clusters=list(range(60)) * 5)
    assert copied.value == pytest.approx(alone.value)
    assert copied.standard_error == pytest.approx(alone.standard_error)
    assert alone.standard_error == pytest.approx(auroc(kinds, scores).standard_error, rel=0.02)


def test_a_text_and_its_twin_on_the_same_topic_are_compared_within_the_topic() -> None:
    random, truth = np.random.default_rng(2), stats.norm.cdf(1 / math.sqrt(2))
    kinds, clusters = np.repeat([0, 1], 80), [*range(80), *range(80)]
    covered = dict.fromkeys(("clustered", "alone"), 0)
    for _ in range(600):  # topic and text have half of the variance each
        topic = np.tile(random.normal(size=80), 2)
        scores = (topic + random.normal(size=160)) / math.sqrt(2) + kinds
        for name, shared in (("clustered", clusters), ("alone", None)):
            found = auroc(kinds, scores, clusters=shared)
            covered[name] += found.low <= truth <= found.high
    assert 0.93 <= covered["clustered"] / 600 <= 0.97
    assert covered["alone"] / 600 > 0.98  # twins go up and down together: far too wide


def test_points_of_a_curve_by_hand() -> None:
    curve = roc([0, 0, 1, 1, 1], [0.1, 0.4, 0.4, 0.8, 0.9])
    assert list(curve.thresholds) == [math.inf, 0.9, 0.8, 0.4, 0.1]
    assert list(curve.false_positive_rate) == [0, 0, 0, 0.5, 1]
    assert curve.true_positive_rate == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    assert curve.true_positives_at(0.49) == pytest.approx(2 / 3)
    assert curve.true_positives_at(0.5) == 1
    assert curve.true_positive_ends[:, 1] == pytest.approx([0.0615, 0.7923], abs=1e-4)  # 1 of 3


def test_ties_bound_the_area() -> None:
    found = ties([0, 0, 0, 1, 2, 2], [0, 0, 1, 0, 1, 1])
    assert found.tied_pairs == pytest.approx(2 / 9)
    assert (found.least_auroc, found.greatest_auroc) == pytest.approx((6 / 9, 8 / 9))
    assert (found.distinct, found.commonest, found.commonest_share) == (3, 0, 0.5)
    assert found.saturated()
    assert not ties(range(100)).saturated()


@pytest.mark.parametrize(
    ("positive", "scores", "message"),
    [
        ([], [], "positive are empty"),
        ([1, 1, 1], [1, 2, 3], "3 positive and 0 negative"),
        ([1, 0, 0], [1, 2, 3], "at least 2 of each"),
        ([1, 1, 0, 0], [1, 2, 3], "scores: 3 values for 4"),
        ([1, 1, 0, 0], [1, 2, 3, math.nan], "first is nan at place 3"),
        ([1, 1, 0, 3], [1, 2, 3, 4], "3 at place 3 is neither 1 nor 0"),
    ],
)
def test_areas_refuse_bad_input(positive: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        auroc(positive, scores)


def test_infinite_scores_are_ranked() -> None:
    assert auroc([0, 0, 1, 1], [-math.inf, 1, math.inf, 2]).value == 1
