"""Equivalents: arithmetic by hand, sources for each, and GPT-3 on ten thousand V100."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop import catalog
from isoflop.plan.equivalents import KNOWN, YEAR, Kind, equivalents, run_seconds


def named(kind: Kind, amount: float, start: str) -> float:
    (found,) = (count for count, e in equivalents(kind, amount) if e.name.startswith(start))
    return found


def test_gpt3_took_ten_thousand_v100_about_thirteen_days() -> None:
    # 3.14e23 FLOPs (arXiv:2005.14165, appendix D) at 22.4 % of 125 TFLOP/s
    seconds = run_seconds(3.14e23, catalog.machine("10000xv100"), 0.224)
    assert seconds is not None
    assert seconds / 86400 == pytest.approx(13.0, abs=0.05)


def test_a_brain_takes_3_9_joules_to_read_a_token() -> None:
    # 20 W / (238 words a minute x 1.3 tokens / 60 s)
    assert named("joules", 1.0, "tokens read") == pytest.approx(1 / 3.878, rel=1e-3)
    assert named("joules", 20 * YEAR * 80, "lifetimes of a brain") == pytest.approx(1)


def test_homes_flights_and_childhoods_are_as_published() -> None:
    assert named("joules", 10_715 * 3.6e6, "years of a US home") == pytest.approx(1)
    assert named("grams_co2e", 552e6, "passengers across the Atlantic") == pytest.approx(345)
    # 2 h x 60 min x 238 words x 365.2425 days x 70 years x 1.3 tokens
    by_hand = 120 * 238 * 365.2425 * 70 * 1.3
    assert named("tokens", by_hand, "lifetimes of reading") == pytest.approx(1)
    # 1,798 words x 12.5 h x 3,652.4 days x 1.3 tokens
    assert named("tokens", 1798 * 12.5 * 3652.425 * 1.3, "children") == pytest.approx(1)


@given(kind=st.sampled_from(["joules", "grams_co2e", "tokens"]), amount=st.floats(0, 1e30))
def test_twice_as_much_is_twice_as_many(kind: Kind, amount: float) -> None:
    one, two = (list(equivalents(kind, a)) for a in (amount, 2 * amount))
    assert one
    assert [2 * count for count, _ in one] == pytest.approx([count for count, _ in two])


def test_every_constant_has_a_source_a_date_and_its_evidence() -> None:
    for known in KNOWN:
        assert known.amount > 0
        assert len(known.source) > 10
        assert re.fullmatch(r"\d{4}(-\d\d){0,2}", known.date)
        assert known.evidence in ("V", "S", "M", "A")


def test_more_than_the_peak_and_negative_amounts_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        run_seconds(1e20, catalog.machine("v100"), 1.2)
    with pytest.raises(ValueError, match="-1"):
        list(equivalents("joules", -1))
