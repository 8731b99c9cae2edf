"""Numbers, names and words of a sentence that its source does not have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.augment.facts import known, share, unmentioned

SOURCE = known(
    "In March 1932, after eight years, the Sydney Harbour Bridge opened; it cost 4,217,721.11 "
    "pounds, carries 1.5 million cars. Dorman Long of Middles-\nbrough built it; 10 000 workers."
)


@pytest.mark.parametrize(
    ("sentence", "missing"),
    [
        ("It opened in 1932 after 8 years.", []),
        ("It cost 4217721.11 pounds, or 4 217 721,11.", []),
        ("1. Cars: 1.50 million, 10,000 workers.", []),
        ("Built by Dorman Long of Middlesbrough.", []),
        ("Sydney's bridge opened in 1933 for 10000 people.", ["1933"]),
        ("The engineer was John Bradfield.", ["John", "Bradfield"]),
        ("John Bradfield designed it.", ["John", "Bradfield"]),
        ("Bradfield designed it.", []),  # a first word may be any word
        ("It was NASA and the GPT-4 of its day.", ["NASA", "GPT", "4"]),
        ("It was **Paris** that paid.", ["Paris"]),
        ("Die Kosten der Firma und das Ergebnis.", []),  # German nouns
        ("Die Kosten der NASA und das Jahr 1931.", ["NASA", "1931"]),
    ],
)
def test_what_a_source_does_not_mention_is_named(sentence: str, missing: list[str]) -> None:
    assert unmentioned(sentence, SOURCE) == missing


@given(st.integers(1000, 10**9), st.sampled_from([",", ".", " ", "'", "\u202f", ""]))
def test_a_number_is_the_same_however_its_thousands_are_grouped(n: int, separator: str) -> None:
    assert unmentioned(f"{n:,}".replace(",", separator), known(f"about {n} or so")) == []


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_two_different_numbers_are_never_taken_for_one(one: int, other: int) -> None:
    assert (unmentioned(f"it is {one}", known(f"it is {other}")) == []) == (one == other)


def test_the_share_counts_content_words_by_their_beginnings() -> None:
    source = known("Indexing splits documents into passages.")
    assert share("The indexes are split for everyone.", source) == pytest.approx(2 / 3)
    assert share("Yes, it is so.", source) == 0
    assert share("\u6771\u4eac\u306f", known("\u6771\u4eac\u3067\u3059")) == pytest.approx(1 / 2)
