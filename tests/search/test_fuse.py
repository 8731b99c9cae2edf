import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.search.fuse import (
    document_logits,
    fuse,
    of_documents,
    reciprocal_rank_fusion,
    strangeness,
)

RANKING = st.dictionaries(st.integers(0, 30), st.floats(0.01, 50), max_size=20).map(
    lambda scores: sorted(scores.items(), key=lambda row: (-row[1], row[0]))
)


def test_logits_of_words_and_vectors_add() -> None:
    words, vectors = [(1, 10.0), (2, 4.0)], [(2, 0.7), (1, 0.5)]
    assert fuse(words, vectors, 9) == [(2, 14 + 0.25 * 4), (1, 10 + 0.25 * 10)]
    ((id, score),) = fuse(words, vectors, 1, strange=2.0)
    assert id == 1
    assert score == pytest.approx(10 + 10.0)


def test_context_adds_to_what_it_speaks_for() -> None:
    words, vectors = [(1, 10.0), (2, 4.0)], [(2, 0.7), (1, 0.5)]
    assert fuse(words, vectors, 9, context={1: 3.0}) == [(1, 12.5 + 3.0), (2, 15.0)]


def test_a_document_of_one_passage_says_nothing_more() -> None:
    assert document_logits(240, 240) == 0.0
    assert document_logits(4, 690) == pytest.approx(686 / 690)
    assert document_logits(0, 0) == 0.0


def test_what_a_full_ranking_lacks_gets_its_last_score() -> None:
    assert dict(fuse([(1, 10.0), (2, 8.0)], [(3, 0.7), (1, 0.5)], 9)) == pytest.approx(
        {1: 10 + 2.5, 2: 10 + 2.0, 3: 14 + 2.0}
    )


def test_what_shares_no_word_gets_nothing_for_words() -> None:
    assert dict(fuse([(1, 10.0)], [(3, 0.7), (1, 0.5)], 9)) == pytest.approx({1: 12.5, 3: 14.0})


def test_one_empty_ranking_leaves_the_order_of_the_other() -> None:
    assert [id for id, _ in fuse([], [(3, 0.7), (1, 0.5)], 9)] == [3, 1]
    assert [id for id, _ in fuse([(3, 7.0), (1, 5.0)], [], 9)] == [3, 1]
    assert fuse([], [], 9) == []


@given(words=RANKING, vectors=RANKING, k=st.integers(1, 40))
def test_fusion_ranks_every_candidate_once_and_ties_by_id(
    words: list[tuple[int, float]], vectors: list[tuple[int, float]], k: int
) -> None:
    every = {id for id, _ in [*words, *vectors]}
    for fused in (fuse(words, vectors, k), reciprocal_rank_fusion([words, vectors], k)):
        assert len(fused) == min(k, len(every))
        assert len({id for id, _ in fused}) == len(fused)
        assert fused == sorted(fused, key=lambda row: (-row[1], row[0]))


@given(ranking=RANKING)
def test_a_passage_that_is_better_by_both_is_ranked_better(
    ranking: list[tuple[int, float]],
) -> None:
    fused = fuse(ranking, [(id, score / 50) for id, score in ranking], 99)
    assert [id for id, _ in fused] == [id for id, _ in ranking]


def test_reciprocal_ranks_are_those_of_the_paper() -> None:
    assert reciprocal_rank_fusion([[(1, 9.0), (2, 8.0)], [(2, 0.3)]], 9) == [
        (2, 1 / 62 + 1 / 61),
        (1, 1 / 61),
    ]


def test_strange_words_are_those_in_pieces() -> None:
    assert strangeness("Who dredged it?", 4) == 1.0
    assert strangeness("Wer baggerte aus?", 8) == 2.0
    assert strangeness("", 0) == 1.0


def test_probabilities_of_passages_add_up_in_their_document() -> None:
    passages = [("b", math.log(3)), ("a", math.log(2)), ("a", math.log(2)), ("c", -900.0)]
    (first, best), (second, _), (third, least) = of_documents(passages)
    assert (first, second, third) == ("a", "b", "c")
    assert best == pytest.approx(math.log(4))
    assert least == -900.0


def test_documents_of_one_passage_keep_its_score_and_ties_go_by_id() -> None:
    assert of_documents([("b", 2000.0), ("a", 2000.0)]) == [("a", 2000.0), ("b", 2000.0)]
    assert of_documents([]) == []
