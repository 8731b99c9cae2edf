"""Citations and abstention of answers, against values worked out by hand."""

import pytest

from isoflop.errors import UsageError
from isoflop.measure.answers import Claim, Mentioned, Verbatim, abstention, citation_score

BUILT = "The mill was built in 1902. It burned down twice."
SOLD = "In 1931 the mill was sold to a baker."


def test_recall_and_precision_are_those_worked_out_by_hand() -> None:
    claims = [
        Claim("The mill was built in 1902.", (BUILT, SOLD)),  # supported; the second not needed
        Claim("It burned down twice. The mill was sold to a baker.", (BUILT, SOLD)),  # needs both
        Claim("The mill was sold in 1931.", (SOLD,)),  # other words
        Claim("It burned down twice."),  # cites nothing
    ]
    score = citation_score(claims, Verbatim())
    assert (score.judge, score.claims, score.citations) == ("verbatim", 4, 5)
    assert score.recall == 2 / 4
    assert score.precision == 3 / 5
    assert citation_score(claims, Mentioned()).recall == 3 / 4  # other words, same facts


@pytest.mark.parametrize(
    ("claim", "verbatim", "mentioned"),
    [
        ("the MILL was\nbuilt, in 1902", True, True),
        ("The mill was built in 1903.", False, False),
        ("The mill was built in 19.", False, False),  # half of a number is none
        ("The mill was not built in 1902.", False, True),
        ("...", False, False),
    ],
)
def test_judges_differ_as_they_say(claim: str, verbatim: bool, mentioned: bool) -> None:
    assert Verbatim().supports(claim, [BUILT]) is verbatim
    assert Mentioned().supports(claim, [BUILT]) is mentioned


def test_precision_without_citations_is_unknown_not_zero() -> None:
    assert citation_score([Claim("It burned.")], Verbatim()).precision is None


def test_no_claims_are_refused() -> None:
    with pytest.raises(UsageError, match="no claims"):
        citation_score([], Verbatim())


def test_staying_silent_when_unsure_costs_what_it_should() -> None:
    # losses: right 0, half right 1 - 2/3, wrong 1, silent where nothing is to be said 0
    curve = abstention(
        [0.9, 0.6, 0.2, 0.8],
        ["Paris", "the old mill", "1902", ""],
        [["Paris"], ["mill"], ["1931"], [""]],
    )
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 0, (1 / 3) / 3, (4 / 3) / 4])
    assert curve.excess_area == pytest.approx(0)


def test_an_answer_without_a_key_is_refused() -> None:
    with pytest.raises(UsageError, match="2 answers and 1 keys"):
        abstention([1, 1], ["a", "b"], [["a"], []])
