"""Two recordings on the same questions."""

import pytest

from isoflop.errors import UsageError
from isoflop.measure.exams.compare import compare
from isoflop.measure.exams.formats import assembled
from isoflop.measure.exams.outputs import Output, Recording
from isoflop.measure.exams.score import Score, score
from isoflop.measure.statistics.paired import mcnemar
from isoflop.questions import Question

EXAM = assembled(
    "sums",
    [
        Question(f"q{n}", f"What is {n} + 1?", (), (str(n + 1),), f"page {n // 4}")
        for n in range(40)
    ],
)


def answered(model: str, wrong: set[int], asked: range = range(40)) -> Score:
    outputs = tuple(
        Output(EXAM.questions[n].text, "no idea" if n in wrong else str(n + 1)) for n in asked
    )
    return score(EXAM, Recording(model, outputs))


def test_disagreements_are_counted_and_tested() -> None:
    one, other = answered("one", {1, 2, 3}), answered("other", set(range(2, 15)))
    [found] = compare([one, other])
    assert (found.only_first, found.only_second) == (11, 1)
    assert found.difference.value == pytest.approx(10 / 40)
    assert found.mcnemar == pytest.approx(2 * (1 + 12) / 2**12)  # 1 of 12, both tails
    assert found.holm == found.mcnemar


def test_only_common_questions_are_compared() -> None:
    [found] = compare([answered("one", set(), range(20)), answered("other", {15}, range(10, 40))])
    assert found.questions == 10
    assert found.difference.value == pytest.approx(0.1)


def test_three_comparisons_are_corrected_together() -> None:
    scores = [answered("a", set()), answered("b", set(range(9))), answered("c", set(range(6)))]
    found = compare(scores)
    raw = [mcnemar([True] * 9, [False] * 9), mcnemar([True] * 6, [False] * 6),
           mcnemar([False] * 3, [True] * 3)]  # fmt: skip
    assert [one.mcnemar for one in found] == pytest.approx(raw)
    assert [one.holm for one in found] == pytest.approx([3 * raw[0], 2 * raw[1], raw[2]])


def test_clusters_widen_the_interval() -> None:
    # page 0 to 4 all wrong, the others all right: questions of a page go together
    [found] = compare([answered("one", set()), answered("other", set(range(20)))])
    alone = assembled("alone", [q.__class__(q.id, q.text, (), q.answers) for q in EXAM.questions])
    outputs = [(q.text, q.answers[0]) for q in EXAM.questions]
    right = Recording("one", tuple(Output(p, a) for p, a in outputs))
    half = Recording("other", tuple(Output(p, a if n > 19 else "") for n, (p, a) in
                                    enumerate(outputs)))  # fmt: skip
    [independent] = compare([score(alone, right), score(alone, half)])
    assert found.difference.value == independent.difference.value == 0.5
    width = found.difference.high - found.difference.low
    assert width > 1.8 * (independent.difference.high - independent.difference.low)


def test_equal_recordings_show_no_detectable_difference() -> None:
    [found] = compare([answered("one", {3}), answered("other", {3})])
    assert found.difference.value == 0
    assert found.mcnemar == 1
    assert found.detectable is None


def test_a_single_recording_or_different_rules_are_refused() -> None:
    with pytest.raises(UsageError, match="at least two"):
        compare([answered("one", set())])
    first = score(EXAM, Recording("x", (Output(EXAM.questions[0].text, "1"),)), rule="exact")
    with pytest.raises(UsageError, match="with rule 'exact' and y with 'number'"):
        compare([first, answered("y", set())])
