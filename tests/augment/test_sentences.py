"""Where sentences begin and end."""

# ruff: noqa: RUF001 - the typographer's marks are meant

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.augment.sentences import sentences


def cut(text: str) -> list[str]:
    return [text[start:stop] for start, stop in sentences(text)]


# Texts of what decides: stops, quotes, brackets, initials, digits, marks of lists and tables.
STOPS = [". ", "! ", "? ", "… ", '." ', ".) ", "。", "[1]", "Mr. ", "e.g. ", "J. ", "U.S. ", "1. "]
MARKS = [" ", "\n", "\n\n", "\t", "\xa0", "- ", "| ", "# ", "```", "a", "Word", "Ärzte", "42"]
PIECES = st.sampled_from([*STOPS, *MARKS])
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("".join))


@given(TEXTS)
def test_spans_are_in_order_apart_and_trimmed(text: str) -> None:
    end = 0
    for start, stop in sentences(text):
        assert end <= start < stop
        assert text[start:stop] == text[start:stop].strip()
        end = stop


@given(TEXTS)
def test_nothing_but_blanks_lies_between_sentences(text: str) -> None:
    end = 0
    for start, stop in [*sentences(text), (len(text), len(text))]:
        assert not text[end:start].strip()
        end = stop


@pytest.mark.parametrize(
    "expected",
    [
        ["Mr. J. R. Smith met Dr. No in St. Louis.", "He left at 5 p.m.", "The end."],
        ["J. A. Hobson wrote it.", "I. Newton did not."],
        ["See fig. 3 and No. 5.", "Pi is 3.14.", "It cost $1.5 million."],
        ["The U.S. Army left.", "He lives in the U.S.", "The law is new."],
        ["She likes art.", "Picasso is art. 3 of the list."],
        ['"Go!" she said.', '"Why?"', "He left."],
        ["It grew.[12][3]", "It fell (see below).", "It grew again.:121,154", "Then no more."],
        ["Is it?", "Yes!", "Well… perhaps.", "No."],
        ["Am 3. Oktober 1990 war es z. B. der 19. Tag.", "Dann kam Karl.", "Das war d. h. gut."],
        ["Il a vu M. Dupont.", "C'est tout."],
        ["Vive en la calle 5.", "¿Dónde?", "Aquí, p. ej. en casa."],
    ],
)
def test_full_stops_end_sentences_and_not_abbreviations(expected: list[str]) -> None:
    assert cut(" ".join(expected)) == expected


def test_scripts_without_spaces_end_at_their_own_marks() -> None:
    assert cut("日本です。中国です！韓国ですか？") == ["日本です。", "中国です！", "韓国ですか？"]


def test_wrapped_prose_is_one_sentence_over_its_lines() -> None:
    assert cut("The quick brown fox jumps over\nthe lazy dog. It\nsleeps.") == [
        "The quick brown fox jumps over\nthe lazy dog.",
        "It\nsleeps.",
    ]


def test_a_short_line_before_a_capital_stands_alone() -> None:
    text = (
        "The Harbour of Wexcombe\nThe harbour was dredged in 1932 by the firm of Oakley and Sons."
    )
    assert cut(text) == text.split("\n")


def test_items_rows_headings_and_code_are_cut_by_line() -> None:
    text = "# Title\n- one\n- two\n  more\n1. first\n| a | b |\n| 1 | 2 |\n```\nx = f(1)\n\ny\n```"
    assert cut(text) == [
        "# Title",
        "- one",
        "- two\n  more",
        "1. first",
        "| a | b |",
        "| 1 | 2 |",
        "```",
        "x = f(1)",
        "y",
        "```",
    ]


@pytest.mark.parametrize(
    "unit",
    ["a. ", "A. B", ".", "J. ", "\n", "x", "(.", ".[1]", "a\n", "- ", "1.\n", '!"', "Mr. ", ". . "],
)
def test_a_text_twice_as_long_takes_about_twice_as_long(unit: str) -> None:
    def seconds(times: int) -> float:
        text = unit * times
        runs = []
        for _ in range(3):
            began = time.process_time()
            sentences(text)
            runs.append(time.process_time() - began)
        return min(runs)

    # Quadratic time would be sixteenfold; a constant keeps short times from being compared.
    assert seconds(10_000) < 8 * seconds(2_500) + 0.1
