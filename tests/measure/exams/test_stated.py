"""How sure answers were, against probabilities computed by hand."""

import math

import pytest

from isoflop.measure.exams.exam import Contrast, Exam
from isoflop.measure.exams.outputs import Output, Recording
from isoflop.measure.exams.score import score
from isoflop.measure.exams.stated import probability, stated
from isoflop.questions import Question

CHOICE = Question("q", "Which?", ("red", "blue", "green"), ("B",))
YES = Question("y", "Is it?", (), ("yes",))


def logs(**chances: float) -> dict[str, float]:
    return {token: math.log(chance) for token, chance in chances.items()}


def test_the_likelihoods_of_choices_give_a_share_of_their_sum() -> None:
    output = Output("Which?", None, likelihoods=tuple(map(math.log, (0.1, 0.3, 0.05))))
    assert probability(CHOICE, output, "B", "sum") == pytest.approx(0.3 / 0.45)
    assert probability(CHOICE, output, "B", "per-byte") is None  # ranks, and is no probability


def test_mutual_information_gives_the_posterior_of_equal_priors() -> None:
    output = Output(
        "Which?",
        None,
        likelihoods=tuple(map(math.log, (0.1, 0.3, 0.05))),
        unconditional=tuple(map(math.log, (0.2, 0.4, 0.1))),
    )
    ratios = (0.1 / 0.2, 0.3 / 0.4, 0.05 / 0.1)
    assert probability(CHOICE, output, "B", "pmi") == pytest.approx(ratios[1] / sum(ratios))


def test_alternatives_give_the_share_of_a_word_in_all_its_spellings() -> None:
    place = {"yes": 0.5, " Yes": 0.2, "no": 0.1, "It": 0.05}
    output = Output("Is it?", "yes", top=(logs(**place),))
    assert probability(YES, output, "yes", "yes-no") == pytest.approx(0.7 / 0.8)
    assert probability(YES, output, "no", "yes-no") == pytest.approx(0.1 / 0.8)


def test_a_letter_that_is_not_listed_is_given_the_least_that_is() -> None:
    output = Output("Which?", "B", top=(logs(B=0.6, A=0.2, x=0.1),))
    assert probability(CHOICE, output, "B", "letter") == pytest.approx(0.6 / (0.6 + 0.2 + 0.1))


def test_an_answer_after_some_reasoning_has_no_known_probability() -> None:
    output = Output("Which?", "Let me see. B", top=(logs(Let=0.6, It=0.2),))
    assert probability(CHOICE, output, "B", "letter") is None
    assert probability(CHOICE, Output("Which?", "B"), "B", "letter") is None


def test_of_a_claim_asked_both_ways_the_odds_multiply() -> None:
    questions = (
        Question("c/forward", "Does A cause B?", (), ("yes",)),
        Question("c/backward", "Does B cause A?", (), ("no",)),
    )
    exam = Exam(
        "c", questions, "pair-contrast", contrasts=(Contrast("c", "c/forward", "c/backward"),)
    )
    outputs = (
        Output("Does A cause B?", "yes", top=(logs(yes=0.8, no=0.2),)),
        Output("Does B cause A?", "yes", top=(logs(yes=0.6, no=0.4),)),
    )
    found = stated(score(exam, Recording("m", outputs)), exam.contrasts)
    assert found is not None
    forward, backward = 0.8 * 0.4, 0.2 * 0.6  # exactly one of the two is true
    assert found.probabilities == pytest.approx((forward / (forward + backward),))
    assert found.right == (True,)


def test_a_recording_without_probabilities_states_nothing() -> None:
    exam = Exam("e", (CHOICE,), "letter")
    assert stated(score(exam, Recording("m", (Output("Which?", "B"),)))) is None
