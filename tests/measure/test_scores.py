"""Scores against published values and closed forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.measure.scores import ndcg


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
