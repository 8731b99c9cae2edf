"""Scores against published values, closed forms and brute force."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.measure.scores import bootstrap_difference, mcnemar, ndcg, wilson


def test_ndcg_of_the_worked_example_of_wikipedia() -> None:
    # "Discounted cumulative gain": grades 3 2 3 0 1 2 give DCG 6.861; with 3 and 2 left out of
    # the ranking the ideal is 8.740 and the quotient 0.785
    grades = {"a": 3.0, "b": 2.0, "c": 3.0, "d": 0.0, "e": 1.0, "f": 2.0, "g": 3.0, "h": 2.0}
    assert ndcg("abcdef", grades, 6) == pytest.approx(0.785, abs=5e-4)


@given(st.integers(0, 12))
def test_ndcg_of_one_relevant_document_is_its_discount(rank: int) -> None:
    ranked = [str(i) for i in range(13)]
    expected = 1 / math.log2(rank + 2) if rank < 10 else 0
    assert ndcg(ranked, {str(rank): 1.0}) == pytest.approx(expected)


def test_ndcg_with_nothing_relevant_is_zero() -> None:
    assert ndcg(["a"], {}) == 0


def test_wilson_interval_of_ten_of_twenty() -> None:
    # Newcombe 1998, table I gives 0.2993 and 0.7007 for 10 of 20 by this method
    assert wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_its_point_and_stays_between_0_and_1(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1


def test_wilson_refuses_what_is_not_a_proportion() -> None:
    with pytest.raises(ValueError, match="successes=3 of n=2"):
        wilson(3, 2)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=9))
def test_mcnemar_is_the_share_of_coin_tosses_at_least_as_lopsided(
    pairs: list[tuple[bool, bool]],
) -> None:
    differing = [a for a, b in pairs if a != b]
    n, firsts = len(differing), sum(differing)
    extreme = sum(
        abs(sum(toss) - n / 2) >= abs(firsts - n / 2) for toss in product((0, 1), repeat=n)
    )
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assert mcnemar(first, second) == pytest.approx(extreme / 2**n)


def test_the_bootstrap_covers_a_known_difference_about_as_often_as_it_says() -> None:
    import random

    draw = random.Random(1)
    covered = 0
    for seed in range(120):
        first = [draw.gauss(0.3, 1) for _ in range(60)]
        low, high = bootstrap_difference(first, [0.0] * 60, resamples=400, seed=seed)
        covered += low <= 0.3 <= high
    assert 0.87 <= covered / 120 <= 0.99


def test_whole_clusters_are_drawn_so_copies_do_not_narrow_the_interval() -> None:
    first, second = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    alone = bootstrap_difference(first, second, seed=3)
    copied = bootstrap_difference(
        first * 10, second * 10, clusters=[str(i) for i in range(6)] * 10, seed=3
    )
    assert copied == pytest.approx(alone, abs=0.02)


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no questions"):
        bootstrap_difference([], [])
