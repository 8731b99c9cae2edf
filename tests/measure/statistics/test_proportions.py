"""Wilson's interval against published values and statsmodels; baselines by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from isoflop.errors import UsageError
from isoflop.measure.statistics.baselines import chance, first_option, majority
from isoflop.measure.statistics.proportions import wilson


def test_wilson_interval_of_ten_of_twenty() -> None:
    # Newcombe 1998, table I gives 0.2993 and 0.7007 for 10 of 20 by this method
    found = wilson(10, 20)
    assert (found.low, found.high) == pytest.approx((0.2993, 0.7007), abs=1e-4)


@given(st.integers(1, 10**6), st.floats(0.5, 0.999), st.data())
def test_wilson_is_statsmodels_and_holds_its_point(
    n: int, confidence: float, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, n))
    found = wilson(successes, n, confidence)
    expected = proportion_confint(successes, n, 1 - confidence, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(
    ("successes", "n"), [(3, 2), (-1, 5), (0, 0), (float("nan"), 5), (1, float("inf"))]
)
def test_wilson_refuses_what_is_not_a_proportion(successes: float, n: float) -> None:
    with pytest.raises(UsageError, match=f"successes={successes} of n={n}"):
        wilson(successes, n)


def test_wilson_refuses_a_confidence_of_95() -> None:
    with pytest.raises(UsageError, match="confidence=95 is not between 0 and 1"):
        wilson(1, 2, 95)


KEY = ["B", "A", ("B", "D"), "C"]


def test_the_majority_answer_counts_every_accepted_one() -> None:
    assert majority(KEY) == ("B", 0.5)
    assert majority(KEY, weights=[1, 1, 1, 5]) == ("C", 0.625)


def test_the_first_of_equally_good_answers_is_taken_by_name() -> None:
    assert majority(["no", "yes"]) == ("no", 0.5)


def test_always_the_first_choice_and_drawing_one() -> None:
    choices = ["AB", "ABCD", "ABCD", "ABC"]
    assert first_option(KEY, choices) == 0.25
    assert chance(KEY, choices) == pytest.approx((1 / 2 + 1 / 4 + 2 / 4 + 1 / 3) / 4)
    assert chance(KEY, choices, weights=[0, 0, 1, 0]) == 0.5


@pytest.mark.parametrize(
    ("accepted", "choices", "message"),
    [
        ([], [], "no questions"),
        (["A", ()], ["AB", "AB"], "place 1 has no right answer"),
        (["A"], ["AB", "AB"], "choices: 2 values for 1"),
        (["E"], ["AB"], r"none of \['A', 'B'\] at place 0 is accepted, which are \['E'\]"),
    ],
)
def test_baselines_refuse_contradictory_keys(
    accepted: list[str], choices: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        chance(accepted, choices)
