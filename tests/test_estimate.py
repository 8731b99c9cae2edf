"""Intervals hold their value, and independent errors add as squares of logarithms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.estimate import Estimate

factors = st.floats(1, 10)
values = st.floats(1e-6, 1e6)


@given(values, factors, values, factors)
def test_a_product_holds_its_value_and_is_no_narrower(
    one: float, spread: float, other: float, further: float
) -> None:
    product = Estimate.within(one, spread) * Estimate.within(other, further)
    assert product.low <= product.value <= product.high
    assert product.high / product.value >= max(spread, further) * (1 - 1e-9)
    assert product.high / product.value <= spread * further * (1 + 1e-9)


def test_errors_of_three_and_four_hundredths_make_five() -> None:
    product = Estimate.within(2, 1.03) * Estimate.within(5, 1.04)
    assert product.value == pytest.approx(10)
    assert product.high / product.value == pytest.approx(1.05, abs=0.001)


def test_dividing_undoes_the_value_but_not_the_doubt() -> None:
    one = Estimate.within(8, 2)
    assert (one / one).value == pytest.approx(1)
    assert (one / one).high > 2


def test_an_interval_without_its_value_is_refused() -> None:
    with pytest.raises(ValueError, match="holds its value"):
        Estimate(2, 1, 3)
