"""Quantities are read as people write them, and what cannot be read is answered with examples."""

import pytest

from isoflop.errors import UsageError
from isoflop.quantities import chips, count, dollars, rate, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7e9", 7e9),
        ("7B", 7e9),
        ("1.2T", 1.2e12),
        ("140 billion", 140e9),
        ("1,000", 1000),
        ("3.14e23 FLOP", 3.14e23),
        ("300k", 3e5),
    ],
)
def test_counts(text: str, value: float) -> None:
    assert count(text, units=("FLOP", "FLOPs")) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"), [("30 days", 2_592_000), ("20min", 1200), ("1.5 h", 5400), ("90", 90)]
)
def test_times(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


def test_money_chips_and_rates() -> None:
    assert dollars("$2M") == 2e6
    assert chips("8xH100-SXM") == (8, "h100-sxm")
    assert chips("256 a100-80gb") == (256, "a100-80gb")
    assert chips("h100-sxm") == (1, "h100-sxm")
    assert rate("1000/day") == (1000, 86400)


@pytest.mark.parametrize("text", ["", "seven", "-3", "0", "nan", "1e999", "7 parsecs"])
def test_what_is_no_positive_count_is_refused_and_named(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        count(text)


def test_messages_show_accepted_forms() -> None:
    with pytest.raises(UsageError, match="30 days"):
        seconds("soon")
    with pytest.raises(UsageError, match="8xh100-sxm"):
        chips("!!")
    with pytest.raises(UsageError, match="at least one chip"):
        chips("0xh100-sxm")
