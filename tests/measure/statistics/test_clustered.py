"""Clustered means against statsmodels, and against the definition by matrices."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg
from statsmodels.regression.linear_model import OLS, WLS

from isoflop.errors import UsageError
from isoflop.measure.statistics.clustered import accuracy, mean
from isoflop.measure.statistics.distributions import student_quantile
from isoflop.measure.statistics.proportions import wilson


def sample(seed: int, clusters: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    group = np.concatenate((np.arange(clusters), random.integers(0, clusters, 80)))
    values = random.normal(size=clusters)[group] + random.normal(size=group.size)
    return values, group, random.uniform(0.1, 3, group.size)


@pytest.mark.parametrize("seed", range(3))
def test_cr1_is_statsmodels_clustered_regression_on_a_constant(seed: int) -> None:
    values, group, weights = sample(seed)
    ones = np.ones((values.size, 1))
    for weight, model in ((None, OLS(values, ones)), (weights, WLS(values, ones, weights))):
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": group}, use_t=True)
        found = mean(values, clusters=list(group), weights=weight, correction="cr1")
        interval = found.interval
        assert interval.value == pytest.approx(fit.params[0], abs=1e-9)
        assert interval.standard_error == pytest.approx(fit.bse[0], abs=1e-9)
        assert (interval.low, interval.high) == pytest.approx(fit.conf_int()[0], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_cr2_is_bell_and_mccaffreys_by_matrices(seed: int) -> None:
    values, group, _ = sample(seed)
    n = values.size
    residual = np.eye(n) - np.ones((n, n)) / n
    columns, variance = [], 0.0
    for each in np.unique(group):
        members = group == each
        adjusted = linalg.inv(linalg.sqrtm(residual[np.ix_(members, members)]))
        column = residual[:, members] @ adjusted @ np.ones(members.sum()) / n
        columns.append(column)
        variance += float(column @ values) ** 2
    gram = np.array(columns) @ np.array(columns).T  # Imbens and Kolesar 2016, section II.B
    found = mean(values, clusters=list(group))
    assert found.interval.standard_error == pytest.approx(math.sqrt(variance), abs=1e-9)
    assert found.degrees == pytest.approx(np.trace(gram) ** 2 / (gram**2).sum(), rel=1e-9)


def test_weighted_cr2_is_unbiased_for_independent_values() -> None:
    _, group, weights = sample(5, clusters=6)
    share = weights / weights.sum()
    true = float(share @ share)
    random = np.random.default_rng(0)
    draws = random.normal(size=(4000, group.size))
    found = [
        mean(row, clusters=list(group), weights=weights).interval.standard_error for row in draws
    ]
    squares = np.array(found, dtype=float) ** 2
    assert abs(squares.mean() - true) < 4 * squares.std() / math.sqrt(squares.size)


def test_without_clusters_it_is_students_interval() -> None:
    values, _, _ = sample(1)
    found = mean(values)
    error = values.std(ddof=1) / math.sqrt(values.size)
    half = student_quantile(0.975, values.size - 1) * error
    assert found.interval.standard_error == pytest.approx(error, rel=1e-12)
    assert found.degrees == pytest.approx(values.size - 1)
    assert found.interval.high - found.interval.value == pytest.approx(half)
    assert found.design_effect == pytest.approx(1)


def test_copies_have_the_design_effect_of_their_number() -> None:
    values = np.random.default_rng(2).normal(size=500)
    found = mean(np.repeat(values, 4), clusters=[i // 4 for i in range(2000)])
    assert found.interval.standard_error == pytest.approx(mean(values).interval.standard_error)
    assert found.design_effect == pytest.approx(4, rel=0.01)
    assert found.effective_questions == pytest.approx(500, rel=0.01)


def test_questions_of_no_cluster_stand_alone() -> None:
    values, _, _ = sample(3)
    assert mean(values, clusters=[""] * values.size) == mean(values, clusters=[None] * values.size)
    assert mean(values, clusters=[""] * values.size).clusters == values.size


def test_equal_values_have_no_error_and_no_design_effect() -> None:
    found = mean([0.1] * 7)
    assert found.interval.standard_error == 0
    assert found.design_effect is None
    assert found.effective_questions is None


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_plain_accuracy_is_wilsons(outcomes: list[bool]) -> None:
    expected = wilson(sum(outcomes), len(outcomes))
    found = accuracy(outcomes).interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_clustered_accuracy_is_wilsons_of_its_effective_size() -> None:
    outcomes = np.random.default_rng(4).random(400) < 0.9
    found = accuracy(np.repeat(outcomes, 5), clusters=[i // 5 for i in range(2000)])
    assert found.effective_questions == pytest.approx(399)  # p (1 - p) over s^2 / 400
    plain = wilson(outcomes.mean() * 399, 399)
    assert found.interval.low == pytest.approx(plain.low, abs=2e-4)
    assert found.interval.high == pytest.approx(plain.high, abs=2e-4)


def test_weights_move_accuracy_and_widen_it() -> None:
    outcomes, weights = [1, 1, 0, 0, 1, 1, 1, 1] * 300, [1, 3] * 1200
    found = accuracy(outcomes, weights=weights)
    assert found.interval.value == pytest.approx(3 / 4)
    # whatever the weights say of right and wrong alike: (sum w)^2 / sum w^2, Kish 1965
    assert found.effective_questions == pytest.approx(4800**2 / 12_000, rel=0.01)


def test_all_right_in_ten_clusters_is_ten_questions_all_right() -> None:
    found = accuracy([True] * 200, clusters=[i % 10 for i in range(200)])
    assert found.effective_questions == 10
    assert wilson(10, 10).low - 0.1 < found.interval.low < wilson(10, 10).low


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean([]), "values are empty"),
        (lambda: mean([1.0, math.nan]), "1 of 2 are not finite numbers, the first is nan at pl"),
        (lambda: mean(["a"]), "values are not numbers"),
        (lambda: mean([[1.0]]), r"shape \(1, 1\)"),
        (lambda: mean([1, 2], clusters=["a"]), "clusters: 1 values for 2"),
        (lambda: mean([1, 2], clusters=["a", "a"]), "all questions share one"),
        (lambda: mean([1, 2], weights=[1, -1]), "weights run from -1 to 1"),
        (lambda: mean([1, 2], weights=[0, 0]), "weights run from 0 to 0"),
        (lambda: mean([1, 2], confidence=1), "confidence=1 is not between"),
        (lambda: accuracy([1, 0.5]), "0.5 at place 1 is neither 1 nor 0"),
    ],
)
def test_bad_input_is_refused_by_name_and_value(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=message):
        call()
