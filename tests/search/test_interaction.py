"""A question compared with stretches of a text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.search.interaction import closeness

WIDTH = 8


def rows(count: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 99))
def test_it_agrees_with_the_loop_over_all_pairs_of_tokens(asked: int, read: int, seed: int) -> None:
    question, text = rows(asked + 2, seed), rows(read + 2, seed + 100)
    starts = list(range(0, 5 * read, 5))  # tokens of five characters
    stretches = [(0, 5 * read), (0, 5), (5 * (read // 2), 5 * read)]
    _, found = closeness(question, text, starts, stretches)
    for (start, stop), (mean, least) in zip(stretches, found, strict=True):
        inside = [row for row, at in zip(text[1:-1], starts, strict=True) if start <= at < stop]
        best = [max(float(one @ other) for other in inside) for one in question[1:-1]]
        assert mean == pytest.approx(sum(best) / len(best), abs=1e-5)
        assert least == pytest.approx(min(best), abs=1e-5)


def test_a_text_that_is_the_question_is_as_close_as_can_be() -> None:
    question = rows(7, 1)
    cosine, [(mean, least)] = closeness(question, question, [0, 2, 4, 6, 8], [(0, 10)])
    assert cosine == pytest.approx(1, abs=1e-5)
    assert mean == pytest.approx(1, abs=1e-5)
    assert least == pytest.approx(1, abs=1e-5)


def test_special_tokens_do_not_count() -> None:
    question, text = rows(5, 1), rows(9, 2)
    before = closeness(question, text, range(7), [(0, 7)])
    question[0], text[-1] = question[-1], text[0]
    assert closeness(question, text, range(7), [(0, 7)]) == before


def test_what_was_not_read_is_not_close() -> None:
    # Ten tokens are known, but the encoder read four of them.
    _, found = closeness(rows(5, 1), rows(6, 2), range(10), [(0, 4), (6, 9)])
    assert found[0] != (0, 0)
    assert found[1] == (0, 0)


def test_a_question_or_text_of_special_tokens_alone_is_close_to_nothing() -> None:
    assert closeness(rows(2, 1), rows(6, 2), range(4), [(0, 4)]) == (0, [(0, 0)])
    assert closeness(rows(5, 1), rows(2, 2), [], [(0, 4)]) == (0, [(0, 0)])
