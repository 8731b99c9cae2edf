from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isoflop.train.corpus import from_documents, normalised
from isoflop.train.duplicates import BLOCK_CHARACTERS, MOST_COMPARED, NEAR, Sketches, overlap
from isoflop.train.records import Segment, TrainingDocument


def grams(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def by_brute_force(texts: list[str]) -> list[int]:
    kept: list[int] = []
    gone: list[int] = []
    for place, text in enumerate(texts):
        overlaps = [
            len(grams(text) & grams(texts[k])) / len(grams(text) | grams(texts[k])) for k in kept
        ]
        (gone if max(overlaps, default=0) >= NEAR else kept).append(place)
    return gone


def near_duplicates(texts: list[str]) -> list[int]:
    sketches = Sketches()
    for text in texts:
        sketches.add(text)
    return sketches.near_duplicates(texts.__getitem__)


words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=1, max_size=60)


@st.composite
def edited_texts(draw: st.DrawFn) -> list[str]:
    texts = []
    for original in draw(st.lists(words, min_size=1, max_size=4)):
        for _ in range(draw(st.integers(1, 4))):
            copy = list(original)
            for place in draw(st.lists(st.integers(0, len(copy) - 1), max_size=2)):
                copy[place] = draw(st.sampled_from(["x", "y", "z"]))
            texts.append(" ".join(copy))
    return draw(st.permutations(texts))


@given(edited_texts())
def test_the_texts_left_out_are_those_that_brute_force_leaves_out(texts: list[str]) -> None:
    assert near_duplicates(texts) == by_brute_force(texts)


def test_a_text_like_one_that_is_gone_is_kept() -> None:
    first = [f"w{i}" for i in range(100)]
    second = [*first[:20], "x", *first[21:40], "x", *first[41:]]
    third = [*second[:60], "y", *second[61:80], "y", *second[81:]]
    assert near_duplicates([" ".join(words) for words in (first, second, third)]) == [1]


def test_texts_of_one_pattern_are_compared_in_a_time_that_grows_with_their_number() -> None:
    words = [f"w{i}" for i in range(60)]
    texts = [
        " ".join([*words[:20], f"a{i}", *words[20:40], f"b{i}", *words[40:]]) for i in range(500)
    ]
    read: list[int] = []
    sketches = Sketches()
    for one in texts:
        sketches.add(one)

    def text(number: int) -> str:
        read.append(number)
        return texts[number]

    assert sketches.near_duplicates(text) == []
    assert 500 <= len(read) <= 500 * MOST_COMPARED


def test_of_many_copies_one_is_kept() -> None:
    texts = [" ".join(f"w{i}" for i in range(100)) + f" tail{copy}" for copy in range(200)]
    assert near_duplicates(texts) == list(range(1, 200))


@given(words, words)
def test_the_overlap_is_that_of_the_sets(left: list[str], right: list[str]) -> None:
    a, b = " ".join(left), " ".join(right)
    sketches = Sketches()
    expected = len(grams(a) & grams(b)) / len(grams(a) | grams(b))
    sets = [np.unique(sketches.grams(text)) for text in (a, b)]
    assert overlap(*sets) == expected


def test_a_long_text_read_in_blocks_has_the_grams_of_the_whole() -> None:
    text = " ".join(f"w{i * i % 7919}" for i in range(BLOCK_CHARACTERS // 2))
    assert len(text) > 2 * BLOCK_CHARACTERS
    half = text.rindex(" ", 0, len(text) // 2)
    sketches = Sketches()
    left, right = sketches.grams(text[:half]), sketches.grams(text[half + 1 :])
    whole = sketches.grams(text)
    assert whole[: left.size].tolist() == left.tolist()
    assert whole[-right.size :].tolist() == right.tolist()
    assert whole.size == len(text.split()) - 4


def document(text: str) -> TrainingDocument:
    return TrainingDocument(text[:8], (Segment(text),))


def test_case_and_space_do_not_make_another_document() -> None:
    corpus = from_documents(map(document, ["One Two", "one\n  two ", "three"]))
    assert corpus.exact_duplicates == 1
    assert sum(corpus.documents) == 2


def test_near_duplicates_are_counted_and_gone() -> None:
    long = " ".join(f"w{i}" for i in range(100))
    corpus = from_documents(map(document, [long, long + " more", "something else"]))
    assert (corpus.exact_duplicates, corpus.near_duplicates) == (0, 1)
    kept = [d.text for d in (*corpus.training(), *corpus.held_out())]
    assert sorted(kept) == sorted([long, "something else"])
    assert corpus.text_bytes == len(long) + len("something else")


def test_two_questions_about_one_long_passage_are_both_kept() -> None:
    passage = " ".join(f"w{i}" for i in range(100))
    records = [
        TrainingDocument(q, (Segment(f"{passage} {q}", False), Segment(f" {a}")))
        for q, a in pairwise(["who", "when", "where"])
    ]
    corpus = from_documents(records)
    assert (corpus.near_duplicates, sum(corpus.documents)) == (0, 2)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
