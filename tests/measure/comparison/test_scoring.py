"""What counts as right, worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.augment.citations import NOT_ANSWERED
from isoflop.bill import Bill
from isoflop.documents import Passage
from isoflop.errors import UsageError
from isoflop.measure.comparison.scoring import METRICS, Rule, figures, row_of, supported
from isoflop.questions import Answer, Citation, Question

TEXT = "The harbour was dredged in 1932. Three ferries use it."
PASSAGE = Passage("harbour.md", 0, len(TEXT), TEXT)


def quote(text: str, *, supported: bool = True) -> Citation:
    start = TEXT.find(text)
    return Citation(PASSAGE, text, start, start + len(text), supported)


def said(text: str, *citations: Citation) -> Answer:
    return Answer(text, citations, (), False, Bill())


SILENT = Answer(NOT_ANSWERED, (), (), True, Bill())


def test_an_answer_in_a_sentence_is_contained_and_not_exact_and_shares_a_word_of_five() -> None:
    answer = said("The harbour was dredged in 1932.", quote("The harbour was dredged in 1932."))
    # five words without the article, one of them the key: precision 1/5, recall 1, F1 1/3
    found = figures(answer, ["1932"])
    assert found == {"contains": 1.0, "exact": 0.0, "f1": pytest.approx(1 / 3), "cited": 1.0}


def test_the_nearest_of_several_accepted_answers_counts() -> None:
    found = figures(said("Three ferries"), ["a bridge", "the three ferries", "ferries"])
    assert found == {"contains": 1.0, "exact": 1.0, "f1": 1.0, "cited": 0.0}


@pytest.mark.parametrize(
    ("text", "accepted", "contained"),
    [
        ("in 19321", "1932", 0.0),
        ("in 1932!", "1932", 1.0),
        ("New York, York and New", "york new york", 0.0),
        ("from NEW YORK to York", "New York", 1.0),
        ("1932", "in 1932", 0.0),
        ("the", "the", 0.0),  # no word of it counts
    ],
)
def test_an_answer_is_contained_word_for_word_in_order(
    text: str, accepted: str, contained: float
) -> None:
    assert figures(said(text), [accepted])["contains"] == contained


def test_a_quote_counts_only_where_it_is_supported_and_holds_the_answer() -> None:
    for citation, right in (
        (quote("dredged in 1932"), 1.0),
        (quote("dredged in 1932", supported=False), 0.0),
        (quote("Three ferries"), 0.0),
    ):
        assert figures(said("It was in 1932.", citation), ["1932"])["cited"] == right


def test_where_there_is_no_answer_silence_is_right_by_every_metric_and_speech_by_none() -> None:
    assert figures(SILENT, []) == dict.fromkeys(METRICS, 1.0)
    assert figures(said("1932"), []) == dict.fromkeys(METRICS, 0.0)
    assert figures(SILENT, ["1932"]) == dict.fromkeys(METRICS, 0.0)


def test_support_needs_a_citation_and_every_one_to_hold() -> None:
    good, bad = quote("dredged in 1932"), quote("dredged in 1932", supported=False)
    assert supported(said("1932", good)) is True
    assert supported(said("1932", good, bad)) is False
    assert supported(said("1932")) is False
    assert supported(SILENT) is None


@pytest.mark.parametrize(
    ("answer", "accepted", "score"),
    [
        (said("1932"), ("1932",), 1.0),
        (said("1933"), ("1932",), -0.5),
        (said("in 1932"), ("1932",), 2 / 3 - 0.5 / 3),  # F1 2/3: a third is wrong
        (SILENT, ("1932",), 0.0),
        (SILENT, (), 1.0),
        (said("1932"), (), -0.5),
    ],
)
def test_a_wrong_answer_loses_as_much_of_it_as_is_wrong(
    answer: Answer, accepted: tuple[str, ...], score: float
) -> None:
    question = Question("q", "When?", (), accepted)
    row = row_of(answer, question, scored=True)
    assert Rule("f1", 0.5).score(row) == pytest.approx(score)


@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(0, 100), st.booleans(), st.booleans()
)  # fmt: skip
def test_two_scores_are_never_farther_apart_than_the_bound(
    one: float, other: float, wrong: float, silent: bool, also: bool
) -> None:
    rule = Rule("f1", wrong)
    first = rule.value({"f1": one}, abstained=silent)
    second = rule.value({"f1": other}, abstained=also)
    assert -wrong - 1e-9 <= first <= 1
    assert abs(first - second) <= rule.bound + 1e-9


def test_a_row_keeps_what_a_report_needs_and_no_more() -> None:
    question = Question("q", "When?", (), ("1932",))
    row = row_of(said("1932", quote("dredged in 1932")), question, scored=False)
    assert row["right"] is None
    assert row["citations"] == [
        {"document": "harbour.md", "start": 16, "stop": 31, "quote": "dredged in 1932",
         "supported": True}
    ]  # fmt: skip
    assert row_of(SILENT, question, scored=True)["text"] == ""
    assert "refused" not in row


@pytest.mark.parametrize("wrong", [-0.1, float("inf"), float("nan")])
def test_what_a_wrong_answer_cannot_lose_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="must be 0 or more"):
        Rule("contains", wrong)


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean exact"):
        Rule("exat")  # type: ignore[arg-type]  # as a user may write
