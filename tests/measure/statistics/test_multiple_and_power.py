"""Holm and power against statsmodels."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from isoflop.errors import UsageError
from isoflop.measure.statistics.multiple import bonferroni, holm
from isoflop.measure.statistics.power import (
    minimum_detectable_effect,
    paired_deviation,
    power,
    questions_needed,
    standard_error,
)


@settings(max_examples=30)  # statsmodels takes its time
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_are_statsmodels(p_values: list[float]) -> None:
    for ours, method in ((holm, "holm"), (bonferroni, "bonferroni")):
        expected = multipletests(p_values, method=method)[1]
        assert ours(p_values) == pytest.approx(list(expected), abs=1e-9)


@given(st.floats(0.02, 2), st.integers(10, 5000), st.floats(0.2, 5), st.floats(0.001, 0.2))
def test_power_is_statsmodels(effect: float, n: int, ratio: float, level: float) -> None:
    expected = NormalIndPower().power(effect, n, level, ratio)
    assert power(effect, standard_error(1, n, n * ratio), level) == pytest.approx(
        expected, abs=1e-9
    )


@given(st.floats(0.01, 0.2), st.floats(0.3, 0.99))
def test_the_minimum_detectable_effect_has_the_power_wanted(level: float, wanted: float) -> None:
    effect = minimum_detectable_effect(0.07, level, wanted)
    assert power(effect, 0.07, level) == pytest.approx(wanted, abs=1e-9)


def test_it_is_two_point_eight_standard_errors() -> None:
    # 1.959964 + 0.841621, and the other tail's 1e-6
    assert minimum_detectable_effect(1) == pytest.approx(2.801585, abs=2e-5)


def test_questions_for_five_points() -> None:
    # Two ways of 70 and 75 % that err independently: variance 0.2100 + 0.1875 = 0.3975
    deviation = paired_deviation(0.70, 0.75)
    assert deviation**2 == pytest.approx(0.3975)
    needed = questions_needed(0.05, deviation)
    assert needed == math.ceil(0.3975 * (2.801585 / 0.05) ** 2)
    assert power(0.05, standard_error(deviation, needed)) >= 0.8
    assert power(0.05, standard_error(deviation, needed - 1)) < 0.8


def test_correlated_ways_need_fewer_questions() -> None:
    # both right 0.65, only one 0.05 or 0.10: variance 0.15 - 0.05^2
    correlation = (0.65 - 0.70 * 0.75) / math.sqrt(0.21 * 0.1875)
    assert paired_deviation(0.70, 0.75, correlation) ** 2 == pytest.approx(0.1475)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: holm([]), "p_values are empty"),
        (lambda: holm([0.1, 1.5]), "1.5 at place 1 is not from 0 to 1"),
        (lambda: paired_deviation(0.5, 0.9, 1.0), "correlation=1.0 cannot be where accuracies"),
        (lambda: paired_deviation(0.5, 1.9), "second=1.9"),
        (lambda: paired_deviation(1.0, 0.5, 0.3), "correlation=0.3: one way is always"),
        (lambda: standard_error(0, 10), "deviation=0"),
        (lambda: standard_error(1, 0), "questions=0"),
        (lambda: power(0.1, 0), "standard_error=0"),
        (lambda: minimum_detectable_effect(0), "standard_error=0"),
        (lambda: minimum_detectable_effect(1, 0.05, 0.04), "power_wanted=0.04"),
        (lambda: questions_needed(0, 1), "difference=0"),
    ],
)
def test_impossible_plans_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=message):
        call()
