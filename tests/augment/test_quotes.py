"""Quotes are found however they were copied, and only where they are."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isoflop.augment.quotes import find, find_pieces, folded

SOURCE = (
    "The \u201cbridge\u201d \u2014 *opened* in\n> March 1,932.5 was **very**  long[7], an exam-\n"
    "ple of a ca\ufb01ne [shop](http://x.y/z) on the 19th-century pier; na\u00efve in 2012.\n"
    "- First item\n- Second item \u6771\u4eac\u3067\u3059"
)


def quoted(quote: str, source: str = SOURCE) -> str | None:
    place = find(quote, folded(source))
    return source[slice(*place)] if place else None


@pytest.mark.parametrize(
    ("copied", "source"),
    [
        ('the "bridge" - opened', "The \u201cbridge\u201d \u2014 *opened"),
        ("THE 'BRIDGE'\u2013OPENED IN MARCH", "The \u201cbridge\u201d \u2014 *opened* in\n> March"),
        ("very long, an example", "very**  long[7], an exam-\nple"),
        ("cafine shop on", "ca\ufb01ne [shop](http://x.y/z) on"),
        ("century pier", "century pier"),
        ("19th\u2011century", "19th-century"),
        ("nai\u0308ve in 2012!", "na\u00efve in 2012"),
        ("first item second item", "First item\n- Second item"),
        ("\u4eac\u3067", "\u4eac\u3067"),
    ],
)
def test_differences_of_form_do_not_hide_a_quote(copied: str, source: str) -> None:
    assert quoted(copied) == source


@pytest.mark.parametrize(
    "copied",
    [
        "12",  # inside 2012
        "1,932",  # the number goes on
        "932.5",
        "ridge",
        "fine",  # inside a ligature
        "naive",  # another letter
        "opened in April",
        "very short",
        "",
        "...",
    ],
)
def test_other_words_parts_of_words_and_parts_of_numbers_are_not_found(copied: str) -> None:
    assert quoted(copied) is None


TEXT = st.text(
    st.sampled_from(list("ab \n.,-\"'*_[]()<>1\u201c\u2019\u00ad\u00e9\ufb01\u0301\u6771#")),
    max_size=60,
)


@given(TEXT)
def test_folding_keeps_the_order_and_the_range_of_places(text: str) -> None:
    result = folded(text)
    assert len(result.text) == len(result.places)
    assert list(result.places) == sorted(result.places)
    assert all(0 <= place < len(text) for place in result.places)


@given(st.lists(st.from_regex(r"[a-z]{1,8}|[0-9]{1,4}", fullmatch=True), min_size=1), st.data())
def test_any_run_of_words_is_found_exactly_where_it_stands(
    words: list[str], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    source = "  \n".join(words)
    place = find(" ".join(words[first : last + 1]).upper(), folded(source))
    assert place is not None
    assert source[slice(*place)].split() == words[first : last + 1]


@given(TEXT, TEXT)
def test_what_is_found_is_the_quote_again(source: str, quote: str) -> None:
    assume(any(c.isalnum() for c in quote))
    place = find(quote, folded(source))
    if place:
        found = folded(source[slice(*place)]).text
        assert found.strip(" .,;:!?'-") == folded(quote).text.strip(" .,;:!?'-")


def test_a_quote_with_gaps_is_found_piece_by_piece_and_in_order() -> None:
    within = folded(SOURCE)
    pieces = find_pieces("opened in March \u2026 na\u00efve [...] item", within)
    assert [SOURCE[slice(*p)] for p in pieces] == ["opened* in\n> March", "na\u00efve", "item"]
    assert find_pieces("na\u00efve ... opened", within) == []
    assert find_pieces("opened ... closed", within) == []
