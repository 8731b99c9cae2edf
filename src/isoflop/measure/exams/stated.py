"""How sure a recorded answer was of itself, and whether it was right as often."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isoflop.measure.exams import rules
from isoflop.measure.exams.exam import LETTERS, YES_NO, Contrast, is_yes_no
from isoflop.measure.exams.outputs import Output
from isoflop.measure.exams.score import Score
from isoflop.measure.statistics.abstention import RiskCoverage, risk_coverage
from isoflop.measure.statistics.calibration import Reliability, calibration
from isoflop.questions import Question

# Normalising by length makes a ranking of choices, and no probability.
SUMMED = {"sum", "pmi"}


@dataclass(frozen=True, slots=True)
class Stated:
    """Answers whose probability was recorded.

    Attributes:
        probabilities: That each answer gave itself among those allowed.
        right: Whether each was right.
        answers: All that were scored, with and without a probability.
    """

    probabilities: tuple[float, ...]
    right: tuple[bool, ...]
    answers: int

    @property
    def reliability(self) -> Reliability:
        """Stated beside observed, in ten bins of equal width."""
        return calibration(self.probabilities, self.right)

    @property
    def abstention(self) -> RiskCoverage:
        """Share of wrong answers as fewer are given, the surest first."""
        return risk_coverage(self.probabilities, [not right for right in self.right])


def stated(score: Score, contrasts: Sequence[Contrast] = ()) -> Stated | None:
    """The probabilities that a recording's answers gave themselves; None if none was recorded.

    Args:
        score: Of the recording.
        contrasts: Of the exam, where claims are asked in both directions.
    """
    outputs = {question.id: outs for question, outs in score.joined.answers}
    both = {one.id: (one.forward, one.backward) for one in contrasts}
    found: list[tuple[float, bool]] = []
    for graded in score.scored:
        if score.rule == rules.CONTRAST:
            forward, backward = (outputs[id][0] for id in both[graded.question.id])
            probabilities = [_of_direction(forward, backward, graded.answers[0])]
        else:
            own = outputs[graded.question.id]
            probabilities = [
                probability(graded.question, output, answer, score.rule)
                for output, answer in zip(own, graded.answers, strict=True)
            ]
        for answer, known in zip(graded.answers, probabilities, strict=True):
            if answer is not None and known is not None:
                found.append((known, answer in graded.question.answers))
    if not found:
        return None
    total = sum(len(graded.answers) for graded in score.scored)
    return Stated(tuple(p for p, _ in found), tuple(right for _, right in found), total)


def probability(question: Question, output: Output, answer: str | None, rule: str) -> float | None:
    """What an answer's probability was among the answers that the question allows.

    From the likelihoods of all choices, or from the alternatives recorded where the answer
    begins; an allowed answer that is not among them is given the least of them, which bounds it
    from above. None where neither was recorded, or the rule ranks by something else.
    """
    if rule in SUMMED and answer is not None:
        weighed = rules.weights(question, output, rule)
        return _share(dict(zip(LETTERS, weighed, strict=False)), answer)
    if rule in rules.LIKELIHOODS or rule in rules.CREDITS:
        return None
    allowed = YES_NO if is_yes_no(question) else tuple(LETTERS[: len(question.choices)])
    place = rules.first_word(output)
    if answer not in allowed or not place:
        return None
    masses = {one: rules.mass(place, one.lower()) for one in allowed}
    if masses[answer] is None:
        return None  # the answer stands elsewhere, after some reasoning
    least = min(place.values())
    return _share({one: least if m is None else m for one, m in masses.items()}, answer)


def _of_direction(forward: Output, backward: Output, answer: str | None) -> float | None:
    """That the first is the cause, given that exactly one direction is true: odds multiply."""
    recorded = all(each.top or len(each.likelihoods) == 2 for each in (forward, backward))
    one, other = rules.margin(forward), rules.margin(backward)
    if not recorded or one is None or other is None or answer is None:
        return None
    return _share({"A": one, "B": other}, answer)


def _share(logs: Mapping[str, float], of: str) -> float:
    top = max(logs.values())
    return math.exp(logs[of] - top) / sum(math.exp(value - top) for value in logs.values())
