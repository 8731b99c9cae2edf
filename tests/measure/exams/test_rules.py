"""Parsers and rules: from what a model wrote, or how likely it found it, to the answer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.measure.exams.formats import assembled
from isoflop.measure.exams.options import options_in
from isoflop.measure.exams.outputs import Output, Recording
from isoflop.measure.exams.parsers import PARSERS
from isoflop.measure.exams.prompts import key, readings
from isoflop.measure.exams.rules import margin
from isoflop.measure.exams.score import score
from isoflop.questions import Question

CHOICE = Question("q", "Which?", ("red ink", "blue ink", "no ink"), ("B",))
YES = Question("q", "Wet?", (), ("yes",))
NUMBER = Question("q", "How many?", (), ("12",))


@pytest.mark.parametrize(
    ("rule", "question", "text", "answer"),
    [
        ("letter", CHOICE, "B", "B"),
        ("letter", CHOICE, " (B) because A is not", "B"),
        ("letter", CHOICE, "\n\nB. blue ink", "B"),
        ("letter", CHOICE, "A reason is that it dries. The answer is (B).", "B"),
        ("letter", CHOICE, "Answer: C\nNo, wait. Final answer: B", "B"),
        ("letter", CHOICE, "blue ink.", "B"),
        ("letter", CHOICE, "Having seen A and C, I take B", "B"),
        ("letter", CHOICE, "<Answer>B. blue ink</Answer> not A", "B"),
        ("letter", CHOICE, "D", None),
        ("letter", CHOICE, "A good question", None),
        ("letter", CHOICE, "", None),
        ("first-capital", CHOICE, "because B", "B"),
        ("first-capital", CHOICE, "the Chinese ink", "C"),
        ("letters", CHOICE, "C and A", "AC"),
        ("tag", CHOICE, "so <Answer>B</Answer>", "B"),
        ("tag", CHOICE, "<answer>A</answer> or rather <Answer> B </Answer>", "B"),
        ("tag", CHOICE, "<Answer>A/B</Answer>", None),
        ("tag", CHOICE, "<Answer>Neither</Answer>", "neither"),
        ("tag", CHOICE, "B", None),
        ("tag", YES, "<Answer>Yes</Answer>", "yes"),
        ("tag-first", CHOICE, "<Answer>B/C</Answer>", "B"),
        ("yes-no", YES, "\n\nYes.", "yes"),
        ("yes-no", YES, "**No**, it is not", "no"),
        ("yes-no", YES, "Nothing", None),
        ("yes-no", YES, "It depends. Yes.", None),
        ("yes-no-anywhere", YES, "It depends. Yes.", "yes"),
        ("answer-is", CHOICE, "Let us see. So the answer is (B).", "B"),
        ("answer-is", CHOICE, "So the answer is (A) or (B).", None),
        ("answer-is", CHOICE, "(B)", "B"),
        ("answer-is", NUMBER, "the answer is 7. No: the answer is 12.", "12"),
        ("number", NUMBER, "3 boxes of 4 make $1,200.50 in all", "1200.5"),
        ("number", NUMBER, "none", None),
        ("first-number", NUMBER, " 12 of 40", "12"),
        ("final-number", NUMBER, "3 * 4 = 12\n#### 12", "12"),
        ("final-number", NUMBER, "3 * 4 = 12", None),
        ("boxed", NUMBER, r"so \boxed{12} and", "12"),
        ("boxed", Question("q", "", (), ("x",)), r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("boxed", NUMBER, r"\boxed{12", None),
        ("boxed-number", NUMBER, r"12 of 40: \boxed{$12 each} or 7", "12"),
        ("boxed-number", NUMBER, "3 times 4 is 12.", "12"),
        ("exact", Question("q", "", (), ("x",)), " Two  Words ", "two words"),
    ],
)
def test_what_each_parser_reads(
    rule: str, question: Question, text: str, answer: str | None
) -> None:
    assert PARSERS[rule](text, question) == answer


@given(st.text(max_size=200))
def test_no_text_makes_a_parser_fail_or_name_what_is_no_choice(text: str) -> None:
    for name, parse in PARSERS.items():
        answer = parse(text, CHOICE)
        if name in ("letter", "first-capital", "answer-is", "exact"):
            assert answer in (None, "A", "B", "C")


def test_spellings_of_a_word_are_added_up_where_the_answer_begins() -> None:
    tops = (
        {"\n": -0.1, "Yes": -3.0},
        {"Yes": -1.0, " yes": -2.0, "No": -1.5, "Maybe": -4.0},
    )
    found = margin(Output("?", "\nYes", top=tops))
    assert found == pytest.approx(math.log(math.exp(-1) + math.exp(-2)) + 1.5)


def test_a_word_that_is_not_among_the_alternatives_has_at_most_the_least() -> None:
    assert margin(Output("?", "Yes", top=({"Yes": -0.5, "Sure": -6.0},))) == pytest.approx(5.5)
    assert margin(Output("?", "Well", top=({"Well": -0.5, "Hm": -1.0},))) is None
    assert margin(Output("?", "no")) == -1
    assert margin(Output("?", None, likelihoods=(-3.0, -1.0))) == -2


def test_the_surer_direction_wins_though_both_are_affirmed() -> None:
    exam = assembled(
        "claims",
        [
            Question("c", "Does a cause b?", (), ("no",)),
            Question("c", "Does b cause a?", (), ("yes",)),
        ],
    )
    outputs = (
        Output("Does a cause b?", "Yes", top=({"Yes": -0.5, "No": -1.0},)),
        Output("Does b cause a?", "Yes", top=({"Yes": -0.1, "No": -4.0},)),
    )
    assert score(exam, Recording("m", outputs)).accuracy.interval.value == 0.5
    [graded] = score(exam, Recording("m", outputs), rule="pair-contrast").graded
    assert (graded.answers, graded.credit) == (("B",), 1)


def test_an_unreadable_answer_counts_as_the_policy_says() -> None:
    exam = assembled(
        "e", [Question(str(n), f"{n}?", ("a", "b", "c", "d"), ("A",)) for n in range(4)]
    )
    outputs = tuple(Output(f"{n}?", "A" if n else "hm") for n in range(4))
    got = {
        policy: score(exam, Recording("m", outputs), policy=policy)
        for policy in ("wrong", "chance", "omit", 0.5)
    }
    accuracy = {policy: one.accuracy.interval.value for policy, one in got.items()}
    assert accuracy == {"wrong": 0.75, "chance": 3.25 / 4, "omit": 1.0, 0.5: 3.5 / 4}
    assert all(one.unparsed == 1 for one in got.values())
    assert len(got["omit"].scored) == 3


def test_several_samples_of_a_question_are_averaged() -> None:
    exam = assembled("e", [Question(str(n), f"{n}?", (), ("yes",)) for n in range(2)])
    outputs = [Output("0?", "yes"), Output("0?", "no"), Output("1?", "yes"), Output("1?", "yes")]
    got = score(exam, Recording("m", tuple(outputs)))
    assert [one.credit for one in got.graded] == [0.5, 1]
    assert got.accuracy.interval.value == 0.75


def test_equal_prompts_are_dealt_in_turn() -> None:
    exam = assembled(
        "e",
        [Question("1", "Same?", (), ("yes",)), Question("2", "Same?", (), ("no",))],
        as_published=True,
    )
    got = score(exam, Recording("m", (Output("Same?", "yes"), Output("Same?", "no"))))
    assert [one.answers for one in got.graded] == [("yes",), ("no",)]


def test_baselines_of_an_exam() -> None:
    keys = "AABAC"
    exam = assembled(
        "e", [Question(str(n), f"{n}?", ("x", "y", "z"), (k,)) for n, k in enumerate(keys)]
    )
    got = score(exam, Recording("m", tuple(Output(f"{n}?", "A") for n in range(5))))
    assert got.baselines.majority[0] == "A"
    assert got.baselines.majority[1] == pytest.approx(3 / 5)
    assert got.baselines.first_option == pytest.approx(3 / 5)
    assert got.baselines.chance == pytest.approx(1 / 3)
    free = assembled("e", [Question("1", "?", (), ("word",)), Question("2", "??", (), ("word",))])
    open_ended = score(free, Recording("m", (Output("?", "word"), Output("??", "word"))))
    assert open_ended.baselines.chance is None
    assert open_ended.baselines.first_option is None


def test_prompts_are_the_same_whatever_copying_changed() -> None:
    assert key("Does  it\train?\n") == key("does it rain?")
    assert key("Gro\u0308\u00dfe") == key("gr\u00f6sse")
    assert key("Does it rain?") != key("Does it snow?")


@given(st.text("QA: \nab", max_size=60))
def test_a_question_is_found_after_any_worked_examples(before: str) -> None:
    question = "Why is ink blue"
    whole = f"{before}\nQ: {question}\nA:"
    assert key(question) in list(readings(whole))


def test_options_are_the_last_run_from_a_on() -> None:
    listed = options_in("A. old\nB. older\n\nWhich?\n(A) x y\n(B) z\n(D) w")
    assert listed is not None
    assert (listed.letters, listed.texts) == ("AB", ("x y", "z"))
    inline = options_in("Which? Answer Choices: (A)one (B) two (C)three\nA:")
    assert inline is not None
    assert inline.texts == ("one", "two", "three")
    assert options_in("A. only one") is None
