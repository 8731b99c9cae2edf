import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.augment.methods.abstaining import FEWEST, Tried, best_threshold, break_even

USUAL = 0.23
SURE = [Tried(0.9, 1.0, 0.0)] * 6


def total(tried: list[Tried], limit: float) -> float:
    return sum(t.given if t.confidence >= limit else t.kept for t in tried)


@pytest.mark.parametrize(("wrong", "at"), [(0, 0), (1, 0.5), (3, 0.75)])
def test_answering_breaks_even_where_gain_and_loss_are_the_same(wrong: float, at: float) -> None:
    assert break_even(wrong) == at
    assert at * 1 - (1 - at) * wrong == 0


def test_the_limit_lies_between_what_loses_and_what_gains() -> None:
    losing = [Tried(0.4, -2.0, 0.0), Tried(0.6, 1.0, 0.0), Tried(0.6, -2.0, 0.0), Tried(0.3, 0, 1)]
    assert best_threshold([*SURE, *losing], USUAL) == 0.75


def test_of_equals_the_nearest_to_the_usual_is_taken() -> None:
    gaining = [Tried(0.5, 1.0, 0.0)] * 4  # any limit up to 0.5 answers all
    assert best_threshold([*SURE, *gaining], USUAL) == USUAL
    assert best_threshold([*SURE, *gaining], 0.6) == 0.0


def test_where_every_answer_loses_none_is_given() -> None:
    losing = [Tried(0.8, -1.0, 0.0), Tried(0.2, -1.0, 0.0)] * 6
    limit = best_threshold(losing, USUAL)
    assert 0.8 < limit < 1


def test_few_questions_choose_nothing() -> None:
    assert best_threshold([Tried(0.8, -1.0, 0.0)] * (FEWEST - 1), USUAL) == USUAL


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1), st.sampled_from((-3.0, 0.0, 1.0)), st.sampled_from((0.0, 1.0))
        ),
        min_size=FEWEST, max_size=40,
    ),
    st.floats(0, 1),
)  # fmt: skip
def test_no_other_limit_scores_better(rows: list[tuple[float, float, float]], other: float) -> None:
    tried = [Tried(*row) for row in rows]
    assert total(tried, best_threshold(tried, USUAL)) >= total(tried, other) - 1e-6
