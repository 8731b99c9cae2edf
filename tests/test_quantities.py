"""Quantities are read as people write them, and what cannot be read is answered with examples."""

import pytest

from isoflop import catalog
from isoflop.errors import UsageError
from isoflop.quantities import chips, count, dollars, joules, rate, seconds, share, written


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
    assert chips("8 x H100 SXM") == chips("8\u00d7h100-sxm") == (8, "h100-sxm")
    assert chips("NVIDIA GeForce RTX 4090") == (1, "rtx-4090")
    assert chips("4090") == (1, "4090")
    assert chips("2x4090") == (2, "4090")
    assert rate("1000/day") == (1000, 86400)


@pytest.mark.parametrize("text", ["", "seven", "-3", "0", "nan", "1e999", "7 parsecs"])
def test_what_is_no_positive_count_is_refused_and_named(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        count(text)


def test_a_large_count_is_written_as_budgets_are() -> None:
    assert [written(n) for n in (3.14e23, 1e22, 7.451e9, 12)] == ["3.14e23", "1e22", "7.45e9", "12"]


def test_messages_show_accepted_forms() -> None:
    with pytest.raises(UsageError, match="30 days"):
        seconds("soon")
    with pytest.raises(UsageError, match="8xh100-sxm"):
        chips("!!")
    with pytest.raises(UsageError, match="at least one chip"):
        chips("0xh100-sxm")
    for text in ("8x", "-8xh100", "x 8", "1e9xh100", "2.5xh100", ""):
        with pytest.raises(UsageError):
            catalog.machine(text)
    with pytest.raises(UsageError, match="more than 10,000,000 chips"):
        chips("1000000000xh100")


def test_energy_is_read_with_its_unit() -> None:
    assert joules("449 MWh") == pytest.approx(449 * 3.6e9)
    assert joules("0.24Wh") == pytest.approx(864)
    assert joules("1.3 GJ") == pytest.approx(1.3e9)
    with pytest.raises(UsageError, match="its unit is missing"):
        joules("449")
    with pytest.raises(UsageError, match="'BTU' is no unit of energy"):
        joules("3 BTU")


def test_a_share_is_read_in_per_cent_or_as_a_fraction() -> None:
    assert [share(text) for text in ("43%", "0.43", "43")] == [0.43, 0.43, 0.43]
    assert share("120%") == 1.2
    with pytest.raises(UsageError, match="more than zero"):
        share("-5%")
    with pytest.raises(UsageError, match="not an MFU"):
        share("43 TFLOP", of="MFU")
