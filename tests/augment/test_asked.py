"""What a question asks for."""

import pytest

from isoflop.augment.asked import Asked, stem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("studies", "studied"),
        ("ship", "ships"),
        ("walking", "walked"),
        ("Bridges", "bridge"),
        ("universities", "university"),
    ],
)
def test_forms_of_a_word_share_their_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("glass", "glad"), ("string", "strong"), ("bed", "be")])
def test_different_words_do_not(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_telling_words_are_those_that_are_not_everywhere() -> None:
    assert Asked.of("What is the name of the bridge over the Tarn?").stems == {"bridge", "tarn"}


def test_a_question_of_common_words_keeps_them_all() -> None:
    assert Asked.of("Who is it?").stems == {"who", "is", "it"}


@pytest.mark.parametrize(
    ("question", "sentence", "held"),
    [
        ("How many arches has it?", "It has five arches.", [1, 0, 0]),
        ("How many arches has it?", "It has arches.", [0, 0, 0]),
        ("Wie viele Bögen hat sie?", "Sie hat 5 Bögen.", [1, 0, 0]),
        ("When was it dredged?", "It was dredged in 1932.", [0, 1, 0]),
        ("What year was it dredged?", "It took 12 ships.", [0, 0, 0]),
        ("Wann war es?", "Es war im Oktober.", [0, 1, 0]),
        ("Did 1932 see it? When was it?", "It was in 1932.", [0, 0, 0]),
        ("Who dredged it?", "Anna Maria Oakley dredged it.", [0, 0, 1]),
        ("Who dredged it?", "The firm dredged it.", [0, 0, 0]),
        ("Why was it dredged?", "Oakley found 3 wrecks in 1932.", [0, 0, 0]),
    ],
)
def test_a_sentence_holds_the_kind_of_thing_that_is_asked_for(
    question: str, sentence: str, held: list[float]
) -> None:
    assert Asked.of(question).kinds_in(sentence) == held
