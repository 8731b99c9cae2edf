"""Text as it comes: whole characters, and nothing of a stop string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.lm.tokenizer import train_tokenizer
from isoflop.lm.writing import Writing

TOKENIZER = train_tokenizer(["the end of the end, and the END. " * 9, "日本語 héé"], 300)


def written(ids: list[int], stop: tuple[str, ...] = ()) -> tuple[Writing, list[str]]:
    shown: list[str] = []
    writing = Writing(TOKENIZER.decode, stop, shown.append)
    for id in ids:
        writing.add(id)
        if writing.stopped:
            break
    writing.close()
    return writing, shown


@given(st.text())
def test_any_text_arrives_whole_and_in_whole_characters(text: str) -> None:
    ids = TOKENIZER.encode(text)
    writing, shown = written(ids)
    assert "".join(shown) == writing.text == text
    assert "".join(writing.pieces) == text
    assert len(writing.pieces) == len(ids)
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in shown)


@given(st.text(), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_nothing_of_a_stop_string_is_ever_shown(text: str, stop: list[str]) -> None:
    writing, shown = written(TOKENIZER.encode(text), tuple(stop))
    ends = [text.find(each) for each in stop if each in text]
    assert writing.text == "".join(shown) == text[: min(ends, default=len(text))]
    assert writing.stopped == bool(ends)


@given(st.lists(st.integers(1, TOKENIZER.vocabulary - 1)))
def test_bytes_that_are_no_text_arrive_as_they_are_decoded(ids: list[int]) -> None:
    writing, shown = written(ids)
    assert writing.text == "".join(shown) == TOKENIZER.decode(ids)


@pytest.mark.parametrize("stop", ["end, and", "d of the", "\u00f1"])
def test_a_stop_string_across_tokens_is_found(stop: str) -> None:
    text = "the end of the end, and ñandu"
    ids = TOKENIZER.encode(text)
    assert all(stop not in TOKENIZER.decode([id]) for id in ids)
    writing, shown = written(ids, (stop,))
    assert writing.stopped
    assert "".join(shown) == text[: text.index(stop)]


def test_what_may_become_a_stop_string_is_shown_once_it_does_not() -> None:
    shown: list[str] = []
    writing = Writing(lambda ids: "".join(map(chr, ids)), ("abc",), shown.append)
    for character, expected in [("x", "x"), ("a", "x"), ("b", "x"), ("d", "xabd")]:
        writing.add(ord(character))
        assert "".join(shown) == expected
