"""Bills add up, and what is not known stays unknown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.bill import FIGURES, Basis, Bill, total

BASES: st.SearchStrategy[Basis] = st.sampled_from(["measured", "forecast", "assumed"])
COUNTS = st.none() | st.integers(-(10**9), 10**9)


@st.composite
def bills(draw: st.DrawFn) -> Bill:
    names = draw(st.lists(st.sampled_from(FIGURES), unique=True))
    return Bill.of(draw(BASES), **{name: draw(COUNTS) for name in names})


@given(bills(), bills(), bills())
def test_bills_are_a_commutative_monoid(a: Bill, b: Bill, c: Bill) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Bill() == a
    assert total([a, b, c]) == a + b + c


@given(bills(), st.integers(0, 100))
def test_scaling_is_repeated_addition(bill: Bill, times: int) -> None:
    if times:
        assert bill * times == total([bill] * times)


@given(bills())
def test_an_unknown_figure_stays_unknown_in_every_sum(bill: Bill) -> None:
    assert (bill + Bill.measured(joules=None)).joules is None


@given(bills())
def test_a_bill_is_the_same_after_a_file_of_json(bill: Bill) -> None:
    assert Bill.from_dict(json.loads(json.dumps(bill.as_dict()))) == bill
    assert Bill.from_dict(None) == Bill()


def test_each_figure_knows_its_own_basis() -> None:
    bill = Bill.measured(seconds=2.0) + Bill.assumed(joules=30.0)
    assert bill.basis_of("seconds") == "measured"
    assert bill.basis_of("joules") == "assumed"
    assert bill.basis_of("dollars") is None
    assert bill.basis == "mixed"
    assert (bill + Bill.forecast(seconds=1.0)).basis_of("seconds") == "mixed"


def test_measured_minus_forecast_is_the_error() -> None:
    error = Bill.measured(seconds=3.0, flops=5.0) - Bill.forecast(seconds=2.0, flops=5.0)
    assert (error.seconds, error.flops) == (1.0, 0.0)


def test_a_figure_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="horses"):
        Bill.measured(horses=1)


def test_json_shows_unknown_as_null_and_every_basis() -> None:
    shown = Bill.measured(seconds=1.0, dollars=None).as_dict()
    assert shown["dollars"] is None
    assert shown["bases"] == {"seconds": "measured", "dollars": "measured"}
