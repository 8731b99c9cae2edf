"""Quantiles and tails against scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from isoflop.measure.statistics.distributions import (
    beta_cdf,
    binomial_tail,
    student_cdf,
    student_quantile,
    two_sided,
)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(1, 1e5))
def test_students_quantile_is_scipys(probability: float, degrees: float) -> None:
    expected = stats.t.ppf(probability, degrees)
    assert student_quantile(probability, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_series_for_many_degrees_meets_newtons_method() -> None:
    for probability in (0.6, 0.975, 0.9999):
        below, above = (student_quantile(probability, each) for each in (999.9999999, 1000))
        assert below == pytest.approx(above, rel=1e-12)


def test_students_distribution_is_scipys_far_out() -> None:
    for t in (-40.0, -2.0, 0.0, 0.3, 12.0):
        assert student_cdf(t, 3.7) == pytest.approx(stats.t.cdf(t, 3.7), rel=1e-11)


@given(st.floats(0, 1), st.floats(0.5, 500), st.floats(0.5, 500))
def test_the_incomplete_beta_function_is_scipys(x: float, a: float, b: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-12)


@given(st.integers(1, 100_000), st.data())
def test_the_tail_of_a_fair_coin_is_scipys(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    expected = stats.binom.cdf(successes, n, 0.5)
    assert binomial_tail(successes, n) == pytest.approx(expected, abs=1e-9)


def test_the_normal_tail_keeps_its_digits_where_it_is_small() -> None:
    assert two_sided(-9.0) == pytest.approx(2 * stats.norm.sf(9), rel=1e-12)
